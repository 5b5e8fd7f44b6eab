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
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/// `unix-mmap` beside a C program that makes the same system calls (`bare-mmap.c`, built with
/// `/usr/bin/cc`), in one run. Prints the best time of each operation and the ratio.
///
/// Scattered pages are 30,000, not 65,536: one mapping each, and `vm.max_map_count` allows 65,530 on
/// most hosts.
public final class UnixMmapComparison {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final int RUN_PAGES = 65_536;
    private static final int SCATTERED = 30_000;
    private static final int ROUNDS = 20;
    private static final long BLOCK = 1 << 20;

    private final Map<String, Double> best = new LinkedHashMap<>();

    private UnixMmapComparison() {}

    /// Runs it.
    ///
    /// @param arguments none
    /// @throws Exception when the C program cannot be built or run
    public static void main(String[] arguments) throws Exception {
        Map<String, Double> bare = runBare();
        var comparison = new UnixMmapComparison();
        comparison.run();
        System.out.printf("%-28s %14s %14s %7s%n", "operation", "Java ns", "C ns", "ratio");
        comparison.best.forEach(
                (name, nanos) -> {
                    Double c = bare.get(name);
                    System.out.printf(
                            "%-28s %14.0f %14s %7s%n",
                            name,
                            nanos,
                            c == null ? "-" : String.format("%.0f", c),
                            c == null ? "-" : String.format("%.2f", nanos / c));
                });
    }

    private static Map<String, Double> runBare() throws IOException, InterruptedException {
        Path cc = Path.of("/usr/bin/cc");
        Map<String, Double> times = new LinkedHashMap<>();
        if (!Files.isExecutable(cc)) {
            return times;
        }
        Path directory = Files.createTempDirectory("jircon-bare");
        Path source = directory.resolve("bare-mmap.c");
        Path program = directory.resolve("bare-mmap");
        try (InputStream text =
                Objects.requireNonNull(
                        UnixMmapComparison.class.getResourceAsStream("bare-mmap.c"))) {
            Files.copy(text, source);
        }
        run(cc.toString(), "-O2", "-o", program.toString(), source.toString());
        String output =
                run(program.toString(), "" + RUN_PAGES, "" + SCATTERED, "" + ROUNDS);
        for (String line : output.lines().toList()) {
            String[] words = line.split(" ");
            times.put(words[0], Double.parseDouble(words[1]));
        }
        Files.delete(program);
        Files.delete(source);
        Files.delete(directory);
        return times;
    }

    private static String run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes());
        if (process.waitFor() != 0) {
            throw new IOException(String.join(" ", command) + ": " + output);
        }
        return output;
    }

    private void time(String name, Runnable operation) {
        long begin = System.nanoTime();
        operation.run();
        best.merge(name, (double) (System.nanoTime() - begin), Math::min);
    }

    private void run() {
        HalConfig config = HalConfig.DEFAULT.withMemoryBytes(2 * RUN_PAGES * PAGE);
        try (Hal hal = Hals.create("unix-mmap", config);
                PageTableTrait table = hal.newPageTable(AddressSpaceKind.USER);
                Mmu mmu = hal.newMmu()) {
            mmu.activate(table);
            for (int round = 0; round < 200 * ROUNDS; round++) {
                oneRun(hal, table);
            }
            for (int round = 0; round < ROUNDS; round++) {
                scattered(hal, table);
            }
            for (int round = 0; round < 200 * ROUNDS; round++) {
                transfers(hal, (UnixMmapPageTable) table, mmu);
                fault(hal, table, mmu);
            }
        }
    }

    private void oneRun(Hal hal, PageTableTrait table) {
        long start = table.firstAddress();
        long bytes = RUN_PAGES * PAGE;
        long base = hal.memory().base();
        time(
                "map-run",
                () ->
                        table.mapRange(
                                start,
                                base,
                                bytes,
                                MmuFlags.RW,
                                HugePages.ALLOWED,
                                OnExisting.ERROR));
        time("protect-run", () -> table.protectRange(start, bytes, MmuFlags.R));
        time("unmap-run", () -> table.unmapRange(start, bytes));
    }

    private void scattered(Hal hal, PageTableTrait table) {
        long start = table.firstAddress();
        long[] frames = new long[SCATTERED];
        for (int i = 0; i < SCATTERED; i++) {
            frames[i] = hal.memory().base() + 2L * i * PAGE;
        }
        time(
                "map-scattered",
                () ->
                        table.mapPages(
                                start, frames, 0, SCATTERED, MmuFlags.RW, OnExisting.ERROR));
        time("unmap-scattered", () -> table.unmapRange(start, SCATTERED * PAGE));
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
            time("store-1M", () -> mmu.store(start, confined, 0, BLOCK));
            time("load-1M", () -> mmu.load(start, confined, 0, BLOCK));
            MemorySegment array = MemorySegment.ofArray(new byte[(int) BLOCK]);
            time("store-1M from an array", () -> mmu.store(start, array, 0, BLOCK));
            time("load-1M into an array", () -> mmu.load(start, array, 0, BLOCK));
            try (MappedView view = table.pin(start, BLOCK, AccessKind.WRITE)) {
                view.segment().fill((byte) 0);
                time("store-1M by a view", () -> view.segment().copyFrom(array));
                time("load-1M by a view", () -> array.copyFrom(view.segment()));
            }
        }
        table.unmapRange(start, BLOCK);
    }

    private void fault(Hal hal, PageTableTrait table, Mmu mmu) {
        long vaddr = table.firstAddress() + BLOCK;
        MemorySegment word = MemorySegment.ofArray(new byte[8]);
        time(
                "fault-map-retry",
                () -> {
                    if (mmu.load(vaddr, word, 0, 8) == 0) {
                        table.map(
                                vaddr,
                                hal.memory().base() + BLOCK,
                                PageSize.SIZE_4K,
                                MmuFlags.R);
                        mmu.load(vaddr, word, 0, 8);
                    }
                });
        table.unmap(vaddr);
    }
}
