package io.jircon.vm;

import static io.jircon.vm.VmoMath.PAGE;
import static io.jircon.vm.VmoMath.SHIFT;

import io.jircon.hal.FrameAllocator;
import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// The pages of a paged memory object, shared by the object and its slices and references (clause
/// O-3).
///
/// Says what an access, a range or a size means for the pages, and tells the mappings before a page
/// goes or is replaced. Which frame a page has is kept by [PageFrames]; what the frames hold is
/// read and changed by [PageContents].
///
/// A page without a frame reads as zeros. Every method needs the family's lock; offsets are those
/// of the store, and ranges were checked by the caller. A method that runs out of frames, or whose
/// mappings' entries the machine refuses to remove, throws [PagingException] and has changed
/// nothing, unless it says otherwise; entries may be gone then, and fault back in.
sealed class PageStore permits PagerStore, CloneStore {
    final VmoFamily family;
    final CommitPolicy policy;
    final MappingIndex mappings = new MappingIndex();
    final PinTable pins = new PinTable();
    final StoreClones clones = new StoreClones();

    /// Sum of the offsets of the snapshots up to the root (clause O-151), bytes.
    final long rootOffset;

    final PageFrames pages;
    final FrameAllocator frames;
    final PageContents contents;
    private final long zeroFrame;

    /// Written under the lock; read without it by those who only want to know.
    private volatile long sizeBytes;

    /// How many memory objects, and snapshots that show its pages, use this store.
    private int users = 1;

    private final ShownZeros shownZeros = new ShownZeros();

    /// Makes an empty store.
    ///
    /// @param rootOffset sum of the snapshots' offsets up to the root
    PageStore(
            Machine machine,
            VmoFamily family,
            CommitPolicy policy,
            long sizeBytes,
            long rootOffset) {
        this.family = family;
        this.policy = policy;
        this.sizeBytes = sizeBytes;
        this.rootOffset = rootOffset;
        frames = machine.hal().frames();
        zeroFrame = machine.zeroFrame();
        pages = new PageFrames(machine);
        contents = new PageContents(this, machine.hal().memory());
        family.addStore();
    }

    long sizeBytes() {
        return sizeBytes;
    }

    void addUser() {
        users++;
    }

    /// One user less; the last one frees the pages, and is one user less for the parent.
    final void removeUser() {
        PageStore store = this;
        while (store != null && --store.users == 0) {
            PageStore above = store.parentStore();
            store.end();
            store = above;
        }
    }

    private void end() {
        onEnd();
        if (policy instanceof CommitPolicy.Contiguous run) {
            frames.freeContiguous(run.base(), sizeBytes >>> SHIFT);
        } else {
            pages.release(0, pageCount());
        }
        family.removeStore();
    }

    /// Called when nobody uses the store any more, before its pages go.
    void onEnd() {}

    /// The store whose pages show where this one has none, and which therefore lives on.
    @Nullable PageStore parentStore() {
        return null;
    }

    /// The store at the root whose pages a pager brings, if there is one.
    @Nullable PagerStore pagerRoot() {
        return null;
    }

    // ---- what has to be there first

    /// What an operation on a range has to wait for: nothing, where no pager is asked for pages.
    ///
    /// @param offset first byte
    /// @param len how many bytes
    @Nullable PageNeed needFor(PageAccess access, long offset, long len) {
        return null;
    }

    /// Has an operation wait for what it needs; with a pager only.
    ///
    /// @throws io.jircon.kobject.ZxException BAD_STATE when nobody can be asked
    void ask(PageWait wait, PageNeed need) {
        throw new AssertionError("nobody to ask for " + need);
    }

    /// Notes that the pages of `[first, end)` are about to be written in place.
    void noteWritten(long first, long end) {}

    /// Notes that the stream size changed, after [#zero] from the smaller of the two on.
    void streamMoved(long newStreamSize) {}

    /// Has who waits for pages look again, for he may wait in vain: the object ended or was cut, or
    /// a mapping went or shows another part.
    void lookAgain() {}

    boolean isContiguous() {
        return policy instanceof CommitPolicy.Contiguous;
    }

    /// The frame that a page shows, this store's or not; [PageList#ABSENT] for zeros.
    final long frame(long page) {
        long mine = frameHere(page);
        return mine != PageList.ABSENT ? mine : inherited(page);
    }

    /// The frame that this store has for a page, or [PageList#ABSENT].
    final long frameHere(long page) {
        return policy instanceof CommitPolicy.Contiguous run
                ? run.base() + (page << SHIFT)
                : pages.get(page);
    }

    /// The frame that a page shows which has none here, or [PageList#ABSENT].
    long inherited(long page) {
        return PageList.ABSENT;
    }

    // ---- single pages

