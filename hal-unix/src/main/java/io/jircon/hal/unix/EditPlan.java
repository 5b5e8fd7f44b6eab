package io.jircon.hal.unix;

import java.util.Arrays;

/// What one operation changes, run by run in ascending order: collected first, so that a limit is
/// noticed and a refused system call taken back before the shadow changes.
///
/// An edit is a run of pages whose old entries continue each other and whose new ones do; its old
/// pages are all in the memory or all outside it, and so are its new ones. Kept and used again by
/// its page table, under whose lock it is.
final class EditPlan {
    private static final int KEPT_CAPACITY = 1 << 12;

    private final HostFrames frames;
    private long[] pages = new long[16];
    private long[] counts = new long[16];
    private long[] before = new long[16];
    private long[] after = new long[16];

    // What the host has to show for them, of HostFrames.hostPage.
    private long[] hostBefore = new long[16];
    private long[] hostAfter = new long[16];
    private int size;
    private boolean weakens;

    EditPlan(HostFrames frames) {
        this.frames = frames;
    }

    /// Forgets the edits, and a capacity that the last operation did not need.
    void clear() {
        if (pages.length > KEPT_CAPACITY && size < pages.length / 4) {
            resize(KEPT_CAPACITY);
        }
        size = 0;
        weakens = false;
    }

    int size() {
        return size;
    }

    long page(int edit) {
        return pages[edit];
    }

    long count(int edit) {
        return counts[edit];
    }

    long end(int edit) {
        return pages[edit] + counts[edit];
    }

    /// The old entry of an edit's first page.
    long before(int edit) {
        return before[edit];
    }

    /// The new entry of an edit's first page.
    long after(int edit) {
        return after[edit];
    }

    /// What the host shows for an edit's first page.
    long hostBefore(int edit) {
        return hostBefore[edit];
    }

    /// What the host is to show for an edit's first page.
    long hostAfter(int edit) {
        return hostAfter[edit];
    }

    /// Whether some page loses its entry, its frame or a right: accesses that still use the old
    /// translation have to be waited for.
    boolean weakens() {
        return weakens;
    }

    /// Appends a run.
    ///
    /// @param page first page, not before the end of the last edit
    /// @param count how many pages
    /// @param old the first page's entry now
    /// @param wanted the first page's entry afterwards
    void add(long page, long count, long old, long wanted) {
        weakens |= old != ShadowEntry.NONE && !keeps(old, wanted);
        for (long done = 0; done < count; ) {
            long oldHere = ShadowEntry.advance(old, done);
            long wantedHere = ShadowEntry.advance(wanted, done);
            long part = frames.untilBorder(wantedHere, frames.untilBorder(oldHere, count - done));
            long hostOld = frames.hostPage(oldHere);
            long hostWanted = frames.hostPage(wantedHere);
            if (size > 0 && continuesLast(page + done, oldHere, wantedHere, hostOld, hostWanted)) {
                counts[size - 1] += part;
            } else {
                append(page + done, part, oldHere, wantedHere);
                hostBefore[size - 1] = hostOld;
                hostAfter[size - 1] = hostWanted;
            }
            done += part;
        }
    }

    private static boolean keeps(long old, long wanted) {
        return ShadowEntry.paddr(old) == ShadowEntry.paddr(wanted)
                && (ShadowEntry.flagBits(old) & ~ShadowEntry.flagBits(wanted)) == 0;
    }

    private boolean continuesLast(long page, long old, long wanted, long hostOld, long hostWanted) {
        int last = size - 1;
        return page == end(last)
                && old == ShadowEntry.advance(before[last], counts[last])
                && wanted == ShadowEntry.advance(after[last], counts[last])
                && isShown(hostOld) == isShown(hostBefore[last])
                && isShown(hostWanted) == isShown(hostAfter[last]);
    }

    private static boolean isShown(long hostPage) {
        return hostPage != HostFrames.NO_HOST_PAGE;
    }

    private void append(long page, long count, long old, long wanted) {
        if (size == pages.length) {
            resize(2 * size);
        }
        pages[size] = page;
        counts[size] = count;
        before[size] = old;
        after[size] = wanted;
        size++;
    }

    private void resize(int capacity) {
        pages = Arrays.copyOf(pages, capacity);
        counts = Arrays.copyOf(counts, capacity);
        before = Arrays.copyOf(before, capacity);
        after = Arrays.copyOf(after, capacity);
        hostBefore = Arrays.copyOf(hostBefore, capacity);
        hostAfter = Arrays.copyOf(hostAfter, capacity);
    }

    /// How the number of host mappings changes.
    ///
    /// The host merges neighbours that continue each other, so the number of mappings is one more
    /// than that of borders between pages that do not; only borders at and in the edits change.
    ///
    /// @param runs the shadow, as before the edits
    /// @param pageCount pages in the window
    /// @param result receives the change at the end, and the largest change on the way when the
    ///   edits are made in order
    void countMappings(PageRuns runs, long pageCount, MappingCount result) {
        long now = 0;
        long peak = 0;
        for (int i = 0; i < size; i++) {
            boolean joined = i > 0 && end(i - 1) == pages[i];
            if (pages[i] > 0) {
                long oldLeft =
                        joined
                                ? ShadowEntry.advance(hostBefore[i - 1], counts[i - 1] - 1)
                                : frames.hostPage(runs.getNear(pages[i] - 1));
                long newLeft =
                        joined ? ShadowEntry.advance(hostAfter[i - 1], counts[i - 1] - 1) : oldLeft;
                now += border(newLeft, hostAfter[i]) - border(oldLeft, hostBefore[i]);
            }
            boolean openEnd = i + 1 == size || pages[i + 1] != end(i);
            if (openEnd && end(i) < pageCount) {
                long right = frames.hostPage(runs.getNear(end(i)));
                now += border(ShadowEntry.advance(hostAfter[i], counts[i] - 1), right);
                now -= border(ShadowEntry.advance(hostBefore[i], counts[i] - 1), right);
            }
            peak = Math.max(peak, now);
        }
        result.change = now;
        result.peak = peak;
    }

    private static int border(long left, long right) {
        return right == ShadowEntry.advance(left, 1) ? 0 : 1;
    }

    /// Where [#countMappings] puts its result.
    static final class MappingCount {
        long change;
        long peak;
    }
}
