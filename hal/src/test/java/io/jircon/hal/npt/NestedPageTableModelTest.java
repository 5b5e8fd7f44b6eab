package io.jircon.hal.npt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.WalkResult;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Small address spaces, all ranges, against a map from page to what it shows.
class NestedPageTableModelTest {
    private static final long K4 = 1L << 12;
    private static final long M2 = 1L << 21;
    private static final long G1 = 1L << 30;

    /// Addresses around which something changes: the last page of one leaf table and the first of
    /// the next, inside a 2 MiB leaf, at its ends.
    private static final List<Long> CUTS =
            List.of(
                    G1 - 2 * K4,
                    G1 - K4,
                    G1,
                    G1 + K4,
                    G1 + M2 - K4,
                    G1 + M2,
                    G1 + M2 + K4,
                    G1 + 2 * M2);

    private static final long WINDOW = G1 - M2;
    private static final long WINDOW_SIZE = 4 * M2;

    private final Bench bench = new Bench();

    /// What is in the table before each of the operations below.
    private static void fill(NestedPageTable table) {
        table.mapRange(G1, 3 * M2, M2, MmuFlags.RW, HugePages.ALLOWED, OnExisting.ERROR);
        table.map(G1 - K4, 0x9000, PageSize.SIZE_4K, MmuFlags.RX);
        table.map(G1 + M2 + K4, 0x5000, PageSize.SIZE_4K, MmuFlags.RW);
    }

    @FunctionalInterface
    private interface Change {
        void on(NestedPageTable table, long vaddr, long size);
    }

    @FunctionalInterface
    private interface Model {
        void on(TreeMap<Long, String> pages, long page, long offset);
    }

    private void checkAllRanges(PagingFormat format, Change change, Model model) {
        for (int i = 0; i < CUTS.size(); i++) {
            for (int j = i; j < CUTS.size(); j++) {
                long from = CUTS.get(i);
                long size = CUTS.get(j) - from;
                long before = bench.free();
                try (NestedPageTable table = bench.table(format)) {
                    fill(table);
                    TreeMap<Long, String> expected = Bench.pages(table, WINDOW, WINDOW_SIZE);
                    for (long off = 0; off < size; off += K4) {
                        model.on(expected, from + off, off);
                    }
                    change.on(table, from, size);
                    String where = format + " " + Long.toHexString(from) + "+" + size;
                    assertEquals(expected, Bench.pages(table, WINDOW, WINDOW_SIZE), where);
                    requireWalkerAgrees(table, expected);
                }
                assertEquals(before, bench.free());
            }
        }
    }

