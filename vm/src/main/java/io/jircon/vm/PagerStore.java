package io.jircon.vm;

import static io.jircon.vm.VmoMath.PAGE;
import static io.jircon.vm.VmoMath.SHIFT;

import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The pages of a pager-backed memory object (section 18 of the contract).
///
/// A page is there (it has a frame, or is a zero marker), or lies in a zero range, or is absent:
/// then it has to be asked for. One that is there is clean, dirty, or being written back; a page
/// without a frame of its own becomes a dirty one with its first write. Only entries for dirty
/// pages may let them be written (clause V-210), so that the first write to another faults.
final class PagerStore extends PageStore {
    private final Pager pager;
    private final PageSource source;
    private final DirtyPages dirty = new DirtyPages();
    private final ZeroRanges zeros = dirty.zeros();
    private final PageNeeds needs;
    private boolean modified;

    // What the last lookup for writing found, for [#undoLookup]; no zeros where the page was in no
    // zero range.
    private boolean wroteLast;
    private boolean modifiedBefore;
    private long stateBefore;
    private ZeroRanges.@Nullable State zerosBefore;

    /// @param streamSize what lies past it is zero and none of the pager's business (clause O-297)
    PagerStore(
            Machine machine,
            Pager pager,
            PageRequestQueue queue,
            long key,
            long sizeBytes,
            long streamSize,
            boolean trapsDirty) {
        super(
                machine,
                new VmoFamily(),
                new CommitPolicy.PagerBacked(pager),
                sizeBytes,
                /* rootOffset= */ 0);
        this.pager = pager;
        source = new PageSource(family, queue, key);
        needs = new PageNeeds(pages, dirty, trapsDirty);
        streamMoved(streamSize);
    }

    Pager pager() {
        return pager;
    }

    @Override
    PagerStore pagerRoot() {
        return this;
    }

    boolean trapsDirty() {
        return needs.trapsDirty();
    }

    boolean isAttached() {
        return source.isAttached();
    }

    /// How many operations wait for pages.
    int waitingCount() {
        return source.waitingCount();
    }

    // ---- what has to be there first

    @Override
    @Nullable PageNeed needFor(PageAccess access, long offset, long len) {
        return needs.of(access, offset, len);
    }

    @Override
    void ask(PageWait wait, PageNeed need) {
        if (!source.isAttached()) {
            throw VmErrors.badState(
                    "O-304",
                    need.command()
                            + " of offset="
                            + VmoMath.hex(need.first() << SHIFT)
                            + ": the object has no pager any more");
        }
        source.ask(wait, need);
    }

    /// Whether a page has to be asked for before it can be shown.
    boolean isAbsent(long page) {
        return needs.isAbsent(page);
    }

    /// What who needs an absent page is told.
    ZxStatus statusOfAbsent() {
        return source.isAttached() ? ZxStatus.SHOULD_WAIT : ZxStatus.BAD_STATE;
    }

    @Override
    void lookAgain() {
        source.wakeAll();
    }

    // ---- pages

    @Override
    ZxStatus lookup(long page, boolean write, PageLookup out) {
        out.fresh = false;
        wroteLast = false;
        if (needs.isAbsent(page) || (write && needs.hasToAsk(page))) {
            return statusOfAbsent();
        }
        ZxStatus status = super.lookup(page, write, out);
        wroteLast = write && status == ZxStatus.OK;
        if (wroteLast) {
            ZeroRanges.Piece zero = zeros.at(page);
            zerosBefore = zero == null ? null : zero.state();
            stateBefore = dirty.stateOf(page);
            modifiedBefore = modified;
            noteWritten(page, page + 1);
            out.writable = true;
        }
        return status;
    }

    @Override
    boolean isWritable(long page, long mine) {
        return dirty.isDirty(page);
    }

    @Override
    void undoLookup(long page, PageLookup lookup) {
        super.undoLookup(page, lookup);
        if (wroteLast) {
            modified = modifiedBefore;
            dirty.restore(page, stateBefore);
            if (zerosBefore != null) {
                zeros.set(page, page + 1, zerosBefore);
            }
        }
    }

    @Override
    void noteWritten(long first, long end) {
        dirty.set(first, end);
        modified = true;
    }

    // ---- ranges

