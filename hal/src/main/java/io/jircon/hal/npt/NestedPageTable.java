package io.jircon.hal.npt;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FrameAllocator;
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
import io.jircon.hal.PhysicalMemory;
import io.jircon.hal.TlbInvalidator;
import io.jircon.hal.WalkResult;
import io.jircon.hal.npt.RangeEditor.Edit;
import io.jircon.hal.npt.StateHarvester.State;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.StampedLock;
import org.jspecify.annotations.Nullable;

/// A page table in a machine's memory, in any [PagingFormat].
///
/// Every change runs in two passes over the part of the tree that it concerns: the first finds
/// conflicts and counts the tables that are missing, then their frames are taken all at once, and
/// the second pass writes and cannot fail. So a call that fails has changed nothing.
///
/// Locking: one [StampedLock], held for writing by changes. [#query(long)] and [#translate(long)]
/// read without it and look afterwards whether a change came between. The machine's walker
/// ([#hardwareWalk]) takes no lock at all; what it may still be reading is freed only after the
/// flush that waits for it.
public final class NestedPageTable implements PageTableTrait {
    private final PagingFormat format;
    private final long firstAddress;
    private final long lastAddress;
    private final int tag;
    private final TableStore store;
    private final PageTableCursor cursor;
    private final HardwareWalker walker;
    private final StampedLock lock = new StampedLock();

    private volatile boolean closed;

    /// Makes an empty table over the format's whole range of addresses.
    ///
    /// @param format the format
    /// @param memory the machine's memory
    /// @param frames where the tables' frames come from
    /// @param invalidator the machine's TLBs
    /// @param tag what the TLBs keep this table's translations under
    /// @throws PagingException NO_MEMORY when there is no frame for the root
    public NestedPageTable(
            PagingFormat format,
            PhysicalMemory memory,
            FrameAllocator frames,
            TlbInvalidator invalidator,
            int tag) {
        this(
                format,
                memory,
                frames,
                invalidator,
                tag,
                format.lowestAddress(),
                format.isSignExtended() ? -1L : format.lowestAddress() + size(format) - 1,
                MmuFlags.NONE);
    }

    /// Makes an empty table over a part of the format's addresses.
    ///
    /// @param format the format
    /// @param memory the machine's memory
    /// @param frames where the tables' frames come from
    /// @param invalidator the machine's TLBs
    /// @param tag what the TLBs keep this table's translations under
    /// @param firstAddress the lowest address that can be mapped, page aligned
    /// @param lastAddress the highest address that can be mapped, the last byte of a page
    /// @param refused flags that the table does not support although the format does
    /// @throws PagingException NO_MEMORY when there is no frame for the root
    NestedPageTable(
            PagingFormat format,
            PhysicalMemory memory,
            FrameAllocator frames,
            TlbInvalidator invalidator,
            int tag,
            long firstAddress,
            long lastAddress,
            MmuFlags refused) {
        this.format = Objects.requireNonNull(format, "format");
        this.firstAddress = firstAddress;
        this.lastAddress = lastAddress;
        this.tag = tag;
        store = new TableStore(format, memory, frames, new FlushList(invalidator, tag));
        cursor = new PageTableCursor(store, firstAddress, lastAddress, refused);
        walker = new HardwareWalker(format, memory, store.root);
    }

    private static long size(PagingFormat format) {
        return 1L << format.addressBits();
    }

    /// The format of the table.
    ///
    /// @return never null
    public PagingFormat format() {
        return format;
    }

    /// The registers that would make a processor use this table.
    ///
    /// @return such as VTTBR_EL2 and VTCR_EL2
    public List<RootRegister> rootRegisters() {
        return format.rootRegisters(store.root, tag);
    }

    /// Borrows the table for several changes with one flush at their end.
    ///
    /// @return a cursor, which the caller closes; until then every other call on this table waits
    /// @throws PagingException BAD_STATE after close
    public PageTableCursor openCursor() {
        long stamp = lockForChange();
        store.beginBatch();
        return new PageTableCursor(
                cursor,
                () -> {
                    try {
                        store.endBatch();
                    } finally {
                        lock.unlockWrite(stamp);
                    }
                });
    }

