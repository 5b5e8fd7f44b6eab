package io.jircon.hal.npt;

import io.jircon.hal.PageSize;
import io.jircon.hal.PagingException;
import io.jircon.hal.TableBounds;

/// The addresses that a table takes: one run, or the two halves of a sign-extended format with a
/// hole between them.
///
/// Counted from the upper half's start, past 2^64 to the lower half's end, the halves are one run
/// too: so one comparison tells whether an address is taken.
///
/// @param first the lowest address, page aligned
/// @param last the highest address, the last byte of a page
/// @param start where the run starts, `first` unless there is a hole
/// @param span the run's length less 1
record AddressLimits(long first, long last, long start, long span) {
    /// All that a format translates.
    static AddressLimits of(PagingFormat format) {
        long span = (1L << format.addressBits()) - 1;
        if (format.isSignExtended()) {
            return new AddressLimits(0, -1L, -1L << (format.addressBits() - 1), span);
        }
        long first = format.lowestAddress();
        return new AddressLimits(first, first + span, first, span);
    }

    /// One run, in which the format translates every address.
    static AddressLimits between(long first, long last) {
        return new AddressLimits(first, last, first, last - first);
    }

    boolean contains(long vaddr) {
        return Long.compareUnsigned(vaddr - start, span) <= 0;
    }

    /// Whether a range of at least a byte is taken, all of it.
    boolean contains(long vaddr, long sizeBytes) {
        return contains(vaddr)
                && Long.compareUnsigned(sizeBytes - 1, lastBeside(vaddr) - vaddr) <= 0;
    }

    /// @param sizeBytes 0 fits anywhere
    /// @throws PagingException OUT_OF_RANGE when a part of the range is not taken
    void requireRange(long vaddr, long sizeBytes) {
        if (sizeBytes != 0 && !contains(vaddr, sizeBytes)) {
            throw PagingException.outOfRange(
                    "vaddr",
                    vaddr,
                    "with size=0x" + Long.toHexString(sizeBytes) + " leaves " + this);
        }
    }

    /// @throws PagingException NOT_ALIGNED unless these are whole pages; as [#requireRange]
    void requirePageRange(long vaddr, long sizeBytes) {
        TableBounds.checkAligned("vaddr", vaddr, PageSize.SIZE_4K);
        TableBounds.checkAligned("sizeBytes", sizeBytes, PageSize.SIZE_4K);
        requireRange(vaddr, sizeBytes);
    }

    /// The last address before the next one that is not taken, or before 2^64.
    private long lastBeside(long vaddr) {
        return vaddr >= 0 && hasHole() ? start + span : last;
    }

    private boolean hasHole() {
        return start != first;
    }

    /// Such as `0x0..0xfff`, or two of these.
    @Override
    public String toString() {
        return hasHole()
                ? text(first, start + span) + " and " + text(start, last)
                : text(first, last);
    }

    private static String text(long from, long to) {
        return "0x" + Long.toHexString(from) + "..0x" + Long.toHexString(to);
    }
}
