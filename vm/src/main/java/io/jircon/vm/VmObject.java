package io.jircon.vm;

import static io.jircon.vm.VmoMath.PAGE;
import static io.jircon.vm.VmoMath.SHIFT;
import static io.jircon.vm.VmoMath.hex;

import io.jircon.hal.PagingException;
import io.jircon.kobject.KObjectBase;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.util.Collections;
import java.util.EnumSet;
import java.util.IdentityHashMap;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// A virtual memory object, VMO: bytes in pages, which mappings show and which can be read and
/// written without one.
///
/// Paged objects take frames as their pages are written; a contiguous object has all of its frames
/// from the start, one behind the other; a physical object is a fixed range of physical addresses.
///
/// An object lives until it was closed, has no handle, and is not mapped anywhere any more. Then
/// its frames go back. Safe for use by many threads.
public final class VmObject extends KObjectBase implements AutoCloseable {
    /// The largest size in bytes, unsigned (clause O-10).
    public static final long MAX_SIZE_BYTES = -16 * PAGE;

    /// What [#nextExisting] answers when there is no further page.
    static final long NO_PAGE = -1L;

    private final Machine machine;
    private final VmoFamily family;
    private final CommitPolicy policy;
    private final CachePolicy cachePolicy;
    private final @Nullable PageStore store;
    private final long physicalSize;
    private final boolean resizable;
    private final boolean discardable;
    private final StreamSize streamSize;

    // Guarded by the family's lock:
    private final IdentityHashMap<Object, Integer> spaces = new IdentityHashMap<>(1);
    private int mappingCount;
    private boolean closed;
    private boolean destroyed;

    private VmObject(
            Machine machine,
            VmoFamily family,
            CommitPolicy policy,
            CachePolicy cachePolicy,
            @Nullable PageStore store,
            long physicalSize,
            long streamBytes,
            Set<VmoOption> options) {
        super(machine.kernel(), ObjectType.VMO);
        this.machine = machine;
        this.family = family;
        this.policy = policy;
        this.cachePolicy = cachePolicy;
        this.store = store;
        this.physicalSize = physicalSize;
        this.streamSize = new StreamSize(streamBytes);
        this.resizable = options.contains(VmoOption.RESIZABLE);
        this.discardable = options.contains(VmoOption.DISCARDABLE);
    }

    // ---- making one

    /// Makes a paged object of zeros (clauses O-16 to O-22).
    ///
    /// @param machine where
    /// @param sizeBytes its size, rounded up to whole pages; with UNBOUNDED its stream size
    /// @param options RESIZABLE, DISCARDABLE, UNBOUNDED
    /// @return an object to close
    /// @throws ZxException INVALID_ARGS for options that contradict each other or are not for this;
    ///   OUT_OF_RANGE when it is too large
    public static VmObject create(Machine machine, long sizeBytes, VmoOption... options) {
        Set<VmoOption> set = EnumSet.noneOf(VmoOption.class);
        Collections.addAll(set, options);
        boolean unbounded = set.contains(VmoOption.UNBOUNDED);
        if (unbounded && set.contains(VmoOption.RESIZABLE)) {
            throw VmErrors.invalidArgs("O-17", "options=" + set + " contradict each other");
        }
        if (!unbounded && VmoMath.upWraps(sizeBytes)) {
            throw VmErrors.outOfRange("O-17", "size=" + hex(sizeBytes) + " passes 2^64");
        }
        if (set.contains(VmoOption.TRAP_DIRTY)) {
            throw VmErrors.invalidArgs("O-17", "TRAP_DIRTY needs a pager");
        }
        if (Long.compareUnsigned(sizeBytes, MAX_SIZE_BYTES) > 0) {
            throw new ZxException(
                    unbounded ? ZxStatus.INVALID_ARGS : ZxStatus.OUT_OF_RANGE,
                    unbounded ? "O-21" : "O-17",
                    "size=" + hex(sizeBytes) + " is more than " + hex(MAX_SIZE_BYTES));
        }
        var policy = new CommitPolicy.Alloc(/* populate= */ false);
        long size = unbounded ? MAX_SIZE_BYTES : VmoMath.up(sizeBytes);
        return paged(machine, new VmoFamily(), policy, size, sizeBytes, set);
    }

