package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.ALREADY_EXISTS;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NOT_FOUND;
import static io.jircon.kobject.ZxStatus.OK;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.vm.VmarFixture.OVERWRITE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.SPECIFIC;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.MmuFlags;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What Zircon's own suite of regions does with accesses and range operations, where no other suite
/// here does just that. The tags name its tests.
class VmarZirconFaultTest {
    private static final VmarFlags STREAM =
            VmarFlags.FAULT_BEYOND_STREAM_SIZE.with(VmarFlags.ALLOW_FAULTS);

    private final VmarFixture vm = new VmarFixture();

    @AfterEach
    void tearDown() {
        vm.close();
    }

    private static final long GIB = 1L << 30;

    private VmObject unbounded(long streamSize) {
        return vm.closing(VmObject.create(vm.machine, streamSize, VmoOption.UNBOUNDED));
    }

    private static void fill(VmObject vmo, int pages, int value) {
        byte[] bytes = new byte[pages * (int) PAGE];
        java.util.Arrays.fill(bytes, (byte) value);
        vmo.write(0, bytes);
    }

    // ---- large ranges

    @Test
    @Tag("vmar.cc:ProtectOverDemandPagedTest")
    @Tag("V-164")
    void protectHoldsForPagesTouchedAndUntouched() {
        VmObject vmo = VmObject.create(vm.machine, 100 * PAGE);
        long at = vm.root.map(RW, 0, vmo, 0, 100 * PAGE);
        vmo.close();
        for (int page : new int[] {0, 50, 99}) {
            vm.poke(at + page * PAGE, 5);
        }
        vm.root.protect(R, at, 100 * PAGE);
        for (int page : new int[] {0, 25, 50, 99}) {
            assertEquals(ACCESS_DENIED, vm.write(at + page * PAGE));
        }
        assertEquals(5, vm.peek(at + 50 * PAGE));
    }

    /// Protects, or unmaps, all but the first pages of a gibibyte that is hardly touched.
    @ParameterizedTest
    @EnumSource(
            value = ZxStatus.class,
            names = {"ACCESS_DENIED", "NOT_FOUND"})
    @Tag("vmar.cc:ProtectLargeUncomittedTest")
    @Tag("vmar.cc:UnmapLargeUncommittedTest")
    void aLargeRangeIsChangedFromJustBehindAPageTableOn(ZxStatus expected) {
        VmObject vmo = vm.closing(VmObject.create(vm.machine, GIB));
        long at = vm.root.map(RW, 0, vmo, 0, GIB);
        long[] probes = {at, at + GIB / 4, at + GIB / 2, at + GIB - PAGE};
        for (long probe : List.of(probes[0], probes[2], probes[3])) {
            vm.poke(probe, 1);
        }
        long tableEnd = (at + (2L << 20)) & -(2L << 20);
        long from = tableEnd + PAGE;
        if (expected == ACCESS_DENIED) {
            vm.root.protect(R, from, at + GIB - from);
        } else {
            vm.root.unmap(from, at + GIB - from);
        }
        assertEquals(OK, vm.write(probes[0]));
        assertEquals(OK, vm.write(tableEnd));
        for (int i = 1; i < probes.length; i++) {
            assertEquals(expected, vm.write(probes[i]));
        }
        vm.root.unmap(at, GIB);
        assertEquals(NOT_FOUND, vm.read(probes[0]));
    }

    @Test
    @Tag("aspace_unittest.cc:vm_mapping_sparse_mapping_test")
    @Tag("V-190")
    void aSparseMappingEntersTheFewPagesThatAreThere() {
        long size = 16 * GIB;
        VmObject vmo = vm.closing(VmObject.create(vm.machine, size));
        long at = vm.root.map(RW, 0, vmo, 0, size);
        vm.root.opRange(VmarOp.MAP_RANGE, at, size);
        for (long offset : new long[] {size / 2, 0, size - PAGE}) {
            assertEquals("0", vm.entries(at + offset, 1));
            vmo.commit(offset, PAGE);
            vm.root.opRange(VmarOp.MAP_RANGE, at, size);
            assertEquals("1", vm.entries(at + offset, 1));
        }
    }

