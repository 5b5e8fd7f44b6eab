package io.jircon.hal;

/// What a harvest of accessed states does with the tables that nobody uses (clause V-289).
public enum UnusedTables {
    /// They stay: no entry is removed.
    KEEP,
    /// A table of base pages is freed, with its entries, when none of them was accessed and no
    /// harvest or [PageTableTrait#markAccessed] found or made it used since the last harvest that
    /// frees. So what is used once outlives the first harvest that frees, and not the second.
    FREE
}
