package io.jircon.vm;

import java.util.Objects;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// The children of one region, ordered by address (clauses V-249 to V-260).
///
/// A height-balanced tree whose links live in its members. Every node also knows the extent of its
/// subtree and the gaps inside it, so that a free place is found without visiting what cannot hold
/// it. Find, insert, remove and first fit take O(log n); a random place takes as long where every
/// gap can hold the request, and otherwise the number of the gaps that can.
///
/// Knows nothing of locks, of what its members mean, or of page tables.
final class RegionTree {
    /// What [#place] answers when nothing fits. No place starts there: places are page aligned.
    static final long NO_PLACE = -1L;

    private final long lowest;
    private final long highest;
    private @Nullable RegionNode root;
    private int size;

    /// Makes an empty set of children.
    ///
    /// @param lowest first byte that a member may take
    /// @param highest last byte that a member may take, inclusive
    RegionTree(long lowest, long highest) {
        assert Long.compareUnsigned(lowest, highest) <= 0;
        this.lowest = lowest;
        this.highest = highest;
    }

    int size() {
        return size;
    }

    boolean isEmpty() {
        return size == 0;
    }

    /// The member that contains an address (clause V-250).
    @Nullable RegionNode find(long address) {
        RegionNode node = root;
        while (node != null) {
            if (Long.compareUnsigned(address, node.first) < 0) {
                node = node.left;
            } else if (Long.compareUnsigned(address, node.last) > 0) {
                node = node.right;
            } else {
                return node;
            }
        }
        return null;
    }

    /// [#find] for a reader without the lock, who may meet a tree in the middle of a rotation and
    /// has to check afterwards whether it did. Gives up after more steps than any tree is high.
    @Nullable RegionNode findOptimistic(long address) {
        RegionNode node = root;
        for (int steps = 0; node != null && steps < Long.SIZE; steps++) {
            if (Long.compareUnsigned(address, node.first) < 0) {
                node = node.left;
            } else if (Long.compareUnsigned(address, node.last) > 0) {
                node = node.right;
            } else {
                return node;
            }
        }
        return null;
    }

    /// The member that contains an address, else the first one above it (clause V-251).
    @Nullable RegionNode includeOrHigher(long address) {
        RegionNode best = null;
        RegionNode node = root;
        while (node != null) {
            if (Long.compareUnsigned(address, node.last) <= 0) {
                best = node;
                node = node.left;
            } else {
                node = node.right;
            }
        }
        return best;
    }

    /// The first member that starts above an address (clause V-252).
    @Nullable RegionNode upperBound(long address) {
        RegionNode best = null;
        RegionNode node = root;
        while (node != null) {
            if (Long.compareUnsigned(address, node.first) < 0) {
                best = node;
                node = node.left;
            } else {
                node = node.right;
            }
        }
        return best;
    }

    /// The lowest member that has a byte in a range (clause V-253 in its useful form).
    ///
    /// @param first first byte of the range
    /// @param last last byte of the range, inclusive
    /// @return null when the range is free
    @Nullable RegionNode firstIntersecting(long first, long last) {
        RegionNode node = includeOrHigher(first);
        return node != null && Long.compareUnsigned(node.first, last) <= 0 ? node : null;
    }

    /// Whether no member has a byte in a range (clause V-253).
    boolean isRangeAvailable(long first, long last) {
        return firstIntersecting(first, last) == null;
    }

    @Nullable RegionNode first() {
        RegionNode node = root;
        return node == null ? null : leftmost(node);
    }

    static @Nullable RegionNode next(RegionNode node) {
        RegionNode right = node.right;
        if (right != null) {
            return leftmost(right);
        }
        RegionNode child = node;
        RegionNode parent = node.up;
        while (parent != null && parent.right == child) {
            child = parent;
            parent = parent.up;
        }
        return parent;
    }

    static @Nullable RegionNode previous(RegionNode node) {
        RegionNode left = node.left;
        if (left != null) {
            while (left.right != null) {
                left = left.right;
            }
            return left;
        }
        RegionNode child = node;
        RegionNode parent = node.up;
        while (parent != null && parent.left == child) {
            child = parent;
            parent = parent.up;
        }
        return parent;
    }

