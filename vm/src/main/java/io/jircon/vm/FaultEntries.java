package io.jircon.vm;

import static io.jircon.vm.VmoMath.PAGE;

import io.jircon.hal.AccessKind;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxStatus;

/// What a fault enters, once its mapping has allowed it: the page that was missed, and what lies
/// ready behind it (clauses V-201 to V-203 and V-211).
///
/// Called with the memory object's lock held, for a mapping that is attached. Makes no garbage.
final class FaultEntries {
    private FaultEntries() {}

    /// Enters the page of a paged memory object that was missed, and those behind it.
    ///
    /// @param page its address
    /// @param offset its offset in the memory object
    /// @param flags what the entries allow; less WRITE where the object says so
    /// @param around how many pages may be entered, at least 1
    /// @return OK, what the memory object answers, or what the page table's refusal means
    static ZxStatus enterPaged(
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
            enter(
                    mapping,
                    page,
                    frames,
                    count,
                    lookup.writable ? flags : MappingNode.readOnly(flags));
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
            enter(mapping, page + done * PAGE, run.paddrs, run.count, runFlags);
        }
    }

    private static void enter(
            MappingNode mapping, long vaddr, long[] frames, int count, MmuFlags flags) {
        mapping.table().mapPages(vaddr, frames, 0, count, flags, OnExisting.UPGRADE);
    }

    /// The frames of a physical memory object are known without it (clause V-211).
    static ZxStatus enterLinear(
            MappingNode mapping,
            long page,
            long offset,
            AccessKind access,
            MmuFlags flags,
            long pages,
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
            mapLinear(table, page, paddr, pages * PAGE, flags);
            return ZxStatus.OK;
        } catch (PagingException e) {
            if (table.translate(page) == PageTableTrait.NO_TRANSLATION) {
                return VmErrors.statusOf(e);
            }
        }
        // No frame to split the leaf that is in the way: without it there is nothing to split.
        try {
            mapping.parent()
                    .aspace()
                    .removeEntries(page, page + PAGE - 1, mapping.first, mapping.last);
            mapLinear(table, page, paddr, pages * PAGE, flags);
            return ZxStatus.OK;
        } catch (PagingException e) {
            return VmErrors.statusOf(e);
        }
    }

    private static void mapLinear(
            PageTableTrait table, long vaddr, long paddr, long sizeBytes, MmuFlags flags) {
        table.mapRange(vaddr, paddr, sizeBytes, flags, HugePages.FORBIDDEN, OnExisting.UPGRADE);
    }

    /// A fault over several pages: those and no others (clause V-203). Where frames run out, or the
    /// page table refuses, behind the first page, that page is in place and the fault resolved.
    static ZxStatus enterExactly(
            MappingNode mapping,
            long page,
            long pages,
            AccessKind access,
            MmuFlags flags,
            FaultScratch scratch) {
        for (long i = 0; i < pages; i++) {
            long vaddr = page + i * PAGE;
            long offset = mapping.vmoOffsetOf(vaddr);
            ZxStatus status =
                    mapping.vmo().isPaged()
                            ? enterPaged(mapping, vaddr, offset, access, flags, 1, scratch)
                            : enterLinear(mapping, vaddr, offset, access, flags, 1, scratch);
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
}
