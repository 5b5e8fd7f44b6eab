package io.jircon.hal;

import java.util.Arrays;

/// A set-associative cache of translations, each of a whole leaf of any size.
///
/// An entry stands in the set that its page number of its own size names, so a lookup looks once
/// for each leaf size that was ever entered: one, two or three times. Knows nothing of page tables.
/// Not safe for use by many threads; [SoftwareMmu] guards it.
final class Tlb {
    /// No entry.
    static final int NONE = -1;

    private static final int EMPTY = -1;

    private final int sets;
    private final int ways;
    private final TlbConfig.Replacement replacement;

    // Entry e is way e % ways of set e / ways; free when its tag is EMPTY.
    private final int[] tags;
    private final byte[] shifts;
    private final long[] vaddrs;
    private final long[] paddrs;
    private final int[] allowed;
    private final long[] stamps;

    private long tick;
    private long randomState;

    // Bit s is set when an entry of shift s was entered since the last clear.
    private long shiftsSeen;

    Tlb(TlbConfig config) {
        this.sets = config.sets();
        this.ways = config.ways();
        this.replacement = config.replacement();
        int entries = Math.multiplyExact(sets, ways);
        this.tags = new int[entries];
        this.shifts = new byte[entries];
        this.vaddrs = new long[entries];
        this.paddrs = new long[entries];
        this.allowed = new int[entries];
        this.stamps = new long[entries];
        this.randomState = config.seed();
        Arrays.fill(tags, EMPTY);
    }

    /// The entry that holds an address, or NONE. Counts as a use of it.
    int lookup(int tag, long vaddr) {
        for (long left = shiftsSeen; left != 0; left &= left - 1) {
            int shift = Long.numberOfTrailingZeros(left);
            int entry = find(tag, vaddr, shift);
            if (entry != NONE) {
                if (replacement == TlbConfig.Replacement.LRU) {
                    stamps[entry] = ++tick;
                }
                return entry;
            }
        }
        return NONE;
    }

    /// Whether an entry allows all of some [MmuFlags] bits.
    boolean allows(int entry, int bits) {
        return (bits & ~allowed[entry]) == 0;
    }

    /// The physical address of a byte of the entry's leaf.
    long translate(int entry, long vaddr) {
        return paddrs[entry] + (vaddr - vaddrs[entry]);
    }

    /// Enters the leaf that holds an address, in place of one with the same tag, page and size.
    void insert(int tag, long vaddr, long paddr, int shift, int flagBits) {
        if (sets == 0) {
            return;
        }
        int entry = find(tag, vaddr, shift);
        if (entry == NONE) {
            entry = victim(setOf(vaddr, shift));
        }
        long inLeaf = vaddr & ((1L << shift) - 1);
        tags[entry] = tag;
        shifts[entry] = (byte) shift;
        vaddrs[entry] = vaddr - inLeaf;
        paddrs[entry] = paddr - inLeaf;
        allowed[entry] = flagBits;
        stamps[entry] = ++tick;
        shiftsSeen |= 1L << shift;
    }

    /// Drops one entry.
    void drop(int entry) {
        tags[entry] = EMPTY;
    }

    /// Drops every entry that shares a byte with the leaf that holds an address.
    void flushPage(int tag, long vaddr, int shift) {
        long smaller = shiftsSeen & ((1L << shift) - 1);
        if (smaller != 0) {
            flushInside(tag, vaddr & -(1L << shift), shift);
        }
        for (long left = shiftsSeen & ~smaller; left != 0; left &= left - 1) {
            int entry = find(tag, vaddr, Long.numberOfTrailingZeros(left));
            if (entry != NONE) {
                drop(entry);
            }
        }
    }

    /// Drops every entry of a tag.
    void flushTag(int tag) {
        for (int entry = 0; entry < tags.length; entry++) {
            if (tags[entry] == tag) {
                tags[entry] = EMPTY;
            }
        }
    }

    /// Drops everything.
    void clear() {
        Arrays.fill(tags, EMPTY);
        shiftsSeen = 0;
    }

    private void flushInside(int tag, long start, int shift) {
        for (int entry = 0; entry < tags.length; entry++) {
            if (tags[entry] == tag && (vaddrs[entry] - start) >>> shift == 0) {
                tags[entry] = EMPTY;
            }
        }
    }

    private int setOf(long vaddr, int shift) {
        return (int) (vaddr >>> shift) & (sets - 1);
    }

    /// The entry of just this tag, page and size, or NONE.
    int find(int tag, long vaddr, int shift) {
        if (sets == 0) {
            return NONE;
        }
        int from = setOf(vaddr, shift) * ways;
        long start = vaddr & -(1L << shift);
        for (int entry = from; entry < from + ways; entry++) {
            if (tags[entry] == tag && vaddrs[entry] == start && shifts[entry] == shift) {
                return entry;
            }
        }
        return NONE;
    }

    private int victim(int set) {
        int from = set * ways;
        int oldest = from;
        for (int entry = from; entry < from + ways; entry++) {
            if (tags[entry] == EMPTY) {
                return entry;
            }
            if (stamps[entry] < stamps[oldest]) {
                oldest = entry;
            }
        }
        return replacement == TlbConfig.Replacement.RANDOM
                ? from + Integer.remainderUnsigned((int) (nextRandom() >>> 32), ways)
                : oldest;
    }

    /// A Weyl sequence with a mixing step: enough to spread victims, the same for the same seed.
    private long nextRandom() {
        randomState += 0x9e37_79b9_7f4a_7c15L;
        long mixed = (randomState ^ (randomState >>> 31)) * 0x7fb5_d329_728e_a185L;
        return mixed ^ (mixed >>> 29);
    }
}
