package io.jircon.vm;

import static io.jircon.vm.VmoMath.PAGE;

/// Adds up what pages cost when some are shared (clause O-223): a page that n objects have counts
/// as one n-th of a page for each of them.
final class Attribution {
    /// The fraction that stands for a whole byte.
    static final long WHOLE_BYTE = 0x8000_0000_0000_0000L;

    long populatedBytes;
    long privateBytes;
    long scaledBytes;

    /// What is left of a byte, in units of 1 / [#WHOLE_BYTE]; less than a whole one.
    long fractionalScaledBytes;

    /// Adds pages.
    ///
    /// @param pages how many
    /// @param sharers how many objects have each of them, at least 1
    void add(long pages, int sharers) {
        populatedBytes += pages * PAGE;
        if (sharers == 1) {
            privateBytes += pages * PAGE;
            scaledBytes += pages * PAGE;
            return;
        }
        scaledBytes += pages * (PAGE / sharers);
        long fraction = Long.divideUnsigned(WHOLE_BYTE, sharers) * (PAGE % sharers);
        for (long i = 0; i < pages; i++) {
            fractionalScaledBytes += fraction;
            if (fractionalScaledBytes < 0) { // a whole byte, as an unsigned number
                fractionalScaledBytes -= WHOLE_BYTE;
                scaledBytes++;
            }
        }
    }
}
