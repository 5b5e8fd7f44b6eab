package io.jircon.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.hal.AccessKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HalProvider;
import io.jircon.hal.Hals;
import io.jircon.hal.PageSize;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import io.jircon.testkit.FaultyFrameAllocator;
import io.jircon.vm.Machine;
import io.jircon.vm.UserMemory;
import io.jircon.vm.VmAddressRegion;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmarFlags;
import java.lang.ref.WeakReference;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// A whole life of an address space, again and again, on every HAL: whatever was taken is given
/// back.
class LifecycleOnEveryHalTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final VmarFlags OPEN = VmarFlags.CAN_MAP_RWX.with(VmarFlags.CAN_MAP_SPECIFIC);

    static Stream<String> hals() {
        return Hals.providers().stream().map(HalProvider::name);
    }

    private static Machine boot(String hal) {
        return Machine.builder(Hals.create(hal, HalConfig.DEFAULT.withMemoryBytes(8L << 20)))
                .boot();
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("K-144")
    void aThousandLivesLeaveEveryFrameAndEveryObject(String hal) {
        try (Machine machine = boot(hal)) {
            long free = machine.frames().freeFrames();
            for (int i = 0; i < 1000; i++) {
                liveOnce(machine, i);
                assertEquals(free, machine.frames().freeFrames(), "free frames after life " + i);
            }
            assertEquals(Map.of(), machine.kernel().liveObjects());
        }
    }

    /// Creates, maps, faults pages in through the MMU, protects, unmaps a part, destroys.
    private static void liveOnce(Machine machine, int seed) {
        VmAddressRegion root = VmAddressRegion.newRoot(machine);
        try (var memory = new UserMemory(root, machine.hal().newMmu());
                VmObject vmo = VmObject.create(machine, 8 * PAGE)) {
            VmAddressRegion region = root.allocate(OPEN, 0, 16 * PAGE);
            long at = region.map(VmarFlags.READ_WRITE, 0, vmo, 0, 8 * PAGE);
            byte[] bytes = {(byte) seed, (byte) (seed >> 8), 3};
            for (int page = 0; page < 8; page += 3) {
                memory.write(at + page * PAGE + 100, bytes);
                assertArrayEquals(bytes, vmo.read(page * PAGE + 100, bytes.length));
            }
            region.protect(VmarFlags.PERM_READ, at, 4 * PAGE);
            assertEquals(ZxStatus.ACCESS_DENIED, root.handlePageFault(at, AccessKind.WRITE));
            region.unmap(at + 2 * PAGE, 3 * PAGE);
            assertEquals(ZxStatus.NOT_FOUND, root.handlePageFault(at + 2 * PAGE, AccessKind.READ));
            root.checkInvariants();
            region.destroy();
        } finally {
            root.destroyAddressSpace();
        }
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("V-281")
    void aLifeThatRunsOutOfFramesAtAnyPointLeavesNothing(String hal) {
        for (long failing = 1; ; failing++) {
            FaultyFrameAllocator[] faulty = new FaultyFrameAllocator[1];
            HalConfig config =
                    HalConfig.DEFAULT
                            .withMemoryBytes(8L << 20)
                            .withFrameWrapper(
                                    frames -> faulty[0] = new FaultyFrameAllocator(frames));
            try (Hal machineHal = Hals.create(hal, config);
                    Machine machine = Machine.boot(machineHal)) {
                long free = machine.frames().freeFrames();
                faulty[0].failAt(failing);
                boolean failed = false;
                try {
                    liveOnce(machine, 0);
                } catch (ZxException e) {
                    assertEquals(ZxStatus.NO_MEMORY, e.status(), e.getMessage());
                    failed = true;
                }
                faulty[0].disarm();
                assertEquals(
                        free, machine.frames().freeFrames(), "free frames, failure " + failing);
                assertEquals(Map.of(), machine.kernel().liveObjects());
                if (!failed) {
                    return;
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("V-30")
    void aHundredThousandNestedRegionsDieWithoutStack(String hal) {
        try (Machine machine = boot(hal)) {
            VmAddressRegion root = VmAddressRegion.newRoot(machine);
            VmAddressRegion top = root.allocate(OPEN, 0, PAGE);
            VmAddressRegion deepest = top;
            for (int i = 0; i < 100_000; i++) {
                deepest = deepest.createChild(0, PAGE);
            }
            top.destroy();
            VmAddressRegion dead = deepest;
            ZxException thrown = assertThrows(ZxException.class, dead::destroy);
            assertEquals(ZxStatus.BAD_STATE, thrown.status());
            assertEquals(1, machine.kernel().liveObjects(ObjectType.VMAR));
            root.destroyAddressSpace();
        }
    }

    @ParameterizedTest
    @MethodSource("hals")
    void nothingKeepsADestroyedTreeReachable(String hal) {
        try (Machine machine = boot(hal)) {
            VmAddressRegion root = VmAddressRegion.newRoot(machine);
            WeakReference<VmAddressRegion> forgotten = destroyedRegion(machine, root);
            for (int i = 0; i < 50 && forgotten.get() != null; i++) {
                System.gc();
            }
            assertEquals(null, forgotten.get(), "a destroyed region is still reachable");
            root.destroyAddressSpace();
        }
    }

    private static WeakReference<VmAddressRegion> destroyedRegion(
            Machine machine, VmAddressRegion root) {
        VmAddressRegion region = root.allocate(OPEN, 0, 4 * PAGE);
        try (VmObject vmo = VmObject.create(machine, PAGE)) {
            long at = region.map(VmarFlags.READ_WRITE, 0, vmo, 0, PAGE);
            assertEquals(ZxStatus.OK, root.handlePageFault(at, AccessKind.WRITE));
        }
        region.destroy();
        return new WeakReference<>(region);
    }
}
