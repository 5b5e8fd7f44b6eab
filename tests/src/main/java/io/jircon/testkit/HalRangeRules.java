package io.jircon.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Ranges: exhaustive over six pages across a border of leaf tables, against a plain map; splits of
/// huge leaves; atomicity when frames run out.
abstract class HalRangeRules extends HalMapRules {
    private static final int PAGES = 6;

    HalRangeRules() {}

    private long origin() {
        return seam - 3 * PAGE;
    }

    private NavigableMap<Long, Entry> holding(int pattern, long[] paddrs, MmuFlags flags) {
        table.unmapRange(origin(), PAGES * PAGE);
        var model = new TreeMap<Long, Entry>(Long::compareUnsigned);
        for (int i = 0; i < PAGES; i++) {
            if ((pattern >> i & 1) != 0) {
                map(origin() + i * PAGE, paddrs[i], flags);
                model.put(origin() + i * PAGE, new Entry(paddrs[i], flags));
            }
        }
        return model;
    }

    private void assertHolds(NavigableMap<Long, Entry> model, String when) {
        assertEquals(model, entries(table, origin(), PAGES), () -> "entries " + when);
        assertEquals(model, queried(table, origin(), PAGES), () -> "queries " + when);
    }

    private interface RangeCase {
        void run(int pattern, int from, int count);
    }

    private static void forEachCase(RangeCase body) {
        for (int pattern = 0; pattern < 1 << PAGES; pattern++) {
            for (int from = 0; from < PAGES; from++) {
                for (int count = 0; count <= PAGES - from; count++) {
                    body.run(pattern, from, count);
                }
            }
        }
    }

    /// If it fails: look at holes, at the page before and after the range, and at the border
    /// between two leaf tables, which lies in the middle.
    @Test
    @Tag("V-285")
    void required_unmapRangeRemovesJustTheRange() {
        long[] paddrs = frames(PAGES);
        forEachCase((pattern, from, count) -> {
            var model = holding(pattern, paddrs, MmuFlags.RW);
            table.unmapRange(origin() + from * PAGE, count * PAGE);
            for (int i = from; i < from + count; i++) {
                model.remove(origin() + i * PAGE);
            }
            assertHolds(model, describe("unmapRange", pattern, from, count));
        });
    }

    /// If it fails: as for unmapRange; frames must stay, other flags must go.
    @Test
    @Tag("V-286")
    void required_protectRangeChangesJustTheRange() {
        long[] paddrs = frames(PAGES);
        forEachCase((pattern, from, count) -> {
            var model = holding(pattern, paddrs, MmuFlags.RW);
            table.protectRange(origin() + from * PAGE, count * PAGE, MmuFlags.RX);
            for (int i = from; i < from + count; i++) {
                model.computeIfPresent(
                        origin() + i * PAGE, (at, e) -> new Entry(e.paddr(), MmuFlags.RX));
            }
            assertHolds(model, describe("protectRange", pattern, from, count));
        });
    }

    /// If it fails: only WRITE goes; EXECUTE and the rest of the flags stay.
    @Test
    @Tag("V-215")
    void required_writeProtectRangeTakesOnlyWrite() {
        long[] paddrs = frames(PAGES);
        forEachCase((pattern, from, count) -> {
            var model = holding(pattern, paddrs, MmuFlags.RWX);
            table.writeProtectRange(origin() + from * PAGE, count * PAGE);
            for (int i = from; i < from + count; i++) {
                model.computeIfPresent(
                        origin() + i * PAGE, (at, e) -> new Entry(e.paddr(), MmuFlags.RX));
            }
            assertHolds(model, describe("writeProtectRange", pattern, from, count));
        });
    }

    /// If it fails: with ERROR none of the given pages may be entered when one has an entry; SKIP
    /// leaves it; UPGRADE replaces another frame's and never takes flags from the same frame's.
    @Test
    @Tag("V-283")
    @Tag("aspace_unittest.cc:arch_noncontiguous_map")
    void required_mapPagesTreatsExistingEntriesAsTold() {
        long[] old = frames(PAGES);
        long[] fresh = frames(PAGES);
        forEachCase((pattern, from, count) -> {
            for (OnExisting existing : OnExisting.values()) {
                var model = holding(pattern, old, MmuFlags.RW);
                boolean clash = (pattern >> from & (1 << count) - 1) != 0;
                String text = describe("mapPages " + existing, pattern, from, count);
                if (existing == OnExisting.ERROR && clash) {
                    assertRefusedUnchanged(
                            PagingError.ALREADY_MAPPED,
                            origin(),
                            PAGES,
                            () -> enter(from, fresh, count, MmuFlags.R, existing));
                } else {
                    enter(from, fresh, count, MmuFlags.R, existing);
                    for (int i = from; i < from + count; i++) {
                        Entry entry = new Entry(fresh[i], MmuFlags.R);
                        if (existing == OnExisting.SKIP) {
                            model.putIfAbsent(origin() + i * PAGE, entry);
                        } else {
                            model.put(origin() + i * PAGE, entry);
                        }
                    }
                }
                assertHolds(model, text);
            }
        });
    }

