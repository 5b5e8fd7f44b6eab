package io.jircon.hal.npt;

import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.TableBounds;
import io.jircon.hal.UnusedTables;
import io.jircon.hal.npt.RangeEditor.Edit;
import io.jircon.hal.npt.StateHarvester.State;
import java.util.BitSet;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Several changes to one page table with one flush at their end (clauses ). Borrows
/// the table: until it is closed every other call on the table waits, also those of the thread that
/// opened it.
///
/// ```java
/// try (PageTableCursor cursor = table.openCursor()) {
///     cursor.unmapRange(first, size);
///     cursor.mapPages(first, frames, 0, count, MmuFlags.RW, OnExisting.ERROR);
/// }
/// // from here on no TLB knows the old pages, and their frames may be freed
/// ```
///
/// Each call is atomic as in [NestedPageTable]; the calls together are not. Frames of tables that
/// became empty are free after close. Serves one thread at a time.
public final class PageTableCursor implements AutoCloseable {
    private final PagingFormat format;
    private final TableStore store;
    private final TableReader reader;
    private final RangeMapper mapper;
    private final RangeEditor editor;
    private final RangeJoiner joiner;
    private final StateHarvester harvester;
    private final AddressLimits limits;
    private final MmuFlags refused;

    /// Ends the batch and the loan; does nothing for the cursor inside a table.
    private final Runnable onClose;

    private boolean closed;

    // The leaf that find(long) found.
    private long foundEntry;
    private long foundRaw;
    private int foundHeight;

    PageTableCursor(TableStore store, TableReader reader, AddressLimits limits, MmuFlags refused) {
        this.store = store;
        this.reader = reader;
        this.format = store.format;
        this.limits = limits;
        this.refused = refused;
        mapper = new RangeMapper(store);
        editor = new RangeEditor(store);
        joiner = new RangeJoiner(store);
        harvester = new StateHarvester(store);
        onClose = () -> {};
    }

    /// A cursor for a user, with the workers of the one inside the table.
    PageTableCursor(PageTableCursor inside, Runnable onClose) {
        store = inside.store;
        reader = inside.reader;
        format = inside.format;
        limits = inside.limits;
        refused = inside.refused;
        mapper = inside.mapper;
        editor = inside.editor;
        joiner = inside.joiner;
        harvester = inside.harvester;
        this.onClose = onClose;
    }

    /// As [NestedPageTable#map], without the flush.
    ///
    /// @param vaddr virtual address, a multiple of `size`
    /// @param paddr physical address, a multiple of `size`
    /// @param size the leaf's size
    /// @param flags what it allows
    /// @throws PagingException as there
    public void map(long vaddr, long paddr, PageSize size, MmuFlags flags) {

        Objects.requireNonNull(size, "size");
        Objects.requireNonNull(flags, "flags");
        requireUsable();
        TableBounds.checkAligned("vaddr", vaddr, size);
        TableBounds.checkAligned("paddr", paddr, size);
        limits.requireRange(vaddr, size.bytes());
        requirePhysical(paddr, size.bytes());
        requireSupported(flags);
        if (!format.supports(size)) {
            throw new PagingException(
                    PagingError.NOT_SUPPORTED, "size=" + size + " is no leaf of " + format);
        }
        store.loans.requireOwn(vaddr, size.bytes());
        if (store.loans.isLent(format.heightOf(size), vaddr)) {
            throw new PagingException(
                    PagingError.BAD_STATE,
                    "size=" + size + " would replace a root entry that is lent");
        }
        mapper.mapRange(vaddr, paddr, size.bytes(), flags, HugePages.ALLOWED, OnExisting.ERROR);
    }

    /// As [NestedPageTable#remap], without the flush.
    ///
    /// @param vaddr any address in the leaf
    /// @param paddr the new physical address, a multiple of the leaf's size
    /// @param flags the new flags
    /// @return the leaf's size
    /// @throws PagingException as there
    public PageSize remap(long vaddr, long paddr, MmuFlags flags) {

        Objects.requireNonNull(flags, "flags");
        requireUsable();
        limits.requireRange(vaddr, 1);
        requireSupported(flags);
        store.loans.requireOwn(vaddr, 1);
        find(vaddr);
        PageSize size = format.pageSize(foundHeight);
        TableBounds.checkAligned("paddr", paddr, size);
        requirePhysical(paddr, size.bytes());
        long next = format.leafAttributes[foundHeight][flags.bits()] | format.addressField(paddr);
        store.putLeaf(
                foundEntry,
                foundHeight,
                vaddr,
                foundRaw,
                next,
                /* stale= */ true,
                /* hidden= */ false);
        store.finish();
        return size;
    }

