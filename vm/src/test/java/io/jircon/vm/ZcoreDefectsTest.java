package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.ALREADY_EXISTS;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.IO;
import static io.jircon.kobject.ZxStatus.NOT_FOUND;
import static io.jircon.kobject.ZxStatus.NOT_SUPPORTED;
import static io.jircon.kobject.ZxStatus.NO_MEMORY;
import static io.jircon.kobject.ZxStatus.NO_RESOURCES;
import static io.jircon.kobject.ZxStatus.OK;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.vm.VmarFixture.OVERWRITE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.RWX;
import static io.jircon.vm.VmarFixture.SPECIFIC;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.kobject.ObjectType;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Defects that a reimplementation of regions really had, each as a test that fails with it. The
/// tag is the defect's number in the list they were taken from. A few are in the suites that their
/// subject belongs to: sizes in [VmarScaleTest], threads in [VmarInterleavingTest].
class ZcoreDefectsTest {
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

    private void touch(long vaddr, int pages) {
        for (int page = 0; page < pages; page++) {
            vm.poke(vaddr + page * PAGE, page + 1);
        }
    }

    @Test
    @Tag("zcore-V2")
    void placementIsRandomExceptInACompactRegion() {
        try (Machine random = Machine.builder(new FakeHal()).seed(1).boot()) {
            VmAddressRegion root = VmAddressRegion.newRoot(random);
            VmAddressRegion compact = root.allocate(VmarFlags.COMPACT, 0, 64 * PAGE);
            assertTrue(compact.baseAddress() != root.baseAddress());
            for (int page = 0; page < 3; page++) {
                assertEquals(
                        compact.baseAddress() + page * PAGE,
                        compact.allocate(VmarFlags.NONE, 0, PAGE).baseAddress());
            }
            root.destroyAddressSpace();
        }
    }

    @Test
    @Tag("zcore-V3")
    void alignmentRoundsTheCandidateUp() {
        child(region, 0, 1);
        VmAddressRegion aligned = vm.root.allocate(VmarFlags.align(21), 0, PAGE);
        assertEquals(0, aligned.baseAddress() & 0x1f_ffff);
    }

    @Test
    @Tag("zcore-V5")
    void anOffsetThatWrapsDoesNotEscapeTheParent() {
        refuses(INVALID_ARGS, "V-68", () -> region.allocate(SPECIFIC, -0x8000L, 4 * PAGE));
        refuses(INVALID_ARGS, "V-68", () -> region.allocate(SPECIFIC, -PAGE, 4 * PAGE));
        refuses(INVALID_ARGS, "V-68", () -> region.map(R.with(SPECIFIC), -base, vmo, 0, PAGE));
    }

    @Test
    @Tag("zcore-V6")
    void anEndThatWrapsIsRefused() {
        refuses(INVALID_ARGS, "V-127", () -> region.unmap(base, -base));
        refuses(INVALID_ARGS, "V-127", () -> region.unmap(-PAGE, PAGE));
        refuses(INVALID_ARGS, "V-147", () -> region.protect(R, base, -base));
    }

    @Test
    @Tag("zcore-V7")
    void lengthZeroIsRefused() {
        refuses(INVALID_ARGS, "V-62", () -> region.allocate(VmarFlags.NONE, 0, 0));
        refuses(INVALID_ARGS, "V-100", () -> region.map(R, 0, vmo, 0, 0));
    }

    @Test
    @Tag("zcore-V8")
    void aRegionWithoutOptionsAllowsNothing() {
        VmAddressRegion plain = vm.root.allocate(VmarFlags.NONE, 0, 4 * PAGE);
        refuses(ACCESS_DENIED, "V-67", () -> plain.map(SPECIFIC, PAGE, vmo, 0, PAGE));
        refuses(ACCESS_DENIED, "V-94", () -> plain.map(RWX, 0, vmo, 0, PAGE, MmuFlags.RWX));
        refuses(ACCESS_DENIED, "V-63", () -> plain.allocate(VmarFlags.CAN_MAP_READ, 0, PAGE));
    }

    @Test
    @Tag("zcore-V9")
    void overwriteReplaces() {
        mapAt(region, 0, RW, vmo, 0, 4);
        touch(base, 4);
        region.map(RW.with(OVERWRITE), PAGE, vm.vmo(2), 0, 2 * PAGE);
        assertEquals(0, vm.peek(base + PAGE));
        assertEquals(4, vm.peek(base + 3 * PAGE));
    }

    @Test
    @Tag("zcore-V10")
    void overlapAndWantOfRoomHaveTheirOwnStatuses() {
        child(region, 0, 64);
        refuses(ALREADY_EXISTS, "V-71", () -> child(region, 3, 1));
        refuses(NO_RESOURCES, "V-72", () -> region.allocate(VmarFlags.NONE, 0, PAGE));
    }

