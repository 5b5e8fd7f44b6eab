package io.jircon.tests.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.jircon.hal.AccessKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.Machine;
import io.jircon.vm.VmAddressRegion;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmarFlags;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A fault resolved in a page that is there allocates nothing on the Java heap.
class FaultGarbageTest {
    private static final long PAGE = 0x1000;
    private static final int PAGES = 512;
    private static final int ROUNDS = 40;

    @ParameterizedTest
    @ValueSource(strings = {"x86_64", "aarch64", "riscv64"})
    void aFaultMakesNoGarbage(String hal) {
        try (Machine machine = Machine.boot(Hals.create(hal, HalConfig.DEFAULT));
                VmObject vmo = VmObject.create(machine, PAGES * PAGE)) {
            vmo.commit(0, PAGES * PAGE);
            VmAddressRegion root = VmAddressRegion.newRoot(machine);
            long base = root.map(VmarFlags.READ_WRITE, 0, vmo, 0, PAGES * PAGE);
            faultAll(root, base);
            var bean = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long garbage = 0;
            for (int round = 0; round < ROUNDS; round++) {
                root.protect(VmarFlags.NONE, base, PAGES * PAGE);
                root.protect(VmarFlags.READ_WRITE, base, PAGES * PAGE);
                long before = bean.getCurrentThreadAllocatedBytes();
                faultAll(root, base);
                garbage += bean.getCurrentThreadAllocatedBytes() - before;
            }
            root.destroyAddressSpace();
            // Taking the page tables again, once in a round, may allocate; a fault may not.
            assertTrue(
                    garbage / (ROUNDS * PAGES) < 8,
                    garbage + " bytes in " + ROUNDS * PAGES + " faults");
        }
    }

    private static void faultAll(VmAddressRegion root, long base) {
        for (int page = 0; page < PAGES; page++) {
            assertEquals(ZxStatus.OK, root.handlePageFault(base + page * PAGE, AccessKind.WRITE));
        }
    }
}
