package io.jircon.hal.npt;

import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.npt.RangeEditor.Edit;
import java.util.LinkedHashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The root entries that one table lends or borrows (clause A-70). The tables below a shared entry
/// are the lender's: it alone changes them, and every processor that walks them through a borrower
/// hears of it.
///
/// A lent entry keeps pointing to the same table, even an empty one, until the last borrower is
/// closed; so a borrower's copy of it is never stale. A lender that is closed before its borrowers
/// keeps the root and the tables that are lent, and nothing else.
///
/// A table is a lender or a borrower, never both. That gives the locks their order: a borrower's,
/// then its lender's. Each field is guarded by the lock of the table whose loans these are; what
/// takes a lender needs the lender's too.
final class RootLoans {
    private final TableStore store;
    private final PagingFormat format;

    /// How many tables borrow each root entry; empty while there never was a loan.
    private int[] borrowers = {};

    /// The sum of these.
    private long lent;

    /// Whose each root entry is; null while there is no loan.
    private @Nullable NestedPageTable @Nullable [] lenders;

    RootLoans(TableStore store) {
        this.store = store;
        this.format = store.format;
    }

    boolean isLender() {
        return lent > 0;
    }

    boolean isBorrower() {
        return lenders != null;
    }

    /// Whether an entry must keep the table it points to.
    boolean isLent(int height, long vaddr) {
        return lent > 0 && height == format.rootHeight && isLent(format.index(height, vaddr));
    }

    boolean isLent(int index) {
        return lent > 0 && borrowers[index] > 0;
    }

    boolean isBorrowed(int index) {
        return lenders != null && lenders[index] != null;
    }

    /// The reader of the table whose lock guards what an address translates to; null when that is
    /// this one.
    @Nullable TableReader lenderOf(long vaddr) {
        @Nullable NestedPageTable[] all = lenders;
        NestedPageTable lender = all == null ? null : all[format.index(format.rootHeight, vaddr)];
        return lender == null ? null : lender.reader();
    }

    /// @throws PagingException BAD_STATE when a part of the range is borrowed
    void requireOwn(long vaddr, long sizeBytes) {
        if (lenders == null || sizeBytes == 0) {
            return;
        }
        int last = format.index(format.rootHeight, vaddr + (sizeBytes - 1));
        for (int index = format.index(format.rootHeight, vaddr); index <= last; index++) {
            NestedPageTable lender = lenders[index];
            if (lender != null) {
                throw badState(
                        vaddr,
                        sizeBytes,
                        "meets root entry " + index + ", borrowed from " + lender);
            }
        }
    }

    // What a borrower does.

    /// Borrows the root entries that a range lies in; what this table had there is unmapped.
    ///
    /// @param editor this table's
    /// @param sizeBytes not 0
    /// @param tag this table's
    /// @throws PagingException BAD_STATE, NO_MEMORY; nothing changed
    void borrow(
            NestedPageTable lender,
            RootLoans lenderLoans,
            RangeEditor editor,
            long vaddr,
            long sizeBytes,
            int tag) {
        int first = format.index(format.rootHeight, vaddr);
        int last = format.index(format.rootHeight, vaddr + (sizeBytes - 1));
        requireBorrowable(lender, lenderLoans, first, last, vaddr, sizeBytes);

        long slotBytes = 1L << format.shifts[format.rootHeight];
        long base = vaddr & -slotBytes;
        lenderLoans.prepare(first, last, base);
        @Nullable NestedPageTable[] all = lenders;
        if (all == null) {
            all = new NestedPageTable[format.rootEntries()];
            lenders = all;
        }
        store.beginBatch();
        for (int index = first; index <= last; index++) {
            if (all[index] == null) {
                discard(editor, index, base + (index - first) * slotBytes, slotBytes);
            }
        }
        // Before the entries are made: AArch64 wants them invalid and flushed first.
        store.flushes.flush();
        for (int index = first; index <= last; index++) {
            if (all[index] == null) {
                all[index] = lender;
                store.write(entry(index), format.encodePointer(lenderLoans.lend(index, tag)));
            }
        }
        store.endBatch();
    }

