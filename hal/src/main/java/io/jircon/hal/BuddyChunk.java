package io.jircon.hal;

import java.util.Arrays;

/// 128 MiB of frames of a [BuddyFrameAllocator]: the free bits, and the tree over their words.
/// Guarded by the allocator's lock.
final class BuddyChunk {
    static final int WORD_ORDER = 6;
    static final int WORDS = 512;
    static final int ORDER = WORD_ORDER + 9;
    static final int FRAMES = 1 << ORDER;

    /// The value of a tree's root when every frame is free.
    static final byte ALL_FREE = ORDER + 1;

    // Bits that start a block of order 1, 2, .. 5 in a word.
    private static final long[] STARTS = {
        0x5555_5555_5555_5555L,
        0x1111_1111_1111_1111L,
        0x0101_0101_0101_0101L,
        0x0001_0001_0001_0001L,
        0x0000_0001_0000_0001L,
        1L
    };

    final long[] words = new long[WORDS];

    // Heap-shaped: root 1, leaves from WORDS on. Largest free order + 1; 0 is "none".
    final byte[] tree = new byte[2 * WORDS];

    BuddyChunk() {
        Arrays.fill(words, -1L);
        int levelEnd = 2 * WORDS;
        for (byte value = WORD_ORDER + 1; value <= ALL_FREE; value++) {
            Arrays.fill(tree, levelEnd / 2, levelEnd, value);
            levelEnd /= 2;
        }
    }

    /// Stores a word; true when the root of the tree changed.
    boolean setWord(int word, long bits) {
        words[word] = bits;
        int node = WORDS + word;
        byte value = largest(bits);
        for (byte whole = WORD_ORDER + 1; ; whole++) {
            if (tree[node] == value) {
                return false;
            }
            tree[node] = value;
            if (node == 1) {
                return true;
            }
            node >>= 1;
            byte left = tree[2 * node];
            byte right = tree[2 * node + 1];
            value = left == whole && right == whole ? (byte) (whole + 1) : max(left, right);
        }
    }

    /// The lowest word with a free frame; there must be one.
    int findWord() {
        int node = 1;
        while (node < WORDS) {
            node *= 2;
            if (tree[node] == 0) {
                node++;
            }
        }
        return node - WORDS;
    }

    /// The lowest block of an order; there must be one.
    int findBlock(int order) {
        int node = 1;
        for (int nodeOrder = ORDER; nodeOrder > Math.max(order, WORD_ORDER); nodeOrder--) {
            node *= 2;
            if (tree[node] < order + 1) {
                node++;
            }
        }
        if (order >= WORD_ORDER) {
            // node is the root of a subtree of this very order.
            int level = ORDER - order;
            return (node - (1 << level)) << order;
        }
        int word = node - WORDS;
        return word * Long.SIZE + Long.numberOfTrailingZeros(starts(words[word], order));
    }

    private static byte max(byte a, byte b) {
        return a > b ? a : b;
    }

    /// The free blocks of an order in a word, each as the bit of its first frame.
    private static long starts(long bits, int order) {
        long starts = bits;
        for (int k = 0; k < order; k++) {
            starts &= starts >>> (1 << k) & STARTS[k];
        }
        return starts;
    }

    private static byte largest(long bits) {
        if (bits == -1L) {
            return WORD_ORDER + 1;
        }
        byte value = 0;
        for (long starts = bits; starts != 0; value++) {
            starts &= starts >>> (1 << value) & STARTS[value];
        }
        return value;
    }
}
