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
        if (edit == Edit.UNMAP && whole) {
            store.write(entry, 0);
            discard(child, height - 1, vaddr, hidden);
            return;
        }
        change(child, height - 1, vaddr, part, hidden);
        if (edit != Edit.PROTECT && store.isEmpty(child, height - 1)) {
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
        long first = entry(table, 0, vaddr);
        int count = (int) (size >>> PageSize.BASE_SHIFT);
        for (int i = 0; i < count; i++) {
            long entry = first + (long) i * Long.BYTES;
            long raw = store.read(entry);
            if (format.isPresent(0, raw)) {
                changeLeaf(entry, 0, raw, vaddr + ((long) i << PageSize.BASE_SHIFT), hidden);
            }
        }
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
        long before = raw ^ address;
        if (height != memoHeight || before != memoBefore) {
            int old = format.flagBits(height, raw);
            int flags = edit == Edit.PROTECT ? flagBits : old & ~MmuFlags.WRITE_BIT;
            boolean goes = (flags & MmuFlags.ACCESS_MASK) == 0;
            memoHeight = height;
            memoBefore = before;
            memoAfter =
                    goes || flags == old
                            ? before
                            : format.withAttributes(
                                    before,
                                    format.leafAttributes[height][flags],
                                    0,
                                    (flags & MmuFlags.WRITE_BIT) != 0);
            if (goes) {
                memoAfter = 0;
            }
            memoStale = (old & ~flags) != 0 || ((old ^ flags) & MmuFlags.MEMORY_TYPE_MASK) != 0;
        }
        return memoAfter == 0 ? 0 : memoAfter | address;
    }

    /// Bits of the address field that belong to a leaf's address.
    private long addressBits(int height) {
        return -1L << (format.shifts[height] - format.addressShift);
    }

    private long entry(long table, int height, long vaddr) {
        return table + (long) format.index(height, vaddr) * Long.BYTES;
    }
}