    @Test
    @Tag("zcore-V11")
    void protectLooksAtWhatItTouchesOnly() {
        region.map(R.with(SPECIFIC), 0, vmo, 0, PAGE, MmuFlags.R);
        mapAt(region, 1, R, vmo, 1, 1);
        region.map(R.with(SPECIFIC), 2 * PAGE, vmo, 2 * PAGE, PAGE, MmuFlags.R);
        region.protect(RW, base + PAGE, PAGE);
        child(region, 3, 1);
        mapAt(region, 4, R, vmo, 4, 1);
        child(region, 5, 1);
        region.protect(RW, base + 4 * PAGE, PAGE);
        refuses(INVALID_ARGS, "V-145", () -> region.protect(R, base + PAGE, 0));
        VmAddressRegion inner = child(region, 8, 2);
        mapAt(inner, 0, RW, vmo, 0, 2);
        region.protect(R, base + 8 * PAGE, 2 * PAGE);
    }

    @Test
    @Tag("zcore-V12")
    @Tag("zcore-V13")
    void protectAndSnapshotMakeNoEntriesForPagesNeverTouched() {
        mapAt(region, 0, RW, vmo, 0, 4);
        region.protect(R, base, 4 * PAGE);
        assertEquals("0000", vm.entries(base, 4));
        // One page that is there: there is a page table to look into, and something to share.
        region.protect(RW, base, 4 * PAGE);
        touch(base + 3 * PAGE, 1);
        vm.closing(vmo.createSnapshot(0, 4 * PAGE));
        assertEquals("0001", vm.entries(base, 4));
        region.protect(R, base, 4 * PAGE);
        assertEquals("0001", vm.entries(base, 4));
    }

    @Test
    @Tag("zcore-V14")
    void theTailOfAMiddleCutIsKnownToTheObject() {
        mapAt(region, 0, RW, vmo, 0, 5);
        touch(base, 5);
        region.unmap(base + 2 * PAGE, PAGE);
        assertEquals(2, vmo.mappingCount());
        VmObject snapshot = vm.closing(vmo.createSnapshot(0, 5 * PAGE));
        vm.poke(base + 4 * PAGE, 99);
        long copy = region.map(R, 0, snapshot, 0, 5 * PAGE);
        assertEquals(5, vm.peek(copy + 4 * PAGE));
    }

    @Test
    @Tag("zcore-V15")
    void aMappingFromTheMiddleOfAnObjectIsWriteProtectedForASnapshot() {
        long at = mapAt(region, 0, RW, vmo, 8, 4);
        touch(at, 4);
        VmObject snapshot = vm.closing(vmo.createSnapshot(8 * PAGE, 4 * PAGE));
        vm.poke(at + PAGE, 99);
        long copy = region.map(R, 0, snapshot, 0, 4 * PAGE);
        assertEquals(2, vm.peek(copy + PAGE));
    }

    @Test
    @Tag("zcore-V16")
    void cuttingTheBackCutsThePermissionsToo() {
        mapAt(region, 0, RW, vmo, 0, 8);
        region.protect(R, base + 6 * PAGE, PAGE);
        region.unmap(base + 4 * PAGE, 4 * PAGE);
        MappingNode mapping = (MappingNode) Objects.requireNonNull(region.findMapping(base));
        assertEquals(1, mapping.permissions().count());
        mapAt(region, 4, RW, vmo, 4, 4);
        assertEquals(MmuFlags.RW, region.findMapping(base).permissionsAt(base + 6 * PAGE));
    }

    @Test
    @Tag("zcore-V18")
    void everythingAboutADeadRegionIsAnAnswer() {
        region.destroy();
        vm.root.map(RW.with(SPECIFIC), base - vm.root.baseAddress(), vmo, 0, PAGE);
        assertEquals(NOT_FOUND, region.handlePageFault(base, AccessKind.READ));
        assertEquals(NOT_FOUND, region.handlePageFault(base, AccessKind.READ, 2));
        assertNull(region.findMapping(base));
        refuses(BAD_STATE, "V-221", region::maps);
        region.info();
        region.checkInvariants();
        VmAddressRegion root = VmAddressRegion.newRoot(vm.machine);
        root.destroyAddressSpace();
        refuses(BAD_STATE, "V-31", root::taskStats);
        root.checkInvariants();
    }

    @Test
    @Tag("zcore-V19")
    void anAddressSpaceLeavesNothingBehind() {
        long regions = vm.machine.kernel().liveObjects(ObjectType.VMAR);
        long frames = vm.hal.frames().freeFrames();
        VmObject lone = VmObject.create(vm.machine, 4 * PAGE);
        VmAddressRegion root = VmAddressRegion.newRoot(vm.machine);
        VmAddressRegion inner = root.createChild(0, 16 * PAGE);
        long at = inner.map(RW, 0, lone, 0, 4 * PAGE);
        assertEquals(OK, root.handlePageFault(at, AccessKind.WRITE));
        lone.close();
        root.destroyAddressSpace();
        assertEquals(regions, vm.machine.kernel().liveObjects(ObjectType.VMAR));
        assertEquals(frames, vm.hal.frames().freeFrames());
    }

