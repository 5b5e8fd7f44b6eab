package io.jircon.vm;

import static io.jircon.vm.VmoMath.hex;

import io.jircon.hal.MmuFlags;
import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxException;

/// Mapping of a memory object into a region (section 7 of the contract). Guards run in the order of
/// the clauses.
final class MapOp {
    private static final int REFUSED = VmarFlags.COMPACT.bits() | VmarFlags.CAN_MAP_SPECIFIC.bits();

    private final VmAddressRegion region;
    private final VmarFlags options;
    private final long regionOffset;
    private final VmObject vmo;
    private final long vmoOffset;
    private final long len;
    private final MmuFlags maxPermissions;

    /// Prepares a call.
    ///
    /// @param maxPermissions what both the caller's access to the region and that to the memory
    ///   object allow (clause V-107)
    MapOp(
            VmAddressRegion region,
            VmarFlags options,
            long regionOffset,
            VmObject vmo,
            long vmoOffset,
            long len,
            MmuFlags maxPermissions) {
        this.region = region;
        this.options = region.aspace().withReadForExecuteOnly(options);
        this.regionOffset = regionOffset;
        this.vmo = vmo;
        this.vmoOffset = vmoOffset;
        this.len = len;
        this.maxPermissions = maxPermissions.access();
    }

    /// The one guard that comes before the rights of the memory object's handle.
    MapOp requireStreamFaultsPossible() {
        if (faultsBeyondStreamSize() && (!vmo.isPaged() || vmo.isContiguous())) {
            throw VmErrors.notSupported(
                    "V-82", "FAULT_BEYOND_STREAM_SIZE needs pages that come one by one: " + vmo);
        }
        return this;
    }

    /// Checks and maps.
    ///
    /// @return address of the first byte
    long run() {
        requireStreamFaultsPossible();
        requireReadWithWriteOrExecute();
        requireNoMapRangeWithOverwrite();
        requireNoCanMap();
        requirePermitted();
        requireAllowFaultsForStream();
        requireUserStream();
        requireWellFormed();
        requireNonResizable();
        requireAllowFaultsForDiscardable();
        requireTakenOptions();
        requireMappable();
        requireAlignedVmoOffset();
        long sizeBytes = roundedLength();
        requireOffsetsDoNotWrap(sizeBytes);
        requireInsidePhysical(sizeBytes);
        VmAspace aspace = region.aspace();
        long stamp = aspace.lock.writeLock();
        try {
            region.requireAlive("V-99");
            if (len == 0) {
                throw VmErrors.invalidArgs("V-100", "len=0 maps nothing");
            }
            var placement = new Placement(region, options, regionOffset, sizeBytes);
            return place(placement.choose(), sizeBytes, placement.overwrites());
        } finally {
            aspace.lock.unlockWrite(stamp);
        }
    }

    private boolean faultsBeyondStreamSize() {
        return options.contains(VmarFlags.FAULT_BEYOND_STREAM_SIZE);
    }

    private void requireReadWithWriteOrExecute() {
        if (asksForMoreThanRead(options) && !options.contains(VmarFlags.PERM_READ)) {
            throw VmErrors.invalidArgs(
                    "V-84", "options=" + options + " ask to write or execute without PERM_READ");
        }
    }

    static boolean asksForMoreThanRead(VmarFlags options) {
        return options.contains(VmarFlags.PERM_WRITE) || options.contains(VmarFlags.PERM_EXECUTE);
    }

    private void requireNoMapRangeWithOverwrite() {
        if (options.contains(VmarFlags.MAP_RANGE.with(VmarFlags.SPECIFIC_OVERWRITE))) {
            throw VmErrors.invalidArgs(
                    "V-85", "options=" + options + " join MAP_RANGE with SPECIFIC_OVERWRITE");
        }
    }

    private void requireNoCanMap() {
        if (options.hasAny(VmarFlags.CAN_MAP_MASK)) {
            throw VmErrors.invalidArgs(
                    "V-86", "options=" + options + " hold CAN_MAP options, which are for regions");
        }
    }

    private void requirePermitted() {
        if (!maxPermissions.contains(options.permissions())) {
            throw VmErrors.accessDenied(
                    "V-87",
                    "permissions="
                            + options.permissions()
                            + " exceed what the caller may: "
                            + maxPermissions);
        }
    }

    private void requireAllowFaultsForStream() {
        if (faultsBeyondStreamSize() && !options.contains(VmarFlags.ALLOW_FAULTS)) {
            throw VmErrors.invalidArgs("V-88", "FAULT_BEYOND_STREAM_SIZE needs ALLOW_FAULTS");
        }
    }

    private void requireUserStream() {
        if (faultsBeyondStreamSize() && !vmo.isUserVisible()) {
            throw VmErrors.invalidArgs(
                    "V-89", "FAULT_BEYOND_STREAM_SIZE needs a user's stream size: " + vmo);
        }
    }

    private void requireWellFormed() {
        if (!options.isWellFormed()) {
            throw VmErrors.invalidArgs("V-90", "options=" + options + " are not all defined");
        }
    }

