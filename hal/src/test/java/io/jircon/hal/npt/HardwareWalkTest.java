package io.jircon.hal.npt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageFault;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageWalk;
import io.jircon.hal.WalkResult;
import io.jircon.hal.npt.Aarch64Stage2Options.AccessFlag;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Entries written by hand, so that the walker is not judged by what the table writes.
class HardwareWalkTest {
    private static final long PA = 0x4000_0000L;
    private static final long VA = 1L << 21;

    private final Bench bench = new Bench();
    private final WalkResult result = new WalkResult();

    @AfterEach
    void closeBench() {
        bench.close();
    }

    /// Puts an entry at a height on the way to VA and says how an access ends.
    private String walk(PagingFormat format, int height, long raw, AccessKind access) {
        try (NestedPageTable table = bench.table(format)) {
            table.map(VA, PA, PageSize.SIZE_4K, MmuFlags.RWX);
            int step = format.rootHeight - height;
            long entry = table.explain(VA, AccessKind.READ).steps().get(step).entryAddress();
            long kept = bench.memory.readLong(entry);
            bench.memory.writeLong(entry, raw);
            boolean allowed = table.hardwareWalk(VA + 0x10, access, result);
            bench.memory.writeLong(entry, kept);
            return allowed ? Long.toHexString(result.paddr) : result.cause + "@" + result.depth;
        }
    }

    private static final AccessKind R = AccessKind.READ;
    private static final AccessKind W = AccessKind.WRITE;
    private static final AccessKind X = AccessKind.EXECUTE;

    @Test
    void eptLeaf() {
        PagingFormat ept = EptOptions.DEFAULT.format();
        assertEquals("40000010", walk(ept, 0, PA | 0x37, R));
        assertEquals("NOT_PRESENT@3", walk(ept, 0, PA | 0xff8, R));
        assertEquals("PERMISSION@3", walk(ept, 0, PA | 0x31, W));
        assertEquals("PERMISSION@3", walk(ept, 0, PA | 0x33, X));
        assertEquals("40000010", walk(ept, 0, PA | 0x34, X));
        assertEquals("PERMISSION@3", walk(ept, 0, PA | 0x34, R));
        assertEquals("40000010", walk(ept, 0, PA | 0xfb7L | 0xfffL << 52, R));
        assertEquals("MISCONFIGURED@3", walk(ept, 0, PA | 0x32, W));
        assertEquals("MISCONFIGURED@3", walk(ept, 0, PA | 0x36, X));
        for (int type : List.of(2, 3, 7)) {
            assertEquals("MISCONFIGURED@3", walk(ept, 0, PA | 0x7 | type << 3, R));
        }
        for (int type : List.of(0, 1, 4, 5, 6)) {
            assertEquals("40000010", walk(ept, 0, PA | 0x7 | type << 3, R));
        }
        for (int bit = 46; bit < 52; bit++) {
            assertEquals("MISCONFIGURED@3", walk(ept, 0, PA | 0x37 | 1L << bit, R));
        }
        PagingFormat noExecuteOnly = EptOptions.DEFAULT.withExecuteOnly(false).format();
        assertEquals("MISCONFIGURED@3", walk(noExecuteOnly, 0, PA | 0x34, X));
    }

    @Test
    @Tag("A-53")
    void eptHugeLeafAndPointer() {
        PagingFormat ept = EptOptions.DEFAULT.format();
        assertEquals("40000010", walk(ept, 1, PA | 0xb7, R));
        assertEquals("40200010", walk(ept, 2, PA | 0xb7, R));
        for (int bit = 12; bit < 21; bit++) {
            assertEquals("MISCONFIGURED@2", walk(ept, 1, PA | 0xb7 | 1L << bit, R));
        }
        assertEquals("MISCONFIGURED@1", walk(ept, 2, PA | 0xb7 | 1L << 29, R));
        for (int bit = 3; bit < 7; bit++) {
            assertEquals("MISCONFIGURED@2", walk(ept, 1, Bench.BASE | 7 | 1L << bit, R));
        }
        assertEquals("MISCONFIGURED@0", walk(ept, 3, Bench.BASE | 0x87, R));
        assertEquals("MISCONFIGURED@1", walk(ept, 2, Bench.BASE | 2, R));
        assertEquals("EXTERNAL@3", walk(ept, 1, 0x1000 | 7, R));
    }

