package io.jircon.vm;

import static io.jircon.vm.VmoMath.PAGE;
import static io.jircon.vm.VmoMath.SHIFT;
import static io.jircon.vm.VmoMath.hex;

import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.Set;
import java.util.function.IntToLongFunction;
import org.jspecify.annotations.Nullable;

/// An object with pages: an original, a snapshot, or a window on the pages of one (a slice, a
/// reference).
final class PagedVmo extends VmObject {
    /// How an object relates to the pages it shows.
    enum Role {
        ORIGINAL,
        SNAPSHOT,
        SLICE,
        REFERENCE
    }

    final PageStore store;
    final Role role;
    final long windowOffset;

    /// The length of a slice; other objects are as long as the store.
    private final long sliceBytes;

    final StreamSize streamSize;
    final Set<VmoOption> options;
    private final boolean immutable;
    private final @Nullable DiscardState discardState;

    PagedVmo(
            Machine machine,
            @Nullable PagedVmo parent,
            PageStore store,
            Role role,
            long windowOffset,
            long sliceBytes,
            StreamSize streamSize,
            Set<VmoOption> options,
            boolean immutable) {
        super(
                machine,
                store.family,
                parent,
                parent == null ? CachePolicy.CACHED : parent.cachePolicy());
        this.store = store;
        this.role = role;
        this.windowOffset = windowOffset;
        this.sliceBytes = sliceBytes;
        this.streamSize = streamSize;
        this.options = options;
        this.immutable = immutable;
        this.discardState = options.contains(VmoOption.DISCARDABLE) ? new DiscardState() : null;
    }

    // ---- what it is

    @Override
    public long sizeBytes() {
        return role == Role.SLICE ? sliceBytes : store.sizeBytes();
    }

    @Override
    public long streamSizeBytes() {
        return isContiguous() ? 0 : streamSize.bytes;
    }

    @Override
    public boolean isResizable() {
        return options.contains(VmoOption.RESIZABLE);
    }

    @Override
    public boolean isDiscardable() {
        return discardState != null;
    }

    @Override
    public boolean isContiguous() {
        return store.isContiguous();
    }

    @Override
    public CommitPolicy policy() {
        return store.policy;
    }

    @Override
    boolean isPagerBacked() {
        return store.pagerRoot() != null;
    }

    @Override
    Set<VmoInfo.Flag> typeFlags() {
        Set<VmoInfo.Flag> flags = EnumSet.of(VmoInfo.Flag.PAGED);
        if (isResizable()) {
            flags.add(VmoInfo.Flag.RESIZABLE);
        }
        if (role == Role.SNAPSHOT) {
            flags.add(VmoInfo.Flag.IS_COW_CLONE);
        }
        if (isContiguous()) {
            flags.add(VmoInfo.Flag.CONTIGUOUS);
        }
        if (isPagerBacked()) {
            flags.add(VmoInfo.Flag.PAGER_BACKED);
        }
        if (isDiscardable()) {
            flags.add(VmoInfo.Flag.DISCARDABLE);
        }
        if (immutable) {
            flags.add(VmoInfo.Flag.IMMUTABLE);
        }
        return flags;
    }

    @Override
    long metadataBytes() {
        return isWindow() ? 0 : store.metadataBytes();
    }

    @Override
    void attribute(long offset, long len, Attribution out) {
        if (!isWindow()) { // clause O-226
            store.attribute(offset >>> SHIFT, pageEnd(offset, len), out);
        }
    }

    /// Slices and references show the pages of another object.
    private boolean isWindow() {
        return role == Role.SLICE || role == Role.REFERENCE;
    }

    @Override
    boolean isChild() {
        return role != Role.ORIGINAL;
    }

    @Override
    boolean hasPins() {
        return !store.pins.isEmpty();
    }

    /// First page after a range of this object's own offsets.
    private static long pageEnd(long offset, long len) {
        return len == 0 ? offset >>> SHIFT : ((offset + len - 1) >>> SHIFT) + 1;
    }

    private long storePage(long offset) {
        return (windowOffset + offset) >>> SHIFT;
    }

    // ---- bytes

    @Override
    void requireReadable(long offset, long len) {
        requireNoWrap("O-38", offset, len);
        lock().lock();
        try {
            requireHeld();
            requireAccessible("O-38", offset, len);
        } finally {
            lock().unlock();
        }
    }

    @Override
    public void read(long offset, MemorySegment target) {
        move(
                PageAccess.READ,
                offset,
                target.byteSize(),
                (at, done, len) -> store.read(at, target, done, len));
    }

    @Override
    public void write(long offset, MemorySegment source) {
        move(
                PageAccess.WRITE,
                offset,
                source.byteSize(),
                (at, done, len) -> store.write(at, source, done, len));
    }

