package io.jircon.vm;

import io.jircon.kobject.KObjectBase;
import io.jircon.kobject.ObjectType;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// The life of a region: its place between parent and children (clauses V-9 to V-21), the priority
/// that it has from them or is given, and its death.
///
/// Guarded by the address space's lock, except for what never changes: held for writing by whatever
/// changes something here, and for reading, where a field does not say that it may be read without.
abstract sealed class VmarLife extends KObjectBase permits VmAddressRegion {
    private final VmAspace aspace;
    private final long first;
    private final long last;
    private final RegionTree children;
    private final @Nullable RegionSlot slot;

    /// Null for the root and after death.
    private @Nullable VmAddressRegion parent;

    /// Written together with that of the mappings here; may be read without the lock.
    private volatile MemoryPriority priority;

    /// Goes from true to false once; may be read without the lock.
    private volatile boolean alive = true;

    /// Makes a region that its parent's tree does not know yet.
    ///
    /// @param parent null for a root
    VmarLife(
            VmAspace aspace, @Nullable VmAddressRegion parent, String name, long first, long last) {
        super(aspace.machine().kernel(), ObjectType.VMAR, name);
        this.aspace = aspace;
        this.parent = parent;
        this.first = first;
        this.last = last;
        this.priority = parent == null ? MemoryPriority.DEFAULT : parent.priority();
        this.children = new RegionTree(first, last);
        this.slot = parent == null ? null : new RegionSlot((VmAddressRegion) this, first, last);
    }

    // ---- what it is, and never changes

    final VmAspace aspace() {
        return aspace;
    }

    final long firstByte() {
        return first;
    }

    final long lastByte() {
        return last;
    }

    /// Whether a range, not empty, lies in this region.
    final boolean containsRange(long vaddr, long size) {
        return Long.compareUnsigned(vaddr - first, last - first) <= 0
                && Long.compareUnsigned(size - 1, last - vaddr) <= 0;
    }

    // ---- relatives

    final RegionTree children() {
        return children;
    }

    final @Nullable RegionSlot slot() {
        return slot;
    }

    final @Nullable VmAddressRegion parent() {
        return parent;
    }

    /// Enters a new region below this one, where there is room.
    final void adopt(VmarLife child) {
        children.insert(Objects.requireNonNull(child.slot));
        aspace.addPriority(child.priority);
    }

    // ---- priority

    final MemoryPriority priority() {
        return priority;
    }

    /// Sets the priority of this region alone.
    final void changePriority(MemoryPriority wanted) {
        aspace.removePriority(priority);
        priority = wanted;
        aspace.addPriority(wanted);
    }

    // ---- death

    /// Whether this region alone has not died; what else the same call destroys may be seen before
    /// or after.
    final boolean isAliveNow() {
        return alive;
    }

    final void requireAlive(String clause) {
        if (!alive) {
            throw VmErrors.badState(clause, this + " is dead");
        }
    }

    /// Dies, with nothing below it any more.
    ///
    /// @return the parent it was taken out of, or null for a root
    final @Nullable VmAddressRegion die() {
        assert children.isEmpty();
        VmAddressRegion formerParent = parent;
        if (formerParent != null && slot != null) {
            formerParent.children().remove(slot);
        }
        parent = null;
        aspace.removePriority(priority);
        alive = false;
        noteDestroyed();
        return formerParent;
    }
}
