package starter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.hal.AccessKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HalProvider;
import io.jircon.hal.Hals;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.Machine;
import io.jircon.vm.UserMemory;
import io.jircon.vm.VmAddressRegion;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmarFlags;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Allocating and destroying regions under test, on every HAL on the class path.
class RegionTest {
    private static final long PAGE = 4096;

    static Stream<String> hals() {
        return Hals.providers().stream()
                .filter(hal -> hal.unavailableReason().isEmpty())
                .map(HalProvider::name);
    }

    @ParameterizedTest
    @MethodSource("hals")
    void destroyingARegionEndsAllThatIsInIt(String hal) {
        try (Machine machine = Machine.boot(Hals.create(hal, HalConfig.DEFAULT))) {
            long free = machine.frames().freeFrames();
            VmAddressRegion root = VmAddressRegion.newRoot(machine);
            VmAddressRegion outer = root.allocate(VmarFlags.CAN_MAP_RWX, 0, 16 * PAGE);
            VmAddressRegion inner = outer.allocate(VmarFlags.CAN_MAP_RWX, 0, 4 * PAGE);
            try (VmObject pages = VmObject.create(machine, 2 * PAGE);
                    var memory = new UserMemory(root, machine.hal().newMmu())) {
                long at = inner.map(VmarFlags.READ_WRITE, 0, pages, 0, 2 * PAGE);
                memory.writeByte(at + PAGE, (byte) 7); // a page fault on the way
                assertEquals(7, pages.read(PAGE, 1)[0]);

                outer.destroy();

                assertFalse(inner.isAlive());
                assertEquals(ZxStatus.NOT_FOUND, root.handlePageFault(at, AccessKind.READ));
                assertRefused(ZxStatus.BAD_STATE, inner, PAGE);
                root.checkInvariants();
            }
            root.destroyAddressSpace();
            assertEquals(free, machine.frames().freeFrames());
        }
    }

    @ParameterizedTest
    @MethodSource("hals")
    void whatDoesNotFitIsRefusedWithTheReason(String hal) {
        try (Machine machine = Machine.boot(Hals.create(hal, HalConfig.DEFAULT))) {
            VmAddressRegion root = VmAddressRegion.newRoot(machine);
            VmAddressRegion small = root.allocate(VmarFlags.CAN_MAP_RWX, 0, 4 * PAGE);
            small.allocate(VmarFlags.CAN_MAP_RWX, 0, 3 * PAGE);
            assertRefused(ZxStatus.NO_RESOURCES, small, 2 * PAGE);
            assertRefused(ZxStatus.INVALID_ARGS, small, 8 * PAGE);
            assertRefused(ZxStatus.INVALID_ARGS, small, PAGE + 1);
            assertEquals(3, root.maps().size(), "root, small, and what is in it");
            root.destroyAddressSpace();
        }
    }

    private static void assertRefused(ZxStatus expected, VmAddressRegion region, long sizeBytes) {
        ZxException thrown =
                assertThrows(
                        ZxException.class,
                        () -> region.allocate(VmarFlags.CAN_MAP_RWX, 0, sizeBytes));
        assertEquals(expected, thrown.status(), thrown.getMessage());
    }
}
