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
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;

/// How fast bytes come and go on each access path of the Unix machines, beside the same accesses
/// from C (`bare-bandwidth.c`, built with `/usr/bin/cc`), or bare from Java where there is no
/// compiler, in one run. Run it with the class path of this module and
/// `--enable-native-access=ALL-UNNAMED`.
///
/// The paths: `bulk`, a MiB by `process_vm_readv` or `process_vm_writev`; `view`, a MiB through a
/// pinned view, compared with `memcpy`; `file`, a MiB through the software MMU of `unix-file`, and
/// `memcpy` again. With `word` behind it: one word of eight bytes of each page. The layouts: one
/// run of 256 MiB, and 32,768 pages of which no two lie in a row.
public final class UnixBandwidthComparison {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final int RUN_PAGES = 65_536;
    private static final int SCATTERED = 32_768;
    private static final int ROUNDS = 6;
    private static final long BLOCK = 1 << 20;

    /// A pass over a layout.
    private interface Pass {
        /// Moves what lies at an offset.
        void at(long offset);
    }

    private final Times times = new Times();
    private final Map<String, Long> bytesOf = new HashMap<>();
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment own = arena.allocate(BLOCK, PAGE);
    private long sum;

    private UnixBandwidthComparison() {}

    /// Runs it.
    ///
    /// @param arguments none
    /// @throws Exception when the C program cannot be built or run
    public static void main(String[] arguments) throws Exception {
        var comparison = new UnixBandwidthComparison();
        boolean c = BareProgram.canBeBuilt();
        Map<String, Double> bare = c ? program() : new UnixBandwidthComparison().downcalls();
        comparison.run("unix-mmap");
        comparison.run("unix-file");
        comparison.print(c ? "C" : "bare Java", bare);
    }

    private static Map<String, Double> program() throws IOException, InterruptedException {
        try (var program = BareProgram.build("bare-bandwidth.c")) {
            return program.run(RUN_PAGES, SCATTERED, ROUNDS);
        }
    }

    private void run(String name) {
        HalConfig config = HalConfig.DEFAULT.withMemoryBytes(2 * RUN_PAGES * PAGE);
        try (Hal hal = Hals.create(name, config);
                PageTableTrait table = hal.newPageTable(AddressSpaceKind.USER);
                Mmu mmu = hal.newMmu()) {
            mmu.activate(table);
            long start = table.firstAddress();
            long base = hal.memory().base();
            long runBytes = RUN_PAGES * PAGE;
            table.mapRange(
                    start, base, runBytes, MmuFlags.RW, HugePages.FORBIDDEN, OnExisting.ERROR);
            measure(table, mmu, "run", runBytes);
            table.unmapRange(start, runBytes);
            long[] frames = new long[SCATTERED];
            for (int i = 0; i < SCATTERED; i++) {
                frames[i] = base + 2L * i * PAGE;
            }
            table.mapPages(start, frames, 0, SCATTERED, MmuFlags.RW, OnExisting.ERROR);
            measure(table, mmu, "scattered", SCATTERED * PAGE);
        }
    }

    private void measure(PageTableTrait table, Mmu mmu, String layout, long bytes) {
        long start = table.firstAddress();
        boolean isHost = table instanceof UnixMmapPageTable;
        String whole = (isHost ? "bulk-" : "file-") + layout;
        String word = (isHost ? "word-" : "file-word-") + layout;
        for (int round = 0; round < ROUNDS; round++) {
            pass("write-" + whole, bytes, BLOCK, at -> mmu.store(start + at, own, 0, BLOCK));
            pass("read-" + whole, bytes, BLOCK, at -> mmu.load(start + at, own, 0, BLOCK));
            pass("write-" + word, bytes, PAGE, at -> mmu.store(start + at, own, 0, 8));
            pass("read-" + word, bytes, PAGE, at -> mmu.load(start + at, own, 0, 8));
            if (table instanceof UnixMmapPageTable host) {
                try (MappedView view = host.pin(start, bytes, AccessKind.WRITE)) {
                    plain(view.segment(), layout, bytes);
                }
            }
        }
    }

    private void plain(MemorySegment memory, String layout, long bytes) {
        pass(
                "write-view-" + layout,
                bytes,
                BLOCK,
                at -> MemorySegment.copy(own, 0, memory, at, BLOCK));
        pass(
                "read-view-" + layout,
                bytes,
                BLOCK,
                at -> MemorySegment.copy(memory, at, own, 0, BLOCK));
        pass(
                "write-view-word-" + layout,
                bytes,
                PAGE,
                at -> memory.set(ValueLayout.JAVA_LONG, at, at));
        pass(
                "read-view-word-" + layout,
                bytes,
                PAGE,
                at -> sum += memory.get(ValueLayout.JAVA_LONG, at));
    }

    private void pass(String name, long bytes, long step, Pass pass) {
        bytesOf.put(name, bytes);
        times.timeLong(
                name,
                () -> {
                    for (long at = 0; at < bytes; at += step) {
                        pass.at(at);
                    }
                });
    }

    private Map<String, Double> downcalls() {
        try (var calls = new BareCalls(2 * RUN_PAGES * PAGE)) {
            calls.map(0, RUN_PAGES, BareCalls.READ_WRITE, 0);
            bare(calls, "run", RUN_PAGES * PAGE);
            for (int i = 0; i < SCATTERED; i++) {
                calls.map(i, 1, BareCalls.READ_WRITE, 2L * i);
            }
            bare(calls, "scattered", SCATTERED * PAGE);
        }
        return times.best();
    }

    private void bare(BareCalls calls, String layout, long bytes) {
        for (int round = 0; round < ROUNDS; round++) {
            pass("write-bulk-" + layout, bytes, BLOCK, at -> calls.write(at, own, BLOCK));
            pass("read-bulk-" + layout, bytes, BLOCK, at -> calls.read(at, own, BLOCK));
            pass("write-word-" + layout, bytes, PAGE, at -> calls.write(at, own, 8));
            pass("read-word-" + layout, bytes, PAGE, at -> calls.read(at, own, 8));
            plain(calls.memory(), layout, bytes);
        }
    }

    private void print(String bareName, Map<String, Double> bare) {
        System.out.printf("%-28s %12s %12s %7s%n", "path", "Java", bareName, "ratio");
        times.best()
                .forEach((name, nanos) -> {
                    Double other =
                            bare.get(
                                    name.replace("file-word", "view-word").replace("file", "view"));
                    long bytes = bytesOf.getOrDefault(name, 0L);
                    System.out.printf(
                            "%-28s %12s %12s %7s%n",
                            name,
                            rate(name, bytes, nanos),
                            other == null ? "-" : rate(name, bytes, other),
                            other == null ? "-" : String.format("%.2f", nanos / other));
                });
        System.out.println("(words read add up to " + sum + ")");
    }

    private static String rate(String name, long bytes, double nanos) {
        return name.contains("word")
                ? String.format("%.1f ns/word", nanos / (bytes / PAGE))
                : String.format("%.2f GB/s", bytes / nanos);
    }
}