    /// Adds a member whose range is free.
    void insert(RegionNode node) {
        assert node.height == 0 : "in a tree already";
        RegionNode parent = null;
        RegionNode at = root;
        while (at != null) {
            assert !at.intersects(node.first, node.last) : "overlap";
            parent = at;
            at = Long.compareUnsigned(node.first, at.first) < 0 ? at.left : at.right;
        }
        node.up = parent;
        if (parent == null) {
            root = node;
        } else if (Long.compareUnsigned(node.first, parent.first) < 0) {
            parent.left = node;
        } else {
            parent.right = node;
        }
        size++;
        retrace(node);
    }

    /// Takes a member out and clears its links.
    void remove(RegionNode node) {
        assert node.height != 0 : "in no tree";
        RegionNode l = node.left;
        RegionNode r = node.right;
        RegionNode lowestChanged;
        if (l == null || r == null) {
            lowestChanged = node.up;
            relink(node.up, node, l == null ? r : l);
        } else {
            RegionNode successor = leftmost(r);
            if (successor == r) {
                lowestChanged = successor;
            } else {
                RegionNode parent = successor.up;
                lowestChanged = parent;
                relink(parent, successor, successor.right);
                successor.right = r;
                r.up = successor;
            }
            successor.left = l;
            l.up = successor;
            relink(node.up, node, successor);
        }
        clearLinks(node);
        size--;
        if (lowestChanged != null) {
            retrace(lowestChanged);
        }
    }

    /// Puts a node in the place of a member with the same first byte; never fails, never allocates
    /// (clause V-254). The new range must not reach into a neighbour.
    void replace(RegionNode old, RegionNode replacement) {
        assert old.first == replacement.first && replacement.height == 0;
        RegionNode l = old.left;
        RegionNode r = old.right;
        replacement.left = l;
        replacement.right = r;
        if (l != null) {
            l.up = replacement;
        }
        if (r != null) {
            r.up = replacement;
        }
        relink(old.up, old, replacement);
        clearLinks(old);
        retrace(replacement);
    }

    /// Hears that a member's range changed without passing a neighbour.
    void resized(RegionNode node) {
        retrace(node);
    }

    /// Forgets all members, in O(1). Their links stay and keep them reachable from each other until
    /// [#clearLinks] is called for each.
    void clear() {
        root = null;
        size = 0;
    }

    /// Makes a node one that is in no tree.
    static void clearLinks(RegionNode node) {
        node.left = null;
        node.right = null;
        node.up = null;
        node.height = 0;
    }

    /// Chooses a free place (clauses V-238 to V-245): one of the lowest `min(2^entropyBits, all)`
    /// candidates, each with the same probability.
    ///
    /// @param sizeBytes size, a multiple of the base page, not 0
    /// @param alignShift log2 of the alignment of the address, at least that of the base page
    /// @param limitLast the last byte that the place may take, inclusive
    /// @param entropyBits 0 for the lowest candidate, at most 36
    /// @param random where the choice comes from; not used with entropy 0
    /// @return the address, or [#NO_PLACE]
    long place(
            long sizeBytes,
            int alignShift,
            long limitLast,
            int entropyBits,
            @Nullable RandomGenerator random) {
        if (entropyBits == 0 || random == null) {
            return new PlaceSearch(sizeBytes, alignShift, limitLast, 0).run();
        }
        long wanted = random.nextLong(1L << entropyBits);
        var search = new PlaceSearch(sizeBytes, alignShift, limitLast, wanted);
        long found = search.run();
        if (found != NO_PLACE) {
            return found;
        }
        long candidates = wanted - search.toSkip;
        if (candidates == 0) {
            return NO_PLACE;
        }
        // Fewer candidates than 2^entropy: all of them are eligible, so draw once more.
        return new PlaceSearch(sizeBytes, alignShift, limitLast, random.nextLong(candidates)).run();
    }