    /// Moves bytes between the store and a buffer of the caller's.
    private interface Mover {
        void move(long storeOffset, long bufferOffset, long len);
    }

    /// Moves bytes in as many parts as there are waits for a pager, with no lock held in between.
    private void move(PageAccess access, long offset, long len, Mover mover) {
        requireNoWrap("O-38", offset, len);
        try (var wait = new PageWait()) {
            long done = 0;
            do {
                lock().lock();
                try {
                    requireHeld();
                    requireAccessible("O-38", offset + done, len - done);
                    long ready = readyBytes(wait, access, offset + done, len - done);
                    if (ready != 0) {
                        mover.move(windowOffset + offset + done, done, ready);
                    }
                    done += ready;
                } catch (PagingException e) {
                    throw VmErrors.of(e, "O-45", "no frames for offset=" + hex(offset));
                } finally {
                    lock().unlock();
                }
            } while (wait.await());
        }
    }

    /// How many bytes of a range can be moved now; has the operation wait for the rest (clause
    /// O-275).
    private long readyBytes(PageWait wait, PageAccess access, long offset, long len) {
        PageNeed need = store.needFor(access, windowOffset + offset, len);
        if (need == null) {
            return len;
        }
        store.ask(wait, need);
        return Math.max(0, (need.first() << SHIFT) - (windowOffset + offset));
    }

    @Override
    boolean mustWait(PageWait wait, PageAccess access, long offset, long len) {
        boolean isForOperation = isDestroyed() || !VmoMath.isInside(offset, len, sizeBytes());
        PageNeed need = isForOperation ? null : store.needFor(access, windowOffset + offset, len);
        if (need != null) {
            store.ask(wait, need);
        }
        return need != null;
    }

    static void requireNoWrap(String clause, long offset, long len) {
        if (VmoMath.sumWraps(offset, len)) {
            throw VmErrors.outOfRange(
                    clause, "offset=" + hex(offset) + " plus len=" + hex(len) + " wraps");
        }
    }

    private void requireAccessible(String clause, long offset, long len) {
        requireCached(clause);
        requireInside(clause, offset, len);
        requireNotDiscarded();
    }

    void requireCached(String clause) {
        if (cachePolicy() != CachePolicy.CACHED) {
            throw VmErrors.badState(clause, "cachePolicy=" + cachePolicy() + " is not CACHED");
        }
    }

    private void requireNotDiscarded() {
        if (discardState != null && discardState.isDiscarded()) {
            throw VmErrors.notFound(
                    "O-261", "vmo=koid " + koid() + " was discarded and is not locked");
        }
    }

    // ---- sizes

    @Override
    public void setSize(long newSizeBytes) {
        SizeOp.setSize(this, newSizeBytes);
    }

    @Override
    public void setStreamSize(long newStreamSizeBytes) {
        SizeOp.setStreamSize(this, newStreamSizeBytes);
    }

    // ---- ranges

    @Override
    void opCommit(long offset, long len) {
        lock().lock();
        try {
            requireHeld();
            requireInside("O-76", offset, len);
            requireNotDiscarded();
            if (len != 0) {
                long first = storePage(offset);
                store.commit(first, first - (offset >>> SHIFT) + pageEnd(offset, len));
            }
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-77", "commit of offset=" + hex(offset) + " len=" + hex(len));
        } finally {
            lock().unlock();
        }
    }

    @Override
    void opDecommit(long offset, long len) {
        if (isContiguous()) {
            throw VmErrors.notSupported("O-85", "vmo=koid " + koid() + " is contiguous");
        }
        lock().lock();
        try {
            requireHeld();
            requireInside("O-85", offset, len);
            if (len == 0) {
                return;
            }
            if (family.hasSnapshots()) {
                throw VmErrors.notSupported(
                        "O-86", "vmo=koid " + koid() + " shares pages with snapshots");
            }
            if (isPagerBacked()) {
                throw VmErrors.notSupported("O-307", "vmo=koid " + koid() + " has a pager");
            }
            if (!VmoMath.isAligned(offset) || !VmoMath.isAligned(len)) {
                throw VmErrors.invalidArgs(
                        "O-87",
                        "offset=" + hex(offset) + " len=" + hex(len) + " is not page aligned");
            }
            long first = storePage(offset);
            long end = first + (len >>> SHIFT);
            if (store.pins.anyIn(first, end)) {
                throw VmErrors.badState(
                        "O-85", "offset=" + hex(offset) + " len=" + hex(len) + " is pinned");
            }
            store.decommit(first, end);
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-85", "decommit of offset=" + hex(offset) + " len=" + hex(len));
        } finally {
            lock().unlock();
        }
    }

