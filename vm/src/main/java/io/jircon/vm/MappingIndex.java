package io.jircon.vm;

import java.util.IdentityHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The mappings that show pages of one page store, by the range they show (clause V-213): an AVL
/// tree ordered by first byte, each node knowing the last byte of its whole subtree, so that the
/// mappings of a range are found without looking at the others.
///
/// Ranges are kept by first and last byte (inclusive), which lets them end at 2^64 - 1; a mapping
/// that would end beyond is cut there, for no page lies that far. Guarded by the family lock.
final class MappingIndex {
    /// One mapping, placed.
    static final class Entry {
        final MappedRange range;
        final VmObject owner;

        /// Where offset 0 of the owner lies in the store.
        final long window;

        final long first;
        final long last;

        /// Distinguishes mappings that start at one place.
        private final long sequence;

        private final boolean isHigh;

        private int height = 1;
        private long lastBelow;
        private @Nullable Entry left;
        private @Nullable Entry right;

        private Entry(MappedRange range, VmObject owner, long window, long sequence) {
            this.range = range;
            this.owner = owner;
            this.window = window;
            this.sequence = sequence;
            first = window + range.vmoOffset();
            long end = first + (range.sizeBytes() - 1);
            last = Long.compareUnsigned(end, first) < 0 ? -1L : end;
            lastBelow = last;
            isHigh = range.memoryPriority() == MemoryPriority.HIGH;
        }

        private int compareTo(Entry other) {
            int byFirst = Long.compareUnsigned(first, other.first);
            return byFirst != 0 ? byFirst : Long.compare(sequence, other.sequence);
        }
    }

    private final IdentityHashMap<MappedRange, Entry> entries = new IdentityHashMap<>(1);
    private @Nullable Entry root;
    private long nextSequence;

    /// How many of the mappings have HIGH priority (clause V-274).
    private int highPriorityCount;

    /// Whether there is no mapping at all.
    boolean isEmpty() {
        return root == null;
    }

    /// How many of the mappings have HIGH priority. While there is one, no page is taken back
    /// (clause V-274).
    int highPriorityCount() {
        return highPriorityCount;
    }

    /// Counts again what [#highPriorityCount()] tells.
    int recountHighPriority() {
        int count = 0;
        for (MappedRange range : entries.keySet()) {
            count += range.memoryPriority() == MemoryPriority.HIGH ? 1 : 0;
        }
        return count;
    }

    /// Enters a mapping.
    ///
    /// @throws IllegalStateException when it is entered already
    void add(MappedRange range, VmObject owner, long window) {
        Entry entry = new Entry(range, owner, window, nextSequence++);
        if (entries.putIfAbsent(range, entry) != null) {
            throw new IllegalStateException("mapping is attached already: " + range);
        }
        root = insert(root, entry);
        if (entry.isHigh) {
            highPriorityCount++;
        }
    }

    /// Takes a mapping out.
    ///
    /// @return whose it was
    /// @throws IllegalStateException when it is not entered
    VmObject remove(MappedRange range) {
        Entry entry = entries.remove(range);
        if (entry == null) {
            throw new IllegalStateException("mapping is not attached: " + range);
        }
        root = delete(root, entry);
        if (entry.isHigh) {
            highPriorityCount--;
        }
        return entry.owner;
    }

    /// Whether a mapping is entered.
    boolean contains(MappedRange range) {
        return entries.containsKey(range);
    }

    /// Whether some mapping shows a byte of a range of the store.
    ///
    /// @param first the first byte
    /// @param last the last byte, inclusive
    boolean isShown(long first, long last) {
        Entry node = root;
        while (node != null) {
            Entry left = node.left;
            if (left != null && Long.compareUnsigned(left.lastBelow, first) >= 0) {
                node = left; // if nothing there shows it, all of it starts too high, and so on
            } else if (Long.compareUnsigned(node.first, last) > 0) {
                return false;
            } else if (Long.compareUnsigned(node.last, first) >= 0) {
                return true;
            } else {
                node = node.right;
            }
        }
        return false;
    }

    /// Calls back for every mapping.
    void forEach(Consumer<Entry> visitor) {
        entries.values().forEach(visitor);
    }

    /// Removes the page-table entries of a range of the store from every mapping that shows it.
    ///
    /// @param first the first byte, page aligned
    /// @param last the last byte of a page, inclusive
    void unmap(long first, long last) {
        visit(root, first, last, Change.UNMAP);
    }

