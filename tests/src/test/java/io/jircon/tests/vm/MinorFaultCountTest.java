package io.jircon.tests.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.HalConfig;
import io.jircon.hal.Mmu;
import io.jircon.hal.PageSize;
import io.jircon.hal.UnusedTables;
import io.jircon.hal.unix.MinorFaults;
import io.jircon.hal.unix.UnixMmapHal;
import io.jircon.vm.Machine;
import io.jircon.vm.VmAddressRegion;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmarFlags;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// An address space on a machine that holds the first access to each page; where the host cannot,
/// there are none to count.
class MinorFaultCountTest {
    private static final long PAGE = PageSize.BASE_BYTES;

    @Test
    @Tag("V-202")
    @Tag("V-289")
    void firstAccessToEachEntryAndAfterEachHarvestIsCounted() {
        HalConfig config =
                HalConfig.DEFAULT.withMemoryBytes(1 << 20).withOption("faults", MinorFaults.OPTION);
        UnixMmapHal hal = UnixMmapHal.open(config);
        int each = MinorFaults.OPTION.equals("minor") ? 1 : 0;
        try (Machine machine = Machine.boot(hal);
                VmObject vmo = VmObject.create(machine, 4 * PAGE)) {
            VmAddressRegion root = VmAddressRegion.newRoot(machine);
            vmo.commit(0, 4 * PAGE);
            long base = root.map(VmarFlags.READ_WRITE, 0, vmo, 0, 4 * PAGE);
            Mmu mmu = hal.newMmu();
            mmu.activate(root.pageTable());
            touch(root, mmu, base); // the fault enters the pages behind it, too
            assertEquals(each, root.minorFaults());
            touch(root, mmu, base + 2 * PAGE);
            touch(root, mmu, base + 2 * PAGE);
            assertEquals(2 * each, root.minorFaults());
            root.harvestAccessed(
                    UnusedTables.KEEP, base, 4 * PAGE, (at, object, offset, pages) -> {});
            touch(root, mmu, base + 2 * PAGE);
            touch(root, mmu, base + 3 * PAGE);
            assertEquals(4 * each, root.minorFaults());
            root.destroyAddressSpace();
        }
    }

    private static void touch(VmAddressRegion root, Mmu mmu, long vaddr) {
        MemorySegment word = MemorySegment.ofArray(new byte[8]);
        while (mmu.load(vaddr, word, 0, 8) < 8) {
            root.handlePageFault(mmu.faultAddress(), mmu.faultAccess());
        }
    }
}