    private void enter(int from, long[] paddrs, int count, MmuFlags flags, OnExisting existing) {
        table.mapPages(origin() + from * PAGE, paddrs, from, count, flags, existing);
    }

    /// If it fails: mapRange is mapPages with consecutive frames.
    @Test
    @Tag("V-284")
    @Tag("A-65")
    void required_mapRangeTreatsExistingEntriesAsTold() {
        long[] old = frames(PAGES);
        long fresh = run(PAGES, 12);
        forEachCase((pattern, from, count) -> {
            for (OnExisting existing : OnExisting.values()) {
                var model = holding(pattern, old, MmuFlags.RW);
                boolean clash = (pattern >> from & (1 << count) - 1) != 0;
                long at = origin() + from * PAGE;
                long paddr = fresh + from * PAGE;
                if (existing == OnExisting.ERROR && clash) {
                    assertRefusedUnchanged(
                            PagingError.ALREADY_MAPPED,
                            origin(),
                            PAGES,
                            () -> mapRange(at, paddr, count * PAGE));
                } else {
                    table.mapRange(
                            at, paddr, count * PAGE, MmuFlags.R, HugePages.ALLOWED, existing);
                    for (int i = from; i < from + count; i++) {
                        Entry entry = new Entry(fresh + i * PAGE, MmuFlags.R);
                        if (existing == OnExisting.SKIP) {
                            model.putIfAbsent(origin() + i * PAGE, entry);
                        } else {
                            model.put(origin() + i * PAGE, entry);
                        }
                    }
                }
                assertHolds(model, describe("mapRange " + existing, pattern, from, count));
            }
        });
    }

    private static String describe(String call, int pattern, int from, int count) {
        return "after %s of %d pages from page %d, pages held %6s"
                .formatted(call, count, from, Integer.toBinaryString(pattern));
    }

    /// If it fails: UPGRADE of the same frame adds flags and removes none; of another frame it
    /// takes the new flags even when they are fewer.
    @Test
    @Tag("V-330")
    @Tag("aspace_unittest.cc:arch_noncontiguous_map_with_upgrade")
    void required_upgradeOfTheSameFrameOnlyAddsFlags() {
        long[] f = frames(3);
        long at = seam;
        table.mapPages(at, f, 0, 3, MmuFlags.RW, OnExisting.ERROR);
        table.mapPages(at, f, 0, 3, MmuFlags.R, OnExisting.UPGRADE);
        for (int i = 0; i < 3; i++) {
            assertEquals(MmuFlags.RW, table.query(at + i * PAGE).flags(), "page " + i);
        }
        table.mapPages(at - 2 * PAGE, f, 0, 3, MmuFlags.R, OnExisting.UPGRADE);
        assertEquals(f[2], table.translate(at));
        assertEquals(MmuFlags.R, table.query(at).flags());
        assertEquals(f[1], table.translate(at + PAGE));
        assertEquals(MmuFlags.RW, table.query(at + PAGE).flags());
        assertEquals(f[2], table.translate(at + 2 * PAGE));
        assertEquals(MmuFlags.RW, table.query(at + 2 * PAGE).flags());
        table.mapPages(at, f, 2, 1, MmuFlags.RX, OnExisting.UPGRADE);
        assertEquals(MmuFlags.RX, table.query(at).flags(), "R of the same frame gained EXECUTE");
    }

