package io.jircon.vm;

import static io.jircon.vm.VmoMath.PAGE;

import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxStatus;
import java.util.ArrayList;
import java.util.List;

/// Enters pages that a memory object has before anybody faults on them, and remembers which, so
/// that they can be taken back. Pages that the object has not and pages that have an entry are
/// skipped (clause V-190).
///
/// Serves one call; only with the memory object's lock held.
final class EagerEntries {
    private static final long TABLE_BYTES = PageSize.SIZE_2M.bytes();
    private static final int TABLE_PAGES = (int) (TABLE_BYTES / PAGE);

    /// A range of pages that had no entry and got one.
    private record Entered(long vaddr, long sizeBytes) {}

    private final PageTableTrait table;
    private final VmObject vmo;
    private final PageRun run = new PageRun(TABLE_PAGES);
    private final List<Entered> journal = new ArrayList<>();

    private EagerEntries(PageTableTrait table, VmObject vmo) {
        this.table = table;
        this.vmo = vmo;
    }

    /// Enters the pages of a part of a mapping that its memory object has (clauses V-111 and
    /// V-190); all or none, except that entries of a physical object may stay beside others that
    /// were there.
    ///
    /// Called with the memory object's lock held, for a mapping that is attached.
    ///
    /// @param from first byte, in the mapping, page aligned
    /// @param to last byte, in the mapping, inclusive
    /// @throws PagingException when there is no memory for a table
    static void enter(MappingNode mapping, long from, long to) {
        var entries = new EagerEntries(mapping.table(), mapping.vmo());
        try {
            entries.enterParts(mapping, from, to);
        } catch (PagingException e) {
            // What cannot be taken back stays, with the mapping; the rest faults in.
            if (entries.undo()) {
                throw e;
            }
        }
    }

    private void enterParts(MappingNode mapping, long from, long to) {
        PermissionRanges permissions = mapping.permissions();
        long accessible = mapping.accessibleBytes();
        for (long at = from; ; ) {
            long end = VmoMath.min(permissions.lastOfRun(at), to);
            MmuFlags allowed = permissions.at(at);
            long offset = mapping.vmoOffsetOf(at);
            if (Long.compareUnsigned(offset, accessible) >= 0) {
                return;
            }
            if (!allowed.isNoAccess()) {
                long length = VmoMath.min(end - at + 1, accessible - offset);
                enterPart(at, offset, length, mapping.entryFlags(allowed));
            }
            if (end == to) {
                return;
            }
            at = end + 1;
        }
    }

    private void enterPart(long vaddr, long offset, long length, MmuFlags flags) {
        if (vmo.isPaged()) {
            enterPages(vaddr, offset, length, flags);
            return;
        }
        var lookup = new PageLookup();
        if (vmo.lookupPage(offset, /* write= */ false, lookup) == ZxStatus.OK) {
            enterContiguous(vaddr, lookup.paddr, length, flags);
        }
    }

    /// Enters the pages of a range of a paged object.
    ///
    /// @param offset offset in the object that shows at `vaddr`
    /// @param length how much, all of it in the object
    /// @param flags what the entries allow; less WRITE where the object says so
    /// @throws PagingException when there is no memory for a table
    private void enterPages(long vaddr, long offset, long length, MmuFlags flags) {
        long done = 0;
        while (done < length) {
            long next = vmo.nextExisting(offset + done, length - done);
            if (next == VmObject.NO_PAGE) {
                return;
            }
            done = next - offset;
            long inTable = TABLE_BYTES - ((vaddr + done) & (TABLE_BYTES - 1));
            long wanted = VmoMath.min(length - done, inTable) / PAGE;
            vmo.existingPages(next, wanted, run);
            MmuFlags runFlags = run.writable ? flags : MappingNode.readOnly(flags);
            enterRun(vaddr + done, runFlags);
            done += run.count * PAGE;
        }
    }

    /// A contiguous object's pages never go one by one, so that a huge leaf is worth having.
    private void enterRun(long vaddr, MmuFlags flags) {
        if (run.count == TABLE_PAGES && vmo.isContiguous()) {
            enterContiguous(vaddr, run.paddrs[0], TABLE_BYTES, flags);
            return;
        }
        try {
            table.mapPages(vaddr, run.paddrs, 0, run.count, flags, OnExisting.ERROR);
            note(vaddr, run.count * PAGE);
        } catch (PagingException e) {
            requireOnlyInTheWay(e);
            enterAbsent(vaddr, flags);
        }
    }

    /// Enters those that have no entry yet, run by run.
    private void enterAbsent(long vaddr, MmuFlags flags) {
        int from = 0;
        for (int i = 0; i <= run.count; i++) {
            boolean absent =
                    i < run.count
                            && table.translate(vaddr + i * PAGE) == PageTableTrait.NO_TRANSLATION;
            if (absent) {
                continue;
            }
            if (from < i) {
                long at = vaddr + from * PAGE;
                table.mapPages(at, run.paddrs, from, i - from, flags, OnExisting.SKIP);
                note(at, (i - from) * PAGE);
            }
            from = i + 1;
        }
    }

    /// Enters a physically contiguous range.
    ///
    /// @throws PagingException when there is no memory for a table
    private void enterContiguous(long vaddr, long paddr, long length, MmuFlags flags) {
        try {
            table.mapRange(vaddr, paddr, length, flags, HugePages.ALLOWED, OnExisting.ERROR);
            note(vaddr, length);
        } catch (PagingException e) {
            requireOnlyInTheWay(e);
            table.mapRange(vaddr, paddr, length, flags, HugePages.ALLOWED, OnExisting.SKIP);
        }
    }

    private static void requireOnlyInTheWay(PagingException e) {
        if (e.error() != PagingError.ALREADY_MAPPED
                && e.error() != PagingError.MAPPED_TO_HUGE_PAGE) {
            throw e;
        }
    }

    private void note(long vaddr, long sizeBytes) {
        if (!journal.isEmpty()) {
            Entered before = journal.getLast();
            if (before.vaddr + before.sizeBytes == vaddr) {
                journal.set(
                        journal.size() - 1,
                        new Entered(before.vaddr, before.sizeBytes + sizeBytes));
                return;
            }
        }
        journal.add(new Entered(vaddr, sizeBytes));
    }

    /// Takes back what was entered.
    ///
    /// @return false when the machine refuses even that; what is left is right all the same
    private boolean undo() {
        try {
            for (Entered entered : journal) {
                table.unmapRange(entered.vaddr, entered.sizeBytes);
            }
            return true;
        } catch (PagingException e) {
            return false;
        }
    }
}
