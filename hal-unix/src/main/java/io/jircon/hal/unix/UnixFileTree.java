package io.jircon.hal.unix;

import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingException;
import io.jircon.hal.WalkResult;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A radix tree of 4 levels of 512 over the low 48 bits of the address: leaves of 4 KiB at level 0,
/// 2 MiB at level 1, 1 GiB at level 2.
///
/// ```
///   63                              12 11 10 9 8   7 6      0
/// |  physical address                 |  0  |A| level| flags |
/// ```
///
/// A says that the processor accessed the page since that was last asked. The walker sets it, with
/// no lock, by compare-and-set of an entry that is there; so whoever changes an entry, with the
/// lock, takes over what the walker may have done to the old one.
///
/// An entry of 0 is absent. A slot of a node holds an entry or a child, never both for long: a
/// split puts the child first and then takes the entry away, so that a reader, who looks for the
/// entry first, finds one of them. A child without entries is cut off.
///
/// Changes are guarded by [UnixFilePageTable]; [#find] takes no lock. No check of arguments here:
/// ranges are page aligned and in the address range. They are given by first and last byte, because
/// the end of the kernel's range cannot be written down.
final class UnixFileTree {
    static final int TOP = 3;
    static final int SLOTS = 512;
    static final long ACCESSED = 1L << 9;

    private static final int FLAGS_MASK = 0x7f;
    private static final int LEVEL_SHIFT = 7;
    private static final VarHandle ENTRY = MethodHandles.arrayElementVarHandle(long[].class);
    private static final VarHandle CHILD = MethodHandles.arrayElementVarHandle(Node[].class);

    final Node root = new Node();
    final UnixFileFlushList flushes;

    UnixFileTree(UnixFileFlushList flushes) {
        this.flushes = flushes;
    }

    static int shift(int level) {
        return PageSize.BASE_SHIFT + 9 * level;
    }

    static int index(long vaddr, int level) {
        return (int) (vaddr >>> shift(level)) & (SLOTS - 1);
    }

    static long paddr(long entry) {
        return entry & -PageSize.BASE_BYTES;
    }

    static int flagBits(long entry) {
        return (int) entry & FLAGS_MASK;
    }

    static PageSize size(long entry) {
        return switch (level(entry)) {
            case 0 -> PageSize.SIZE_4K;
            case 1 -> PageSize.SIZE_2M;
            default -> PageSize.SIZE_1G;
        };
    }

    static int level(long entry) {
        return (int) (entry >>> LEVEL_SHIFT) & 3;
    }

    private static long entry(long paddr, int level, int flagBits) {
        return paddr | (long) level << LEVEL_SHIFT | flagBits;
    }

    /// The entry of the leaf that holds an address, or 0. Safe without the lock.
    long find(long vaddr, @Nullable WalkResult result) {
        Node node = root;
        long found = 0;
        int level = TOP;
        while (true) {
            int slot = index(vaddr, level);
            found = node.entry(slot);
            Node child = found != 0 || level == 0 ? null : node.child(slot);
            if (child == null) {
                break;
            }
            node = child;
            level--;
        }
        if (result != null) {
            result.depth = TOP - level;
            result.entriesRead = result.depth + 1;
        }
        return found;
    }

    /// Notes that the leaf that holds an address was accessed. Safe without the lock.
    ///
    /// @param leaf what [#find] gave
    /// @return false when the leaf has changed meanwhile
    boolean noteAccess(long vaddr, long leaf) {
        Node node = root;
        for (int level = TOP; node != null && level > level(leaf); level--) {
            node = node.child(index(vaddr, level));
        }
        return node != null && node.exchange(index(vaddr, level(leaf)), leaf, leaf | ACCESSED);
    }

    /// Fails where a page of a range has an entry.
    void checkAbsent(long vaddr, long last, long paddr, int maxLevel) {
        checkAbsent(root, TOP, vaddr, last, paddr, maxLevel);
    }

    private static void checkAbsent(
            Node node, int level, long vaddr, long last, long paddr, int maxLevel) {
        long at = vaddr;
        while (true) {
            long partLast = partLast(at, last, level);
            int slot = index(at, level);
            long old = node.entry(slot);
            boolean fits = fits(at, partLast, paddr + (at - vaddr), level, maxLevel);
            if (old != 0) {
                throw fits
                        ? PagingException.alreadyMapped(at, paddr(old))
                        : PagingException.mappedToHugePage(at, size(old));
            }
            Node child = level == 0 ? null : node.child(slot);
            if (child != null) {
                checkAbsent(child, level - 1, at, partLast, paddr + (at - vaddr), maxLevel);
            }
            if (partLast == last) {
                return;
            }
            at = partLast + 1;
        }
    }

    /// Enters a contiguous range, with leaves of at most a level. Whoever wants [OnExisting#ERROR]
    /// has called [#checkAbsent].
    void fill(long vaddr, long last, long paddr, int flagBits, int maxLevel, OnExisting existing) {
        fill(root, TOP, vaddr, last, paddr, flagBits, maxLevel, existing);
    }

