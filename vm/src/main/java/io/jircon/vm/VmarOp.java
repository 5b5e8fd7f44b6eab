package io.jircon.vm;

import org.jspecify.annotations.Nullable;

/// An operation on the memory behind a range of a region (clause V-3).
public enum VmarOp {
    /// Take frames for all pages (clause V-188).
    COMMIT(1),
    /// Give the frames back; the pages read as zeros (clause V-189).
    DECOMMIT(2),
    /// Enter the pages that are there (clause V-190).
    MAP_RANGE(3),
    /// Set all bytes to zero (clause V-191).
    ZERO(10),
    /// Hint: the pages will not be needed soon (clause V-192).
    DONT_NEED(12),
    /// Hint: the pages will be needed (clause V-192).
    ALWAYS_NEED(13),
    /// Bring the pages in from where they come from (clause V-193).
    PREFETCH(14);

    private final int value;

    VmarOp(int value) {
        this.value = value;
    }

    /// The number that stands for this operation at the system-call boundary.
    ///
    /// @return a positive number
    public int value() {
        return value;
    }

    /// The operation with a number.
    ///
    /// @param value the number
    /// @return the operation, or null when there is none
    public static @Nullable VmarOp ofValue(int value) {
        for (VmarOp op : values()) {
            if (op.value == value) {
                return op;
            }
        }
        return null;
    }

    /// Whether it may work on mappings in sub-regions (clause V-178).
    boolean reachesIntoRegions() {
        return switch (this) {
            case COMMIT, DECOMMIT, PREFETCH -> false;
            case MAP_RANGE, ZERO, DONT_NEED, ALWAYS_NEED -> true;
        };
    }
}
