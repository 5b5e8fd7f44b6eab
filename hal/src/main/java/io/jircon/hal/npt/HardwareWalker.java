package io.jircon.hal.npt;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageWalk;
import io.jircon.hal.PhysicalMemory;
import io.jircon.hal.WalkResult;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The machine's page walker: one for all formats, in the order of checks that the manuals give.
/// Takes no lock and makes no garbage.
///
/// 1. The address must be canonical: the bits above the width are what the format wants.
/// 2. At each level the entry is read; memory must answer (EXTERNAL).
/// 3. It must be present (NOT_PRESENT).
/// 4. It must hold no reserved encoding (MISCONFIGURED) and no address beyond the machine's
///    (ADDRESS_SIZE). A pointer leads to the next level and 2; its rights are ANDed where the
///    format has them in pointers.
/// 5. At the leaf, AArch64 looks at the access flag and then at the rights; the others at the
///    rights and then at the accessed and dirty flags.
/// 6. Flags that the hardware sets are set by compare-and-set; when the entry has changed meanwhile
///    the walk starts again.
class HardwareWalker {
    private final PagingFormat format;
    private final PhysicalMemory memory;
    private final long root;

    HardwareWalker(PagingFormat format, PhysicalMemory memory, long root) {
        this.format = format;
        this.memory = memory;
        this.root = root;
    }

    /// What an access asks of the rights. A write to a write-only page passes: the formats that
    /// forbid such pages reserve their encoding.
    static int requiredRight(AccessKind access) {
        return switch (access) {
            case READ -> MmuFlags.READ_BIT;
            case WRITE -> MmuFlags.WRITE_BIT;
            case EXECUTE -> MmuFlags.EXECUTE_BIT;
        };
    }

    /// Walks.
    ///
    /// @param steps receives what was read and stops flags from being set; null for a real walk
    boolean walk(
            long vaddr,
            AccessKind access,
            Privilege privilege,
            WalkResult result,
            @Nullable List<PageWalk.Step> steps) {
        result.entriesRead = 0;
        result.depth = 0;
        if (!format.isCanonical(vaddr)) {
            return fail(result, format.widthFault);
        }
        int needed = requiredRight(access);
        boolean sets = steps == null;
        while (true) {
            int rights = MmuFlags.ACCESS_MASK;
            boolean marksPointers = false;
            long table = root;
            int height = format.rootHeight;
            long entry;
            long raw;
            while (true) {
                result.depth = format.rootHeight - height;
                int index = format.index(height, vaddr);
                entry = table + (long) index * Long.BYTES;
                long at = locate(entry);
                if (!memory.contains(at, Long.BYTES)) {
                    return fail(result, FaultCause.EXTERNAL);
                }
                raw = memory.readLongAcquire(at);
                result.entriesRead++;
                if (steps != null) {
                    steps.add(step(table, height, index, entry, raw));
                }
                if (!format.isPresent(height, raw)) {
                    return fail(result, FaultCause.NOT_PRESENT);
                }
                if (format.isLeaf(height, raw)) {
                    break;
                }
                int left = format.pointerRights(raw, privilege);
                if (left < 0 || (raw & format.pointerReserved[height]) != 0) {
                    return fail(result, FaultCause.MISCONFIGURED);
                }
                if ((raw & format.addressSizeMask) != 0) {
                    return fail(result, FaultCause.ADDRESS_SIZE);
                }
                rights &= left;
                if ((~raw & format.pointerAccessedMask) != 0) {
                    if (!canMark(entry)) {
                        return fail(result, FaultCause.EXTERNAL);
                    }
                    marksPointers = true;
                }
                table = format.address(raw);
                height--;
            }
            int flags = format.flagBits(height, raw);
            if (flags < 0 || (raw & format.leafReserved[height]) != 0) {
                return fail(result, FaultCause.MISCONFIGURED);
            }
            if ((raw & format.addressSizeMask) != 0) {
                return fail(result, FaultCause.ADDRESS_SIZE);
            }
            boolean needsAccessed = (raw & format.accessedMask) != format.accessedMask;
            if (format.accessedFirst && needsAccessed && !format.setsAccessed) {
                return fail(result, FaultCause.ACCESS_FLAG);
            }
            rights &= format.rights(height, raw, privilege);
            if ((rights & needed) == 0) {
                return fail(result, FaultCause.PERMISSION);
            }
            boolean needsDirty =
                    access == AccessKind.WRITE && (raw & format.dirtyMask) != format.dirtyValue;
            if ((needsAccessed && !format.setsAccessed) || (needsDirty && !format.setsDirty)) {
                return fail(result, FaultCause.ACCESS_FLAG);
            }
            if ((needsAccessed || needsDirty) && !canMark(entry)) {
                return fail(result, FaultCause.EXTERNAL);
            }
            if (sets && (needsAccessed || needsDirty)) {
                long marked = raw | format.accessedMask;
                if (needsDirty) {
                    marked = (marked & ~format.dirtyMask) | format.dirtyValue;
                }
                if (!memory.compareAndSetLong(entry, raw, marked)) {
                    continue;
                }
            }
            if (sets && marksPointers) {
                markPointers(vaddr, height);
            }
            if (access != AccessKind.WRITE && (raw & format.dirtyMask) != format.dirtyValue) {
                rights &= ~MmuFlags.WRITE_BIT; // the first store must walk, to mark the leaf
            }
            int shift = format.shifts[height];
            result.paddr = format.leafAddress(height, raw) | (vaddr & ((1L << shift) - 1));
            result.leafShift = shift;
            result.flagBits = (flags & ~MmuFlags.ACCESS_MASK) | rights;
            return true;
        }
    }

    /// Where in the machine's memory an entry lies: a second stage may come in between.
    ///
    /// @return a physical address, or one outside memory when the entry cannot be reached
    long locate(long entry) {
        return entry;
    }

    /// Whether the walker may write to an entry to mark it: a second stage may forbid it.
    boolean canMark(long entry) {
        return true;
    }

    /// Sets the accessed flag of the pointers above a leaf that was used.
    private void markPointers(long vaddr, int leafHeight) {
        long table = root;
        for (int height = format.rootHeight; height > leafHeight; height--) {
            long entry = table + (long) format.index(height, vaddr) * Long.BYTES;
            long raw = memory.readLongAcquire(entry);
            if (!format.isPresent(height, raw) || format.isLeaf(height, raw)) {
                return; // changed meanwhile; the flush that comes with that ends this access too
            }
            if ((raw & format.pointerAccessedMask) == 0) {
                memory.compareAndSetLong(entry, raw, raw | format.pointerAccessedMask);
            }
            table = format.address(raw);
        }
    }

    private PageWalk.Step step(long table, int height, int index, long entry, long raw) {
        return new PageWalk.Step(
                format.levelName(height), table, index, entry, raw, format.describe(height, raw));
    }

    private static boolean fail(WalkResult result, FaultCause cause) {
        result.cause = cause;
        return false;
    }
}
