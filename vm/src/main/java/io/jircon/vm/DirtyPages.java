package io.jircon.vm;

import static io.jircon.vm.VmoMath.SHIFT;

import java.util.ArrayList;
import java.util.List;

/// What a pager has to write back: pages that are dirty or being written back, and zeros that no
/// page holds (clauses O-287 to O-295). Guarded by the family's lock.
final class DirtyPages {
    /// States of pages with a frame; a clean one has no entry.
    private static final long DIRTY = 1;

    private static final long AWAITING_CLEAN = 2;

    private final PageList states = new PageList();
    private final ZeroRanges zeros = new ZeroRanges();

    ZeroRanges zeros() {
        return zeros;
    }

    boolean isDirty(long page) {
        return states.get(page) == DIRTY;
    }

    /// Whether a page with a frame is clean.
    boolean isClean(long page) {
        return states.get(page) == PageList.ABSENT;
    }

    /// What [#restore] takes.
    long stateOf(long page) {
        return states.get(page);
    }

    /// Puts the state of one page back.
    void restore(long page, long state) {
        states.set(page, state);
    }

    /// The pages of `[first, end)`, all of which have frames, are dirty.
    void set(long first, long end) {
        zeros.remove(first, end);
        for (long page = first; page < end; page++) {
            states.set(page, DIRTY);
        }
    }

    /// The pages of `[first, end)` have no frames any more, or are clean.
    void forget(long first, long end) {
        for (long page = states.next(first, end);
                page != PageList.NONE;
                page = states.next(page + 1, end)) {
            states.set(page, PageList.ABSENT);
        }
    }

    /// Starts to write back what is dirty in `[first, end)`.
    ///
    /// @param zerosOnly whether pages with a frame stay as they are
    /// @param pins which pages stay dirty: a device may write to them
    void beginWriteback(long first, long end, boolean zerosOnly, PinTable pins) {
        for (long page = states.next(first, end);
                page != PageList.NONE && !zerosOnly;
                page = states.next(page + 1, end)) {
            if (!pins.anyIn(page, page + 1)) {
                states.set(page, AWAITING_CLEAN);
            }
        }
        zeros.beginWriteback(first, end);
    }

    /// The zeros of `[first, end)` that [#endWriteback] drops.
    List<ZeroRanges.Piece> zerosAwaitingClean(long first, long end) {
        List<ZeroRanges.Piece> awaiting = new ArrayList<>();
        for (ZeroRanges.Piece zero = zeros.next(first, end);
                zero != null;
                zero = zeros.next(zero.end(), end)) {
            if (zero.state() == ZeroRanges.State.AWAITING_CLEAN) {
                awaiting.add(
                        new ZeroRanges.Piece(
                                Math.max(first, zero.first()),
                                Math.min(end, zero.end()),
                                zero.state()));
            }
        }
        return awaiting;
    }

    /// What was not written since it began to be written back is clean; zeros are absent.
    void endWriteback(long first, long end) {
        for (ZeroRanges.Piece zero : zerosAwaitingClean(first, end)) {
            zeros.remove(zero.first(), zero.end());
        }
        for (long page = states.next(first, end);
                page != PageList.NONE;
                page = states.next(page + 1, end)) {
            if (states.get(page) == AWAITING_CLEAN) {
                states.set(page, PageList.ABSENT);
            }
        }
    }

    /// What is dirty or being written back in `[first, end)`, ascending (clause O-301).
    List<DirtyRange> ranges(long first, long end) {
        List<DirtyRange> found = new ArrayList<>();
        long page = first;
        while (page < end) {
            long frame = states.next(page, end);
            ZeroRanges.Piece zero = zeros.next(page, end);
            if (zero != null && (frame == PageList.NONE || zero.first() < frame)) {
                if (zero.state() != ZeroRanges.State.UNTRACKED) {
                    long from = Math.max(page, zero.first());
                    note(found, from, Math.min(end, zero.end()), DirtyRange.Contents.ZEROS);
                }
                page = zero.end();
            } else if (frame != PageList.NONE) {
                note(found, frame, frame + 1, DirtyRange.Contents.PAGES);
                page = frame + 1;
            } else {
                return found;
            }
        }
        return found;
    }

    private static void note(
            List<DirtyRange> found, long first, long end, DirtyRange.Contents contents) {
        long offset = first << SHIFT;
        long length = (end - first) << SHIFT;
        DirtyRange last = found.isEmpty() ? null : found.getLast();
        if (last != null
                && last.contents() == contents
                && last.offset() + last.length() == offset) {
            found.removeLast();
            found.add(new DirtyRange(last.offset(), last.length() + length, contents));
        } else {
            found.add(new DirtyRange(offset, length, contents));
        }
    }
}
