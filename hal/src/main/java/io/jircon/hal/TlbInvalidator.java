package io.jircon.hal;

/// Takes a page table's flush requests to every TLB of the machine. The software TLBs learn of
/// changes in no other way, so a forgotten request shows up as a stale translation.
///
/// A call returns when no TLB holds a translation it names and no access that used one is still
/// under way: what follows may free or reuse the frames. Implementations may be called with the
/// page table's lock held and must not take a lock that is held while calling into a page table.
public interface TlbInvalidator {
    /// Drops the translations of some leaves.
    ///
    /// @param tag the page table's tag
    /// @param vaddrs an address in each leaf
    /// @param shifts log2 of each leaf's size
    /// @param count how many of the arrays' elements count
    void flushPages(int tag, long[] vaddrs, byte[] shifts, int count);

    /// Drops every translation of one page table.
    ///
    /// @param tag the page table's tag
    void flushAll(int tag);

    /// Drops every translation of one page table and ends its use: no processor walks it any more
    /// when this returns, and the machine may give its tag to another table. What a page table's
    /// close calls once, after it marked itself closed and before it frees its own frames.
    ///
    /// @param tag the page table's tag
    default void release(int tag) {
        flushAll(tag);
    }
}
