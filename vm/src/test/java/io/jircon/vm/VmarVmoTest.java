package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.NOT_SUPPORTED;
import static io.jircon.kobject.ZxStatus.OK;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What memory objects and their mappings do to each other.
class VmarVmoTest {
    private static final long HUGE = PageSize.SIZE_2M.bytes();

    private final VmarFixture vm = new VmarFixture();
    private VmAddressRegion region;
    private VmObject vmo;
    private long base;

    @BeforeEach
    void setUp() {
        region = vm.root.allocate(VmarFixture.RWX_SPECIFIC.with(VmarFlags.align(21)), 0, 4 * HUGE);
        base = region.baseAddress();
        vmo = vm.closing(VmObject.create(vm.machine, 16 * PAGE, VmoOption.RESIZABLE));
    }

    @AfterEach
    void tearDown() {
        vm.close();
    }

    private static MemorySegment bytes(int... values) {
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return MemorySegment.ofArray(bytes);
    }

    @Test
    @Tag("V-213")
    @Tag("V-214")
    @Tag("V-218")
    @Tag("zcore-O4")
    void decommitDropsTheEntriesOfTheRangeInEveryAddressSpace() {
        VmAddressRegion other = VmAddressRegion.newRoot(vm.machine);
        mapAt(region, 0, RW, vmo, 0, 8);
        long there = other.map(RW, 0, vmo, 2 * PAGE, 6 * PAGE);
        for (int page = 0; page < 8; page++) {
            vm.poke(base + page * PAGE, page + 1);
        }
        for (int page = 0; page < 6; page++) {
            assertEquals(OK, other.handlePageFault(there + page * PAGE, AccessKind.READ));
        }
        vmo.decommit(3 * PAGE, 2 * PAGE);
        assertEquals("11100111", vm.entries(base, 8));
        assertEquals(-1L, other.pageTable().translate(there + PAGE));
        assertEquals(-1L, other.pageTable().translate(there + 2 * PAGE));
        assertTrue(other.pageTable().translate(there) != -1L);
        assertTrue(other.pageTable().translate(there + 3 * PAGE) != -1L);
        other.checkInvariants();
        assertEquals(0, vm.peek(base + 3 * PAGE));
        assertEquals(6, vm.peek(base + 5 * PAGE));
        other.destroyAddressSpace();
    }

    @Test
    @Tag("V-214")
    @Tag("zcore-O5")
    void aWriteToTheObjectReplacesTheZeroPageInMappings() {
        mapAt(region, 0, RW, vmo, 0, 4);
        assertEquals(0, vm.peek(base));
        vmo.write(0, bytes(7));
        vm.root.checkInvariants();
        assertEquals(7, vm.peek(base));
    }

    @Test
    @Tag("V-215")
    void aSnapshotTakesWriteFromTheEntriesNotFromThePermissions() {
        mapAt(region, 0, RW, vmo, 0, 4);
        for (int page = 0; page < 4; page++) {
            vm.poke(base + page * PAGE, page + 1);
        }
        VmObject snapshot = vm.closing(vmo.createSnapshot(PAGE, 2 * PAGE));
        vm.root.checkInvariants();
        assertEquals(MmuFlags.RW, vm.entryAccess(base));
        assertEquals(MmuFlags.R, vm.entryAccess(base + PAGE));
        assertEquals(MmuFlags.R, vm.entryAccess(base + 2 * PAGE));
        assertEquals(MmuFlags.RW, vm.entryAccess(base + 3 * PAGE));
        vm.poke(base + PAGE, 42);
        long copy = region.map(R, 0, snapshot, 0, 2 * PAGE);
        assertEquals(2, vm.peek(copy));
        assertEquals(3, vm.peek(copy + PAGE));
        assertEquals(42, vm.peek(base + PAGE));
    }

    @Test
    @Tag("V-161")
    @Tag("V-162")
    @Tag("vmar.cc:ProtectCowWritable")
    @Tag("O-253")
    void protectingACopyBackToWritableNeverWritesTheOriginal() {
        vmo.write(0, bytes(42));
        VmObject snapshot = vm.closing(vmo.createSnapshot(0, 2 * PAGE));
        mapAt(region, 0, RW, snapshot, 0, 2);
        region.protect(R, base, 2 * PAGE);
        assertEquals(42, vm.peek(base));
        region.protect(RW, base, PAGE);
        vm.poke(base, 77);
        byte[] original = new byte[1];
        vmo.read(0, MemorySegment.ofArray(original));
        assertEquals(42, original[0]);
        assertEquals(77, vm.peek(base));
    }

