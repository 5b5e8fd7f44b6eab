package io.jircon.vm;

import static io.jircon.vm.VmoMath.hex;

import io.jircon.hal.PagingException;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;

/// Makes a child of a memory object with pages: a slice, a reference or a snapshot (section 9 of
/// the contract).
final class ChildOp {
    private final PagedVmo parent;
    private final Set<VmoChildOption> options;
    private final long offset;
    private final long sizeBytes;

    private ChildOp(PagedVmo parent, Set<VmoChildOption> options, long offset, long sizeBytes) {
        this.parent = parent;
        this.options = options;
        this.offset = offset;
        this.sizeBytes = sizeBytes;
    }

    /// What [VmObject#createChild] does.
    static PagedVmo run(PagedVmo parent, Set<VmoChildOption> options, long offset, long sizeBytes) {
        requireChildOptions(parent, options, sizeBytes);
        parent.lock().lock();
        try {
            parent.requireHeld();
            var op = new ChildOp(parent, options, offset, sizeBytes);
            PagedVmo child;
            if (options.contains(VmoChildOption.SLICE)) {
                child = op.newSlice();
            } else if (options.contains(VmoChildOption.REFERENCE)) {
                child = op.newReference();
            } else {
                child = op.newSnapshot();
            }
            child.setName(parent.name());
            parent.adopt(child);
            return child;
        } finally {
            parent.lock().unlock();
        }
    }

    /// The checks of clause O-130 that come before the parent is looked at.
    static void requireSizeAndWritability(Set<VmoChildOption> options, long sizeBytes) {
        if (VmoMath.upWraps(sizeBytes)) {
            throw VmErrors.outOfRange(
                    "O-130", "sizeBytes=" + hex(sizeBytes) + " wraps when rounded up");
        }
        if (options.contains(VmoChildOption.RESIZABLE)
                && options.contains(VmoChildOption.NO_WRITE)) {
            throw VmErrors.invalidArgs("O-130", "options=" + options + ": RESIZABLE needs writing");
        }
    }

    /// The checks of clauses O-130 and O-131 that need no lock.
    static void requireChildOptions(VmObject parent, Set<VmoChildOption> options, long sizeBytes) {
        requireSizeAndWritability(options, sizeBytes);
        boolean resizable = options.contains(VmoChildOption.RESIZABLE);
        if (parent.isDiscardable()) {
            throw VmErrors.notSupported("O-130", "vmo=koid " + parent.koid() + " is discardable");
        }
        Set<VmoChildOption> types = EnumSet.noneOf(VmoChildOption.class);
        types.addAll(options);
        types.removeAll(EnumSet.of(VmoChildOption.RESIZABLE, VmoChildOption.NO_WRITE));
        if (types.size() != 1) {
            throw VmErrors.invalidArgs(
                    "O-131", "options=" + options + " name not exactly one type");
        }
        if (resizable && types.contains(VmoChildOption.SLICE)) {
            throw VmErrors.invalidArgs(
                    "O-131", "options=" + options + ": a slice is not resizable");
        }
    }

    /// The checks of a slice that all kinds of objects have (clause O-134).
    static void requireInsideParent(VmObject parent, long offset, long sizeBytes) {
        requireOffsetAligned("O-134", offset);
        CreateOp.requireAtMostMax("O-134", "sizeBytes", sizeBytes);
        if (!VmoMath.isInside(offset, VmoMath.up(sizeBytes), parent.sizeBytes())) {
            throw VmErrors.invalidArgs(
                    "O-134",
                    "offset=%s sizeBytes=%s leaves the parent's size=%s"
                            .formatted(hex(offset), hex(sizeBytes), hex(parent.sizeBytes())));
        }
    }

    /// The first check of a reference (clause O-143).
    static void requireNoRange(long offset, long sizeBytes) {
        if (offset != 0 || sizeBytes != 0) {
            throw VmErrors.invalidArgs(
                    "O-143",
                    "offset=" + hex(offset) + " sizeBytes=" + hex(sizeBytes) + " must be 0");
        }
    }

    /// Clause O-134.
    private PagedVmo newSlice() {
        requireInsideParent(parent, offset, sizeBytes);
        if (parent.isResizable()) {
            throw VmErrors.notSupported("O-134", "vmo=koid " + parent.koid() + " is resizable");
        }
        if (!parent.isContiguous()) {
            parent.requireCached("O-134");
        }
        parent.store.addUser();
        return new PagedVmo(
                parent.machine,
                parent,
                parent.store,
                PagedVmo.Role.SLICE,
                parent.windowOffset + offset,
                VmoMath.up(sizeBytes),
                new StreamSize(sizeBytes),
                EnumSet.noneOf(VmoOption.class),
                /* immutable= */ false);
    }

