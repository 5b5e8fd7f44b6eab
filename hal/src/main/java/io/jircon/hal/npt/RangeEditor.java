package io.jircon.hal.npt;

import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;

/// Removes and changes the leaves of ranges, visiting each table of the tree once. A first pass
/// along the two ends of the range counts the tables that splitting huge leaves will need; the
/// second, which cannot fail, writes. Guarded by the page table's lock; one instance serves one
/// page table.
final class RangeEditor {
    /// What is done to each leaf.
    enum Edit {
        /// It goes.
        UNMAP,
        /// It gets the flags given.
        PROTECT,
        /// It loses WRITE.
        WRITE_PROTECT
    }

    private final TableStore store;
    private final PagingFormat format;

    // The request being served.
    private Edit edit = Edit.UNMAP;
    private int flagBits;

    // What the last leaf looked like and became: neighbours mostly look alike.
    private int memoHeight = -1;
    private long memoBefore;
    private long memoAfter;

    /// All ones where the address stays, 0 where the entry goes.
    private long memoKeep;

    /// Whether one store makes the change: no walker writes to the entry, nothing is to be broken.
    private boolean memoPlain;

    private boolean memoStale;

    RangeEditor(TableStore store) {
        this.store = store;
        this.format = store.format;
    }

    void run(Edit what, int flags, long vaddr, long size) {
        edit = what;
        flagBits = flags;
        memoHeight = -1;
        store.reserve(countSplits(store.root, format.rootHeight, vaddr, size));
        change(store.root, format.rootHeight, vaddr, size, /* hidden= */ false);
        store.finish();
    }

    // First pass.

    private int countSplits(long table, int height, long vaddr, long size) {
        if (height == 0 || size == 0) {
            return 0;
        }
        long slot = 1L << format.shifts[height];
        long head = Math.min(size, slot - (vaddr & (slot - 1)));
        int wanted = head == slot ? 0 : countSlot(table, height, vaddr, head);
        long rest = size - head;
        long tail = rest & (slot - 1);
        return tail == 0 ? wanted : wanted + countSlot(table, height, vaddr + (size - tail), tail);
    }

    private int countSlot(long table, int height, long vaddr, long part) {
        long raw = store.read(entry(table, height, vaddr));
        if (!format.isPresent(height, raw)) {
            return 0;
        }
        if (!format.isLeaf(height, raw)) {
            return countSplits(format.address(raw), height - 1, vaddr, part);
        }
        return isUnchanged(height, raw) ? 0 : countParts(height, vaddr, part);
    }

    /// Tables that make leaves at `height` out of which exactly the range can be changed.
    private int countParts(int height, long vaddr, long part) {
        int below = height - 1;
        if (below == 0) {
            return 1;
        }
        long slot = 1L << format.shifts[below];
        long head = Math.min(part, slot - (vaddr & (slot - 1)));
        int wanted = head == slot ? 1 : 1 + countParts(below, vaddr, head);
        long tail = (part - head) & (slot - 1);
        return tail == 0 ? wanted : wanted + countParts(below, vaddr + (part - tail), tail);
    }

    // Second pass.

    private void change(long table, int height, long vaddr, long size, boolean hidden) {
        if (height == 0) {
            changePages(table, vaddr, size, hidden);
            return;
        }
        long slot = 1L << format.shifts[height];
        long left = size;
        for (long at = vaddr; left != 0; ) {
            long part = Math.min(left, slot - (at & (slot - 1)));
            long entry = entry(table, height, at);
            long raw = store.read(entry);
            if (format.isPresent(height, raw)) {
                changeSlot(entry, height, raw, at, part, hidden);
            }
            at += part;
            left -= part;
        }
    }

    private void changeSlot(
            long entry, int height, long raw, long vaddr, long part, boolean hidden) {
        boolean whole = part == 1L << format.shifts[height];
        if (format.isLeaf(height, raw)) {
            if (whole) {
                changeLeaf(entry, height, raw, vaddr, hidden);
            } else if (!isUnchanged(height, raw)) {
                long child = store.split(height, raw);
                change(child, height - 1, vaddr, part, /* hidden= */ true);
                store.putTable(entry, height, vaddr, raw, child, hidden);
            }
            return;
        }
        long child = format.address(raw);
        boolean lent = store.loans.isLent(height, vaddr);
        if (edit == Edit.UNMAP && whole && !lent) {
            store.write(entry, 0);
            discard(child, height - 1, vaddr, hidden);
            return;
        }
        change(child, height - 1, vaddr, part, hidden);
        if (edit != Edit.PROTECT && !lent && store.isEmpty(child, height - 1)) {
            store.write(entry, 0);
            store.retire(child);
        }
    }

    /// Lists the leaves of a subtree that was cut off, and retires its tables.
    private void discard(long table, int height, long vaddr, boolean hidden) {
        store.retire(table);
        if (height == 0 && (hidden || store.flushes.isFull())) {
            return;
        }
        for (int index = 0; index < TableStore.TABLE_ENTRIES; index++) {
            long raw = store.read(table + (long) index * Long.BYTES);
            if (!format.isPresent(height, raw)) {
                continue;
            }
            long at = vaddr + ((long) index << format.shifts[height]);
            if (!format.isLeaf(height, raw)) {
                discard(format.address(raw), height - 1, at, hidden);
            } else if (!hidden) {
                store.flushes.add(at, format.shifts[height]);
            }
        }
    }

