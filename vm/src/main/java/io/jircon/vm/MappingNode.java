package io.jircon.vm;

import static io.jircon.vm.VmoMath.PAGE;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxStatus;
import org.jspecify.annotations.Nullable;

/// The mapping itself: the member of a region's tree, and what a memory object calls when its pages
/// change.
///
/// Range, offset, permissions, priority and state are written only with both the address space's
/// lock and the memory object's lock held, so that either suffices for reading. Page-table entries
/// are entered only with the memory object's lock held and the state ATTACHED (clause V-278).
final class MappingNode extends RegionNode implements VmMapping, MappedRange {
    /// How many pages one fault enters at most (clause V-7).
    static final int FAULT_PAGES = 16;

    /// What one page table of the lowest level covers; a fault enters pages of one such table only.
    private static final long TABLE_BYTES = PageSize.SIZE_2M.bytes();

    /// What a mapping goes through.
    private enum State {
        /// Not entered with its memory object yet.
        NEW,
        /// Shows its memory object; entries may be made.
        ATTACHED,
        /// As ATTACHED, but an operation that holds the address space's lock is about to take
        /// entries away: none may be made until it is done. Who meets this state takes that lock.
        FROZEN,
        /// Dead.
        DETACHED
    }

    private final VmAspace aspace;
    private final VmAddressRegion parent;
    private final VmObject vmo;
    private final MmuFlags maxPermissions;
    private final boolean faultsBeyondStreamSize;

    /// Whether the memory object is a snapshot that a debugger's write made for this mapping.
    private final boolean isPrivateCopy;

    /// That of the region, always: nothing sets one without the other (clause V-265).
    private MemoryPriority priority;

    private long vmoOffset;
    private PermissionRanges permissions;

    @GuardedBy("vmo.lock()")
    private State state = State.NEW;

    /// Permissions aside, what every entry carries: USER, and the memory type, which the memory
    /// object keeps while it is mapped (clause V-112).
    private MmuFlags entryBase = MmuFlags.NONE;

    MappingNode(
            VmAddressRegion parent,
            long first,
            long last,
            VmObject vmo,
            long vmoOffset,
            MmuFlags maxPermissions,
            PermissionRanges permissions,
            boolean faultsBeyondStreamSize) {
        this(
                parent,
                first,
                last,
                vmo,
                vmoOffset,
                maxPermissions,
                permissions,
                faultsBeyondStreamSize,
                /* isPrivateCopy= */ false);
    }

    private MappingNode(
            VmAddressRegion parent,
            long first,
            long last,
            VmObject vmo,
            long vmoOffset,
            MmuFlags maxPermissions,
            PermissionRanges permissions,
            boolean faultsBeyondStreamSize,
            boolean isPrivateCopy) {
        super(first, last);
        this.isPrivateCopy = isPrivateCopy;
        this.aspace = parent.aspace();
        this.parent = parent;
        this.priority = parent.memoryPriority();
        this.vmo = vmo;
        this.vmoOffset = vmoOffset;
        this.maxPermissions = maxPermissions;
        this.permissions = permissions;
        this.faultsBeyondStreamSize = faultsBeyondStreamSize;
    }

    // ---- views

    @Override
    public long baseAddress() {
        return first;
    }

    @Override
    public long sizeBytes() {
        return lengthBytes();
    }

    @Override
    public VmObject vmo() {
        return vmo;
    }

    @Override
    public long vmoOffset() {
        return vmoOffset;
    }

    @Override
    public MmuFlags maxPermissions() {
        return maxPermissions;
    }

    @Override
    public MmuFlags permissionsAt(long vaddr) {
        vmo.lock().lock();
        try {
            if (!containsAddress(vaddr)) {
                throw new IndexOutOfBoundsException(
                        "vaddr=" + VmoMath.hex(vaddr) + " is not in " + this);
            }
            return permissions.at(vaddr);
        } finally {
            vmo.lock().unlock();
        }
    }

    @Override
    public MemoryPriority memoryPriority() {
        return priority;
    }

    @Override
    public boolean isAlive() {
        State seen = stateNow();
        if (seen == State.FROZEN) {
            // Whoever froze it decides about other mappings too: the answer is theirs to give.
            long stamp = aspace.lock.readLock();
            try {
                seen = stateNow();
            } finally {
                aspace.lock.unlockRead(stamp);
            }
        }
        return seen == State.ATTACHED;
    }

