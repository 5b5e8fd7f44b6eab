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
import io.jircon.hal.UnusedTables;
import java.util.BitSet;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What the walker notes about accesses, how it is asked for, and what becomes of tables that
/// nobody uses.
@Tag("V-289")
@Tag("A-88")
class AccessedPagesTest {
    private static final long K4 = 1L << 12;
    private static final long M2 = 1L << 21;
    private static final long G1 = 1L << 30;
    private static final UnusedTables KEEP = UnusedTables.KEEP;
    private static final UnusedTables FREE = UnusedTables.FREE;

    private final Bench bench = new Bench();

    @AfterEach
    void closeBench() {
        bench.close();
    }

    private static Stream<PagingFormat> tracking() {
        return Formats.all().filter(PagingFormat::tracksAccessed);
    }

    private static Stream<PagingFormat> others() {
        return Formats.all().filter(format -> !format.tracksAccessed());
    }

    /// A table with base pages in `[at, at + 3 * M2)`.
    private NestedPageTable filled(PagingFormat format, long at) {
        NestedPageTable table = bench.table(format);
        table.mapRange(at, 8 * M2, 3 * M2, MmuFlags.RW, HugePages.FORBIDDEN, OnExisting.ERROR);
        return table;
    }

    private static long base(PagingFormat format) {
        return format.lowestAddress();
    }

    private static void touch(NestedPageTable table, long vaddr) {
        assertTrue(Bench.walks(table, vaddr, AccessKind.READ));
    }

    private static String harvest(
            NestedPageTable table, long vaddr, long size, UnusedTables unused) {
        var pages = new BitSet();
        table.harvestAccessed(vaddr, size, unused, pages);
        return pages.toString();
    }

    private static int entries(NestedPageTable table, long vaddr, long size) {
        return Bench.leaves(table, vaddr, size).size();
    }

    @ParameterizedTest
    @MethodSource("tracking")
    @Tag("zcore-H6")
    void eachAccessIsToldOnce(PagingFormat format) {
        long at = base(format);
        try (NestedPageTable table = filled(format, at)) {
            assertEquals("{}", harvest(table, at, 3 * M2, KEEP), "new entries are not accessed");
            touch(table, at + 9 * K4);
            touch(table, at + M2);
            touch(table, at + 3 * M2 - K4);
            assertEquals("{9, 512}", harvest(table, at, 3 * M2 - K4, KEEP));
            assertEquals("{511}", harvest(table, at + 2 * M2, M2, KEEP));
            assertEquals("{}", harvest(table, at, 3 * M2, KEEP));
            touch(table, at + 9 * K4);
            assertEquals("{8}", harvest(table, at + K4, 3 * M2 - K4, KEEP));
        }
    }

    @ParameterizedTest
    @MethodSource("tracking")
    void bitsThatWereSetStaySet(PagingFormat format) {
        long at = base(format);
        try (NestedPageTable table = filled(format, at)) {
            touch(table, at + K4);
            var pages = new BitSet();
            pages.set(7);
            table.harvestAccessed(at, M2, KEEP, pages);
            table.harvestAccessed(at, 0, FREE, pages);
            assertEquals("{1, 7}", pages.toString());
        }
    }

    @ParameterizedTest
    @MethodSource("tracking")
    @Tag("V-285")
    void whatIsForgottenIsFlushedAndNothingElse(PagingFormat format) {
        long at = base(format);
        try (NestedPageTable table = filled(format, at)) {
            touch(table, at + 3 * K4);
            bench.events.clear();
            harvest(table, at, 3 * M2, KEEP);
            assertEquals(List.of("flush " + Long.toHexString(at + 3 * K4) + "/12"), bench.events);
            bench.events.clear();
            harvest(table, at, 3 * M2, KEEP);
            table.markAccessed(at, 3 * M2);
            assertEquals(List.of(), bench.events);
        }
    }

    @ParameterizedTest
    @MethodSource("tracking")
    void aHugeLeafIsAccessedAsAWhole(PagingFormat format) {
        long at = base(format);
        try (NestedPageTable table = bench.table(format)) {
            table.map(at, 8 * M2, PageSize.SIZE_2M, MmuFlags.RW);
            touch(table, at + 5 * K4);
            var half = new BitSet();
            table.harvestAccessed(at + 256 * K4, M2 / 2, FREE, half);
            assertEquals(256, half.cardinality());
            var whole = new BitSet();
            table.harvestAccessed(at, M2, KEEP, whole);
            assertEquals(512, whole.cardinality(), "the part outside was not forgotten");
            assertEquals("{}", harvest(table, at, M2, KEEP));
            table.markAccessed(at + K4, K4);
            assertEquals("{1, 2}", harvest(table, at, 3 * K4, KEEP).replace("{0, ", "{"));
            for (int round = 0; round < 4; round++) {
                harvest(table, at, M2, FREE);
            }
            assertEquals(1, entries(table, at, M2), "huge leaves are never removed");
        }
    }

