package io.jircon.vm;

import static io.jircon.vm.VmoMath.hex;

import io.jircon.hal.MmuFlags;
import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxException;
import org.jspecify.annotations.Nullable;

/// An operation over the mappings of a range (section 12 of the contract). Works mapping by
/// mapping, in ascending order, without the address space's lock while a mapping's turn lasts; what
/// was done before a failure stays done (clause V-184).
final class RangeOp {
    private final VmAddressRegion region;
    private final VmarOp op;
    private final boolean mayTouchRegions;
    private final long last;

    private final PageWait wait = new PageWait();

    /// Whose pages were asked for, if any were.
    private @Nullable VmObject asked;

    /// Whether the part of one mapping is done without the pages that nobody brings.
    private boolean patient = true;

    /// The first byte that is still to be done.
    private long cursor;

    private RangeOp(
            VmAddressRegion region, VmarOp op, long vaddr, long last, boolean mayTouchRegions) {
        this.region = region;
        this.op = op;
        this.cursor = vaddr;
        this.last = last;
        this.mayTouchRegions = mayTouchRegions;
    }

    /// Checks and runs.
    ///
    /// @param mayTouchRegions whether the caller may affect sub-regions (clause V-54)
    static void run(
            VmAddressRegion region, VmarOp op, long vaddr, long len, boolean mayTouchRegions) {
        requireWholePages("V-173", vaddr, len);
        long sizeBytes = VmoMath.up(len);
        requireInside("V-174", region, vaddr, len);
        var rangeOp = new RangeOp(region, op, vaddr, vaddr + (sizeBytes - 1), mayTouchRegions);
        try {
            rangeOp.run();
        } finally {
            rangeOp.wait.close();
        }
    }

    static void requireWholePages(String clause, long vaddr, long len) {
        if (VmoMath.up(len) == 0) {
            throw VmErrors.invalidArgs(clause, "len=" + hex(len) + " is 0 when rounded to pages");
        }
        if (!VmoMath.isAligned(vaddr)) {
            throw VmErrors.invalidArgs(
                    clause, "vaddr=" + hex(vaddr) + " is not a multiple of the page size");
        }
    }

    static void requireInside(String clause, VmAddressRegion region, long vaddr, long len) {
        if (!region.containsRange(vaddr, VmoMath.up(len))) {
            throw VmErrors.outOfRange(
                    clause,
                    "vaddr=" + hex(vaddr) + " with len=" + hex(len) + " is not inside " + region);
        }
    }

    private void run() {
        String clauseWhenDead = "V-175";
        while (true) {
            MappingNode mapping = nextMapping(clauseWhenDead);
            clauseWhenDead = "V-182";
            long doneUpTo;
            try {
                doneUpTo = workOn(mapping);
            } catch (ZxException | PagingException failure) {
                if (!region.isAlive()) {
                    throw VmErrors.badState("V-182", region + " died meanwhile");
                }
                throw failure instanceof PagingException e
                        ? VmErrors.of(e, "V-181", op + " of " + mapping)
                        : failure;
            }
            if (doneUpTo == last) {
                region.requireAlive("V-182");
                return;
            }
            cursor = doneUpTo + 1;
        }
    }

    /// Finds the mapping at the cursor and runs the guards that look at the tree.
    private MappingNode nextMapping(String clauseWhenDead) {
        VmAspace aspace = region.aspace();
        long stamp = aspace.lock.readLock();
        try {
            region.requireAlive(clauseWhenDead);
            MappingNode mapping = new RegionWalk(region, cursor, last).nextMapping();
            if (mapping == null) {
                throw VmErrors.badState("V-183", "nothing is mapped from vaddr=" + hex(cursor));
            }
            if (Ranges.isBelow(cursor, mapping.first)) {
                throw VmErrors.badState("V-177", "nothing is mapped at vaddr=" + hex(cursor));
            }
            if (mapping.parent() != region && !(op.reachesIntoRegions() && mayTouchRegions)) {
                throw VmErrors.invalidArgs(
                        "V-178", op + " may not reach into the sub-region of " + mapping);
            }
            return mapping;
        } finally {
            aspace.lock.unlockRead(stamp);
        }
    }

