package io.jircon.vm;

/// Setting the memory priority of a region and everything below it (clause V-273).
final class PriorityOp {
    private PriorityOp() {}

    /// Checks and sets. What is entered eagerly is so for speed only: where there is no memory for
    /// a table the pages come by faults.
    static void run(VmAddressRegion region, MemoryPriority priority) {
        VmAspace aspace = region.aspace();
        long stamp = aspace.lock.writeLock();
        try {
            region.requireAlive("V-272");
            region.changePriority(priority);
            var walk = new RegionWalk(region);
            for (RegionNode node = walk.next(); node != null; node = walk.next()) {
                switch (node) {
                    case RegionSlot slot -> slot.region().changePriority(priority);
                    case MappingNode mapping -> {
                        mapping.changePriority(priority);
                        mapping.enterIfHigh();
                    }
                    default -> throw new AssertionError(node);
                }
            }
        } finally {
            aspace.lock.unlockWrite(stamp);
        }
    }
}
