package io.jircon.tests.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.Machine;
import io.jircon.vm.VmAddressRegion;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What the host says when it refuses reaches the users of `vm` whole.
class HostRefusalTest {
    /// Two windows of 64 TiB are more addresses than the host gives to a process.
    @Test
    @Tag("V-9")
    void statusCarriesTheHostsCallItsErrorAndTheAdvice() {
        HalConfig config = HalConfig.DEFAULT.withMemoryBytes(1 << 20).withOption("window", "64T");
        try (var machine = Machine.boot(Hals.create("unix-mmap", config))) {
            VmAddressRegion first = VmAddressRegion.newRoot(machine);
            ZxException refused =
                    assertThrows(ZxException.class, () -> VmAddressRegion.newRoot(machine));
            assertEquals(ZxStatus.NO_RESOURCES, refused.status());
            assertEquals(
                    "NO_RESOURCES (-3, V-9): no page table for a USER address space: NO_RESOURCES:"
                            + " mmap(window of 0x400000000000 bytes) = ENOMEM; the host has no"
                            + " memory, no address space or no mapping left: look at"
                            + " vm.max_map_count, ulimit -v and the memory limit of the container",
                    refused.getMessage());
            first.destroyAddressSpace();
            VmAddressRegion.newRoot(machine).destroyAddressSpace();
        }
    }
}
