package io.jircon.vm;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultHandler;
import io.jircon.kobject.ZxStatus;
import java.util.concurrent.atomic.LongAdder;

/// What an address space does about the accesses that its machine holds: has the root region
/// resolve faults (clause V-195), and counts those that there is nothing to resolve about.
final class AspaceFaults implements FaultHandler {
    private final VmAspace aspace;
    private final LongAdder minorFaults = new LongAdder();

    AspaceFaults(VmAspace aspace) {
        this.aspace = aspace;
    }

    @Override
    public boolean resolve(long vaddr, AccessKind access) {
        VmAddressRegion root = aspace.root();
        return root != null && root.handlePageFault(vaddr, access) == ZxStatus.OK;
    }

    @Override
    public void minorFault(long vaddr, AccessKind access) {
        minorFaults.increment();
    }

    /// How many there were of those.
    long minorFaults() {
        return minorFaults.sum();
    }
}
