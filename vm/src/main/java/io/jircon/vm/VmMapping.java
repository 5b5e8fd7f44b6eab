package io.jircon.vm;

import io.jircon.hal.MmuFlags;

/// A part of a memory object that shows at a part of a region (clause V-11): a leaf of the tree of
/// regions. No handle names a mapping; it is reached through a region and an address.
///
/// This is a live view for looking, not for changing. A mapping may grow by merging with a
/// neighbour, shrink, or die when a part or all of it is unmapped; each method answers for its own
/// moment.
public sealed interface VmMapping permits MappingNode {
    /// Address of the first byte.
    ///
    /// @return page aligned, unsigned
    long baseAddress();

    /// Length.
    ///
    /// @return bytes, a positive multiple of the base page
    long sizeBytes();

    /// The memory object it shows.
    ///
    /// @return never null
    VmObject vmo();

    /// Offset in the memory object that shows at [#baseAddress()].
    ///
    /// @return bytes, page aligned, unsigned
    long vmoOffset();

    /// The permissions it may ever have (clause V-107).
    ///
    /// @return a subset of READ, WRITE and EXECUTE
    MmuFlags maxPermissions();

    /// The permissions of one page.
    ///
    /// @param vaddr an address in the mapping
    /// @return a subset of READ, WRITE and EXECUTE
    /// @throws IndexOutOfBoundsException when the mapping does not contain the address now
    MmuFlags permissionsAt(long vaddr);

    /// How dearly its pages are wanted (clause V-273).
    ///
    /// @return that of the region it is in
    MemoryPriority memoryPriority();

    /// Whether it is part of a living region.
    ///
    /// @return false from the moment it was unmapped, merged into a neighbour or destroyed
    boolean isAlive();
}
