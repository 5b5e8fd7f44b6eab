package io.jircon.vm;

import io.jircon.hal.MmuFlags;

/// One line of a listing of an address space (clauses V-221 to V-228). For types other than MAPPING
/// everything after `type` is empty or 0.
///
/// @param name `proc:` and a koid, the region's name, or that of the memory object at the moment of
///   the query
/// @param baseAddress address of the first byte, unsigned
/// @param sizeBytes length
/// @param depth how deep it is in the tree; the depth rises by at most 1 from one entry to the next
/// @param type what it is
/// @param permissions READ, WRITE and EXECUTE; a mapping has one entry for each run of equal ones
/// @param vmoKoid koid of the memory object
/// @param vmoOffset offset in the memory object that shows at `baseAddress`
/// @param committedBytes bytes of pages that are resident for this range
/// @param populatedBytes as `committedBytes`, and bytes of pages held in another form
/// @param privateBytes bytes of pages that only this memory object has
/// @param scaledBytes bytes of pages, each divided by the number of memory objects that share it
/// @param fractionalScaledBytes what is left of a byte in `scaledBytes`, in units of 2^-63
public record MapEntry(
        String name,
        long baseAddress,
        long sizeBytes,
        int depth,
        Type type,
        MmuFlags permissions,
        long vmoKoid,
        long vmoOffset,
        long committedBytes,
        long populatedBytes,
        long privateBytes,
        long scaledBytes,
        long fractionalScaledBytes) {

    /// What an entry describes; the ordinal is Zircon's type code (clause V-5).
    public enum Type {
        /// Nothing.
        NONE,
        /// An address space.
        ASPACE,
        /// A region.
        VMAR,
        /// A part of a mapping with equal permissions.
        MAPPING
    }

    static MapEntry ofRange(String name, Type type, VmAddressRegion region, int depth) {
        return new MapEntry(
                name,
                region.baseAddress(),
                region.sizeBytes(),
                depth,
                type,
                MmuFlags.NONE,
                0,
                0,
                0,
                0,
                0,
                0,
                0);
    }
}
