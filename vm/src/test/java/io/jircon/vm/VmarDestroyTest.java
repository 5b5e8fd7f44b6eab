package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.NOT_FOUND;
import static io.jircon.kobject.ZxStatus.NOT_SUPPORTED;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.RWX_SPECIFIC;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.ObjectType;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class VmarDestroyTest {
    private final VmarFixture vm = new VmarFixture();

    @AfterEach
    void tearDown() {
        vm.close();
    }

    private long liveRegions() {
        return vm.machine.kernel().liveObjects(ObjectType.VMAR);
    }

    @Test
    @Tag("V-26")
    @Tag("V-27")
    @Tag("V-29")
    @Tag("V-168")
    @Tag("V-167")
    void aDestroyedRegionAndItsDescendantsAnswerBadState() {
        VmAddressRegion a = vm.region(10);
        VmObject vmo = vm.vmo(1);
        long first = mapAt(a, 0, RW, vmo, 0, 1);
        VmAddressRegion b = child(a, 4, 1);
        long second = b.map(RW, 0, vmo, 0, PAGE);
        vm.poke(first, 5);
        assertEquals(5, vm.peek(second));
        a.destroy();
        for (VmAddressRegion dead : List.of(a, b)) {
            long base = dead.baseAddress();
            refuses(BAD_STATE, "V-167", dead::destroy);
            refuses(BAD_STATE, "V-61", () -> dead.allocate(VmarFlags.NONE, 0, PAGE));
            refuses(BAD_STATE, "V-126", () -> dead.unmap(base, PAGE));
            refuses(BAD_STATE, "V-146", () -> dead.protect(R, base, PAGE));
            refuses(BAD_STATE, "V-99", () -> dead.map(R, 0, vmo, 0, PAGE));
            refuses(BAD_STATE, "V-175", () -> dead.opRange(VmarOp.ZERO, base, PAGE));
            assertFalse(dead.isAlive());
            assertNull(dead.findMapping(base));
            assertEquals(NOT_FOUND, dead.handlePageFault(base, io.jircon.hal.AccessKind.READ));
        }
        assertEquals(NOT_FOUND, vm.read(first));
        assertEquals(NOT_FOUND, vm.read(second));
        assertEquals("0", vm.entries(first, 1));
        vm.region(10);
    }

    @Test
    @Tag("V-28")
    void aDeadRegionStillKnowsWhereItWas() {
        VmAddressRegion region = vm.region(10);
        VmarInfo before = region.info();
        region.destroy();
        assertEquals(before, region.info());
    }

    @Test
    @Tag("V-26")
    @Tag("vmar.cc:MapOverDestroyedTest")
    void theRangeCanBeUsedAgainAtOnceAndShowsNothingOld() {
        VmAddressRegion a = vm.region(10);
        VmAddressRegion b = child(a, 4, 1);
        long at = b.map(RW, 0, vm.vmo(1), 0, PAGE);
        vm.poke(at, 5);
        b.destroy();
        assertEquals(NOT_FOUND, vm.read(at));
        assertEquals(at, mapAt(a, 4, RW, vm.vmo(1), 0, 1));
        assertEquals(0, vm.peek(at));
    }

    @Test
    @Tag("V-29")
    void ancestorsAndSiblingsLiveOn() {
        VmAddressRegion a = vm.region(10);
        VmAddressRegion b = child(a, 0, 2);
        VmAddressRegion sibling = child(a, 2, 2);
        long at = mapAt(sibling, 0, RW, vm.vmo(1), 0, 1);
        vm.poke(at, 9);
        b.destroy();
        assertEquals(9, vm.peek(at));
        assertTrue(sibling.isAlive());
        child(a, 0, 2);
    }

    @Test
    @Tag("V-166")
    void theRootOfALivingAddressSpaceIsNotDestroyed() {
        refuses(NOT_SUPPORTED, "V-166", vm.root::destroy);
        assertTrue(vm.root.isAlive());
    }

    @Test
    @Tag("V-169")
    @Tag("V-31")
    @Tag("V-167")
    void theRootOfADeadAddressSpaceIsDead() {
        VmAddressRegion root = VmAddressRegion.newRoot(vm.machine);
        VmAddressRegion inner = root.allocate(RWX_SPECIFIC, 0, 4 * PAGE);
        inner.map(RW, 0, vm.vmo(1), 0, PAGE);
        root.destroyAddressSpace();
        refuses(BAD_STATE, "V-167", root::destroy);
        refuses(BAD_STATE, "V-99", () -> inner.map(RW, 0, vm.vmo(1), 0, PAGE));
        inner.destroyAddressSpace();
        assertEquals(NOT_FOUND, root.handlePageFault(0x200000, io.jircon.hal.AccessKind.READ));
        root.checkInvariants();
    }

    @Test
    @Tag("V-25")
    @Tag("V-219")
    void deathTakesTheMappingsOffTheirMemoryObjects() {
        VmAddressRegion region = vm.region(10);
        VmObject vmo = vm.vmo(10);
        mapAt(region, 0, RW, vmo, 0, 4);
        mapAt(child(region, 4, 4), 0, RW, vmo, 4, 4);
        assertEquals(2, vmo.mappingCount());
        region.destroy();
        assertEquals(0, vmo.mappingCount());
    }

    @Test
    @Tag("V-23")
    @Tag("V-24")
    void aRegionNobodyHoldsStillHasItsPlace() {
        VmAddressRegion region = vm.region(10);
        long at = child(region, 2, 2).baseAddress();
        System.gc();
        refuses(io.jircon.kobject.ZxStatus.ALREADY_EXISTS, "V-71", () -> child(region, 2, 1));
        region.unmap(at, 2 * PAGE);
        child(region, 2, 1);
    }

    @Test
    @Tag("V-30")
    void aHundredThousandNestedRegionsDieWithoutAStack() {
        long before = liveRegions();
        VmAddressRegion top = vm.region(4);
        VmAddressRegion inner = top;
        for (int depth = 0; depth < 100_000; depth++) {
            inner = inner.allocate(RWX_SPECIFIC, 0, 4 * PAGE);
        }
        long at = inner.map(RW, 0, vm.vmo(4), 0, 4 * PAGE);
        vm.poke(at, 1);
        assertEquals(before + 100_001, liveRegions());
        top.destroy();
        assertEquals(before, liveRegions());
        assertFalse(inner.isAlive());
        assertEquals("0", vm.entries(at, 1));
    }

    @Test
    @Tag("V-30")
    void unmapOfADeepTreeNeedsNoStackEither() {
        VmAddressRegion inner = vm.region(1);
        long base = inner.baseAddress();
        for (int depth = 0; depth < 100_000; depth++) {
            inner = inner.allocate(RWX_SPECIFIC, 0, PAGE);
        }
        long before = liveRegions();
        vm.root.unmap(base, PAGE);
        assertEquals(before - 100_001, liveRegions());
    }

    @Test
    @Tag("V-29")
    void nothingKeepsADestroyedTreeReachable() {
        VmAddressRegion top = vm.region(64);
        List<WeakReference<Object>> gone = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            VmAddressRegion inner = child(top, i * 4, 4);
            VmObject vmo = VmObject.create(vm.machine, 4 * PAGE);
            long at = mapAt(inner, 0, RW, vmo, 0, 2);
            vm.poke(at, 1);
            vmo.close();
            gone.add(new WeakReference<>(inner));
            gone.add(new WeakReference<>(vmo));
            gone.add(new WeakReference<>(Objects.requireNonNull(vm.root.findMapping(at))));
        }
        top.destroy();
        for (int tries = 0; tries < 50 && gone.stream().anyMatch(r -> r.get() != null); tries++) {
            System.gc();
        }
        assertEquals(0, gone.stream().filter(r -> r.get() != null).count());
        assertFalse(top.isAlive());
    }

    @Test
    @Tag("V-31")
    @Tag("aspace_unittest.cc:vmaspace_create_smoke_test")
    @Tag("aspace_unittest.cc:vmaspace_alloc_smoke_test")
    void everyFrameOfAnAddressSpaceComesBack() {
        long before = vm.hal.frames().freeFrames();
        VmObject vmo = vm.vmo(600);
        for (int round = 0; round < 3; round++) {
            VmAddressRegion root = VmAddressRegion.newRoot(vm.machine);
            VmAddressRegion inner = root.allocate(RWX_SPECIFIC, 0, 1000 * PAGE);
            long at = inner.map(R, 0, vmo, 0, 600 * PAGE);
            for (int page = 0; page < 600; page += 50) {
                root.handlePageFault(at + page * PAGE, io.jircon.hal.AccessKind.READ);
            }
            root.destroyAddressSpace();
            assertEquals(before, vm.hal.frames().freeFrames());
        }
    }
}
