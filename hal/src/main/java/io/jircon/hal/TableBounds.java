package io.jircon.hal;

/// The virtual addresses of a page table, and the checks that the arguments of its operations have
/// to pass, in the order that [PageTableTrait] asks for: alignment, then range. For HALs whose
/// format has no checks of its own; each is to be called before anything is changed.
///
/// @param first the lowest address, page aligned, unsigned
/// @param last the highest address, the last byte of a page, unsigned
public record TableBounds(long first, long last) {
    /// Physical addresses below this can be expressed: 52 bits, as of the widest real machines.
    public static final long PADDR_LIMIT = 1L << 52;

    /// Whether an address is one of the table's.
    ///
    /// @param vaddr any address
    /// @return true from `first` to `last`
    public boolean contains(long vaddr) {
        return Long.compareUnsigned(vaddr - first, last - first) <= 0;
    }

    /// The number of the page that an address lies in.
    ///
    /// @param vaddr an address of the table
    /// @return 0 for the first page
    public long pageOf(long vaddr) {
        return (vaddr - first) >>> PageSize.BASE_SHIFT;
    }

    /// The address of a page's first byte.
    ///
    /// @param page the number of the page, the first being 0
    /// @return page aligned
    public long vaddrOf(long page) {
        return first + (page << PageSize.BASE_SHIFT);
    }

    /// Checks an address.
    ///
    /// @param vaddr any address
    /// @throws PagingException OUT_OF_RANGE when the table does not have it
    public void checkAddress(long vaddr) {
        if (!contains(vaddr)) {
            throw PagingException.outOfRange("vaddr", vaddr, rangeText());
        }
    }

    /// Checks a range, which must not wrap around. An empty one may lie at the very end.
    ///
    /// @param vaddr first byte
    /// @param sizeBytes length
    /// @throws PagingException OUT_OF_RANGE when the table does not have all of it
    public void checkRange(long vaddr, long sizeBytes) {
        if (sizeBytes == 0 && vaddr == last + 1) {
            return;
        }
        checkAddress(vaddr);
        if (sizeBytes != 0 && Long.compareUnsigned(sizeBytes - 1, last - vaddr) > 0) {
            throw PagingException.outOfRange(
                    "sizeBytes",
                    sizeBytes,
                    "from vaddr=" + PagingException.hex(vaddr) + " " + rangeText());
        }
    }

    /// Checks the range of an operation on whole pages.
    ///
    /// @param vaddr first byte
    /// @param sizeBytes length
    /// @throws PagingException NOT_ALIGNED, then OUT_OF_RANGE
    public void checkPageRange(long vaddr, long sizeBytes) {
        checkAligned("vaddr", vaddr, PageSize.SIZE_4K);
        checkAligned("sizeBytes", sizeBytes, PageSize.SIZE_4K);
        checkRange(vaddr, sizeBytes);
    }

    /// Checks the length of a range whose pages are told by the bits of a [java.util.BitSet].
    ///
    /// @param sizeBytes length
    /// @throws PagingException OUT_OF_RANGE when there are more pages than an int counts
    public static void checkCountable(long sizeBytes) {
        if (sizeBytes >>> PageSize.BASE_SHIFT > Integer.MAX_VALUE) {
            throw PagingException.outOfRange("sizeBytes", sizeBytes, "is not below 2^43");
        }
    }

    /// Checks a run of frames to be entered in a row.
    ///
    /// @param vaddr first byte
    /// @param paddr physical address of the first frame
    /// @param sizeBytes length
    /// @throws PagingException NOT_ALIGNED, then OUT_OF_RANGE
    public void checkRun(long vaddr, long paddr, long sizeBytes) {
        checkAligned("vaddr", vaddr, PageSize.SIZE_4K);
        checkAligned("paddr", paddr, PageSize.SIZE_4K);
        checkAligned("sizeBytes", sizeBytes, PageSize.SIZE_4K);
        checkRange(vaddr, sizeBytes);
        checkFrames(paddr, sizeBytes);
    }

    /// Checks one leaf to be entered.
    ///
    /// @param vaddr first byte
    /// @param paddr physical address of its start
    /// @param size its size, which both have to be a multiple of
    /// @throws PagingException NOT_ALIGNED, then OUT_OF_RANGE
    public void checkLeaf(long vaddr, long paddr, PageSize size) {
        checkAligned("vaddr", vaddr, size);
        checkAligned("paddr", paddr, size);
        checkRange(vaddr, size.bytes());
        checkFrames(paddr, size.bytes());
    }

    /// Checks an address and the frame that its page is to show from now on.
    ///
    /// @param vaddr any address in the page
    /// @param paddr physical address of the frame
    /// @throws PagingException NOT_ALIGNED, then OUT_OF_RANGE
    public void checkNewFrame(long vaddr, long paddr) {
        checkAligned("paddr", paddr, PageSize.SIZE_4K);
        checkAddress(vaddr);
        checkFrames(paddr, PageSize.BASE_BYTES);
    }

    /// Checks scattered frames to be entered in a row.
    ///
    /// @param vaddr first byte of the first page
    /// @param paddrs physical addresses of the frames
    /// @param from index of the first one to look at
    /// @param count how many to look at
    /// @throws PagingException NOT_ALIGNED, then OUT_OF_RANGE
    public void checkPages(long vaddr, long[] paddrs, int from, int count) {
        checkAligned("vaddr", vaddr, PageSize.SIZE_4K);
        for (int i = from; i < from + count; i++) {
            checkAligned("paddr", paddrs[i], PageSize.SIZE_4K);
        }
        checkRange(vaddr, (long) count << PageSize.BASE_SHIFT);
        for (int i = from; i < from + count; i++) {
            checkFrames(paddrs[i], PageSize.BASE_BYTES);
        }
    }

    /// Checks that an entry can express physical addresses.
    ///
    /// @param paddr physical address of the first frame
    /// @param sizeBytes length
    /// @throws PagingException OUT_OF_RANGE beyond [#PADDR_LIMIT]
    public static void checkFrames(long paddr, long sizeBytes) {
        if (Long.compareUnsigned(paddr, PADDR_LIMIT) >= 0
                || Long.compareUnsigned(sizeBytes, PADDR_LIMIT - paddr) > 0) {
            throw PagingException.outOfRange(
                    "paddr",
                    paddr,
                    "with "
                            + PagingException.hex(sizeBytes)
                            + " bytes passes 2^"
                            + Long.numberOfTrailingZeros(PADDR_LIMIT));
        }
    }

    /// Checks that an address or size is a multiple of a page size.
    ///
    /// @param name the argument's name, for the message
    /// @param value its value
    /// @param size the page size
    /// @throws PagingException NOT_ALIGNED
    public static void checkAligned(String name, long value, PageSize size) {
        if (!size.isAligned(value)) {
            throw PagingException.notAligned(name, value, size);
        }
    }

    private String rangeText() {
        return "is not in "
                + PagingException.hex(first)
                + ".."
                + PagingException.hex(last)
                + ", the table's addresses";
    }
}
