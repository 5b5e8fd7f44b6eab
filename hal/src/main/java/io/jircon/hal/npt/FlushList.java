package io.jircon.hal.npt;

import io.jircon.hal.TlbInvalidator;

/// The translations that one call removed, weakened or changed. Up to [#THRESHOLD] of them are
/// flushed one by one, more than that by dropping all of the table's (clause A-74). Fresh
/// translations and added rights are not listed (clause A-80).
final class FlushList {
    static final int THRESHOLD = 32;

    private final TlbInvalidator invalidator;
    private final int tag;
    private final long[] vaddrs = new long[THRESHOLD];
    private final byte[] shifts = new byte[THRESHOLD];
    private int count;

    FlushList(TlbInvalidator invalidator, int tag) {
        this.invalidator = invalidator;
        this.tag = tag;
    }

    void add(long vaddr, int shift) {
        if (count < THRESHOLD) {
            vaddrs[count] = vaddr;
            shifts[count] = (byte) shift;
        }
        count = Math.min(count + 1, THRESHOLD + 1);
    }

    /// Whether more entries would change nothing.
    boolean isFull() {
        return count > THRESHOLD;
    }

    /// Tells the TLBs, and starts an empty list.
    void flush() {
        int pages = count;
        count = 0;
        if (pages > THRESHOLD) {
            invalidator.flushAll(tag);
        } else if (pages > 0) {
            invalidator.flushPages(tag, vaddrs, shifts, pages);
        }
    }

    /// Tells the TLBs that the table is no more.
    void release() {
        count = 0;
        invalidator.release(tag);
    }
}
