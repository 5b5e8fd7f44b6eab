package io.jircon.hal.unix;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/// Which pages of a window were accessed: a bit for each, in chunks that are made by the first
/// access of one of their pages and then stay.
///
/// Processors set bits without a lock, after each access; a page that has its bit costs them a
/// read. Reads are volatile so that an access which comes after a bit was taken sets it again.
final class AccessedMarks {
    private static final int WORD_SHIFT = 6;
    private static final int CHUNK_SHIFT = 15;
    private static final int CHUNK_WORDS = 1 << (CHUNK_SHIFT - WORD_SHIFT);

    private static final VarHandle WORDS = MethodHandles.arrayElementVarHandle(long[].class);
    private static final VarHandle CHUNKS = MethodHandles.arrayElementVarHandle(long[][].class);

    private final long @Nullable [][] chunks;

    /// Makes marks of pages that were not accessed.
    ///
    /// @param pageCount how many pages, more than 0
    AccessedMarks(long pageCount) {
        chunks = new long[Math.toIntExact(((pageCount - 1) >>> CHUNK_SHIFT) + 1)][];
    }

    /// Marks neighbouring pages.
    void set(long page, long count) {
        long end = page + count;
        for (long at = page; at < end; ) {
            long next = nextWord(at, end);
            long mask = mask(at, next);
            long[] words = chunk(at);
            if (words == null) {
                words = newChunk(at);
            }
            int word = wordOf(at);
            if (((long) WORDS.getVolatile(words, word) & mask) != mask) {
                WORDS.getAndBitwiseOr(words, word, mask);
            }
            at = next;
        }
    }

    /// Takes the marks from neighbouring pages and tells no one.
    void clear(long page, long count) {
        take(page, count, null, 0);
    }

    /// Takes the marks from neighbouring pages.
    ///
    /// @param told receives a bit for each page that had one, if not null
    /// @param toldFrom the bit of the first page
    /// @return whether any had one
    boolean take(long page, long count, @Nullable BitSet told, int toldFrom) {
        boolean found = false;
        long end = page + count;
        for (long at = page; at < end; ) {
            long[] words = chunk(at);
            if (words == null) {
                at = ((at >>> CHUNK_SHIFT) + 1) << CHUNK_SHIFT;
                continue;
            }
            long next = nextWord(at, end);
            long mask = mask(at, next);
            int word = wordOf(at);
            if (((long) WORDS.getVolatile(words, word) & mask) != 0) {
                long taken = (long) WORDS.getAndBitwiseAnd(words, word, ~mask) & mask;
                found = true;
                if (told != null) {
                    tell(taken >>> at, told, toldFrom + (int) (at - page));
                }
            }
            at = next;
        }
        return found;
    }

    private static void tell(long bits, BitSet told, int toldFrom) {
        long left = bits;
        int at = toldFrom;
        while (left != 0) {
            int skipped = Long.numberOfTrailingZeros(left);
            left >>>= skipped;
            at += skipped;
            int length = Long.numberOfTrailingZeros(~left);
            told.set(at, at + length);
            left = length == Long.SIZE ? 0 : left >>> length;
            at += length;
        }
    }

    private static long nextWord(long page, long end) {
        return Math.min((page | (Long.SIZE - 1)) + 1, end);
    }

    /// The bits of the pages `[page, end)`, which lie in one word. Shifts count modulo 64.
    private static long mask(long page, long end) {
        return -1L << page & -1L >>> -end;
    }

    private static int wordOf(long page) {
        return (int) (page >>> WORD_SHIFT) & (CHUNK_WORDS - 1);
    }

    private long @Nullable [] chunk(long page) {
        return (long[]) CHUNKS.getAcquire(chunks, (int) (page >>> CHUNK_SHIFT));
    }

    private long[] newChunk(long page) {
        var made = new long[CHUNK_WORDS];
        Object other =
                CHUNKS.compareAndExchange(
                        chunks, (int) (page >>> CHUNK_SHIFT), (long[]) null, made);
        return other == null ? made : (long[]) other;
    }
}