    private State stateNow() {
        vmo.lock().lock();
        try {
            return state;
        } finally {
            vmo.lock().unlock();
        }
    }

    @Override
    public boolean faultsBeyondStreamSize() {
        return faultsBeyondStreamSize;
    }

    @Override
    public Object addressSpace() {
        return aspace;
    }

    VmAddressRegion parent() {
        return parent;
    }

    PageTableTrait table() {
        return aspace.table();
    }

    /// The runs of equal permissions; only with one of the two locks held.
    PermissionRanges permissions() {
        return permissions;
    }

    long vmoOffsetOf(long vaddr) {
        return vmoOffset + (vaddr - first);
    }

    // ---- called by the memory object, with its lock held

    @Override
    public void unmapVmoRange(long offset, long len) {
        long from = first + (offset - vmoOffset);
        aspace.removeEntries(from, from + len - 1, first, last);
    }

    @Override
    public void writeProtectVmoRange(long offset, long len) {
        long from = first + (offset - vmoOffset);
        try {
            aspace.table().writeProtectRange(from, len);
        } catch (PagingException noRoomToSplit) {
            // Entries without WRITE would do; no entries do as well, for they fault back in.
            aspace.removeEntries(from, from + len - 1, first, last);
        }
    }

    // ---- life, with the address space's lock held for writing

    /// Enters the mapping with its memory object.
    void attach() {
        vmo.lock().lock();
        try {
            assert state == State.NEW;
            vmo.ownMappings().attach(this);
            aspace.addPriority(priority);
            entryBase = aspace.entryBase().with(vmo.cachePolicy().memoryType());
            state = State.ATTACHED;
        } finally {
            vmo.lock().unlock();
        }
    }

    /// Makes sure that no entry is made until [#thaw] or a change of the range.
    void freeze() {
        vmo.lock().lock();
        try {
            assert state == State.ATTACHED;
            state = State.FROZEN;
        } finally {
            vmo.lock().unlock();
        }
    }

    void thaw() {
        vmo.lock().lock();
        try {
            assert state == State.FROZEN;
            state = State.ATTACHED;
        } finally {
            vmo.lock().unlock();
        }
    }

    void thawIfFrozen() {
        vmo.lock().lock();
        try {
            if (state == State.FROZEN) {
                state = State.ATTACHED;
            }
        } finally {
            vmo.lock().unlock();
        }
    }

    /// Whether a debugger may write to what the mapping shows (clause V-237).
    boolean takesDebugWrites() {
        return maxPermissions.canWrite() || isPrivateCopy || !vmo.isPaged();
    }

    /// A mapping like this one that shows a private copy, not attached yet.
    MappingNode over(VmObject copy) {
        return new MappingNode(
                parent,
                first,
                last,
                copy,
                0,
                maxPermissions,
                permissions.copyOf(first, last),
                faultsBeyondStreamSize,
                /* isPrivateCopy= */ true);
    }

    /// Ends the mapping. Its entries are gone already, or are the caller's to remove next.
    void detach() {
        vmo.lock().lock();
        try {
            vmo.ownMappings().detach(this);
            aspace.removePriority(priority);
            state = State.DETACHED;
        } finally {
            vmo.lock().unlock();
        }
    }

    /// Gives up a part of the range whose entries are gone (clause V-135). What is left below the
    /// part, or else above it, stays this mapping.
    ///
    /// @return what is left above when something is left on both sides: a mapping of its own,
    ///   attached, for the region's tree
    @Nullable MappingNode cutOut(long from, long to) {
        vmo.lock().lock();
        try {
            MappingNode tail = null;
            if (first != from && last != to) {
                tail =
                        new MappingNode(
                                parent,
                                to + 1,
                                last,
                                vmo,
                                vmoOffsetOf(to + 1),
                                maxPermissions,
                                permissions.copyOf(to + 1, last),
                                faultsBeyondStreamSize,
                                isPrivateCopy);
            }
            vmo.ownMappings().reshape(this, () -> giveUp(from, to));
            state = State.ATTACHED;
            if (tail != null) {
                tail.attach();
            }
            return tail;
        } finally {
            vmo.lock().unlock();
        }
    }

