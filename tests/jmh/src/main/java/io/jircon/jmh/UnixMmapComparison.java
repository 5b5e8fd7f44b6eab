package io.jircon.jmh;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.HugePages;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.unix.MappedView;
import io.jircon.hal.unix.UnixMmapPageTable;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The operations of `unix-mmap` beside the same system calls without anything around them, all in
/// one run. The machine's clock and its other users make a single run of a program as much as half
/// slower than the next one: so what is compared takes turns, and the best time of each operation
/// counts. Run it with the class path of this module and `--enable-native-access=ALL-UNNAMED`.
///
/// The columns:
///
/// - `Jircon`: through page table and processor of the machine;
/// - `C`: `bare-mmap.c`, built with `/usr/bin/cc`, a process of one thread and a dozen mappings;
/// - `C+thread`: the same with a thread that runs beside it, so that another processor has to be
///   told of each change;
/// - `C here`: the same loop, called once in this JVM's process: with its threads and its mappings;
/// - `downcalls`: the same calls one by one from Java, without errno.
///
/// What `C here` takes above `C` is the price of the process, `downcalls` above that the price of
/// leaving Java, and `Jircon` above that our own. Without a compiler there are `downcalls` alone.
/// The line `nothing` is what it takes to look at the clock twice: it is in every other line.
///
/// Of the operations, `touched` means that the host has entered each of the 65,536 pages in its own
/// page table, which it then has to change. The pages of the other runs have never been accessed:
/// there is nothing for the host to do but to write down the run, which is the least that there is.
///
/// Scattered pages are 32,768, not 65,536: one mapping each, and `vm.max_map_count` allows 65,530
/// on most hosts.
public final class UnixMmapComparison {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final int RUN_PAGES = 65_536;
    private static final int SCATTERED = 32_768;
    private static final int TURNS = 10;

    /// Of each turn.
    private static final int ROUNDS = 2;

    /// Of operations that take a microsecond or so; enough for the compiler to be done with them.
    private static final int SHORT_ROUNDS = 4_000;

    private static final int BLOCK_ROUNDS = 400 * ROUNDS;
    private static final long BLOCK = 1 << 20;

    /// What the operations are compared with.
    private interface Contender {
        /// @return the best time of each operation, in nanoseconds
        Map<String, Double> measure() throws Exception;
    }

    private final Times times = new Times();

    private UnixMmapComparison() {}

    /// Runs it.
    ///
    /// @param arguments none
    /// @throws Exception when the C program cannot be built or run
    public static void main(String[] arguments) throws Exception {
        var jircon = new UnixMmapComparison();
        Map<String, Times> others = new LinkedHashMap<>();
        try (BareProgram program =
                BareProgram.canBeBuilt() ? BareProgram.build("bare-mmap.c") : null) {
            Map<String, Contender> contenders = contenders(program);
            for (int turn = 0; turn < TURNS; turn++) {
                for (var each : contenders.entrySet()) {
                    others.computeIfAbsent(each.getKey(), name -> new Times())
                            .addAll(each.getValue().measure());
                }
                jircon.run();
            }
        }
        jircon.times.print(others);
    }

    private static Map<String, Contender> contenders(@Nullable BareProgram program) {
        Map<String, Contender> all = new LinkedHashMap<>();
        if (program != null) {
            all.put("C", () -> program.run(RUN_PAGES, SCATTERED, ROUNDS, SHORT_ROUNDS, 0));
            all.put("C+thread", () -> program.run(RUN_PAGES, SCATTERED, ROUNDS, SHORT_ROUNDS, 1));
            all.put("C here", () -> program.runHere(RUN_PAGES, SCATTERED, ROUNDS, SHORT_ROUNDS));
        }
        all.put("downcalls", UnixMmapComparison::downcalls);
        return all;
    }

    private static Map<String, Double> downcalls() {
        var times = new Times();
        for (int round = 0; round < SHORT_ROUNDS; round++) {
            times.time("nothing", () -> {});
        }
        try (var calls = new BareCalls(2 * RUN_PAGES * PAGE);
                Arena arena = Arena.ofConfined()) {
            for (int round = 0; round < SHORT_ROUNDS; round++) {
                long atMap = System.nanoTime();
                calls.map(0, RUN_PAGES, BareCalls.READ_WRITE, 0);
                long atProtect = System.nanoTime();
                calls.protect(0, RUN_PAGES, BareCalls.READ);
                long atUnmap = System.nanoTime();
                calls.unmap(0, RUN_PAGES);
                addRun(times, atMap, atProtect, atUnmap, System.nanoTime());
            }
            for (int round = 0; round < ROUNDS; round++) {
                calls.map(0, RUN_PAGES, BareCalls.READ_WRITE, 0);
                for (long at = 0; at < RUN_PAGES * PAGE; at += PAGE) {
                    calls.memory().set(ValueLayout.JAVA_BYTE, at, (byte) 1);
                }
                times.timeLong(
                        "protect-touched", () -> calls.protect(0, RUN_PAGES, BareCalls.READ));
                times.timeLong("unmap-touched", () -> calls.unmap(0, RUN_PAGES));
                times.timeLong(
                        "map-scattered",
                        () -> {
                            for (int i = 0; i < SCATTERED; i++) {
                                calls.map(i, 1, BareCalls.READ_WRITE, 2L * i);
                            }
                        });
                times.timeLong("unmap-scattered", () -> calls.unmap(0, SCATTERED));
            }
            MemorySegment own = arena.allocate(BLOCK);
            calls.map(0, BLOCK / PAGE, BareCalls.READ_WRITE, 0);
            for (int round = 0; round < BLOCK_ROUNDS; round++) {
                times.time("store-1M", () -> calls.write(0, own, BLOCK));
                times.time("load-1M", () -> calls.read(0, own, BLOCK));
            }
            long page = BLOCK / PAGE;
            for (int round = 0; round < SHORT_ROUNDS; round++) {
                times.time(
                        "fault-map-retry",
                        () -> {
                            calls.read(BLOCK, own, 8);
                            calls.map(page, 1, BareCalls.READ, page);
                            calls.read(BLOCK, own, 8);
                        });
                calls.unmap(page, 1);
            }
        }
        return times.best();
    }

