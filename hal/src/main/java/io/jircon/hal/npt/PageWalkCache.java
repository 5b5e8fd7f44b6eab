package io.jircon.hal.npt;

import java.util.LinkedHashMap;
import java.util.Map;

/// What a page-walk cache would have saved: it keeps the pointers read last, of both stages, and an
/// entry found in it is not read again. A model for comparing sizes; real caches differ in what
/// they keep together.
public final class PageWalkCache {
    private final Map<Long, Boolean> kept;
    private long reads;
    private long saved;

    /// Makes an empty cache.
    ///
    /// @param size how many pointers it keeps, the least recently used making room; 0 for none
    /// @throws IllegalArgumentException when the size is negative
    public PageWalkCache(int size) {
        if (size < 0) {
            throw new IllegalArgumentException("size=" + size + " is negative");
        }
        kept =
                new LinkedHashMap<>(16, 0.75f, /* accessOrder= */ true) {
                    private static final long serialVersionUID = 1L;

                    @Override
                    protected boolean removeEldestEntry(Map.Entry<Long, Boolean> eldest) {
                        return size() > size;
                    }
                };
    }

    /// Runs a walk past the cache.
    ///
    /// @param walk the walk
    /// @return how many of its reads the cache would have saved
    public int add(TwoStageWalk walk) {
        int found = 0;
        for (TwoStageWalk.Read read : walk.reads()) {
            reads++;
            if (!read.isPointer()) {
                continue;
            }
            long address = read.address().value();
            if (kept.get(address) != null) {
                found++;
            } else {
                kept.put(address, true);
            }
        }
        saved += found;
        return found;
    }

    /// How many entries all walks read.
    ///
    /// @return a count
    public long reads() {
        return reads;
    }

    /// How many of them the cache would have saved.
    ///
    /// @return a count
    public long saved() {
        return saved;
    }
}
