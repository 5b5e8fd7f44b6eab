package io.jircon.hal.npt;

import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingException;

/// Enters ranges into a table, visiting each table of the tree once in each of two passes: the
/// first looks for conflicts and counts the tables that will be needed, the second, which cannot
/// fail, writes. Guarded by the page table's lock; one instance serves one page table.
final class RangeMapper {
    private static final long[] NO_FRAMES = {};

    private final TableStore store;
    private final PagingFormat format;

    // The request being served.
    private int flagBits;
    private OnExisting existing = OnExisting.ERROR;
    private int topLeafHeight;
    private long start;
    private long delta;
    private long[] paddrs = NO_FRAMES;
    private int from;
    private boolean scattered;

    RangeMapper(TableStore store) {
        this.store = store;
        this.format = store.format;
    }

    void mapRange(
            long vaddr,
            long paddr,
            long sizeBytes,
            MmuFlags flags,
            HugePages huge,
            OnExisting onExisting) {
        flagBits = flags.bits();
        existing = onExisting;
        topLeafHeight = huge == HugePages.ALLOWED ? format.maxSoftwareLeafHeight() : 0;
        start = vaddr;
        delta = paddr - vaddr;
        scattered = false;
        run(vaddr, sizeBytes);
    }

    void mapPages(
            long vaddr,
            long[] frames,
            int first,
            int count,
            MmuFlags flags,
            OnExisting onExisting) {
        flagBits = flags.bits();
        existing = onExisting;
        topLeafHeight = 0;
        start = vaddr;
        paddrs = frames;
        from = first;
        scattered = true;
        try {
            run(vaddr, (long) count << PageSize.BASE_SHIFT);
        } finally {
            paddrs = NO_FRAMES;
        }
    }

    private void run(long vaddr, long size) {
        store.reserve(plan(store.root, format.rootHeight, vaddr, size));
        enter(store.root, format.rootHeight, vaddr, size, /* hidden= */ false);
        store.finish();
    }

    private long paddr(long vaddr) {
        return scattered
                ? paddrs[from + (int) ((vaddr - start) >>> PageSize.BASE_SHIFT)]
                : vaddr + delta;
    }

    /// Whether the part of a request that lies in one slot becomes one leaf there.
    private boolean fits(int height, long vaddr, long part) {
        long slot = 1L << format.shifts[height];
        return height <= topLeafHeight
                && part == slot
                && ((paddr(vaddr) & (slot - 1)) == 0)
                && !store.loans.isLent(height, vaddr);
    }

    // First pass: what is in the way, and how many tables are missing.

    private int plan(long table, int height, long vaddr, long size) {
        if (height == 0) {
            if (existing == OnExisting.ERROR) {
                requireAbsent(table, vaddr, size);
            }
            return 0;
        }
        int wanted = 0;
        long slot = 1L << format.shifts[height];
        long left = size;
        for (long at = vaddr; left != 0; ) {
            long part = Math.min(left, slot - (at & (slot - 1)));
            long raw = store.read(entry(table, height, at));
            if (!format.isPresent(height, raw)) {
                wanted += planAbsent(height, at, part);
            } else if (format.isLeaf(height, raw)) {
                wanted += planOverLeaf(height, raw, at, part);
            } else if (!fits(height, at, part) || !store.isEmpty(format.address(raw), height - 1)) {
                requireNoTable(height, raw, at, part);
                wanted += plan(format.address(raw), height - 1, at, part);
            }
            at += part;
            left -= part;
        }
        return wanted;
    }

    /// Tables needed where there is nothing yet.
    private int planAbsent(int height, long vaddr, long size) {
        if (height == 0 || fits(height, vaddr, size)) {
            return 0;
        }
        int wanted = 1;
        if (height == 1) {
            return wanted;
        }
        long slot = 1L << format.shifts[height - 1];
        long left = size;
        for (long at = vaddr; left != 0; ) {
            long part = Math.min(left, slot - (at & (slot - 1)));
            wanted += planAbsent(height - 1, at, part);
            at += part;
            left -= part;
        }
        return wanted;
    }