    private static VmObject paged(
            Machine machine,
            VmoFamily family,
            CommitPolicy policy,
            long size,
            long streamBytes,
            Set<VmoOption> options) {
        var store = new PageStore(machine, family, policy, size, 0);
        return new VmObject(
                machine, family, policy, CachePolicy.CACHED, store, 0, streamBytes, options);
    }

    /// Makes an object whose frames lie one behind the other (clauses O-26 to O-28).
    ///
    /// @param machine where
    /// @param sizeBytes its size, a multiple of the base page, not 0
    /// @param alignShift log2 of the alignment of the first frame, 12 to 63, or 0 for the base page
    /// @return an object to close
    /// @throws ZxException INVALID_ARGS for an argument; NO_MEMORY when there is no such run
    public static VmObject createContiguous(Machine machine, long sizeBytes, int alignShift) {
        if (sizeBytes == 0 || !VmoMath.isAligned(sizeBytes)) {
            throw VmErrors.invalidArgs("O-26", "size=" + hex(sizeBytes) + " is not whole pages");
        }
        if (alignShift != 0 && (alignShift < SHIFT || alignShift >= Long.SIZE)) {
            throw VmErrors.invalidArgs("O-26", "alignShift=" + alignShift + " is not 12 to 63");
        }
        long base;
        try {
            base =
                    machine.frames()
                            .allocateContiguous(
                                    sizeBytes >>> SHIFT, Math.min(Math.max(alignShift, SHIFT), 62));
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-26", "size=" + hex(sizeBytes));
        }
        machine.memory().zero(base, sizeBytes);
        var policy = new CommitPolicy.Contiguous(base);
        return paged(machine, new VmoFamily(), policy, sizeBytes, 0, Set.of());
    }

    /// Makes an object over a fixed range of physical addresses (clauses O-23 and O-24).
    ///
    /// @param machine where
    /// @param paddr physical address of the first byte, page aligned
    /// @param sizeBytes its size, a multiple of the base page, not 0
    /// @param cachePolicy how the range is cached
    /// @return an object to close
    /// @throws ZxException INVALID_ARGS for an argument
    public static VmObject createPhysical(
            Machine machine, long paddr, long sizeBytes, CachePolicy cachePolicy) {
        if (sizeBytes == 0 || !VmoMath.isAligned(sizeBytes)) {
            throw VmErrors.invalidArgs("O-23", "size=" + hex(sizeBytes) + " is not whole pages");
        }
        if (!VmoMath.isAligned(paddr) || VmoMath.sumWraps(paddr, sizeBytes - 1)) {
            throw VmErrors.invalidArgs("O-23", "paddr=" + hex(paddr) + " is unaligned or wraps");
        }
        return new VmObject(
                machine,
                new VmoFamily(),
                new CommitPolicy.Linear(paddr),
                cachePolicy,
                null,
                sizeBytes,
                0,
                Set.of());
    }

    /// Makes a copy of a range as of now; pages are shared until one side writes.
    ///
    /// @param offset first byte, page aligned
    /// @param sizeBytes its size, rounded up to whole pages
    /// @return an object to close
    /// @throws ZxException NOT_SUPPORTED for a physical, INVALID_ARGS for a contiguous object or an
    ///   unaligned offset; OUT_OF_RANGE when the size is too large
    public VmObject createSnapshot(long offset, long sizeBytes) {
        PageStore source = requireStore("O-25", "a snapshot");
        if (isContiguous() || !VmoMath.isAligned(offset)) {
            throw VmErrors.invalidArgs("O-29", "no snapshot of " + this + " at " + hex(offset));
        }
        if (VmoMath.upWraps(sizeBytes)
                || Long.compareUnsigned(sizeBytes, MAX_SIZE_BYTES) > 0
                || VmoMath.sumWraps(offset, sizeBytes)) {
            throw VmErrors.outOfRange("O-15", "size=" + hex(sizeBytes) + " is too large");
        }
        family.lock.lock();
        try {
            var copy = new CommitPolicy.CopyOnWrite();
            VmObject child =
                    paged(machine, family, copy, VmoMath.up(sizeBytes), sizeBytes, Set.of());
            source.shareWith(Objects.requireNonNull(child.store), offset);
            return child;
        } finally {
            family.lock.unlock();
        }
    }

    // ---- what it is

    /// Its size.
    ///
    /// @return bytes, a multiple of the base page, unsigned
    public long sizeBytes() {
        return store == null ? physicalSize : store.sizeBytes();
    }

