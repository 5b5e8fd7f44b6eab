package io.jircon.vm;

import static io.jircon.vm.VmoMath.SHIFT;
import static io.jircon.vm.VmoMath.hex;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.hal.PagingException;
import io.jircon.kobject.KObjectBase;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.Collections;
import java.util.EnumSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A program that brings the pages of memory objects when they are needed first, and writes back
/// what becomes of them (section 18 of the contract), such as a file system.
///
/// An access to a page that is not there waits, with no lock held; its request appears in the queue
/// that the object was made with, and ends with [#supplyPages] or with FAIL. Written pages are
/// dirty until they were written back:
///
/// ```java
/// var queue = new PageRequestQueue();
/// VmObject file = pager.createVmo(queue, 1, size);
/// // a thread of the pager's:
/// PageRequest request = queue.take();
/// pager.supplyPages(file, request.offset(), request.length(), contents, 0);
/// ```
///
/// Offsets and lengths are bytes, unsigned and page aligned. Closing it, or its last handle, ends
/// it: pages that are there stay, and who waits for others gets BAD_STATE (clause O-306). Objects
/// are named themselves, not by a slice, reference or snapshot of theirs (clause O-270); what a
/// snapshot needs is asked for by the object's own offsets (clause O-309). Safe for use by many
/// threads.
///
/// The pager's own threads must not access what they bring, except pages that are there: such an
/// access waits for an answer that nobody is left to give, whether it goes by the object or by a
/// mapping. Nothing tells such a thread from another program's, so that it is not refused;
/// interrupting it ends the wait, but not that of an access that the host holds until its fault is
/// resolved.
public final class Pager extends KObjectBase implements AutoCloseable {
    /// What FAIL may tell (clause O-284).
    private static final Set<ZxStatus> FAILURES =
            EnumSet.of(
                    ZxStatus.IO,
                    ZxStatus.IO_DATA_INTEGRITY,
                    ZxStatus.BAD_STATE,
                    ZxStatus.NO_SPACE,
                    ZxStatus.BUFFER_TOO_SMALL);

    private final Machine machine;

    /// Taken inside a family's lock, never around one.
    private final Object lock = new Object();

    @GuardedBy("lock")
    private final Set<PagerStore> stores = Collections.newSetFromMap(new IdentityHashMap<>());

    @GuardedBy("lock")
    private boolean closed;

    private Pager(Machine machine) {
        super(machine.kernel(), ObjectType.PAGER);
        this.machine = machine;
    }

    /// Makes a pager without objects (clause O-268).
    ///
    /// @param machine where
    /// @return a pager to close
    public static Pager create(Machine machine) {
        return new Pager(machine);
    }

    // ---- its objects

    /// Makes a memory object whose pages this pager brings (clause O-269).
    ///
    /// @param queue where its requests go
    /// @param key what its requests are marked with
    /// @param sizeBytes its size; rounded up to whole pages, kept unrounded as the stream size
    /// @param options RESIZABLE, UNBOUNDED; TRAP_DIRTY has the pager asked before a clean page is
    ///   written
    /// @return an object to close
    /// @throws ZxException in this order: BAD_STATE when the pager is closed; INVALID_ARGS for
    ///   RESIZABLE with UNBOUNDED; OUT_OF_RANGE when the size wraps; INVALID_ARGS for DISCARDABLE,
    ///   or for UNBOUNDED with a larger size than an object can have; OUT_OF_RANGE for any other
    ///   such size
    public VmObject createVmo(
            PageRequestQueue queue, long key, long sizeBytes, VmoOption... options) {
        Objects.requireNonNull(queue, "queue");
        requireOpen();
        PagedVmo vmo = CreateOp.pagerBacked(machine, this, queue, key, sizeBytes, options);
        synchronized (lock) {
            if (!closed) {
                stores.add((PagerStore) vmo.store);
                return vmo;
            }
        }
        ((PagerStore) vmo.store).pagerClosed(); // so that the queue hears nothing of it
        vmo.close();
        throw closedError();
    }

    void requireOpen() {
        synchronized (lock) {
            if (closed) {
                throw closedError();
            }
        }
    }

    private ZxException closedError() {
        return VmErrors.badState("O-269", "pager=koid " + koid() + " is closed");
    }

    /// An object is gone.
    void forget(PagerStore store) {
        synchronized (lock) {
            stores.remove(store);
        }
    }

    /// Has nothing more to do with an object (clauses O-303 and O-304): clean pages go, dirty ones
    /// stay, and who waits gets BAD_STATE, as does who needs a page later. The queue gets COMPLETE.
    /// Detaching twice is harmless.
    ///
    /// @param vmo an object of this pager's
    /// @throws ZxException INVALID_ARGS when it is not this pager's; what the machine answers when
    ///   it refuses to remove page-table entries
    public void detachVmo(VmObject vmo) {
        PagedVmo mine = requireMine("O-303", vmo);
        mine.lock().lock();
        try {
            mine.requireHeld();
            store(mine).detach();
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-304", "detach of " + vmo);
        } finally {
            mine.lock().unlock();
        }
    }

