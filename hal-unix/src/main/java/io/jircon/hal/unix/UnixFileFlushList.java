package io.jircon.hal.unix;

import io.jircon.hal.TlbInvalidator;

/// The leaves that one operation on a page table removed or weakened; past a limit the whole table
/// is flushed instead. Guarded by the page table's lock.
final class UnixFileFlushList {
    private static final int LIMIT = 64;

    private final long[] vaddrs = new long[LIMIT];
    private final byte[] shifts = new byte[LIMIT];
    private int count;

    /// Adds a leaf.
    ///
    /// @param vaddr an address in it
    /// @param shift log2 of its size
    void add(long vaddr, int shift) {
        if (count < LIMIT) {
            vaddrs[count] = vaddr;
            shifts[count] = (byte) shift;
        }
        count = Math.min(count + 1, LIMIT + 1);
    }

    /// Sends what was added and starts anew.
    void send(int tag, TlbInvalidator invalidator) {
        if (count > LIMIT) {
            invalidator.flushAll(tag);
        } else if (count > 0) {
            invalidator.flushPages(tag, vaddrs, shifts, count);
        }
        count = 0;
    }
}