    /// How much of it is content; 0 for physical and contiguous objects.
    ///
    /// @return bytes, unsigned
    public long streamSizeBytes() {
        return streamSize.bytes;
    }

    /// Where its pages come from.
    ///
    /// @return never changes
    public CommitPolicy commitPolicy() {
        return policy;
    }

    /// How its pages are cached.
    ///
    /// @return never changes while it is mapped
    public CachePolicy cachePolicy() {
        return cachePolicy;
    }

    /// Whether its size can be changed.
    ///
    /// @return never changes
    public boolean isResizable() {
        return resizable;
    }

    /// Whether its pages may be taken while it is unlocked.
    ///
    /// @return never changes
    public boolean isDiscardable() {
        return discardable;
    }

    /// Whether its frames lie one behind the other and belong to it.
    ///
    /// @return false for a physical object
    public boolean isContiguous() {
        return store != null && store.isContiguous();
    }

    /// Whether it is not physical.
    ///
    /// @return true for contiguous objects too
    public boolean isPaged() {
        return store != null;
    }

    /// How many mappings show it (clause O-219).
    ///
    /// @return 0 or more
    public int mappingCount() {
        family.lock.lock();
        try {
            return mappingCount;
        } finally {
            family.lock.unlock();
        }
    }

    /// In how many address spaces it is mapped (clause O-219).
    ///
    /// @return at least 1
    public int shareCount() {
        family.lock.lock();
        try {
            return Math.max(1, spaces.size());
        } finally {
            family.lock.unlock();
        }
    }

    // ---- bytes and size

    /// Copies bytes out.
    ///
    /// @param offset first byte, unsigned
    /// @param target where they go, to be filled
    /// @throws ZxException NOT_SUPPORTED for a physical object; OUT_OF_RANGE past its end
    public void read(long offset, MemorySegment target) {
        PageStore pages = requireStore("O-25", "read");
        family.lock.lock();
        try {
            requireInside("O-39", offset, target.byteSize());
            pages.read(offset, target, 0, target.byteSize());
        } finally {
            family.lock.unlock();
        }
    }

    /// Copies bytes in, taking the frames it needs, or nothing at all.
    ///
    /// @param offset first byte, unsigned
    /// @param source the bytes
    /// @throws ZxException NOT_SUPPORTED for a physical object; OUT_OF_RANGE past its end;
    ///   NO_MEMORY
    public void write(long offset, MemorySegment source) {
        PageStore pages = requireStore("O-25", "write");
        family.lock.lock();
        try {
            requireInside("O-39", offset, source.byteSize());
            if (source.byteSize() != 0) {
                pages.write(offset, source, 0, source.byteSize());
            }
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-45", "write at offset=" + hex(offset));
        } finally {
            family.lock.unlock();
        }
    }

    /// Changes the size (clauses O-52 to O-61).
    ///
    /// @param newSize new size, rounded up to whole pages; the stream size becomes this number
    /// @throws ZxException UNAVAILABLE when the object is not resizable; OUT_OF_RANGE when it is
    ///   too large; NO_MEMORY
    public void setSize(long newSize) {
        if (store == null || isContiguous()) {
            throw new ZxException(ZxStatus.UNAVAILABLE, "O-52", this + " has a fixed size");
        }
        if (VmoMath.upWraps(newSize)) {
            throw VmErrors.outOfRange("O-52", "size=" + hex(newSize) + " passes 2^64");
        }
        if (!resizable) {
            throw new ZxException(ZxStatus.UNAVAILABLE, "O-52", this + " is not resizable");
        }
        if (Long.compareUnsigned(newSize, MAX_SIZE_BYTES) > 0) {
            throw VmErrors.outOfRange("O-52", "size=" + hex(newSize) + " is too large");
        }
        family.lock.lock();
        try {
            store.resize(VmoMath.up(newSize), newSize);
            streamSize.bytes = newSize;
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-52", "size=" + hex(newSize));
        } finally {
            family.lock.unlock();
        }
    }

