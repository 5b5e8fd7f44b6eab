package io.jircon.tests.hal;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.FrameAllocator;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.Mmu;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PhysicalMemory;
import io.jircon.testkit.HalConformance;
import io.jircon.testkit.HalFeature;
import java.util.EnumSet;
import java.util.Set;

/// `unix-mmap` with every access held that faults, and every fault refused: an access must then end
/// exactly as it does without. Where the kernel does not hold accesses this is as
/// [UnixMmapConformanceTest].
class UnixMmapHeldConformanceTest extends HalConformance {
    @Override
    protected Hal create(HalConfig config) {
        return new RefusingHal(Hals.create("unix-mmap", config.withOption("faults", faults())));
    }

    /// The value of option `faults`.
    String faults() {
        return "auto";
    }

    @Override
    protected Set<HalFeature> features() {
        return EnumSet.of(HalFeature.GUEST_SPACES, HalFeature.ACCESSED_STATE);
    }

    private record RefusingHal(Hal inner) implements Hal {
        @Override
        public String name() {
            return inner.name();
        }

        @Override
        public PhysicalMemory memory() {
            return inner.memory();
        }

        @Override
        public FrameAllocator frames() {
            return inner.frames();
        }

        @Override
        public PageTableTrait newPageTable(AddressSpaceKind kind) {
            PageTableTrait table = inner.newPageTable(kind);
            table.setFaultHandler((vaddr, access) -> false);
            return table;
        }

        @Override
        public Mmu newMmu() {
            return inner.newMmu();
        }

        @Override
        public boolean canMapExecuteOnly() {
            return inner.canMapExecuteOnly();
        }

        @Override
        public void close() {
            inner.close();
        }
    }
}
