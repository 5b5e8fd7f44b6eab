package io.jircon.vm;

import static io.jircon.vm.VmoMath.SHIFT;

import io.jircon.kobject.ZxStatus;
import org.jspecify.annotations.Nullable;

/// The pages of a snapshot that has a pager at its root (clauses O-155 to O-163).
///
/// It has the pages that were written, committed or pinned through it. What it has not, it shows of
/// its parent: the pager's store, or the nearest snapshot above that has pages in its range; whole
/// pages that were zeroed, and what lies past the parent's end, are zeros. What the pager's store
/// has not is asked of the pager, by that store's offsets (clause O-309).
///
/// A snapshot of such a snapshot's own pages shares them by counting, as without a pager, and has
/// the pager's store for its parent: of the two none is above the other.
final class CloneStore extends PageStore {
    /// How many pages a write asks for at once (clause O-273).
    private static final long WRITE_BATCH = 16;

    /// Stores that are snapshots of each other's own pages.
    private static final class Circle {
        private int members = 1;
    }

    private final PagerStore root;
    private final PageStore parent;

    /// Where page 0 lies in the parent.
    private final long parentPage;

    /// The first page where the parent is not seen any more; it never grows.
    private long limit;

    /// Pages that are zeros whatever the parent has there. The states of the runs mean nothing.
    private final ZeroRanges cleared = new ZeroRanges();

    private @Nullable Circle circle;

    private CloneStore(
            Machine machine,
            PagerStore root,
            PageStore parent,
            long parentPage,
            long limit,
            long sizeBytes,
            long rootOffset) {
        super(machine, root.family, new CommitPolicy.CopyOnWrite(), sizeBytes, rootOffset);
        this.root = root;
        this.parent = parent;
        this.parentPage = parentPage;
        this.limit = limit;
    }

    /// Makes one that shows what a store shows until it is written to (clause O-161).
    ///
    /// @param root the pager's store, above the source or the source itself
    /// @param offset where it starts in the source
    static CloneStore under(
            Machine machine, PagerStore root, PageStore source, long offset, long sizeBytes) {
        PageStore parent = source;
        long page = offset >>> SHIFT;
        long limit = clamp(source.pageCount() - page, sizeBytes >>> SHIFT);
        while (parent instanceof CloneStore clone && !clone.decidesIn(page, page + limit)) {
            limit = clamp(clone.limit - page, limit);
            page += clone.parentPage;
            parent = clone.parent;
        }
        var made =
                new CloneStore(
                        machine, root, parent, page, limit, sizeBytes, source.rootOffset + offset);
        parent.addUser();
        parent.clones.add(made);
        return made;
    }

    /// Makes one that has the pages that this store has now (clause O-163); what neither has, both
    /// see of the pager's store.
    ///
    /// @param offset where it starts in this store
    /// @throws io.jircon.hal.PagingException when the machine refuses to take write permission from
    ///   the entries; nothing has changed
    CloneStore snapshot(Machine machine, long offset, long sizeBytes) {
        long page = offset >>> SHIFT;
        var made =
                new CloneStore(
                        machine,
                        root,
                        root,
                        parentPage + page,
                        clamp(limit - page, sizeBytes >>> SHIFT),
                        sizeBytes,
                        rootOffset + offset);
        root.addUser();
        root.clones.add(made);
        boolean shared = false;
        try {
            shareWith(made, offset);
            shared = true;
        } finally {
            if (!shared) {
                made.removeUser();
            }
        }
        long end = page + made.limit;
        for (ZeroRanges.Piece zero = cleared.next(page, end);
                zero != null;
                zero = cleared.next(zero.end(), end)) {
            made.cleared.add(Math.max(0, zero.first() - page), Math.min(end, zero.end()) - page);
        }
        if (circle == null) {
            circle = new Circle();
        }
        made.circle = circle;
        circle.members++;
        return made;
    }

    private static long clamp(long pages, long most) {
        return Math.max(0, Math.min(pages, most));
    }

    // ---- what it is

    @Override
    PagerStore pagerRoot() {
        return root;
    }

    @Override
    PageStore parentStore() {
        return parent;
    }

    long parentPage() {
        return parentPage;
    }

    long limit() {
        return limit;
    }

    /// Whether it shares pages with a snapshot that was made of it, or that it was made of (clause
    /// O-157).
    boolean isInCircle() {
        return circle != null && circle.members > 1;
    }

    /// Whether a snapshot of its own pages can be made: nothing that it shows is another
    /// snapshot's, and nothing that another shows is its own (clause O-159).
    boolean canShareWithSnapshot() {
        return parent == root && clones.isEmpty();
    }

    /// Whether a page of `[first, end)` is this store's to say.
    private boolean decidesIn(long first, long end) {
        return pages.next(first, end) != PageList.NONE || cleared.next(first, end) != null;
    }

    /// Whether a page is what the parent shows there.
    boolean seesParentAt(long page) {
        return pages.get(page) == PageList.ABSENT && looksUpAt(page);
    }

    /// Whether a page that has no frame is what the parent shows there.
    private boolean looksUpAt(long page) {
        return page < limit && !cleared.contains(page);
    }

    // ---- what it shows

    @Override
    long inherited(long page) {
        CloneStore store = this;
        long at = page;
        while (store.looksUpAt(at)) {
            at += store.parentPage;
            long frame = store.parent.pages.get(at);
            if (frame != PageList.ABSENT || !(store.parent instanceof CloneStore above)) {
                return frame;
            }
            store = above;
        }
        return PageList.ABSENT;
    }

