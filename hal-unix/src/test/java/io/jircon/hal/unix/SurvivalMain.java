package io.jircon.hal.unix;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.UnusedTables;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/// The child of [UnixMmapSurvivalTest]: several threads do anything to some page tables, in any
/// order: map, unmap, protect, close, open, access what is there and what is not, through MMUs that
/// they share and through views. Every exception that is not the documented one ends it with 1.
final class SurvivalMain {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final int PAGES = 64;
    private static final int TABLES = 3;
    private static final MmuFlags[] FLAGS = {MmuFlags.R, MmuFlags.RW, MmuFlags.RX, MmuFlags.RWX};

    private final UnixMmapHal hal;
    private final AtomicLong resolved = new AtomicLong();
    private final AtomicReferenceArray<UnixMmapPageTable> tables =
            new AtomicReferenceArray<>(TABLES);
    private final UnixMmapMmu shared;

    private SurvivalMain(String faults) {
        hal =
                UnixMmapHal.open(
                        HalConfig.DEFAULT
                                .withMemoryBytes(PAGES * PAGE)
                                .withOption("window", Long.toString(PAGES * PAGE))
                                .withOption("faults", faults));
        shared = (UnixMmapMmu) hal.newMmu();
        for (int i = 0; i < TABLES; i++) {
            tables.set(i, newTable());
        }
    }

