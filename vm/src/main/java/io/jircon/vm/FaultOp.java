package io.jircon.vm;

import static io.jircon.vm.VmoMath.PAGE;

import io.jircon.hal.AccessKind;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxStatus;
import org.jspecify.annotations.Nullable;

/// A fault in a mapping: the checks, the page that was missed, and what lies ready behind it
/// (section 13 of the contract).
///
/// Holds the memory object's lock all the time, so that the mapping shows what it showed when it
/// was checked. Makes no garbage.
final class FaultOp {
    /// How many pages one fault enters at most (clause V-7).
    static final int FAULT_PAGES = 16;

    /// What one page table of the lowest level covers; a fault enters pages of one such table only.
    private static final long TABLE_BYTES = PageSize.SIZE_2M.bytes();

    private FaultOp() {}

    /// Resolves a fault (clauses V-196 to V-203); called with no lock held.
    ///
    /// @param page address of the page, in the mapping when it was looked up
    /// @param maxPages 0 for one page and what lies ready behind it, else exactly so many pages
    /// @return null when the mapping changed meanwhile and has to be looked up again; SHOULD_WAIT
    ///   when the scratch's wait is to be awaited first, for the page behind those entered
    static @Nullable ZxStatus run(
            MappingNode mapping,
            long page,
            AccessKind access,
            long maxPages,
            FaultScratch scratch) {
        VmObject vmo = mapping.vmo();
        vmo.lock().lock();
        try {
            if (!mapping.isAttached() || !mapping.containsAddress(page)) {
                return null;
            }
            MmuFlags allowed = mapping.permissions().at(page);
            if (!allows(allowed, access)) {
                return ZxStatus.ACCESS_DENIED;
            }
            long offset = mapping.vmoOffsetOf(page);
            long accessible = mapping.accessibleBytes();
            if (Long.compareUnsigned(offset, accessible) >= 0) {
                return ZxStatus.OUT_OF_RANGE;
            }
            long end = mapping.permissions().lastOfRun(page);
            long room = VmoMath.min(end - page + 1, accessible - offset);
            MmuFlags flags = mapping.entryFlags(allowed);
            ZxStatus status;
            if (maxPages == 0) {
                status = enterOne(mapping, page, offset, access, flags, room, scratch);
            } else {
                long wanted = VmoMath.min(room >>> VmoMath.SHIFT, maxPages);
                status = enterExactly(mapping, page, wanted, access, flags, scratch);
            }
            if (status == ZxStatus.SHOULD_WAIT) {
                askForPage(vmo, offset + scratch.entered * PAGE, access, scratch.wait);
            }
            return status;
        } finally {
            vmo.lock().unlock();
        }
    }

    private static boolean allows(MmuFlags allowed, AccessKind access) {
        return switch (access) {
            case READ -> allowed.canRead();
            case WRITE -> allowed.canWrite();
            case EXECUTE -> allowed.canRead() && allowed.canExecute();
        };
    }

    /// Has a fault wait for the page that its memory object told it to wait for (clause V-204).
    private static void askForPage(VmObject vmo, long offset, AccessKind access, PageWait wait) {
        PageAccess wanted = access == AccessKind.WRITE ? PageAccess.WRITE : PageAccess.READ;
        if (!vmo.mustWait(wait, wanted, offset, PAGE)) {
            throw new AssertionError("nothing to wait for at offset=" + VmoMath.hex(offset));
        }
    }

    /// A fault over one page, and those behind it in its page table (clauses V-201 and V-202).
    ///
    /// @param room how many bytes from the page on may be entered with these flags
    private static ZxStatus enterOne(
            MappingNode mapping,
            long page,
            long offset,
            AccessKind access,
            MmuFlags flags,
            long room,
            FaultScratch scratch) {
        long inTable = TABLE_BYTES - (page & (TABLE_BYTES - 1));
        int around = (int) (VmoMath.min(VmoMath.min(room, inTable), FAULT_PAGES * PAGE) / PAGE);
        return enter(mapping, page, offset, access, flags, around, scratch);
    }

    /// A fault over several pages: those and no others (clause V-203). Where frames run out, or the
    /// page table refuses, behind the first page, that page is in place and the fault resolved.
    private static ZxStatus enterExactly(
            MappingNode mapping,
            long page,
            long pages,
            AccessKind access,
            MmuFlags flags,
            FaultScratch scratch) {
        for (long i = 0; i < pages; i++) {
            long vaddr = page + i * PAGE;
            long offset = mapping.vmoOffsetOf(vaddr);
            ZxStatus status = enter(mapping, vaddr, offset, access, flags, 1, scratch);
            if (status == ZxStatus.SHOULD_WAIT) {
                scratch.entered = i;
                return status;
            }
            if (status != ZxStatus.OK) {
                return i > 0 ? ZxStatus.OK : status;
            }
        }
        return ZxStatus.OK;
    }