    @Test
    void eptRightsAreAndedOverTheLevels() {
        PagingFormat ept = EptOptions.DEFAULT.format();
        try (NestedPageTable table = bench.table(ept)) {
            table.map(VA, PA, PageSize.SIZE_4K, MmuFlags.RWX);
            for (int step = 0; step < 3; step++) {
                long entry = table.explain(VA, R).steps().get(step).entryAddress();
                long pointer = bench.memory.readLong(entry);
                bench.memory.writeLong(entry, pointer & ~2);
                assertFalse(table.hardwareWalk(VA, W, result));
                assertEquals(FaultCause.PERMISSION, result.cause);
                assertTrue(table.hardwareWalk(VA, X, result));
                assertEquals(MmuFlags.RX.bits(), result.flagBits);
                bench.memory.writeLong(entry, pointer);
            }
        }
    }

    @Test
    void eptSetsAccessedAndDirtyWhenToldTo() {
        try (NestedPageTable table =
                bench.table(EptOptions.DEFAULT.withAccessedDirty(true).format())) {
            table.map(VA, PA, PageSize.SIZE_4K, MmuFlags.RW);
            assertTrue(table.hardwareWalk(VA, R, result));
            assertEquals(MmuFlags.R.bits(), result.flagBits, "the first store must walk again");
            List<PageWalk.Step> steps = table.explain(VA, R).steps();
            for (PageWalk.Step step : steps) {
                assertEquals(0x100, step.raw() & 0x300, step::toString);
            }
            assertTrue(table.hardwareWalk(VA, W, result));
            assertEquals(MmuFlags.RW.bits(), result.flagBits);
            assertEquals(0x300, table.explain(VA, R).steps().getLast().raw() & 0x300);
            assertEquals(0x100, table.explain(VA, R).steps().getFirst().raw() & 0x300);
            assertFalse(table.hardwareWalk(VA, X, result));
        }
        try (NestedPageTable table = bench.table(EptOptions.DEFAULT.format())) {
            table.map(VA, PA, PageSize.SIZE_4K, MmuFlags.RW);
            assertTrue(table.hardwareWalk(VA, W, result));
            assertEquals(0, table.explain(VA, R).steps().getLast().raw() & 0x300);
        }
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void explainingSetsNothing(PagingFormat format) {
        long at = format.lowestAddress() + VA;
        try (NestedPageTable table = bench.table(format)) {
            table.map(at, PA, PageSize.SIZE_4K, MmuFlags.RW);
            long before = leaf(table, at);
            table.explain(at, W);
            assertEquals(before, leaf(table, at));
        }
    }

    private static long leaf(NestedPageTable table, long at) {
        return table.explain(at, R).steps().getLast().raw();
    }

    @Test
    void aarch64Leaf() {
        PagingFormat stage2 = Aarch64Stage2Options.DEFAULT.format();
        assertEquals("40000010", walk(stage2, 0, PA | 0x7ff, R));
        assertEquals("NOT_PRESENT@2", walk(stage2, 0, PA | 0x7fe, R));
        assertEquals("NOT_PRESENT@2", walk(stage2, 0, PA | 0x7fd, R));
        assertEquals("PERMISSION@2", walk(stage2, 0, PA | 0x77f, W));
        assertEquals("40000010", walk(stage2, 0, PA | 0x77f, X));
        assertEquals("PERMISSION@2", walk(stage2, 0, PA | 0x77f | 1L << 54, X));
        assertEquals("40000010", walk(stage2, 0, PA | 0x73f, X));
        assertEquals("PERMISSION@2", walk(stage2, 0, PA | 0x73f, R));
        assertEquals("40000010", walk(stage2, 0, PA | 0x7bf, W));
        assertEquals("PERMISSION@2", walk(stage2, 0, PA | 0x7bf, R));
        assertEquals("ACCESS_FLAG@2", walk(stage2, 0, PA | 0x3ff, R));
        assertEquals("ACCESS_FLAG@2", walk(stage2, 0, PA | 0x33f, W), "before permission");
        assertEquals("ADDRESS_SIZE@2", walk(stage2, 0, PA | 1L << 40 | 0x7ff, R));
        assertEquals("40000010", walk(stage2, 0, PA | 1L << 48 | 0x7ff, R), "RES0");
    }

    @Test
    void aarch64BlockAndTable() {
        PagingFormat stage2 = Aarch64Stage2Options.DEFAULT.format();
        assertEquals("40000010", walk(stage2, 1, PA | 0x7fd, R));
        assertEquals("40000010", walk(stage2, 1, PA | 0x1_f000 | 0x7fd, R), "rounded down");
        assertEquals("40200010", walk(stage2, 2, PA | 0x7fd, R));
        assertEquals("ADDRESS_SIZE@1", walk(stage2, 1, 1L << 41 | 3, R));
        assertEquals("EXTERNAL@2", walk(stage2, 1, 0x1000 | 3, R));
        PagingFormat four = Aarch64Stage2Options.DEFAULT.withIpaBits(48).format();
        assertEquals("NOT_PRESENT@0", walk(four, 3, PA | 0x7fd, R), "no block at level 0");
    }

    @Test
    void aarch64ExecuteNeverSplitsWithXnx() {
        PagingFormat xnx = Aarch64Stage2Options.DEFAULT.withXnx(true).format();
        String[] ends = {"40000010", "PERMISSION@2", "PERMISSION@2", "40000010"};
        for (long never = 0; never < 4; never++) {
            assertEquals(ends[(int) never], walk(xnx, 0, PA | 0x7ff | never << 53, X));
        }
    }

    @Test
    void aarch64HardwareSetsAccessFlagAndDirtyState() {
        Aarch64Stage2Options base = Aarch64Stage2Options.DEFAULT;
        try (NestedPageTable table = bench.table(base.withFlags(AccessFlag.HARDWARE).format())) {
            table.map(VA, PA, PageSize.SIZE_4K, MmuFlags.RW);
            assertEquals(0, leaf(table, VA) & 0x400);
            assertTrue(table.hardwareWalk(VA, R, result));
            assertEquals(0x400, leaf(table, VA) & 0x400);
        }
        try (NestedPageTable table =
                bench.table(base.withFlags(AccessFlag.HARDWARE_DIRTY).format())) {
            table.map(VA, PA, PageSize.SIZE_4K, MmuFlags.RW);
            assertTrue(table.hardwareWalk(VA, R, result));
            assertEquals(1L << 51 | 0x440, leaf(table, VA) & (1L << 51 | 0x4c0));
            assertTrue(table.hardwareWalk(VA, W, result));
            assertEquals(1L << 51 | 0x4c0, leaf(table, VA) & (1L << 51 | 0x4c0));
        }
        try (NestedPageTable table = bench.table(base.withFlags(AccessFlag.FAULT).format())) {
            table.map(VA, PA, PageSize.SIZE_4K, MmuFlags.RW);
            assertFalse(table.hardwareWalk(VA, R, result));
            assertEquals(FaultCause.ACCESS_FLAG, result.cause);
        }
    }

    @Test
    void riscvLeaf() {
        PagingFormat guest = RiscvOptions.GUEST.format();
        long ppn = PA >> 2;
        assertEquals("40000010", walk(guest, 0, ppn | 0xdf, R));
        assertEquals("NOT_PRESENT@2", walk(guest, 0, ppn | 0xde, R));
        assertEquals("PERMISSION@2", walk(guest, 0, ppn | 0xd3, W));
        assertEquals("PERMISSION@2", walk(guest, 0, ppn | 0xd7, X));
        assertEquals("40000010", walk(guest, 0, ppn | 0xd9, X));
        assertEquals("PERMISSION@2", walk(guest, 0, ppn | 0xd9, R));
        assertEquals("MISCONFIGURED@2", walk(guest, 0, ppn | 0xd5, W));
        assertEquals("MISCONFIGURED@2", walk(guest, 0, ppn | 0xdd, X));
        assertEquals("MISCONFIGURED@2", walk(guest, 0, ppn | 0xcf, R), "U clear");
        assertEquals("MISCONFIGURED@2", walk(guest, 0, ppn | 0x01, R), "pointer at level 0");
        assertEquals("40000010", walk(guest, 0, ppn | 0xff, R), "G is ignored");
        assertEquals("ACCESS_FLAG@2", walk(guest, 0, ppn | 0x9f, R));
        assertEquals("ACCESS_FLAG@2", walk(guest, 0, ppn | 0x5f, W));
        assertEquals("40000010", walk(guest, 0, ppn | 0x5f, R));
        assertEquals("PERMISSION@2", walk(guest, 0, ppn | 0x13, W), "before the flags");
        for (int bit : List.of(54, 55, 56, 57, 58, 59, 60, 63)) {
            assertEquals("MISCONFIGURED@2", walk(guest, 0, ppn | 0xdf | 1L << bit, R));
        }
        assertEquals("40000010", walk(guest, 0, ppn | 0xdf | 1L << 61, R));
        assertEquals("MISCONFIGURED@2", walk(guest, 0, ppn | 0xdf | 3L << 61, R));
        PagingFormat plain = RiscvOptions.GUEST.withSvpbmt(false).format();
        assertEquals("MISCONFIGURED@2", walk(plain, 0, ppn | 0xdf | 1L << 61, R));
    }

    @Test
    void riscvSuperpageAndPointer() {
        PagingFormat guest = RiscvOptions.GUEST.format();
        long ppn = PA >> 2;
        assertEquals("40000010", walk(guest, 1, ppn | 0xdf, R));
        assertEquals("40200010", walk(guest, 2, ppn | 0xdf, R));
        for (int bit = 10; bit < 19; bit++) {
            assertEquals("MISCONFIGURED@1", walk(guest, 1, ppn | 0xdf | 1L << bit, R));
        }
        long pointer = Bench.BASE >> 2 | 1;
        for (int bit : List.of(4, 6, 7, 54, 60, 61, 62, 63)) {
            assertEquals("MISCONFIGURED@1", walk(guest, 1, pointer | 1L << bit, R));
        }
        assertEquals("EXTERNAL@2", walk(guest, 1, 0x1000 >> 2 | 1, R));
        PagingFormat four = RiscvOptions.GUEST.withLevels(4).format();
        assertEquals("40200010", walk(four, 3, 0xdf, R).replace("200010", "40200010"));
    }

    @Test
    void riscvHardwareSetsFlagsWithSvadu() {
        try (NestedPageTable table =
                bench.table(
                        RiscvOptions.GUEST.withFlags(RiscvOptions.AccessedDirty.SVADU).format())) {
            table.map(VA, PA, PageSize.SIZE_4K, MmuFlags.RW);
            assertEquals(0x17, leaf(table, VA) & 0xff);
            assertTrue(table.hardwareWalk(VA, R, result));
            assertEquals(0x57, leaf(table, VA) & 0xff);
            assertTrue(table.hardwareWalk(VA, W, result));
            assertEquals(0xd7, leaf(table, VA) & 0xff);
        }
    }

    @Test
    void softwareSetsFlagsByUpgradingWithSvade() {
        try (NestedPageTable table =
                bench.table(
                        RiscvOptions.GUEST.withFlags(RiscvOptions.AccessedDirty.SVADE).format())) {
            table.map(VA, PA, PageSize.SIZE_4K, MmuFlags.RW);
            assertFalse(table.hardwareWalk(VA, R, result));
            assertEquals(FaultCause.ACCESS_FLAG, result.cause);
            table.mapPages(
                    VA, new long[] {PA}, 0, 1, MmuFlags.RW, io.jircon.hal.OnExisting.UPGRADE);
            assertTrue(table.hardwareWalk(VA, W, result));
        }
    }

    @Test
    void stage1KnowsUserAndSupervisor() {
        PagingFormat x86 = Stage1Formats.x86(4, 46);
        MmuFlags user = MmuFlags.RWX.with(MmuFlags.of(MmuFlags.USER_BIT));
        try (NestedPageTable table = bench.table(x86)) {
            table.map(VA, PA, PageSize.SIZE_4K, MmuFlags.RWX);
            table.map(VA + 0x1000, PA, PageSize.SIZE_4K, user);
            var walker = new HardwareWalker(x86, bench.memory, table.rootAddress());
            assertFalse(walker.walk(VA, R, Privilege.USER, result, null));
            assertEquals(FaultCause.PERMISSION, result.cause);
            assertTrue(walker.walk(VA, R, Privilege.SUPERVISOR, result, null));
            assertTrue(walker.walk(VA + 0x1000, X, Privilege.USER, result, null));
        }
        PagingFormat sv39 = Stage1Formats.riscv(3);
        try (NestedPageTable table = bench.table(sv39)) {
            table.map(VA, PA, PageSize.SIZE_4K, user);
            var walker = new HardwareWalker(sv39, bench.memory, table.rootAddress());
            assertTrue(walker.walk(VA, X, Privilege.USER, result, null));
            assertTrue(walker.walk(VA, W, Privilege.SUPERVISOR, result, null));
            assertFalse(walker.walk(VA, X, Privilege.SUPERVISOR, result, null));
        }
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void addressesBeyondTheWidthFaultWithoutAReading(PagingFormat format) {
        try (NestedPageTable table = bench.table(format)) {
            assertFalse(table.hardwareWalk(1L << 62, R, result));
            assertEquals(0, result.entriesRead);
            assertEquals(0, result.depth);
            assertEquals(
                    format.name().startsWith("VMSA")
                            ? FaultCause.NOT_PRESENT
                            : FaultCause.ADDRESS_SIZE,
                    result.cause);
        }
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void readsOneEntryPerLevel(PagingFormat format) {
        long at = format.lowestAddress() + VA;
        try (NestedPageTable table = bench.table(format)) {
            table.map(at, PA, PageSize.SIZE_4K, MmuFlags.RW);
            table.hardwareWalk(at, R, result);
            assertEquals(format.levels(), result.entriesRead);
            assertEquals(format.levels() - 1, result.depth);
        }
    }

    @Test
    void explainsEveryStep() {
        try (NestedPageTable table = bench.table(RiscvOptions.GUEST.format())) {
            table.map(VA, PA, PageSize.SIZE_2M, MmuFlags.RX);
            PageWalk walk = table.explain(VA + 0x1234, X);
            assertEquals(
                    new PageMapping(PA + 0x1234, MmuFlags.RX, PageSize.SIZE_2M), walk.mapping());
            assertNull(walk.fault());
            PageWalk.Step first = walk.steps().getFirst();
            assertEquals("level 2", first.levelName());
            assertEquals(table.rootAddress(), first.tableAddress());
            assertEquals(0, first.index());
            PageWalk.Step last = walk.steps().getLast();
            assertEquals("level 1", last.levelName());
            assertEquals(1, last.index());
            assertEquals(last.tableAddress() + 8, last.entryAddress());
            assertEquals(PA >> 2 | 0xdb, last.raw());
            assertEquals("V=1 R=1 X=1 U=1 A=1 D=1 PPN=0x40000000", last.fields());
            PageWalk refused = table.explain(VA, W);
            assertEquals(new PageFault(VA, W, FaultCause.PERMISSION), refused.fault());
            assertNull(refused.mapping());
            assertEquals(2, refused.steps().size());
        }
    }
}