    /// As [NestedPageTable#protect], without the flush.
    ///
    /// @param vaddr any address in the leaf
    /// @param flags the new flags
    /// @return the leaf's size
    /// @throws PagingException as there
    public PageSize protect(long vaddr, MmuFlags flags) {

        Objects.requireNonNull(flags, "flags");
        requireUsable();
        limits.requireRange(vaddr, 1);
        requireSupported(flags);
        store.loans.requireOwn(vaddr, 1);
        find(vaddr);
        PageSize size = format.pageSize(foundHeight);
        editor.run(Edit.PROTECT, flags.bits(), size.alignDown(vaddr), size.bytes());
        return size;
    }

    /// As [NestedPageTable#unmap], without the flush.
    ///
    /// @param vaddr any address in the leaf
    /// @return what the leaf held
    /// @throws PagingException as there
    public PageMapping unmap(long vaddr) {

        requireUsable();
        limits.requireRange(vaddr, 1);
        store.loans.requireOwn(vaddr, 1);
        find(vaddr);
        PageSize size = format.pageSize(foundHeight);
        var mapping =
                new PageMapping(
                        format.leafAddress(foundHeight, foundRaw),
                        MmuFlags.of(format.flagBits(foundHeight, foundRaw)),
                        size);
        editor.run(Edit.UNMAP, 0, size.alignDown(vaddr), size.bytes());
        return mapping;
    }

    /// As [NestedPageTable#query].
    ///
    /// @param vaddr any address
    /// @return what it translates to, the changes of this cursor included
    /// @throws PagingException NOT_MAPPED
    public PageMapping query(long vaddr) {

        requireUsable();
        return reader.queryLocked(vaddr);
    }

    /// As [NestedPageTable#mapRange], without the flush.
    ///
    /// @param vaddr virtual address of the first page, page aligned
    /// @param paddr physical address of the first page, page aligned
    /// @param sizeBytes length, a multiple of the base page
    /// @param flags what every leaf allows
    /// @param huge whether leaves larger than a base page may be used
    /// @param existing what to do with pages that have an entry
    /// @throws PagingException as there
    public void mapRange(
            long vaddr,
            long paddr,
            long sizeBytes,
            MmuFlags flags,
            HugePages huge,
            OnExisting existing) {

        Objects.requireNonNull(flags, "flags");
        Objects.requireNonNull(huge, "huge");
        Objects.requireNonNull(existing, "existing");
        requireUsable();
        TableBounds.checkAligned("vaddr", vaddr, PageSize.SIZE_4K);
        TableBounds.checkAligned("paddr", paddr, PageSize.SIZE_4K);
        TableBounds.checkAligned("sizeBytes", sizeBytes, PageSize.SIZE_4K);
        limits.requireRange(vaddr, sizeBytes);
        requirePhysical(paddr, sizeBytes);
        requireSupported(flags);
        store.loans.requireOwn(vaddr, sizeBytes);
        if (sizeBytes != 0) {
            mapper.mapRange(vaddr, paddr, sizeBytes, flags, huge, existing);
        }
    }

    /// As [NestedPageTable#mapPages], without the flush.
    ///
    /// @param vaddr virtual address of the first page, page aligned
    /// @param paddrs physical addresses of the pages, page aligned
    /// @param from index of the first one to use
    /// @param count how many pages
    /// @param flags what every entry allows
    /// @param existing what to do with pages that have an entry
    /// @throws PagingException as there
    public void mapPages(
            long vaddr, long[] paddrs, int from, int count, MmuFlags flags, OnExisting existing) {

        Objects.checkFromIndexSize(from, count, paddrs.length);
        Objects.requireNonNull(flags, "flags");
        Objects.requireNonNull(existing, "existing");
        requireUsable();
        TableBounds.checkAligned("vaddr", vaddr, PageSize.SIZE_4K);
        long together = 0;
        for (int i = from; i < from + count; i++) {
            together |= paddrs[i];
        }
        if (!PageSize.SIZE_4K.isAligned(together)) {
            for (int i = from; i < from + count; i++) {
                TableBounds.checkAligned("paddrs[" + i + "]", paddrs[i], PageSize.SIZE_4K);
            }
        }
        limits.requireRange(vaddr, (long) count << PageSize.BASE_SHIFT);
        if (format.isBeyondPhysical(together)) {
            for (int i = from; i < from + count; i++) {
                requirePhysical(paddrs[i], PageSize.BASE_BYTES);
            }
        }
        requireSupported(flags);
        store.loans.requireOwn(vaddr, (long) count << PageSize.BASE_SHIFT);
        if (count != 0) {
            mapper.mapPages(vaddr, paddrs, from, count, flags, existing);
        }
    }

    /// As [NestedPageTable#unmapRange], without the flush.
    ///
    /// @param vaddr virtual address, page aligned
    /// @param sizeBytes length, a multiple of the base page
    /// @throws PagingException as there
    public void unmapRange(long vaddr, long sizeBytes) {
        edit(Edit.UNMAP, vaddr, sizeBytes, null);
    }