    private static void requireWalkerAgrees(NestedPageTable table, TreeMap<Long, String> expected) {
        var result = new WalkResult();
        for (long page = WINDOW; page < WINDOW + WINDOW_SIZE; page += K4) {
            String shown = expected.get(page);
            if (shown == null) {
                assertEquals(NestedPageTable.NO_TRANSLATION, table.translate(page));
                continue;
            }
            String paddr = shown.substring(0, shown.indexOf(' '));
            assertEquals(paddr, Long.toHexString(table.translate(page)));
            if (table.hardwareWalk(page, AccessKind.READ, result)) {
                assertEquals(paddr, Long.toHexString(result.paddr));
            } else {
                assertEquals(io.jircon.hal.FaultCause.ACCESS_FLAG, result.cause);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#kinds")
    void unmapRangeRemovesExactlyTheRange(PagingFormat format) {
        checkAllRanges(
                format, NestedPageTable::unmapRange, (pages, page, offset) -> pages.remove(page));
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#kinds")
    void protectRangeChangesExactlyTheRange(PagingFormat format) {
        checkAllRanges(
                format,
                (table, vaddr, size) -> table.protectRange(vaddr, size, MmuFlags.R),
                (pages, page, offset) ->
                        pages.computeIfPresent(
                                page, (at, shown) -> shown.split(" ")[0] + " " + MmuFlags.R));
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#kinds")
    void writeProtectRangeTakesWriteFromExactlyTheRange(PagingFormat format) {
        checkAllRanges(
                format,
                NestedPageTable::writeProtectRange,
                (pages, page, offset) ->
                        pages.computeIfPresent(page, (at, shown) -> shown.replace("rw", "r-")));
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#kinds")
    void mapRangeSkippingFillsExactlyTheHoles(PagingFormat format) {
        for (HugePages huge : HugePages.values()) {
            checkAllRanges(
                    format,
                    (table, vaddr, size) ->
                            table.mapRange(vaddr, 16 * M2, size, MmuFlags.R, huge, OnExisting.SKIP),
                    (pages, page, offset) ->
                            pages.putIfAbsent(page, Bench.page(16 * M2 + offset, MmuFlags.R)));
        }
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#kinds")
    void mapRangeUpgradingReplacesOtherFrames(PagingFormat format) {
        for (HugePages huge : HugePages.values()) {
            checkAllRanges(
                    format,
                    (table, vaddr, size) ->
                            table.mapRange(
                                    vaddr, 16 * M2, size, MmuFlags.R, huge, OnExisting.UPGRADE),
                    (pages, page, offset) ->
                            pages.put(page, Bench.page(16 * M2 + offset, MmuFlags.R)));
        }
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#kinds")
    void mapPagesUpgradingSplitsHugeLeaves(PagingFormat format) {
        checkAllRanges(
                format,
                (table, vaddr, size) -> {
                    long[] frames = new long[(int) (size / K4) + 1];
                    for (int i = 1; i < frames.length; i++) {
                        frames[i] = 64 * M2 - i * K4;
                    }
                    table.mapPages(
                            vaddr, frames, 1, frames.length - 1, MmuFlags.RX, OnExisting.UPGRADE);
                },
                (pages, page, offset) ->
                        pages.put(page, Bench.page(64 * M2 - offset - K4, MmuFlags.RX)));
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#kinds")
    void mapRangeOverAnythingFailsAndChangesNothing(PagingFormat format) {
        for (int i = 0; i < CUTS.size(); i++) {
            for (int j = i + 1; j < CUTS.size(); j++) {
                long from = CUTS.get(i);
                long size = CUTS.get(j) - from;
                for (HugePages huge : HugePages.values()) {
                    try (NestedPageTable table = bench.table(format)) {
                        fill(table);
                        TreeMap<Long, String> before = Bench.leaves(table, WINDOW, WINDOW_SIZE);
                        boolean conflicts = !Bench.pages(table, from, size).isEmpty();
                        long tables = table.tableFrames();
                        bench.events.clear();
                        if (conflicts) {
                            var thrown =
                                    assertThrows(
                                            PagingException.class,
                                            () ->
                                                    table.mapRange(
                                                            from,
                                                            0,
                                                            size,
                                                            MmuFlags.R,
                                                            huge,
                                                            OnExisting.ERROR));
                            assertTrue(
                                    thrown.error() == PagingError.ALREADY_MAPPED
                                            || thrown.error() == PagingError.MAPPED_TO_HUGE_PAGE);
                            assertEquals(before, Bench.leaves(table, WINDOW, WINDOW_SIZE));
                            assertEquals(tables, table.tableFrames());
                            assertEquals(List.of(), bench.events);
                        } else {
                            table.mapRange(from, 0, size, MmuFlags.R, huge, OnExisting.ERROR);
                            assertEquals(size / K4, Bench.pages(table, from, size).size());
                            assertEquals(List.of(), bench.events);
                        }
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#kinds")
    void anyOperationFailingAtAnyTableFrameChangesNothing(PagingFormat format) {
        List<Change> changes = new ArrayList<>();
        changes.add((table, at, size) -> table.unmapRange(at, size));
        changes.add((table, at, size) -> table.protectRange(at, size, MmuFlags.R));
        changes.add((table, at, size) -> table.writeProtectRange(at, size));
        for (HugePages huge : HugePages.values()) {
            for (OnExisting existing : List.of(OnExisting.SKIP, OnExisting.UPGRADE)) {
                changes.add((table, at, size) ->
                        table.mapRange(at, M2, size, MmuFlags.R, huge, existing));
            }
        }
        changes.add((table, at, size) ->
                table.mapRange(
                        at + 2 * G1, 0, size, MmuFlags.RW, HugePages.FORBIDDEN, OnExisting.ERROR));
        int failures = 0;
        for (Change change : changes) {
            for (int i = 0; i < CUTS.size(); i++) {
                for (int j = i + 1; j < CUTS.size(); j++) {
                    failures += exhaust(format, change, CUTS.get(i), CUTS.get(j) - CUTS.get(i));
                }
            }
        }
        assertTrue(failures > 50, "failures=" + failures);
    }

    private int exhaust(PagingFormat format, Change change, long from, long size) {
        int failures = 0;
        try (NestedPageTable table = bench.table(format)) {
            fill(table);
            TreeMap<Long, String> before = Bench.leaves(table, 0, 4 * G1);
            long free = bench.free();
            long tables = table.tableFrames();
            bench.events.clear();
            while (true) {
                bench.limit(failures);
                try {
                    change.on(table, from, size);
                    return failures;
                } catch (PagingException failed) {
                    assertEquals(PagingError.NO_MEMORY, failed.error());
                    assertEquals(before, Bench.leaves(table, 0, 4 * G1));
                    assertEquals(free, bench.free());
                    assertEquals(tables, table.tableFrames());
                    assertEquals(List.of(), bench.events);
                    failures++;
                } finally {
                    bench.unlimited();
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    @Tag("page_table_multiarch:test_dealloc_x86")
    @Tag("page_table_multiarch:test_dealloc_riscv")
    @Tag("page_table_multiarch:test_dealloc_aarch64")
    void randomHistoriesAgreeWithTheModelAndLeakNothing(PagingFormat format) {
        long seed = Long.getLong("jircon.seed", 4);
        var random = new Random(seed);
        var flags = List.of(MmuFlags.R, MmuFlags.RW, MmuFlags.RX, MmuFlags.RWX);
        long base = format.lowestAddress();
        long free = bench.free();
        var model = new TreeMap<Long, String>();
        long span = 6 * M2;
        try (NestedPageTable table = bench.table(format)) {
            for (int step = 0; step < 400; step++) {
                long at = base + random.nextInt(3) * M2 + pick(random);
                long size = Math.min(pick(random) + random.nextInt(2) * M2, base + span - at);
                long paddr = random.nextInt(4) * M2 + (random.nextBoolean() ? 0 : pick(random));
                MmuFlags chosen = flags.get(random.nextInt(flags.size()));
                OnExisting existing = OnExisting.values()[random.nextInt(3)];
                HugePages huge = HugePages.values()[random.nextInt(2)];
                String what = "seed=" + seed + " step=" + step;
                switch (random.nextInt(5)) {
                    case 0, 1 -> {
                        boolean free1 = model.subMap(at, at + size).isEmpty();
                        try {
                            table.mapRange(at, paddr, size, chosen, huge, existing);
                            assertTrue(free1 || existing != OnExisting.ERROR, what);
                            for (long o = 0; o < size; o += K4) {
                                enter(model, at + o, paddr + o, chosen, existing);
                            }
                        } catch (PagingException conflict) {
                            assertTrue(!free1 && existing == OnExisting.ERROR, what);
                        }
                    }
                    case 2 -> {
                        table.unmapRange(at, size);
                        model.subMap(at, at + size).clear();
                    }
                    case 3 -> {
                        table.protectRange(at, size, chosen);
                        model.subMap(at, at + size)
                                .replaceAll((page, was) -> was.split(" ")[0] + " " + chosen);
                    }
                    default -> {
                        table.writeProtectRange(at, size);
                        model.subMap(at, at + size)
                                .replaceAll((page, was) -> was.replace("rw", "r-"));
                    }
                }
                assertEquals(model, Bench.pages(table, base, span), what);
            }
            table.unmapRange(base, span);
            assertEquals(format.rootBytes() / K4, table.tableFrames());
        }
        assertEquals(free, bench.free());
    }

    private static long pick(Random random) {
        long[] sizes = {0, K4, 3 * K4, M2 - K4, M2, 17 * K4};
        return sizes[random.nextInt(sizes.length)];
    }

    private static void enter(
            TreeMap<Long, String> model,
            long page,
            long paddr,
            MmuFlags flags,
            OnExisting existing) {
        String old = model.get(page);
        if (old == null) {
            model.put(page, Bench.page(paddr, flags));
        } else if (existing == OnExisting.UPGRADE) {
            String[] words = old.split(" ");
            MmuFlags kept = flags;
            if (words[0].equals(Long.toHexString(paddr))) {
                kept = kept.with(words[1].contains("w") ? MmuFlags.RW : MmuFlags.R);
                kept = kept.with(words[1].contains("x") ? MmuFlags.RX : MmuFlags.R);
            }
            model.put(page, Bench.page(paddr, kept));
        }
    }
}