    /// Tables needed where a leaf covers the slot.
    private int planOverLeaf(int height, long raw, long vaddr, long size) {
        switch (existing) {
            case ERROR -> {
                if (fits(height, vaddr, size)) {
                    throw PagingException.alreadyMapped(vaddr, format.leafAddress(height, raw));
                }
                throw PagingException.mappedToHugePage(vaddr, pageSize(height));
            }
            case SKIP -> {
                return 0;
            }
            case UPGRADE -> {
                if (height == 0 || isKeptWhole(height, raw, vaddr, size)) {
                    return 0;
                }
            }
        }
        int wanted = 1;
        if (height == 1) {
            return wanted;
        }
        int below = height - 1;
        long slot = 1L << format.shifts[below];
        long left = size;
        for (long at = vaddr; left != 0; ) {
            long part = Math.min(left, slot - (at & (slot - 1)));
            long address = frameIn(height, raw, at) & -slot;
            wanted += planOverLeaf(below, store.part(height, raw, address), at, part);
            at += part;
            left -= part;
        }
        return wanted;
    }

    /// Whether an upgrade over a leaf leaves one leaf: it changes nothing, or all of it alike.
    private boolean isKeptWhole(int height, long raw, long vaddr, long size) {
        if (fits(height, vaddr, size)) {
            return true;
        }
        return isSameFrames(height, raw, vaddr, size)
                && (size == 1L << format.shifts[height]
                        || merged(format.flagBits(height, raw)) == format.flagBits(height, raw));
    }

    private boolean isSameFrames(int height, long raw, long vaddr, long size) {
        if (!scattered) {
            return frameIn(height, raw, vaddr) == paddr(vaddr);
        }
        for (long offset = 0; offset < size; offset += PageSize.BASE_BYTES) {
            if (frameIn(height, raw, vaddr + offset) != paddr(vaddr + offset)) {
                return false;
            }
        }
        return true;
    }

    /// Physical address that a leaf gives to a virtual address inside it.
    private long frameIn(int height, long raw, long vaddr) {
        return format.leafAddress(height, raw) + (vaddr & ((1L << format.shifts[height]) - 1));
    }

    /// The flags of an entry of the same frame after an upgrade: it gains, it does not lose.
    private int merged(int old) {
        int union = old | flagBits;
        return format.leafAttributes[0][union] != 0
                ? union
                : (union & ~MmuFlags.MEMORY_TYPE_MASK) | (old & MmuFlags.MEMORY_TYPE_MASK);
    }

    private void requireAbsent(long table, long vaddr, long size) {
        long first = entry(table, 0, vaddr);
        int count = (int) (size >>> PageSize.BASE_SHIFT);
        long together = 0;
        for (int i = 0; i < count; i++) {
            together |= store.peek(first + (long) i * Long.BYTES);
        }
        if ((together & format.presentMask) == 0) {
            return;
        }
        for (int i = 0; i < count; i++) {
            long raw = store.peek(first + (long) i * Long.BYTES);
            if (format.isPresent(0, raw)) {
                long page = vaddr + ((long) i << PageSize.BASE_SHIFT);
                throw PagingException.alreadyMapped(page, format.leafAddress(0, raw));
            }
        }
    }

    /// A request for one huge leaf conflicts with any page below it.
    private void requireNoTable(int height, long raw, long vaddr, long part) {
        if (existing != OnExisting.ERROR || !fits(height, vaddr, part)) {
            return;
        }
        requireEmptyTree(format.address(raw), height - 1, vaddr);
    }

    private void requireEmptyTree(long table, int height, long vaddr) {
        for (int index = 0; index < TableStore.TABLE_ENTRIES; index++) {
            long raw = store.read(table + (long) index * Long.BYTES);
            if (format.isPresent(height, raw)) {
                long at = vaddr + ((long) index << format.shifts[height]);
                if (format.isLeaf(height, raw)) {
                    throw PagingException.alreadyMapped(at, format.leafAddress(height, raw));
                }
                requireEmptyTree(format.address(raw), height - 1, at);
            }
        }
    }

    // Second pass: nothing can fail any more.

    private void enter(long table, int height, long vaddr, long size, boolean hidden) {
        if (height == 0) {
            enterPages(table, vaddr, size, hidden);
            return;
        }
        long slot = 1L << format.shifts[height];
        long left = size;
        for (long at = vaddr; left != 0; ) {
            long part = Math.min(left, slot - (at & (slot - 1)));
            enterSlot(entry(table, height, at), height, at, part, hidden);
            at += part;
            left -= part;
        }
    }