    private void giveUp(long from, long to) {
        if (first != from) {
            last = from - 1;
        } else {
            vmoOffset = vmoOffsetOf(to + 1);
            first = to + 1;
        }
        permissions.shrinkTo(first, last);
    }

    /// Whether this mapping and the one right above it are one (clause V-263).
    boolean canMergeWith(MappingNode high) {
        return high.first == last + 1
                && Long.compareUnsigned(high.first, first) > 0
                && high.parent == parent
                && high.vmo == vmo
                && high.vmoOffset == vmoOffsetOf(high.first)
                && high.maxPermissions.equals(maxPermissions)
                && high.faultsBeyondStreamSize == faultsBeyondStreamSize;
    }

    /// Takes over the mapping right above, which dies. No entry changes (clause V-268).
    @SuppressWarnings("GuardedBy") // both show one object, and have its lock
    void absorb(MappingNode high) {
        vmo.lock().lock();
        try {
            vmo.ownMappings().detach(high);
            aspace.removePriority(high.priority);
            high.state = State.DETACHED;
            vmo.ownMappings()
                    .reshape(
                            this,
                            () -> {
                                last = high.last;
                                permissions = PermissionRanges.join(permissions, high.permissions);
                            });
        } finally {
            vmo.lock().unlock();
        }
    }

    /// First half of a change of permissions: takes from the entries of a part what they may not
    /// allow afterwards, and sees to it that none are made before [#setPermissions] or [#thaw].
    ///
    /// @throws PagingException when the machine refuses; the mapping is as before, but entries may
    ///   allow less than they did, or be gone, until they are faulted in
    void lowerEntries(long from, long to, MmuFlags wanted) {
        vmo.lock().lock();
        try {
            assert state == State.ATTACHED;
            state = State.FROZEN;
            for (long at = from; ; ) {
                long end = VmoMath.min(permissions.lastOfRun(at), to);
                lowerRun(at, end, permissions.at(at), wanted);
                if (end == to) {
                    return;
                }
                at = end + 1;
            }
        } catch (PagingException e) {
            state = State.ATTACHED;
            throw e;
        } finally {
            vmo.lock().unlock();
        }
    }

    /// Entries lose WRITE by every change: the next write has to pass the memory object.
    private void lowerRun(long from, long to, MmuFlags had, MmuFlags wanted) {
        if (had.equals(wanted) || (wanted.contains(had) && !had.canWrite())) {
            return;
        }
        MmuFlags kept = readOnly(MmuFlags.of(had.bits() & wanted.bits()));
        if (!kept.isNoAccess()) {
            try {
                aspace.table().protectRange(from, to - from + 1, entryBase.with(kept));
                return;
            } catch (PagingException noRoomToSplit) {
                // No entries do as well: they fault back in.
            }
        }
        aspace.removeEntries(from, to, first, last);
    }

    /// Second half: the part has the permissions from now on (clauses V-159 to V-163). Cannot fail.
    void setPermissions(long from, long to, MmuFlags wanted) {
        vmo.lock().lock();
        try {
            assert state == State.FROZEN;
            MmuFlags entries = readOnly(wanted);
            boolean raises = !permissions.allContain(from, to, entries);
            permissions.set(from, to, wanted);
            if (raises) {
                raiseEntries(from, to, entries);
            }
            state = State.ATTACHED;
        } finally {
            vmo.lock().unlock();
        }
    }

    private void raiseEntries(long from, long to, MmuFlags allowed) {
        try {
            aspace.table().protectRange(from, to - from + 1, entryBase.with(allowed));
        } catch (PagingException e) {
            // They allow less than they may; the next access that needs more faults.
        }
    }

    /// Sets the priority, in the counts of both sides too (clause V-274).
    void changePriority(MemoryPriority wanted) {
        vmo.lock().lock();
        try {
            aspace.removePriority(priority);
            vmo.ownMappings().reshape(this, () -> priority = wanted);
            aspace.addPriority(priority);
        } finally {
            vmo.lock().unlock();
        }
    }