    @Test
    @Tag("V-216")
    void shrinkingTakesAccessAndGrowingGivesZeros() {
        mapAt(region, 0, RW, vmo, 0, 16);
        vm.poke(base + 10 * PAGE, 5);
        vmo.setSize(10 * PAGE);
        assertEquals("0", vm.entries(base + 10 * PAGE, 1));
        assertEquals(OUT_OF_RANGE, vm.read(base + 10 * PAGE));
        vm.root.checkInvariants();
        vmo.setSize(12 * PAGE);
        assertEquals(0, vm.peek(base + 10 * PAGE));
        assertEquals(OUT_OF_RANGE, vm.read(base + 12 * PAGE));
    }

    @Test
    @Tag("V-214")
    @Tag("V-135")
    void theTailOfACutMappingStillHearsOfItsObject() {
        mapAt(region, 0, RW, vmo, 0, 6);
        for (int page = 0; page < 6; page++) {
            vm.poke(base + page * PAGE, 1);
        }
        region.unmap(base + 2 * PAGE, PAGE);
        vmo.decommit(4 * PAGE, PAGE);
        vmo.decommit(0, PAGE);
        assertEquals("010101", vm.entries(base, 6));
        vm.root.checkInvariants();
    }

    @Test
    @Tag("V-25")
    @Tag("V-219")
    @Tag("K-12")
    void aMappingKeepsAClosedObjectAlive() {
        VmObject lone = VmObject.create(vm.machine, PAGE);
        mapAt(region, 0, RW, lone, 0, 1);
        vm.poke(base, 9);
        lone.close();
        assertEquals(9, vm.peek(base));
        long free = vm.hal.frames().freeFrames();
        region.unmap(base, PAGE);
        assertTrue(vm.hal.frames().freeFrames() > free);
    }

    @Test
    @Tag("V-25")
    void aCutDoesNotLetAClosedObjectGo() {
        VmObject lone = VmObject.create(vm.machine, 4 * PAGE);
        mapAt(region, 0, RW, lone, 0, 4);
        vm.poke(base + 3 * PAGE, 9);
        lone.close();
        region.unmap(base, 2 * PAGE);
        assertEquals(9, vm.peek(base + 3 * PAGE));
        region.unmap(base + 2 * PAGE, PAGE);
        assertEquals(9, vm.peek(base + 3 * PAGE));
    }

    @Test
    @Tag("V-47")
    @Tag("V-91")
    @Tag("O-246")
    void requireNonResizableRefusesAResizableObject() {
        VmarFlags options = R.with(VmarFlags.REQUIRE_NON_RESIZABLE);
        refuses(NOT_SUPPORTED, "V-91", () -> region.map(options, 0, vmo, 0, PAGE));
        region.map(options, 0, vm.vmo(1), 0, PAGE);
    }

    @Test
    @Tag("V-48")
    @Tag("V-92")
    @Tag("V-304")
    @Tag("O-246")
    @Tag("O-262")
    void onlyDiscardableObjectsNeedAllowFaults() {
        VmObject discardable = vm.closing(VmObject.create(vm.machine, PAGE, VmoOption.DISCARDABLE));
        refuses(NOT_SUPPORTED, "V-92", () -> region.map(R, 0, discardable, 0, PAGE));
        region.map(R.with(VmarFlags.ALLOW_FAULTS), 0, discardable, 0, PAGE);
        region.map(R, 0, vmo, 20 * PAGE, PAGE);
    }

    // ---- physical and contiguous objects

    private VmObject physical(long paddr, long sizeBytes, CachePolicy policy) {
        return vm.closing(VmObject.createPhysical(vm.machine, paddr, sizeBytes, policy));
    }

    @Test
    @Tag("V-98")
    void aPhysicalMappingMayNotReachPastTheEnd() {
        VmObject device = physical(0x10_0000, 4 * PAGE, CachePolicy.UNCACHED_DEVICE);
        refuses(OUT_OF_RANGE, "V-98", () -> region.map(R, 0, device, 0, 5 * PAGE));
        refuses(OUT_OF_RANGE, "V-98", () -> region.map(R, 0, device, 4 * PAGE, PAGE));
        region.map(R, 0, device, 3 * PAGE, PAGE);
    }