    /// Finds the frame of a page (clauses O-181 to O-183).
    ///
    /// @param write whether a page of this store's own is wanted; then it is taken or copied
    /// @return OK, or NO_MEMORY or what the machine answered, with nothing changed
    ZxStatus lookup(long page, boolean write, PageLookup out) {
        long mine = frameHere(page);
        out.fresh = false;
        if (pages.isOwn(mine)) {
            out.paddr = mine;
            out.writable = isWritable(page, mine);
            return ZxStatus.OK;
        }
        long frame = frame(page);
        if (!write) {
            if (frame == PageList.ABSENT) {
                noteZeroShown(page);
                frame = zeroFrame;
            }
            out.paddr = frame;
            out.writable = false;
            return ZxStatus.OK;
        }
        long fresh;
        try {
            fresh = frames.allocate();
        } catch (PagingException e) {
            return VmErrors.statusOf(e);
        }
        try {
            hide(page, frame);
        } catch (PagingException e) {
            frames.free(fresh);
            return VmErrors.statusOf(e);
        }
        replace(page, fresh);
        out.paddr = fresh;
        out.writable = true;
        out.fresh = true;
        out.replaced = mine;
        return ZxStatus.OK;
    }

    /// Puts a fresh frame in place of what a page shows, with the same contents.
    final void replace(long page, long fresh) {
        pages.fill(fresh, frame(page));
        pages.install(page, fresh, pages.get(page));
    }

    /// Whether an entry for a page may let it be written.
    ///
    /// @param mine the frame that this store has for it
    boolean isWritable(long page, long mine) {
        return pages.isOwn(mine);
    }

    /// Takes back what the last [#lookup] did, with the lock held all the time since and without an
    /// entry for the new frame: the machine refused it.
    void undoLookup(long page, PageLookup lookup) {
        if (!lookup.fresh) {
            return;
        }
        lookup.fresh = false;
        pages.putBack(page, lookup.replaced);
        frames.free(lookup.paddr);
    }

    /// Collects a run of neighbouring pages that have frames, all writable in place or none.
    void existing(long page, long maxPages, PageRun out) {
        out.count = 0;
        long end = Math.min(pageCount(), page + Math.min(maxPages, out.paddrs.length));
        for (long i = page; i < end; i++) {
            long frame = frame(i);
            if (frame == PageList.ABSENT) {
                return;
            }
            boolean writable = isWritable(i, frameHere(i));
            if (out.count == 0) {
                out.writable = writable;
            } else if (out.writable != writable) {
                return;
            }
            out.paddrs[out.count++] = frame;
        }
    }

    /// The first page of `[page, end)` that has a frame, or [PageList#NONE].
    long nextExisting(long page, long end) {
        if (isContiguous()) {
            return page < Math.min(end, pageCount()) ? page : PageList.NONE;
        }
        return pages.next(page, Math.min(end, pageCount()));
    }

    // ---- ranges of pages

    /// Gives every page of `[first, end)` a frame of its own (clauses O-77, O-78), all or none.
    void commit(long first, long end) {
        if (isContiguous()) {
            return;
        }
        long wanted = pages.wanted(first, end);
        if (wanted == 0) {
            return;
        }
        if (wanted > frames.freeFrames()) {
            throw PagingException.noMemory(
                    "wanted=" + wanted + " frames, free=" + frames.freeFrames());
        }
        long[] fresh = new long[Math.toIntExact(wanted)];
        frames.allocate(fresh, 0, fresh.length);
        hideOrFree(first, end, fresh);
        int used = 0;
        for (long page = first; page < end; page++) {
            if (!pages.isOwn(pages.get(page))) {
                replace(page, fresh[used]);
                used++;
            }
        }
    }

    /// Drops the pages of `[first, end)`: they read as zeros from now on. Mappings that show them
    /// are told first.
    void decommit(long first, long end) {
        if (pages.next(first, end) != PageList.NONE) {
            unmap(first, end);
            pages.release(first, end);
        }
    }

    /// Whether [#zero] of a range would write to pages in place.
    boolean zeroWritesInPlace(long offset, long len) {
        return contents.zeroWritesInPlace(offset, len);
    }

    /// Makes the bytes of a range zero (clauses O-91 to O-98). Whole pages are dropped, unless they
    /// are pinned or the store is contiguous; parts of a page are cleared in place.
    ///
    /// @param len greater than 0
    void zero(long offset, long len) {
        contents.zero(offset, len);
    }

    /// Drops pages that no mapping shows any more; pinned ones stay and are cleared.
    void dropWholePages(long first, long end) {
        long start = first;
        while (start < end) {
            long pinned = pins.next(start, end);
            long stop = pinned == PageList.NONE ? end : pinned;
            pages.release(start, stop);
            if (pinned != PageList.NONE) {
                contents.zeroInPlace(pinned, 0, (int) PAGE);
            }
            start = stop + 1;
        }
    }

