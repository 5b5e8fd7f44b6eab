package io.jircon.hal.npt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class DirtyLogTest {
    private static final long K4 = 1L << 12;
    private static final long M2 = 1L << 21;
    private static final int PAGES = 1536;

    private final Bench bench = new Bench();

    @AfterEach
    void closeBench() {
        bench.close();
    }

    /// Base pages, a huge leaf, a page that cannot be written, and a hole.
    private NestedPageTable filled(PagingFormat format) {
        NestedPageTable table = bench.table(format);
        table.mapRange(0, 8 * M2, M2, MmuFlags.RW, HugePages.FORBIDDEN, OnExisting.ERROR);
        table.mapRange(M2, 16 * M2, M2, MmuFlags.RWX, HugePages.ALLOWED, OnExisting.ERROR);
        table.protect(5 * K4, MmuFlags.R);
        table.unmap(6 * K4);
        return table;
    }

    /// A store, with the fault that it may cause.
    private static boolean store(NestedPageTable table, DirtyLog log, long at) {
        return Bench.walks(table, at, AccessKind.WRITE)
                || (log.resolveFault(at) && Bench.walks(table, at, AccessKind.WRITE));
    }

    @Tag("A-177")
    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#kinds")
    void reportsEveryPageThatWasWrittenSinceTheLastLook(PagingFormat format) {
        var random = new Random(11);
        try (NestedPageTable table = filled(format)) {
            // Written before the log began: not its business.
            Bench.walks(table, K4, AccessKind.WRITE);
            TreeMap<Long, String> before = Bench.pages(table, 0, 3 * M2);
            try (var log = new DirtyLog(table, 0, PAGES * K4)) {
                for (int round = 0; round < 4; round++) {
                    var expected = new BitSet();
                    for (int i = 0; i < 20; i++) {
                        int page = random.nextInt(1024);
                        boolean allowed = page != 5 && page != 6;
                        assertEquals(allowed, store(table, log, page * K4), "page " + page);
                        if (allowed) {
                            expect(expected, page, format);
                        }
                    }
                    Bench.walks(table, 7 * K4, AccessKind.READ);
                    var found = new BitSet();
                    log.harvest(found);
                    assertEquals(expected, found);
                    log.harvest(found);
                    assertEquals(expected, found);
                }
            }
            assertEquals(before, Bench.pages(table, 0, 3 * M2));
        }
    }

    /// The hardware knows huge leaves only as a whole.
    private static void expect(BitSet pages, int page, PagingFormat format) {
        if (page >= 512 && format.tracksDirty()) {
            pages.set(512, 1024);
        } else {
            pages.set(page);
        }
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#kinds")
    void whatIsClearedIsFlushed(PagingFormat format) {
        try (NestedPageTable table = filled(format);
                var log = new DirtyLog(table, 0, PAGES * K4)) {
            assertTrue(store(table, log, 3 * K4));
            bench.events.clear();
            log.harvest(new BitSet());
            assertEquals(List.of("flush 3000/12"), bench.events);
            bench.events.clear();
            log.harvest(new BitSet());
            assertEquals(List.of(), bench.events);
        }
    }

    @Test
    void faultsOfOthersAreNotTheLogs() {
        PagingFormat format = EptOptions.DEFAULT.format();
        try (NestedPageTable table = filled(format)) {
            var log = new DirtyLog(table, 0, M2);
            assertFalse(log.resolveFault(5 * K4), "read-only before the log");
            assertFalse(log.resolveFault(6 * K4), "not mapped");
            assertFalse(log.resolveFault(M2), "outside");
            assertFalse(log.resolveFault(-1), "outside");
            log.close();
            log.close();
            assertFalse(log.resolveFault(0), "ended");
        }
    }

    @Test
    void aStartThatFailsChangesNothing() {
        PagingFormat format = EptOptions.DEFAULT.format();
        try (NestedPageTable table = filled(format)) {
            TreeMap<Long, String> before = Bench.leaves(table, 0, 3 * M2);
            bench.limit(0);
            var thrown = assertThrows(PagingException.class, () -> new DirtyLog(table, 0, M2 + K4));
            assertEquals(PagingError.NO_MEMORY, thrown.error());
            bench.unlimited();
            assertEquals(before, Bench.leaves(table, 0, 3 * M2));
        }
    }

    @Tag("A-50")
    @Tag("A-88")
    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#kinds")
    void protectAndSplitKeepWhatTheWalkerMarked(PagingFormat format) {
        if (!format.tracksDirty()) {
            try (NestedPageTable table = filled(format)) {
                assertThrows(PagingException.class, () -> table.harvestDirty(0, M2, new BitSet()));
            }
            return;
        }
        try (NestedPageTable table = filled(format)) {
            Bench.walks(table, 3 * K4, AccessKind.WRITE);
            Bench.walks(table, M2, AccessKind.WRITE);
            table.protectRange(0, M2, MmuFlags.R);
            table.protectRange(M2, K4, MmuFlags.R);
            table.protectRange(0, M2, MmuFlags.RW);
            table.writeProtectRange(0, 2 * M2);
            assertEquals(PageSize.SIZE_4K, table.query(M2).size());
            var pages = new BitSet();
            table.harvestDirty(0, 2 * M2, pages);
            var expected = new BitSet();
            expected.set(3);
            expected.set(512, 1024);
            assertEquals(expected, pages);
            assertFalse(Bench.walks(table, 3 * K4, AccessKind.WRITE));
        }
    }
}
