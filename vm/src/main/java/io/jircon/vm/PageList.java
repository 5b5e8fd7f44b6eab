package io.jircon.vm;

import org.jspecify.annotations.Nullable;

/// Which frame each page of a memory object has: a sparse array of one `long` per page, indexed by
/// page number (offset divided by the page size, so less than 2^52).
///
/// A radix tree of 64-way nodes that grows upwards with the largest index in use. An empty list is
/// one object, whatever the object's size (clause O-6); a dense one costs one word per page and one
/// part in 64 for counts and pointers. The leaf used last is remembered, so a run of neighbouring
/// pages costs one descent for each 64.
///
/// Not thread-safe: guarded by the family lock of the memory object.
final class PageList {
    /// What [#get(long)] answers for a page without an entry.
    static final long ABSENT = 0;

    /// What [#next(long, long)] answers when there is no further entry.
    static final long NONE = -1;

    private static final int FANOUT_SHIFT = 6;
    private static final int FANOUT = 1 << FANOUT_SHIFT;
    private static final int INDEX_MASK = FANOUT - 1;

    /// Index in a leaf of the number of its entries in use.
    private static final int USED = FANOUT;

    private static final long LEAF_BYTES = 8L * (FANOUT + 1) + 16;
    private static final long INNER_BYTES = 4L * FANOUT + 16;

    /// A leaf (`long[]`) when height is 0, else an inner node (`Object[]`); null when empty.
    private @Nullable Object root;

    /// Levels of inner nodes above the leaves.
    private int height;

    private long count;
    private long leaves;
    private long inners;

    private long @Nullable [] lastLeaf;

    /// Page number of the last leaf's first entry, divided by the fan-out.
    private long lastLeafNumber;

    /// How many pages have an entry.
    long count() {
        return count;
    }

    /// What the tree itself takes, in bytes; 0 when it is empty.
    long metadataBytes() {
        return leaves * LEAF_BYTES + inners * INNER_BYTES;
    }

    /// The entry of a page, or [#ABSENT].
    long get(long page) {
        long[] leaf = findLeaf(page >>> FANOUT_SHIFT);
        return leaf == null ? ABSENT : leaf[(int) page & INDEX_MASK];
    }

    /// Enters, replaces or (with [#ABSENT]) removes the entry of a page.
    void set(long page, long value) {
        long number = page >>> FANOUT_SHIFT;
        int index = (int) page & INDEX_MASK;
        long[] leaf = findLeaf(number);
        if (leaf == null) {
            if (value == ABSENT) {
                return;
            }
            leaf = makeLeaf(number);
        }
        long old = leaf[index];
        leaf[index] = value;
        if (old == ABSENT && value != ABSENT) {
            leaf[USED]++;
            count++;
        } else if (old != ABSENT && value == ABSENT) {
            leaf[USED]--;
            count--;
            if (leaf[USED] == 0) {
                dropLeaf(number);
            }
        }
    }

    /// The first page at or after `from`, and before `end`, that has an entry; else [#NONE].
    long next(long from, long end) {
        long page = from;
        while (page < end && root != null) {
            long number = page >>> FANOUT_SHIFT;
            long[] leaf = findLeaf(number);
            if (leaf == null) {
                number = nextLeafNumber(number);
                if (number == NONE) {
                    return NONE;
                }
                page = number << FANOUT_SHIFT;
                continue;
            }
            long leafEnd = Math.min(end, (number + 1) << FANOUT_SHIFT);
            for (; page < leafEnd; page++) {
                if (leaf[(int) page & INDEX_MASK] != ABSENT) {
                    return page;
                }
            }
        }
        return NONE;
    }

    /// How many pages of `[from, end)` have an entry.
    long countIn(long from, long end) {
        long found = 0;
        for (long page = next(from, end); page != NONE; page = next(page + 1, end)) {
            found++;
        }
        return found;
    }

    /// Forgets every entry.
    void clear() {
        root = null;
        height = 0;
        count = 0;
        leaves = 0;
        inners = 0;
        lastLeaf = null;
    }

    private long @Nullable [] findLeaf(long number) {
        if (lastLeaf != null && lastLeafNumber == number) {
            return lastLeaf;
        }
        if (!isReachable(number)) {
            return null;
        }
        Object node = root;
        for (int level = height; level > 0 && node != null; level--) {
            node = ((@Nullable Object[]) node)[slot(number, level)];
        }
        if (node == null) {
            return null;
        }
        long[] leaf = (long[]) node;
        lastLeaf = leaf;
        lastLeafNumber = number;
        return leaf;
    }

    /// Whether a leaf number is below what the present height can hold.
    private boolean isReachable(long number) {
        return number >>> (FANOUT_SHIFT * height) == 0;
    }

    private static int slot(long number, int level) {
        return (int) (number >>> (FANOUT_SHIFT * (level - 1))) & INDEX_MASK;
    }

    private long[] makeLeaf(long number) {
        if (root == null) {
            while (!isReachable(number)) {
                height++;
            }
        }
        while (!isReachable(number)) {
            @Nullable Object[] above = new Object[FANOUT];
            above[0] = root;
            root = above;
            inners++;
            height++;
        }
        long[] leaf = new long[FANOUT + 1];
        leaves++;
        lastLeaf = leaf;
        lastLeafNumber = number;
        if (height == 0) {
            root = leaf;
            return leaf;
        }
        @Nullable Object[] node = (@Nullable Object[]) root;
        if (node == null) {
            node = new Object[FANOUT];
            root = node;
            inners++;
        }
        for (int level = height; level > 1; level--) {
            int slot = slot(number, level);
            @Nullable Object[] below = (@Nullable Object[]) node[slot];
            if (below == null) {
                below = new Object[FANOUT];
                node[slot] = below;
                inners++;
            }
            node = below;
        }
        node[slot(number, 1)] = leaf;
        return leaf;
    }

    private void dropLeaf(long number) {
        lastLeaf = null;
        leaves--;
        if (drop(root, height, number)) {
            clear();
        }
    }

    /// Cuts the leaf out; answers whether `node` is empty by that. The depth is at most nine.
    private boolean drop(@Nullable Object node, int level, long number) {
        if (level == 0) {
            return true;
        }
        @Nullable Object[] inner = (@Nullable Object[]) java.util.Objects.requireNonNull(node);
        int slot = slot(number, level);
        if (drop(inner[slot], level - 1, number)) {
            inner[slot] = null;
            for (Object child : inner) {
                if (child != null) {
                    return false;
                }
            }
            inners--;
            return true;
        }
        return false;
    }

    /// The first leaf at or after a number, or [#NONE].
    private long nextLeafNumber(long number) {
        if (root == null || !isReachable(number)) {
            return NONE;
        }
        return nextLeafNumber(root, height, number, 0);
    }

    /// `prefix` is the number of the leftmost leaf below `node`; `from` may lie before it.
    private static long nextLeafNumber(Object node, int level, long from, long prefix) {
        if (level == 0) {
            return prefix;
        }
        @Nullable Object[] inner = (@Nullable Object[]) node;
        int shift = FANOUT_SHIFT * (level - 1);
        int first = from <= prefix ? 0 : (int) ((from - prefix) >>> shift);
        for (int slot = first; slot < FANOUT; slot++) {
            Object child = inner[slot];
            if (child != null) {
                long found =
                        nextLeafNumber(child, level - 1, from, prefix + ((long) slot << shift));
                if (found != NONE) {
                    return found;
                }
            }
        }
        return NONE;
    }
}
