package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.vm.VmarFixture.OVERWRITE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.RWX_SPECIFIC;
import static io.jircon.vm.VmarFixture.SPECIFIC;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.kobject.KernelObject;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.List;
import java.util.Objects;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What holds of every region and every address space, whatever the operation.
class VmarRulesTest {
    private final VmarFixture vm = new VmarFixture();

    @AfterEach
    void tearDown() {
        vm.close();
    }

    @ParameterizedTest(name = "bit {0} is {1}")
    @Tag("V-1")
    @CsvSource({
        "0, PERM_READ",
        "1, PERM_WRITE",
        "2, PERM_EXECUTE",
        "3, COMPACT",
        "4, SPECIFIC",
        "5, SPECIFIC_OVERWRITE",
        "6, CAN_MAP_SPECIFIC",
        "7, CAN_MAP_READ",
        "8, CAN_MAP_WRITE",
        "9, CAN_MAP_EXECUTE",
        "10, MAP_RANGE",
        "11, REQUIRE_NON_RESIZABLE",
        "12, ALLOW_FAULTS",
        "13, OFFSET_IS_UPPER_LIMIT",
        "14, PERM_READ_IF_XOM_UNSUPPORTED",
        "15, FAULT_BEYOND_STREAM_SIZE"
    })
    void eachOptionHasItsBit(int bit, String name) throws ReflectiveOperationException {
        var option = (VmarFlags) VmarFlags.class.getField(name).get(null);
        assertEquals(1 << bit, option.bits());
        assertEquals(name, option.toString());
    }

