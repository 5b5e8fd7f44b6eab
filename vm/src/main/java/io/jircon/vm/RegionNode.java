package io.jircon.vm;

import org.jspecify.annotations.Nullable;

/// A member of one [RegionTree]: a range of addresses and the links that keep it in the tree.
///
/// The links live in the member itself, so that inserting, splitting and merging allocate nothing
/// (clause V-254). First and last byte are both inclusive, because a range may end at 2^64 - 1
/// (clause V-18). All fields but the range belong to [RegionTree].
class RegionNode {
    private static final long NO_GAP = -1L;

    /// Address of the first byte, unsigned.
    long first;

    /// Address of the last byte, unsigned, inclusive.
    long last;

    @Nullable RegionNode left;
    @Nullable RegionNode right;
    @Nullable RegionNode up;

    /// Height of the subtree, 1 for a leaf, 0 outside a tree.
    int height;

    /// How many gaps lie between members of the subtree.
    int gapCount;

    /// First byte of the lowest member of the subtree.
    long subtreeFirst;

    /// Last byte of the highest member of the subtree.
    long subtreeLast;

    /// Size of the largest gap between members of the subtree; 0 when there is none.
    long maxGap;

    /// Size of the smallest gap between members of the subtree; 2^64 - 1 when there is none.
    long minGap;

    /// Sum of the gaps between members of the subtree.
    long gapBytes;

    RegionNode(long first, long last) {
        this.first = first;
        this.last = last;
    }

    /// Length in bytes; 0 stands for 2^64.
    final long lengthBytes() {
        return last - first + 1;
    }

    final boolean containsAddress(long address) {
        return Long.compareUnsigned(address - first, last - first) <= 0;
    }

    final boolean intersects(long otherFirst, long otherLast) {
        return Long.compareUnsigned(first, otherLast) <= 0
                && Long.compareUnsigned(otherFirst, last) <= 0;
    }

    /// Recomputes what this node knows of its subtree from its children (clause V-255).
    final void summarize() {
        RegionNode l = left;
        RegionNode r = right;
        height = 1 + Math.max(l == null ? 0 : l.height, r == null ? 0 : r.height);
        subtreeFirst = first;
        subtreeLast = last;
        maxGap = 0;
        minGap = NO_GAP;
        gapBytes = 0;
        gapCount = 0;
        if (l != null) {
            subtreeFirst = l.subtreeFirst;
            addGapsOf(l);
            addGap(first - l.subtreeLast - 1);
        }
        if (r != null) {
            subtreeLast = r.subtreeLast;
            addGapsOf(r);
            addGap(r.subtreeFirst - last - 1);
        }
    }

    private void addGapsOf(RegionNode child) {
        maxGap = Ranges.max(maxGap, child.maxGap);
        minGap = VmoMath.min(minGap, child.minGap);
        gapBytes += child.gapBytes;
        gapCount += child.gapCount;
    }

    private void addGap(long size) {
        if (size == 0) {
            return;
        }
        maxGap = Ranges.max(maxGap, size);
        minGap = VmoMath.min(minGap, size);
        gapBytes += size;
        gapCount++;
    }
}
