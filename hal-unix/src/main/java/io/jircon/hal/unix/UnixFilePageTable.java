package io.jircon.hal.unix;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageFault;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PageWalk;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.TableBounds;
import io.jircon.hal.TlbInvalidator;
import io.jircon.hal.UnusedTables;
import io.jircon.hal.WalkResult;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A page table on the Java heap: it takes no frames, and no operation on it runs out of any.
///
/// Every combination of access rights is supported, execute-only included, with at most one memory
/// type. Leaves of 4 KiB, 2 MiB and 1 GiB.
///
/// One lock guards the changes; [#hardwareWalk], [#translate] and [#query] take none and see each
/// entry as it was before or after a change.
final class UnixFilePageTable implements PageTableTrait {
    private static final int MAX_LEVEL = 2;

    private final TableBounds bounds;
    private final int tag;
    private final TlbInvalidator invalidator;
    private final Object lock = new Object();

    @GuardedBy("lock")
    private final UnixFileFlushList flushes = new UnixFileFlushList();

    // Null once closed. Changed under the lock, walked without it.
    private volatile @Nullable UnixFileTree tree = new UnixFileTree(flushes);

    UnixFilePageTable(AddressSpaceKind kind, int tag, TlbInvalidator invalidator) {
        this.tag = tag;
        this.invalidator = invalidator;
        this.bounds =
                switch (kind) {
                    case USER -> new TableBounds(0x1_0000L, 0x7fff_ffff_efffL);
                    case KERNEL -> new TableBounds(0xffff_8000_0000_0000L, -1L);
                    case GUEST -> new TableBounds(0, (1L << 48) - 1);
                };
    }

    @Override
    public long firstAddress() {
        return bounds.first();
    }

    @Override
    public long lastAddress() {
        return bounds.last();
    }

    @Override
    public long rootAddress() {
        return 0;
    }

    @Override
    public int tag() {
        return tag;
    }

    @Override
    public boolean supports(MmuFlags flags) {
        return !flags.isNoAccess()
                && Integer.bitCount(flags.bits() & MmuFlags.MEMORY_TYPE_MASK) <= 1;
    }

    @Override
    public boolean supports(PageSize size) {
        return true;
    }

    @Override
    public void map(long vaddr, long paddr, PageSize size, MmuFlags flags) {
        synchronized (lock) {
            UnixFileTree open = open();
            bounds.checkLeaf(vaddr, paddr, size);
            checkFlags(flags);
            long end = vaddr + size.bytes() - 1;
            int level = level(size);
            open.checkAbsent(vaddr, end, paddr, level);
            open.fill(vaddr, end, paddr, flags.bits(), level, OnExisting.ERROR);
        }
    }

    @Override
    public PageSize remap(long vaddr, long paddr, MmuFlags flags) {
        synchronized (lock) {
            UnixFileTree open = open();
            bounds.checkNewFrame(vaddr, paddr);
            checkFlags(flags);
            PageSize size = UnixFileTree.size(leaf(open, vaddr));
            TableBounds.checkAligned("paddr", paddr, size);
            TableBounds.checkFrames(paddr, size.bytes());
            open.set(vaddr, paddr, flags.bits());
            flushes.send(tag, invalidator);
            return size;
        }
    }

    @Override
    public PageSize protect(long vaddr, MmuFlags flags) {
        synchronized (lock) {
            UnixFileTree open = open();
            bounds.checkAddress(vaddr);
            checkFlags(flags);
            long leaf = leaf(open, vaddr);
            open.set(vaddr, UnixFileTree.paddr(leaf), flags.bits());
            flushes.send(tag, invalidator);
            return UnixFileTree.size(leaf);
        }
    }

    @Override
    public PageMapping unmap(long vaddr) {
        synchronized (lock) {
            UnixFileTree open = open();
            bounds.checkAddress(vaddr);
            PageMapping mapping = mapping(leaf(open, vaddr), 0);
            long start = mapping.size().alignDown(vaddr);
            open.change(start, start + mapping.size().bytes() - 1, /* keep= */ 0, /* add= */ 0);
            flushes.send(tag, invalidator);
            return mapping;
        }
    }

    @Override
    public PageMapping query(long vaddr) {
        UnixFileTree open = open();
        if (!bounds.contains(vaddr)) {
            throw PagingException.notMapped(vaddr);
        }
        return mapping(leaf(open, vaddr), vaddr);
    }

