package io.jircon.hal.unix;

import io.jircon.hal.PageSize;
import io.jircon.hal.PagingException;

/// The virtual addresses of a page table, and the checks that the arguments of its operations have
/// to pass. Each check throws before anything is changed.
///
/// @param first the lowest address, page aligned, unsigned
/// @param last the highest address, the last byte of a page, unsigned
record TableBounds(long first, long last) {
    /// Physical addresses below this can be expressed: 52 bits, as of the widest real machines.
    static final long PADDR_LIMIT = 1L << 52;

    boolean contains(long vaddr) {
        return Long.compareUnsigned(vaddr - first, last - first) <= 0;
    }

    /// The number of the page that an address lies in, the first page's being 0.
    long pageOf(long vaddr) {
        return (vaddr - first) >>> PageSize.BASE_SHIFT;
    }

    /// The address of a page's first byte.
    long vaddrOf(long page) {
        return first + (page << PageSize.BASE_SHIFT);
    }

    /// @throws PagingException OUT_OF_RANGE
    void checkAddress(long vaddr) {
        if (!contains(vaddr)) {
            throw PagingException.outOfRange("vaddr", vaddr, rangeText());
        }
    }

    /// An empty range may lie at the very end.
    ///
    /// @throws PagingException OUT_OF_RANGE
    void checkRange(long vaddr, long sizeBytes) {
        if (sizeBytes == 0 && vaddr == last + 1) {
            return;
        }
        checkAddress(vaddr);
        if (sizeBytes != 0 && Long.compareUnsigned(sizeBytes - 1, last - vaddr) > 0) {
            throw PagingException.outOfRange(
                    "sizeBytes", sizeBytes, "from vaddr=" + hex(vaddr) + " " + rangeText());
        }
    }

    /// Checks the range of an operation on whole pages.
    ///
    /// @throws PagingException NOT_ALIGNED, then OUT_OF_RANGE
    void checkPageRange(long vaddr, long sizeBytes) {
        checkAligned("vaddr", vaddr, PageSize.SIZE_4K);
        checkAligned("sizeBytes", sizeBytes, PageSize.SIZE_4K);
        checkRange(vaddr, sizeBytes);
    }

    /// Checks a run of frames to be entered in a row.
    ///
    /// @throws PagingException NOT_ALIGNED, then OUT_OF_RANGE
    void checkRun(long vaddr, long paddr, long sizeBytes) {
        checkAligned("vaddr", vaddr, PageSize.SIZE_4K);
        checkAligned("paddr", paddr, PageSize.SIZE_4K);
        checkAligned("sizeBytes", sizeBytes, PageSize.SIZE_4K);
        checkRange(vaddr, sizeBytes);
        checkFrames(paddr, sizeBytes);
    }

    /// Checks one leaf to be entered.
    ///
    /// @throws PagingException NOT_ALIGNED, then OUT_OF_RANGE
    void checkLeaf(long vaddr, long paddr, PageSize size) {
        checkAligned("vaddr", vaddr, size);
        checkAligned("paddr", paddr, size);
        checkRange(vaddr, size.bytes());
        checkFrames(paddr, size.bytes());
    }

    /// Checks an address and the frame that its page is to show from now on.
    ///
    /// @throws PagingException NOT_ALIGNED, then OUT_OF_RANGE
    void checkNewFrame(long vaddr, long paddr) {
        checkAligned("paddr", paddr, PageSize.SIZE_4K);
        checkAddress(vaddr);
        checkFrames(paddr, PageSize.BASE_BYTES);
    }

    /// Checks scattered frames to be entered in a row.
    ///
    /// @param paddrs the frames; elements `from` to `from + count` are looked at
    /// @throws PagingException NOT_ALIGNED, then OUT_OF_RANGE
    void checkPages(long vaddr, long[] paddrs, int from, int count) {
        checkAligned("vaddr", vaddr, PageSize.SIZE_4K);
        for (int i = from; i < from + count; i++) {
            checkAligned("paddr", paddrs[i], PageSize.SIZE_4K);
        }
        checkRange(vaddr, (long) count << PageSize.BASE_SHIFT);
        for (int i = from; i < from + count; i++) {
            checkFrames(paddrs[i], PageSize.BASE_BYTES);
        }
    }

    /// @throws PagingException OUT_OF_RANGE when an entry cannot express one of the frames
    static void checkFrames(long paddr, long sizeBytes) {
        if (Long.compareUnsigned(paddr, PADDR_LIMIT) >= 0
                || Long.compareUnsigned(sizeBytes, PADDR_LIMIT - paddr) > 0) {
            throw PagingException.outOfRange(
                    "paddr",
                    paddr,
                    "with "
                            + hex(sizeBytes)
                            + " bytes passes 2^"
                            + Long.numberOfTrailingZeros(PADDR_LIMIT));
        }
    }

    /// @throws PagingException NOT_ALIGNED
    static void checkAligned(String name, long value, PageSize size) {
        if (!size.isAligned(value)) {
            throw PagingException.notAligned(name, value, size);
        }
    }

    private String rangeText() {
        return "is not in " + hex(first) + ".." + hex(last) + ", the table's addresses";
    }

    private static String hex(long value) {
        return "0x" + Long.toHexString(value);
    }
}