    // ---- range operations

    @Test
    @Tag("vmar.cc:RangeOpCommitVmoPages2")
    void decommitOfJustTheSecondMapping() {
        VmAddressRegion region = vm.region(12);
        VmObject first = vm.vmo(5);
        VmObject second = vm.vmo(4);
        long one = mapAt(region, 0, RW, first, 0, 5);
        long two = mapAt(region, 6, RW, second, 0, 4);
        vm.poke(one, 1);
        vm.poke(two, 2);
        region.opRange(VmarOp.DECOMMIT, two, 4 * PAGE);
        assertEquals(1, vm.peek(one));
        assertEquals(0, vm.peek(two));
    }

    private static long populatedPages(VmObject vmo) {
        return vmo.attribution(0, vmo.sizeBytes()).populatedBytes / PAGE;
    }

    @Test
    @Tag("vmar.cc:RangeOpCommit")
    @Tag("V-188")
    @Tag("V-327")
    void commitThroughSubRegionsStaysInItsRange() {
        VmAddressRegion region = vm.region(20);
        VmAddressRegion low = child(region, 1, 8);
        VmAddressRegion high = child(region, 10, 8);
        VmObject vmo = vm.vmo(5);
        long lowAt = low.map(RW, 0, vmo, 0, 5 * PAGE);
        VmObject snapshot = vm.closing(vmo.createSnapshot(0, 5 * PAGE));
        long highAt = high.map(RW, 0, snapshot, 0, 5 * PAGE);
        low.opRange(VmarOp.COMMIT, lowAt + PAGE, 2 * PAGE);
        high.opRange(VmarOp.COMMIT, highAt + 2 * PAGE, 2 * PAGE);
        assertTrue(populatedPages(vmo) <= 2 && populatedPages(snapshot) <= 2);
        high.opRange(VmarOp.COMMIT, highAt, 5 * PAGE);
        assertTrue(populatedPages(vmo) <= 2 && populatedPages(snapshot) <= 5);
        long own = populatedPages(vmo);
        region.map(R.with(SPECIFIC), 19 * PAGE, vmo, 4 * PAGE, PAGE, MmuFlags.R);
        long base = region.baseAddress();
        refuses(
                ACCESS_DENIED,
                "V-180",
                () -> region.opRange(VmarOp.COMMIT, base + 19 * PAGE, PAGE));
        assertEquals(own, populatedPages(vmo));
        refuses(OUT_OF_RANGE, "V-174", () -> region.opRange(VmarOp.COMMIT, base, 40 * PAGE));
        refuses(OUT_OF_RANGE, "V-174", () -> region.opRange(VmarOp.COMMIT, 0, PAGE));
        refuses(BAD_STATE, "V-177", () -> region.opRange(VmarOp.COMMIT, base, 20 * PAGE));
        refuses(BAD_STATE, "V-177", () -> region.opRange(VmarOp.COMMIT, base, 9 * PAGE));
    }

    @Test
    @Tag("vmar.cc:Prefetch")
    @Tag("V-193")
    @Tag("V-327")
    void prefetchWhateverTheCurrentPermissions() {
        VmAddressRegion region = vm.region(4);
        long at = mapAt(region, 1, RW, vm.vmo(2), 0, 2);
        region.opRange(VmarOp.PREFETCH, at, PAGE);
        region.opRange(VmarOp.PREFETCH, at, 2 * PAGE);
        refuses(INVALID_ARGS, "V-173", () -> region.opRange(VmarOp.PREFETCH, at, 0));
        refuses(INVALID_ARGS, "V-173", () -> region.opRange(VmarOp.PREFETCH, at + 1, PAGE));
        long end = at + 2 * PAGE;
        refuses(OUT_OF_RANGE, "V-174", () -> region.opRange(VmarOp.PREFETCH, end, 2 * PAGE));
        refuses(BAD_STATE, "V-183", () -> region.opRange(VmarOp.PREFETCH, end, PAGE));
        refuses(INVALID_ARGS, "V-178", () -> vm.root.opRange(VmarOp.PREFETCH, at, 2 * PAGE));
        region.protect(VmarFlags.NONE, at, 2 * PAGE);
        region.opRange(VmarOp.PREFETCH, at, 2 * PAGE);
    }