    @Override
    void commit(long first, long end) {
        super.commit(first, end);
        for (ZeroRanges.Piece zero = zeros.next(first, end);
                zero != null;
                zero = zeros.next(first, end)) {
            dirty.set(Math.max(first, zero.first()), Math.min(end, zero.end()));
        }
    }

    @Override
    void write(long offset, MemorySegment bytes, long sourceOffset, long len) {
        super.write(offset, bytes, sourceOffset, len);
        noteWritten(offset >>> SHIFT, ((offset + len - 1) >>> SHIFT) + 1);
    }

    @Override
    void zero(long offset, long len) {
        super.zero(offset, len);
        noteCleared(offset, offset + len);
        modified = true;
    }

    /// Pages of which a part was cleared are dirty.
    private void noteCleared(long from, long to) {
        if (!VmoMath.isAligned(from)) {
            setDirtyIfFrame(from >>> SHIFT);
        }
        if (!VmoMath.isAligned(to)) {
            setDirtyIfFrame(to >>> SHIFT);
        }
    }

    private void setDirtyIfFrame(long page) {
        if (pages.isOwn(pages.get(page))) {
            dirty.set(page, page + 1);
        }
    }

    /// Whole pages become dirty zeros without a word of the pager; zero markers stay clean (clause
    /// O-102).
    @Override
    void dropWholePages(long first, long end) {
        long start = first;
        while (start < end) {
            long stop = nextKept(start, end);
            if (start < stop) {
                pages.release(start, stop);
                dirty.forget(start, stop);
                zeros.add(start, stop);
                source.answer(PageRequest.Command.READ, start, stop, ZxStatus.OK);
            }
            if (stop < end && !pages.isMarker(pages.get(stop))) {
                contents.zeroInPlace(stop, 0, (int) PAGE);
                dirty.set(stop, stop + 1);
            }
            start = stop + 1;
        }
    }

    /// The first page of a range that is pinned or a zero marker; the end when there is none.
    private long nextKept(long first, long end) {
        for (long page = pages.next(first, end);
                page != PageList.NONE;
                page = pages.next(page + 1, end)) {
            if (pages.isMarker(pages.get(page)) || pins.anyIn(page, page + 1)) {
                return page;
            }
        }
        return end;
    }

    @Override
    void resize(long newSize, long zeroFrom) {
        long oldEnd = pageCount();
        super.resize(newSize, zeroFrom);
        long newEnd = pageCount();
        if (newEnd < oldEnd) {
            dirty.forget(newEnd, oldEnd);
            zeros.remove(newEnd, oldEnd);
            source.answer(PageRequest.Command.READ, newEnd, oldEnd, ZxStatus.OK);
            source.answer(PageRequest.Command.DIRTY, newEnd, oldEnd, ZxStatus.OK);
        } else if (oldEnd < newEnd) {
            zeros.add(oldEnd, newEnd);
        }
        if (zeroFrom != newSize && newEnd <= oldEnd) {
            setDirtyIfFrame(newEnd - 1);
        }
        track(newEnd);
        modified = true;
    }

    /// Has the pager hear of the zeros before a page that it heard nothing of.
    private void track(long end) {
        for (ZeroRanges.Piece zero = zeros.next(0, end); zero != null; ) {
            if (zero.state() == ZeroRanges.State.UNTRACKED) {
                zeros.add(zero.first(), Math.min(zero.end(), end));
            }
            zero = zeros.next(zero.end(), end);
        }
    }

    @Override
    void streamMoved(long newStreamSize) {
        long first = VmoMath.up(newStreamSize) >>> SHIFT;
        long start = first;
        while (start < pageCount()) {
            long kept = pages.next(start, pageCount());
            long stop = kept == PageList.NONE ? pageCount() : kept;
            zeros.set(start, stop, ZeroRanges.State.UNTRACKED);
            start = stop + 1;
        }
    }

    // ---- what the pager does

