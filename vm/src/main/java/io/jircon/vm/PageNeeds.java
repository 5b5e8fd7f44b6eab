package io.jircon.vm;

import static io.jircon.vm.VmoMath.SHIFT;

import org.jspecify.annotations.Nullable;

/// What operations on a pager-backed store have to wait for, in the pieces in which a pager is
/// asked (clauses O-273 and O-288). Changes nothing. Guarded by the family's lock.
final class PageNeeds {
    /// How many pages a write asks for at once.
    private static final long WRITE_BATCH = 16;

    private final PageFrames pages;
    private final DirtyPages dirty;
    private final boolean trapsDirty;

    /// @param trapsDirty whether the pager is asked before a clean page is written
    PageNeeds(PageFrames pages, DirtyPages dirty, boolean trapsDirty) {
        this.pages = pages;
        this.dirty = dirty;
        this.trapsDirty = trapsDirty;
    }

    boolean trapsDirty() {
        return trapsDirty;
    }

    /// The first thing that an operation on a range waits for, or null.
    @Nullable PageNeed of(PageAccess access, long offset, long len) {
        if (len == 0) {
            return null;
        }
        long first = offset >>> SHIFT;
        long end = ((offset + len - 1) >>> SHIFT) + 1;
        return switch (access) {
            case READ -> toRead(first, end);
            case COMMIT -> toCommit(first, end);
            case WRITE -> toWrite(first, end, WRITE_BATCH);
            case PIN -> toWrite(first, end, end - first);
            case ZERO -> toZero(offset, offset + len, first, end);
        };
    }

    /// For reading `[first, end)`: the first run of absent pages.
    @Nullable PageNeed toRead(long first, long end) {
        long page = first;
        while (page < end && !isAbsent(page)) {
            ZeroRanges.Piece zero = dirty.zeros().at(page);
            page = zero == null ? page + 1 : zero.end();
        }
        return page >= end
                ? null
                : new PageNeed(PageRequest.Command.READ, page, absentEnd(page, end));
    }

    /// Whether a page has to be asked for: it is not there, and in no zero range.
    boolean isAbsent(long page) {
        return pages.get(page) == PageList.ABSENT && !dirty.zeros().contains(page);
    }

    /// Where a run of absent pages ends.
    private long absentEnd(long first, long end) {
        long present = pages.next(first, end);
        ZeroRanges.Piece zero = dirty.zeros().next(first, end);
        long stop = present == PageList.NONE ? end : present;
        return zero == null ? stop : Math.min(stop, zero.first());
    }

    /// Zero ranges become dirty pages, so that the pager has a say (clause O-80).
    private @Nullable PageNeed toCommit(long first, long end) {
        PageNeed absent = toRead(first, end);
        if (absent != null || !trapsDirty) {
            return absent;
        }
        ZeroRanges.Piece zero = dirty.zeros().next(first, end);
        return zero == null
                ? null
                : new PageNeed(
                        PageRequest.Command.DIRTY,
                        Math.max(first, zero.first()),
                        Math.min(end, zero.end()));
    }

    private @Nullable PageNeed toWrite(long first, long end, long batch) {
        for (long page = first; page < end; page++) {
            ZeroRanges.Piece zero = dirty.zeros().at(page);
            if (zero != null && !trapsDirty) {
                page = zero.end() - 1; // a run may be longer than anybody can count
                continue;
            }
            long limit = Math.min(end, page + batch);
            if (isAbsent(page)) {
                return new PageNeed(PageRequest.Command.READ, page, absentEnd(page, limit));
            }
            if (hasToAsk(page)) {
                long stop = page + 1;
                while (stop < limit && !isAbsent(stop) && hasToAsk(stop)) {
                    ZeroRanges.Piece run = dirty.zeros().at(stop);
                    stop = run == null ? stop + 1 : Math.min(limit, run.end());
                }
                return new PageNeed(PageRequest.Command.DIRTY, page, stop);
            }
        }
        return null;
    }

    /// Whether a page may be written only after the pager agreed (clause O-288).
    boolean hasToAsk(long page) {
        return trapsDirty && !dirty.isDirty(page);
    }

    /// Pages that are zeroed in part are written, unless they are zero (clause O-102).
    private @Nullable PageNeed toZero(long from, long to, long first, long end) {
        PageNeed head = VmoMath.isAligned(from) ? null : toClear(first);
        return head != null || VmoMath.isAligned(to) ? head : toClear(end - 1);
    }

    private @Nullable PageNeed toClear(long page) {
        boolean isZero = dirty.zeros().contains(page) || pages.isMarker(pages.get(page));
        return isZero ? null : toWrite(page, page + 1, 1);
    }
}