    @Test
    @Tag("vmar.cc:MapRangeResizable")
    @Tag("V-111")
    @Tag("V-109")
    void mapRangeOfAResizableObjectIsTrimmed() {
        VmObject vmo = vm.closing(VmObject.create(vm.machine, PAGE, VmoOption.RESIZABLE));
        fill(vmo, 1, 1);
        VmarFlags eager = R.with(VmarFlags.MAP_RANGE);
        vm.root.map(VmarFlags.MAP_RANGE, 0, vmo, 0, PAGE);
        long two = vm.root.map(eager, 0, vmo, 0, 2 * PAGE);
        assertEquals("10", vm.entries(two, 2));
        assertEquals(OUT_OF_RANGE, vm.read(two + PAGE));
        assertEquals("00", vm.entries(vm.root.map(eager, 0, vmo, 2 * PAGE, 2 * PAGE), 2));
        vmo.setSize(2 * PAGE);
        long grown = vm.root.map(eager, 0, vmo, 0, 2 * PAGE);
        assertEquals(OK, vm.read(grown + PAGE));
        vmo.setSize(PAGE);
        assertEquals(OK, vm.read(grown));
        assertEquals(OUT_OF_RANGE, vm.read(grown + PAGE));
    }

    // ---- FAULT_BEYOND_STREAM_SIZE

    @Test
    @Tag("vmar.cc:FaultBeyondStreamSize")
    @Tag("V-49")
    void accessesBeyondTheStreamFault() {
        VmAddressRegion region = vm.region(8);
        VmObject first = unbounded(3 * PAGE);
        VmarFlags alone = RW.with(VmarFlags.FAULT_BEYOND_STREAM_SIZE);
        refuses(INVALID_ARGS, "V-88", () -> region.map(alone, 0, first, 0, 4 * PAGE));
        long at = mapAt(region, 0, RW.with(STREAM), first, 0, 4);
        assertEquals(OK, vm.read(at));
        assertEquals(OUT_OF_RANGE, vm.read(at + 3 * PAGE));
        assertEquals(OUT_OF_RANGE, vm.write(at + 3 * PAGE));
        first.write(3 * PAGE, new byte[] {1});
        assertEquals(OUT_OF_RANGE, vm.read(at + 3 * PAGE));
        assertEquals(OUT_OF_RANGE, vm.write(at + 3 * PAGE));
        first.setStreamSize(2 * PAGE);
        assertEquals(OUT_OF_RANGE, vm.read(at + 2 * PAGE));

        VmObject half = unbounded(PAGE / 2);
        VmarFlags readable = R.with(STREAM);
        refuses(ALREADY_EXISTS, "V-71", () -> mapAt(region, 0, readable, half, 0, 2));
        region.map(readable.with(OVERWRITE), 0, half, 0, 2 * PAGE);
        assertEquals(OK, vm.read(at + PAGE - 1));
        assertEquals(ACCESS_DENIED, vm.write(at));
        assertEquals(OUT_OF_RANGE, vm.read(at + PAGE));

        VmObject third = unbounded(2 * PAGE);
        fill(third, 6, 7);
        long wide = vm.root.map(RW.with(STREAM), 0, third, 0, 6 * PAGE);
        assertEquals(OUT_OF_RANGE, vm.read(wide + 2 * PAGE));
        third.setStreamSize(4 * PAGE);
        assertEquals(OK, vm.read(wide + 2 * PAGE));
        third.setStreamSize(2 * PAGE);
        assertEquals(OUT_OF_RANGE, vm.read(wide + 2 * PAGE));
    }

