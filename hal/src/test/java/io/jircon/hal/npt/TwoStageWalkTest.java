package io.jircon.hal.npt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.BuddyFrameAllocator;
import io.jircon.hal.FaultCause;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.GuestVirtAddr;
import io.jircon.hal.HostPhysAddr;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PhysicalMemory;
import io.jircon.hal.npt.NestedPageFaultInfo.During;
import io.jircon.hal.npt.TwoStageWalk.Fault;
import io.jircon.hal.npt.TwoStageWalk.Stage;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// A guest whose memory of 4 MiB lies at GPA 0 and somewhere else in the machine, and whose own
/// tables are built by the guest in its own memory.
class TwoStageWalkTest {
    private static final long GUEST_BYTES = 4L << 20;
    private static final long GUEST_BASE = 1L << 30; // of the guest's memory, in its own view
    private static final long GVA = 0x40_3000;
    private static final MmuFlags USER_RWX = MmuFlags.RWX.with(MmuFlags.of(MmuFlags.USER_BIT));
    private static final MmuFlags USER_RW = MmuFlags.RW.with(MmuFlags.of(MmuFlags.USER_BIT));

    private final Bench bench = new Bench(4096);
    private final long host = bench.frames.allocateContiguous(GUEST_BYTES >> 12, 21);
    private final PhysicalMemory guestMemory =
            new PhysicalMemory(bench.memory.slice(host, GUEST_BYTES), GUEST_BASE);

    @AfterEach
    void closeBench() {
        bench.close();
    }

    private NestedPageTable nested(PagingFormat format, HugePages huge) {
        NestedPageTable table = bench.table(format);
        table.mapRange(GUEST_BASE, host, GUEST_BYTES, MmuFlags.RWX, huge, OnExisting.ERROR);
        return table;
    }

    private NestedPageTable guest(PagingFormat format) {
        return new NestedPageTable(
                format, guestMemory, new BuddyFrameAllocator(guestMemory), bench.invalidator, 1);
    }

    static Stream<Arguments> counts() {
        PagingFormat ept4 = EptOptions.DEFAULT.format();
        PagingFormat ept5 = EptOptions.DEFAULT.withLevels(5).format();
        PagingFormat ipa40 = Aarch64Stage2Options.DEFAULT.format();
        PagingFormat ipa48 = Aarch64Stage2Options.DEFAULT.withIpaBits(48).format();
        PagingFormat x4 = Stage1Formats.x86(4, 46);
        PagingFormat x5 = Stage1Formats.x86(5, 46);
        PagingFormat va39 = Stage1Formats.aarch64Lower(39, 40);
        PagingFormat va48 = Stage1Formats.aarch64Lower(48, 40);
        return Stream.of(
                Arguments.of(null, RiscvOptions.GUEST.format(), 3),
                Arguments.of(Stage1Formats.riscv(3), null, 3),
                Arguments.of(va39, ipa40, 15),
                Arguments.of(Stage1Formats.riscv(3), RiscvOptions.GUEST.format(), 15),
                Arguments.of(Stage1Formats.riscv(3), RiscvOptions.GUEST.withLevels(4).format(), 19),
                Arguments.of(Stage1Formats.riscv(4), RiscvOptions.GUEST.format(), 19),
                Arguments.of(va48, ipa40, 19),
                Arguments.of(x4, ept4, 24),
                Arguments.of(va48, ipa48, 24),
                Arguments.of(Stage1Formats.riscv(4), RiscvOptions.GUEST.withLevels(4).format(), 24),
                Arguments.of(x5, ept4, 29),
                Arguments.of(x4, ept5, 29),
                Arguments.of(x5, ept5, 35),
                Arguments.of(
                        Stage1Formats.riscv(5), RiscvOptions.GUEST.withLevels(5).format(), 35));
    }

    @ParameterizedTest
    @MethodSource("counts")
    void readsAsManyEntriesAsTheFormulaSays(
            @Nullable PagingFormat first, @Nullable PagingFormat second, int expected) {
        if (second == null) {
            // The guest's tables are the machine's.
            try (NestedPageTable table = bench.table(first)) {
                table.map(GVA, host, PageSize.SIZE_4K, USER_RW);
                var walker = new TwoStageWalker(bench.memory, first, table.rootAddress(), null);
                requireCount(
                        walker.walk(gva(GVA), AccessKind.READ, Privilege.USER), 3, 0, expected);
            }
            return;
        }
        try (NestedPageTable second2 = nested(second, HugePages.FORBIDDEN)) {
            if (first == null) {
                var walker = new TwoStageWalker(bench.memory, null, 0, second2);
                TwoStageWalk walk =
                        walker.walk(gva(GUEST_BASE + 5), AccessKind.READ, Privilege.USER);
                assertEquals(new HostPhysAddr(host + 5), walk.hpa());
                requireCount(walk, 0, second.levels(), expected);
                return;
            }
            NestedPageTable own = guest(first);
            own.map(GVA, GUEST_BASE + 0x20_0000, PageSize.SIZE_4K, USER_RW);
            var walker = new TwoStageWalker(bench.memory, first, own.rootAddress(), second2);
            TwoStageWalk walk = walker.walk(gva(GVA + 9), AccessKind.WRITE, Privilege.USER);
            assertNull(walk.fault());
            assertEquals(new GuestPhysAddr(GUEST_BASE + 0x20_0009), walk.gpa());
            assertEquals(new HostPhysAddr(host + 0x20_0009), walk.hpa());
            requireCount(walk, first.levels(), second.levels(), expected);
            requireOrder(walk, first.levels(), second.levels());
        }
    }