    /// How many candidates there are (clause V-238).
    long countPlaces(long sizeBytes, int alignShift, long limitLast) {
        var search = new PlaceSearch(sizeBytes, alignShift, limitLast, Long.MAX_VALUE);
        search.run();
        return Long.MAX_VALUE - search.toSkip;
    }

    /// One pass over the gaps in ascending order that counts candidates down.
    private final class PlaceSearch {
        private final long sizeBytes;
        private final int alignShift;
        private final long limitLast;
        private final boolean countsWholeSubtrees;

        /// How many candidates still lie before the wanted one.
        long toSkip;

        private long found = NO_PLACE;

        PlaceSearch(long sizeBytes, int alignShift, long limitLast, long toSkip) {
            this.sizeBytes = sizeBytes;
            this.alignShift = alignShift;
            this.limitLast = Long.compareUnsigned(limitLast, highest) < 0 ? limitLast : highest;
            this.toSkip = toSkip;
            // The number of candidates of a gap follows from its size alone only when every page
            // is one.
            this.countsWholeSubtrees = alignShift == VmoMath.SHIFT;
        }

        long run() {
            RegionNode top = root;
            if (top == null) {
                tryGap(lowest, highest);
                return found;
            }
            if (top.subtreeFirst != lowest && tryGap(lowest, top.subtreeFirst - 1)) {
                return found;
            }
            if (tryGapsInside(top)) {
                return found;
            }
            if (top.subtreeLast != highest) {
                tryGap(top.subtreeLast + 1, highest);
            }
            return found;
        }

        /// Goes over the gaps between the members of a subtree; true ends the search.
        private boolean tryGapsInside(RegionNode top) {
            if (Long.compareUnsigned(top.maxGap, sizeBytes) < 0) {
                return false;
            }
            if (Long.compareUnsigned(top.subtreeFirst, limitLast) >= 0) {
                return true;
            }
            if (countsWholeSubtrees
                    && Long.compareUnsigned(top.minGap, sizeBytes) >= 0
                    && Long.compareUnsigned(top.subtreeLast, limitLast) <= 0) {
                long candidates =
                        ((top.gapBytes - top.gapCount * sizeBytes) >>> alignShift) + top.gapCount;
                if (candidates <= toSkip) {
                    toSkip -= candidates;
                    return false;
                }
            }
            RegionNode l = top.left;
            if (l != null && (tryGapsInside(l) || tryGapBetween(l.subtreeLast, top.first))) {
                return true;
            }
            RegionNode r = top.right;
            return r != null && (tryGapBetween(top.last, r.subtreeFirst) || tryGapsInside(r));
        }

        private boolean tryGapBetween(long lastBefore, long firstAfter) {
            return lastBefore + 1 != firstAfter && tryGap(lastBefore + 1, firstAfter - 1);
        }

        /// Takes or counts the candidates of one gap; true ends the search.
        private boolean tryGap(long gapFirst, long gapLast) {
            long start = Ranges.alignUp(gapFirst, alignShift);
            if (Long.compareUnsigned(start, gapFirst) < 0) {
                return true; // wrapped: no aligned address is left above
            }
            if (Long.compareUnsigned(start, limitLast) > 0) {
                return true;
            }
            long end = Long.compareUnsigned(gapLast, limitLast) < 0 ? gapLast : limitLast;
            if (Long.compareUnsigned(start, end) > 0
                    || Long.compareUnsigned(end - start, sizeBytes - 1) < 0) {
                return false;
            }
            long candidates = ((end - start - (sizeBytes - 1)) >>> alignShift) + 1;
            if (candidates <= toSkip) {
                toSkip -= candidates;
                return false;
            }
            found = start + (toSkip << alignShift);
            return true;
        }
    }

    private static RegionNode leftmost(RegionNode node) {
        RegionNode at = node;
        for (RegionNode l = at.left; l != null; l = at.left) {
            at = l;
        }
        return at;
    }

    /// Puts `child`, which may be absent, where `old` hangs below `parent`.
    private void relink(@Nullable RegionNode parent, RegionNode old, @Nullable RegionNode child) {
        if (parent == null) {
            root = child;
        } else if (parent.left == old) {
            parent.left = child;
        } else {
            parent.right = child;
        }
        if (child != null) {
            child.up = parent;
        }
    }