    /// As [#unmap], in those mappings only that fault beyond the stream size.
    void unmapBeyondStream(long first, long last) {
        visit(root, first, last, Change.UNMAP_BEYOND_STREAM);
    }

    /// Takes write permission from the entries of a range of the store.
    ///
    /// @param first the first byte, page aligned
    /// @param last the last byte of a page, inclusive
    void writeProtect(long first, long last) {
        visit(root, first, last, Change.WRITE_PROTECT);
    }

    private enum Change {
        UNMAP,
        UNMAP_BEYOND_STREAM,
        WRITE_PROTECT
    }

    private static void visit(@Nullable Entry node, long first, long last, Change change) {
        if (node == null || Long.compareUnsigned(node.lastBelow, first) < 0) {
            return;
        }
        visit(node.left, first, last, change);
        if (Long.compareUnsigned(node.first, last) > 0) {
            return; // and so does everything to the right
        }
        if (Long.compareUnsigned(node.last, first) >= 0) {
            long from = Long.compareUnsigned(node.first, first) > 0 ? node.first : first;
            long to = Long.compareUnsigned(node.last, last) < 0 ? node.last : last;
            apply(node, from - node.window, to - from + 1, change);
        }
        visit(node.right, first, last, change);
    }

    private static void apply(Entry entry, long vmoOffset, long len, Change change) {
        switch (change) {
            case UNMAP -> entry.range.unmapVmoRange(vmoOffset, len);
            case UNMAP_BEYOND_STREAM -> {
                if (entry.range.faultsBeyondStreamSize()) {
                    entry.range.unmapVmoRange(vmoOffset, len);
                }
            }
            case WRITE_PROTECT -> entry.range.writeProtectVmoRange(vmoOffset, len);
        }
    }

    private static Entry insert(@Nullable Entry node, Entry entry) {
        if (node == null) {
            return entry;
        }
        if (entry.compareTo(node) < 0) {
            node.left = insert(node.left, entry);
        } else {
            node.right = insert(node.right, entry);
        }
        return balance(node);
    }

    private static @Nullable Entry delete(@Nullable Entry node, Entry entry) {
        if (node == null) {
            throw new AssertionError("the tree lost a mapping");
        }
        int order = entry.compareTo(node);
        if (order < 0) {
            node.left = delete(node.left, entry);
        } else if (order > 0) {
            node.right = delete(node.right, entry);
        } else if (node.left == null) {
            return node.right;
        } else if (node.right == null) {
            return node.left;
        } else {
            Entry successor = node.right;
            while (successor.left != null) {
                successor = successor.left;
            }
            successor.right = delete(node.right, successor);
            successor.left = node.left;
            return balance(successor);
        }
        return balance(node);
    }

    private static Entry balance(Entry node) {
        int lean = height(node.left) - height(node.right);
        if (lean > 1) {
            Entry left = java.util.Objects.requireNonNull(node.left);
            if (height(left.left) < height(left.right)) {
                node.left = rotateLeft(left);
            }
            return rotateRight(node);
        }
        if (lean < -1) {
            Entry right = java.util.Objects.requireNonNull(node.right);
            if (height(right.right) < height(right.left)) {
                node.right = rotateRight(right);
            }
            return rotateLeft(node);
        }
        update(node);
        return node;
    }

    private static Entry rotateRight(Entry node) {
        Entry top = java.util.Objects.requireNonNull(node.left);
        node.left = top.right;
        top.right = node;
        update(node);
        update(top);
        return top;
    }

    private static Entry rotateLeft(Entry node) {
        Entry top = java.util.Objects.requireNonNull(node.right);
        node.right = top.left;
        top.left = node;
        update(node);
        update(top);
        return top;
    }

    private static void update(Entry node) {
        node.height = 1 + Math.max(height(node.left), height(node.right));
        node.lastBelow = max(node.last, max(lastBelow(node.left), lastBelow(node.right)));
    }

    private static int height(@Nullable Entry node) {
        return node == null ? 0 : node.height;
    }

    /// 0 for no subtree: no range ends before 0.
    private static long lastBelow(@Nullable Entry node) {
        return node == null ? 0 : node.lastBelow;
    }

    private static long max(long a, long b) {
        return Long.compareUnsigned(a, b) >= 0 ? a : b;
    }
}