    private static GuestVirtAddr gva(long address) {
        return new GuestVirtAddr(address);
    }

    private static void requireCount(TwoStageWalk walk, int n, int m, int expected) {
        assertEquals(expected, TwoStageWalk.expectedReads(n, m));
        assertEquals(expected, walk.reads().size());
        assertEquals(n, walk.count(Stage.GUEST));
        assertEquals(expected - n, walk.count(Stage.NESTED));
    }

    /// m reads of the second stage before each of the guest's, and m more at the end.
    private static void requireOrder(TwoStageWalk walk, int n, int m) {
        for (int i = 0; i < walk.reads().size(); i++) {
            Stage stage = i % (m + 1) == m ? Stage.GUEST : Stage.NESTED;
            assertEquals(stage, walk.reads().get(i).stage(), "read " + i);
        }
        for (int k = 0; k < n; k++) {
            var before = walk.reads().get(k * (m + 1));
            var entry = walk.reads().get(k * (m + 1) + m);
            assertEquals(entry.guestAddress(), before.guestAddress());
        }
    }

    @Test
    void largePagesShortenTheWalk() {
        PagingFormat first = Stage1Formats.x86(4, 46);
        PagingFormat second = EptOptions.DEFAULT.format();
        NestedPageTable own = guest(first);
        own.map(GVA, GUEST_BASE + 0x20_0000, PageSize.SIZE_4K, USER_RW);
        own.map(1L << 30, GUEST_BASE + 0x20_0000, PageSize.SIZE_2M, USER_RW);
        try (NestedPageTable huge = nested(second, HugePages.ALLOWED);
                NestedPageTable small = nested(second, HugePages.FORBIDDEN)) {
            assertEquals(19, reads(first, own, small, 1L << 30));
            assertEquals(19, reads(first, own, huge, GVA));
            assertEquals(15, reads(first, own, huge, 1L << 30));
        }
    }

    private int reads(PagingFormat first, NestedPageTable own, NestedPageTable second, long at) {
        var walker = new TwoStageWalker(bench.memory, first, own.rootAddress(), second);
        return walker.walk(gva(at), AccessKind.READ, Privilege.USER).reads().size();
    }

    @Test
    void faultsOfEitherStageAreToldApart() {
        PagingFormat first = Stage1Formats.riscv(3);
        NestedPageTable own = guest(first);
        long gpa = GUEST_BASE + 0x20_0000;
        own.map(GVA, gpa, PageSize.SIZE_4K, USER_RW);
        try (NestedPageTable second = nested(RiscvOptions.GUEST.format(), HugePages.FORBIDDEN)) {
            var walker = new TwoStageWalker(bench.memory, first, own.rootAddress(), second);
            TwoStageWalk hole = walker.walk(gva(0), AccessKind.READ, Privilege.USER);
            assertEquals(new Fault.OfGuest(FaultCause.NOT_PRESENT, 1), hole.fault());
            assertEquals(2 * 4, hole.reads().size());
            TwoStageWalk fetch = walker.walk(gva(GVA), AccessKind.EXECUTE, Privilege.USER);
            assertEquals(new Fault.OfGuest(FaultCause.PERMISSION, 0), fetch.fault());
            assertEquals(3 * 4, fetch.reads().size());

            second.protect(gpa, MmuFlags.R);
            TwoStageWalk store = walker.walk(gva(GVA + 8), AccessKind.WRITE, Privilege.USER);
            assertEquals(
                    new Fault.OfNested(
                            new NestedPageFaultInfo(
                                    new GuestPhysAddr(gpa + 8),
                                    MmuFlags.of(MmuFlags.WRITE_BIT),
                                    FaultCause.PERMISSION,
                                    0,
                                    During.FINAL_ACCESS,
                                    AccessKind.WRITE,
                                    gva(GVA + 8))),
                    store.fault());
            assertEquals(new GuestPhysAddr(gpa + 8), store.gpa());
            assertNull(store.hpa());
            assertEquals(15, store.reads().size());
        }
    }

