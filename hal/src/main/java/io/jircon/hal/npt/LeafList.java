package io.jircon.hal.npt;

import java.util.Arrays;

/// The leaves of a range at one moment, to be told without a lock.
final class LeafList {
    private final TableStore store;
    private final PagingFormat format;
    private long[] vaddrs = new long[16];
    private long[] raws = new long[16];
    private byte[] heights = new byte[16];
    private int count;

    /// Makes an empty list for the leaves of a table.
    LeafList(TableStore store) {
        this.store = store;
        this.format = store.format;
    }

    int count() {
        return count;
    }

    long vaddr(int index) {
        return vaddrs[index];
    }

    long raw(int index) {
        return raws[index];
    }

    int height(int index) {
        return heights[index];
    }

    /// Adds the leaves of a range. The page table's lock is held; what it borrowed is of the moment
    /// at which the root entry is reached.
    void collect(long vaddr, long size) {
        collect(store.root, format.rootHeight, vaddr, size);
    }

    private void collectBelow(long table, int height, long vaddr, long size) {
        TableReader lender = height == format.rootHeight - 1 ? store.loans.lenderOf(vaddr) : null;
        if (lender == null) {
            collect(table, height, vaddr, size);
            return;
        }
        long stamp = lender.lockLent();
        try {
            collect(table, height, vaddr, size);
        } finally {
            lender.unlockLent(stamp);
        }
    }

    private void collect(long table, int height, long vaddr, long size) {
        long slot = 1L << format.shifts[height];
        long left = size;
        for (long at = vaddr; left != 0; ) {
            long part = Math.min(left, slot - (at & (slot - 1)));
            long raw = store.read(table + (long) format.index(height, at) * Long.BYTES);
            if (format.isPresent(height, raw)) {
                if (format.isLeaf(height, raw)) {
                    add(at & -slot, raw, height);
                } else {
                    collectBelow(format.address(raw), height - 1, at, part);
                }
            }
            at += part;
            left -= part;
        }
    }

    private void add(long vaddr, long raw, int height) {
        if (count == vaddrs.length) {
            vaddrs = Arrays.copyOf(vaddrs, 2 * count);
            raws = Arrays.copyOf(raws, 2 * count);
            heights = Arrays.copyOf(heights, 2 * count);
        }
        vaddrs[count] = vaddr;
        raws[count] = raw;
        heights[count++] = (byte) height;
    }
}
