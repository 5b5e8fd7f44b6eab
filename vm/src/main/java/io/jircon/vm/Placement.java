package io.jircon.vm;

import static io.jircon.vm.VmoMath.hex;

import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;

/// Where a new region or mapping goes: the part of allocate and map that is the same (clauses V-64
/// to V-72, and V-101). The guards run in the order of the clauses; the first that fails decides.
///
/// @param region the parent
/// @param options the caller's options
/// @param offset the caller's offset in the region, or upper limit
/// @param sizeBytes size, page aligned, not 0
record Placement(VmAddressRegion region, VmarFlags options, long offset, long sizeBytes) {
    /// Decides the address; only with the address space's lock held for writing.
    ///
    /// @return address of the first byte
    long choose() {
        requireOnePlacementRule();
        requireNoStrayOffset();
        requireAlignedOffset();
        requireMaySpecify();
        requireInside();
        if (!isSpecific()) {
            return chooseFree();
        }
        long address = region.baseAddress() + offset;
        requireAlignedAddress(address);
        if (!overwrites()) {
            requireFree(address);
        }
        return address;
    }

    boolean overwrites() {
        return options.contains(VmarFlags.SPECIFIC_OVERWRITE);
    }

    private boolean isSpecific() {
        return overwrites() || options.contains(VmarFlags.SPECIFIC);
    }

    private boolean isUpperLimit() {
        return options.contains(VmarFlags.OFFSET_IS_UPPER_LIMIT);
    }

    private int alignShift() {
        return Math.max(options.alignShift(), VmoMath.SHIFT);
    }

    private void requireOnePlacementRule() {
        if (isSpecific() && isUpperLimit()) {
            throw VmErrors.invalidArgs(
                    "V-64", "options=" + options + " join SPECIFIC with OFFSET_IS_UPPER_LIMIT");
        }
    }

    private void requireNoStrayOffset() {
        if (!isSpecific() && !isUpperLimit() && offset != 0) {
            throw VmErrors.invalidArgs(
                    "V-65",
                    "offset="
                            + hex(offset)
                            + " must be 0 without SPECIFIC or OFFSET_IS_UPPER_LIMIT");
        }
    }

    private void requireAlignedOffset() {
        if (!VmoMath.isAligned(offset)) {
            throw VmErrors.invalidArgs(
                    "V-66", "offset=" + hex(offset) + " is not a multiple of the page size");
        }
    }

    private void requireMaySpecify() {
        if ((isSpecific() || isUpperLimit())
                && !region.flags().contains(VmarFlags.CAN_MAP_SPECIFIC)) {
            throw VmErrors.accessDenied(
                    "V-67",
                    "options=" + options + " need a region with CAN_MAP_SPECIFIC: " + region);
        }
    }

    private void requireInside() {
        long regionSize = region.sizeBytes();
        boolean tooLarge = Long.compareUnsigned(sizeBytes, regionSize) > 0;
        if (isUpperLimit()) {
            if (Long.compareUnsigned(offset, regionSize) > 0
                    || tooLarge
                    || Long.compareUnsigned(sizeBytes, offset) > 0) {
                throw VmErrors.invalidArgs(
                        "V-69",
                        "size="
                                + hex(sizeBytes)
                                + " below the limit offset="
                                + hex(offset)
                                + " does not fit "
                                + region);
            }
        } else if (Long.compareUnsigned(offset, regionSize) >= 0
                || Long.compareUnsigned(sizeBytes, regionSize - offset) > 0) {
            throw VmErrors.invalidArgs(
                    "V-68",
                    "size="
                            + hex(sizeBytes)
                            + " at offset="
                            + hex(offset)
                            + " does not fit "
                            + region);
        }
    }

    private void requireAlignedAddress(long address) {
        if (Ranges.alignUp(address, alignShift()) != address) {
            throw VmErrors.invalidArgs(
                    "V-70",
                    "offset="
                            + hex(offset)
                            + " gives address="
                            + hex(address)
                            + ", which is not aligned as options="
                            + options);
        }
    }

    private void requireFree(long address) {
        RegionNode inTheWay = region.children().firstIntersecting(address, lastByte(address));
        if (inTheWay != null) {
            throw new ZxException(
                    ZxStatus.ALREADY_EXISTS,
                    "V-71",
                    "offset="
                            + hex(offset)
                            + " size="
                            + hex(sizeBytes)
                            + " gives "
                            + Ranges.text(address, lastByte(address))
                            + ", which meets "
                            + inTheWay);
        }
    }

    private long lastByte(long address) {
        return address + (sizeBytes - 1);
    }

    private long chooseFree() {
        long limitLast = isUpperLimit() ? region.baseAddress() + (offset - 1) : region.lastByte();
        boolean compact = region.flags().contains(VmarFlags.COMPACT);
        VmAspace aspace = region.aspace();
        long address =
                region.children()
                        .place(
                                sizeBytes,
                                alignShift(),
                                limitLast,
                                compact ? 0 : aspace.entropyBits(),
                                aspace.layoutSource());
        if (address == RegionTree.NO_PLACE) {
            throw new ZxException(
                    ZxStatus.NO_RESOURCES,
                    "V-72",
                    "size="
                            + hex(sizeBytes)
                            + " with options="
                            + options
                            + " fits no gap of "
                            + region);
        }
        return address;
    }
}