    private void enterSlot(long entry, int height, long vaddr, long part, boolean hidden) {
        long raw = store.read(entry);
        boolean fits = fits(height, vaddr, part);
        if (!format.isPresent(height, raw)) {
            if (fits) {
                store.write(entry, leaf(height, vaddr));
                return;
            }
            long child = store.take();
            enter(child, height - 1, vaddr, part, /* hidden= */ true);
            store.write(entry, format.encodePointer(child));
        } else if (format.isLeaf(height, raw)) {
            if (existing == OnExisting.UPGRADE) {
                upgrade(entry, height, raw, vaddr, part, hidden);
            }
        } else {
            long child = format.address(raw);
            if (fits && store.isEmpty(child, height - 1)) {
                // Clause A-57: an empty table must not keep a huge leaf out.
                store.retire(child);
                store.flushes.add(vaddr, format.shifts[height]);
                if (format.breakMask != 0) {
                    store.write(entry, 0);
                    store.flushes.flush();
                }
                store.write(entry, leaf(height, vaddr));
            } else {
                enter(child, height - 1, vaddr, part, hidden);
                if (height == 1) {
                    // What is entered gets the time to be used.
                    store.setIdle(entry, /* idle= */ false);
                }
            }
        }
    }

    private long leaf(int height, long vaddr) {
        return format.leafAttributes[height][flagBits] | format.addressField(paddr(vaddr));
    }

    private void enterPages(long table, long vaddr, long size, boolean hidden) {
        long first = entry(table, 0, vaddr);
        int count = (int) (size >>> PageSize.BASE_SHIFT);
        if (existing != OnExisting.ERROR) {
            for (int i = 0; i < count; i++) {
                long page = vaddr + ((long) i << PageSize.BASE_SHIFT);
                enterPage(first + (long) i * Long.BYTES, page, hidden);
            }
            return;
        }
        store.beginPokes();
        long raw = format.leafAttributes[0][flagBits];
        if (scattered) {
            long[] list = paddrs;
            int frame = from + (int) ((vaddr - start) >>> PageSize.BASE_SHIFT);
            int shift = format.addressShift;
            for (int i = 0; i < count; i++) {
                store.poke(first + (long) i * Long.BYTES, raw | list[frame + i] >>> shift);
            }
            return;
        }
        raw |= format.addressField(vaddr + delta);
        long step = format.addressField(PageSize.BASE_BYTES);
        for (int i = 0; i < count; i++) {
            store.poke(first + (long) i * Long.BYTES, raw + i * step);
        }
    }

    private void enterPage(long entry, long vaddr, boolean hidden) {
        long raw = store.read(entry);
        if (!format.isPresent(0, raw)) {
            store.write(entry, leaf(0, vaddr));
        } else if (existing == OnExisting.UPGRADE) {
            upgrade(entry, 0, raw, vaddr, PageSize.BASE_BYTES, hidden);
        }
    }

    /// Clauses V-283 and V-330: another frame replaces frame and flags, the same frame gains flags.
    private void upgrade(long entry, int height, long raw, long vaddr, long part, boolean hidden) {
        if (!isKeptWhole(height, raw, vaddr, part)) {
            long child = store.split(height, raw);
            enter(child, height - 1, vaddr, part, /* hidden= */ true);
            store.putTable(entry, height, vaddr, raw, child, hidden);
            return;
        }
        if (!isSameFrames(height, raw, vaddr, part)) {
            store.putLeaf(
                    entry, height, vaddr, raw, leaf(height, vaddr), /* stale= */ true, hidden);
            return;
        }
        int old = format.flagBits(height, raw);
        int flags = merged(old);
        // Where software sets the flags, the fault for a clear one ends here.
        long touched = raw | touchedBits(flags);
        long next = touched;
        if (flags != old) {
            next =
                    format.withAttributes(
                            touched,
                            format.leafAttributes[height][flags],
                            format.addressField(format.leafAddress(height, raw)),
                            (flags & MmuFlags.WRITE_BIT) != 0);
        }
        if (next == raw) {
            return;
        }
        boolean typeChanged = ((flags ^ old) & MmuFlags.MEMORY_TYPE_MASK) != 0;
        store.putLeaf(entry, height, vaddr, raw, next, typeChanged, hidden);
    }

    private long touchedBits(int flags) {
        if (format.setsAccessed) {
            return 0;
        }
        boolean write = (flags & MmuFlags.WRITE_BIT) != 0;
        return format.accessedMask | (write && !format.setsDirty ? format.dirtyMask : 0);
    }

    private PageSize pageSize(int height) {
        return format.pageSize(height);
    }

    private long entry(long table, int height, long vaddr) {
        return table + (long) format.index(height, vaddr) * Long.BYTES;
    }
}
