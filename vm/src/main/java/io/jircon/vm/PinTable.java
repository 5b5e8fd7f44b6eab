package io.jircon.vm;

import java.util.Map;
import java.util.TreeMap;

/// How often each page of a store is pinned (clause O-126). Guarded by the family's lock.
final class PinTable {
    /// The most pins one page can have.
    static final int MAX_PINS = 31;

    private final TreeMap<Long, Integer> counts = new TreeMap<>();

    /// Whether any page at all is pinned.
    boolean isEmpty() {
        return counts.isEmpty();
    }

    /// Whether a page of `[first, end)` is pinned.
    boolean anyIn(long first, long end) {
        return next(first, end) != PageList.NONE;
    }

    /// The first pinned page of `[first, end)`, or [PageList#NONE].
    long next(long first, long end) {
        if (counts.isEmpty()) {
            return PageList.NONE;
        }
        Long page = counts.ceilingKey(first);
        return page == null || page >= end ? PageList.NONE : page;
    }

    /// Whether some page of `[first, end)` cannot be pinned once more.
    boolean isFullIn(long first, long end) {
        for (Map.Entry<Long, Integer> pin : counts.subMap(first, end).entrySet()) {
            if (pin.getValue() == MAX_PINS) {
                return true;
            }
        }
        return false;
    }

    /// Pins every page of `[first, end)` once more.
    void pin(long first, long end) {
        for (long page = first; page < end; page++) {
            counts.merge(page, 1, Integer::sum);
        }
    }

    /// Takes one pin from every page of `[first, end)`; each must have one.
    void unpin(long first, long end) {
        for (long page = first; page < end; page++) {
            counts.compute(
                    page,
                    (key, count) -> {
                        if (count == null) {
                            throw new AssertionError("page " + key + " is not pinned");
                        }
                        return count == 1 ? null : count - 1;
                    });
        }
    }
}