    /// Changes the stream size; what lies past the smaller of old and new becomes zero (clauses
    /// O-64 and O-65).
    ///
    /// @param newSize new stream size, unsigned
    /// @throws ZxException NOT_SUPPORTED for physical and contiguous objects; OUT_OF_RANGE past the
    ///   object's end; NO_MEMORY
    public void setStreamSize(long newSize) {
        PageStore pages = requireStore("O-64", "a stream size");
        if (isContiguous()) {
            throw VmErrors.notSupported("O-64", this + " has no stream size");
        }
        family.lock.lock();
        try {
            long old = streamSize.bytes;
            if (newSize == old) {
                return;
            }
            if (Long.compareUnsigned(newSize, sizeBytes()) > 0) {
                throw VmErrors.outOfRange("O-64", "size=" + hex(newSize) + " is past the end");
            }
            long from = VmoMath.min(old, newSize);
            if (from != sizeBytes()) {
                pages.zero(from, sizeBytes() - from);
            }
            streamSize.bytes = newSize;
            long firstGone = VmoMath.up(newSize);
            if (firstGone != sizeBytes()) {
                pages.mappings.unmapBeyondStream(firstGone, sizeBytes() - 1);
            }
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-64", "size=" + hex(newSize));
        } finally {
            family.lock.unlock();
        }
    }

    // ---- operations on ranges

    /// Takes frames for every page of a range (clauses O-76 to O-84).
    ///
    /// @param offset first byte
    /// @param len length; both are expanded to whole pages
    /// @throws ZxException NOT_SUPPORTED for a physical object; OUT_OF_RANGE; NO_MEMORY
    public void opCommit(long offset, long len) {
        PageStore pages = requireStore("O-84", "commit");
        family.lock.lock();
        try {
            requireInside("O-76", offset, len);
            if (len != 0) {
                pages.commit(offset >>> SHIFT, ((offset + (len - 1)) >>> SHIFT) + 1);
            }
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-77", "commit of " + this);
        } finally {
            family.lock.unlock();
        }
    }

    /// Gives the frames of a range back; it reads as zeros (clauses O-85 to O-89).
    ///
    /// @param offset first byte, page aligned
    /// @param len length, page aligned
    /// @throws ZxException NOT_SUPPORTED for physical and contiguous objects and where there are
    ///   snapshots; OUT_OF_RANGE; INVALID_ARGS for an unaligned range; BAD_STATE for pinned pages
    public void opDecommit(long offset, long len) {
        PageStore pages = requireStore("O-85", "decommit");
        if (isContiguous()) {
            throw VmErrors.notSupported("O-85", this + " keeps its frames");
        }
        family.lock.lock();
        try {
            requireInside("O-85", offset, len);
            if (len == 0) {
                return;
            }
            if (family.hasSnapshots()) {
                throw VmErrors.notSupported("O-86", this + " has or is a snapshot");
            }
            if (!VmoMath.isAligned(offset) || !VmoMath.isAligned(len)) {
                throw VmErrors.invalidArgs("O-87", "offset or len is not whole pages");
            }
            long first = offset >>> SHIFT;
            long end = first + (len >>> SHIFT);
            if (pages.pins.anyIn(first, end)) {
                throw VmErrors.badState("O-85", "a page of the range is pinned");
            }
            pages.decommit(first, end);
        } finally {
            family.lock.unlock();
        }
    }

    /// Sets the bytes of a range to zero (clauses O-91 to O-98).
    ///
    /// @param offset first byte
    /// @param len length
    /// @throws ZxException NOT_SUPPORTED for a physical object; OUT_OF_RANGE; NO_MEMORY
    public void opZero(long offset, long len) {
        PageStore pages = requireStore("O-25", "zero");
        family.lock.lock();
        try {
            requireInside("O-91", offset, len);
            if (len != 0) {
                pages.zero(offset, len);
            }
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-91", "zero of " + this);
        } finally {
            family.lock.unlock();
        }
    }

    /// Brings pages in; nothing to do without a pager but to check the range (clause O-25).
    ///
    /// @param offset first byte
    /// @param len length
    /// @throws ZxException OUT_OF_RANGE
    public void opPrefetch(long offset, long len) {
        requireInside("O-73", offset, len);
    }

    /// Takes a hint, which nothing comes of without a pager, whatever the range (clause O-116).
    ///
    /// @param hint what the caller expects
    /// @param offset first byte
    /// @param len length
    public void opHint(VmoHint hint, long offset, long len) {
        Objects.requireNonNull(hint, "hint");
    }

    // ---- for mappings