    // ---- size

    /// Sets a new size, and zeroes what the last page holds past the wanted size (clauses O-54 to
    /// O-57).
    ///
    /// @param newSize page aligned
    /// @param zeroFrom the unrounded size: at most a page less
    void resize(long newSize, long zeroFrom) {
        long oldSize = sizeBytes;
        long oldEnd = pageCount();
        long newEnd = newSize >>> SHIFT;
        boolean cutsPage = zeroFrom != newSize && Long.compareUnsigned(zeroFrom, oldSize) < 0;
        // Pages that show the zero frame go too: an access past the end must fault.
        if (cutsPage) {
            contents.clearTail(newEnd - 1, (int) (zeroFrom & (PAGE - 1)), newEnd, oldEnd);
        } else {
            unmap(newEnd, oldEnd);
        }
        if (newEnd < oldEnd) {
            pages.release(newEnd, oldEnd);
        }
        sizeBytes = newSize;
        clones.cutAt(newEnd);
    }

    final long pageCount() {
        return sizeBytes >>> SHIFT;
    }

    // ---- snapshots

    /// Shares with a new store every page of a range that this one has (clauses O-187, O-190).
    ///
    /// @param child an empty store of the same family
    /// @param offset where the child's offset 0 lies; pages past the end of this store are absent
    void shareWith(PageStore child, long offset) {
        long first = offset >>> SHIFT;
        long end = Math.min(first + child.pageCount(), pageCount());
        if (pages.next(first, end) == PageList.NONE) {
            return;
        }
        if (!mappings.isEmpty()) {
            mappings.writeProtect(first << SHIFT, (end << SHIFT) - 1);
        }
        pages.shareWith(child.pages, first, end);
    }

    // ---- bytes

    /// Copies bytes out; pages without a frame read as zeros and stay so (clause O-44).
    void read(long offset, MemorySegment target, long targetOffset, long len) {
        contents.read(offset, target, targetOffset, len);
    }

    /// Copies bytes in; takes or copies exactly the pages touched (clause O-45), all or none.
    ///
    /// @param len greater than 0 and small enough for the pages to be counted by an int
    void write(long offset, MemorySegment source, long sourceOffset, long len) {
        contents.write(offset, source, sourceOffset, len);
    }

    // ---- attribution

    long metadataBytes() {
        return pages.metadataBytes();
    }

    /// Adds up what the pages of `[first, end)` cost (clause O-223).
    void attribute(long first, long end, Attribution out) {
        long last = Math.min(end, pageCount());
        if (isContiguous()) {
            out.add(Math.max(0, last - first), 1);
            return;
        }
        pages.attribute(first, last, out);
    }

    // ---- helpers

    /// Takes what a page shows until now out of every mapping, before the page gets another (clause
    /// O-184): a frame that others have too, or the zero frame.
    final void hide(long page, long old) {
        if (mayBeShown(page, old)) {
            unmap(page, page + 1);
        }
    }

    private boolean mayBeShown(long page, long frame) {
        return frame != PageList.ABSENT || shownZeros.mayContain(page);
    }

    /// Does so for every page of `[first, end)` that is about to get a frame; when the machine
    /// refuses, gives the frames back.
    final void hideOrFree(long first, long end, long[] fresh) {
        if (fresh.length == 0 || (mappings.isEmpty() && clones.isEmpty())) {
            return;
        }
        try {
            long start = first;
            for (long page = first; page < end; page++) {
                boolean stays = pages.isOwn(pages.get(page));
                if (stays || !mayBeShown(page, frame(page))) {
                    unmap(start, page);
                    start = page + 1;
                }
            }
            unmap(start, end);
        } catch (PagingException e) {
            frames.free(fresh, 0, fresh.length);
            throw e;
        }
    }

    /// Takes what shows pages of `[first, end)` out of every mapping, those of snapshots that show
    /// them too (clause O-255).
    final void unmap(long first, long end) {
        if (first >= end) {
            return;
        }
        if (!mappings.isEmpty()) {
            mappings.unmap(first << SHIFT, (end << SHIFT) - 1);
        }
        if (!clones.isEmpty()) {
            clones.unmap(first, end);
        }
    }

    /// Notes that a mapping shows the zero frame for a page.
    void noteZeroShown(long page) {
        shownZeros.add(page);
    }

    /// Drops every page and every entry that shows one or the zero frame: what a discarded object
    /// looks like (clause O-260).
    ///
    /// @return how many pages were dropped
    long discard() {
        long dropped = pages.count();
        unmap(0, pageCount());
        pages.release(0, pageCount());
        return dropped;
    }
}
