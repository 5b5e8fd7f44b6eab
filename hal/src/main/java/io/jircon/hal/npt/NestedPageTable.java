package io.jircon.hal.npt;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.FrameAllocator;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PageWalk;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.PhysicalMemory;
import io.jircon.hal.TlbInvalidator;
import io.jircon.hal.UnusedTables;
import io.jircon.hal.WalkResult;
import io.jircon.hal.npt.RangeEditor.Edit;
import io.jircon.hal.npt.StateHarvester.State;
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
/// Locking: one [StampedLock], held for writing by whatever changes an entry, and for reading by
/// whatever asks for one; [#translate(long)] reads without it first, and looks afterwards whether a
/// change came between. The machine's walker ([#hardwareWalk]) takes no lock; what it may still be
/// reading is freed only after the flush that waits for it.
public final class NestedPageTable implements PageTableTrait {
    private final PagingFormat format;
    private final AddressLimits limits;
    private final int tag;
    private final TableStore store;
    private final PageTableCursor cursor;
    private final HardwareWalker walker;
    private final TableReader reader;
    private final StampedLock lock = new StampedLock();

    /// Makes an empty table over the format's whole range of addresses. What lies between the two
    /// halves of a sign-extended format is OUT_OF_RANGE, as what lies outside of another's range.
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
        this(format, memory, frames, invalidator, tag, AddressLimits.of(format), MmuFlags.NONE);
    }

    /// Makes an empty table over a part of the format's addresses.
    ///
    /// @param format the format
    /// @param memory the machine's memory
    /// @param frames where the tables' frames come from
    /// @param invalidator the machine's TLBs
    /// @param tag what the TLBs keep this table's translations under
    /// @param limits the addresses that can be mapped
    /// @param refused flags that the table does not support although the format does
    /// @throws PagingException NO_MEMORY when there is no frame for the root
    NestedPageTable(
            PagingFormat format,
            PhysicalMemory memory,
            FrameAllocator frames,
            TlbInvalidator invalidator,
            int tag,
            AddressLimits limits,
            MmuFlags refused) {
        this.format = Objects.requireNonNull(format, "format");
        this.limits = limits;
        this.tag = tag;
        store = new TableStore(format, memory, frames, new FlushList(invalidator, tag));
        walker = new HardwareWalker(format, memory, store.root);
        reader = new TableReader(store, limits, lock, walker);
        cursor = new PageTableCursor(store, reader, limits, refused);
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

    /// Shares root entries with another table, such as the kernel's part of an address space
    /// (clause A-70). From then on this table translates those addresses as the lender does,
    /// whatever the lender changes, and changes of them through this table are refused with
    /// BAD_STATE. What this table had there is unmapped. The lender gets a table for each entry
    /// that has none, and no leaf takes a whole lent entry.
    ///
    /// The loan ends when this table is closed. The lender may be closed first: what is lent stays
    /// as it is then, and its frames are free when the last borrower is closed. A table is a lender
    /// or a borrower, never both.
    ///
    /// @param lender a table of the same format, range and machine; not this one
    /// @param vaddr start of the range, page aligned; the root entries that it touches are
    ///   borrowed, each with all the addresses that it covers
    /// @param sizeBytes length, a multiple of the base page; 0 does nothing
    /// @throws PagingException NOT_ALIGNED, OUT_OF_RANGE; NOT_SUPPORTED for another kind of lender;
    ///   BAD_STATE when either table is closed, this table lends, the lender borrows, or an entry
    ///   is borrowed from a third; NO_MEMORY when the lender's tables cannot be had
    public void borrowRootEntries(NestedPageTable lender, long vaddr, long sizeBytes) {
        boolean done = false;
        while (!done) {
            long stamp = lockForChange();
            try {
                limits.requirePageRange(vaddr, sizeBytes);
                requireLender(lender);
                // Never waits with its own lock held: the other may be about to borrow from us.
                long lenderStamp = lender.lock.tryWriteLock();
                if (lenderStamp != 0) {
                    try {
                        lender.store.requireOpen();
                        if (sizeBytes != 0) {
                            cursor.borrow(lender, lender.store.loans, vaddr, sizeBytes, tag);
                        }
                    } finally {
                        lender.lock.unlockWrite(lenderStamp);
                    }
                    done = true;
                }
            } finally {
                lock.unlockWrite(stamp);
            }
            Thread.onSpinWait();
        }
    }

    private void requireLender(NestedPageTable lender) {
        if (isSame(lender)
                || !format.isSameAs(lender.format)
                || !cursor.hasLimitsOf(lender.cursor)
                || !store.isOfSameMachine(lender.store)) {
            throw new PagingException(
                    PagingError.NOT_SUPPORTED,
                    "lender="
                            + lender
                            + " is not another table of the format, range and machine of "
                            + this);
        }
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
        return limits.first();
    }

    @Override
    public long lastAddress() {
        return limits.last();
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
        return reader.query(vaddr);
    }

    @Override
    public long translate(long vaddr) {
        return reader.translate(vaddr);
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
        reader.forEachLeaf(vaddr, sizeBytes, visitor);
    }

    @Override
    public boolean tracksAccessed() {
        return format.tracksAccessed();
    }

    @Override
    public void harvestAccessed(long vaddr, long sizeBytes, UnusedTables unused, BitSet pages) {
        harvest(State.ACCESSED, Objects.requireNonNull(unused, "unused"), vaddr, sizeBytes, pages);
    }

    @Override
    public void markAccessed(long vaddr, long sizeBytes) {
        long stamp = lockForChange();
        try {
            cursor.markAccessed(vaddr, sizeBytes);
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    /// Says which pages were written since their state was last cleared, and clears it.
    ///
    /// @param vaddr start of the range, page aligned
    /// @param sizeBytes length, a multiple of the base page, below 2^43
    /// @param pages receives a set bit for each base page, counted from `vaddr`; for a huge leaf
    ///   all of its pages in the range. A huge leaf partly inside keeps its state
    /// @throws PagingException NOT_SUPPORTED when the walker does not keep the state, before the
    ///   arguments are looked at; NOT_ALIGNED, OUT_OF_RANGE
    public void harvestDirty(long vaddr, long sizeBytes, BitSet pages) {
        harvest(State.DIRTY, UnusedTables.KEEP, vaddr, sizeBytes, pages);
    }

    private void harvest(
            State state, UnusedTables unused, long vaddr, long sizeBytes, BitSet pages) {
        long stamp = lockForChange();
        try {
            cursor.harvest(state, unused, vaddr, sizeBytes, pages);
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    @Override
    public boolean hardwareWalk(long vaddr, AccessKind access, WalkResult result) {
        if (store.isClosed()) {
            // The processor hears of the close only later, and may be behind the bytes it moved.
            result.entriesRead = 0;
            result.depth = 0;
            result.cause = FaultCause.NOT_PRESENT;
            return false;
        }
        return walker.walk(vaddr, access, Privilege.SUPERVISOR, result, null);
    }

    @Override
    public PageWalk explain(long vaddr, AccessKind access) {
        return reader.explain(vaddr, access);
    }

    @Override
    public long tableFrames() {
        return store.tableFrames();
    }

    @Override
    public void close() {
        long stamp = lock.writeLock();
        try {
            if (store.isClosed()) {
                return;
            }
            store.close();
            for (NestedPageTable lender : store.loans.lenders()) {
                lender.endLoans(this);
            }
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    /// Takes back what a table borrowed that is closed.
    private void endLoans(NestedPageTable borrower) {
        long stamp = lock.writeLock();
        try {
            store.loans.takeBack(borrower.store.loans, this, borrower.tag);
            if (store.isClosed() && !store.loans.isLender()) {
                store.closeAfterLoans();
            } else {
                store.finish();
            }
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    /// Answers a borrower's questions about what this table lends it.
    TableReader reader() {
        return reader;
    }

    @SuppressWarnings("ReferenceEquality") // tables have no equality but their own
    boolean isSame(NestedPageTable other) {
        return this == other;
    }

    /// The format's name, the root and the tag.
    @Override
    public String toString() {
        return format + " root=0x" + Long.toHexString(store.root) + " tag=" + tag;
    }

    /// Takes the lock for a change.
    ///
    /// @return what to unlock with
    /// @throws PagingException BAD_STATE after close, with the lock given back
    private long lockForChange() {
        long stamp = lock.writeLock();
        if (store.isClosed()) {
            lock.unlockWrite(stamp);
            throw TableStore.closedException();
        }
        return stamp;
    }
}