    @ParameterizedTest
    @MethodSource("tracking")
    @Tag("V-285")
    void whatIsUsedOnceOutlivesOneHarvestThatFrees(PagingFormat format) {
        long at = base(format);
        try (NestedPageTable table = filled(format, at)) {
            long frames = table.tableFrames();
            long free = bench.free();
            touch(table, at + M2 + 5 * K4);
            harvest(table, at, 3 * M2, FREE);
            assertEquals(1536, entries(table, at, 3 * M2));
            touch(table, at);
            bench.events.clear();
            assertEquals("{0}", harvest(table, at, 3 * M2, FREE));
            assertEquals(512, entries(table, at, 3 * M2));
            assertEquals(512, entries(table, at, M2));
            assertEquals(frames - 2, table.tableFrames());
            assertEquals(free + 2, bench.free());
            assertEquals(
                    List.of(
                            "flush " + Long.toHexString(at) + "/12",
                            "flush " + Long.toHexString(at + M2) + "/21",
                            "flush " + Long.toHexString(at + 2 * M2) + "/21",
                            "free"),
                    bench.events);
        }
    }

    @ParameterizedTest
    @MethodSource("tracking")
    void harvestsThatKeepRemoveNothingAndCountAsASignOfUse(PagingFormat format) {
        long at = base(format);
        try (NestedPageTable table = filled(format, at)) {
            harvest(table, at, 3 * M2, FREE);
            touch(table, at);
            assertEquals("{0}", harvest(table, at, 3 * M2, KEEP));
            for (int round = 0; round < 4; round++) {
                assertEquals("{}", harvest(table, at, 3 * M2, KEEP));
                assertEquals(1536, entries(table, at, 3 * M2));
            }
            harvest(table, at, M2, FREE);
            assertEquals(512, entries(table, at, M2));
            harvest(table, at, M2, FREE);
            assertEquals(0, entries(table, at, M2));
        }
    }

    @ParameterizedTest
    @MethodSource("tracking")
    void newEntriesOutliveTheFirstHarvestThatFrees(PagingFormat format) {
        long at = base(format);
        try (NestedPageTable table = filled(format, at)) {
            table.unmap(at + K4);
            harvest(table, at, 3 * M2, FREE);
            table.map(at + K4, 0, PageSize.SIZE_4K, MmuFlags.R);
            harvest(table, at, 3 * M2, FREE);
            assertEquals(512, entries(table, at, 3 * M2));
            harvest(table, at, 3 * M2, FREE);
            assertEquals(0, entries(table, at, 3 * M2));
        }
    }

    @ParameterizedTest
    @MethodSource("tracking")
    void aTableWithAnEntryOutsideTheRangeStays(PagingFormat format) {
        long at = base(format);
        try (NestedPageTable table = filled(format, at)) {
            for (int round = 0; round < 4; round++) {
                harvest(table, at + K4, 2 * M2 - K4, FREE);
                harvest(table, at + 2 * M2, M2 - K4, FREE);
            }
            assertEquals(1024, entries(table, at, 3 * M2));
            assertEquals(0, entries(table, at + M2, M2));
            table.unmap(at);
            table.unmap(at + 3 * M2 - K4);
            for (int round = 0; round < 2; round++) {
                harvest(table, at + K4, M2 - K4, FREE);
                harvest(table, at + 2 * M2, M2 - K4, FREE);
            }
            assertEquals(0, entries(table, at, 3 * M2));
        }
    }

    @ParameterizedTest
    @MethodSource("tracking")
    void tablesThatBecomeEmptyGoTooUpToTheRoot(PagingFormat format) {
        long at = base(format);
        try (NestedPageTable table = bench.table(format)) {
            long frames = table.tableFrames();
            table.map(at, 0, PageSize.SIZE_4K, MmuFlags.R);
            table.map(at + G1, 0, PageSize.SIZE_4K, MmuFlags.R);
            harvest(table, at, 2 * G1, FREE);
            touch(table, at + G1);
            harvest(table, at, 2 * G1, FREE);
            assertEquals(1, entries(table, at, 2 * G1));
            assertEquals(frames + format.levels() - 1, table.tableFrames());
            harvest(table, at, 2 * G1, FREE);
            assertEquals(0, entries(table, at, 2 * G1));
            assertEquals(frames, table.tableFrames());
        }
    }