    private void fill(
            Node node,
            int level,
            long vaddr,
            long last,
            long paddr,
            int flagBits,
            int maxLevel,
            OnExisting existing) {
        long at = vaddr;
        while (true) {
            long partLast = partLast(at, last, level);
            long frame = paddr + (at - vaddr);
            int slot = index(at, level);
            long old = node.entry(slot);
            Node child = level == 0 ? null : node.child(slot);
            if (child == null && fits(at, partLast, frame, level, maxLevel)) {
                put(node, slot, at, level, old, frame, flagBits, existing);
            } else if (old == 0 || upgrades(old, at, level, frame, flagBits, existing)) {
                if (child == null) {
                    child = old == 0 ? new Node() : split(node, slot, at, level, old);
                }
                fill(child, level - 1, at, partLast, frame, flagBits, maxLevel, existing);
                node.setChild(slot, child);
            }
            if (partLast == last) {
                return;
            }
            at = partLast + 1;
        }
    }

    /// Enters base pages that lie anywhere. Whoever wants [OnExisting#ERROR] has called
    /// [#checkAbsent].
    void fillPages(
            long vaddr, long[] paddrs, int from, int count, int flagBits, OnExisting existing) {
        int done = 0;
        while (done < count) {
            long at = vaddr + (long) done * PageSize.BASE_BYTES;
            int inTable = Math.min(count - done, SLOTS - index(at, 0));
            Node table = existing == OnExisting.SKIP ? tableUnlessHuge(at) : tableSplitting(at);
            for (int i = 0; table != null && i < inTable; i++) {
                long page = at + (long) i * PageSize.BASE_BYTES;
                int slot = index(page, 0);
                long old = table.entry(slot);
                put(table, slot, page, 0, old, paddrs[from + done + i], flagBits, existing);
            }
            done += inTable;
        }
    }

    private @Nullable Node tableUnlessHuge(long vaddr) {
        long old = find(vaddr, null);
        return old != 0 && level(old) > 0 ? null : tableSplitting(vaddr);
    }

    private Node tableSplitting(long vaddr) {
        Node node = root;
        for (int level = TOP; level > 0; level--) {
            int slot = index(vaddr, level);
            Node child = node.child(slot);
            if (child == null) {
                long old = node.entry(slot);
                child = old == 0 ? new Node() : split(node, slot, vaddr, level, old);
                node.setChild(slot, child);
            }
            node = child;
        }
        return node;
    }

    private void put(
            Node node,
            int slot,
            long vaddr,
            int level,
            long old,
            long paddr,
            int flagBits,
            OnExisting existing) {
        if (old == 0) {
            node.setEntry(slot, entry(paddr, level, flagBits));
            node.idle = false; // what is entered gets the time to be used
        } else if (existing == OnExisting.UPGRADE) {
            boolean same = paddr(old) == paddr;
            int bits = same ? gain(flagBits(old), flagBits) : flagBits;
            replace(node, slot, vaddr, level, old, entry(paddr, level, bits));
        }
    }

    /// Whether a part of a larger leaf has to change.
    private static boolean upgrades(
            long old, long at, int level, long frame, int flagBits, OnExisting existing) {
        long oldFrame = paddr(old) + (at & ((1L << shift(level)) - 1));
        return existing == OnExisting.UPGRADE
                && (oldFrame != frame || gain(flagBits(old), flagBits) != flagBits(old));
    }

    /// All access bits of both; the newer memory type where it names one.
    private static int gain(int oldBits, int newBits) {
        int type = newBits & MmuFlags.MEMORY_TYPE_MASK;
        return type == 0 ? oldBits | newBits : (oldBits & ~MmuFlags.MEMORY_TYPE_MASK) | newBits;
    }

    /// Gives the leaf that holds an address another frame (of its size) and other flags.
    void set(long vaddr, long paddr, int flagBits) {
        Node node = root;
        for (int level = TOP; ; level--) {
            int slot = index(vaddr, level);
            long old = node.entry(slot);
            if (old != 0) {
                replace(node, slot, vaddr, level, old, entry(paddr, level, flagBits));
                return;
            }
            node = Objects.requireNonNull(node.child(slot));
        }
    }

    /// Gives every entry of a range the flags `(old & keep) | add`; an entry left without access is
    /// removed.
    void change(long vaddr, long last, int keep, int add) {
        change(root, TOP, vaddr, last, keep, add);
    }

    private void change(Node node, int level, long vaddr, long last, int keep, int add) {
        long at = vaddr;
        while (true) {
            long partLast = partLast(at, last, level);
            int slot = index(at, level);
            long old = node.entry(slot);
            if (old != 0) {
                int bits = (flagBits(old) & keep) | add;
                if ((bits & MmuFlags.ACCESS_MASK) == 0) {
                    bits = 0;
                }
                if (bits != flagBits(old)) {
                    if (covers(at, partLast, level)) {
                        long now = bits == 0 ? 0 : entry(paddr(old), level, bits);
                        replace(node, slot, at, level, old, now);
                    } else {
                        Node child = split(node, slot, at, level, old);
                        change(child, level - 1, at, partLast, keep, add);
                    }
                }
            } else if (level > 0) {
                Node child = node.child(slot);
                if (child != null) {
                    change(child, level - 1, at, partLast, keep, add);
                    if (child.used == 0) {
                        node.setChild(slot, null);
                    }
                }
            }
            if (partLast == last) {
                return;
            }
            at = partLast + 1;
        }
    }

