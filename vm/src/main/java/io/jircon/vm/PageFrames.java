package io.jircon.vm;

import static io.jircon.vm.VmoMath.PAGE;

import io.jircon.hal.FrameAllocator;
import io.jircon.hal.PhysicalMemory;

/// Which frame each page of a store has, and who else has it.
///
/// Frames are shared between stores by counting ([ShareCounts]): a snapshot copies the entries of
/// the page list and counts each frame once more; a write to a frame that others have takes a copy
/// and counts it once less; who finds the count 0 owns the frame. There is no tree of hidden nodes,
/// so the depth of a family costs nothing (clause O-9), and closing a member hands its shares to
/// the others by the counts alone (clause O-171).
///
/// An entry that names the machine's zero frame stands for a page of zeros that costs nothing; only
/// pager-backed stores have such (clause O-280).
///
/// Knows nothing of mappings: whoever takes or replaces a frame sees to it that none shows it.
/// Guarded by the family's lock.
final class PageFrames {
    /// Frames moved to the allocator in one call.
    private static final int BATCH = 512;

    private final FrameAllocator frames;
    private final PhysicalMemory memory;
    private final ShareCounts shares;
    private final long zeroFrame;
    private final PageList pages = new PageList();

    PageFrames(Machine machine) {
        frames = machine.hal().frames();
        memory = machine.hal().memory();
        shares = machine.shareCounts();
        zeroFrame = machine.zeroFrame();
    }

    /// The frame of a page, or [PageList#ABSENT].
    long get(long page) {
        return pages.get(page);
    }

    /// The first page of `[first, end)` that has a frame, or [PageList#NONE].
    long next(long first, long end) {
        return pages.next(first, end);
    }

    /// How many pages have a frame, shared or not.
    long count() {
        return pages.count();
    }

    long metadataBytes() {
        return pages.metadataBytes();
    }

    /// Whether a page is a zero marker: it has an entry, and no frame.
    boolean isMarker(long frame) {
        return frame == zeroFrame;
    }

    /// Whether a frame may be written in place: nobody else has it.
    boolean isOwn(long frame) {
        return frame != PageList.ABSENT && frame != zeroFrame && shares.get(frame) == 0;
    }

    /// Whether another store has a frame of this one too.
    boolean isShared(long frame) {
        return frame != PageList.ABSENT && shares.get(frame) != 0;
    }

    /// How many pages of `[first, end)` have no frame of their own. The cost is that of the pages
    /// that have one.
    long wanted(long first, long end) {
        long own = 0;
        for (long page = next(first, end); page != PageList.NONE; page = next(page + 1, end)) {
            if (isOwn(get(page))) {
                own++;
            }
        }
        return end - first - own;
    }

    /// Fills a fresh frame with what the page showed until now.
    void fill(long fresh, long old) {
        if (old == PageList.ABSENT || isMarker(old)) {
            memory.zero(fresh, PAGE);
        } else {
            memory.copy(old, fresh, PAGE);
        }
    }

    /// Puts a filled frame in place of what the page had: nothing, or a frame that others have too.
    void install(long page, long fresh, long old) {
        if (isShared(old)) {
            shares.decrement(old);
        }
        pages.set(page, fresh);
    }

    /// Takes an [#install] back; the fresh frame is the caller's again.
    void putBack(long page, long old) {
        pages.set(page, old);
        if (old != PageList.ABSENT && !isMarker(old)) {
            shares.increment(old);
        }
    }

    /// Enters a zero marker for a page that has no entry.
    void mark(long page) {
        pages.set(page, zeroFrame);
    }

    /// Moves an own frame of another store to a page that has no entry.
    void moveFrom(PageFrames other, long otherPage, long page) {
        pages.set(page, other.get(otherPage));
        other.pages.set(otherPage, PageList.ABSENT);
    }

    /// Frees the pages of `[first, end)` that nobody else has, and gives up the share of the
    /// others.
    void release(long first, long end) {
        long page = next(first, end);
        if (page == PageList.NONE) {
            return;
        }
        long[] batch = new long[(int) Math.min(BATCH, pages.count())];
        int filled = 0;
        for (; page != PageList.NONE; page = next(page + 1, end)) {
            long frame = get(page);
            pages.set(page, PageList.ABSENT);
            if (isShared(frame)) {
                shares.decrement(frame);
            } else if (!isMarker(frame)) {
                batch[filled++] = frame;
                if (filled == batch.length) {
                    frames.free(batch, 0, filled);
                    filled = 0;
                }
            }
        }
        frames.free(batch, 0, filled);
    }

    /// Shares the frames of `[first, end)` with an empty store of the same family, which has them
    /// from its page 0 on.
    void shareWith(PageFrames child, long first, long end) {
        for (long page = next(first, end); page != PageList.NONE; page = next(page + 1, end)) {
            long frame = get(page);
            shares.increment(frame);
            child.pages.set(page - first, frame);
        }
    }

    /// Adds up what the pages of `[first, end)` cost (clause O-223).
    void attribute(long first, long end, Attribution out) {
        for (long page = next(first, end); page != PageList.NONE; page = next(page + 1, end)) {
            if (!isMarker(get(page))) {
                out.add(1, shares.get(get(page)) + 1);
            }
        }
    }
}