    @Override
    void opZero(long offset, long len) {
        lock().lock();
        try {
            requireHeld();
            requireInside("O-91", offset, len);
            if (len == 0) {
                return;
            }
            if (cachePolicy() != CachePolicy.CACHED
                    && store.zeroWritesInPlace(windowOffset + offset, len)) {
                requireCached("O-105");
            }
            store.zero(windowOffset + offset, len);
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-94", "zero of offset=" + hex(offset) + " len=" + hex(len));
        } finally {
            lock().unlock();
        }
    }

    @Override
    IntToLongFunction pinPages(long offset, long len) {
        requireNotDiscarded();
        long first = storePage(offset);
        long end = first + (len >>> SHIFT);
        if (store.pins.isFullIn(first, end)) {
            throw ZxException.of(
                    ZxStatus.UNAVAILABLE,
                    "O-126",
                    "offset",
                    hex(offset),
                    "has as many pins as it can");
        }
        try {
            store.commit(first, end);
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-123", "pin of offset=" + hex(offset) + " len=" + hex(len));
        }
        store.noteWritten(first, end);
        store.pins.pin(first, end);
        long[] addresses = new long[(int) (end - first)];
        for (int i = 0; i < addresses.length; i++) {
            addresses[i] = store.frame(first + i);
        }
        return page -> addresses[page];
    }

    @Override
    void unpinPages(long offset, long len) {
        long first = storePage(offset);
        store.pins.unpin(first, first + (len >>> SHIFT));
    }

    // ---- discarding

    @Override
    public boolean lockContents() {
        lock().lock();
        try {
            requireHeld();
            return discardable().lock();
        } finally {
            lock().unlock();
        }
    }

    @Override
    public boolean tryLockContents() {
        lock().lock();
        try {
            requireHeld();
            return discardable().tryLock();
        } finally {
            lock().unlock();
        }
    }

    @Override
    public void unlockContents() {
        lock().lock();
        try {
            requireHeld();
            discardable().unlock();
        } finally {
            lock().unlock();
        }
    }

    @Override
    public long reclaim() {
        lock().lock();
        try {
            requireHeld();
            DiscardState state = discardable();
            boolean wanted = !store.pins.isEmpty() || store.mappings.highPriorityCount() != 0;
            if (wanted || !state.isReclaimable()) {
                return 0;
            }
            long dropped = store.discard(); // first, for it may be refused
            state.noteDiscarded();
            return dropped;
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-260", "reclaim of vmo=koid " + koid());
        } finally {
            lock().unlock();
        }
    }

    private DiscardState discardable() {
        if (discardState == null) {
            throw VmErrors.notSupported("O-108", "vmo=koid " + koid() + " is not discardable");
        }
        return discardState;
    }

    // ---- children

    @Override
    public VmObject createChild(Set<VmoChildOption> childOptions, long offset, long sizeBytes) {
        return ChildOp.run(this, childOptions, offset, sizeBytes);
    }

    // ---- the seam to mappings

    @Override
    ZxStatus lookupPage(long offset, boolean write, PageLookup out) {
        out.fresh = false;
        if (Long.compareUnsigned(offset, sizeBytes()) >= 0) {
            return ZxStatus.OUT_OF_RANGE;
        }
        if (discardState != null && discardState.isDiscarded()) {
            return ZxStatus.NOT_FOUND;
        }
        return store.lookup(storePage(offset), write, out);
    }

    @Override
    void undoLookup(long offset, PageLookup lookup) {
        store.undoLookup(storePage(offset), lookup);
    }

    @Override
    void existingPages(long offset, long maxPages, PageRun out) {
        if (Long.compareUnsigned(offset, sizeBytes()) >= 0) {
            out.count = 0;
            return;
        }
        long left = (sizeBytes() - offset) >>> SHIFT;
        store.existing(storePage(offset), Math.min(left, maxPages), out);
    }

    @Override
    long nextExisting(long offset, long len) {
        if (len == 0 || Long.compareUnsigned(offset, sizeBytes()) >= 0) {
            return NO_PAGE;
        }
        long usable = VmoMath.min(len, sizeBytes() - offset);
        long page = storePage(offset);
        long found = store.nextExisting(page, page + (usable >>> SHIFT));
        return found == PageList.NONE ? NO_PAGE : offset + (found - page) * PAGE;
    }

    @Override
    MappingIndex mappings() {
        return store.mappings;
    }

    @Override
    int countHighPriority() {
        return store.mappings.highPriorityCount() + store.clones.highPriorityCount();
    }

    @Override
    void mappingsChanged() {
        store.lookAgain();
    }

    @Override
    long windowOffset() {
        return windowOffset;
    }

    @Override
    void release() {
        store.removeUser();
        store.lookAgain(); // who waits by this object, while others have its pages
    }
}
