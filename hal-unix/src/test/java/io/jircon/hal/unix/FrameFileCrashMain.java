package io.jircon.hal.unix;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PhysicalMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.random.RandomGenerator;

/// The child of [FrameFileCrashTest]: keeps a table of pages in a frame file until it is killed.
///
/// Each round writes the pages anew into fresh frames, through a page table, makes the root name
/// them, flushes, says its number, and frees the pages of the round before. What the file holds as
/// of any flush is so never written again before the next one.
///
/// The root frame's words: round, how many pages, how many frames the round before still held, then
/// the physical address of each page. A page's words are its round xor its own address.
final class FrameFileCrashMain {
    static final int MAX_PAGES = 300;

    private FrameFileCrashMain() {}

    static HalConfig config(String file) {
        return HalConfig.DEFAULT
                .withMemoryBytes(3L * MAX_PAGES * PageSize.BASE_BYTES)
                .withOption("file", file);
    }

    static Hal open(String name, HalConfig config) {
        return name.equals(UnixFileHal.NAME)
                ? UnixFileHal.open(config)
                : UnixMmapHal.open(config.withOption("window", "4M"));
    }

    static FrameFile fileOf(Hal hal) {
        return (hal instanceof UnixMmapHal mmap
                        ? mmap.frameFile()
                        : ((UnixFileHal) hal).frameFile())
                .orElseThrow();
    }

    /// @param arguments name of the HAL, frame file
    public static void main(String[] arguments) {
        Hal hal = open(arguments[0], config(arguments[1]));
        FrameFile file = fileOf(hal);
        PageTableTrait table = hal.newPageTable(AddressSpaceKind.GUEST);
        Mmu mmu = hal.newMmu();
        mmu.activate(table);
        PhysicalMemory memory = hal.memory();
        long[] old = frames(memory, file.root());
        long round = file.root() == 0 ? 0 : memory.readLong(file.root());
        dropUnreachable(hal, old);
        var random = RandomGenerator.of("L64X128MixRandom");
        while (true) {
            round++;
            long[] fresh = new long[2 + random.nextInt(MAX_PAGES - 1)];
            hal.frames().allocate(fresh, 0, fresh.length);
            write(table, mmu, fresh, round);
            describe(memory, fresh, round, old.length);
            file.setRoot(fresh[0]);
            file.flush();
            System.out.println(round);
            hal.frames().free(old, 0, old.length);
            old = fresh;
        }
    }

    /// The frames of a round: the root frame, then the pages.
    static long[] frames(PhysicalMemory memory, long root) {
        long[] frames = new long[root == 0 ? 0 : (int) memory.readLong(root + 8) + 1];
        for (int i = 0; i < frames.length; i++) {
            frames[i] = i == 0 ? root : memory.readLong(root + 24 + 8L * (i - 1));
        }
        return frames;
    }

    /// The round before the last one was still handed out when that one was flushed.
    private static void dropUnreachable(Hal hal, long[] reachable) {
        long end = hal.memory().base() + hal.memory().sizeBytes();
        for (long at = hal.memory().base(); at != end; at += PageSize.BASE_BYTES) {
            long frame = at;
            if (hal.frames().isAllocated(at)
                    && java.util.Arrays.stream(reachable).noneMatch(kept -> kept == frame)) {
                hal.frames().free(at);
            }
        }
    }

    private static void write(PageTableTrait table, Mmu mmu, long[] frames, long round) {
        int pages = frames.length - 1;
        table.mapPages(0, frames, 1, pages, MmuFlags.RW, OnExisting.ERROR);
        MemorySegment words = MemorySegment.ofArray(new long[512]);
        for (int page = 0; page < pages; page++) {
            for (int word = 0; word < 512; word++) {
                words.setAtIndex(ValueLayout.JAVA_LONG, word, round ^ frames[page + 1]);
            }
            long vaddr = page * PageSize.BASE_BYTES;
            if (mmu.store(vaddr, words, 0, PageSize.BASE_BYTES) != PageSize.BASE_BYTES) {
                throw new AssertionError("page " + page + " faulted");
            }
        }
        table.unmapRange(0, pages * PageSize.BASE_BYTES);
    }

    private static void describe(PhysicalMemory memory, long[] frames, long round, long before) {
        memory.writeLong(frames[0], round);
        memory.writeLong(frames[0] + 8, frames.length - 1);
        memory.writeLong(frames[0] + 16, before);
        for (int i = 1; i < frames.length; i++) {
            memory.writeLong(frames[0] + 24 + 8L * (i - 1), frames[i]);
        }
    }
}