    /// Clause O-143.
    private PagedVmo newReference() {
        requireNoRange(offset, sizeBytes);
        if (parent.role == PagedVmo.Role.SLICE || parent.isContiguous()) {
            throw VmErrors.notSupported(
                    "O-143", "vmo=koid " + parent.koid() + " is a slice or contiguous");
        }
        if (options.contains(VmoChildOption.RESIZABLE) && !parent.isResizable()) {
            throw VmErrors.accessDenied("O-143", "vmo=koid " + parent.koid() + " is not resizable");
        }
        parent.requireCached("O-143");
        parent.store.addUser();
        return new PagedVmo(
                parent.machine,
                parent,
                parent.store,
                PagedVmo.Role.REFERENCE,
                parent.windowOffset,
                0,
                parent.streamSize,
                parent.options,
                /* immutable= */ false);
    }

    /// Clause O-150. Without a pager every type is a full snapshot (clause O-156).
    private PagedVmo newSnapshot() {
        if (parent.isContiguous()) {
            throw VmErrors.invalidArgs("O-29", "vmo=koid " + parent.koid() + " is contiguous");
        }
        requireOffsetAligned("O-150", offset);
        long rounded = VmoMath.up(sizeBytes);
        CreateOp.requireAtMostMax("O-150", "sizeBytes", sizeBytes);
        long start = parent.windowOffset + offset;
        if (VmoMath.sumWraps(parent.windowOffset, offset) || VmoMath.sumWraps(start, rounded)) {
            throw VmErrors.outOfRange(
                    "O-150",
                    "offset=" + hex(offset) + " plus sizeBytes=" + hex(sizeBytes) + " wraps");
        }
        parent.requireCached("O-150");
        if (parent.isPagerBacked() && options.contains(VmoChildOption.SNAPSHOT)) {
            throw VmErrors.notSupported("O-157", "vmo=koid " + parent.koid() + " has a pager");
        }
        if (VmoMath.sumWraps(parent.store.rootOffset, start)
                || VmoMath.sumWraps(parent.store.rootOffset + start, rounded)) {
            throw VmErrors.invalidArgs(
                    "O-151", "offset=" + hex(offset) + " plus the snapshots' offsets wraps");
        }
        PageStore copy;
        try {
            copy = sharesPages() ? sharedStore(start, rounded) : lookingStore(start, rounded);
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-150", "snapshot of vmo=koid " + parent.koid());
        }
        boolean resizable = options.contains(VmoChildOption.RESIZABLE);
        return new PagedVmo(
                parent.machine,
                parent,
                copy,
                PagedVmo.Role.SNAPSHOT,
                0,
                0,
                new StreamSize(sizeBytes),
                resizable ? EnumSet.of(VmoOption.RESIZABLE) : EnumSet.noneOf(VmoOption.class),
                options.contains(VmoChildOption.SNAPSHOT)
                        && options.contains(VmoChildOption.NO_WRITE));
    }

    /// Whether the child has the parent's pages as of now, rather than seeing them change (clause
    /// O-155).
    private boolean sharesPages() {
        return parent.store instanceof CloneStore clone
                ? clone.isInCircle() || options.contains(VmoChildOption.SNAPSHOT_MODIFIED)
                : !parent.isPagerBacked();
    }

    /// The pages of a child that shares those that the parent has (clause O-187).
    private PageStore sharedStore(long start, long rounded) {
        if (parent.role == PagedVmo.Role.SLICE) {
            throw VmErrors.notSupported("O-158", "vmo=koid " + parent.koid() + " is a slice");
        }
        if (!parent.store.pins.isEmpty()) {
            throw VmErrors.badState("O-193", "vmo=koid " + parent.koid() + " has pinned pages");
        }
        if (parent.store instanceof CloneStore clone) {
            if (!clone.canShareWithSnapshot()) {
                throw VmErrors.notSupported(
                        "O-159",
                        "vmo=koid " + parent.koid() + " is above or below another snapshot");
            }
            return clone.snapshot(parent.machine, start, rounded);
        }
        var copy =
                new PageStore(
                        parent.machine,
                        parent.family,
                        new CommitPolicy.CopyOnWrite(),
                        rounded,
                        parent.store.rootOffset + start);
        try {
            parent.store.shareWith(copy, start);
            return copy;
        } catch (PagingException e) {
            copy.removeUser();
            throw e;
        }
    }

    /// The pages of a child that shows those that the parent shows (clause O-192).
    private PageStore lookingStore(long start, long rounded) {
        PagerStore root = Objects.requireNonNull(parent.store.pagerRoot());
        return CloneStore.under(parent.machine, root, parent.store, start, rounded);
    }

    private static void requireOffsetAligned(String clause, long offset) {
        if (!VmoMath.isAligned(offset)) {
            throw VmErrors.invalidArgs(clause, "offset=" + hex(offset) + " is not page aligned");
        }
    }
}