    /// Restores balance and summaries from a node up to the root.
    private void retrace(RegionNode from) {
        for (RegionNode node = from; node != null; node = node.up) {
            node = balance(node);
        }
    }

    private RegionNode balance(RegionNode node) {
        RegionNode l = node.left;
        RegionNode r = node.right;
        int lean = heightOf(l) - heightOf(r);
        if (lean > 1 && l != null) {
            if (heightOf(l.left) < heightOf(l.right)) {
                rotateLeft(l);
            }
            return rotateRight(node);
        }
        if (lean < -1 && r != null) {
            if (heightOf(r.right) < heightOf(r.left)) {
                rotateRight(r);
            }
            return rotateLeft(node);
        }
        node.summarize();
        return node;
    }

    private RegionNode rotateLeft(RegionNode node) {
        RegionNode pivot = Objects.requireNonNull(node.right);
        RegionNode moved = pivot.left;
        relink(node.up, node, pivot);
        node.right = moved;
        if (moved != null) {
            moved.up = node;
        }
        pivot.left = node;
        node.up = pivot;
        node.summarize();
        pivot.summarize();
        return pivot;
    }

    private RegionNode rotateRight(RegionNode node) {
        RegionNode pivot = Objects.requireNonNull(node.left);
        RegionNode moved = pivot.right;
        relink(node.up, node, pivot);
        node.left = moved;
        if (moved != null) {
            moved.up = node;
        }
        pivot.right = node;
        node.up = pivot;
        node.summarize();
        pivot.summarize();
        return pivot;
    }

    private static int heightOf(@Nullable RegionNode node) {
        return node == null ? 0 : node.height;
    }

    /// Recomputes every summary the slow way and compares (clause V-260).
    ///
    /// @throws AssertionError naming the first difference
    void checkInvariants() {
        RegionNode previous = null;
        int count = 0;
        for (RegionNode node = first(); node != null; node = next(node)) {
            count++;
            check(Long.compareUnsigned(node.first, node.last) <= 0, node, "is empty");
            check(Long.compareUnsigned(lowest, node.first) <= 0, node, "starts below its parent");
            check(Long.compareUnsigned(node.last, highest) <= 0, node, "ends above its parent");
            check(
                    previous == null || Long.compareUnsigned(previous.last, node.first) < 0,
                    node,
                    "overlaps the member before it");
            previous = node;
        }
        check(count == size, root, "reaches " + count + " of " + size + " members");
        RegionNode top = root;
        if (top != null) {
            check(top.up == null, top, "is the root and has a parent");
            checkSubtree(top);
        }
    }

    private static void checkSubtree(RegionNode node) {
        RegionNode l = node.left;
        RegionNode r = node.right;
        if (l != null) {
            check(l.up == node, l, "has a wrong parent link");
            checkSubtree(l);
        }
        if (r != null) {
            check(r.up == node, r, "has a wrong parent link");
            checkSubtree(r);
        }
        check(Math.abs(heightOf(l) - heightOf(r)) <= 1, node, "is out of balance");
        int height = node.height;
        int gapCount = node.gapCount;
        long first = node.subtreeFirst;
        long last = node.subtreeLast;
        long maxGap = node.maxGap;
        long minGap = node.minGap;
        long gapBytes = node.gapBytes;
        node.summarize();
        check(
                height == node.height
                        && gapCount == node.gapCount
                        && first == node.subtreeFirst
                        && last == node.subtreeLast
                        && maxGap == node.maxGap
                        && minGap == node.minGap
                        && gapBytes == node.gapBytes,
                node,
                "has a stale summary");
    }

    private static void check(boolean holds, @Nullable RegionNode node, String complaint) {
        if (!holds) {
            throw new AssertionError(
                    (node == null
                                    ? "the tree"
                                    : "member [0x"
                                            + Long.toHexString(node.first)
                                            + ", 0x"
                                            + Long.toHexString(node.last)
                                            + "]")
                            + " "
                            + complaint);
        }
    }
}