    @ParameterizedTest
    @MethodSource("tracking")
    void markingIsAsGoodAsAnAccess(PagingFormat format) {
        long at = base(format);
        try (NestedPageTable table = filled(format, at)) {
            table.unmap(at + 2 * K4);
            harvest(table, at, 3 * M2, FREE);
            table.markAccessed(at + K4, 3 * K4);
            table.markAccessed(at + M2 - K4, 2 * K4);
            table.markAccessed(at + M2, 0);
            assertEquals("{1, 3, 511, 512}", harvest(table, at, 3 * M2, KEEP));
            harvest(table, at, 3 * M2, FREE);
            assertEquals(1023, entries(table, at, 3 * M2));
        }
    }

    /// What a table with the entries of two others accesses is told by those.
    @ParameterizedTest
    @MethodSource("tracking")
    @Tag("aspace_unittest.cc:vmaspace_unified_accessed_test")
    void accessesThroughABorrowerAreTheLenders(PagingFormat format) {
        long slot = 1L << format.shifts[format.rootHeight];
        long low = base(format);
        long high = low + slot;
        try (NestedPageTable shared = bench.table(format);
                NestedPageTable restricted = bench.table(format);
                NestedPageTable unified = bench.table(format)) {
            shared.map(low, 0, PageSize.SIZE_4K, MmuFlags.R);
            restricted.map(high, 0, PageSize.SIZE_4K, MmuFlags.R);
            unified.borrowRootEntries(shared, low, K4);
            unified.borrowRootEntries(restricted, high, K4);
            touch(unified, low);
            touch(unified, high);
            assertEquals("{0}", harvest(shared, low, M2, FREE));
            assertEquals("{0}", harvest(restricted, high, M2, FREE));
            assertEquals(2, entries(unified, low, 2 * slot));
            for (int round = 0; round < 2; round++) {
                assertEquals("{}", harvest(shared, low, M2, FREE));
                assertEquals("{}", harvest(restricted, high, M2, FREE));
            }
            assertEquals(0, entries(unified, low, 2 * slot));
            shared.map(low, 0, PageSize.SIZE_4K, MmuFlags.R);
            assertEquals(1, entries(unified, low, 2 * slot), "what is lent stays lent");
        }
    }

    @ParameterizedTest
    @MethodSource("tracking")
    void badArgumentsChangeNothing(PagingFormat format) {
        long at = base(format);
        NestedPageTable table = filled(format, at);
        touch(table, at);
        var pages = new BitSet();
        long last = table.lastAddress() + 1 - K4;
        refused(PagingError.NOT_ALIGNED, () -> table.harvestAccessed(at + 1, K4, FREE, pages));
        refused(PagingError.NOT_ALIGNED, () -> table.harvestAccessed(at, K4 + 8, FREE, pages));
        refused(PagingError.NOT_ALIGNED, () -> table.markAccessed(at + 1, K4));
        refused(PagingError.OUT_OF_RANGE, () -> table.harvestAccessed(last, 2 * K4, FREE, pages));
        refused(PagingError.OUT_OF_RANGE, () -> table.markAccessed(last, 2 * K4));
        assertThrows(NullPointerException.class, () -> table.harvestAccessed(at, K4, KEEP, null));
        assertEquals("{}", pages.toString());
        assertEquals("{0}", harvest(table, at, M2, KEEP));
        table.close();
        refused(PagingError.BAD_STATE, () -> table.harvestAccessed(at, K4, KEEP, pages));
        refused(PagingError.BAD_STATE, () -> table.markAccessed(at, K4));
    }

    @ParameterizedTest
    @MethodSource("others")
    void whereTheWalkerSetsNoFlagThereIsNothingToAsk(PagingFormat format) {
        long at = base(format);
        try (NestedPageTable table = bench.table(format)) {
            var pages = new BitSet();
            refused(
                    PagingError.NOT_SUPPORTED,
                    () -> table.harvestAccessed(at + 1, K4, KEEP, pages));
            refused(PagingError.NOT_SUPPORTED, () -> table.markAccessed(at + 1, K4));
        }
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void noHardwareLooksAtTheMarkOfIdleTables(PagingFormat format) {
        long pointer = format.encodePointer(Bench.BASE) | PagingFormat.IDLE_TABLE;
        for (FormatField field : format.fields(1, pointer)) {
            if ((field.bits().mask() & PagingFormat.IDLE_TABLE) != 0) {
                assertEquals(FormatField.Role.IGNORED, field.role());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void tablesOfBasePagesBeginAtMultiplesOfTheirReach(PagingFormat format) {
        try (NestedPageTable table = bench.table(format)) {
            assertEquals(M2, table.nextPageTableBoundary(0));
            assertEquals(M2, table.nextPageTableBoundary(M2 - 1));
            assertEquals(2 * M2, table.nextPageTableBoundary(M2));
            assertEquals(0, table.nextPageTableBoundary(-1));
        }
    }

    private static void refused(PagingError error, Executable call) {
        assertEquals(error, assertThrows(PagingException.class, call).error());
    }
}