    private void run() {
        HalConfig config = HalConfig.DEFAULT.withMemoryBytes(2 * RUN_PAGES * PAGE);
        try (Hal hal = Hals.create("unix-mmap", config);
                PageTableTrait table = hal.newPageTable(AddressSpaceKind.USER);
                Mmu mmu = hal.newMmu()) {
            mmu.activate(table);
            for (int round = 0; round < SHORT_ROUNDS; round++) {
                times.time("nothing", () -> {});
            }
            for (int round = 0; round < SHORT_ROUNDS; round++) {
                oneRun(hal, table);
            }
            for (int round = 0; round < ROUNDS; round++) {
                touchedRun(hal, table, mmu);
                scattered(hal, table);
            }
            for (int round = 0; round < BLOCK_ROUNDS; round++) {
                transfers(hal, (UnixMmapPageTable) table, mmu);
            }
            MemorySegment word = MemorySegment.ofArray(new byte[8]);
            for (int round = 0; round < SHORT_ROUNDS; round++) {
                fault(hal, table, mmu, word);
            }
        }
    }

    private void oneRun(Hal hal, PageTableTrait table) {
        long start = table.firstAddress();
        long bytes = RUN_PAGES * PAGE;
        long base = hal.memory().base();
        long atMap = System.nanoTime();
        table.mapRange(start, base, bytes, MmuFlags.RW, HugePages.ALLOWED, OnExisting.ERROR);
        long atProtect = System.nanoTime();
        table.protectRange(start, bytes, MmuFlags.R);
        long atUnmap = System.nanoTime();
        table.unmapRange(start, bytes);
        addRun(times, atMap, atProtect, atUnmap, System.nanoTime());
    }

    private static void addRun(Times times, long atMap, long atProtect, long atUnmap, long atEnd) {
        times.add("map-run", atProtect - atMap);
        times.add("protect-run", atUnmap - atProtect);
        times.add("unmap-run", atEnd - atUnmap);
    }

    private void touchedRun(Hal hal, PageTableTrait table, Mmu mmu) {
        long start = table.firstAddress();
        long bytes = RUN_PAGES * PAGE;
        long base = hal.memory().base();
        table.mapRange(start, base, bytes, MmuFlags.RW, HugePages.ALLOWED, OnExisting.ERROR);
        MemorySegment block = MemorySegment.ofArray(new byte[(int) BLOCK]);
        for (long at = 0; at < bytes; at += BLOCK) {
            mmu.store(start + at, block, 0, BLOCK);
        }
        times.timeLong("protect-touched", () -> table.protectRange(start, bytes, MmuFlags.R));
        times.timeLong("unmap-touched", () -> table.unmapRange(start, bytes));
    }

    private void scattered(Hal hal, PageTableTrait table) {
        long start = table.firstAddress();
        long[] frames = new long[SCATTERED];
        for (int i = 0; i < SCATTERED; i++) {
            frames[i] = hal.memory().base() + 2L * i * PAGE;
        }
        times.timeLong(
                "map-scattered",
                () -> table.mapPages(start, frames, 0, SCATTERED, MmuFlags.RW, OnExisting.ERROR));
        times.timeLong("unmap-scattered", () -> table.unmapRange(start, SCATTERED * PAGE));
    }

    private void transfers(Hal hal, UnixMmapPageTable table, Mmu mmu) {
        long start = table.firstAddress();
        table.mapRange(
                start,
                hal.memory().base(),
                BLOCK,
                MmuFlags.RW,
                HugePages.ALLOWED,
                OnExisting.ERROR);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment confined = arena.allocate(BLOCK);
            mmu.store(start, confined, 0, BLOCK);
            times.time("store-1M", () -> mmu.store(start, confined, 0, BLOCK));
            times.time("load-1M", () -> mmu.load(start, confined, 0, BLOCK));
            MemorySegment array = MemorySegment.ofArray(new byte[(int) BLOCK]);
            times.time("store-1M from an array", () -> mmu.store(start, array, 0, BLOCK));
            times.time("load-1M into an array", () -> mmu.load(start, array, 0, BLOCK));
            try (MappedView view = table.pin(start, BLOCK, AccessKind.WRITE)) {
                view.segment().fill((byte) 0);
                times.time("store-1M by a view", () -> view.segment().copyFrom(array));
                times.time("load-1M by a view", () -> array.copyFrom(view.segment()));
            }
        }
        table.unmapRange(start, BLOCK);
    }

    private void fault(Hal hal, PageTableTrait table, Mmu mmu, MemorySegment word) {
        long vaddr = table.firstAddress() + BLOCK;
        times.time(
                "fault-map-retry",
                () -> {
                    if (mmu.load(vaddr, word, 0, 8) == 0) {
                        table.map(vaddr, hal.memory().base() + BLOCK, PageSize.SIZE_4K, MmuFlags.R);
                        mmu.load(vaddr, word, 0, 8);
                    }
                });
        table.unmap(vaddr);
    }
}