    /// The page of the pager's store that a page shows; NONE when a snapshot has it, or zeros.
    private long rootPage(long page) {
        CloneStore store = this;
        long at = page;
        while (store.seesParentAt(at)) {
            at += store.parentPage;
            if (!(store.parent instanceof CloneStore above)) {
                return at;
            }
            store = above;
        }
        return PageList.NONE;
    }

    /// How far the pages from one on are all the pager's store's, or all zeros; a page that a
    /// snapshot has is a run of its own.
    private long runEnd(long page, long end) {
        CloneStore store = this;
        long at = page;
        long left = end - page; // what is left of the run by the stores so far
        while (store.pages.get(at) == PageList.ABSENT) {
            long mine = store.pages.next(at, at + left);
            left = mine == PageList.NONE ? left : mine - at;
            if (at >= store.limit) {
                return page + left;
            }
            ZeroRanges.Piece zero = store.cleared.next(at, at + left);
            if (zero != null && zero.first() <= at) {
                return page + Math.min(left, zero.end() - at);
            }
            left = Math.min(zero == null ? left : zero.first() - at, store.limit - at);
            if (!(store.parent instanceof CloneStore above)) {
                return page + left;
            }
            at += store.parentPage;
            store = above;
        }
        return page + 1;
    }

    @Override
    long nextExisting(long page, long end) {
        long last = Math.min(end, pageCount());
        long at = nextEntry(page, last);
        while (at != PageList.NONE && frame(at) == PageList.ABSENT) {
            at = nextEntry(runEnd(at, last), last); // a snapshot has zeros above it
        }
        return at;
    }

    /// The first page of `[page, end)` that this store, or one above it, has a frame for.
    private long nextEntry(long page, long end) {
        long found = PageList.NONE;
        PageStore store = this;
        long shift = 0;
        long stop = end;
        while (page < stop) {
            long entry = store.pages.next(page + shift, stop + shift);
            if (entry != PageList.NONE) {
                found = entry - shift;
                stop = found;
            }
            if (!(store instanceof CloneStore clone)) {
                break;
            }
            stop = Math.min(stop, clone.limit - shift);
            shift += clone.parentPage;
            store = clone.parent;
        }
        return found;
    }

    @Override
    ZxStatus lookup(long page, boolean write, PageLookup out) {
        long asked = rootPage(page);
        if (asked != PageList.NONE && root.isAbsent(asked)) {
            out.fresh = false;
            return root.statusOfAbsent();
        }
        return super.lookup(page, write, out);
    }

    /// Zeros that are shown of the parent's may become a page of the parent's.
    @Override
    void noteZeroShown(long page) {
        super.noteZeroShown(page);
        CloneStore store = this;
        long at = page;
        while (store.seesParentAt(at)) {
            at += store.parentPage;
            if (!(store.parent instanceof CloneStore above)) {
                root.noteZeroShown(at);
                return;
            }
            above.noteZeroShownHere(at);
            store = above;
        }
    }

    private void noteZeroShownHere(long page) {
        super.noteZeroShown(page);
    }

    /// Takes what shows pages of `[first, end)` out of the mappings of its own.
    void unmapHere(long first, long end) {
        if (!mappings.isEmpty()) {
            mappings.unmap(first << SHIFT, (end << SHIFT) - 1);
        }
    }

    /// Sees the parent no further than to a page of the parent's.
    void cutParentAt(long end) {
        limit = clamp(end - parentPage, limit);
        cleared.remove(limit, Long.MAX_VALUE);
    }

    // ---- what has to be there first

    /// Whatever is not its own has to be read, of the pager's store (clause O-309); nobody is asked
    /// about writes.
    @Override
    @Nullable PageNeed needFor(PageAccess access, long offset, long len) {
        if (len == 0) {
            return null;
        }
        long first = offset >>> SHIFT;
        long end = ((offset + len - 1) >>> SHIFT) + 1;
        return switch (access) {
            case READ, COMMIT, PIN -> toRead(first, end, end - first);
            case WRITE -> toRead(first, end, WRITE_BATCH);
            case ZERO -> {
                PageNeed head = VmoMath.isAligned(offset) ? null : toRead(first, first + 1, 1);
                yield head != null || VmoMath.isAligned(offset + len)
                        ? head
                        : toRead(end - 1, end, 1);
            }
        };
    }

    private @Nullable PageNeed toRead(long first, long end, long batch) {
        long page = first;
        while (page < end) {
            long stop = runEnd(page, end);
            long asked = rootPage(page);
            PageNeed need =
                    asked == PageList.NONE
                            ? null
                            : root.needFor(PageAccess.READ, asked << SHIFT, (stop - page) << SHIFT);
            if (need != null) {
                long from = page + (need.first() - asked);
                long missing = Math.min(batch, need.end() - need.first());
                return new PageNeed(need.command(), from, from + missing);
            }
            page = stop;
        }
        return null;
    }

    @Override
    void ask(PageWait wait, PageNeed need) {
        long shift = rootOffset >>> SHIFT;
        root.ask(wait, new PageNeed(need.command(), need.first() + shift, need.end() + shift));
    }

    @Override
    void lookAgain() {
        root.lookAgain();
    }

    // ---- ranges

    /// Whole pages are zeros from now on, whatever comes into the parent (clause O-103).
    @Override
    void dropWholePages(long first, long end) {
        super.dropWholePages(first, end);
        long stop = Math.min(end, limit);
        if (first < stop) {
            cleared.add(first, stop);
        }
        lookAgain();
    }

    @Override
    void resize(long newSize, long zeroFrom) {
        super.resize(newSize, zeroFrom);
        limit = Math.min(limit, pageCount());
        cleared.remove(limit, Long.MAX_VALUE);
        lookAgain();
    }

    // ---- the end

    @Override
    void onEnd() {
        parent.clones.remove(this);
        if (circle != null) {
            circle.members--;
        }
    }
}
