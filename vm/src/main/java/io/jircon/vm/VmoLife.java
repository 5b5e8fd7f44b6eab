package io.jircon.vm;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.kobject.KObjectBase;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.Signals;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// The life of a memory object: who holds it (clause O-5), and its parent and children (clauses
/// O-230 to O-237). Guarded by the family's lock.
abstract sealed class VmoLife extends KObjectBase implements AutoCloseable permits VmoPages {
    final Machine machine;
    final VmoFamily family;

    @GuardedBy("lock()")
    private @Nullable VmObject parent;

    @GuardedBy("lock()")
    private final Set<VmObject> children = new LinkedHashSet<>();

    /// Whether its maker, or a handle, holds it.
    @GuardedBy("lock()")
    private boolean held = true;

    /// How many mappings and pins hold it.
    @GuardedBy("lock()")
    private int uses;

    @GuardedBy("lock()")
    private boolean destroyed;

    /// Which other kernel object made it to be mapped, if one did; set before it can be reached.
    private @Nullable KObjectBase owner;

    VmoLife(Machine machine, VmoFamily family, @Nullable VmObject parent) {
        super(machine.kernel(), ObjectType.VMO);
        this.machine = machine;
        this.family = family;
        this.parent = parent;
        changeSignals(0, Signals.VMO_ZERO_CHILDREN);
    }

    /// The lock of this object and all its relatives.
    final ReentrantLock lock() {
        return family.lock;
    }

    // ---- relatives, with the lock held

    /// Adds a child to this object.
    @GuardedBy("lock()")
    final void adopt(VmObject child) {
        children.add(child);
        changeSignals(Signals.VMO_ZERO_CHILDREN, 0);
    }

    @GuardedBy("lock()")
    private void disown(VmoLife child) {
        children.remove(child);
        if (children.isEmpty()) {
            changeSignals(0, Signals.VMO_ZERO_CHILDREN);
        }
    }

    @GuardedBy("lock()")
    @SuppressWarnings("GuardedBy") // the lock of an heir is this one's
    private void moveTo(@Nullable VmObject heir) {
        parent = heir;
        if (heir != null) {
            heir.adopt((VmObject) this);
        }
    }

    /// How many direct children there are, of every type.
    @GuardedBy("lock()")
    final int childCount() {
        return children.size();
    }

    /// The koid of the object it was made from, or of that one's parent when it is gone; 0 for a
    /// root.
    @GuardedBy("lock()")
    final long parentKoid() {
        return parent == null ? 0 : parent.koid();
    }

    /// Says that another kernel object made it to be mapped: no handle names it, listings show that
    /// object's koid (clause V-121), and it has no stream size of a user's (clause V-89).
    final void belongTo(KObjectBase newOwner) {
        owner = newOwner;
    }

    /// Whether a user can have a handle to it.
    final boolean isUserVisible() {
        return owner == null;
    }

    /// The koid that listings show.
    final long listedKoid() {
        return owner == null ? koid() : owner.koid();
    }

    // ---- life

    /// Ends the maker's hold. Handles and mappings keep the object alive. Closing twice is
    /// harmless.
    @Override
    public final void close() {
        lock().lock();
        try {
            held = false;
            destroyIfUnused();
        } finally {
            lock().unlock();
        }
    }

    /// The last handle takes the maker's hold with it (clause O-5).
    @Override
    protected final void onZeroHandles() {
        close();
    }

    /// A mapping or a pin holds the object from now on; with the lock held.
    @SuppressWarnings("GuardedBy") // callers have the lock under another name
    final void addUse() {
        requireHeld();
        uses++;
    }

    /// A mapping or a pin holds the object no longer; with the lock held.
    @SuppressWarnings("GuardedBy") // callers have the lock under another name
    final void removeUse() {
        uses--;
        destroyIfUnused();
    }

    /// Whether the contents can no longer be reached through this object.
    @SuppressWarnings("GuardedBy") // callers have the lock under another name
    final boolean isDestroyed() {
        return destroyed;
    }

    /// Refuses what comes after the end of the object: a page taken now would never be freed. Who
    /// loses the race with the last close is told what a closed handle would tell (clause O-5).
    @SuppressWarnings("GuardedBy") // callers have the lock under another name
    final void requireHeld() {
        if (destroyed) {
            throw ZxException.of(
                    ZxStatus.BAD_HANDLE,
                    "O-5",
                    "vmo",
                    "koid " + koid(),
                    "is gone: it was closed, and nothing else holds it");
        }
    }

    /// Frees what this object alone has.
    abstract void release();

    /// Ends the object when nothing holds it; its children go to its parent (clause O-234).
    @GuardedBy("lock()")
    @SuppressWarnings("GuardedBy") // the lock of relatives is this one's
    private void destroyIfUnused() {
        if (destroyed || held || uses != 0 || handleCount() != 0) {
            return;
        }
        destroyed = true;
        VmObject heir = parent;
        for (VmObject child : List.copyOf(children)) {
            ((VmoLife) child).moveTo(heir);
        }
        children.clear();
        if (heir != null) {
            ((VmoLife) heir).disown(this);
        }
        parent = null;
        release();
        noteDestroyed();
    }
}