    ReentrantLock lock() {
        return family.lock;
    }

    /// Enters a mapping; with the lock held.
    void attachMapping(MappedRange range) {
        PageStore pages = store;
        if (pages != null) {
            pages.mappings.add(range, this, 0);
        }
        mappingCount++;
        spaces.merge(range.addressSpace(), 1, Integer::sum);
    }

    /// Takes a mapping out; with the lock held. The object dies if nothing else keeps it.
    void detachMapping(MappedRange range) {
        PageStore pages = store;
        if (pages != null) {
            pages.mappings.remove(range);
        }
        mappingCount--;
        spaces.merge(range.addressSpace(), -1, (a, b) -> a + b == 0 ? null : a + b);
        destroyIfUnused();
    }

    /// Changes which part a mapping shows; with the lock held.
    void reshapeMapping(MappedRange range, Runnable change) {
        PageStore pages = store;
        if (pages == null) {
            change.run();
            return;
        }
        pages.mappings.remove(range);
        change.run();
        pages.mappings.add(range, this, 0);
    }

    /// Whether a mapping is entered; with the lock held.
    boolean isAttached(MappedRange range) {
        return store == null || store.mappings.contains(range);
    }

    /// Finds the frame of a page inside the object; with the lock held.
    ///
    /// @param write whether a page that may be written is wanted
    ZxStatus lookupPage(long offset, boolean write, PageLookup out) {
        if (policy instanceof CommitPolicy.Linear linear) {
            out.paddr = linear.base() + offset;
            out.writable = true;
            return ZxStatus.OK;
        }
        return Objects.requireNonNull(store).lookup(offset >>> SHIFT, write, out);
    }

    /// Takes back what the last [#lookupPage] for writing did, when no entry could be made.
    void undoLookup(long offset, PageLookup lookup) {
        if (store != null) {
            store.undoLookup(offset >>> SHIFT, lookup);
        }
    }

    /// Collects a run of pages that are there; with the lock held.
    void existingPages(long offset, long maxPages, PageRun out) {
        Objects.requireNonNull(store).existing(offset >>> SHIFT, maxPages, out);
    }

    /// The offset of the first page of a range that is there, or [#NO_PAGE]; with the lock held.
    long nextExisting(long offset, long length) {
        long end = (offset >>> SHIFT) + (length >>> SHIFT);
        long page = Objects.requireNonNull(store).nextExisting(offset >>> SHIFT, end);
        return page == PageList.NONE ? NO_PAGE : page << SHIFT;
    }

    /// What the pages of a range cost.
    Attribution attribution(long offset, long length) {
        var cost = new Attribution();
        PageStore pages = store;
        if (pages == null || Long.compareUnsigned(offset, sizeBytes()) >= 0) {
            return cost;
        }
        long inside = VmoMath.min(length, sizeBytes() - offset);
        family.lock.lock();
        try {
            pages.attribute(offset >>> SHIFT, (offset + inside) >>> SHIFT, cost);
        } finally {
            family.lock.unlock();
        }
        return cost;
    }

    // ---- end

    /// Gives up the maker's hold on the object. Closing twice is harmless.
    @Override
    public void close() {
        family.lock.lock();
        try {
            closed = true;
            destroyIfUnused();
        } finally {
            family.lock.unlock();
        }
    }

    @Override
    protected void onZeroHandles() {
        family.lock.lock();
        try {
            destroyIfUnused();
        } finally {
            family.lock.unlock();
        }
    }

    private void destroyIfUnused() {
        if (destroyed || !closed || mappingCount != 0 || handleCount() != 0) {
            return;
        }
        destroyed = true;
        if (store != null) {
            store.removeUser();
        }
        noteDestroyed();
    }

    // ---- guards

    private PageStore requireStore(String clause, String what) {
        PageStore pages = store;
        if (pages == null) {
            throw VmErrors.notSupported(clause, what + " is not for physical " + this);
        }
        return pages;
    }

    private void requireInside(String clause, long offset, long len) {
        if (!VmoMath.isInside(offset, len, sizeBytes())) {
            throw VmErrors.outOfRange(
                    clause,
                    "offset=" + hex(offset) + " with len=" + hex(len) + " is not inside " + this);
        }
    }

    @Override
    public String toString() {
        return "vmo " + koid() + " of " + hex(sizeBytes()) + " bytes";
    }
}
