package io.jircon.vm;

import org.jspecify.annotations.Nullable;

/// What `vmo_op_range` does to a range of a memory object (clause O-70).
public enum VmoOp {
    /// Takes frames for every page.
    COMMIT(1),
    /// Gives the pages back.
    DECOMMIT(2),
    /// Locks a discardable object and tells what was lost.
    LOCK(3),
    /// Takes one lock back.
    UNLOCK(4),
    /// Makes instruction fetches see what was written.
    CACHE_SYNC(6),
    /// Drops what caches hold.
    CACHE_INVALIDATE(7),
    /// Writes back what caches hold.
    CACHE_CLEAN(8),
    /// Writes back and drops what caches hold.
    CACHE_CLEAN_INVALIDATE(9),
    /// Makes the bytes zero.
    ZERO(10),
    /// Locks a discardable object unless its contents were taken back.
    TRY_LOCK(11),
    /// Says that the pages will not be needed soon.
    DONT_NEED(12),
    /// Says that the pages will be needed.
    ALWAYS_NEED(13),
    /// Brings pages in.
    PREFETCH(14);

    private final int value;

    VmoOp(int value) {
        this.value = value;
    }

    /// The number in Zircon's interface.
    ///
    /// @return 1 to 14
    public int value() {
        return value;
    }

    /// The operation with a number.
    ///
    /// @param value any number
    /// @return null when there is none
    static @Nullable VmoOp ofValue(int value) {
        for (VmoOp op : values()) {
            if (op.value == value) {
                return op;
            }
        }
        return null;
    }
}