    /// Replaces runs of small leaves by huge ones where the frames lie together and the flags are
    /// the same; accessed and dirty states are merged. Only slots wholly inside the range are
    /// joined.
    ///
    /// @param vaddr virtual address, page aligned
    /// @param sizeBytes length, a multiple of the base page
    /// @return how many huge leaves were made
    /// @throws PagingException NOT_ALIGNED, OUT_OF_RANGE
    public int join(long vaddr, long sizeBytes) {
        long stamp = lockForChange();
        try {
            return cursor.join(vaddr, sizeBytes);
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    @Override
    public long firstAddress() {
        return firstAddress;
    }

    @Override
    public long lastAddress() {
        return lastAddress;
    }

    @Override
    public long rootAddress() {
        return store.root;
    }

    @Override
    public int tag() {
        return tag;
    }

    @Override
    public boolean supports(MmuFlags flags) {
        return cursor.supports(flags);
    }

    @Override
    public boolean supports(PageSize size) {
        return format.supports(size);
    }

    @Override
    public void map(long vaddr, long paddr, PageSize size, MmuFlags flags) {
        long stamp = lockForChange();
        try {
            cursor.map(vaddr, paddr, size, flags);
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    @Override
    public PageSize remap(long vaddr, long paddr, MmuFlags flags) {
        long stamp = lockForChange();
        try {
            return cursor.remap(vaddr, paddr, flags);
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    @Override
    public PageSize protect(long vaddr, MmuFlags flags) {
        long stamp = lockForChange();
        try {
            return cursor.protect(vaddr, flags);
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    @Override
    public PageMapping unmap(long vaddr) {
        long stamp = lockForChange();
        try {
            return cursor.unmap(vaddr);
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    @Override
    public PageMapping query(long vaddr) {
        long stamp = lock.readLock();
        try {
            requireOpen();
            return cursor.query(vaddr);
        } finally {
            lock.unlockRead(stamp);
        }
    }

    @Override
    public long translate(long vaddr) {
        long stamp = lock.tryOptimisticRead();
        if (stamp != 0) {
            try {
                long paddr = lookUp(vaddr);
                if (lock.validate(stamp)) {
                    return paddr;
                }
            } catch (IndexOutOfBoundsException torn) {
                // A table was freed under the walk and its frame used for something else.
            }
        }
        stamp = lock.readLock();
        try {
            return lookUp(vaddr);
        } finally {
            lock.unlockRead(stamp);
        }
    }

    /// Finds what an address translates to. Without the lock the tables may change under it: then
    /// the answer means nothing.
    private long lookUp(long vaddr) {
        requireOpen();
        if (!isInRange(vaddr)) {
            return NO_TRANSLATION;
        }
        PagingFormat shape = format;
        long present = shape.presentMask;
        int height = shape.rootHeight;
        int shift = shape.shifts[height];
        int index = (int) (vaddr >>> shift) & shape.indexMasks[height];
        long table = store.root;
        while (true) {
            long raw = store.read(table + (long) index * Long.BYTES);
            if ((raw & present) == 0 || !shape.isPresent(height, raw)) {
                return NO_TRANSLATION;
            }
            if (shape.isLeaf(height, raw)) {
                long inside = (1L << shift) - 1;
                return (shape.address(raw) & ~inside) | (vaddr & inside);
            }
            table = shape.address(raw);
            height--;
            shift -= TableStore.INDEX_BITS;
            index = (int) (vaddr >>> shift) & (TableStore.TABLE_ENTRIES - 1);
        }
    }

    @Override
    public void mapRange(
            long vaddr,
            long paddr,
            long sizeBytes,
            MmuFlags flags,
            HugePages huge,
            OnExisting existing) {
        long stamp = lockForChange();
        try {
            cursor.mapRange(vaddr, paddr, sizeBytes, flags, huge, existing);
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    @Override
    public void mapPages(
            long vaddr, long[] paddrs, int from, int count, MmuFlags flags, OnExisting existing) {
        long stamp = lockForChange();
        try {
            cursor.mapPages(vaddr, paddrs, from, count, flags, existing);
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    @Override
    public void unmapRange(long vaddr, long sizeBytes) {
        edit(Edit.UNMAP, vaddr, sizeBytes, null);
    }

    @Override
    public void protectRange(long vaddr, long sizeBytes, MmuFlags flags) {
        edit(Edit.PROTECT, vaddr, sizeBytes, Objects.requireNonNull(flags, "flags"));
    }

    @Override
    public void writeProtectRange(long vaddr, long sizeBytes) {
        edit(Edit.WRITE_PROTECT, vaddr, sizeBytes, null);
    }

    private void edit(Edit what, long vaddr, long sizeBytes, @Nullable MmuFlags flags) {
        long stamp = lockForChange();
        try {
            cursor.edit(what, vaddr, sizeBytes, flags);
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    @Override
    public void forEachLeaf(long vaddr, long sizeBytes, LeafVisitor visitor) {
        Objects.requireNonNull(visitor, "visitor");
        var leaves = new LeafList();
        long stamp = lock.readLock();
        try {
            requireOpen();
            cursor.requirePageRange(vaddr, sizeBytes);
            collect(store.root, format.rootHeight, vaddr, sizeBytes, leaves);
        } finally {
            lock.unlockRead(stamp);
        }
        for (int i = 0; i < leaves.count; i++) {
            int height = leaves.heights[i];
            long raw = leaves.raws[i];
            visitor.leaf(
                    leaves.vaddrs[i],
                    format.leafAddress(height, raw),
                    pageSize(format, height),
                    MmuFlags.of(format.flagBits(height, raw)));
        }
    }

    private void collect(long table, int height, long vaddr, long size, LeafList leaves) {
        long slot = 1L << format.shifts[height];
        long left = size;
        for (long at = vaddr; left != 0; ) {
            long part = Math.min(left, slot - (at & (slot - 1)));
            long raw = store.read(entry(table, height, at));
            if (format.isPresent(height, raw)) {
                if (format.isLeaf(height, raw)) {
                    leaves.add(at & -slot, raw, height);
                } else {
                    collect(format.address(raw), height - 1, at, part, leaves);
                }
            }
            at += part;
            left -= part;
        }
    }

    /// Says which pages were accessed since their state was last cleared, and clears it.
    ///
    /// @param vaddr start of the range, page aligned
    /// @param sizeBytes length, a multiple of the base page, below 2^43
    /// @param pages receives a set bit for each base page, counted from `vaddr`; for a huge leaf
    ///   all of its pages in the range. A huge leaf partly inside keeps its state
    /// @throws PagingException NOT_ALIGNED, OUT_OF_RANGE; NOT_SUPPORTED when the walker does not
    ///   set the flag
    public void harvestAccessed(long vaddr, long sizeBytes, BitSet pages) {
        harvest(State.ACCESSED, format.tracksAccessed(), vaddr, sizeBytes, pages);
    }

    /// Says which pages were written since their state was last cleared, and clears it.
    ///
    /// @param vaddr start of the range, page aligned
    /// @param sizeBytes length, a multiple of the base page, below 2^43
    /// @param pages receives a set bit for each base page, counted from `vaddr`; for a huge leaf
    ///   all of its pages in the range. A huge leaf partly inside keeps its state
    /// @throws PagingException NOT_ALIGNED, OUT_OF_RANGE; NOT_SUPPORTED when the walker does not
    ///   keep the state
    public void harvestDirty(long vaddr, long sizeBytes, BitSet pages) {
        harvest(State.DIRTY, format.tracksDirty(), vaddr, sizeBytes, pages);
    }

    private void harvest(State state, boolean isTracked, long vaddr, long sizeBytes, BitSet pages) {
        long stamp = lockForChange();
        try {
            cursor.harvest(state, isTracked, vaddr, sizeBytes, pages);
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    @Override
    public boolean hardwareWalk(long vaddr, AccessKind access, WalkResult result) {
        requireOpen();
        return walker.walk(vaddr, access, Privilege.SUPERVISOR, result, null);
    }

    @Override
    public PageWalk explain(long vaddr, AccessKind access) {
        var steps = new ArrayList<PageWalk.Step>();
        var result = new WalkResult();
        boolean found;
        long stamp = lock.readLock();
        try {
            requireOpen();
            found = walker.walk(vaddr, access, Privilege.SUPERVISOR, result, steps);
        } finally {
            lock.unlockRead(stamp);
        }
        return found
                ? new PageWalk(vaddr, access, steps, mapping(result), null)
                : new PageWalk(
                        vaddr, access, steps, null, new PageFault(vaddr, access, result.cause));
    }

    private static PageMapping mapping(WalkResult result) {
        PageSize size = PageSize.SIZE_4K;
        for (PageSize candidate : PageSize.values()) {
            if (candidate.shift() <= result.leafShift) {
                size = candidate;
            }
        }
        return new PageMapping(result.paddr, MmuFlags.of(result.flagBits), size);
    }

    @Override
    public long tableFrames() {
        return closed ? 0 : store.tableFrames();
    }

    @Override
    public void close() {
        long stamp = lock.writeLock();
        try {
            if (closed) {
                return;
            }
            closed = true;
            store.close();
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    /// The format's name, the root and the tag.
    @Override
    public String toString() {
        return format + " root=0x" + Long.toHexString(store.root) + " tag=" + tag;
    }

    static PageSize pageSize(PagingFormat format, int height) {
        return switch (format.shifts[height]) {
            case 12 -> PageSize.SIZE_4K;
            case 21 -> PageSize.SIZE_2M;
            case 30 -> PageSize.SIZE_1G;
            default ->
                    throw new PagingException(
                            PagingError.NOT_SUPPORTED,
                            "a leaf of 2^" + format.shifts[height] + " bytes was put in by hand");
        };
    }

    private long entry(long table, int height, long vaddr) {
        return table + (long) format.index(height, vaddr) * Long.BYTES;
    }

    private boolean isInRange(long vaddr) {
        return Long.compareUnsigned(vaddr - firstAddress, lastAddress - firstAddress) <= 0;
    }

    private long lockForChange() {
        long stamp = lock.writeLock();
        if (closed) {
            lock.unlockWrite(stamp);
            throw closedException();
        }
        return stamp;
    }

    private void requireOpen() {
        if (closed) {
            throw closedException();
        }
    }

    private static PagingException closedException() {
        return new PagingException(PagingError.BAD_STATE, "the page table is closed");
    }

    /// The leaves of a range at one moment.
    private static final class LeafList {
        private long[] vaddrs = new long[16];
        private long[] raws = new long[16];
        private byte[] heights = new byte[16];
        private int count;

        void add(long vaddr, long raw, int height) {
            if (count == vaddrs.length) {
                vaddrs = Arrays.copyOf(vaddrs, 2 * count);
                raws = Arrays.copyOf(raws, 2 * count);
                heights = Arrays.copyOf(heights, 2 * count);
            }
            vaddrs[count] = vaddr;
            raws[count] = raw;
            heights[count++] = (byte) height;
        }
    }
}