    /// Calls back for every leaf that intersects a range.
    void forEach(long vaddr, long last, PageTableTrait.LeafVisitor visitor) {
        forEach(root, TOP, vaddr, last, visitor);
    }

    private static void forEach(
            Node node, int level, long vaddr, long last, PageTableTrait.LeafVisitor visitor) {
        long at = vaddr;
        while (true) {
            long partLast = partLast(at, last, level);
            int slot = index(at, level);
            long leaf = node.entry(slot);
            if (leaf != 0) {
                long start = at & -(1L << shift(level));
                visitor.leaf(start, paddr(leaf), size(leaf), MmuFlags.of(flagBits(leaf)));
            } else if (level > 0) {
                Node child = node.child(slot);
                if (child != null) {
                    forEach(child, level - 1, at, partLast, visitor);
                }
            }
            if (partLast == last) {
                return;
            }
            at = partLast + 1;
        }
    }

    /// Stores an entry over another one; tells the TLBs unless it only gains access. Whether the
    /// page was accessed stays as it is while the frame is the same.
    private void replace(Node node, int slot, long vaddr, int level, long old, long now) {
        if ((old & ~ACCESSED) == now) {
            return;
        }
        long kept = now != 0 && paddr(now) == paddr(old) ? ACCESSED : 0;
        long last = old;
        while (!node.exchange(slot, last, now | (last & kept))) {
            last = node.entry(slot);
        }
        boolean onlyGains =
                now != 0
                        && paddr(now) == paddr(old)
                        && (old & ~now & FLAGS_MASK) == 0
                        && (now & ~old & MmuFlags.MEMORY_TYPE_MASK) == 0;
        if (!onlyGains) {
            flushes.add(vaddr, shift(level));
        }
    }

    /// Puts a table of the next smaller leaves in the place of a leaf.
    private Node split(Node node, int slot, long vaddr, int level, long leaf) {
        var child = new Node();
        for (int i = 0; i < SLOTS; i++) {
            long frame = paddr(leaf) + ((long) i << shift(level - 1));
            long part = entry(frame, level - 1, flagBits(leaf));
            child.setEntry(i, part | (leaf & ACCESSED));
        }
        node.setChild(slot, child);
        long last = leaf;
        while (!node.exchange(slot, last, 0)) {
            last = node.entry(slot);
        }
        if (last != leaf) { // accessed meanwhile
            for (int i = 0; i < SLOTS; i++) {
                child.markAccessed(i);
            }
        }
        flushes.add(vaddr, shift(level));
        return child;
    }

    static long partLast(long at, long last, int level) {
        long slotLast = at | ((1L << shift(level)) - 1);
        return Long.compareUnsigned(slotLast, last) < 0 ? slotLast : last;
    }

    static boolean covers(long at, long partLast, int level) {
        return partLast - at == (1L << shift(level)) - 1;
    }

    private static boolean fits(long at, long partLast, long paddr, int level, int maxLevel) {
        return level <= maxLevel
                && covers(at, partLast, level)
                && (paddr & ((1L << shift(level)) - 1)) == 0;
    }

    /// A table of the tree.
    static final class Node {
        private final long[] entries = new long[SLOTS];
        private final @Nullable Node[] children = new Node[SLOTS];

        // Slots that are not empty; only for those who hold the lock.
        int used;

        // Of level 0: a harvest that frees went by since the last sign of use; under the lock.
        boolean idle;

        long entry(int slot) {
            return (long) ENTRY.getAcquire(entries, slot);
        }

        @Nullable Node child(int slot) {
            return (Node) CHILD.getAcquire(children, slot);
        }

        /// Puts an entry where none is, or none, where no walker can be.
        void setEntry(int slot, long value) {
            used += (value == 0 ? 0 : 1) - (entries[slot] == 0 ? 0 : 1);
            ENTRY.setRelease(entries, slot, value);
        }

        /// Changes an entry that a walker may be marking.
        ///
        /// @param old not 0
        /// @return false when it is another one
        boolean exchange(int slot, long old, long now) {
            if (!ENTRY.compareAndSet(entries, slot, old, now)) {
                return false;
            }
            if (now == 0) {
                used--;
            }
            return true;
        }

        /// Notes an access of the page of an entry, if there is one.
        ///
        /// @return whether there is
        boolean markAccessed(int slot) {
            long entry = entry(slot);
            while (entry != 0 && !exchange(slot, entry, entry | ACCESSED)) {
                entry = entry(slot);
            }
            return entry != 0;
        }

        void setChild(int slot, @Nullable Node child) {
            used += (child == null ? 0 : 1) - (children[slot] == null ? 0 : 1);
            CHILD.setRelease(children, slot, child);
        }
    }
}
