package io.jircon.hal.unix;

import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;

/// One page of a page table's shadow, as a word.
///
/// ```
///   63      52 51                    12 11   9  8   7   6        0
///  |    0     | physical page address  |  0   | H | P |  flags   |
/// ```
///
/// `P` says that there is an entry; a page without one is 0. `H` says that the host was asked to
/// back the page with a huge one ([EditPlanner]). The flags are [MmuFlags]'s bits. The entry of the
/// next page of a run is this one plus a page.
final class ShadowEntry {
    /// No entry.
    static final long NONE = 0;

    private static final long PRESENT = 1L << 7;
    private static final long HUGE = 1L << 8;
    private static final long FLAG_MASK = PRESENT - 1;

    private ShadowEntry() {}

    static long of(long paddr, MmuFlags flags) {
        return paddr | PRESENT | flags.bits();
    }

    static long paddr(long entry) {
        return PageSize.SIZE_4K.alignDown(entry);
    }

    static int flagBits(long entry) {
        return (int) (entry & FLAG_MASK);
    }

    static MmuFlags flags(long entry) {
        return MmuFlags.of(flagBits(entry));
    }

    /// The same frame with other flags.
    ///
    /// @param entry not NONE
    /// @param bits bits of [MmuFlags]
    static long withFlagBits(long entry, int bits) {
        return (entry & ~FLAG_MASK) | bits;
    }

    /// The same with the wish for huge pages.
    ///
    /// @param entry not NONE
    static long hinted(long entry) {
        return entry | HUGE;
    }

    static boolean isHinted(long entry) {
        return (entry & HUGE) != 0;
    }

    /// The entry that many pages further on in the same run.
    static long advance(long entry, long pages) {
        return entry == NONE ? NONE : entry + (pages << PageSize.BASE_SHIFT);
    }
}