    /// Moves pages in, and wakes who waits for them (clauses O-280 to O-282).
    ///
    /// @param from where the pages come from, with its lock held too
    /// @param fromFirst its first page to take; so many as go in
    /// @throws PagingException when a page that others share cannot be copied; nothing has changed
    void supply(PageStore from, long fromFirst, long first, long end) {
        long[] copies = new long[(int) sharedSupplies(from, fromFirst, first, end)];
        frames.allocate(copies, 0, copies.length);
        try {
            from.unmap(fromFirst, fromFirst + (end - first));
        } catch (PagingException e) {
            frames.free(copies, 0, copies.length);
            throw e;
        }
        int used = 0;
        for (long page = first; page < end; page++) {
            long theirs = fromFirst + (page - first);
            long frame = from.pages.get(theirs);
            if (!needs.isAbsent(page)) {
                continue;
            }
            if (frame == PageList.ABSENT) {
                pages.mark(page);
            } else if (from.pages.isShared(frame)) {
                pages.fill(copies[used], frame);
                pages.install(page, copies[used], PageList.ABSENT);
                used++;
            } else {
                pages.moveFrom(from.pages, theirs, page);
            }
        }
        from.pages.release(fromFirst, fromFirst + (end - first));
        source.answer(PageRequest.Command.READ, first, end, ZxStatus.OK);
    }

    private long sharedSupplies(PageStore from, long fromFirst, long first, long end) {
        long fromEnd = fromFirst + (end - first);
        long shared = 0;
        for (long theirs = from.pages.next(fromFirst, fromEnd);
                theirs != PageList.NONE;
                theirs = from.pages.next(theirs + 1, fromEnd)) {
            if (from.pages.isShared(from.pages.get(theirs))
                    && needs.isAbsent(first + (theirs - fromFirst))) {
                shared++;
            }
        }
        return shared;
    }

    /// Tells who waits for pages of `[first, end)` that they will not come (clause O-284).
    void fail(long first, long end, ZxStatus status) {
        source.answer(PageRequest.Command.READ, first, end, status);
        source.answer(PageRequest.Command.DIRTY, first, end, status);
    }

    /// Makes every page of `[first, end)` dirty, and wakes who waits to write (clause O-285).
    ///
    /// @return false when some page is absent; then who waits looks again
    /// @throws PagingException when there are no frames for zeros; nothing has changed
    boolean makeDirty(long first, long end) {
        if (needs.toRead(first, end) != null) {
            source.wakeAll();
            return false;
        }
        super.commit(first, end);
        dirty.set(first, end);
        source.answer(PageRequest.Command.DIRTY, first, end, ZxStatus.OK);
        return true;
    }

    /// Starts to write back what is dirty in `[first, end)`; pinned pages stay dirty (clause
    /// O-292).
    ///
    /// @param zerosOnly whether pages with a frame stay as they are
    void beginWriteback(long first, long end, boolean zerosOnly) {
        if (!zerosOnly && first < end && !mappings.isEmpty()) {
            mappings.writeProtect(first << SHIFT, (end << SHIFT) - 1);
        }
        dirty.beginWriteback(first, end, zerosOnly, pins);
    }

    /// Ends it: what was not written since is clean, and what was zeros has to be asked for
    /// (clauses O-293 and O-295).
    ///
    /// @throws PagingException when the machine refuses to remove entries; nothing has changed
    void endWriteback(long first, long end) {
        for (ZeroRanges.Piece zero : dirty.zerosAwaitingClean(first, end)) {
            unmap(zero.first(), zero.end());
        }
        dirty.endWriteback(first, end);
    }

    /// What is dirty or being written back in `[first, end)`, ascending (clause O-301).
    List<DirtyRange> dirtyRanges(long first, long end) {
        return dirty.ranges(first, end);
    }

    boolean isModified() {
        return modified;
    }

    void resetModified() {
        modified = false;
    }

    // ---- the end

    /// Has nothing more to do with the pager: clean pages go, what is dirty stays (clause O-304).
    ///
    /// @throws PagingException when the machine refuses to remove entries; nothing has changed
    void detach() {
        if (!source.isAttached()) {
            return;
        }
        unmap(0, pageCount());
        for (long page = pages.next(0, pageCount());
                page != PageList.NONE;
                page = pages.next(page + 1, pageCount())) {
            if (dirty.isClean(page)) {
                pages.release(page, page + 1);
            }
        }
        source.end();
        source.complete();
    }

    /// The pager is gone: pages stay, and nobody can be asked for others (clause O-306).
    void pagerClosed() {
        source.end();
    }

    @Override
    void onEnd() {
        if (source.end()) {
            source.complete();
        }
        pager.forget(this);
    }
}
