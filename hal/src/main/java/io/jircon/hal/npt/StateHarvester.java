package io.jircon.hal.npt;

import io.jircon.hal.PageSize;
import java.util.BitSet;

/// Reads and clears the accessed and dirty states that a walker sets. What is cleared is flushed,
/// so that the next access sets it again. Guarded by the page table's lock.
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

    StateHarvester(TableStore store) {
        this.store = store;
        this.format = store.format;
    }

    /// Sets the bits of the base pages whose leaf has the state. A huge leaf partly inside the
    /// range keeps its state, for the pages outside.
    void run(State state, long vaddr, long size, BitSet pages) {
        harvest(store.root, format.rootHeight, state, vaddr, size, vaddr, pages);
        store.finish();
    }

    private void harvest(
            long table, int height, State state, long vaddr, long size, long start, BitSet pages) {
        long slot = 1L << format.shifts[height];
        long left = size;
        for (long at = vaddr; left != 0; ) {
            long part = Math.min(left, slot - (at & (slot - 1)));
            long entry = table + (long) format.index(height, at) * Long.BYTES;
            long raw = store.read(entry);
            if (format.isPresent(height, raw)) {
                if (!format.isLeaf(height, raw)) {
                    harvest(format.address(raw), height - 1, state, at, part, start, pages);
                } else if (has(state, raw)) {
                    int first = (int) ((at - start) >>> PageSize.BASE_SHIFT);
                    pages.set(first, first + (int) (part >>> PageSize.BASE_SHIFT));
                    if (part == slot) {
                        clear(state, entry, raw);
                        store.flushes.add(at, format.shifts[height]);
                    }
                }
            }
            at += part;
            left -= part;
        }
    }

    private boolean has(State state, long raw) {
        return state == State.DIRTY
                ? format.isDirty(raw)
                : (raw & format.accessedMask) == format.accessedMask;
    }

    private void clear(State state, long entry, long raw) {
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
}
