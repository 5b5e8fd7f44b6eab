package io.jircon.hal.unix;

import io.jircon.hal.PageSize;
import io.jircon.hal.UnusedTables;
import io.jircon.hal.unix.UnixFileTree.Node;
import java.util.BitSet;

/// Reads, clears and sets what a tree says about accesses, and takes nodes without use out of it.
/// What is cleared or taken out is listed to be flushed. Ranges are as in [UnixFileTree]; guarded
/// by [UnixFilePageTable].
final class UnixFileHarvester {
    private final UnixFileTree tree;
    private final UnusedTables unused;
    private final long start;
    private final BitSet pages;

    private UnixFileHarvester(UnixFileTree tree, UnusedTables unused, long start, BitSet pages) {
        this.tree = tree;
        this.unused = unused;
        this.start = start;
        this.pages = pages;
    }

    /// Sets the bits of the accessed pages, counted from the first byte.
    static void harvest(
            UnixFileTree tree, long vaddr, long last, UnusedTables unused, BitSet pages) {
        new UnixFileHarvester(tree, unused, vaddr, pages)
                .harvest(tree.root, UnixFileTree.TOP, vaddr, last);
    }

    private void harvest(Node node, int level, long vaddr, long last) {
        long at = vaddr;
        while (true) {
            long partLast = UnixFileTree.partLast(at, last, level);
            int slot = UnixFileTree.index(at, level);
            long leaf = node.entry(slot);
            Node child = leaf != 0 ? null : node.child(slot);
            if (leaf != 0) {
                harvestHugeLeaf(node, slot, level, at, partLast);
            } else if (child != null && level == 1) {
                harvestPages(node, slot, child, at, partLast);
            } else if (child != null) {
                harvest(child, level - 1, at, partLast);
                if (child.used == 0) {
                    node.setChild(slot, null);
                }
            }
            if (partLast == last) {
                return;
            }
            at = partLast + 1;
        }
    }

    private void harvestHugeLeaf(Node node, int slot, int level, long at, long partLast) {
        long leaf = node.entry(slot);
        if ((leaf & UnixFileTree.ACCESSED) != 0) {
            pages.set(page(at), page(partLast) + 1);
            if (UnixFileTree.covers(at, partLast, level)) {
                forget(node, slot, leaf, at, level);
            }
        }
    }

    private void harvestPages(Node parent, int slot, Node table, long vaddr, long last) {
        int first = UnixFileTree.index(vaddr, 0);
        int end = UnixFileTree.index(last, 0) + 1;
        boolean found = false;
        int inside = 0;
        for (int i = first; i < end; i++) {
            long leaf = table.entry(i);
            inside += leaf == 0 ? 0 : 1;
            if ((leaf & UnixFileTree.ACCESSED) != 0) {
                long at = vaddr + (long) (i - first) * PageSize.BASE_BYTES;
                pages.set(page(at));
                forget(table, i, leaf, at, 0);
                found = true;
            }
        }
        if (unused == UnusedTables.KEEP || inside != table.used) {
            table.idle &= !found;
        } else if (found || !table.idle) {
            table.idle = true;
        } else {
            parent.setChild(slot, null);
            tree.flushes.add(vaddr, UnixFileTree.shift(1));
        }
    }

    /// The walker changes an entry only to mark it, and this one is marked.
    private void forget(Node node, int slot, long leaf, long vaddr, int level) {
        boolean done = node.exchange(slot, leaf, leaf & ~UnixFileTree.ACCESSED);
        assert done;
        tree.flushes.add(vaddr, UnixFileTree.shift(level));
    }

    private int page(long vaddr) {
        return (int) ((vaddr - start) >>> PageSize.BASE_SHIFT);
    }

    /// Marks every leaf that intersects a range.
    static void markAccessed(UnixFileTree tree, long vaddr, long last) {
        mark(tree.root, UnixFileTree.TOP, vaddr, last);
    }

    private static void mark(Node node, int level, long vaddr, long last) {
        long at = vaddr;
        while (true) {
            long partLast = UnixFileTree.partLast(at, last, level);
            int slot = UnixFileTree.index(at, level);
            Node child = level == 0 ? null : node.child(slot);
            if (node.markAccessed(slot)) {
                node.idle = false;
            } else if (child != null) {
                mark(child, level - 1, at, partLast);
            }
            if (partLast == last) {
                return;
            }
            at = partLast + 1;
        }
    }
}