    @Test
    @Tag("zcore-V20")
    void theRootIsNotDestroyed() {
        refuses(NOT_SUPPORTED, "V-166", vm.root::destroy);
    }

    @Test
    @Tag("zcore-V22")
    void runningOutOfFramesIsAStatus() {
        long[] taken = new long[1];
        mapAt(region, 0, RW, vmo, 0, 4);
        var all = new java.util.ArrayList<Long>();
        while (vm.hal.frames().freeFrames() > 0) {
            taken[0] = vm.hal.frames().allocate();
            all.add(taken[0]);
        }
        assertEquals(NO_MEMORY, vm.write(base));
        if (vm.tablesTakeFrames()) {
            assertEquals(NO_MEMORY, vm.read(base));
            refuses(NO_MEMORY, "V-9", () -> VmAddressRegion.newRoot(vm.machine));
        }
        all.forEach(vm.hal.frames()::free);
        assertEquals(OK, vm.write(base));
    }

    @Test
    @Tag("zcore-V23")
    void mappingPastTheEndIsAllowedAndAccessIsNot() {
        long at = region.map(RW, 0, vm.vmo(1), 0, 3 * PAGE);
        assertEquals(OK, vm.write(at));
        assertEquals(OUT_OF_RANGE, vm.write(at + PAGE));
    }

    @Test
    @Tag("zcore-V24")
    void mapIsLazy() {
        long free = vm.hal.frames().freeFrames();
        region.map(RW, 0, vmo, 0, 64 * PAGE);
        assertEquals(free, vm.hal.frames().freeFrames());
    }

    @Test
    @Tag("zcore-V25")
    void allocateRefusesWhatMapRoundsUp() {
        refuses(INVALID_ARGS, "V-60", () -> region.allocate(VmarFlags.NONE, 0, PAGE + 1));
        long at = region.map(R, 0, vmo, 0, PAGE + 1);
        assertEquals(2 * PAGE, Objects.requireNonNull(region.findMapping(at)).sizeBytes());
    }

    @Test
    @Tag("zcore-V26")
    @Tag("zcore-V27")
    void statisticsCountTheMappingNotTheObject() {
        VmObject resizable =
                vm.closing(VmObject.create(vm.machine, 100 * PAGE, VmoOption.RESIZABLE));
        region.map(R, 0, resizable, 0, PAGE);
        assertEquals(PAGE, vm.root.taskStats().mappedBytes());
        region.map(R, 0, resizable, 50 * PAGE, PAGE);
        assertEquals(1, resizable.shareCount());
        resizable.setSize(PAGE);
        assertEquals(2 * PAGE, vm.root.taskStats().mappedBytes());
        vm.root.unmap(region.baseAddress(), region.sizeBytes());
        assertEquals(0, resizable.mappingCount());
    }

    @Test
    @Tag("zcore-V29")
    void aFaultThatCannotBeEnteredSaysWhyAndASpuriousOneIsFine() {
        mapAt(region, 0, RW, vmo, 0, 1);
        assertEquals(OK, vm.write(base));
        assertEquals(OK, vm.write(base));
        PageTableTrait table = vm.root.pageTable();
        long frame = table.translate(base);
        assertEquals(OK, vm.read(base));
        assertEquals(frame, table.translate(base));
        var tables = new FailingTables(VmarFixture.newHal(UnaryOperator.identity()));
        try (var failing = new VmarFixture(tables)) {
            long at = failing.root.map(RW, 0, failing.vmo(1), 0, PAGE);
            tables.failAt(1, PagingError.NO_RESOURCES, FailingTables.Lasting.ONE_CALL);
            assertEquals(NO_RESOURCES, failing.write(at));
            tables.failAt(1, PagingError.SYSTEM, FailingTables.Lasting.ONE_CALL);
            assertEquals(IO, failing.write(at));
            assertEquals(OK, failing.write(at));
        }
    }

    @Test
    @Tag("zcore-V30")
    void unmapOutsideTheRegionIsRefused() {
        refuses(INVALID_ARGS, "V-127", () -> region.unmap(base + 64 * PAGE, PAGE));
        refuses(INVALID_ARGS, "V-127", () -> region.unmap(base - PAGE, PAGE));
    }

    @Test
    @Tag("zcore-V31")
    void regionsHaveNamesAndListings() {
        assertEquals("useralloc", region.regionName());
        assertEquals(0, region.relatedKoid());
        assertEquals(
                List.of("root", "useralloc"), vm.root.maps().stream().map(MapEntry::name).toList());
    }
}
