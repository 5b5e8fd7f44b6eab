package io.jircon.hal.unix;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/// The child of [ReturnedTest]: opens machines of every kind, uses them and closes them, in a JVM
/// that takes all it wants when it starts, and compares what the kernel lists before and after.
final class ReturnedMain {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final HalConfig CONFIG = HalConfig.DEFAULT.withMemoryBytes(64 * PAGE);

    private static final long MALLOC_MAY_GROW = 4 << 20;

    private static final int ROUNDS = 5;

    /// What the JVM itself takes while it compiles, a look may meet: that makes its round differ
    /// and the next. What each machine leaves behind makes all of them differ.
    private static final int ROUNDS_OF_THE_JVM = 2;

    private final String directory;
    private final MemorySegment onHeap = MemorySegment.ofArray(new byte[(int) (3 * PAGE)]);

    private ReturnedMain(String directory) {
        this.directory = directory;
    }

    /// @param arguments a directory, cycles before the first look, cycles from the first look to
    ///   the last
    public static void main(String[] arguments) {
        var main = new ReturnedMain(arguments[0]);
        int warmUp = Integer.parseInt(arguments[1]);
        int cycles = Integer.parseInt(arguments[2]);
        main.run(warmUp);
        HostMaps.Mapped.now(); // what looking makes the JVM take
        HostMaps.openFiles();
        List<String> open = HostMaps.openFiles();
        List<HostMaps.Mapped> atFirst = HostMaps.Mapped.now();
        long malloc = takeMalloc(atFirst);
        List<HostMaps.Mapped> before = atFirst;
        List<String> differences = new ArrayList<>();
        int roundsThatDiffer = 0;
        for (int round = 0; round < ROUNDS; round++) {
            main.run(cycles / ROUNDS);
            List<HostMaps.Mapped> after = HostMaps.Mapped.now();
            long mallocNow = takeMalloc(after);
            if (mallocNow - malloc > MALLOC_MAY_GROW) {
                System.out.println("malloc has grown: by " + (mallocNow - malloc));
            }
            List<String> found = differences("mapping", before, after);
            differences.addAll(found);
            roundsThatDiffer += found.isEmpty() ? 0 : 1;
            before = after;
        }
        differences("descriptor", open, HostMaps.openFiles()).forEach(System.out::println);
        if (roundsThatDiffer > ROUNDS_OF_THE_JVM) {
            differences.forEach(System.out::println);
        }
        System.out.println("compared " + open.size() + " and " + atFirst.size());
    }

    private static List<String> differences(String what, List<?> before, List<?> after) {
        List<String> found = new ArrayList<>();
        List<Object> gone = new ArrayList<>(before);
        for (Object each : after) {
            if (!gone.remove(each)) {
                found.add(what + " has come: " + each);
            }
        }
        gone.forEach(each -> found.add(what + " is gone: " + each));
        return found;
    }

    /// Takes the memory of `malloc` out, which may grow while the JVM compiles, but not by what a
    /// leak in each cycle would make.
    ///
    /// @return how many bytes it is
    private static long takeMalloc(List<HostMaps.Mapped> all) {
        long bytes = 0;
        for (HostMaps.Mapped each : List.copyOf(all)) {
            if (each.name().equals("[heap]")) {
                bytes += each.end() - each.start();
                all.remove(each);
            }
        }
        return bytes;
    }

    private void run(int cycles) {
        for (int i = 0; i < cycles; i++) {
            try (Hal hal = open(i)) {
                use(hal, i);
            }
        }
    }

    private Hal open(int cycle) {
        HalConfig mmap = CONFIG.withOption("window", cycle % 3 == 0 ? "1G" : "1M");
        String kept = directory + "/kept";
        return switch (cycle % 8) {
            case 0 -> UnixFileHal.open(CONFIG);
            case 1 -> UnixFileHal.open(CONFIG.withOption("file", kept));
            case 2 -> UnixMmapHal.open(mmap.withOption("file", kept));
            case 3 -> UnixMmapHal.open(mmap.withOption("directory", directory));
            case 4 -> UnixMmapHal.open(mmap.withOption("huge-pages", "hint"));
            case 5 -> UnixMmapHal.open(mmap.withOption("faults", "auto"));
            case 6 -> UnixMmapHal.open(mmap.withOption("faults", MinorFaults.OPTION));
            default -> UnixMmapHal.open(mmap);
        };
    }

    private void use(Hal hal, int cycle) {
        long[] frames = new long[6];
        hal.frames().allocate(frames, 0, frames.length);
        var user = hal.newPageTable(AddressSpaceKind.USER);
        var guest = hal.newPageTable(AddressSpaceKind.GUEST);
        Mmu mmu = hal.newMmu();
        Mmu other = hal.newMmu();
        try (Arena arena = Arena.ofConfined()) {
            exercise(user, mmu, frames, onHeap);
            exercise(guest, other, frames, arena.allocate(3 * PAGE));
        }
        if (user instanceof UnixMmapPageTable table) {
            view(table, cycle);
        }
        refused(() -> hal.frames().free(frames[0] + 1));
        refused(() -> UnixMmapHal.open(CONFIG.withOption("file", directory + "/letter")));
        // What is left open the machine closes.
        if (cycle % 2 == 0) {
            mmu.close();
            user.close();
            hal.newPageTable(AddressSpaceKind.USER);
        }
    }

    private static void exercise(
            PageTableTrait table, Mmu mmu, long[] frames, MemorySegment bytes) {
        long start = table.firstAddress();
        table.mapPages(start, frames, 0, 3, MmuFlags.RW, OnExisting.ERROR);
        table.mapPages(start + 8 * PAGE, frames, 3, 3, MmuFlags.R, OnExisting.ERROR);
        mmu.activate(table);
        long stored = mmu.store(start, bytes, 0, 3 * PAGE);
        long loaded = mmu.load(start + 8 * PAGE, bytes, 0, 3 * PAGE);
        long faulted =
                mmu.store(start + 8 * PAGE, bytes, 0, 1) + mmu.load(start + 5 * PAGE, bytes, 0, 1);
        if (stored != 3 * PAGE || loaded != 3 * PAGE || faulted != 0) {
            throw new AssertionError(stored + " " + loaded + " " + faulted);
        }
        table.protectRange(start, 2 * PAGE, MmuFlags.R);
        table.unmap(start + PAGE);
    }

    /// Some views are closed, some end with their pages, some with their machine.
    private static void view(UnixMmapPageTable table, int cycle) {
        MappedView view = table.pin(table.firstAddress() + 2 * PAGE, PAGE, AccessKind.WRITE);
        view.segment().set(ValueLayout.JAVA_LONG, 0, cycle);
        switch (cycle % 3) {
            case 0 -> view.close();
            case 1 -> table.unmapRange(table.firstAddress(), 8 * PAGE);
            default -> {}
        }
    }

    private static void refused(Runnable operation) {
        try {
            operation.run();
        } catch (PagingException expected) {
            return;
        }
        throw new AssertionError("was not refused");
    }
}
