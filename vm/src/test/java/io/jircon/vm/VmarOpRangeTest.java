package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NOT_SUPPORTED;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.SPECIFIC;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.jircon.hal.MmuFlags;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class VmarOpRangeTest {
    private final VmarFixture vm = new VmarFixture();
    private VmAddressRegion region;
    private VmObject vmo;
    private long base;

    @BeforeEach
    void setUp() {
        region = vm.region(64);
        base = region.baseAddress();
        vmo = vm.vmo(64);
    }

    @AfterEach
    void tearDown() {
        vm.close();
    }

    private void op(VmarOp op, long page, long pages) {
        region.opRange(op, base + page * PAGE, pages * PAGE);
        vm.root.checkInvariants();
    }

    private void opWithoutOpChildren(VmarOp op, long page, long pages) {
        RangeOp.run(region, op, base + page * PAGE, pages * PAGE, /* mayTouchRegions= */ false);
    }

    /// Maps a page that may only ever be read.
    private void mapReadOnly(long page) {
        region.map(R.with(SPECIFIC), page * PAGE, vmo, 0, PAGE, MmuFlags.R);
    }

    private long committedPages() {
        return vmo.attribution(0, vmo.sizeBytes()).populatedBytes / PAGE;
    }

    @Test
    @Tag("V-3")
    void operationsHaveZirconsNumbers() {
        assertEquals(VmarOp.COMMIT, VmarOp.ofValue(1));
        assertEquals(VmarOp.DECOMMIT, VmarOp.ofValue(2));
        assertEquals(VmarOp.MAP_RANGE, VmarOp.ofValue(3));
        assertEquals(VmarOp.ZERO, VmarOp.ofValue(10));
        assertEquals(VmarOp.DONT_NEED, VmarOp.ofValue(12));
        assertEquals(VmarOp.ALWAYS_NEED, VmarOp.ofValue(13));
        assertEquals(VmarOp.PREFETCH, VmarOp.ofValue(14));
        for (int unknown : new int[] {0, -1, 4, 9, 11, 15, Integer.MAX_VALUE}) {
            assertNull(VmarOp.ofValue(unknown));
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, -1L, -PAGE + 1})
    @Tag("V-173")
    void aLengthOfNoPagesIsRefused(long len) {
        refuses(INVALID_ARGS, "V-173", () -> region.opRange(VmarOp.ZERO, base, len));
        refuses(INVALID_ARGS, "V-173", () -> region.opRange(VmarOp.ZERO, 0, len));
    }

    @Test
    @Tag("V-173")
    @Tag("vmar.cc:RangeOpZero")
    void aMisalignedAddressIsRefused() {
        refuses(INVALID_ARGS, "V-173", () -> region.opRange(VmarOp.ZERO, base + 1, PAGE));
    }

    @Test
    @Tag("V-174")
    @Tag("V-175")
    @Tag("V-296")
    void aRangeOutsideBeatsADeadRegion() {
        refuses(OUT_OF_RANGE, "V-174", () -> op(VmarOp.ZERO, 0, 65));
        refuses(OUT_OF_RANGE, "V-174", () -> op(VmarOp.ZERO, -1, 1));
        refuses(OUT_OF_RANGE, "V-174", () -> region.opRange(VmarOp.ZERO, 0, PAGE));
        refuses(OUT_OF_RANGE, "V-174", () -> region.opRange(VmarOp.ZERO, base, -PAGE));
        region.destroy();
        refuses(OUT_OF_RANGE, "V-174", () -> region.opRange(VmarOp.ZERO, base, 65 * PAGE));
        refuses(BAD_STATE, "V-175", () -> region.opRange(VmarOp.ZERO, base, PAGE));
    }

    @ParameterizedTest
    @EnumSource(VmarOp.class)
    @Tag("V-177")
    @Tag("V-183")
    @Tag("V-327")
    @Tag("O-120")
    void aGapIsBadState(VmarOp op) {
        refuses(BAD_STATE, "V-183", () -> op(op, 0, 4));
        mapAt(region, 1, RW, vmo, 0, 2);
        refuses(BAD_STATE, "V-177", () -> op(op, 0, 2));
        refuses(BAD_STATE, "V-183", () -> op(op, 1, 3));
        refuses(BAD_STATE, "V-183", () -> op(op, 3, 1));
        op(op, 1, 2);
    }

    @Test
    @Tag("V-184")
    void whatComesBeforeTheFailureStaysDone() {
        mapAt(region, 0, RW, vmo, 0, 1);
        mapAt(region, 2, RW, vmo, 2, 1);
        vm.poke(base, 5);
        vm.poke(base + 2 * PAGE, 5);
        refuses(BAD_STATE, "V-177", () -> op(VmarOp.ZERO, 0, 3));
        assertEquals(0, vm.peek(base));
        assertEquals(5, vm.peek(base + 2 * PAGE));
    }

    @ParameterizedTest
    @EnumSource(VmarOp.class)
    @Tag("V-178")
    @Tag("V-54")
    @Tag("V-297")
    @Tag("vmar.cc:RangeOpSubRegions")
    @Tag("vmar.cc:BadRangeOpNestedVmar")
    void mappingsInSubRegionsAreForSomeOperationsOnly(VmarOp op) {
        VmAddressRegion inner = child(region, 1, 2);
        mapAt(inner, 0, RW, vmo, 0, 2);
        boolean allowed =
                switch (op) {
                    case COMMIT, DECOMMIT, PREFETCH -> false;
                    case MAP_RANGE, ZERO, DONT_NEED, ALWAYS_NEED -> true;
                };
        if (allowed) {
            op(op, 1, 2);
        } else {
            refuses(INVALID_ARGS, "V-178", () -> op(op, 1, 2));
        }
        refuses(INVALID_ARGS, "V-178", () -> opWithoutOpChildren(op, 1, 2));
        refuses(BAD_STATE, "V-177", () -> op(op, 0, 2));
        refuses(BAD_STATE, "V-177", () -> opWithoutOpChildren(op, 0, 2));
        inner.opRange(op, base + PAGE, 2 * PAGE);
    }

    @Test
    @Tag("V-178")
    @Tag("V-297")
    void notAllowedThereBeatsWantOfPermission() {
        VmAddressRegion inner = child(region, 0, 1);
        inner.map(R.with(SPECIFIC), 0, vmo, 0, PAGE, MmuFlags.R);
        refuses(INVALID_ARGS, "V-178", () -> op(VmarOp.COMMIT, 0, 1));
        refuses(ACCESS_DENIED, "V-180", () -> op(VmarOp.ZERO, 0, 1));
    }

    @Test
    @Tag("V-180")
    @Tag("V-186")
    @Tag("V-307")
    @Tag("vmar.cc:RangeOpCommitVmoPages")
    void theMaximumDecidesNotTheCurrentPermission() {
        mapReadOnly(0);
        for (VmarOp op : new VmarOp[] {VmarOp.COMMIT, VmarOp.DECOMMIT, VmarOp.ZERO}) {
            refuses(ACCESS_DENIED, "V-180", () -> op(op, 0, 1));
        }
        op(VmarOp.PREFETCH, 0, 1);
        op(VmarOp.MAP_RANGE, 0, 1);
        region.map(VmarFlags.NONE.with(SPECIFIC), PAGE, vmo, 0, PAGE, MmuFlags.NONE);
        refuses(ACCESS_DENIED, "V-180", () -> op(VmarOp.PREFETCH, 1, 1));
        op(VmarOp.MAP_RANGE, 1, 1);
        mapAt(region, 2, VmarFlags.NONE, vmo, 2, 1);
        op(VmarOp.COMMIT, 2, 1);
        op(VmarOp.ZERO, 2, 1);
        op(VmarOp.PREFETCH, 2, 1);
        op(VmarOp.DECOMMIT, 2, 1);
    }

    @Test
    @Tag("V-185")
    void theLengthIsRoundedUpAndTheRestUntouched() {
        mapAt(region, 0, RW, vmo, 0, 4);
        region.opRange(VmarOp.COMMIT, base + PAGE, PAGE + 1);
        assertEquals(2, committedPages());
        assertEquals("0110", vm.entries(base, 4));
    }

    @Test
    @Tag("V-187")
    @Tag("vmar.cc:OpOnRangeWithChildVmarNextToIt")
    void aNeighbouringSubRegionDoesNotMatter() {
        VmAddressRegion outer = child(region, 0, 2);
        mapAt(outer, 0, RW, vmo, 0, 1);
        child(outer, 1, 1);
        op(VmarOp.MAP_RANGE, 0, 1);
        outer.opRange(VmarOp.COMMIT, base, PAGE);
    }

    @Test
    @Tag("V-188")
    void commitTakesPagesAndEntersThem() {
        mapAt(region, 0, RW, vmo, 0, 8);
        op(VmarOp.COMMIT, 2, 3);
        assertEquals(3, committedPages());
        assertEquals("00111000", vm.entries(base, 8));
        assertEquals(MmuFlags.RW, vm.entryAccess(base + 2 * PAGE));
        mapAt(region, 8, RW, vm.vmo(1), 0, 2);
        refuses(OUT_OF_RANGE, "O-76", () -> op(VmarOp.COMMIT, 8, 2));
    }

    @Test
    @Tag("V-189")
    @Tag("vmar.cc:RangeOpCommitVmoPages")
    void decommitZeroesEveryViewAndDropsEveryEntry() {
        mapAt(region, 0, RW, vmo, 0, 2);
        mapAt(region, 2, RW, vmo, 3, 1);
        mapAt(region, 4, R, vmo, 1, 1);
        vm.poke(base + PAGE, 5);
        vm.poke(base + 2 * PAGE, 6);
        assertEquals(5, vm.peek(base + 4 * PAGE));
        op(VmarOp.DECOMMIT, 1, 2);
        assertEquals("0000", vm.entries(base + PAGE, 4));
        assertEquals(0, vm.peek(base + PAGE));
        assertEquals(0, vm.peek(base + 2 * PAGE));
        assertEquals(0, vm.peek(base + 4 * PAGE));
        assertEquals(0, committedPages());
    }

    @Test
    @Tag("V-189")
    @Tag("V-191")
    void physicalObjectsRefuseCommitDecommitAndZero() {
        long frame = vm.hal.frames().allocate();
        VmObject physical =
                vm.closing(VmObject.createPhysical(vm.machine, frame, PAGE, CachePolicy.CACHED));
        mapAt(region, 0, RW, physical, 0, 1);
        for (VmarOp op : new VmarOp[] {VmarOp.COMMIT, VmarOp.DECOMMIT, VmarOp.ZERO}) {
            assertEquals(
                    NOT_SUPPORTED,
                    org.junit.jupiter.api.Assertions.assertThrows(
                                    io.jircon.kobject.ZxException.class, () -> op(op, 0, 1))
                            .status());
        }
        op(VmarOp.MAP_RANGE, 0, 1);
        assertEquals(frame, vm.root.pageTable().translate(base));
        region.unmap(base, PAGE);
        vm.hal.frames().free(frame);
    }

    @Test
    @Tag("V-190")
    @Tag("V-111")
    @Tag("vmar.cc:RangeOpMapRange")
    @Tag("O-254")
    void mapRangeSkipsWhatIsAbsentAndWhatIsEntered() {
        mapAt(region, 0, RW, vmo, 0, 6);
        op(VmarOp.MAP_RANGE, 0, 6);
        assertEquals("000000", vm.entries(base, 6));
        vmo.commit(0, 2 * PAGE);
        vmo.commit(3 * PAGE, PAGE);
        assertEquals(0, vm.peek(base + PAGE));
        region.protect(R, base + PAGE, PAGE);
        op(VmarOp.MAP_RANGE, 0, 6);
        assertEquals("110100", vm.entries(base, 6));
        assertEquals(MmuFlags.R, vm.entryAccess(base + PAGE));
        assertEquals(MmuFlags.RW, vm.entryAccess(base));
    }

    @Test
    @Tag("V-190")
    void mapRangeIsTrimmedToTheObject() {
        VmObject small = vm.vmo(2);
        small.commit(0, 2 * PAGE);
        mapAt(region, 0, R, small, 1, 4);
        op(VmarOp.MAP_RANGE, 0, 4);
        assertEquals("1000", vm.entries(base, 4));
    }

    @Test
    @Tag("V-191")
    @Tag("vmar.cc:RangeOpZero")
    @Tag("O-92")
    void zeroClearsForEveryViewer() {
        mapAt(region, 0, RW, vmo, 0, 2);
        long other = mapAt(region, 8, R, vmo, 0, 2);
        vm.poke(base, 5);
        vm.poke(base + PAGE, 6);
        assertEquals(5, vm.peek(other));
        op(VmarOp.ZERO, 0, 1);
        assertEquals(0, vm.peek(other));
        assertEquals(6, vm.peek(other + PAGE));
        mapAt(region, 16, RW, vm.vmo(1), 0, 2);
        refuses(OUT_OF_RANGE, "O-91", () -> op(VmarOp.ZERO, 16, 2));
    }

    @Test
    @Tag("V-192")
    void hintsAreTakenEvenOutOfRange() {
        mapAt(region, 0, RW, vm.vmo(1), 0, 4);
        op(VmarOp.DONT_NEED, 0, 4);
        op(VmarOp.ALWAYS_NEED, 0, 4);
    }

    @Test
    @Tag("V-193")
    void prefetchChecksTheRange() {
        mapAt(region, 0, RW, vm.vmo(1), 0, 4);
        op(VmarOp.PREFETCH, 0, 1);
        assertEquals(
                OUT_OF_RANGE,
                org.junit.jupiter.api.Assertions.assertThrows(
                                io.jircon.kobject.ZxException.class,
                                () -> op(VmarOp.PREFETCH, 0, 2))
                        .status());
    }

    @Test
    @Tag("V-188")
    void commitOfASnapshotStaysInItsRange() {
        vmo.commit(0, 4 * PAGE);
        VmObject snapshot = vm.closing(vmo.createSnapshot(0, 8 * PAGE));
        mapAt(region, 0, RW, snapshot, 0, 8);
        long before = committedPages();
        op(VmarOp.COMMIT, 2, 4);
        assertEquals(before, committedPages());
        assertEquals(4 * PAGE, snapshot.attribution(2 * PAGE, 4 * PAGE).privateBytes);
    }

    // ---- FAULT_BEYOND_STREAM_SIZE

    private static final VmarFlags STREAM =
            VmarFlags.FAULT_BEYOND_STREAM_SIZE.with(VmarFlags.ALLOW_FAULTS);

    @Test
    @Tag("V-179")
    void partsBeyondTheStreamSizeAreOutOfRange() {
        vmo.setStreamSize(2 * PAGE - 5);
        region.map(RW.with(STREAM), 0, vmo, 0, 6 * PAGE);
        for (VmarOp op : new VmarOp[] {VmarOp.COMMIT, VmarOp.DECOMMIT, VmarOp.PREFETCH}) {
            refuses(OUT_OF_RANGE, "V-179", () -> op(op, 0, 3));
            refuses(OUT_OF_RANGE, "V-179", () -> op(op, 2, 1));
            op(op, 0, 2);
        }
        assertEquals("000000", vm.entries(base, 6));
    }

    @Test
    @Tag("V-49")
    @Tag("V-198")
    @Tag("V-217")
    void accessesFollowTheStreamSize() {
        vmo.setStreamSize(2 * PAGE);
        long at = region.map(RW.with(STREAM), 0, vmo, 0, 6 * PAGE);
        long other = region.map(RW, 0, vmo, 0, 6 * PAGE);
        assertEquals(OUT_OF_RANGE, vm.read(at + 2 * PAGE));
        vm.poke(other + 2 * PAGE, 3);
        assertEquals(OUT_OF_RANGE, vm.write(at + 2 * PAGE));
        vmo.setStreamSize(4 * PAGE);
        vm.poke(at + 3 * PAGE, 4);
        assertEquals(4, vm.peek(other + 3 * PAGE));
        vmo.setStreamSize(3 * PAGE + 1);
        assertEquals(0, vm.peek(at + 3 * PAGE + 1));
        vmo.setStreamSize(3 * PAGE);
        assertEquals("0", vm.entries(at + 3 * PAGE, 1));
        assertEquals(OUT_OF_RANGE, vm.read(at + 3 * PAGE));
        assertEquals(0, vm.peek(other + 3 * PAGE));
    }

    @Test
    @Tag("V-88")
    @Tag("V-82")
    @Tag("V-48")
    void theOptionNeedsAllowFaultsAndAnObjectWithAStream() {
        VmarFlags alone = VmarFlags.FAULT_BEYOND_STREAM_SIZE;
        refuses(INVALID_ARGS, "V-88", () -> region.map(R.with(alone), 0, vmo, 0, PAGE));
        VmObject run = vm.closing(VmObject.createContiguous(vm.machine, PAGE, 0));
        refuses(NOT_SUPPORTED, "V-82", () -> region.map(R.with(STREAM), 0, run, 0, PAGE));
        VmObject physical =
                vm.closing(
                        VmObject.createPhysical(
                                vm.machine, 0x1000, PAGE, CachePolicy.UNCACHED_DEVICE));
        refuses(NOT_SUPPORTED, "V-82", () -> region.map(R.with(STREAM), 0, physical, 0, PAGE));
    }

    @Test
    @Tag("V-263")
    @Tag("V-49")
    void theOptionIsKeptByCutsAndBlocksMerging() {
        vmo.setStreamSize(5 * PAGE);
        mapAt(region, 0, RW.with(STREAM), vmo, 0, 6);
        region.unmap(base + 2 * PAGE, PAGE);
        assertEquals(OUT_OF_RANGE, vm.read(base + 5 * PAGE));
        mapAt(region, 2, RW, vmo, 2, 1);
        assertEquals(3, region.children().size());
        region.unmap(base + 2 * PAGE, PAGE);
        mapAt(region, 2, RW.with(STREAM), vmo, 2, 1);
        assertEquals(1, region.children().size());
    }
}
