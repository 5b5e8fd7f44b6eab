package io.jircon.vm;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingException;
import org.jspecify.annotations.Nullable;

/// The mapping itself: the member of a region's tree, and what a memory object calls when its pages
/// change.
///
/// Range, offset, permissions, priority and state are written only with both the address space's
/// lock and the memory object's lock held, so that either suffices for reading. Page-table entries
/// are entered only with the memory object's lock held and the state ATTACHED (clause V-278).
final class MappingNode extends RegionNode implements VmMapping, MappedRange {
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

    /// The runs of equal permissions: to be read with one of the two locks held, changed with both.
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
        removeEntries(from, from + len - 1);
    }

    @Override
    public void writeProtectVmoRange(long offset, long len) {
        long from = first + (offset - vmoOffset);
        try {
            aspace.table().writeProtectRange(from, len);
        } catch (PagingException noRoomToSplit) {
            // Entries without WRITE would do; no entries do as well, for they fault back in.
            removeEntries(from, from + len - 1);
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
            freezeLocked();
        } finally {
            vmo.lock().unlock();
        }
    }

    /// As [#freeze()], with the memory object's lock held too.
    @SuppressWarnings("GuardedBy") // callers have the lock under another name
    void freezeLocked() {
        assert state == State.ATTACHED;
        state = State.FROZEN;
    }

    void thaw() {
        vmo.lock().lock();
        try {
            thawLocked();
        } finally {
            vmo.lock().unlock();
        }
    }

    /// As [#thaw()], with the memory object's lock held too.
    @SuppressWarnings("GuardedBy") // callers have the lock under another name
    void thawLocked() {
        assert state == State.FROZEN;
        state = State.ATTACHED;
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

    // ---- entries, with the memory object's lock held

    /// How much of the memory object may be accessed through this mapping, counted from its start.
    long accessibleBytes() {
        if (!faultsBeyondStreamSize) {
            return VmoMath.up(vmo.sizeBytes());
        }
        return VmoMath.min(VmoMath.up(vmo.streamSizeBytes()), VmoMath.up(vmo.sizeBytes()));
    }

    /// Whether entries may be made.
    @SuppressWarnings("GuardedBy") // callers have the lock under another name
    boolean isAttached() {
        return state == State.ATTACHED;
    }

    /// Removes the entries of a part, and of the rest where the machine cannot do less.
    ///
    /// @throws PagingException when it refuses even that; nothing was removed
    void removeEntries(long from, long to) {
        aspace.removeEntries(from, to, first, last);
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
