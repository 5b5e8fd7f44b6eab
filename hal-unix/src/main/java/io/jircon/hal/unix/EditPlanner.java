package io.jircon.hal.unix;

import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingException;
import io.jircon.hal.TableBounds;

/// Works out what an operation on a page table changes: reads the shadow, adds to an [EditPlan],
/// changes neither the shadow nor the host. A run of pages costs one step, whatever its length.
///
/// Where the host is asked for huge pages, those pages of a run are hinted that fill huge pages
/// both of the window and of the frame file. The host does not merge a hinted mapping with one that
/// is not, so the hint is part of the entry.
///
/// Guarded by its page table's lock.
final class EditPlanner {
    private static final long HUGE_PAGES = PageSize.SIZE_2M.bytes() >>> PageSize.BASE_SHIFT;

    private final TableBounds bounds;
    private final PageRuns runs;
    private final HostFrames frames;
    private final long windowPage;

    /// Makes a planner.
    ///
    /// @param bounds the table's addresses
    /// @param runs the shadow
    /// @param frames says whether to hint
    /// @param windowAddress host address of the first page
    EditPlanner(TableBounds bounds, PageRuns runs, HostFrames frames, long windowAddress) {
        this.bounds = bounds;
        this.runs = runs;
        this.frames = frames;
        this.windowPage = windowAddress >>> PageSize.BASE_SHIFT;
    }

    /// Plans to enter a run of frames.
    ///
    /// @param plan receives the edits
    /// @param vaddr of the first page
    /// @param count how many pages
    /// @param wanted the first page's entry
    /// @param existing what becomes of pages that have an entry
    /// @throws PagingException ALREADY_MAPPED as `existing` says; the plan is then of no use
    void enter(EditPlan plan, long vaddr, long count, long wanted, OnExisting existing) {
        long page = bounds.pageOf(vaddr);
        long before = frames.huge() ? pagesBeforeHuge(page, count, wanted) : count;
        long huge = (count - before) & -HUGE_PAGES;
        enterAlike(plan, page, before, wanted, existing);
        if (before < count) {
            long first = ShadowEntry.advance(wanted, before);
            enterAlike(plan, page + before, huge, ShadowEntry.hinted(first), existing);
            long after = before + huge;
            long rest = ShadowEntry.advance(wanted, after);
            enterAlike(plan, page + after, count - after, rest, existing);
        }
    }

    /// How many pages of a run come before the first that fill a huge page; all when none do.
    private long pagesBeforeHuge(long page, long count, long wanted) {
        long hostPage = windowPage + page;
        long filePage = HostFrames.offsetOf(frames.hostPage(wanted)) >>> PageSize.BASE_SHIFT;
        long before = -hostPage & (HUGE_PAGES - 1);
        boolean fills =
                ((hostPage - filePage) & (HUGE_PAGES - 1)) == 0 && before + HUGE_PAGES <= count;
        return fills ? before : count;
    }

    private void enterAlike(
            EditPlan plan, long page, long count, long wanted, OnExisting existing) {
        for (long done = 0; done < count; ) {
            long at = page + done;
            long here = ShadowEntry.advance(wanted, done);
            long length = runs.runLength(at, count - done);
            long old = runs.runStart();
            if (old == ShadowEntry.NONE) {
                plan.add(at, length, old, here);
            } else {
                switch (existing) {
                    case ERROR ->
                            throw PagingException.alreadyMapped(
                                    bounds.vaddrOf(at), ShadowEntry.paddr(old));
                    case SKIP -> {}
                    case UPGRADE -> upgrade(plan, at, length, old, here);
                }
            }
            done += length;
        }
    }

    /// Both runs step alike, so that either all their pages name the same frame or none does.
    private static void upgrade(EditPlan plan, long page, long count, long old, long wanted) {
        long fresh = wanted;
        if (ShadowEntry.paddr(old) == ShadowEntry.paddr(wanted)) {
            int rights = MmuFlags.ACCESS_MASK | MmuFlags.USER_BIT;
            fresh = old | (ShadowEntry.flagBits(wanted) & rights);
        }
        if (fresh != old) {
            plan.add(page, count, old, fresh);
        }
    }

    /// Plans to enter scattered frames; those that lie in a row are one run.
    ///
    /// @param plan receives the edits
    /// @param vaddr of the first page; anything when `count` is 0
    /// @param paddrs the frames
    /// @param from index of the first one
    /// @param count how many
    /// @param flags of each entry
    /// @param existing what becomes of pages that have an entry
    /// @throws PagingException ALREADY_MAPPED as `existing` says; the plan is then of no use
    void enter(
            EditPlan plan,
            long vaddr,
            long[] paddrs,
            int from,
            int count,
            MmuFlags flags,
            OnExisting existing) {
        int end = from + count;
        for (int at = from; at < end; ) {
            int next = at + 1;
            while (next < end && paddrs[next] == paddrs[next - 1] + PageSize.BASE_BYTES) {
                next++;
            }
            long start = vaddr + ((long) (at - from) << PageSize.BASE_SHIFT);
            enter(plan, start, next - at, ShadowEntry.of(paddrs[at], flags), existing);
            at = next;
        }
    }

    /// Plans to take the entries of a range away. Pages without an entry are planned as well: one
    /// call of the host may run across them.
    void remove(EditPlan plan, long vaddr, long sizeBytes) {
        long end = endPage(vaddr, sizeBytes);
        for (long page = bounds.pageOf(vaddr); page < end; ) {
            long count = runs.runLength(page, end - page);
            plan.add(page, count, runs.runStart(), ShadowEntry.NONE);
            page += count;
        }
    }

    /// Plans new flags for the entries of a range.
    ///
    /// @param keep the old bits that stay
    /// @param add the bits that each entry gets
    void reflag(EditPlan plan, long vaddr, long sizeBytes, int keep, int add) {
        long end = endPage(vaddr, sizeBytes);
        for (long page = bounds.pageOf(vaddr); page < end; ) {
            long count = runs.runLength(page, end - page);
            long old = runs.runStart();
            if (old != ShadowEntry.NONE) {
                int bits = (ShadowEntry.flagBits(old) & keep) | add;
                long wanted = ShadowEntry.withFlagBits(old, bits);
                if (wanted != old) {
                    plan.add(page, count, old, wanted);
                }
            }
            page += count;
        }
    }

    /// Adds the entries of a range as they are, run by run.
    void collect(EditPlan plan, long vaddr, long sizeBytes) {
        long end = endPage(vaddr, sizeBytes);
        for (long page = bounds.pageOf(vaddr); page < end; ) {
            long count = runs.runLength(page, end - page);
            long entry = runs.runStart();
            if (entry != ShadowEntry.NONE) {
                plan.add(page, count, entry, entry);
            }
            page += count;
        }
    }

    private long endPage(long vaddr, long sizeBytes) {
        return bounds.pageOf(vaddr) + (sizeBytes >>> PageSize.BASE_SHIFT);
    }
}