    /// Enters the page that was missed, and those behind it.
    ///
    /// @param page its address
    /// @param offset its offset in the memory object
    /// @param flags what the entries allow; less WRITE where the object says so
    /// @param around how many pages may be entered, at least 1
    /// @return OK, what the memory object answers, or what the page table's refusal means
    private static ZxStatus enter(
            MappingNode mapping,
            long page,
            long offset,
            AccessKind access,
            MmuFlags flags,
            int around,
            FaultScratch scratch) {
        return mapping.vmo().isPaged()
                ? enterPaged(mapping, page, offset, access, flags, around, scratch)
                : enterLinear(mapping, page, offset, access, flags, around, scratch);
    }

    private static ZxStatus enterPaged(
            MappingNode mapping,
            long page,
            long offset,
            AccessKind access,
            MmuFlags flags,
            int around,
            FaultScratch scratch) {
        PageLookup lookup = scratch.lookup;
        ZxStatus status = mapping.vmo().lookupPage(offset, access == AccessKind.WRITE, lookup);
        if (status != ZxStatus.OK) {
            return status;
        }
        PageRun run = scratch.run;
        long[] frames = scratch.frames;
        frames[0] = lookup.paddr;
        int count = 1;
        if (around > 1) {
            mapping.vmo().existingPages(offset + PAGE, around - 1, run);
            if (run.count > 0 && run.writable == lookup.writable) {
                System.arraycopy(run.paddrs, 0, frames, 1, run.count);
                count += run.count;
            }
        }
        try {
            MmuFlags runFlags = lookup.writable ? flags : MappingNode.readOnly(flags);
            mapPages(mapping, page, frames, count, runFlags);
        } catch (PagingException e) {
            mapping.vmo().undoLookup(offset, lookup);
            return VmErrors.statusOf(e);
        }
        try {
            enterAround(mapping, page, offset, flags, count, around, run);
        } catch (PagingException e) {
            // Nobody asked for these pages, and the one that was asked for is in place.
        }
        return ZxStatus.OK;
    }

    /// Enters what is left of the uninterrupted run of pages behind a fault (clause V-202).
    private static void enterAround(
            MappingNode mapping,
            long page,
            long offset,
            MmuFlags flags,
            int entered,
            int around,
            PageRun run) {
        for (int done = entered; done < around; done += run.count) {
            mapping.vmo().existingPages(offset + done * PAGE, around - done, run);
            if (run.count == 0) {
                return;
            }
            MmuFlags runFlags = run.writable ? flags : MappingNode.readOnly(flags);
            mapPages(mapping, page + done * PAGE, run.paddrs, run.count, runFlags);
        }
    }

    private static void mapPages(
            MappingNode mapping, long vaddr, long[] frames, int count, MmuFlags flags) {
        mapping.table().mapPages(vaddr, frames, 0, count, flags, OnExisting.UPGRADE);
    }

    /// The frames of a physical memory object are known without it (clause V-211).
    private static ZxStatus enterLinear(
            MappingNode mapping,
            long page,
            long offset,
            AccessKind access,
            MmuFlags flags,
            int around,
            FaultScratch scratch) {
        PageTableTrait table = mapping.table();
        if (table.hardwareWalk(page, access, scratch.walk)) {
            return ZxStatus.OK; // another thread was faster; do not split the leaf that it made
        }
        ZxStatus status =
                mapping.vmo().lookupPage(offset, access == AccessKind.WRITE, scratch.lookup);
        if (status != ZxStatus.OK) {
            return status;
        }
        long paddr = scratch.lookup.paddr;
        try {
            mapLinear(table, page, paddr, around * PAGE, flags);
            return ZxStatus.OK;
        } catch (PagingException e) {
            if (table.translate(page) == PageTableTrait.NO_TRANSLATION) {
                return VmErrors.statusOf(e);
            }
        }
        // No frame to split the leaf that is in the way: without it there is nothing to split.
        try {
            mapping.removeEntries(page, page + PAGE - 1);
            mapLinear(table, page, paddr, around * PAGE, flags);
            return ZxStatus.OK;
        } catch (PagingException e) {
            return VmErrors.statusOf(e);
        }
    }

    private static void mapLinear(
            PageTableTrait table, long vaddr, long paddr, long sizeBytes, MmuFlags flags) {
        table.mapRange(vaddr, paddr, sizeBytes, flags, HugePages.FORBIDDEN, OnExisting.UPGRADE);
    }
}
