package io.jircon.hal.unix;

import io.jircon.hal.PageSize;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/// Which frame each page of a window shows: a function from page number to [ShadowEntry].
///
/// Three levels of 1 GiB, 2 MiB and 4 KiB slots. A slot that has no node below it holds the entry
/// of its first page, and the rest of its pages continue that run; so a run of any length costs one
/// word for every whole slot it covers, and scattered pages cost one word each.
///
/// One thread writes at a time (the page table's lock). [#get] may run beside it without the lock
/// and sees, for each page, a value that the page had during the call: a slot's node is published
/// after it is filled, and goes before its run is stored. In a slot with a node the run is stale.
final class PageRuns {
    private static final int FANOUT_SHIFT = 9;
    private static final int FANOUT = 1 << FANOUT_SHIFT;
    private static final int INDEX_MASK = FANOUT - 1;
    private static final int MIDDLE_SHIFT = FANOUT_SHIFT;
    private static final int TOP_SHIFT = 2 * FANOUT_SHIFT;

    private static final VarHandle WORDS = MethodHandles.arrayElementVarHandle(long[].class);
    private static final VarHandle LEAVES = MethodHandles.arrayElementVarHandle(Leaf[].class);
    private static final VarHandle NODES = MethodHandles.arrayElementVarHandle(Node[].class);

    /// 512 pages of their own.
    private static final class Leaf {
        final long[] entries = new long[FANOUT];
        int used;
    }

    /// 512 slots of 2 MiB.
    private static final class Node {
        final long[] runs = new long[FANOUT];
        final @Nullable Leaf[] leaves = new @Nullable Leaf[FANOUT];
    }

    private final long pageCount;
    private final long[] runs;
    private final @Nullable Node[] nodes;

    /// Makes a function that is NONE everywhere.
    ///
    /// @param pageCount how many pages, more than 0
    PageRuns(long pageCount) {
        this.pageCount = pageCount;
        int slots = Math.toIntExact((pageCount + (1L << TOP_SHIFT) - 1) >>> TOP_SHIFT);
        runs = new long[slots];
        nodes = new @Nullable Node[slots];
    }

    /// The entry of a page.
    ///
    /// @param page below the page count
    /// @return the entry, or NONE
    long get(long page) {
        int top = (int) (page >>> TOP_SHIFT);
        Node node = (Node) NODES.getAcquire(nodes, top);
        if (node == null) {
            return ShadowEntry.advance(
                    (long) WORDS.getAcquire(runs, top), page & ((1L << TOP_SHIFT) - 1));
        }
        int middle = (int) (page >>> MIDDLE_SHIFT) & INDEX_MASK;
        Leaf leaf = (Leaf) LEAVES.getAcquire(node.leaves, middle);
        if (leaf == null) {
            return ShadowEntry.advance(
                    (long) WORDS.getAcquire(node.runs, middle), page & INDEX_MASK);
        }
        return (long) WORDS.getAcquire(leaf.entries, (int) page & INDEX_MASK);
    }

    /// How far the run of a page goes on: pages without an entry, or pages whose entries continue
    /// each other. A run may go on after the answer; it never ends before.
    ///
    /// @param page below the page count
    /// @param limit the most to answer, at least 1; page + limit does not pass the page count
    /// @return 1 to limit
    long runLength(long page, long limit) {
        int top = (int) (page >>> TOP_SHIFT);
        Node node = nodes[top];
        if (node == null) {
            return Math.min(limit, (1L << TOP_SHIFT) - (page & ((1L << TOP_SHIFT) - 1)));
        }
        int middle = (int) (page >>> MIDDLE_SHIFT) & INDEX_MASK;
        Leaf leaf = node.leaves[middle];
        if (leaf == null) {
            return Math.min(limit, FANOUT - (page & INDEX_MASK));
        }
        int first = (int) page & INDEX_MASK;
        int end = (int) Math.min(FANOUT, first + limit);
        long step = leaf.entries[first] == ShadowEntry.NONE ? 0 : PageSize.BASE_BYTES;
        int next = first + 1;
        while (next < end && leaf.entries[next] == leaf.entries[next - 1] + step) {
            next++;
        }
        return (long) next - first;
    }

    /// Stores a run.
    ///
    /// @param page the first page
    /// @param count how many, at least 1; page + count does not pass the page count
    /// @param entry the first page's entry, or NONE for all
    void set(long page, long count, long entry) {
        assert page >= 0 && count > 0 && count <= pageCount - page : page + "+" + count;
        long end = page + count;
        for (long at = page; at < end; ) {
            int top = (int) (at >>> TOP_SHIFT);
            long slotStart = (long) top << TOP_SHIFT;
            long stop = Math.min(end, slotStart + (1L << TOP_SHIFT));
            long first = ShadowEntry.advance(entry, at - page);
            if (at == slotStart && stop - at == (1L << TOP_SHIFT)) {
                WORDS.setRelease(runs, top, first);
                NODES.setRelease(nodes, top, (Node) null);
            } else {
                setInNode(nodeAt(top), at - slotStart, stop - at, first);
            }
            at = stop;
        }
    }

    private Node nodeAt(int top) {
        Node node = nodes[top];
        if (node == null) {
            node = new Node();
            long run = runs[top];
            if (run != ShadowEntry.NONE) {
                for (int i = 0; i < FANOUT; i++) {
                    node.runs[i] = ShadowEntry.advance(run, (long) i << MIDDLE_SHIFT);
                }
            }
            NODES.setRelease(nodes, top, node);
        }
        return node;
    }

    private static void setInNode(Node node, long from, long count, long entry) {
        long end = from + count;
        for (long at = from; at < end; ) {
            int middle = (int) (at >>> MIDDLE_SHIFT);
            long slotStart = (long) middle << MIDDLE_SHIFT;
            long stop = Math.min(end, slotStart + FANOUT);
            long first = ShadowEntry.advance(entry, at - from);
            if (at == slotStart && stop - at == FANOUT) {
                WORDS.setRelease(node.runs, middle, first);
                LEAVES.setRelease(node.leaves, middle, (Leaf) null);
            } else {
                setInLeaf(node, middle, (int) (at - slotStart), (int) (stop - at), first);
            }
            at = stop;
        }
    }

    private static void setInLeaf(Node node, int middle, int from, int count, long entry) {
        Leaf leaf = node.leaves[middle];
        if (leaf == null) {
            long run = node.runs[middle];
            if (run == ShadowEntry.NONE && entry == ShadowEntry.NONE) {
                return;
            }
            leaf = new Leaf();
            if (run != ShadowEntry.NONE) {
                for (int i = 0; i < FANOUT; i++) {
                    leaf.entries[i] = ShadowEntry.advance(run, i);
                }
                leaf.used = FANOUT;
            }
            LEAVES.setRelease(node.leaves, middle, leaf);
        }
        for (int i = 0; i < count; i++) {
            long value = ShadowEntry.advance(entry, i);
            leaf.used +=
                    (value == ShadowEntry.NONE ? 0 : 1)
                            - (leaf.entries[from + i] == ShadowEntry.NONE ? 0 : 1);
            WORDS.setRelease(leaf.entries, from + i, value);
        }
        if (leaf.used == 0) {
            WORDS.setRelease(node.runs, middle, ShadowEntry.NONE);
            LEAVES.setRelease(node.leaves, middle, (Leaf) null);
        }
    }
}
