package io.jircon.hal.unix;

import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;

/// Where the frames of a machine lie in a file of the host.
///
/// @param descriptor the open file
/// @param base physical address of the first frame
/// @param sizeBytes how much memory
/// @param fileOffset where the first frame lies in the file, page aligned
/// @param executable whether the host lets pages of the file be executable
/// @param huge whether the host is asked for huge pages
record HostFrames(
        int descriptor,
        long base,
        long sizeBytes,
        long fileOffset,
        boolean executable,
        boolean huge) {
    /// The host shows nothing for the page.
    static final long NO_HOST_PAGE = 0;

    private static final long PRESENT = 1L << 3;
    private static final long HINTED = 1L << 4;

    /// What the host has to show for an entry: file offset, protection, hint in one word, so that
    /// two pages belong to one mapping of the host exactly when the second's word is the first's
    /// plus a page. [#NO_HOST_PAGE] for pages without an entry, and for frames outside the memory
    /// (devices).
    ///
    /// @param entry of a [ShadowEntry]
    /// @return the word
    long hostPage(long entry) {
        long offset = ShadowEntry.paddr(entry) - base;
        if (entry == ShadowEntry.NONE || Long.compareUnsigned(offset, sizeBytes) >= 0) {
            return NO_HOST_PAGE;
        }
        return (offset + fileOffset)
                | PRESENT
                | (ShadowEntry.isHinted(entry) ? HINTED : 0)
                | protection(ShadowEntry.flagBits(entry));
    }

    /// The file offset in a word of [#hostPage].
    static long offsetOf(long hostPage) {
        return PageSize.SIZE_4K.alignDown(hostPage);
    }

    /// The protection in a word of [#hostPage], as `mmap` takes it.
    static int protectionOf(long hostPage) {
        return (int) (hostPage & (PRESENT - 1));
    }

    /// Whether the host is to be asked for huge pages, in a word of [#hostPage].
    static boolean isHinted(long hostPage) {
        return (hostPage & HINTED) != 0;
    }

    /// How many pages a run of entries goes on before it enters or leaves the memory.
    ///
    /// @param entry the first page's entry
    /// @param pages the run's length, at least 1
    /// @return 1 to `pages`; all of the pages up to there are in the memory, or all are not
    long untilBorder(long entry, long pages) {
        if (entry == ShadowEntry.NONE) {
            return pages;
        }
        long paddr = ShadowEntry.paddr(entry);
        long offset = paddr - base;
        long left = Long.compareUnsigned(offset, sizeBytes) < 0 ? sizeBytes - offset : base - paddr;
        return left <= 0 ? pages : Math.min(pages, left >>> PageSize.BASE_SHIFT);
    }

    private int protection(int flagBits) {
        int access = flagBits & MmuFlags.ACCESS_MASK; // the bits are those of PROT_*
        return executable ? access : access & ~Posix.PROT_EXEC;
    }
}