    // ---- pages

    /// Moves pages of another object in, where there are none, and wakes who waits for them
    /// (clauses O-279 to O-282). The other object reads as zeros there afterwards, whether its
    /// pages were wanted or not; where it has no pages, zeros go in, and cost nothing.
    ///
    /// @param vmo an object of this pager's
    /// @param offset first byte
    /// @param len how many bytes
    /// @param aux where the pages come from
    /// @param auxOffset its first byte
    /// @throws ZxException in this order: INVALID_ARGS when an offset or the length is not page
    ///   aligned, or the object is not this pager's; NOT_SUPPORTED when `aux` is physical,
    ///   contiguous, or has a pager or is a snapshot of what has; OUT_OF_RANGE when the range
    ///   leaves `aux`; BAD_STATE when a page there is pinned; OUT_OF_RANGE when the range leaves
    ///   `vmo`; BAD_STATE when that was detached; NO_MEMORY when a page that `aux` shares with
    ///   others cannot be copied
    public void supplyPages(VmObject vmo, long offset, long len, VmObject aux, long auxOffset) {
        requireAligned("O-279", "offset", offset);
        requireAligned("O-279", "len", len);
        requireAligned("O-279", "auxOffset", auxOffset);
        PagedVmo mine = requireMine("O-279", vmo);
        if (!(aux instanceof PagedVmo from) || aux.isContiguous() || aux.isPagerBacked()) {
            throw VmErrors.notSupported(
                    "O-279", "aux=koid " + aux.koid() + " has no pages to give");
        }
        // An object without a pager is always locked first, one with a pager second.
        from.lock().lock();
        try {
            from.requireHeld();
            from.requireInside("O-279", auxOffset, len);
            long fromFirst = (from.windowOffset + auxOffset) >>> SHIFT;
            if (from.store.pins.anyIn(fromFirst, fromFirst + (len >>> SHIFT))) {
                throw VmErrors.badState("O-279", "aux=koid " + aux.koid() + " has pinned pages");
            }
            mine.lock().lock();
            try {
                mine.requireHeld();
                mine.requireInside("O-279", offset, len);
                requireAttached("O-279", mine);
                if (len >>> SHIFT > Integer.MAX_VALUE) {
                    throw new ZxException(
                            ZxStatus.NO_MEMORY,
                            "O-279",
                            "len=" + hex(len) + " are more pages than can be listed");
                }
                store(mine)
                        .supply(from.store, fromFirst, offset >>> SHIFT, (offset + len) >>> SHIFT);
            } finally {
                mine.lock().unlock();
            }
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-279", "supply of offset=" + hex(offset) + " len=" + hex(len));
        } finally {
            from.lock().unlock();
        }
    }

    /// Says something about a range (clauses O-283 to O-286).
    ///
    /// @param op what
    /// @param vmo an object of this pager's
    /// @param offset first byte
    /// @param len how many bytes
    /// @param data with FAIL the number of IO, IO_DATA_INTEGRITY, BAD_STATE, NO_SPACE or
    ///   BUFFER_TOO_SMALL; with WRITEBACK_BEGIN 0 or [PagerOp#IS_ZERO]; else 0
    /// @throws ZxException in this order: INVALID_ARGS when the range is not page aligned, the
    ///   object is not this pager's, or for other data; NOT_SUPPORTED for DIRTY without TRAP_DIRTY;
    ///   OUT_OF_RANGE; BAD_STATE for FAIL and DIRTY when it was detached; NOT_FOUND for DIRTY where
    ///   a page is missing; NO_MEMORY for DIRTY of zeros
    public void opRange(PagerOp op, VmObject vmo, long offset, long len, long data) {
        requireAligned("O-283", "offset", offset);
        requireAligned("O-283", "len", len);
        PagedVmo mine = requireMine("O-283", vmo);
        ZxStatus failure = requireData(op, data);
        if (op == PagerOp.DIRTY && !store(mine).trapsDirty()) {
            throw VmErrors.notSupported("O-285", vmo + " was made without TRAP_DIRTY");
        }
        mine.lock().lock();
        try {
            mine.requireHeld();
            mine.requireInside("O-283", offset, len);
            long first = offset >>> SHIFT;
            long end = first + (len >>> SHIFT);
            switch (op) {
                case FAIL -> {
                    requireAttached("O-283", mine);
                    store(mine).fail(first, end, failure);
                }
                case DIRTY -> {
                    requireAttached("O-283", mine);
                    if (!store(mine).makeDirty(first, end)) {
                        throw VmErrors.notFound(
                                "O-285",
                                "offset="
                                        + hex(offset)
                                        + " len="
                                        + hex(len)
                                        + " has missing pages");
                    }
                }
                case WRITEBACK_BEGIN ->
                        store(mine).beginWriteback(first, end, data == PagerOp.IS_ZERO);
                case WRITEBACK_END -> store(mine).endWriteback(first, end);
            }
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-283", op + " of offset=" + hex(offset) + " len=" + hex(len));
        } finally {
            mine.lock().unlock();
        }
    }

