package io.jircon.hal.npt;

import io.jircon.hal.PageSize;
import io.jircon.hal.UnusedTables;
import java.util.BitSet;

/// Reads and clears the accessed and dirty states that a walker sets. What is cleared is flushed,
/// so that the next access sets it again. Guarded by the page table's lock.
///
/// A harvest that frees gives each table of base pages two chances: it takes note of an idle one in
/// the pointer to it ([PagingFormat#IDLE_TABLE]), and frees it when it finds it idle the next time.
/// A table that any harvest finds used meanwhile, or that entries are added to, starts again.
final class StateHarvester {
    /// Which of the two.
    enum State {
        /// Someone looked at the page.
        ACCESSED,
        /// Someone wrote to it.
        DIRTY
    }

    private final TableStore store;
    private final PagingFormat format;

    // The request being served.
    private State state = State.ACCESSED;
    private UnusedTables unused = UnusedTables.KEEP;
    private long start;

    StateHarvester(TableStore store) {
        this.store = store;
        this.format = store.format;
    }

    /// Sets the bits of the base pages whose leaf has the state. A huge leaf partly inside the
    /// range keeps its state, for the pages outside.
    void harvest(State what, UnusedTables tables, long vaddr, long size, BitSet pages) {
        state = what;
        unused = tables;
        start = vaddr;
        harvest(store.root, format.rootHeight, vaddr, size, pages);
        store.finish();
    }

    /// Harvests the slots of a table.
    ///
    /// @return whether a table below it was freed
    private boolean harvest(long table, int height, long vaddr, long size, BitSet pages) {
        boolean freed = false;
        long slot = 1L << format.shifts[height];
        long left = size;
        for (long at = vaddr; left != 0; ) {
            long part = Math.min(left, slot - (at & (slot - 1)));
            long entry = entry(table, height, at);
            long raw = store.read(entry);
            if (format.isPresent(height, raw)) {
                if (format.isLeaf(height, raw)) {
                    harvestHugeLeaf(entry, height, raw, at, part, pages);
                } else if (height == 1) {
                    freed |= harvestPages(entry, raw, at, part, pages);
                } else if (harvest(format.address(raw), height - 1, at, part, pages)) {
                    freed |= freeIfEmpty(entry, height, raw, at);
                }
            }
            at += part;
            left -= part;
        }
        return freed;
    }

    private void harvestHugeLeaf(
            long entry, int height, long raw, long vaddr, long part, BitSet pages) {
        if (has(raw)) {
            pages.set(page(vaddr), page(vaddr) + (int) (part >>> PageSize.BASE_SHIFT));
            if (part == 1L << format.shifts[height]) {
                clear(entry, raw);
                store.flushes.add(vaddr, format.shifts[height]);
            }
        }
    }

    /// Harvests a table of base pages.
    ///
    /// @return whether it was freed
    private boolean harvestPages(long pointer, long raw, long vaddr, long size, BitSet pages) {
        long table = format.address(raw);
        int first = format.index(0, vaddr);
        int end = first + (int) (size >>> PageSize.BASE_SHIFT);
        boolean found = false;
        for (int index = first; index < end; index++) {
            long entry = entry(table, index);
            long leaf = store.peek(entry);
            if (format.isPresent(0, leaf) && has(leaf)) {
                long at = vaddr + ((long) (index - first) << PageSize.BASE_SHIFT);
                pages.set(page(at));
                clear(entry, leaf);
                store.flushes.add(at, PageSize.BASE_SHIFT);
                found = true;
            }
        }
        if (state == State.DIRTY) {
            return false;
        }
        if (unused == UnusedTables.KEEP || reachesOut(table, vaddr, first, end)) {
            if (found) {
                store.setIdle(pointer, /* idle= */ false);
            }
            return false;
        }
        if (found || (raw & PagingFormat.IDLE_TABLE) == 0) {
            store.setIdle(pointer, /* idle= */ true);
            return false;
        }
        cut(pointer, 1, table, vaddr);
        return true;
    }

    /// Whether a table must stay for the sake of others: for a borrower, or for what is outside of
    /// the range.
    private boolean reachesOut(long table, long vaddr, int first, int end) {
        if (store.loans.isLent(1, vaddr)) {
            return true;
        }
        for (int index = 0; index < TableStore.TABLE_ENTRIES; index++) {
            if (index == first) {
                index = end;
            }
            if (index < TableStore.TABLE_ENTRIES
                    && format.isPresent(0, store.peek(entry(table, index)))) {
                return true;
            }
        }
        return false;
    }

    private boolean freeIfEmpty(long pointer, int height, long raw, long vaddr) {
        long table = format.address(raw);
        if (store.loans.isLent(height, vaddr) || !store.isEmpty(table, height - 1)) {
            return false;
        }
        cut(pointer, height, table, vaddr);
        return true;
    }

    /// Takes a table out of the tree. A walker may have got into it just before, so that all it can
    /// have found there is flushed.
    private void cut(long pointer, int height, long table, long vaddr) {
        int shift = format.shifts[height];
        store.write(pointer, 0);
        store.flushes.add(vaddr & -1L << shift, shift);
        store.retire(table);
    }

    private boolean has(long raw) {
        return state == State.DIRTY
                ? format.isDirty(raw)
                : (raw & format.accessedMask) == format.accessedMask;
    }

    private void clear(long entry, long raw) {
        long expected = raw;
        while (true) {
            long next =
                    state == State.DIRTY
                            ? (expected & ~(format.dirtyMask | format.softDirtyMask))
                                    | (format.dirtyMask & ~format.dirtyValue)
                            : expected & ~format.accessedMask;
            if (store.replace(entry, expected, next)) {
                return;
            }
            expected = store.read(entry);
        }
    }

    /// Sets the accessed flag of the leaves that intersect a range. That takes nothing away, so
    /// there is nothing to flush.
    void markAccessed(long vaddr, long size) {
        mark(store.root, format.rootHeight, vaddr, size);
    }

    /// Marks the slots of a table.
    ///
    /// @return whether a leaf is among them
    private boolean mark(long table, int height, long vaddr, long size) {
        boolean found = false;
        long slot = 1L << format.shifts[height];
        long left = size;
        for (long at = vaddr; left != 0; ) {
            long part = Math.min(left, slot - (at & (slot - 1)));
            long entry = entry(table, height, at);
            long raw = store.read(entry);
            if (format.isPresent(height, raw)) {
                if (format.isLeaf(height, raw)) {
                    markLeaf(entry, raw);
                    found = true;
                } else if (mark(format.address(raw), height - 1, at, part) && height == 1) {
                    store.setIdle(entry, /* idle= */ false);
                }
            }
            at += part;
            left -= part;
        }
        return found;
    }

    private void markLeaf(long entry, long raw) {
        long expected = raw;
        while (!store.replace(entry, expected, expected | format.accessedMask)) {
            expected = store.read(entry);
        }
    }

    /// Number of a page of the request.
    private int page(long vaddr) {
        return (int) ((vaddr - start) >>> PageSize.BASE_SHIFT);
    }

    private long entry(long table, int height, long vaddr) {
        return entry(table, format.index(height, vaddr));
    }

    private static long entry(long table, int index) {
        return table + (long) index * Long.BYTES;
    }
}
