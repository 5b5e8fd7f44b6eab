package io.jircon.hal.unix;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/// Which frame each page of a window shows: a function from page number to [ShadowEntry].
///
/// A tree whose slots stand for 2^20, 2^15, 2^10, 2^5 pages and one. A slot that has no node below
/// it holds the entry of its first page, and the rest of its pages continue that run; so a run of
/// any length costs one word for each largest slot that it fills, and scattered pages cost one word
/// each. Nodes are narrow, since a run is seldom as long as a wide one's slots.
///
/// One thread writes at a time (the page table's lock). [#get] may run beside it without the lock
/// and sees, for each page, a value that the page had during the call: a slot's node is published
/// after it is filled, and goes after its run is stored. In a slot with a node the run is stale.
final class PageRuns {
    private static final int NODE_SHIFT = 5;
    private static final int NODE_SLOTS = 1 << NODE_SHIFT;
    private static final int ROOT_SHIFT = 4 * NODE_SHIFT;
    private static final long NO_PAGE = -1;
    private static final long NO_NUMBER = -1;

    private static final VarHandle WORDS = MethodHandles.arrayElementVarHandle(long[].class);
    private static final VarHandle NODES = MethodHandles.arrayElementVarHandle(Node[].class);

    /// Slots of one size.
    private static final class Node {
        final int shift;

        /// Its number among the nodes of its size; the root has none.
        final long number;

        final long[] runs;

        /// Null for slots of one page.
        final @Nullable Node @Nullable [] below;

        /// How many slots have a node or an entry; only for the writer.
        int used;

        Node(int shift, long number, int slots) {
            this.shift = shift;
            this.number = number;
            this.runs = new long[slots];
            this.below = shift == 0 ? null : new @Nullable Node[slots];
        }

        boolean holds(long page) {
            return page >>> (shift + NODE_SHIFT) == number;
        }

        int slotOf(long page) {
            return (int) (page >>> shift) & (runs.length - 1);
        }

        @Nullable Node child(int slot) {
            return below == null ? null : (Node) NODES.getAcquire(below, slot);
        }

        /// Gives a whole slot a run.
        void store(int slot, long entry) {
            boolean wasUsed = runs[slot] != ShadowEntry.NONE;
            WORDS.setRelease(runs, slot, entry);
            if (below != null && below[slot] != null) {
                wasUsed = true;
                NODES.setRelease(below, slot, (Node) null);
            }
            used += (entry == ShadowEntry.NONE ? 0 : 1) - (wasUsed ? 1 : 0);
        }

        /// The node below the slot of a page, made from the slot's run when there is none.
        Node expand(int slot, long page, @Nullable Node[] children) {
            Node child = children[slot];
            if (child == null) {
                child = new Node(shift - NODE_SHIFT, page >>> shift, NODE_SLOTS);
                long run = runs[slot];
                if (run == ShadowEntry.NONE) {
                    used++;
                } else {
                    for (int i = 0; i < NODE_SLOTS; i++) {
                        child.runs[i] = ShadowEntry.advance(run, (long) i << child.shift);
                    }
                    child.used = NODE_SLOTS;
                }
                NODES.setRelease(children, slot, child);
            }
            return child;
        }
    }

    private final long pageCount;
    private final Node root;

    /// A page under whose last node there is nothing: the node stays until another one becomes
    /// empty, so that a run that comes and goes makes no garbage.
    private long emptied = NO_PAGE;

    /// The node that the writer was at last: what it looks at and changes next is mostly there. The
    /// root again when a node goes.
    private Node near;

    /// The entry of the page that [#runLength] was asked for last.
    private long asked;

    /// Makes a function that is NONE everywhere.
    ///
    /// @param pageCount how many pages, more than 0
    PageRuns(long pageCount) {
        this.pageCount = pageCount;
        long slots = ((pageCount - 1) >>> ROOT_SHIFT) + 1;
        // A power of two, so that a mask finds the slot.
        int rootSlots = Integer.highestOneBit(2 * Math.toIntExact(slots) - 1);
        root = new Node(ROOT_SHIFT, NO_NUMBER, rootSlots);
        near = root;
    }

    /// The entry of a page.
    ///
    /// @param page below the page count
    /// @return the entry, or NONE
    long get(long page) {
        Node node = root;
        while (true) {
            int slot = node.slotOf(page);
            Node child = node.child(slot);
            if (child == null) {
                long run = (long) WORDS.getAcquire(node.runs, slot);
                return ShadowEntry.advance(run, page & ((1L << node.shift) - 1));
            }
            node = child;
        }
    }

