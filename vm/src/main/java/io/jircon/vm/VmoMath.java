package io.jircon.vm;

import io.jircon.hal.PageSize;

/// Arithmetic on unsigned byte counts and base pages.
final class VmoMath {
    /// Size of a base page in bytes.
    static final long PAGE = PageSize.BASE_BYTES;

    /// log2 of [#PAGE].
    static final int SHIFT = PageSize.BASE_SHIFT;

    private VmoMath() {}

    /// Whether a value is a multiple of the page size.
    static boolean isAligned(long value) {
        return (value & (PAGE - 1)) == 0;
    }

    /// The largest multiple of the page size that is not greater.
    static long down(long value) {
        return value & -PAGE;
    }

    /// The smallest multiple of the page size that is not less; 0 when there is none (and for 0).
    /// [#upWraps] tells the two apart.
    static long up(long value) {
        return (value + (PAGE - 1)) & -PAGE;
    }

    /// Whether rounding a value up passes 2^64.
    static boolean upWraps(long value) {
        return value != 0 && up(value) == 0;
    }

    /// Whether `[offset, offset + len)` lies in `[0, size)` (clause O-14): it does not wrap and
    /// ends at `size` or before.
    static boolean isInside(long offset, long len, long size) {
        return Long.compareUnsigned(offset, size) <= 0
                && Long.compareUnsigned(len, size - offset) <= 0;
    }

    /// Whether `a + b` passes 2^64 - 1.
    static boolean sumWraps(long a, long b) {
        return Long.compareUnsigned(a + b, a) < 0;
    }

    /// Unsigned minimum.
    static long min(long a, long b) {
        return Long.compareUnsigned(a, b) <= 0 ? a : b;
    }

    /// `0x` and the value's digits.
    static String hex(long value) {
        return "0x" + Long.toHexString(value);
    }
}
