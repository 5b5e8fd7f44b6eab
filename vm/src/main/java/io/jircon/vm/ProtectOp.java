package io.jircon.vm;

import static io.jircon.vm.VmoMath.hex;

import io.jircon.hal.MmuFlags;
import io.jircon.hal.PagingException;
import java.util.ArrayList;
import java.util.List;

/// Change of permissions (section 10 of the contract). All that can fail comes before any change.
final class ProtectOp {
    private static final int TAKEN =
            VmarFlags.PERM_MASK | VmarFlags.PERM_READ_IF_XOM_UNSUPPORTED.bits();

    private ProtectOp() {}

    /// Checks and protects; the caller's rights to the permissions were checked before (V-141).
    ///
    /// @param mayTouchRegions whether the caller may affect sub-regions (clause V-54)
    static void run(
            VmAddressRegion region,
            VmarFlags givenOptions,
            long vaddr,
            long len,
            boolean mayTouchRegions) {
        VmAspace aspace = region.aspace();
        VmarFlags options = aspace.withReadForExecuteOnly(givenOptions);
        requireReadWithWriteOrExecute(options);
        requireAlignedAddress(vaddr);
        requireTakenOptions(options);
        long sizeBytes = roundedLength(len);
        long stamp = aspace.lock.writeLock();
        try {
            region.requireAlive("V-146");
            requireInside(region, vaddr, len);
            MmuFlags wanted = options.permissions();
            long last = vaddr + (sizeBytes - 1);
            List<PermissionChange> changes = collect(region, vaddr, last, wanted, mayTouchRegions);
            begin(changes);
            changes.forEach(PermissionChange::finish);
        } finally {
            aspace.lock.unlockWrite(stamp);
        }
    }

    private static void requireReadWithWriteOrExecute(VmarFlags options) {
        if (MapOp.asksForMoreThanRead(options) && !options.contains(VmarFlags.PERM_READ)) {
            throw VmErrors.invalidArgs(
                    "V-142", "options=" + options + " ask to write or execute without PERM_READ");
        }
    }

    private static void requireAlignedAddress(long vaddr) {
        if (!VmoMath.isAligned(vaddr)) {
            throw VmErrors.invalidArgs(
                    "V-143", "vaddr=" + hex(vaddr) + " is not a multiple of the page size");
        }
    }

    private static void requireTakenOptions(VmarFlags options) {
        if (options.hasAny(~TAKEN)) {
            throw VmErrors.invalidArgs("V-144", "options=" + options + " are not all for protect");
        }
    }

    private static long roundedLength(long len) {
        long sizeBytes = VmoMath.up(len);
        if (sizeBytes == 0) {
            throw VmErrors.invalidArgs("V-145", "len=" + hex(len) + " is 0 when rounded to pages");
        }
        return sizeBytes;
    }

    private static void requireInside(VmAddressRegion region, long vaddr, long len) {
        if (!region.containsRange(vaddr, VmoMath.up(len))) {
            throw VmErrors.invalidArgs(
                    "V-147",
                    "vaddr=" + hex(vaddr) + " with len=" + hex(len) + " is not inside " + region);
        }
    }

    /// A change for each mapping of a range, in order; the first that must not be changed, or gap,
    /// decides.
    private static List<PermissionChange> collect(
            VmAddressRegion region,
            long first,
            long last,
            MmuFlags wanted,
            boolean mayTouchRegions) {
        List<PermissionChange> changes = new ArrayList<>();
        var walk = new RegionWalk(region, first, last);
        long covered = first - 1; // may wrap: the byte before the range
        for (MappingNode mapping = walk.nextMapping();
                mapping != null;
                mapping = walk.nextMapping()) {
            if (Ranges.isBelow(covered + 1, mapping.first)) {
                throw VmErrors.notFound("V-148", "nothing is mapped at vaddr=" + hex(covered + 1));
            }
            long from = Ranges.max(first, mapping.first);
            covered = VmoMath.min(last, mapping.last);
            requireAllowed(region, mapping, from, covered, wanted, mayTouchRegions);
            changes.add(new PermissionChange(mapping, from, covered, wanted));
        }
        if (changes.isEmpty() || covered != last) {
            throw VmErrors.notFound("V-153", "nothing is mapped at vaddr=" + hex(covered + 1));
        }
        return changes;
    }

    private static void requireAllowed(
            VmAddressRegion region,
            MappingNode mapping,
            long from,
            long to,
            MmuFlags wanted,
            boolean mayTouchRegions) {
        if (!mapping.maxPermissions().contains(wanted)) {
            throw VmErrors.accessDenied(
                    "V-149",
                    "permissions="
                            + wanted
                            + " exceed the most that "
                            + mapping
                            + " may have: "
                            + mapping.maxPermissions());
        }
        if (mapping.parent() == region) {
            return;
        }
        if (!mayTouchRegions) {
            throw VmErrors.invalidArgs(
                    "V-151", mapping + " is in a sub-region, without OP_CHILDREN");
        }
        if (!mapping.permissions().allContain(from, to, wanted)) {
            throw VmErrors.accessDenied(
                    "V-152",
                    "permissions=" + wanted + " exceed those that " + mapping + " has now");
        }
    }

    /// All that the machine may refuse comes before the first change: on a refusal no mapping has
    /// other permissions than before (clauses V-154 and V-156).
    private static void begin(List<PermissionChange> changes) {
        int done = 0;
        try {
            for (PermissionChange change : changes) {
                change.begin();
                done++;
            }
        } catch (PagingException e) {
            changes.subList(0, done).forEach(PermissionChange::cancel);
            throw VmErrors.of(e, "V-154", "permissions of " + changes.get(done).mapping());
        }
    }
}