    /// With HIGH, enters the pages that the memory object has, as far as there is memory for tables
    /// (clause V-118).
    void enterIfHigh() {
        if (priority != MemoryPriority.HIGH) {
            return;
        }
        vmo.lock().lock();
        try {
            EagerEntries.enter(this, first, last);
        } catch (PagingException e) {
            // Faults enter them later.
        } finally {
            vmo.lock().unlock();
        }
    }

    // ---- faults, with no lock held

    /// Resolves a fault in this mapping (clauses V-196 to V-203).
    ///
    /// @param page address of the page, in the mapping when it was looked up
    /// @param maxPages 0 for one page and what lies ready behind it, else exactly so many pages
    /// @return null when the mapping changed meanwhile and has to be looked up again; SHOULD_WAIT
    ///   when the scratch's wait is to be awaited first, for the page behind those entered
    @Nullable ZxStatus fault(long page, AccessKind access, long maxPages, FaultScratch scratch) {
        vmo.lock().lock();
        try {
            if (state != State.ATTACHED || !containsAddress(page)) {
                return null;
            }
            MmuFlags allowed = permissions.at(page);
            if (!allows(allowed, access)) {
                return ZxStatus.ACCESS_DENIED;
            }
            long offset = vmoOffsetOf(page);
            long accessible = accessibleBytes();
            if (Long.compareUnsigned(offset, accessible) >= 0) {
                return ZxStatus.OUT_OF_RANGE;
            }
            long end = permissions.lastOfRun(page);
            long room = VmoMath.min(end - page + 1, accessible - offset);
            MmuFlags flags = entryBase.with(allowed);
            ZxStatus status =
                    maxPages != 0
                            ? FaultEntries.enterExactly(
                                    this,
                                    page,
                                    VmoMath.min(room >>> VmoMath.SHIFT, maxPages),
                                    access,
                                    flags,
                                    scratch)
                            : enterOne(page, offset, access, flags, room, scratch);
            if (status == ZxStatus.SHOULD_WAIT) {
                askForPage(offset + scratch.entered * PAGE, access, scratch.wait);
            }
            return status;
        } finally {
            vmo.lock().unlock();
        }
    }

    private ZxStatus enterOne(
            long page,
            long offset,
            AccessKind access,
            MmuFlags flags,
            long room,
            FaultScratch scratch) {
        long inTable = TABLE_BYTES - (page & (TABLE_BYTES - 1));
        int around = (int) (VmoMath.min(VmoMath.min(room, inTable), FAULT_PAGES * PAGE) / PAGE);
        return vmo.isPaged()
                ? FaultEntries.enterPaged(this, page, offset, access, flags, around, scratch)
                : FaultEntries.enterLinear(this, page, offset, access, flags, around, scratch);
    }

    /// Has a fault wait for the page that its memory object told it to wait for (clause V-204).
    private void askForPage(long offset, AccessKind access, PageWait wait) {
        PageAccess wanted = access == AccessKind.WRITE ? PageAccess.WRITE : PageAccess.READ;
        if (!vmo.mustWait(wait, wanted, offset, PAGE)) {
            throw new AssertionError("nothing to wait for at offset=" + VmoMath.hex(offset));
        }
    }

    private static boolean allows(MmuFlags allowed, AccessKind access) {
        return switch (access) {
            case READ -> allowed.canRead();
            case WRITE -> allowed.canWrite();
            case EXECUTE -> allowed.canRead() && allowed.canExecute();
        };
    }

    /// How much of the memory object may be accessed through this mapping, counted from its start.
    long accessibleBytes() {
        if (!faultsBeyondStreamSize) {
            return VmoMath.up(vmo.sizeBytes());
        }
        return VmoMath.min(VmoMath.up(vmo.streamSizeBytes()), VmoMath.up(vmo.sizeBytes()));
    }

    /// Whether entries may be made; with the memory object's lock held.
    @SuppressWarnings("GuardedBy") // callers have the lock under another name
    boolean isAttached() {
        return state == State.ATTACHED;
    }

    static MmuFlags readOnly(MmuFlags flags) {
        return flags.without(MmuFlags.of(MmuFlags.WRITE_BIT));
    }

    /// What an entry for a page with these permissions may carry at most.
    MmuFlags entryFlags(MmuFlags allowed) {
        return entryBase.with(allowed);
    }

    @Override
    public String toString() {
        return "mapping " + Ranges.text(first, last) + " of vmo " + vmo.koid();
    }
}
