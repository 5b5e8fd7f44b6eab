package io.jircon.vm;

import org.jspecify.annotations.Nullable;

/// What a pager says about a range of one of its memory objects (clauses O-284 to O-286).
public enum PagerOp {
    /// The pages will not come, or may not be written; the data is the status that those who wait
    /// get.
    FAIL(1),
    /// The pages may be written.
    DIRTY(2),
    /// It starts to write back what is dirty.
    WRITEBACK_BEGIN(3),
    /// It has written back what was dirty when it began.
    WRITEBACK_END(4);

    /// Data of WRITEBACK_BEGIN: only what is zeros without pages is meant.
    public static final long IS_ZERO = 1;

    private final int value;

    PagerOp(int value) {
        this.value = value;
    }

    /// The operation's number in Zircon's interface.
    ///
    /// @return 1 to 4
    public int value() {
        return value;
    }

    /// The operation with a number.
    ///
    /// @param value the number
    /// @return null when there is none
    public static @Nullable PagerOp ofValue(int value) {
        return value >= 1 && value <= values().length ? values()[value - 1] : null;
    }
}