    private void requireBorrowable(
            NestedPageTable lender,
            RootLoans lenderLoans,
            int first,
            int last,
            long vaddr,
            long sizeBytes) {
        if (isLender()) {
            throw badState(vaddr, sizeBytes, "cannot be borrowed by a table that lends");
        }
        if (lenderLoans.isBorrower()) {
            throw badState(vaddr, sizeBytes, "cannot be lent by a table that borrows");
        }
        for (int index = first; index <= last; index++) {
            NestedPageTable present = lenders == null ? null : lenders[index];
            if (present != null && !present.isSame(lender)) {
                throw badState(
                        vaddr,
                        sizeBytes,
                        "meets root entry " + index + ", borrowed from " + present);
            }
        }
    }

    private void discard(RangeEditor editor, int index, long base, long slotBytes) {
        if (format.isPresent(format.rootHeight, store.read(entry(index)))) {
            store.flushes.addAll();
            editor.run(Edit.UNMAP, 0, base, slotBytes);
        }
    }

    /// The tables that this one borrows from.
    Set<NestedPageTable> lenders() {
        var found = new LinkedHashSet<NestedPageTable>();
        if (lenders != null) {
            for (NestedPageTable lender : lenders) {
                if (lender != null) {
                    found.add(lender);
                }
            }
        }
        return found;
    }

    // What a lender does.

    /// Sees to it that each of these entries points to a table.
    ///
    /// @throws PagingException NO_MEMORY; nothing changed
    private void prepare(int first, int last, long base) {
        int height = format.rootHeight;
        int wanted = 0;
        for (int index = first; index <= last; index++) {
            long raw = store.read(entry(index));
            wanted += format.isPresent(height, raw) && !format.isLeaf(height, raw) ? 0 : 1;
        }
        store.reserve(wanted);
        for (int index = first; index <= last; index++) {
            long raw = store.read(entry(index));
            if (!format.isPresent(height, raw)) {
                store.write(entry(index), format.encodePointer(store.take()));
            } else if (format.isLeaf(height, raw)) {
                long vaddr = base + ((long) (index - first) << format.shifts[height]);
                long child = store.split(height, raw);
                store.putTable(entry(index), height, vaddr, raw, child, /* hidden= */ false);
            }
        }
        store.finish();
    }

    /// Lends an entry that points to a table.
    ///
    /// @return that table
    private long lend(int index, int borrowerTag) {
        if (borrowers.length == 0) {
            borrowers = new int[format.rootEntries()];
        }
        borrowers[index]++;
        lent++;
        store.flushes.addBorrower(borrowerTag);
        return format.address(store.read(entry(index)));
    }

    /// Ends the loans of a borrower that no processor walks any more. Tables that were kept for it
    /// and are empty go.
    ///
    /// @param loans the borrower's
    void takeBack(RootLoans loans, NestedPageTable self, int borrowerTag) {
        @Nullable NestedPageTable[] owners = loans.lenders;
        for (int index = 0; owners != null && index < owners.length; index++) {
            NestedPageTable owner = owners[index];
            if (owner == null || !owner.isSame(self)) {
                continue;
            }
            borrowers[index]--;
            lent--;
            store.flushes.removeBorrower(borrowerTag);
            long child = format.address(store.read(entry(index)));
            if (borrowers[index] == 0 && store.isEmpty(child, format.rootHeight - 1)) {
                store.write(entry(index), 0);
                store.retire(child);
                store.flushes.addAll();
            }
        }
    }

    private long entry(int index) {
        return store.root + (long) index * Long.BYTES;
    }

    private static PagingException badState(long vaddr, long sizeBytes, String rule) {
        return new PagingException(
                PagingError.BAD_STATE,
                "vaddr=0x"
                        + Long.toHexString(vaddr)
                        + " with size=0x"
                        + Long.toHexString(sizeBytes)
                        + " "
                        + rule);
    }
}
