package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.vm.ZeroRanges.Piece;
import io.jircon.vm.ZeroRanges.State;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// [ZeroRanges] against an array with one state for each page.
@Tag("O-295")
class ZeroRangesTest {
    private static final int PAGES = 12;

    private final ZeroRanges ranges = new ZeroRanges();

    /// What each page is; null when it is in no range.
    private final @Nullable State[] model = new @Nullable State[PAGES];

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4})
    void everyOperationDoesWhatItDoesPageByPage(long seed) {
        var random = new SplittableRandom(seed);
        for (int step = 0; step < 5_000; step++) {
            int first = random.nextInt(PAGES);
            int end = random.nextInt(first, PAGES + 1);
            int choice = random.nextInt(5);
            switch (choice) {
                case 0 -> {
                    ranges.add(first, end);
                    add(first, end);
                }
                case 1 -> {
                    ranges.remove(first, end);
                    Arrays.fill(model, first, end, null);
                }
                case 2 -> {
                    ranges.set(first, end, State.UNTRACKED);
                    Arrays.fill(model, first, end, State.UNTRACKED);
                }
                case 3 -> {
                    ranges.remove(first, Math.min(first + 1, end));
                    Arrays.fill(model, first, Math.min(first + 1, end), null);
                }
                default -> {
                    ranges.beginWriteback(first, end);
                    begin(first, end);
                }
            }
            String what = "step " + step + " choice " + choice + " of " + first + ".." + end;
            assertEquals(Arrays.toString(model), Arrays.toString(pages()), what);
            checkNext(first, end, what);
        }
    }

    @Test
    @Tag("O-298")
    void partOfARunChangesNothing() {
        ranges.add(2, 8);
        ranges.beginWriteback(2, 4);
        ranges.add(3, 5);
        assertEquals(new Piece(2, 4, State.AWAITING_CLEAN), ranges.at(3));
        ranges.add(8, 9);
        assertEquals(new Piece(2, 9, State.DIRTY), ranges.at(3));
    }

    private @Nullable State[] pages() {
        @Nullable State[] pages = new @Nullable State[PAGES];
        for (int page = 0; page < PAGES; page++) {
            Piece piece = ranges.at(page);
            pages[page] = piece == null ? null : piece.state();
        }
        return pages;
    }

    private void checkNext(int first, int end, String what) {
        int expected = first;
        while (expected < end && model[expected] == null) {
            expected++;
        }
        Piece next = ranges.next(first, end);
        long found = next == null ? end : Math.max(first, next.first());
        assertEquals(expected, found, what);
    }

    private boolean isTracked(int page) {
        return page >= 0 && page < PAGES && model[page] != null && model[page] != State.UNTRACKED;
    }

    private int runStart(int page) {
        int start = page;
        while (isTracked(start - 1)) {
            start--;
        }
        return start;
    }

    private int runEnd(int page) {
        int end = page;
        while (isTracked(end)) {
            end++;
        }
        return end;
    }

    private void add(int first, int end) {
        if (runEnd(first) >= end) {
            return;
        }
        Arrays.fill(model, first, end, State.DIRTY);
        Arrays.fill(model, runStart(first), runEnd(first), State.DIRTY);
    }

    private void begin(int first, int end) {
        for (int at = first; at < end; at++) {
            if (!isTracked(at)) {
                continue;
            }
            int stop = runEnd(at);
            if (!Arrays.asList(model).subList(runStart(at), stop).contains(State.AWAITING_CLEAN)) {
                Arrays.fill(model, at, Math.min(stop, end), State.AWAITING_CLEAN);
            }
            at = stop - 1;
        }
    }
}