    @ParameterizedTest(name = "seed {0}")
    @Tag("V-10")
    @Tag("V-247")
    @Tag("V-249")
    @ValueSource(longs = {1, 2, 3, 4})
    void childrenAreOrderedWholePagesInsideTheirParentWithoutOverlap(long seed) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        VmAddressRegion region = vm.region(64);
        VmObject vmo = vm.vmo(8);
        boolean touched = false;
        for (int step = 0; step < 200; step++) {
            change(random, region, vmo);
            touched |= childrenTouch(region);
        }
        assertTrue(touched, "no guard gaps: neighbours were to touch at some time");
    }

    private static void change(RandomGenerator random, VmAddressRegion region, VmObject vmo) {
        long page = random.nextInt(60);
        long pages = 1 + random.nextInt(4);
        try {
            switch (random.nextInt(4)) {
                case 0 -> child(region, page, pages);
                case 1 -> mapAt(region, page, RW, vmo, 0, pages);
                case 2 -> region.map(RW.with(OVERWRITE), page * PAGE, vmo, PAGE, pages * PAGE);
                default -> region.unmap(region.baseAddress() + page * PAGE, pages * PAGE);
            }
        } catch (ZxException inTheWay) {
            assertTrue(
                    inTheWay.status() == ZxStatus.ALREADY_EXISTS
                            || inTheWay.status() == ZxStatus.INVALID_ARGS
                            || inTheWay.status() == ZxStatus.NOT_FOUND,
                    inTheWay.getMessage());
        }
    }

    /// Checks the children's ranges, and tells whether two of them touch.
    private static boolean childrenTouch(VmAddressRegion region) {
        List<MapEntry> entries = region.maps();
        boolean touch = false;
        long end = region.baseAddress();
        for (MapEntry entry : entries.subList(1, entries.size())) {
            assertEquals(1, entry.depth());
            assertEquals(0, entry.baseAddress() % PAGE);
            assertEquals(0, entry.sizeBytes() % PAGE);
            assertTrue(entry.sizeBytes() > 0, "no empty child");
            assertTrue(entry.baseAddress() >= end, "ascending, without overlap");
            touch |= entry.baseAddress() == end && end != region.baseAddress();
            end = entry.baseAddress() + entry.sizeBytes();
        }
        assertTrue(end <= region.baseAddress() + region.sizeBytes(), "inside the parent");
        return touch;
    }

    @Test
    @Tag("V-32")
    void theSecondDestroyFindsADeadRegion() {
        VmAddressRegion region = vm.region(4);
        region.destroy();
        ZxException e = assertThrows(ZxException.class, region::destroy);
        assertEquals(BAD_STATE, e.status());
    }

    @Test
    @Tag("V-34")
    void pagesWithReadCanBeReadAndOthersCannot() {
        VmAddressRegion region = vm.region(4);
        VmObject vmo = vm.vmo(4);
        long readable = mapAt(region, 0, R, vmo, 0, 1);
        long not = mapAt(region, 2, VmarFlags.NONE, vmo, 2, 1);
        assertEquals(ZxStatus.OK, vm.read(readable));
        assertEquals(ZxStatus.ACCESS_DENIED, vm.write(readable));
        assertEquals(ZxStatus.ACCESS_DENIED, vm.read(not));
    }

    @Test
    @Tag("V-160")
    void protectKeepsTheCachePolicy() {
        VmObject device =
                vm.closing(
                        VmObject.createPhysical(
                                vm.machine,
                                vm.hal.memory().base() + vm.hal.memory().sizeBytes() - PAGE,
                                PAGE,
                                CachePolicy.UNCACHED));
        VmAddressRegion region = vm.region(4);
        long at = mapAt(region, 0, RW, device, 0, 1);
        assertEquals(ZxStatus.OK, vm.write(at));
        assertEquals(CachePolicy.UNCACHED, policyAt(at));
        region.protect(R, at, PAGE);
        assertEquals(ZxStatus.OK, vm.read(at));
        assertEquals(CachePolicy.UNCACHED, policyAt(at));
        assertEquals(MmuFlags.R, vm.entryAccess(at));
    }

    private CachePolicy policyAt(long vaddr) {
        return CachePolicy.of(vm.root.pageTable().query(vaddr).flags());
    }

    @Test
    @Tag("V-288")
    void entriesThatAllowNothingDoNotExist() {
        VmAddressRegion region = vm.region(4);
        VmObject vmo = vm.vmo(2);
        vmo.commit(0, 2 * PAGE);
        long at = mapAt(region, 0, RW.with(VmarFlags.MAP_RANGE), vmo, 0, 2);
        assertEquals("11", vm.entries(at, 2));
        region.protect(VmarFlags.NONE, at, PAGE);
        assertEquals("01", vm.entries(at, 2));
        mapAt(region, 2, VmarFlags.MAP_RANGE, vmo, 0, 2);
        assertEquals("00", vm.entries(at + 2 * PAGE, 2));
    }

    @Test
    @Tag("V-11")
    void aMappingIsAllThatItWasMadeWithAndNoObjectOfItsOwn() {
        VmAddressRegion region = vm.region(4);
        VmObject vmo = vm.vmo(8);
        long objects = vm.machine.kernel().liveObjects(ObjectType.VMAR);
        long at = region.map(R.with(SPECIFIC), PAGE, vmo, 3 * PAGE, 2 * PAGE, MmuFlags.RW);
        region.protect(RW, at + PAGE, PAGE);
        VmMapping mapping = Objects.requireNonNull(vm.root.findMapping(at + PAGE));
        assertSame(vmo, mapping.vmo());
        assertEquals(
                List.of(at, 2 * PAGE, 3 * PAGE),
                List.of(mapping.baseAddress(), mapping.sizeBytes(), mapping.vmoOffset()));
        assertEquals(
                List.of(MmuFlags.RW, MmuFlags.R, MmuFlags.RW),
                List.of(
                        mapping.maxPermissions(),
                        mapping.permissionsAt(at),
                        mapping.permissionsAt(at + PAGE)));
        assertEquals(MemoryPriority.DEFAULT, mapping.memoryPriority());
        assertNull(vm.root.findMapping(at - 1));
        assertNull(vm.root.findMapping(at + 2 * PAGE));
        assertFalse((Object) mapping instanceof KernelObject, "nothing that a handle could name");
        assertEquals(objects, vm.machine.kernel().liveObjects(ObjectType.VMAR));
    }

    @Test
    @Tag("V-208")
    void aFaultRemembersNoMappingThatDied() {
        VmAddressRegion region = vm.region(4);
        VmAddressRegion inner = child(region, 0, 2);
        VmObject old = vm.vmo(1);
        long at = mapAt(inner, 0, RW, old, 0, 1);
        vm.poke(at, 1);
        inner.destroy();
        assertEquals(ZxStatus.NOT_FOUND, vm.write(at));
        mapAt(region, 0, RW, vm.vmo(1), 0, 1);
        assertEquals(0, vm.peek(at));
        vm.poke(at, 2);
        assertEquals(1, old.read(0, 1)[0]);
        region.map(R.with(OVERWRITE), 0, old, 0, PAGE);
        assertEquals(1, vm.peek(at));
        assertEquals(ZxStatus.ACCESS_DENIED, vm.write(at));
    }

    @Test
    @Tag("V-316")
    @Tag("vmar.cc:AllocateAtLowAddressTest")
    void aLowAddressIsMappedWhereItIsAskedFor() {
        long low = Math.max(0x20_0000, vm.root.baseAddress());
        long at = vm.root.map(SPECIFIC, low - vm.root.baseAddress(), vm.vmo(1), 0, PAGE);
        assertEquals(low, at);
        assertEquals(ZxStatus.ACCESS_DENIED, vm.read(at));
        refuses(
                ZxStatus.ALREADY_EXISTS,
                "V-71",
                () -> vm.root.map(SPECIFIC, low - vm.root.baseAddress(), vm.vmo(1), 0, PAGE));
    }

    @Test
    @Tag("V-290")
    void aTornDownAddressSpaceHasNoTableToUpdate() {
        VmAddressRegion root = VmAddressRegion.newRoot(vm.machine);
        VmObject vmo = vm.vmo(1);
        long at = root.allocate(RWX_SPECIFIC, 0, PAGE).map(RW, 0, vmo, 0, PAGE);
        assertEquals(ZxStatus.OK, root.handlePageFault(at, AccessKind.WRITE));
        PageTableTrait table = root.pageTable();
        root.destroyAddressSpace();
        PagingException e = assertThrows(PagingException.class, () -> table.unmapRange(at, PAGE));
        assertEquals(PagingError.BAD_STATE, e.error());
        assertFalse(root.isAlive());
        refuses(BAD_STATE, "V-221", () -> root.maps());
    }
}