    @Override
    public long translate(long vaddr) {
        UnixFileTree open = open();
        long leaf = bounds.contains(vaddr) ? open.find(vaddr, null) : 0;
        return leaf == 0 ? NO_TRANSLATION : paddr(leaf, vaddr);
    }

    @Override
    public void mapRange(
            long vaddr,
            long paddr,
            long sizeBytes,
            MmuFlags flags,
            HugePages huge,
            OnExisting existing) {
        synchronized (lock) {
            UnixFileTree open = open();
            bounds.checkRun(vaddr, paddr, sizeBytes);
            checkFlags(flags);
            if (sizeBytes == 0) {
                return;
            }
            long end = vaddr + sizeBytes - 1;
            int maxLevel = huge == HugePages.ALLOWED ? MAX_LEVEL : 0;
            if (existing == OnExisting.ERROR) {
                open.checkAbsent(vaddr, end, paddr, maxLevel);
            }
            open.fill(vaddr, end, paddr, flags.bits(), maxLevel, existing);
            flushes.send(tag, invalidator);
        }
    }

    @Override
    public void mapPages(
            long vaddr, long[] paddrs, int from, int count, MmuFlags flags, OnExisting existing) {
        Objects.checkFromIndexSize(from, count, paddrs.length);
        synchronized (lock) {
            UnixFileTree open = open();
            bounds.checkPages(vaddr, paddrs, from, count);
            checkFlags(flags);
            if (count == 0) {
                return;
            }
            if (existing == OnExisting.ERROR) {
                long end = vaddr + count * PageSize.BASE_BYTES - 1;
                open.checkAbsent(vaddr, end, 0, 0);
            }
            open.fillPages(vaddr, paddrs, from, count, flags.bits(), existing);
            flushes.send(tag, invalidator);
        }
    }

    @Override
    public void unmapRange(long vaddr, long sizeBytes) {
        changeRange(vaddr, sizeBytes, /* keep= */ 0, /* add= */ 0, null);
    }

    @Override
    public void protectRange(long vaddr, long sizeBytes, MmuFlags flags) {
        changeRange(vaddr, sizeBytes, /* keep= */ 0, flags.bits(), flags);
    }

    @Override
    public void writeProtectRange(long vaddr, long sizeBytes) {
        changeRange(vaddr, sizeBytes, /* keep= */ ~MmuFlags.WRITE_BIT, /* add= */ 0, null);
    }

    private void changeRange(
            long vaddr, long sizeBytes, int keep, int add, @Nullable MmuFlags flags) {
        synchronized (lock) {
            UnixFileTree open = open();
            bounds.checkPageRange(vaddr, sizeBytes);
            if (flags != null) {
                checkFlags(flags);
            }
            if (sizeBytes != 0) {
                open.change(vaddr, vaddr + sizeBytes - 1, keep, add);
                flushes.send(tag, invalidator);
            }
        }
    }

    @Override
    public boolean tracksAccessed() {
        return true;
    }

    @Override
    public void harvestAccessed(long vaddr, long sizeBytes, UnusedTables unused, BitSet pages) {
        Objects.requireNonNull(unused, "unused");
        Objects.requireNonNull(pages, "pages");
        synchronized (lock) {
            UnixFileTree open = open();
            bounds.checkPageRange(vaddr, sizeBytes);
            TableBounds.checkCountable(sizeBytes);
            if (sizeBytes != 0) {
                UnixFileHarvester.harvest(open, vaddr, vaddr + sizeBytes - 1, unused, pages);
                flushes.send(tag, invalidator);
            }
        }
    }

    @Override
    public void markAccessed(long vaddr, long sizeBytes) {
        synchronized (lock) {
            UnixFileTree open = open();
            bounds.checkPageRange(vaddr, sizeBytes);
            if (sizeBytes != 0) {
                UnixFileHarvester.markAccessed(open, vaddr, vaddr + sizeBytes - 1);
            }
        }
    }

