package io.jircon.hal.npt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.util.BitSet;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class PageTableCursorTest {
    private static final long K4 = 1L << 12;
    private static final long M2 = 1L << 21;
    private static final long G1 = 1L << 30;

    private final Bench bench = new Bench();
    private final NestedPageTable table = bench.table(EptOptions.DEFAULT.format());

    @AfterEach
    void everyFrameComesBack() {
        table.close();
        assertEquals(bench.frames.totalFrames(), bench.free());
        bench.close();
    }

    private void fill(long vaddr, long count) {
        table.mapRange(vaddr, 0, count * K4, MmuFlags.RW, HugePages.FORBIDDEN, OnExisting.ERROR);
    }

    @Tag("A-74")
    @Tag("A-78")
    @Test
    void aBatchFlushesOnceAtItsEnd() {
        fill(0, 64);
        bench.events.clear();
        try (PageTableCursor cursor = table.openCursor()) {
            for (int page = 0; page < 32; page++) {
                cursor.unmap(page * K4);
            }
            assertEquals(List.of(), bench.events);
        }
        assertEquals(32, bench.events.size());
        assertEquals("flush 0/12", bench.events.getFirst());
        bench.events.clear();
        fill(0, 32);
        try (PageTableCursor cursor = table.openCursor()) {
            for (int page = 0; page < 33; page++) {
                cursor.protect(page * K4, MmuFlags.R);
            }
        }
        assertEquals(List.of("flush all"), bench.events);
    }

    @Tag("A-77")
    @Test
    void aBatchThatFailsHalfWayStillFlushesWhatItChanged() {
        fill(0, 8);
        bench.events.clear();
        assertThrows(
                PagingException.class,
                () -> {
                    try (PageTableCursor cursor = table.openCursor()) {
                        cursor.unmap(0);
                        cursor.protectRange(2 * K4, K4, MmuFlags.R);
                        cursor.unmap(0);
                    }
                });
        assertEquals(List.of("flush 0/12", "flush 2000/12"), bench.events);
    }

    @Tag("A-68")
    @Test
    void tablesEmptiedInABatchAreFreedAfterItsFlush() {
        fill(0, 1);
        fill(G1, 1);
        bench.events.clear();
        try (PageTableCursor cursor = table.openCursor()) {
            cursor.unmapRange(0, K4);
            cursor.unmapRange(G1, K4);
        }
        assertEquals(List.of("flush 0/12", "flush 40000000/12", "free"), bench.events);
        assertEquals(1, table.tableFrames());
    }

    @Test
    void aBatchSeesItsOwnChanges() {
        try (PageTableCursor cursor = table.openCursor()) {
            cursor.map(0, M2, PageSize.SIZE_2M, MmuFlags.RW);
            cursor.mapRange(M2, 0, 3 * K4, MmuFlags.R, HugePages.ALLOWED, OnExisting.ERROR);
            cursor.mapPages(M2, new long[] {K4}, 0, 1, MmuFlags.RX, OnExisting.UPGRADE);
            cursor.protectRange(K4, K4, MmuFlags.R);
            cursor.writeProtectRange(0, K4);
            cursor.remap(M2 + K4, 9 * K4, MmuFlags.RW);
            assertEquals(
                    new PageMapping(M2 + K4 + 5, MmuFlags.R, PageSize.SIZE_4K),
                    cursor.query(K4 + 5));
        }
        assertEquals(MmuFlags.R, table.query(0).flags());
        assertEquals(MmuFlags.RW, table.query(2 * K4).flags());
        assertEquals(new PageMapping(K4, MmuFlags.RX, PageSize.SIZE_4K), table.query(M2));
        assertEquals(9 * K4, table.translate(M2 + K4));
    }

    @Test
    void othersWaitForTheCursor() throws Exception {
        CompletableFuture<Long> other;
        try (PageTableCursor cursor = table.openCursor()) {
            cursor.map(0, K4, PageSize.SIZE_4K, MmuFlags.R);
            other = CompletableFuture.supplyAsync(() -> table.translate(0));
            cursor.remap(0, 7 * K4, MmuFlags.R);
        }
        assertEquals(7 * K4, other.get());
    }

    @Test
    void aClosedCursorAnswersBadState() {
        PageTableCursor cursor = table.openCursor();
        cursor.close();
        cursor.close();
        var thrown = assertThrows(PagingException.class, () -> cursor.unmapRange(0, K4));
        assertEquals(PagingError.BAD_STATE, thrown.error());
        table.close();
        assertThrows(PagingException.class, table::openCursor);
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#kinds")
    void joiningIsTheReverseOfSplitting(PagingFormat format) {
        try (NestedPageTable other = bench.table(format)) {
            other.map(G1, 0, PageSize.SIZE_1G, MmuFlags.RW);
            TreeMap<Long, String> before = Bench.leaves(other, 0, 4 * G1);
            long frames = other.tableFrames();
            other.protectRange(G1 + M2 + K4, K4, MmuFlags.R);
            assertEquals(0, other.join(0, 4 * G1));
            other.protectRange(G1 + M2 + K4, K4, MmuFlags.RW);
            assertEquals(0, other.join(G1 + K4, M2), "no slot lies wholly inside");
            assertEquals(1, other.join(G1, 2 * M2));
            assertEquals(1, other.join(0, 4 * G1));
            assertEquals(before, Bench.leaves(other, 0, 4 * G1));
            assertEquals(frames, other.tableFrames());
        }
    }

    @Test
    void onlyWhatLiesTogetherIsJoined() {
        fill(0, 512);
        table.remap(5 * K4, 600 * K4, MmuFlags.RW);
        assertEquals(0, table.join(0, M2));
        table.remap(5 * K4, 5 * K4, MmuFlags.RW);
        table.unmap(511 * K4);
        assertEquals(0, table.join(0, M2));
        fill(M2, 512);
        table.mapRange(2 * M2, K4, M2, MmuFlags.RW, HugePages.FORBIDDEN, OnExisting.ERROR);
        assertEquals(1, table.join(0, 4 * M2), "the last is not aligned");
        assertEquals(PageSize.SIZE_2M, table.query(M2).size());
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#kinds")
    void joiningMergesTheStates(PagingFormat format) {
        try (NestedPageTable other = bench.table(format)) {
            other.mapRange(0, 0, M2, MmuFlags.RW, HugePages.FORBIDDEN, OnExisting.ERROR);
            assertTrue(!format.tracksDirty() || Bench.walks(other, 3 * K4, AccessKind.WRITE));
            bench.events.clear();
            assertEquals(1, other.join(0, M2));
            assertEquals(List.of("flush 0/21", "free"), bench.events);
            assertTrue(Bench.walks(other, 0, AccessKind.READ));
            if (format.tracksDirty()) {
                var dirty = new BitSet();
                other.harvestDirty(0, M2, dirty);
                assertEquals(512, dirty.cardinality());
                dirty.clear();
                other.harvestDirty(0, M2, dirty);
                assertTrue(dirty.isEmpty());
            }
            assertFalse(Bench.walks(other, 0, AccessKind.EXECUTE));
        }
    }
}
