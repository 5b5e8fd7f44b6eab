package io.jircon.hal;

/// Counters of one [Mmu]. A HAL whose translations are done by real hardware knows no TLB: its
/// hits, misses and entries are 0.
///
/// @param accesses translations asked for: one for each page that a transfer touches
/// @param tlbHits translations found in the TLB
/// @param tlbMisses translations that needed a walk
/// @param entriesRead page-table entries read by the walks
/// @param faults accesses refused
/// @param flushes flush requests received
public record MmuStats(
        long accesses, long tlbHits, long tlbMisses, long entriesRead, long faults, long flushes) {
    /// Counters that are all 0.
    public static final MmuStats ZERO = new MmuStats(0, 0, 0, 0, 0, 0);

    /// The sums of these counters and others.
    ///
    /// @param other the counters to add
    /// @return the sums
    public MmuStats plus(MmuStats other) {
        return new MmuStats(
                accesses + other.accesses,
                tlbHits + other.tlbHits,
                tlbMisses + other.tlbMisses,
                entriesRead + other.entriesRead,
                faults + other.faults,
                flushes + other.flushes);
    }
}