    /// Does one mapping's part.
    ///
    /// @return the last byte that is done; the byte before the cursor when the mapping changed
    ///   meanwhile and has to be found again
    private long workOn(MappingNode mapping) {
        VmObject vmo = mapping.vmo();
        if (asked != vmo) {
            wait.close();
            asked = vmo;
        }
        vmo.lock().lock();
        try {
            if (!mapping.isAttached() || !mapping.containsAddress(cursor)) {
                return cursor - 1;
            }
            long end = VmoMath.min(mapping.last, last);
            requireBelowStreamSize(mapping, end);
            requireMaxPermission(mapping);
            long offset = mapping.vmoOffsetOf(cursor);
            if (!mustWait(vmo, offset, end - cursor + 1)) {
                applyToVmo(vmo, offset, end - cursor + 1);
                enterPages(mapping, end);
                patient = true;
                return end;
            }
        } finally {
            vmo.lock().unlock();
        }
        awaitPages();
        return cursor - 1;
    }

    private boolean mustWait(VmObject vmo, long offset, long len) {
        PageAccess access =
                switch (op) {
                    case COMMIT -> PageAccess.COMMIT;
                    case ZERO -> PageAccess.ZERO;
                    case PREFETCH, ALWAYS_NEED -> PageAccess.READ;
                    case MAP_RANGE, DECOMMIT, DONT_NEED -> null;
                };
        return access != null && patient && vmo.mustWait(wait, access, offset, len);
    }

    /// Waits, with no lock held; a hint that is not answered is one that has no effect (clause
    /// O-118).
    private void awaitPages() {
        try {
            wait.await();
        } catch (ZxException unanswered) {
            if (op != VmarOp.ALWAYS_NEED) {
                throw unanswered;
            }
            patient = false;
        }
    }

    /// Enters what is there now. For MAP_RANGE that is the operation; for the others the work is
    /// done already, and without an entry the next access faults, so that want of a page table is
    /// no reason to report a failure after something was changed.
    private void enterPages(MappingNode mapping, long end) {
        switch (op) {
            case MAP_RANGE -> EagerEntries.enter(mapping, cursor, end);
            case COMMIT, PREFETCH, ALWAYS_NEED -> {
                try {
                    EagerEntries.enter(mapping, cursor, end);
                } catch (PagingException e) {
                    // The pages are there; they fault in.
                }
            }
            case DECOMMIT, ZERO, DONT_NEED -> {}
        }
    }

    private void requireBelowStreamSize(MappingNode mapping, long end) {
        if (!mapping.faultsBeyondStreamSize()) {
            return;
        }
        long streamEnd = VmoMath.up(mapping.vmo().streamSizeBytes());
        if (Long.compareUnsigned(mapping.vmoOffsetOf(end), streamEnd) >= 0) {
            throw VmErrors.outOfRange(
                    "V-179",
                    op + " up to vaddr=" + hex(end) + " passes the stream size of " + mapping);
        }
    }

    private void requireMaxPermission(MappingNode mapping) {
        MmuFlags needed =
                switch (op) {
                    case COMMIT, DECOMMIT, ZERO -> MmuFlags.of(MmuFlags.WRITE_BIT);
                    case PREFETCH -> MmuFlags.R;
                    case MAP_RANGE, DONT_NEED, ALWAYS_NEED -> MmuFlags.NONE;
                };
        if (!mapping.maxPermissions().contains(needed)) {
            throw VmErrors.accessDenied(
                    "V-180",
                    op + " needs " + needed + " of " + mapping + ": " + mapping.maxPermissions());
        }
    }

    private void applyToVmo(VmObject vmo, long offset, long len) {
        switch (op) {
            case COMMIT -> vmo.opCommit(offset, len);
            case DECOMMIT -> vmo.opDecommit(offset, len);
            case ZERO -> vmo.opZero(offset, len);
            case PREFETCH -> vmo.opPrefetch(offset, len);
            case DONT_NEED -> vmo.opHint(VmoHint.DONT_NEED, offset, len);
            case ALWAYS_NEED -> vmo.opHint(VmoHint.ALWAYS_NEED, offset, len);
            case MAP_RANGE -> {}
        }
    }
}
