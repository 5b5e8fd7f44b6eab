package io.jircon.vm;

/// Unsigned comparisons of addresses (clause V-18): nothing here computes an exclusive end, which
/// may be 2^64.
final class Ranges {
    private Ranges() {}

    static boolean isBelow(long a, long b) {
        return Long.compareUnsigned(a, b) < 0;
    }

    static long max(long a, long b) {
        return isBelow(a, b) ? b : a;
    }

    /// Whether `size` bytes at `address`, `size` not 0, lie in `outerSize` bytes at `outer`.
    static boolean contains(long outer, long outerSize, long address, long size) {
        long offset = address - outer;
        return isBelow(offset, outerSize) && Long.compareUnsigned(size, outerSize - offset) <= 0;
    }

    /// The next multiple of a power of two, wrapping around to 0 at the top.
    static long alignUp(long value, int shift) {
        long mask = (1L << shift) - 1;
        return (value + mask) & ~mask;
    }

    /// `[0xfirst, 0xlast]`.
    static String text(long first, long last) {
        return "[" + VmoMath.hex(first) + ", " + VmoMath.hex(last) + "]";
    }
}