    private void requireNonResizable() {
        if (options.contains(VmarFlags.REQUIRE_NON_RESIZABLE) && vmo.isResizable()) {
            throw VmErrors.notSupported("V-91", "REQUIRE_NON_RESIZABLE refuses " + vmo);
        }
    }

    private void requireAllowFaultsForDiscardable() {
        if (vmo.isDiscardable() && !options.contains(VmarFlags.ALLOW_FAULTS)) {
            throw VmErrors.notSupported("V-92", "ALLOW_FAULTS is needed for discardable " + vmo);
        }
    }

    private void requireTakenOptions() {
        if (options.hasAny(REFUSED)) {
            throw VmErrors.invalidArgs("V-93", "options=" + options + " are not all for map");
        }
    }

    private void requireMappable() {
        if (!region.mappable().contains(options.permissions())) {
            throw VmErrors.accessDenied(
                    "V-94", "permissions=" + options.permissions() + " exceed those of " + region);
        }
    }

    private void requireAlignedVmoOffset() {
        if (!VmoMath.isAligned(vmoOffset)) {
            throw VmErrors.invalidArgs(
                    "V-95", "vmoOffset=" + hex(vmoOffset) + " is not a multiple of the page size");
        }
    }

    private long roundedLength() {
        if (VmoMath.upWraps(len)) {
            throw VmErrors.outOfRange(
                    "V-96", "len=" + hex(len) + " passes 2^64 when rounded up to pages");
        }
        return VmoMath.up(len);
    }

    private void requireOffsetsDoNotWrap(long sizeBytes) {
        if (Ranges.isBelow(vmoOffset + sizeBytes, vmoOffset)) {
            throw VmErrors.outOfRange(
                    "V-97",
                    "vmoOffset=" + hex(vmoOffset) + " plus len=" + hex(len) + " reaches 2^64");
        }
    }

    private void requireInsidePhysical(long sizeBytes) {
        if (!vmo.isPaged() && !VmoMath.isInside(vmoOffset, sizeBytes, vmo.sizeBytes())) {
            throw VmErrors.outOfRange(
                    "V-98",
                    "vmoOffset="
                            + hex(vmoOffset)
                            + " plus len="
                            + hex(len)
                            + " passes the end of physical "
                            + vmo);
        }
    }

    /// Makes the mapping; nothing but memory can be in the way now.
    private long place(long base, long sizeBytes, boolean overwrite) {
        long last = base + (sizeBytes - 1);
        boolean replaces = overwrite && !region.children().isRangeAvailable(base, last);
        if (replaces) {
            requireNoSubRegion(base, last);
        }
        var mapping =
                new MappingNode(
                        region,
                        base,
                        last,
                        vmo,
                        vmoOffset,
                        MmuFlags.of(maxPermissions.bits() & region.mappable().bits()),
                        new PermissionRanges(base, last, options.permissions()),
                        faultsBeyondStreamSize());
        // First, because it is refused when the object is gone, and because what is overwritten may
        // be all that holds the object.
        mapping.attach();
        if (overwrite) {
            try {
                RegionChanges.clear(region, base, last);
            } catch (ZxException refused) {
                mapping.detach();
                throw refused;
            }
        }
        region.children().insert(mapping);
        if (options.contains(VmarFlags.MAP_RANGE)) {
            enterExisting(mapping);
        } else if (!replaces) {
            mapping.enterIfHigh();
        }
        merge(mapping);
        return base;
    }

    private void requireNoSubRegion(long first, long last) {
        for (RegionNode node = region.children().firstIntersecting(first, last);
                node != null && Long.compareUnsigned(node.first, last) <= 0;
                node = RegionTree.next(node)) {
            if (node instanceof RegionSlot) {
                throw VmErrors.invalidArgs(
                        "V-102",
                        "range "
                                + Ranges.text(first, last)
                                + " of SPECIFIC_OVERWRITE touches "
                                + node);
            }
        }
    }

    /// Enters the pages that are there, or takes the mapping back (clauses V-104 and V-282).
    private void enterExisting(MappingNode mapping) {
        vmo.lock().lock();
        try {
            EagerEntries.enter(mapping, mapping.first, mapping.last);
        } catch (PagingException e) {
            region.children().remove(mapping);
            mapping.detach();
            throw VmErrors.of(e, "V-104", "MAP_RANGE of " + mapping);
        } finally {
            vmo.lock().unlock();
        }
    }

    /// Joins the finished mapping with its neighbours, the right one first (clause V-262).
    private void merge(MappingNode mapping) {
        RegionTree children = region.children();
        if (RegionTree.next(mapping) instanceof MappingNode high && mapping.canMergeWith(high)) {
            children.remove(high);
            mapping.absorb(high);
            children.resized(mapping);
        }
        if (RegionTree.previous(mapping) instanceof MappingNode low && low.canMergeWith(mapping)) {
            children.remove(mapping);
            low.absorb(mapping);
            children.resized(low);
        }
    }
}