    /// @return the status of FAIL, OK for the others
    private static ZxStatus requireData(PagerOp op, long data) {
        ZxStatus failure = data == (int) data ? ZxStatus.ofValue((int) data) : null;
        boolean fits =
                switch (op) {
                    case FAIL -> failure != null && FAILURES.contains(failure);
                    case WRITEBACK_BEGIN -> data == 0 || data == PagerOp.IS_ZERO;
                    case DIRTY, WRITEBACK_END -> data == 0;
                };
        if (!fits) {
            throw VmErrors.invalidArgs("O-283", "data=" + data + " is not for " + op);
        }
        return op == PagerOp.FAIL && failure != null ? failure : ZxStatus.OK;
    }

    // ---- questions

    /// What has to be written back: dirty pages and zeros, and those being written back (clause
    /// O-301). Neighbours of one kind are one entry.
    ///
    /// @param vmo an object of this pager's, detached or not
    /// @param offset first byte; rounded down to a page
    /// @param len how many bytes; the end is rounded up to a page
    /// @return ascending
    /// @throws ZxException INVALID_ARGS when the object is not this pager's; OUT_OF_RANGE
    public List<DirtyRange> queryDirtyRanges(VmObject vmo, long offset, long len) {
        PagedVmo mine = requireMine("O-301", vmo);
        mine.lock().lock();
        try {
            mine.requireInside("O-301", offset, len);
            long end = len == 0 ? offset >>> SHIFT : ((offset + len - 1) >>> SHIFT) + 1;
            return List.copyOf(store(mine).dirtyRanges(offset >>> SHIFT, end));
        } finally {
            mine.lock().unlock();
        }
    }

    /// Whether an object was changed (clause O-302).
    ///
    /// @param vmo an object of this pager's, detached or not
    /// @return one moment
    /// @throws ZxException INVALID_ARGS when the object is not this pager's
    public PagerVmoStats queryVmoStats(VmObject vmo) {
        PagedVmo mine = requireMine("O-302", vmo);
        mine.lock().lock();
        try {
            return new PagerVmoStats(store(mine).isModified());
        } finally {
            mine.lock().unlock();
        }
    }

    /// As [#queryVmoStats], and starts anew in the same moment.
    ///
    /// @param vmo an object of this pager's, detached or not
    /// @return as it was before
    /// @throws ZxException INVALID_ARGS when the object is not this pager's
    public PagerVmoStats queryAndResetVmoStats(VmObject vmo) {
        PagedVmo mine = requireMine("O-302", vmo);
        mine.lock().lock();
        try {
            PagerVmoStats stats = queryVmoStats(vmo);
            store(mine).resetModified();
            return stats;
        } finally {
            mine.lock().unlock();
        }
    }

    // ---- the end

    /// Ends the pager (clause O-306). Closing twice is harmless.
    @Override
    public void close() {
        List<PagerStore> left;
        synchronized (lock) {
            closed = true;
            left = List.copyOf(stores);
            stores.clear();
        }
        for (PagerStore store : left) {
            store.family.lock.lock();
            try {
                store.pagerClosed();
            } finally {
                store.family.lock.unlock();
            }
        }
        noteDestroyed();
    }

    @Override
    protected void onZeroHandles() {
        close();
    }

    // ---- checks

    PagedVmo requireMine(String clause, @Nullable VmObject vmo) {
        if (vmo instanceof PagedVmo paged
                && paged.role == PagedVmo.Role.ORIGINAL
                && paged.store instanceof PagerStore store
                && store.pager() == this) {
            return paged;
        }
        throw VmErrors.invalidArgs(clause, "vmo=" + vmo + " is not of pager koid " + koid());
    }

    private static PagerStore store(PagedVmo mine) {
        return (PagerStore) mine.store;
    }

    private static void requireAttached(String clause, PagedVmo mine) {
        if (!store(mine).isAttached()) {
            throw VmErrors.badState(clause, "vmo=" + mine + " was detached");
        }
    }

    static void requireAligned(String clause, String name, long bytes) {
        if (!VmoMath.isAligned(bytes)) {
            throw VmErrors.invalidArgs(
                    clause, name + "=" + hex(bytes) + " is not a multiple of the page size");
        }
    }
}
