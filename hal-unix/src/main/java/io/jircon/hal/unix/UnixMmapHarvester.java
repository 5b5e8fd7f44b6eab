package io.jircon.hal.unix;

import io.jircon.hal.PageSize;
import io.jircon.hal.TableBounds;
import io.jircon.hal.UnusedTables;
import java.util.BitSet;

/// Tells and forgets what processors and views noted about accesses, and plans the removal of what
/// nobody uses. The host keeps its page tables to itself, so the entries of each aligned 2 MiB of
/// addresses count as one table here.
///
/// A mark counts only for a page with an entry. One may be left on a page that has none: by a call
/// of the host that touched it, then was held at another page, and ended after the entry went. So
/// the mark goes before a page gets an entry.
///
/// Guarded by its page table's lock; marks are set without it.
final class UnixMmapHarvester {
    private static final int TABLE_SHIFT = PageSize.SIZE_2M.shift() - PageSize.BASE_SHIFT;

    private final TableBounds bounds;
    private final PageRuns runs;
    private final EditPlanner planner;
    private final PinnedViews views;
    private final AccessedMarks marks;
    private final HostWindow window;
    private final long pageCount;

    /// Pages between a 2 MiB border and the first page of the window.
    private final long skew;

    /// Bit n: a harvest that frees went by since the last sign of use of the n-th table.
    private final BitSet idle = new BitSet();

    UnixMmapHarvester(
            TableBounds bounds,
            PageRuns runs,
            EditPlanner planner,
            PinnedViews views,
            AccessedMarks marks,
            HostWindow window) {
        this.bounds = bounds;
        this.runs = runs;
        this.planner = planner;
        this.views = views;
        this.marks = marks;
        this.window = window;
        this.pageCount = bounds.pageOf(bounds.last()) + 1;
        this.skew = (bounds.first() >>> PageSize.BASE_SHIFT) & ((1L << TABLE_SHIFT) - 1);
    }

    /// Sets the bits of the accessed pages, counted from the first byte.
    ///
    /// @param told receives the bits
    /// @param plan receives what is to be removed
    void harvest(long vaddr, long sizeBytes, UnusedTables unused, BitSet told, EditPlan plan) {
        TableBounds.checkCountable(sizeBytes);
        views.dropEnded();
        long first = bounds.pageOf(vaddr);
        long end = first + (sizeBytes >>> PageSize.BASE_SHIFT);
        for (long page = nextEntry(first, end); page < end; ) {
            long table = tableOf(page);
            long tableFirst = Math.max(0, (table << TABLE_SHIFT) - skew);
            long tableEnd = Math.min(pageCount, ((table + 1) << TABLE_SHIFT) - skew);
            long stop = Math.min(tableEnd, end);
            boolean found = take(page, stop, told, (int) (page - first));
            if (unused == UnusedTables.KEEP
                    || hasEntry(tableFirst, first)
                    || hasEntry(end, tableEnd)) {
                idle.set((int) table, idle.get((int) table) && !found);
            } else if (found || !idle.get((int) table)) {
                idle.set((int) table);
            } else {
                planner.remove(plan, bounds.vaddrOf(page), (stop - page) << PageSize.BASE_SHIFT);
            }
            page = nextEntry(stop, end);
        }
        views.mark();
    }

    private boolean take(long page, long end, BitSet told, int toldFrom) {
        boolean found = false;
        for (long at = nextEntry(page, end); at < end; at = nextEntry(at, end)) {
            long count = runs.runLength(at, end - at);
            found |= marks.take(at, count, told, toldFrom + (int) (at - page));
            at += count;
        }
        if (found && window.holdsMinor()) {
            holdNext(page, told, toldFrom, toldFrom + (int) (end - page));
        }
        return found;
    }

    /// Has the next access to each page that was told be held.
    private void holdNext(long page, BitSet told, int from, int end) {
        int first = told.nextSetBit(from);
        while (first >= 0 && first < end) {
            int after = Math.min(told.nextClearBit(first), end);
            window.forgetEntered(page + (first - from), after - first);
            first = told.nextSetBit(after);
        }
    }

    /// Marks the entries of a range.
    void mark(long vaddr, long sizeBytes) {
        long first = bounds.pageOf(vaddr);
        long end = first + (sizeBytes >>> PageSize.BASE_SHIFT);
        for (long at = nextEntry(first, end); at < end; at = nextEntry(at, end)) {
            long count = runs.runLength(at, end - at);
            marks.set(at, count);
            use(at, count);
            at += count;
        }
    }

    /// Forgets what is left on pages that a plan enters; before it is carried out.
    void forgetAbsent(EditPlan plan) {
        for (int edit = 0; edit < plan.size(); edit++) {
            if (enters(plan, edit)) {
                marks.clear(plan.page(edit), plan.count(edit));
            }
        }
    }

    /// Notes that a plan was carried out, and that no access by old entries is under way.
    void changed(EditPlan plan) {
        for (int edit = 0; edit < plan.size(); edit++) {
            if (enters(plan, edit)) {
                use(plan.page(edit), plan.count(edit)); // what is entered gets time to be used
            } else if (ShadowEntry.paddr(plan.before(edit))
                    != ShadowEntry.paddr(plan.after(edit))) {
                marks.clear(plan.page(edit), plan.count(edit));
            }
        }
    }

    private static boolean enters(EditPlan plan, int edit) {
        return plan.before(edit) == ShadowEntry.NONE && plan.after(edit) != ShadowEntry.NONE;
    }

    private void use(long page, long count) {
        idle.clear((int) tableOf(page), (int) tableOf(page + count - 1) + 1);
    }

    private long tableOf(long page) {
        return (page + skew) >>> TABLE_SHIFT;
    }

    private boolean hasEntry(long from, long end) {
        return nextEntry(from, end) < end;
    }

    /// The first page from one on that has an entry, or the end.
    private long nextEntry(long from, long end) {
        long page = from;
        while (page < end) {
            long count = runs.runLength(page, end - page);
            if (runs.runStart() != ShadowEntry.NONE) {
                return page;
            }
            page += count;
        }
        return end;
    }
}
