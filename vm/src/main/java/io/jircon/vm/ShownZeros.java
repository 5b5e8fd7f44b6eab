package io.jircon.vm;

/// Which pages of a store a mapping may show as the zero frame: a range around them all, for a page
/// too many costs a look at the page table only. Guarded by the family's lock.
final class ShownZeros {
    /// Greater than the last while there is none.
    private long first = Long.MAX_VALUE;

    private long last = -1;

    void add(long page) {
        first = Math.min(first, page);
        last = Math.max(last, page);
    }

    boolean mayContain(long page) {
        return page >= first && page <= last;
    }
}
