package io.jircon.hal.npt;

import io.jircon.hal.MmuFlags;

/// What one entry of a page table is. For dumps and tests; the walks read the raw word.
public sealed interface PageTableEntry {
    /// Nothing: a walk ends here.
    enum Absent implements PageTableEntry {
        /// The only instance.
        INSTANCE
    }

    /// A pointer to a table of the next level.
    ///
    /// @param address physical address of the table
    record Table(long address) implements PageTableEntry {}

    /// A translation.
    ///
    /// @param address physical address of its first byte
    /// @param flags what it allows
    /// @param shift log2 of its size
    record Leaf(long address, MmuFlags flags, int shift) implements PageTableEntry {}

    /// An encoding that the architecture reserves.
    ///
    /// @param raw the entry
    record Bad(long raw) implements PageTableEntry {}
}