    @Test
    void aFaultOnTheKthGuestEntryStopsTheCountThere() {
        PagingFormat first = Stage1Formats.riscv(3);
        NestedPageTable own = guest(first);
        own.map(GVA, GUEST_BASE + 0x20_0000, PageSize.SIZE_4K, USER_RW);
        List<Long> tables =
                own.explain(GVA, AccessKind.READ).steps().stream()
                        .map(step -> step.tableAddress())
                        .toList();
        for (int k = 1; k <= 3; k++) {
            try (NestedPageTable second =
                    nested(RiscvOptions.GUEST.format(), HugePages.FORBIDDEN)) {
                second.unmap(tables.get(k - 1));
                var walker = new TwoStageWalker(bench.memory, first, own.rootAddress(), second);
                TwoStageWalk walk = walker.walk(gva(GVA), AccessKind.WRITE, Privilege.USER);
                assertEquals((k - 1) * 4 + 3, walk.reads().size());
                var fault = assertInstanceOf(Fault.OfNested.class, walk.fault());
                assertEquals(During.GUEST_WALK, fault.info().during());
                assertEquals(MmuFlags.R, fault.info().access());
                assertEquals(AccessKind.WRITE, fault.info().guestAccess());
                assertEquals(FaultCause.NOT_PRESENT, fault.info().cause());
                assertNull(walk.gpa());
            }
        }
    }

    @Test
    void withEptAccessedAndDirtyFlagsGuestTablesMustBeWritable() {
        PagingFormat first = Stage1Formats.x86(4, 46);
        NestedPageTable own = guest(first);
        own.map(GVA, GUEST_BASE + 0x20_0000, PageSize.SIZE_4K, USER_RW);
        own.hardwareWalk(GVA, AccessKind.WRITE, new io.jircon.hal.WalkResult());
        for (boolean on : new boolean[] {false, true}) {
            try (NestedPageTable second =
                    nested(
                            EptOptions.DEFAULT.withAccessedDirty(on).format(),
                            HugePages.FORBIDDEN)) {
                second.protect(own.rootAddress(), MmuFlags.R);
                var walker = new TwoStageWalker(bench.memory, first, own.rootAddress(), second);
                TwoStageWalk walk = walker.walk(gva(GVA), AccessKind.READ, Privilege.USER);
                if (on) {
                    var fault = assertInstanceOf(Fault.OfNested.class, walk.fault());
                    assertEquals(MmuFlags.RW, fault.info().access());
                    assertEquals(0x8b, EptFault.encode(fault.info(), MmuFlags.R).qualification());
                } else {
                    assertNull(walk.fault());
                }
            }
        }
    }

    @Test
    void markingAGuestEntryIsAWriteToTheSecondStage() {
        PagingFormat first = Stage1Formats.x86(4, 46);
        NestedPageTable own = guest(first);
        own.map(GVA, GUEST_BASE + 0x20_0000, PageSize.SIZE_4K, USER_RW);
        try (NestedPageTable second = nested(EptOptions.DEFAULT.format(), HugePages.FORBIDDEN)) {
            second.protect(own.rootAddress(), MmuFlags.R);
            var walker = new TwoStageWalker(bench.memory, first, own.rootAddress(), second);
            TwoStageWalk walk = walker.walk(gva(GVA), AccessKind.READ, Privilege.USER);
            var fault = assertInstanceOf(Fault.OfNested.class, walk.fault());
            assertEquals(MmuFlags.of(MmuFlags.WRITE_BIT), fault.info().access());
            assertEquals(During.GUEST_WALK, fault.info().during());
        }
    }

    @Test
    void aCacheOfPointersSavesTheUpperLevels() {
        PagingFormat first = Stage1Formats.riscv(3);
        NestedPageTable own = guest(first);
        for (int i = 0; i < 8; i++) {
            own.map(GVA + i * 0x1000L, GUEST_BASE + i * 0x1000L, PageSize.SIZE_4K, USER_RWX);
        }
        try (NestedPageTable second = nested(RiscvOptions.GUEST.format(), HugePages.FORBIDDEN)) {
            var walker = new TwoStageWalker(bench.memory, first, own.rootAddress(), second);
            var none = new PageWalkCache(0);
            var large = new PageWalkCache(64);
            for (int i = 0; i < 8; i++) {
                TwoStageWalk walk =
                        walker.walk(gva(GVA + i * 0x1000L), AccessKind.READ, Privilege.USER);
                assertEquals(0, none.add(walk));
                int saved = large.add(walk);
                // All but the leaves: 4 of the second stage, 1 of the guest's.
                assertTrue(i == 0 ? saved < 10 : saved == 10, "walk " + i + " saved " + saved);
            }
            assertEquals(8 * 15, large.reads());
            assertTrue(large.saved() >= 70);
            assertEquals(0, none.saved());
        }
    }
}
