package io.jircon.hal.npt;

import io.jircon.hal.TlbInvalidator;
import java.util.Arrays;

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

    // The tables that borrow root entries of this one, by tag, once for each loan.
    private int[] borrowers = {};

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

    /// Notes that everything changed.
    void addAll() {
        count = THRESHOLD + 1;
    }

    /// Lets a table that walks some of the same tables hear of every change from now on.
    void addBorrower(int borrower) {
        borrowers = Arrays.copyOf(borrowers, borrowers.length + 1);
        borrowers[borrowers.length - 1] = borrower;
    }

    /// Ends what [#addBorrower(int)] began.
    void removeBorrower(int borrower) {
        int at = 0;
        while (borrowers[at] != borrower) {
            at++;
        }
        int[] rest = Arrays.copyOf(borrowers, borrowers.length - 1);
        System.arraycopy(borrowers, at + 1, rest, at, rest.length - at);
        borrowers = rest;
    }

    boolean hasInvalidator(FlushList other) {
        return invalidator == other.invalidator;
    }

    /// Whether more entries would change nothing.
    boolean isFull() {
        return count > THRESHOLD;
    }

    /// Tells the TLBs, and starts an empty list.
    void flush() {
        int pages = count;
        count = 0;
        if (pages == 0) {
            return;
        }
        flush(tag, pages);
        for (int borrower : borrowers) {
            flush(borrower, pages);
        }
    }

    private void flush(int table, int pages) {
        if (pages > THRESHOLD) {
            invalidator.flushAll(table);
        } else {
            invalidator.flushPages(table, vaddrs, shifts, pages);
        }
    }

    /// Tells the TLBs that the table is no more.
    void release() {
        count = 0;
        invalidator.release(tag);
    }
}