    @Test
    @Tag("vmar.cc:FaultBeyondReducedStreamSize")
    @Tag("V-217")
    void aReducedStreamTakesAccessAndZeroesTheRestOfItsPage() {
        VmObject vmo = unbounded(5 * PAGE);
        long at = vm.root.map(RW.with(STREAM), 0, vmo, 0, 6 * PAGE);
        for (int page = 0; page < 5; page++) {
            vm.poke(at + page * PAGE, page + 1);
            assertEquals(page + 1, vmo.read(page * PAGE, 1)[0]);
        }
        assertEquals(OUT_OF_RANGE, vm.write(at + 5 * PAGE));
        vmo.setStreamSize(4 * PAGE);
        assertEquals("0", vm.entries(at + 4 * PAGE, 1));
        assertEquals(OUT_OF_RANGE, vm.read(at + 4 * PAGE));
        vm.poke(at + 4 * PAGE - 1, 9);
        vmo.setStreamSize(3 * PAGE + PAGE / 2);
        assertEquals(4, vm.peek(at + 3 * PAGE));
        assertEquals(0, vm.peek(at + 4 * PAGE - 1));
        assertEquals(0, vmo.read(4 * PAGE - 1, 1)[0]);
        vmo.setStreamSize(2 * PAGE);
        assertEquals("1100", vm.readable(at, 4));

        VmObject bounded = vm.vmo(4);
        long there = vm.root.map(RW.with(STREAM), 0, bounded, 0, 4 * PAGE);
        bounded.setStreamSize(2 * PAGE);
        assertEquals("1100", vm.readable(there, 4));
        assertEquals(OUT_OF_RANGE, vm.read(there + 2 * PAGE));
    }

    @Test
    @Tag("vmar.cc:FaultBeyondStreamSizeRange")
    @Tag("V-179")
    void rangeOperationsStopAtTheStream() {
        VmObject vmo = unbounded(2 * PAGE);
        fill(vmo, 4, 3);
        VmarFlags options = RW.with(STREAM).with(VmarFlags.MAP_RANGE);
        long at = vm.root.map(options, 0, vmo, 0, 6 * PAGE);
        assertEquals("110000", vm.entries(at, 6));
        for (VmarOp op : List.of(VmarOp.PREFETCH, VmarOp.COMMIT, VmarOp.DECOMMIT)) {
            ZxException e =
                    assertThrows(ZxException.class, () -> vm.root.opRange(op, at, 3 * PAGE));
            assertEquals(OUT_OF_RANGE, e.status());
            assertEquals(OUT_OF_RANGE, vm.read(at + 2 * PAGE));
            assertEquals(3, vmo.read(0, 1)[0]);
        }
        for (VmarOp op : List.of(VmarOp.PREFETCH, VmarOp.COMMIT, VmarOp.DECOMMIT)) {
            vm.root.opRange(op, at, 2 * PAGE);
        }
        refuses(OUT_OF_RANGE, "V-179", () -> vm.root.opRange(VmarOp.COMMIT, at + PAGE, 2 * PAGE));
        assertEquals(0, vmo.read(0, 1)[0]);
        assertEquals(0, vmo.read(2 * PAGE - 1, 1)[0]);
        assertEquals(3, vmo.read(2 * PAGE, 1)[0]);
        assertEquals(3, vmo.read(4 * PAGE - 1, 1)[0]);
    }

    // ---- several spaces

    @Test
    @Tag("aspace_unittest.cc:multiple_regions_test")
    void threeMemoriesOfAnAddressSpaceAreUsedAndGoWithIt() {
        VmAddressRegion root = VmAddressRegion.newRoot(vm.machine);
        long free = vm.hal.frames().freeFrames();
        try (var memory = new UserMemory(root, vm.hal.newMmu())) {
            for (int i = 1; i <= 3; i++) {
                try (VmObject pages = VmObject.create(vm.machine, 4 * PAGE)) {
                    long at = root.map(RW, 0, pages, 0, 4 * PAGE);
                    byte[] bytes = new byte[4 * (int) PAGE];
                    java.util.Arrays.fill(bytes, (byte) i);
                    memory.write(at, bytes);
                    assertEquals(i, memory.readByte(at + 4 * PAGE - 1));
                    assertEquals(i, memory.readByte(at));
                }
            }
            assertTrue(vm.hal.frames().freeFrames() <= free - 12);
            root.destroyAddressSpace();
            assertTrue(vm.hal.frames().freeFrames() >= free);
        }
    }
}
