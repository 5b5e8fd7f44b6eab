package io.jircon.vm;

import static io.jircon.vm.VmoMath.hex;

/// Allocation of a sub-region (section 6 of the contract). Guards run in the order of the clauses.
final class AllocateOp {
    private static final int REFUSED =
            VmarFlags.PERM_MASK
                    | VmarFlags.MAP_RANGE.bits()
                    | VmarFlags.SPECIFIC_OVERWRITE.bits()
                    | VmarFlags.REQUIRE_NON_RESIZABLE.bits()
                    | VmarFlags.ALLOW_FAULTS.bits()
                    | VmarFlags.FAULT_BEYOND_STREAM_SIZE.bits();

    /// What a region keeps of the options it was made with (clause V-13).
    private static final VmarFlags KEPT =
            VmarFlags.CAN_MAP_RWX.with(VmarFlags.CAN_MAP_SPECIFIC).with(VmarFlags.COMPACT);

    private AllocateOp() {}

    static VmAddressRegion run(
            VmAddressRegion parent, VmarFlags options, long offset, long sizeBytes) {
        requireTakenOptions(options, sizeBytes);
        VmAspace aspace = parent.aspace();
        long stamp = aspace.lock.writeLock();
        try {
            parent.requireAlive("V-61");
            requireSize(sizeBytes);
            requireMappable(parent, options);
            long base = new Placement(parent, options, offset, sizeBytes).choose();
            VmarFlags kept = new VmarFlags(options.bits() & KEPT.bits());
            return parent.addChild(base, base + (sizeBytes - 1), kept);
        } finally {
            aspace.lock.unlockWrite(stamp);
        }
    }

    private static void requireTakenOptions(VmarFlags options, long sizeBytes) {
        if (!options.isWellFormed() || options.hasAny(REFUSED)) {
            throw VmErrors.invalidArgs("V-60", "options=" + options + " are not all for allocate");
        }
        if (!VmoMath.isAligned(sizeBytes)) {
            throw VmErrors.invalidArgs(
                    "V-60", "size=" + hex(sizeBytes) + " is not a multiple of the page size");
        }
    }

    private static void requireSize(long sizeBytes) {
        if (sizeBytes == 0) {
            throw VmErrors.invalidArgs("V-62", "size=0 makes an empty region");
        }
    }

    private static void requireMappable(VmAddressRegion parent, VmarFlags options) {
        if (!parent.mappable().contains(options.mappablePermissions())) {
            throw VmErrors.accessDenied(
                    "V-63", "options=" + options + " exceed those of " + parent);
        }
    }
}