    /// As [NestedPageTable#protectRange], without the flush.
    ///
    /// @param vaddr virtual address, page aligned
    /// @param sizeBytes length, a multiple of the base page
    /// @param flags the new flags
    /// @throws PagingException as there
    public void protectRange(long vaddr, long sizeBytes, MmuFlags flags) {
        edit(Edit.PROTECT, vaddr, sizeBytes, Objects.requireNonNull(flags, "flags"));
    }

    /// As [NestedPageTable#writeProtectRange], without the flush.
    ///
    /// @param vaddr virtual address, page aligned
    /// @param sizeBytes length, a multiple of the base page
    /// @throws PagingException as there
    public void writeProtectRange(long vaddr, long sizeBytes) {
        edit(Edit.WRITE_PROTECT, vaddr, sizeBytes, null);
    }

    /// As [NestedPageTable#join], without the last flush.
    ///
    /// @param vaddr virtual address, page aligned
    /// @param sizeBytes length, a multiple of the base page
    /// @return how many huge leaves were made
    /// @throws PagingException as there
    public int join(long vaddr, long sizeBytes) {
        requireUsable();
        limits.requirePageRange(vaddr, sizeBytes);
        store.loans.requireOwn(vaddr, sizeBytes);
        return joiner.run(vaddr, sizeBytes);
    }

    void edit(Edit what, long vaddr, long sizeBytes, @Nullable MmuFlags flags) {

        requireUsable();
        limits.requirePageRange(vaddr, sizeBytes);
        if (flags != null) {
            requireSupported(flags);
        }
        store.loans.requireOwn(vaddr, sizeBytes);
        if (sizeBytes != 0) {
            editor.run(what, flags == null ? 0 : flags.bits(), vaddr, sizeBytes);
        }
    }

    void harvest(State state, UnusedTables unused, long vaddr, long sizeBytes, BitSet pages) {
        Objects.requireNonNull(pages, "pages");
        requireTracked(state);
        limits.requirePageRange(vaddr, sizeBytes);
        TableBounds.checkCountable(sizeBytes);
        store.loans.requireOwn(vaddr, sizeBytes);
        harvester.harvest(state, unused, vaddr, sizeBytes, pages);
    }

    void markAccessed(long vaddr, long sizeBytes) {

        requireTracked(State.ACCESSED);
        limits.requirePageRange(vaddr, sizeBytes);
        store.loans.requireOwn(vaddr, sizeBytes);
        harvester.markAccessed(vaddr, sizeBytes);
    }

    private void requireTracked(State state) {
        boolean isTracked = state == State.DIRTY ? format.tracksDirty() : format.tracksAccessed();
        if (!isTracked) {
            throw new PagingException(
                    PagingError.NOT_SUPPORTED, "the walker of " + format + " sets no " + state);
        }
    }

    /// Whether another table allows the same addresses and flags.
    boolean hasLimitsOf(PageTableCursor other) {
        return limits.equals(other.limits) && refused.equals(other.refused);
    }

    /// As [NestedPageTable#borrowRootEntries], both tables being locked.
    void borrow(NestedPageTable lender, RootLoans lenderLoans, long vaddr, long size, int tag) {
        store.loans.borrow(lender, lenderLoans, editor, vaddr, size, tag);
    }

    /// Flushes what the changes made stale, frees the tables that became empty, and gives the table
    /// back. Closing twice is harmless.
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            onClose.run();
        }
    }

    boolean supports(MmuFlags flags) {
        return format.supports(flags) && (flags.bits() & refused.bits()) == 0;
    }

    private void requireUsable() {
        if (closed) {
            throw new PagingException(PagingError.BAD_STATE, "the cursor is closed");
        }
    }

    private void find(long vaddr) {
        long table = store.root;
        for (int height = format.rootHeight; ; height--) {
            long entry = entry(table, height, vaddr);
            long raw = store.read(entry);
            if (!format.isPresent(height, raw)) {
                throw PagingException.notMapped(vaddr);
            }
            if (format.isLeaf(height, raw)) {
                foundEntry = entry;
                foundRaw = raw;
                foundHeight = height;
                return;
            }
            table = format.address(raw);
        }
    }

    private long entry(long table, int height, long vaddr) {
        return table + (long) format.index(height, vaddr) * Long.BYTES;
    }

    private void requirePhysical(long paddr, long sizeBytes) {
        long limit = 1L << format.physicalBits();
        boolean inside =
                sizeBytes == 0
                        || (Long.compareUnsigned(paddr, limit) < 0
                                && Long.compareUnsigned(sizeBytes, limit - paddr) <= 0);
        if (!inside) {
            throw PagingException.outOfRange(
                    "paddr",
                    paddr,
                    "with size=0x"
                            + Long.toHexString(sizeBytes)
                            + " is wider than "
                            + format.physicalBits()
                            + " bits");
        }
    }

    private void requireSupported(MmuFlags flags) {
        if (!supports(flags)) {
            throw new PagingException(
                    PagingError.NOT_SUPPORTED, "flags=" + flags + " cannot be a leaf of " + format);
        }
    }
}