    @Test
    @Tag("V-211")
    @Tag("V-112")
    @Tag("O-258")
    void aPhysicalFaultEntersSixteenPagesWithAllPermissions() {
        VmObject device = physical(0x10_0000, 64 * PAGE, CachePolicy.UNCACHED_DEVICE);
        mapAt(region, 0, RW, device, 0, 64);
        assertEquals(OK, vm.read(base));
        assertEquals("11111111111111110", vm.entries(base, 17));
        assertEquals(0x10_0000 + 15 * PAGE, vm.root.pageTable().translate(base + 15 * PAGE));
        assertEquals(
                MmuFlags.RW.with(MmuFlags.of(MmuFlags.DEVICE_BIT)),
                vm.root.pageTable().query(base).flags().without(MmuFlags.of(MmuFlags.USER_BIT)));
        assertEquals(OK, vm.write(base));
        vm.root.checkInvariants();
    }

    /// The size of page that the machine has for 2 MiB.
    private PageSize large() {
        return vm.root.pageTable().supports(PageSize.SIZE_2M) ? PageSize.SIZE_2M : PageSize.SIZE_4K;
    }

    @Test
    @Tag("V-111")
    @Tag("V-284")
    void mapRangeOfAPhysicalObjectUsesLargePages() {
        VmObject device = physical(0x4000_0000, 2 * HUGE, CachePolicy.CACHED);
        region.map(RW.with(VmarFlags.MAP_RANGE).with(VmarFlags.SPECIFIC), 0, device, 0, 2 * HUGE);
        assertEquals(large(), vm.root.pageTable().query(base).size());
        assertEquals(OK, vm.write(base + HUGE));
        assertEquals(large(), vm.root.pageTable().query(base + HUGE).size());
        vm.root.checkInvariants();
        region.protect(R, base + 3 * PAGE, PAGE);
        vm.root.checkInvariants();
        region.unmap(base + HUGE + 5 * PAGE, PAGE);
        assertEquals("11111011", vm.entries(base + HUGE, 8));
        vm.root.checkInvariants();
    }

    @Test
    @Tag("V-162")
    @Tag("V-201")
    @Tag("aspace_unittest.cc:arch_vm_aspace_protect_split_pages")
    @Tag("O-253")
    void givingWriteBackToPartOfALargePageGivesItToThatPartOnly() {
        VmObject device = physical(0x4000_0000, HUGE, CachePolicy.CACHED);
        region.map(RW.with(VmarFlags.MAP_RANGE).with(VmarFlags.SPECIFIC), 0, device, 0, HUGE);
        region.protect(R, base, HUGE);
        region.protect(RW, base + 8 * PAGE, 8 * PAGE);
        assertEquals(OK, vm.write(base + 8 * PAGE));
        vm.root.checkInvariants();
        assertEquals(MmuFlags.R, vm.entryAccess(base + 7 * PAGE));
        assertEquals(MmuFlags.RW, vm.entryAccess(base + 8 * PAGE));
        assertEquals(MmuFlags.R, vm.entryAccess(base + 16 * PAGE));
    }

    @Test
    @Tag("V-111")
    @Tag("V-284")
    void mapRangeOfAContiguousObjectUsesLargePages() {
        VmObject run = vm.closing(VmObject.createContiguous(vm.machine, HUGE + 4 * PAGE, 21));
        long size = run.sizeBytes();
        region.map(RW.with(VmarFlags.MAP_RANGE).with(VmarFlags.SPECIFIC), 0, run, 0, size);
        assertEquals(large(), vm.root.pageTable().query(base).size());
        assertEquals("1111", vm.entries(base + HUGE, 4));
        vm.root.checkInvariants();
    }

    @Test
    @Tag("V-131")
    @Tag("V-285")
    @Tag("aspace_unittest.cc:arch_vm_aspace_protect_split_pages_out_of_memory")
    void aCutThroughALargePageWithoutAFrameDropsWhatFaultsBackIn() {
        var frames = new FailingFrames[1];
        try (var small =
                new VmarFixture(inner -> {
                    frames[0] = new FailingFrames(inner);
                    return frames[0];
                })) {
            VmAddressRegion there =
                    small.root.allocate(
                            VmarFixture.RWX_SPECIFIC.with(VmarFlags.align(21)), 0, HUGE);
            VmObject device =
                    small.closing(
                            VmObject.createPhysical(
                                    small.machine, 0x4000_0000, HUGE, CachePolicy.CACHED));
            long at = there.map(RW.with(VmarFlags.MAP_RANGE), 0, device, 0, HUGE);
            frames[0].failAt(1);
            there.unmap(at + PAGE, PAGE);
            assertEquals(small.tablesTakeFrames(), frames[0].disarm());
            small.root.checkInvariants();
            assertEquals("101", small.readable(at, 3));
            frames[0].failAt(1);
            there.protect(R, at + 2 * PAGE, PAGE);
            frames[0].disarm();
            small.root.checkInvariants();
            assertEquals(OK, small.write(at));
        }
    }
}