    @Override
    public void forEachLeaf(long vaddr, long sizeBytes, LeafVisitor visitor) {
        record Leaf(long vaddr, long paddr, PageSize size, MmuFlags flags) {}
        List<Leaf> leaves = new ArrayList<>();
        synchronized (lock) {
            UnixFileTree open = open();
            bounds.checkPageRange(vaddr, sizeBytes);
            if (sizeBytes != 0) {
                open.forEach(
                        vaddr,
                        vaddr + sizeBytes - 1,
                        (at, paddr, size, flags) -> leaves.add(new Leaf(at, paddr, size, flags)));
            }
        }
        for (Leaf leaf : leaves) {
            visitor.leaf(leaf.vaddr, leaf.paddr, leaf.size, leaf.flags);
        }
    }

    @Override
    public boolean hardwareWalk(long vaddr, AccessKind access, WalkResult result) {
        while (true) {
            UnixFileTree open = tree;
            long leaf = walk(open, vaddr, access, result);
            if (leaf == 0
                    || open == null
                    || (leaf & UnixFileTree.ACCESSED) != 0
                    || open.noteAccess(vaddr, leaf)) {
                return leaf != 0;
            }
        }
    }

    /// Walks and marks nothing.
    ///
    /// @param open null once closed
    /// @return the leaf, or 0 when the access is refused
    private long walk(
            @Nullable UnixFileTree open, long vaddr, AccessKind access, WalkResult result) {
        result.depth = 0;
        result.entriesRead = 0;
        result.cause = FaultCause.NOT_PRESENT;
        if (!bounds.contains(vaddr)) {
            result.cause = FaultCause.ADDRESS_SIZE;
            return 0;
        }
        long leaf = open == null ? 0 : open.find(vaddr, result);
        if (leaf == 0) {
            return 0;
        }
        result.flagBits = UnixFileTree.flagBits(leaf);
        result.leafShift = UnixFileTree.size(leaf).shift();
        result.paddr = paddr(leaf, vaddr);
        if ((access.requiredBits() & ~result.flagBits) != 0) {
            result.cause = FaultCause.PERMISSION;
            return 0;
        }
        return leaf;
    }

    /// The steps name no addresses: the nodes lie on the heap.
    @Override
    public PageWalk explain(long vaddr, AccessKind access) {
        var result = new WalkResult();
        boolean allowed = walk(open(), vaddr, access, result) != 0;
        // An entry that changes between the two looks shows as it is now.
        long leaf = bounds.contains(vaddr) ? open().find(vaddr, result) : 0;
        List<PageWalk.Step> steps = new ArrayList<>();
        for (int i = 0; i < result.entriesRead; i++) {
            int level = UnixFileTree.TOP - i;
            boolean isLast = i == result.depth;
            String fields = !isLast ? "table" : leaf == 0 ? "absent" : mapping(leaf, 0).toString();
            steps.add(
                    new PageWalk.Step(
                            "level " + level,
                            0,
                            UnixFileTree.index(vaddr, level),
                            0,
                            isLast ? leaf : 0,
                            fields));
        }
        return allowed && leaf != 0
                ? new PageWalk(vaddr, access, steps, mapping(leaf, vaddr), null)
                : new PageWalk(
                        vaddr, access, steps, null, new PageFault(vaddr, access, result.cause));
    }

    @Override
    public long tableFrames() {
        return 0;
    }

    @Override
    public void close() {
        synchronized (lock) {
            if (tree == null) {
                return;
            }
            tree = null;
            invalidator.release(tag);
        }
    }

    private UnixFileTree open() {
        UnixFileTree open = tree;
        if (open == null) {
            throw new PagingException(PagingError.BAD_STATE, "the page table is closed");
        }
        return open;
    }

    private static long leaf(UnixFileTree open, long vaddr) {
        long leaf = open.find(vaddr, null);
        if (leaf == 0) {
            throw PagingException.notMapped(vaddr);
        }
        return leaf;
    }

    private static long paddr(long leaf, long vaddr) {
        return UnixFileTree.paddr(leaf) + (vaddr & (UnixFileTree.size(leaf).bytes() - 1));
    }

    private static PageMapping mapping(long leaf, long vaddr) {
        return new PageMapping(
                paddr(leaf, vaddr),
                MmuFlags.of(UnixFileTree.flagBits(leaf)),
                UnixFileTree.size(leaf));
    }

    private static int level(PageSize size) {
        return (size.shift() - PageSize.BASE_SHIFT) / 9;
    }

    private void checkFlags(MmuFlags flags) {
        if (!supports(flags)) {
            throw new PagingException(
                    PagingError.NOT_SUPPORTED,
                    "flags=" + flags + " allow nothing or name two memory types");
        }
    }
}