    private void changePages(long table, long vaddr, long size, boolean hidden) {
        int first = format.index(0, vaddr);
        int end = first + (int) (size >>> PageSize.BASE_SHIFT);
        if (edit == Edit.UNMAP) {
            removePages(table, first, end, vaddr, hidden);
        } else {
            rewritePages(table, first, end, vaddr, hidden);
        }
    }

    private void removePages(long table, int first, int end, long vaddr, boolean hidden) {
        int index = first;
        for (; index < end && !hidden && !store.flushes.isFull(); index++) {
            long entry = table + (long) index * Long.BYTES;
            if (format.isPresent(0, store.peek(entry))) {
                store.write(entry, 0);
                store.flushes.add(page(vaddr, index - first), PageSize.BASE_SHIFT);
            }
        }
        for (; index < end; index++) {
            // Nothing left to list: what was there is all one.
            store.poke(table + (long) index * Long.BYTES, 0);
        }
    }

    private void rewritePages(long table, int first, int end, long vaddr, boolean hidden) {
        long addressBits = format.addressMask & addressBits(0);
        store.beginPokes();
        int index = first;
        while (index < end) {
            long entry = table + (long) index * Long.BYTES;
            long raw = store.peek(entry);
            long next = changed(0, raw);
            if (next == raw) {
                index = skipAlike(table, index + 1, end, addressBits);
            } else if (memoPlain && (!memoStale || hidden || store.flushes.isFull())) {
                index = rewriteAlike(table, index, end, addressBits);
            } else {
                store.putLeaf(entry, 0, page(vaddr, index - first), raw, next, memoStale, hidden);
                index++;
            }
        }
    }

    /// Passes the entries that do not change either.
    ///
    /// @return index of the first one that looks different
    private int skipAlike(long table, int first, int end, long addressBits) {
        long before = memoBefore;
        int index = first;
        while (index < end
                && (store.peek(table + (long) index * Long.BYTES) & ~addressBits) == before) {
            index++;
        }
        return index;
    }

    /// Changes the entries that look alike, by one store each.
    ///
    /// @return index of the first one that looks different
    private int rewriteAlike(long table, int first, int end, long addressBits) {
        long before = memoBefore;
        long after = memoAfter;
        long kept = addressBits & memoKeep;
        int index = first;
        for (; index < end; index++) {
            long entry = table + (long) index * Long.BYTES;
            long raw = store.peek(entry);
            if ((raw & ~addressBits) != before) {
                break;
            }
            store.poke(entry, after | (raw & kept));
        }
        return index;
    }

    private static long page(long vaddr, int count) {
        return vaddr + ((long) count << PageSize.BASE_SHIFT);
    }

    private void changeLeaf(long entry, int height, long raw, long vaddr, boolean hidden) {
        if (edit == Edit.UNMAP) {
            store.putLeaf(entry, height, vaddr, raw, 0, /* stale= */ true, hidden);
            return;
        }
        long next = changed(height, raw);
        if (next != raw) {
            store.putLeaf(entry, height, vaddr, raw, next, memoStale, hidden);
        }
    }

    private boolean isUnchanged(int height, long raw) {
        return edit != Edit.UNMAP && changed(height, raw) == raw;
    }

    /// What a leaf becomes, 0 when it goes; also says in `memoStale` whether that takes something
    /// away.
    private long changed(int height, long raw) {
        long address = raw & format.addressMask & addressBits(height);
        if (height != memoHeight || (raw ^ address) != memoBefore) {
            remember(height, raw ^ address);
        }
        return memoAfter | (address & memoKeep);
    }

    /// Works out what an entry with these bits beside its address becomes.
    private void remember(int height, long before) {
        memoHeight = height;
        memoBefore = before;
        memoAfter = before;
        memoKeep = -1;
        memoStale = false;
        memoPlain = true;
        if (!format.isPresent(height, before)) {
            return;
        }
        int old = format.flagBits(height, before);
        int flags = edit == Edit.PROTECT ? flagBits : old & ~MmuFlags.WRITE_BIT;
        if (flags == old) {
            return;
        }
        memoStale = (old & ~flags) != 0 || ((old ^ flags) & MmuFlags.MEMORY_TYPE_MASK) != 0;
        if ((flags & MmuFlags.ACCESS_MASK) == 0) {
            memoAfter = 0;
            memoKeep = 0;
            return;
        }
        memoAfter =
                format.withAttributes(
                        before,
                        format.leafAttributes[height][flags],
                        0,
                        (flags & MmuFlags.WRITE_BIT) != 0);
        memoPlain = !format.setsAccessed && ((before ^ memoAfter) & format.breakMask) == 0;
    }

    /// Bits of the address field that belong to a leaf's address.
    private long addressBits(int height) {
        return -1L << (format.shifts[height] - format.addressShift);
    }

    private long entry(long table, int height, long vaddr) {
        return table + (long) format.index(height, vaddr) * Long.BYTES;
    }
}
