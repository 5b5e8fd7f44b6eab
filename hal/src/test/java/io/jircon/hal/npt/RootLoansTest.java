package io.jircon.hal.npt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.BuddyFrameAllocator;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.PhysicalMemory;
import io.jircon.hal.TlbInvalidator;
import io.jircon.hal.UnusedTables;
import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Shared root entries in every format.
@Tag("A-70")
class RootLoansTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final long MEGA = PageSize.SIZE_2M.bytes();
    private static final long FRAME = 0x40_0000;

    private final Bench bench = new Bench();
    private final List<String> flushes = new ArrayList<>();
    private final TlbInvalidator tlbs = new TagRecorder();
    private final long freeAtFirst = bench.free();

    private final Deque<NestedPageTable> tables = new ArrayDeque<>();

    @AfterEach
    void closeTablesAndFindEveryFrameFree() {
        tables.forEach(NestedPageTable::close);
        assertEquals(freeAtFirst, bench.free());
        bench.close();
    }

    /// A table that is closed at the test's end, the last one first, if not before.
    private NestedPageTable table(PagingFormat format, int tag) {
        var made = new NestedPageTable(format, bench.memory, bench.frames, tlbs, tag);
        tables.addFirst(made);
        return made;
    }

    private static long slotBytes(PagingFormat format) {
        return 1L << format.shifts[format.rootHeight];
    }

    /// Address of a root entry; -1 for the last one.
    private static long slot(PagingFormat format, int index) {
        if (index >= 0) {
            return format.lowestAddress() + index * slotBytes(format);
        }
        return format.isSignExtended()
                ? -slotBytes(format)
                : slot(format, format.rootEntries() - 1);
    }

    private static TreeMap<Long, String> leaves(NestedPageTable table, long slot) {
        return Bench.leaves(table, slot, slotBytes(table.format()));
    }

    private static void map(NestedPageTable table, long vaddr) {
        table.map(vaddr, FRAME, PageSize.SIZE_4K, MmuFlags.RW);
    }

    private void requireSameView(NestedPageTable lender, NestedPageTable borrower, long slot) {
        assertEquals(leaves(lender, slot), leaves(borrower, slot));
        for (long vaddr : leaves(lender, slot).keySet()) {
            assertEquals(lender.query(vaddr + 5), borrower.query(vaddr + 5));
            assertEquals(lender.translate(vaddr + 5), borrower.translate(vaddr + 5));
            assertEquals(
                    lender.explain(vaddr, AccessKind.READ).mapping(),
                    borrower.explain(vaddr, AccessKind.READ).mapping());
            for (AccessKind access : AccessKind.values()) {
                assertEquals(
                        Bench.walks(lender, vaddr, access), Bench.walks(borrower, vaddr, access));
            }
            try (PageTableCursor cursor = borrower.openCursor()) {
                assertEquals(lender.query(vaddr), cursor.query(vaddr));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void borrowerSeesWhatTheLenderHasAndWhatItChangesLater(PagingFormat format) {
        NestedPageTable lender = table(format, 1);
        NestedPageTable borrower = table(format, 2);
        for (int index : new int[] {1, -1}) {
            long slot = slot(format, index);
            map(lender, slot + 3 * PAGE);
            borrower.borrowRootEntries(lender, slot + 7 * PAGE, PAGE);
            requireSameView(lender, borrower, slot);

            map(lender, slot + slotBytes(format) - PAGE);
            assertEquals(2, leaves(borrower, slot).size());
            requireSameView(lender, borrower, slot);
            lender.protect(slot + 3 * PAGE, MmuFlags.R);
            assertFalse(Bench.walks(borrower, slot + 3 * PAGE, AccessKind.WRITE));
            requireSameView(lender, borrower, slot);
            if (slotBytes(format) > MEGA) {
                lender.map(slot + 4 * MEGA, FRAME, PageSize.SIZE_2M, MmuFlags.RW);
                requireSameView(lender, borrower, slot);
                lender.unmapRange(slot + 4 * MEGA + PAGE, PAGE);
                assertEquals(2 + 511, leaves(borrower, slot).size());
                assertEquals(leaves(lender, slot), leaves(borrower, slot));
                assertFalse(Bench.walks(borrower, slot + 4 * MEGA + PAGE, AccessKind.READ));
            }
        }
        assertEquals(new TreeMap<>(), leaves(borrower, slot(format, 0)));
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void lentEntryKeepsItsTableWhateverTheLenderDoes(PagingFormat format) {
        long slot = slot(format, 1);
        long size = slotBytes(format);
        NestedPageTable lender = table(format, 1);
        NestedPageTable borrower = table(format, 2);
        borrower.borrowRootEntries(lender, slot, size);
        assertEquals(new TreeMap<>(), leaves(borrower, slot));

        map(lender, slot);
        lender.unmap(slot);
        map(lender, slot + PAGE);
        requireSameView(lender, borrower, slot);
        lender.unmapRange(slot, size);
        assertEquals(new TreeMap<>(), leaves(borrower, slot));

        long whole = Math.min(size, PageSize.SIZE_1G.bytes());
        lender.mapRange(slot, 0, whole, MmuFlags.RW, HugePages.ALLOWED, OnExisting.ERROR);
        assertEquals(size == whole ? 512 : 1, leaves(lender, slot).size());
        lender.join(slot, whole);
        requireSameView(lender, borrower, slot);
        lender.mapRange(slot, 0, whole, MmuFlags.RX, HugePages.ALLOWED, OnExisting.UPGRADE);
        requireSameView(lender, borrower, slot);
        lender.writeProtectRange(slot, whole);
        assertEquals(leaves(lender, slot), leaves(borrower, slot));
    }

    private static Optional<PageSize> rootLeaf(PagingFormat format) {
        return Stream.of(PageSize.values())
                .filter(size -> size.bytes() == slotBytes(format))
                .findAny();
    }

    static Stream<PagingFormat> formatsWithLeavesInTheRoot() {
        return Formats.all().filter(format -> rootLeaf(format).isPresent());
    }

    @ParameterizedTest
    @MethodSource("formatsWithLeavesInTheRoot")
    void hugeLeafInTheRootIsSplitToBeLent(PagingFormat format) {
        PageSize huge = rootLeaf(format).orElseThrow();
        long slot = slot(format, 1);
        NestedPageTable lender = table(format, 1);
        NestedPageTable borrower = table(format, 2);
        lender.map(slot, 0, huge, MmuFlags.RW);
        borrower.map(slot, 0, huge, MmuFlags.R);
        borrower.borrowRootEntries(lender, slot, PAGE);
        assertEquals(512, leaves(borrower, slot).size());
        requireSameView(lender, borrower, slot);

        lender.unmapRange(slot, slotBytes(format));
        requireRefused(
                "BAD_STATE: size=" + huge + " would replace a root entry that is lent",
                () -> lender.map(slot, 0, huge, MmuFlags.RW));
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void changesThroughTheBorrowerAreRefused(PagingFormat format) {
        long slot = slot(format, 1);
        NestedPageTable lender = table(format, 1);
        NestedPageTable borrower = table(format, 2);
        map(lender, slot);
        borrower.borrowRootEntries(lender, slot, PAGE);
        map(borrower, slot - PAGE);
        var before = leaves(borrower, slot);
        long free = bench.free();
        flushes.clear();
        List<Executable> calls =
                List.of(
                        () -> map(borrower, slot + PAGE),
                        () -> borrower.unmap(slot),
                        () -> borrower.protect(slot, MmuFlags.R),
                        () -> borrower.remap(slot, 0, MmuFlags.R),
                        () ->
                                borrower.mapRange(
                                        slot - PAGE,
                                        0,
                                        2 * PAGE,
                                        MmuFlags.R,
                                        HugePages.ALLOWED,
                                        OnExisting.UPGRADE),
                        () ->
                                borrower.mapPages(
                                        slot - PAGE,
                                        new long[] {0, PAGE},
                                        0,
                                        2,
                                        MmuFlags.R,
                                        OnExisting.SKIP),
                        () -> borrower.unmapRange(slot - PAGE, 2 * PAGE),
                        () -> borrower.protectRange(slot, MEGA, MmuFlags.R),
                        () -> borrower.writeProtectRange(slot, PAGE),
                        () -> borrower.join(slot, MEGA),
                        () -> {
                            try (PageTableCursor cursor = borrower.openCursor()) {
                                cursor.unmapRange(slot, PAGE);
                            }
                        });
        String rule = " meets root entry 1, borrowed from " + lender;
        for (Executable call : calls) {
            String message = requireBadState(call);
            assertTrue(message.endsWith(rule), message);
        }
        if (format.tracksDirty()) {
            requireBadState(() -> borrower.harvestDirty(slot, PAGE, new BitSet()));
        }
        if (format.tracksAccessed()) {
            requireBadState(
                    () -> borrower.harvestAccessed(slot, PAGE, UnusedTables.KEEP, new BitSet()));
            requireBadState(() -> borrower.markAccessed(slot, PAGE));
        }
        requireRefused(
                "BAD_STATE: vaddr=0x%x with size=0x2000%s".formatted(slot - PAGE, rule),
                () -> borrower.unmapRange(slot - PAGE, 2 * PAGE));
        assertEquals(before, leaves(borrower, slot));
        assertEquals(FRAME, borrower.translate(slot - PAGE));
        assertEquals(free, bench.free());
        assertEquals(List.of(), flushes);

        borrower.unmap(slot - PAGE); // its own
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void whatTheBorrowerHadThereIsFlushedAndThenFreed(PagingFormat format) {
        long slot = slot(format, 1);
        NestedPageTable lender = table(format, 1);
        NestedPageTable borrower = table(format, 2);
        map(lender, slot);
        long bare = bench.free();
        map(borrower, slot);
        map(borrower, slot + slotBytes(format) - PAGE);
        flushes.clear();
        bench.events.clear();
        borrower.borrowRootEntries(lender, slot, slotBytes(format));

        assertEquals(List.of("all 2"), flushes);
        assertEquals(List.of("all 2", "free"), bench.events);
        assertEquals(bare, bench.free());
        assertEquals(1, leaves(borrower, slot).size());
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void everyFlushOfTheLenderReachesTheBorrowersBeforeFramesAreFreed(PagingFormat format) {
        long slot = slot(format, 1);
        NestedPageTable first = table(format, 2);
        NestedPageTable lender = table(format, 1);
        NestedPageTable second = table(format, 3);
        first.borrowRootEntries(lender, slot, PAGE);
        second.borrowRootEntries(lender, slot, PAGE);
        map(lender, slot);
        flushes.clear();
        bench.events.clear();
        lender.unmap(slot);

        String page = Long.toHexString(slot) + "/12 ";
        var expected = List.of(page + 1, page + 2, page + 3);
        assertEquals(expected, flushes);
        if (format.rootHeight > 1) {
            assertEquals("free", bench.events.removeLast());
        }
        assertEquals(expected, bench.events);

        first.close();
        map(lender, slot);
        flushes.clear();
        lender.unmap(slot);
        assertEquals(List.of(page + 1, page + 3), flushes);
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void borrowersMayBeClosedBeforeTheLender(PagingFormat format) {
        long slot = slot(format, 1);
        NestedPageTable lender = table(format, 1);
        map(lender, slot);
        long alone = bench.free();
        NestedPageTable first = table(format, 2);
        NestedPageTable second = table(format, 3);
        first.borrowRootEntries(lender, slot(format, 0), 3 * slotBytes(format));
        second.borrowRootEntries(lender, slot, PAGE);

        first.close();
        first.close();
        assertEquals(FRAME, second.translate(slot));
        second.close();
        assertEquals(FRAME, lender.translate(slot));
        assertEquals(alone, bench.free());
        lender.close();
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void theLenderMayBeClosedBeforeItsBorrowers(PagingFormat format) {
        long slot = slot(format, 1);
        NestedPageTable lender = table(format, 1);
        NestedPageTable first = table(format, 2);
        NestedPageTable second = table(format, 3);
        map(lender, slot);
        map(lender, slot(format, 2));
        first.borrowRootEntries(lender, slot, PAGE);
        second.borrowRootEntries(lender, slot, PAGE);
        var before = leaves(lender, slot);
        long free = bench.free();

        lender.close();
        assertEquals(free + format.levels() - 1, bench.free(), "what was not lent");
        assertEquals(0, lender.tableFrames());
        requireBadState(() -> lender.translate(slot));
        requireBadState(() -> table(format, 4).borrowRootEntries(lender, slot, PAGE));
        first.close();
        assertEquals(before, leaves(second, slot));
        assertEquals(FRAME + 5, second.translate(slot + 5));
        assertEquals(FRAME + 5, second.query(slot + 5).paddr());
        requireBadState(() -> second.unmap(slot));
        second.close();
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void withoutFramesForTheLendersTablesNothingChanges(PagingFormat format) {
        long slot = slot(format, 1);
        NestedPageTable lender = table(format, 1);
        NestedPageTable borrower = table(format, 2);
        map(lender, slot);
        map(borrower, slot + PAGE);
        long free = bench.free();
        flushes.clear();
        bench.limit(1); // entries 0 and 2 want one each
        assertEquals(
                PagingError.NO_MEMORY,
                assertThrows(
                                PagingException.class,
                                () ->
                                        borrower.borrowRootEntries(
                                                lender, slot(format, 0), 3 * slotBytes(format)))
                        .error());
        bench.unlimited();

        assertEquals(free, bench.free());
        assertEquals(List.of(), flushes);
        assertEquals(List.of(slot), List.copyOf(leaves(lender, slot).keySet()));
        assertEquals(List.of(slot + PAGE), List.copyOf(leaves(borrower, slot).keySet()));
        borrower.unmap(slot + PAGE); // its own still
        lender.borrowRootEntries(borrower, slot, PAGE); // and neither is bound to a part
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void borrowingAgainChangesNothing(PagingFormat format) {
        long slot = slot(format, 1);
        NestedPageTable lender = table(format, 1);
        NestedPageTable borrower = table(format, 2);
        map(lender, slot);
        borrower.borrowRootEntries(lender, slot, PAGE);
        flushes.clear();
        long free = bench.free();
        borrower.borrowRootEntries(lender, slot, slotBytes(format));
        borrower.borrowRootEntries(lender, slot, 0);
        assertEquals(free, bench.free());
        lender.unmap(slot);
        assertEquals(2, flushes.size());
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void aTableIsLenderOrBorrower(PagingFormat format) {
        long slot = slot(format, 1);
        NestedPageTable lender = table(format, 1);
        NestedPageTable borrower = table(format, 2);
        NestedPageTable third = table(format, 3);
        borrower.borrowRootEntries(lender, slot, PAGE);
        String request = "BAD_STATE: vaddr=0x%x with size=0x1000 ".formatted(slot);
        requireRefused(
                request + "cannot be borrowed by a table that lends",
                () -> lender.borrowRootEntries(third, slot, PAGE));
        requireRefused(
                request + "cannot be lent by a table that borrows",
                () -> third.borrowRootEntries(borrower, slot, PAGE));
        requireRefused(
                request + "meets root entry 1, borrowed from " + lender,
                () -> borrower.borrowRootEntries(third, slot, PAGE));
        borrower.borrowRootEntries(third, slot(format, 2), PAGE);
        map(third, slot(format, 2));
        assertEquals(FRAME, borrower.translate(slot(format, 2)));
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void badRangesAreRefused(PagingFormat format) {
        long slot = slot(format, 1);
        NestedPageTable borrower = table(format, 2);
        NestedPageTable lender = table(format, 1);
        requireRefused(
                "NOT_ALIGNED: vaddr=0x%x is not a multiple of 0x1000".formatted(slot + 1),
                () -> borrower.borrowRootEntries(lender, slot + 1, PAGE));
        requireRefused(
                "NOT_ALIGNED: sizeBytes=0x1 is not a multiple of 0x1000",
                () -> borrower.borrowRootEntries(lender, slot, 1));
        long last = lender.lastAddress() + 1 - PAGE;
        requireRefused(
                "OUT_OF_RANGE: vaddr=0x%x with size=0x2000 leaves %s"
                        .formatted(last, AddressLimits.of(format)),
                () -> borrower.borrowRootEntries(lender, last, 2 * PAGE));
        borrower.borrowRootEntries(lender, last, PAGE);
        borrower.close();
        requireBadState(() -> borrower.borrowRootEntries(lender, slot, PAGE));
    }

    @Test
    void lenderMustBeAnotherTableOfTheSameKind() {
        PagingFormat format = RiscvOptions.GUEST.format();
        long slot = slot(format, 1);
        try (Arena arena = Arena.ofShared();
                NestedPageTable borrower = table(format, 2);
                NestedPageTable wider = table(RiscvOptions.GUEST.withLevels(4).format(), 3);
                NestedPageTable otherFlags =
                        table(
                                RiscvOptions.GUEST
                                        .withFlags(RiscvOptions.AccessedDirty.SVADU)
                                        .format(),
                                4);
                NestedPageTable otherTlbs = bench.table(format);
                NestedPageTable part =
                        new NestedPageTable(
                                format,
                                bench.memory,
                                bench.frames,
                                tlbs,
                                5,
                                AddressLimits.between(PAGE, borrower.lastAddress()),
                                MmuFlags.NONE)) {
            var memory = new PhysicalMemory(arena.allocate(16 * PAGE, PAGE), 0x1000_0000);
            var elsewhere =
                    new NestedPageTable(format, memory, new BuddyFrameAllocator(memory), tlbs, 6);
            for (NestedPageTable lender :
                    List.of(borrower, wider, otherFlags, otherTlbs, part, elsewhere)) {
                requireRefused(
                        "NOT_SUPPORTED: lender="
                                + lender
                                + " is not another table of the format, range and machine of "
                                + borrower,
                        () -> borrower.borrowRootEntries(lender, slot, PAGE));
            }
            try (NestedPageTable twin = table(RiscvOptions.GUEST.format(), 7)) {
                borrower.borrowRootEntries(twin, slot, PAGE); // equal options are the same format
            }
            assertEquals(PageTableTrait.NO_TRANSLATION, borrower.translate(slot));
        }
    }

    private static void requireRefused(String message, Executable call) {
        assertEquals(message, assertThrows(PagingException.class, call).getMessage());
    }

    private static String requireBadState(Executable call) {
        PagingException refused = assertThrows(PagingException.class, call);
        assertEquals(PagingError.BAD_STATE, refused.error());
        return String.valueOf(refused.getMessage());
    }

    /// Notes which table's translations are dropped.
    private final class TagRecorder implements TlbInvalidator {
        @Override
        public void flushPages(int tag, long[] vaddrs, byte[] shifts, int count) {
            for (int i = 0; i < count; i++) {
                note(Long.toHexString(vaddrs[i]) + "/" + shifts[i] + " " + tag);
            }
        }

        @Override
        public void flushAll(int tag) {
            note("all " + tag);
        }

        @Override
        public void release(int tag) {}

        private void note(String event) {
            flushes.add(event);
            bench.events.add(event);
        }
    }
}