    /// If it fails: `from` and `count` are checked against the array before anything is entered.
    @Test
    void required_mapPagesChecksItsArray() {
        long[] f = frames(2);
        assertThrows(
                IndexOutOfBoundsException.class,
                () -> table.mapPages(seam, f, 1, 2, MmuFlags.R, OnExisting.ERROR));
        assertThrows(
                IndexOutOfBoundsException.class,
                () -> table.mapPages(seam, f, -1, 1, MmuFlags.R, OnExisting.ERROR));
        assertRefusedUnchanged(
                PagingError.NOT_ALIGNED,
                seam,
                2,
                () ->
                        table.mapPages(
                                seam,
                                new long[] {f[0], f[1] + 1},
                                0,
                                2,
                                MmuFlags.R,
                                OnExisting.ERROR));
        assertEquals(0, entries(table, seam, 3).size());
    }

    /// If it fails: an empty range is checked like any other and does nothing.
    @Test
    @Tag("page-table-generic/map:test_unmap_error_cases")
    void required_emptyRangeDoesNothing() {
        long paddr = frame();
        map(seam, paddr, MmuFlags.RW);
        table.unmapRange(seam, 0);
        table.protectRange(seam, 0, MmuFlags.R);
        table.writeProtectRange(seam, 0);
        mapRange(seam, paddr, 0);
        table.mapPages(seam, new long[0], 0, 0, MmuFlags.R, OnExisting.ERROR);
        assertEquals(MmuFlags.RW, table.query(seam).flags());
        assertRefused(PagingError.NOT_ALIGNED, () -> table.unmapRange(seam + 1, 0));
    }

    /// If it fails: entries come in ascending order, each once, the callback may call the table.
    @Test
    void required_forEachLeafGoesUpAndHoldsNoLock() {
        long[] f = frames(4);
        for (int i = 0; i < 4; i++) {
            map(seam + (i - 2) * 3L * PAGE, f[i], MmuFlags.RW);
        }
        List<Long> seen = new ArrayList<>();
        table.forEachLeaf(
                seam - 6 * PAGE,
                12 * PAGE,
                (vaddr, paddr, size, flags) -> {
                    seen.add(vaddr);
                    table.unmapRange(seam - 6 * PAGE, 12 * PAGE);
                });
        assertEquals(
                List.of(seam - 6 * PAGE, seam - 3 * PAGE, seam, seam + 3 * PAGE),
                seen,
                "from a state at one moment");
    }

    /// If it fails: splitting keeps frame, rights and memory type of the pages outside the range,
    /// and does what was asked inside.
    @Test
    @Tag("V-286")
    @Tag("aspace_unittest.cc:arch_vm_aspace_protect_split_pages")
    @Tag("A-66")
    @Tag("A-67")
    @Tag("zcore-H5")
    void optional_rangePartlyInAHugeLeafSplitsIt() throws Throwable {
        if (!has(HalFeature.HUGE_2M)) {
            return;
        }
        long paddr = run(512, 21);
        int[][] parts = {{0, 1}, {511, 1}, {100, 200}, {0, 256}, {256, 256}, {1, 510}};
        for (int[] part : parts) {
            for (int op = 0; op < 3; op++) {
                int operation = op;
                table.map(seam, paddr, PageSize.SIZE_2M, MmuFlags.RWX);
                long at = seam + part[0] * PAGE;
                long size = part[1] * PAGE;
                failAtEveryFrame(
                        seam,
                        512,
                        () -> {
                            switch (operation) {
                                case 0 -> table.unmapRange(at, size);
                                case 1 -> table.protectRange(at, size, MmuFlags.R);
                                default -> table.writeProtectRange(at, size);
                            }
                        });
                var model = new TreeMap<Long, Entry>(Long::compareUnsigned);
                for (int i = 0; i < 512; i++) {
                    boolean inside = i >= part[0] && i < part[0] + part[1];
                    if (!inside || op > 0) {
                        MmuFlags flags =
                                !inside ? MmuFlags.RWX : op == 1 ? MmuFlags.R : MmuFlags.RX;
                        model.put(seam + i * PAGE, new Entry(paddr + i * PAGE, flags));
                    }
                }
                assertEquals(model, entries(table, seam, 512));
                assertEquals(model, queried(table, seam, 512));
                table.unmapRange(seam, HUGE);
            }
        }
    }

