package io.jircon.vm;

import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// The runs of pages of a pager-backed object that read as zeros without having a frame and without
/// being asked of the pager (clauses O-295 to O-298): what it grew by, what was zeroed, and what
/// lies past its stream size. They cost nothing by the page. Guarded by the family's lock.
final class ZeroRanges {
    /// What the pager knows of a run.
    enum State {
        /// To be written back.
        DIRTY,
        /// Being written back.
        AWAITING_CLEAN,
        /// Past the stream size: the pager does not hear of it.
        UNTRACKED
    }

    /// A run of pages in one state.
    ///
    /// @param first its first page
    /// @param end the page behind its last
    record Piece(long first, long end, State state) {
        private boolean isTracked() {
            return state != State.UNTRACKED;
        }
    }

    /// Disjoint pieces by their first page; neighbours may touch.
    private final TreeMap<Long, Piece> pieces = new TreeMap<>();

    /// The piece that a page is in, or null.
    @Nullable Piece at(long page) {
        Map.Entry<Long, Piece> found = pieces.floorEntry(page);
        return found != null && page < found.getValue().end ? found.getValue() : null;
    }

    /// Whether a page is in a piece.
    boolean contains(long page) {
        return at(page) != null;
    }

    /// The first piece that has a page of `[first, end)`, or null.
    @Nullable Piece next(long first, long end) {
        if (first >= end) {
            return null;
        }
        Piece here = at(first);
        if (here != null) {
            return here;
        }
        Map.Entry<Long, Piece> above = pieces.ceilingEntry(first);
        return above == null || above.getKey() >= end ? null : above.getValue();
    }

    /// Makes `[first, end)` one dirty run with what it touches, all of it to be written back anew;
    /// changes nothing where it is part of a run already (clauses O-295 and O-298).
    void add(long first, long end) {
        if (runEnd(first) >= end) {
            return;
        }
        remove(first, end);
        long from = runStart(first);
        long to = runEnd(end);
        remove(from, to);
        put(from, to, State.DIRTY);
    }

    /// Puts a run in a state of its own, whatever was there.
    void set(long first, long end, State state) {
        remove(first, end);
        put(first, end, state);
    }

    /// Takes `[first, end)` out.
    void remove(long first, long end) {
        if (first < end) {
            splitAt(first);
            splitAt(end);
            pieces.subMap(first, end).clear();
        }
    }

    /// Starts to write back what is dirty in `[first, end)`. A run of which a part is being written
    /// back already stays as it is (clause O-295).
    void beginWriteback(long first, long end) {
        long at = first;
        for (Piece piece = next(at, end); piece != null; piece = next(at, end)) {
            at = piece.end;
            if (piece.isTracked()) {
                at = runEnd(piece.first);
                if (!isAwaiting(runStart(piece.first), at)) {
                    set(Math.max(piece.first, first), Math.min(at, end), State.AWAITING_CLEAN);
                }
            }
        }
    }

    private boolean isAwaiting(long first, long end) {
        return pieces.subMap(first, end).values().stream()
                .anyMatch(piece -> piece.state == State.AWAITING_CLEAN);
    }

    /// The first page behind the tracked pieces that follow each other from a page on; the page
    /// itself where there is none.
    private long runEnd(long page) {
        long end = page;
        for (Piece piece = at(end); piece != null && piece.isTracked(); piece = at(end)) {
            end = piece.end;
        }
        return end;
    }

    /// The first page of the tracked pieces that end right before a page, or contain it.
    private long runStart(long page) {
        Piece here = at(page);
        long start = here != null && here.isTracked() ? here.first : page;
        for (Piece below = at(start - 1);
                below != null && below.isTracked();
                below = at(start - 1)) {
            start = below.first;
        }
        return start;
    }

    private void put(long first, long end, State state) {
        if (first < end) {
            pieces.put(first, new Piece(first, end, state));
        }
    }

    private void splitAt(long page) {
        Piece piece = at(page);
        if (piece != null && piece.first < page) {
            put(piece.first, page, piece.state);
            put(page, piece.end, piece.state);
        }
    }
}
