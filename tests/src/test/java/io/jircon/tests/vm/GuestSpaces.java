package io.jircon.tests.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HalProvider;
import io.jircon.hal.Hals;
import io.jircon.hal.PageSize;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.AddrSpace;
import io.jircon.vm.Machine;
import io.jircon.vm.VmAddressRegion;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.function.Executable;

/// Guest-physical address spaces for tests that run on every HAL.
final class GuestSpaces {
    private static final long PAGE = PageSize.BASE_BYTES;

    /// What [#inSpace] gives: 16 pages.
    static final long SIZE = 16 * PAGE;

    private GuestSpaces() {}

    /// Expects a refusal with a status.
    static ZxException refused(ZxStatus status, Executable call) {
        ZxException e = assertThrows(ZxException.class, call);
        assertEquals(status, e.status(), e.getMessage());
        return e;
    }

    /// Where a page of a space starts.
    static GuestPhysAddr page(AddrSpace space, long index) {
        return space.base().add(index * PAGE);
    }

    static Stream<String> hals() {
        return Hals.providers().stream().map(HalProvider::name);
    }

    /// Runs a test in a space at the lowest addresses that the HAL has. Afterwards every frame is
    /// back and no kernel object lives.
    static void inSpace(String hal, BiConsumer<Machine, AddrSpace> test) {
        HalConfig config = HalConfig.DEFAULT.withMemoryBytes(8L << 20);
        try (Machine machine = Machine.boot(Hals.create(hal, config))) {
            long free = machine.frames().freeFrames();
            try (AddrSpace space = newSpace(machine)) {
                test.accept(machine, space);
                space.root().checkInvariants();
            }
            assertEquals(free, machine.frames().freeFrames(), "free frames");
            assertEquals(Map.of(), machine.kernel().liveObjects());
        }
    }

    /// Another space of the machine; on some HALs at other addresses.
    static AddrSpace newSpace(Machine machine) {
        VmAddressRegion probe = VmAddressRegion.newRoot(machine, AddressSpaceKind.GUEST);
        var base = new GuestPhysAddr(probe.baseAddress() + 16 * PAGE);
        probe.destroyAddressSpace();
        return AddrSpace.create(machine, base, SIZE);
    }
}