    /// If it fails: an aligned contiguous range may use huge leaves only when allowed; what is
    /// entered must be the same either way.
    @Test
    @Tag("V-284")
    void required_mapRangeUsesHugeLeavesOnlyWhenAllowed() {
        long paddr = run(512, 21);
        table.mapRange(seam, paddr, HUGE, MmuFlags.RW, HugePages.FORBIDDEN, OnExisting.ERROR);
        assertEquals(PageSize.SIZE_4K, table.query(seam + 5 * PAGE).size());
        var small = entries(table, seam, 512);
        table.unmapRange(seam, HUGE);
        table.mapRange(seam, paddr, HUGE, MmuFlags.RW, HugePages.ALLOWED, OnExisting.ERROR);
        assertEquals(
                has(HalFeature.HUGE_2M) ? PageSize.SIZE_2M : PageSize.SIZE_4K,
                table.query(seam + 5 * PAGE).size());
        assertEquals(small, entries(table, seam, 512));
    }

    /// If it fails: a huge leaf in the way is MAPPED_TO_HUGE_PAGE to ERROR, left by SKIP, split by
    /// UPGRADE.
    @Test
    @Tag("V-283")
    void optional_mapPagesOverAHugeLeaf() {
        if (!has(HalFeature.HUGE_2M)) {
            return;
        }
        long paddr = run(512, 21);
        long[] f = frames(2);
        table.map(seam, paddr, PageSize.SIZE_2M, MmuFlags.RW);
        assertRefusedUnchanged(
                PagingError.MAPPED_TO_HUGE_PAGE,
                seam - PAGE,
                3,
                () -> table.mapPages(seam - PAGE, f, 0, 2, MmuFlags.R, OnExisting.ERROR));
        table.mapPages(seam - PAGE, f, 0, 2, MmuFlags.R, OnExisting.SKIP);
        assertEquals(f[0], table.translate(seam - PAGE));
        assertEquals(paddr, table.translate(seam));
        table.mapPages(seam - PAGE, f, 0, 2, MmuFlags.R, OnExisting.UPGRADE);
        assertEquals(f[1], table.translate(seam));
        assertEquals(MmuFlags.R, table.query(seam).flags());
        assertEquals(paddr + PAGE, table.translate(seam + PAGE));
        assertEquals(MmuFlags.RW, table.query(seam + PAGE).flags());
    }

    /// If it fails: find the taking call that is not undone. Tables made before the failing one
    /// must be freed and entries removed; a retry then succeeds.
    @Test
    @Tag("V-283")
    @Tag("aspace_unittest.cc:arch_vm_aspace_protect_split_pages_out_of_memory")
    @Tag("A-58")
    void required_runningOutOfFramesChangesNothing() throws Throwable {
        long[] f = frames(PAGES);
        long fresh = run(PAGES, 12);
        int failures =
                failAtEveryFrame(
                        origin(),
                        PAGES,
                        () -> table.mapPages(origin(), f, 0, PAGES, MmuFlags.RW, OnExisting.ERROR));
        assertDeclared(
                HalFeature.TABLES_IN_MEMORY, failures > 0, "mapPages takes frames for its tables");
        table.unmapRange(origin(), PAGES * PAGE);
        map(origin(), f[0], MmuFlags.RW);
        for (OnExisting existing : new OnExisting[] {OnExisting.SKIP, OnExisting.UPGRADE}) {
            failAtEveryFrame(
                    origin(),
                    PAGES,
                    () -> table.mapPages(origin(), f, 0, PAGES, MmuFlags.RWX, existing));
            table.unmapRange(origin() + PAGE, (PAGES - 1) * PAGE);
            failAtEveryFrame(
                    origin(),
                    PAGES,
                    () ->
                            table.mapRange(
                                    origin(),
                                    fresh,
                                    PAGES * PAGE,
                                    MmuFlags.R,
                                    HugePages.ALLOWED,
                                    existing));
            table.unmapRange(origin() + PAGE, (PAGES - 1) * PAGE);
        }
        failAtEveryFrame(origin(), PAGES, () -> map(seam + 3 * HUGE, f[1], MmuFlags.R));
    }

    /// If it fails: making a table with no frame for its root must give back what it took.
    @Test
    @Tag("A-47")
    void required_noFrameForTheRootIsNoMemory() {
        if (!has(HalFeature.TABLES_IN_MEMORY)) {
            return;
        }
        long free = hal.frames().freeFrames();
        faulty.failAt(1);
        PagingException thrown =
                assertThrows(
                        PagingException.class,
                        () -> hal.newPageTable(io.jircon.hal.AddressSpaceKind.USER));
        assertTrue(faulty.disarm(), "the root is taken through the machine's allocator");
        assertEquals(PagingError.NO_MEMORY, thrown.error());
        assertEquals(free, hal.frames().freeFrames());
        assertFalse(hal.frames().isAllocated(0));
    }
}