    /// How far the run of a page goes on: pages without an entry, or pages whose entries continue
    /// each other. A run may go on after the answer; it never ends before. For the writer only.
    ///
    /// @param page below the page count
    /// @param limit the most to answer, at least 1; page + limit does not pass the page count
    /// @return 1 to limit
    long runLength(long page, long limit) {
        Node node = nodeOf(page);
        near = node;
        int slot = node.slotOf(page);
        long slotPages = 1L << node.shift;
        long run = node.runs[slot];
        long skipped = page & (slotPages - 1);
        asked = ShadowEntry.advance(run, skipped);
        long length = slotPages - skipped;
        for (int next = slot + 1; length < limit && next < node.runs.length; next++) {
            run = ShadowEntry.advance(run, slotPages);
            if (node.runs[next] != run || node.child(next) != null) {
                break;
            }
            length += slotPages;
        }
        return Math.min(limit, length);
    }

    /// The entry of the page that [#runLength] was asked for last.
    ///
    /// @return the entry, or NONE
    long runStart() {
        return asked;
    }

    /// As [#get], for the writer only, which mostly has its node at hand.
    long getNear(long page) {
        Node node = nodeOf(page);
        long skipped = page & ((1L << node.shift) - 1);
        return ShadowEntry.advance(node.runs[node.slotOf(page)], skipped);
    }

    /// The node whose slot holds a page's run.
    private Node nodeOf(long page) {
        Node node = near.holds(page) ? near : root;
        for (Node child = node.child(node.slotOf(page)); child != null; ) {
            node = child;
            child = node.child(node.slotOf(page));
        }
        return node;
    }

    /// Stores a run.
    ///
    /// @param page the first page
    /// @param count how many, at least 1; page + count does not pass the page count
    /// @param entry the first page's entry, or NONE for all
    void set(long page, long count, long entry) {
        assert page >= 0 && count > 0 && count <= pageCount - page : page + "+" + count;
        Node node = nodeOf(page);
        // What comes and goes below a node that holds the whole run changes nothing above it.
        Node top = node.holds(page + count - 1) ? node : root;
        near = top;
        set(top, page, count, entry);
        if (top.used == 0 && top != root) {
            keepEmptied(page);
        }
    }

    private void set(Node node, long page, long count, long entry) {
        long slotPages = 1L << node.shift;
        long end = page + count;
        for (long at = page; at < end; ) {
            int slot = node.slotOf(at);
            long first = ShadowEntry.advance(entry, at - page);
            long slotEnd = (at & -slotPages) + slotPages;
            if (node.below == null || slotEnd <= end && slotEnd - at == slotPages) {
                node.store(slot, first);
            } else {
                setBelow(node, node.below, slot, at, Math.min(slotEnd, end) - at, first);
            }
            at = Math.min(slotEnd, end);
        }
    }

    private void setBelow(
            Node node, @Nullable Node[] children, int slot, long page, long count, long entry) {
        if (entry == ShadowEntry.NONE
                && children[slot] == null
                && node.runs[slot] == ShadowEntry.NONE) {
            return;
        }
        Node child = node.expand(slot, page, children);
        set(child, page, count, entry);
        if (child.used == 0) {
            keepEmptied(page);
        }
    }

    private void keepEmptied(long page) {
        long before = emptied;
        emptied = page;
        if (before != NO_PAGE && before >>> NODE_SHIFT != page >>> NODE_SHIFT) {
            near = root;
            prune(root, before);
        }
    }

    /// Takes the nodes away that lead to a page and have nothing below them.
    private static void prune(Node node, long page) {
        int slot = node.slotOf(page);
        Node child = node.child(slot);
        if (child != null) {
            prune(child, page);
            if (child.used == 0) {
                node.store(slot, ShadowEntry.NONE);
            }
        }
    }

    /// How many nodes there are below the root.
    int nodeCount() {
        return countBelow(root);
    }

    private static int countBelow(Node node) {
        int count = 0;
        for (int slot = 0; slot < node.runs.length; slot++) {
            Node child = node.child(slot);
            count += child == null ? 0 : 1 + countBelow(child);
        }
        return count;
    }
}