    /// @param arguments seed, threads, accesses of each thread, value of option `faults`
    public static void main(String[] arguments) throws Exception {
        long seed = Long.parseLong(arguments[0]);
        int threads = Integer.parseInt(arguments[1]);
        int accesses = Integer.parseInt(arguments[2]);
        var main = new SurvivalMain(arguments[3]);
        List<Future<long[]>> running = new ArrayList<>();
        long[] sums = new long[4];
        try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
            for (int i = 0; i < threads; i++) {
                long own = seed * 100 + i;
                running.add(pool.submit(() -> main.play(own, accesses)));
            }
            for (Future<long[]> each : running) {
                long[] counts = each.get();
                for (int i = 0; i < sums.length; i++) {
                    sums[i] += counts[i];
                }
            }
        }
        HeldFaults held = main.hal.heldFaults();
        main.hal.close();
        PrintStream out = System.out;
        out.printf(
                "survived: moved=%d faults=%d refused=%d viewsEnded=%d%n",
                sums[0], sums[1], sums[2], sums[3]);
        if (held != null) {
            out.printf(
                    "missing=%d writeProtect=%d resolved=%d%n",
                    held.marks().missingFaults(),
                    held.marks().writeProtectFaults(),
                    main.resolved.get());
            if (held.descriptor().holdsMinor()) {
                out.println("minor=" + held.marks().minorFaults());
            }
        }
    }

    /// A table whose faults are resolved by chance, where accesses are held.
    private UnixMmapPageTable newTable() {
        var table = (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER);
        table.setFaultHandler((vaddr, access) -> {
            RandomGenerator random = ThreadLocalRandom.current();
            if (random.nextInt(3) == 0) {
                return false;
            }
            long paddr = hal.memory().base() + random.nextInt(PAGES) * PAGE;
            MmuFlags flags = FLAGS[random.nextInt(FLAGS.length)];
            table.mapRange(vaddr, paddr, PAGE, flags, HugePages.ALLOWED, OnExisting.UPGRADE);
            resolved.incrementAndGet();
            return true;
        });
        return table;
    }

    private long[] play(long seed, int accesses) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        long[] counts = new long[4];
        Map<PagingError, Long> errors = new EnumMap<>(PagingError.class);
        try (Arena confined = Arena.ofConfined();
                var own = (UnixMmapMmu) hal.newMmu()) {
            MemorySegment[] buffers = {
                MemorySegment.ofArray(new byte[(int) (8 * PAGE)]), confined.allocate(8 * PAGE)
            };
            for (int i = 0; i < accesses; i++) {
                UnixMmapMmu mmu = random.nextInt(4) == 0 ? shared : own;
                UnixMmapPageTable table = tables.get(random.nextInt(TABLES));
                try {
                    if (random.nextInt(8) == 0) {
                        change(random, table);
                    } else if (random.nextInt(8) == 0) {
                        view(random, table, counts);
                    } else {
                        access(random, table, mmu, buffers[random.nextInt(2)], counts);
                    }
                } catch (PagingException expected) {
                    check(expected);
                    errors.merge(expected.error(), 1L, Long::sum);
                    counts[2]++;
                }
            }
        }
        return counts;
    }

    private static void check(PagingException thrown) {
        switch (thrown.error()) {
            case ALREADY_MAPPED, NOT_MAPPED, BAD_STATE, OUT_OF_RANGE, NOT_SUPPORTED -> {}
            default -> throw thrown;
        }
    }

    private void access(
            RandomGenerator random,
            UnixMmapPageTable table,
            UnixMmapMmu mmu,
            MemorySegment buffer,
            long[] counts) {
        if (random.nextInt(4) == 0) {
            mmu.activate(table);
        }
        long vaddr = table.firstAddress() + random.nextLong(-2 * PAGE, (PAGES + 2) * PAGE);
        long length = 1 + random.nextLong(random.nextBoolean() ? 16 : 8 * PAGE);
        long moved =
                switch (random.nextInt(3)) {
                    case 0 -> mmu.load(vaddr, buffer, 0, length);
                    case 1 -> mmu.store(vaddr, buffer, 0, length);
                    default -> mmu.fetch(vaddr, buffer, 0, length);
                };
        counts[moved == length ? 0 : 1]++;
    }

    private static void view(RandomGenerator random, UnixMmapPageTable table, long[] counts) {
        long at = table.firstAddress() + random.nextInt(PAGES) * PAGE;
        AccessKind access = random.nextBoolean() ? AccessKind.READ : AccessKind.WRITE;
        long bytes = PAGE * (1 + random.nextInt(2));
        try (MappedView view = table.pin(at, bytes, access)) {
            if (random.nextInt(8) == 0) {
                // Others seldom hit the moment: some views are ended by their own thread.
                table.unmapRange(at, bytes);
            }
            for (long i = 0; i < bytes; i += 64) {
                if (access == AccessKind.READ) {
                    view.segment().get(ValueLayout.JAVA_LONG, i);
                } else {
                    view.segment().set(ValueLayout.JAVA_LONG, i, i);
                }
            }
        } catch (IllegalStateException ended) {
            counts[3]++;
        }
    }

    private void change(RandomGenerator random, UnixMmapPageTable table) {
        int page = random.nextInt(PAGES);
        long count = 1 + random.nextInt(PAGES - page);
        long vaddr = table.firstAddress() + page * PAGE;
        long paddr = hal.memory().base() + random.nextInt(PAGES) * PAGE;
        MmuFlags flags = FLAGS[random.nextInt(FLAGS.length)];
        OnExisting existing = OnExisting.values()[random.nextInt(3)];
        switch (random.nextInt(13)) {
            case 0, 1, 2, 3, 4 ->
                    table.mapRange(vaddr, paddr, count * PAGE, flags, HugePages.ALLOWED, existing);
            case 5 -> table.mapPages(vaddr, new long[] {paddr}, 0, 1, flags, existing);
            case 6 -> table.unmapRange(vaddr, Math.min(count, 8) * PAGE);
            case 7 -> table.unmap(vaddr);
            case 8 -> table.protectRange(vaddr, count * PAGE, flags);
            case 9 -> table.writeProtectRange(vaddr, count * PAGE);
            case 10 -> table.query(vaddr);
            case 11 ->
                    table.harvestAccessed(
                            vaddr,
                            count * PAGE,
                            UnusedTables.values()[random.nextInt(2)],
                            new BitSet());
            default -> {
                int slot = random.nextInt(TABLES);
                if (random.nextInt(20) == 0) {
                    tables.getAndSet(slot, newTable()).close();
                }
            }
        }
    }
}
