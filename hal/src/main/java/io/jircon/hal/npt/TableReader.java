package io.jircon.hal.npt;

import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageFault;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PageTableTrait.LeafVisitor;
import io.jircon.hal.PageWalk;
import io.jircon.hal.PagingException;
import io.jircon.hal.WalkResult;
import java.util.ArrayList;
import java.util.concurrent.locks.StampedLock;

/// Answers questions about one page table, beside the threads that change it.
///
/// Locking: the page table's lock, held for reading. [#translate(long)] reads without it first, and
/// looks afterwards whether a change came between. What the table borrowed is read with the
/// lender's lock held, taken after the borrower's where that is held too; also when the lender is
/// closed, for what is lent stays. A thread never holds the locks of two lenders.
final class TableReader {
    private final TableStore store;
    private final PagingFormat format;
    private final AddressLimits limits;
    private final StampedLock lock;
    private final HardwareWalker walker;

    /// Makes the reader of a table.
    ///
    /// @param lock the page table's
    TableReader(TableStore store, AddressLimits limits, StampedLock lock, HardwareWalker walker) {
        this.store = store;
        this.format = store.format;
        this.limits = limits;
        this.lock = lock;
        this.walker = walker;
    }

    /// As [NestedPageTable#translate].
    long translate(long vaddr) {
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
        store.requireOpen();
        if (!limits.contains(vaddr)) {
            return PageTableTrait.NO_TRANSLATION;
        }
        TableReader lender = store.loans.lenderOf(vaddr);
        return lender == null ? walkDown(vaddr) : lender.translateLent(vaddr);
    }

    private long translateLent(long vaddr) {
        long stamp = lockLent();
        try {
            return walkDown(vaddr);
        } finally {
            unlockLent(stamp);
        }
    }

    private long walkDown(long vaddr) {
        PagingFormat shape = format;
        long present = shape.presentMask;
        int height = shape.rootHeight;
        int shift = shape.shifts[height];
        int index = (int) (vaddr >>> shift) & shape.indexMasks[height];
        long table = store.root;
        while (true) {
            long raw = store.peek(table + (long) index * Long.BYTES);
            if ((raw & present) == 0 || !shape.isPresent(height, raw)) {
                return PageTableTrait.NO_TRANSLATION;
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

    /// As [NestedPageTable#query].
    PageMapping query(long vaddr) {
        long stamp = lock.readLock();
        try {
            store.requireOpen();
            return queryLocked(vaddr);
        } finally {
            lock.unlockRead(stamp);
        }
    }

    /// As [#query(long)], for who holds the lock, for reading or writing.
    PageMapping queryLocked(long vaddr) {
        if (!limits.contains(vaddr)) {
            throw PagingException.notMapped(vaddr);
        }
        TableReader lender = store.loans.lenderOf(vaddr);
        return lender == null ? findLeaf(vaddr) : lender.queryLent(vaddr);
    }

    private PageMapping queryLent(long vaddr) {
        long stamp = lockLent();
        try {
            return findLeaf(vaddr);
        } finally {
            unlockLent(stamp);
        }
    }

    private PageMapping findLeaf(long vaddr) {
        long table = store.root;
        for (int height = format.rootHeight; ; height--) {
            long raw = store.read(table + (long) format.index(height, vaddr) * Long.BYTES);
            if (!format.isPresent(height, raw)) {
                throw PagingException.notMapped(vaddr);
            }
            if (format.isLeaf(height, raw)) {
                PageSize size = format.pageSize(height);
                return new PageMapping(
                        format.leafAddress(height, raw) | (vaddr & (size.bytes() - 1)),
                        MmuFlags.of(format.flagBits(height, raw)),
                        size);
            }
            table = format.address(raw);
        }
    }

    /// As [NestedPageTable#forEachLeaf].
    void forEachLeaf(long vaddr, long sizeBytes, LeafVisitor visitor) {
        var leaves = new LeafList(store);
        long stamp = lock.readLock();
        try {
            store.requireOpen();
            limits.requirePageRange(vaddr, sizeBytes);
            leaves.collect(vaddr, sizeBytes);
        } finally {
            lock.unlockRead(stamp);
        }
        for (int i = 0; i < leaves.count(); i++) {
            int height = leaves.height(i);
            long raw = leaves.raw(i);
            visitor.leaf(
                    leaves.vaddr(i),
                    format.leafAddress(height, raw),
                    format.pageSize(height),
                    MmuFlags.of(format.flagBits(height, raw)));
        }
    }

    /// As [NestedPageTable#explain].
    PageWalk explain(long vaddr, AccessKind access) {
        var steps = new ArrayList<PageWalk.Step>();
        var result = new WalkResult();
        boolean found;
        long stamp = lock.readLock();
        try {
            store.requireOpen();
            TableReader lender = store.loans.lenderOf(vaddr);
            long lenderStamp = lender == null ? 0 : lender.lockLent();
            try {
                found = walker.walk(vaddr, access, Privilege.SUPERVISOR, result, steps);
            } finally {
                if (lender != null) {
                    lender.unlockLent(lenderStamp);
                }
            }
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

    /// Lets a borrower read what this table lent it, also after this table was closed.
    ///
    /// @return what to give to [#unlockLent(long)]
    long lockLent() {
        return lock.readLock();
    }

    /// Ends what [#lockLent()] began.
    void unlockLent(long stamp) {
        lock.unlockRead(stamp);
    }
}
