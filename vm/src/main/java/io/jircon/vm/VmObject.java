package io.jircon.vm;

import io.jircon.kobject.ZxException;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A memory object: a run of pages that can be mapped, read and written.
///
/// Lifetime (clause O-5): an object lives while its maker has not closed it, while a handle refers
/// to it, while it is mapped, or while pages are pinned through it. The maker's hold ends with
/// [#close()], or with the last handle when handles were made. Then its frames go back to the
/// machine, unless a slice or reference still shows them.
///
/// Where a [Pager] has the pages, an operation that needs one waits for it, and can fail with what
/// the pager answers too, with BAD_STATE when there is none any more, and with CANCELED when the
/// thread is interrupted; bytes before that point were moved then (clause O-43).
///
/// Offsets and sizes are bytes, unsigned. Every method is safe for use by many threads; the lock is
/// the family's, the second in the lock order.
public abstract sealed class VmObject extends VmoPages permits PagedVmo, PhysicalVmo {
    /// The largest size an object can have (clause O-10).
    public static final long MAX_SIZE_BYTES = -1L & -(16 * VmoMath.PAGE);

    /// Written with the lock held.
    private volatile CachePolicy cachePolicy;

    private final OwnMappings ownMappings = new OwnMappings(this);

    VmObject(
            Machine machine, VmoFamily family, @Nullable VmObject parent, CachePolicy cachePolicy) {
        super(machine, family, parent);
        this.cachePolicy = cachePolicy;
    }

    // ---- making

    /// Makes an object of zeros whose frames are taken by the first write to each page (clauses
    /// O-17 to O-22).
    ///
    /// @param machine where
    /// @param sizeBytes its size; rounded up to whole pages, kept unrounded as the stream size
    /// @param options RESIZABLE, DISCARDABLE, UNBOUNDED
    /// @return an object to close
    /// @throws ZxException in this order: INVALID_ARGS for RESIZABLE with UNBOUNDED; OUT_OF_RANGE
    ///   when the size wraps; INVALID_ARGS for TRAP_DIRTY, or for UNBOUNDED with a larger size than
    ///   an object can have; OUT_OF_RANGE for any other such size
    public static VmObject create(Machine machine, long sizeBytes, VmoOption... options) {
        return CreateOp.zeros(machine, sizeBytes, new CommitPolicy.Alloc(false), options);
    }

    /// Makes an object of zeros with a policy for its frames.
    ///
    /// @param machine where
    /// @param sizeBytes its size; rounded up to whole pages, kept unrounded as the stream size
    /// @param policy with `populate` every page is committed before the call returns
    /// @param options RESIZABLE, DISCARDABLE, UNBOUNDED
    /// @return an object to close
    /// @throws ZxException as [#create(Machine, long, VmoOption...)]; NO_MEMORY when it cannot be
    ///   populated
    public static VmObject create(
            Machine machine, long sizeBytes, CommitPolicy.Alloc policy, VmoOption... options) {
        return CreateOp.zeros(machine, sizeBytes, policy, options);
    }

    /// Makes an object of physically consecutive frames that never move (clauses O-26 to O-28).
    ///
    /// @param machine where
    /// @param sizeBytes its size, a positive multiple of the page size
    /// @param alignShift log2 of the alignment of the first frame's address; 0 means a page
    /// @return an object to close
    /// @throws ZxException INVALID_ARGS for size or alignment; OUT_OF_RANGE when the size is larger
    ///   than an object can be; NO_MEMORY when there is no such run
    public static VmObject createContiguous(Machine machine, long sizeBytes, int alignShift) {
        return CreateOp.contiguous(machine, sizeBytes, alignShift);
    }

    /// Makes an object over a fixed physical range, such as the registers of a device (clauses O-23
    /// and O-24). The frames are not owned.
    ///
    /// @param machine where
    /// @param paddr physical address, page aligned
    /// @param sizeBytes its size, a positive multiple of the page size
    /// @return an object to close; its cache policy is UNCACHED
    /// @throws ZxException INVALID_ARGS when the size is 0 or unaligned, the address is unaligned,
    ///   or the range wraps
    public static VmObject createPhysical(Machine machine, long paddr, long sizeBytes) {
        return createPhysical(machine, paddr, sizeBytes, CachePolicy.UNCACHED);
    }

    /// Makes an object over a fixed physical range with another cache policy, such as RAM that was
    /// set aside.
    ///
    /// @param machine where
    /// @param paddr physical address, page aligned
    /// @param sizeBytes its size, a positive multiple of the page size
    /// @param cachePolicy how processors cache it
    /// @return an object to close
    /// @throws ZxException as [#createPhysical(Machine, long, long)]
    public static VmObject createPhysical(
            Machine machine, long paddr, long sizeBytes, CachePolicy cachePolicy) {
        return PhysicalVmo.make(machine, paddr, sizeBytes, cachePolicy);
    }

    // ---- what it is

    /// Its size (clause O-13).
    ///
    /// @return a multiple of the page size
    public abstract long sizeBytes();

    /// How many bytes count as its contents (clauses O-62 to O-67).
    ///
    /// @return 0 for physical and contiguous objects
    public abstract long streamSizeBytes();

    /// Whether its size can be changed.
    ///
    /// @return fixed when it was made
    public abstract boolean isResizable();

    /// Whether its pages may be taken back while it is unlocked.
    ///
    /// @return fixed when it was made
    public abstract boolean isDiscardable();

    /// Whether its frames are physically consecutive and owned by it.
    ///
    /// @return fixed when it was made
    public abstract boolean isContiguous();

    /// Whether it has pages of its own, rather than a fixed physical range.
    ///
    /// @return false for physical objects
    public final boolean isPaged() {
        return this instanceof PagedVmo;
    }

    /// Where its pages come from.
    ///
    /// @return never null
    public abstract CommitPolicy policy();

    /// How processors cache it (clause O-238).
    ///
    /// @return never changes while it is mapped
    public final CachePolicy cachePolicy() {
        return cachePolicy;
    }

    /// What the object is and what it costs (clauses O-215 to O-227).
    ///
    /// @return one moment
    public final VmoInfo info() {
        lock().lock();
        try {
            var cost = new Attribution();
            attribute(0, sizeBytes(), cost);
            return new VmoInfo(
                    koid(),
                    name(),
                    sizeBytes(),
                    parentKoid(),
                    childCount(),
                    ownMappings.count(),
                    ownMappings.shareCount(),
                    typeFlags(),
                    cachePolicy,
                    cost.populatedBytes,
                    cost.privateBytes,
                    cost.scaledBytes,
                    cost.fractionalScaledBytes,
                    metadataBytes());
        } finally {
            lock().unlock();
        }
    }

    final Attribution attribution(long offset, long len) {
        lock().lock();
        try {
            var cost = new Attribution();
            if (Long.compareUnsigned(offset, sizeBytes()) < 0) {
                attribute(offset, VmoMath.min(len, sizeBytes() - offset), cost);
            }
            return cost;
        } finally {
            lock().unlock();
        }
    }

    // ---- bytes

    /// Copies bytes out; pages that were never written read as zeros and stay so (clauses O-38 to
    /// O-50).
    ///
    /// @param offset first byte
    /// @param target receives the bytes; its size is the length
    /// @throws ZxException in this order: NOT_SUPPORTED for a physical object; OUT_OF_RANGE when
    ///   the end wraps; BAD_STATE unless the cache policy is CACHED; OUT_OF_RANGE when the range
    ///   leaves the object; NOT_FOUND when its contents were discarded
    public abstract void read(long offset, MemorySegment target);

    /// Copies bytes in, all or none; takes frames for exactly the pages touched (clause O-45).
    ///
    /// @param offset first byte
    /// @param source the bytes; its size is the length
    /// @throws ZxException as [#read]; NO_MEMORY
    public abstract void write(long offset, MemorySegment source);

    /// Copies bytes out.
    ///
    /// @param offset first byte
    /// @param length how many
    /// @return the bytes
    /// @throws ZxException as [#read(long, MemorySegment)]
    /// @throws IllegalArgumentException when the length is negative
    public final byte[] read(long offset, int length) {
        if (length < 0) {
            throw new IllegalArgumentException("length=" + length + " is negative");
        }
        requireReadable(offset, length); // before memory is taken for what cannot be read
        byte[] bytes = new byte[length];
        read(offset, MemorySegment.ofArray(bytes));
        return bytes;
    }

    /// Copies bytes in.
    ///
    /// @param offset first byte
    /// @param bytes the bytes
    /// @throws ZxException as [#write(long, MemorySegment)]
    public final void write(long offset, byte[] bytes) {
        write(offset, MemorySegment.ofArray(bytes));
    }

    // ---- sizes

    /// Changes the size (clauses O-52 to O-61). Pages past the new end are gone at once, from every
    /// mapping too; what grows reads as zeros.
    ///
    /// @param newSizeBytes rounded up to whole pages; the stream size becomes this, unrounded
    /// @throws ZxException in this order: UNAVAILABLE for physical and contiguous objects;
    ///   OUT_OF_RANGE when it wraps; UNAVAILABLE when not resizable; OUT_OF_RANGE when larger than
    ///   an object can be; BAD_STATE when a pinned page would go; INVALID_ARGS when offsets of
    ///   snapshots would wrap; NO_MEMORY
    public abstract void setSize(long newSizeBytes);

    /// Changes the stream size and zeroes what follows the smaller of the two (clauses O-64 to
    /// O-66).
    ///
    /// @param newStreamSizeBytes at most the size
    /// @throws ZxException NOT_SUPPORTED for physical and contiguous objects; OUT_OF_RANGE when
    ///   larger than the object; NO_MEMORY
    public abstract void setStreamSize(long newStreamSizeBytes);

    // ---- ranges

    /// Takes frames for every page of a range, all or none (clauses O-76 to O-84).
    ///
    /// @param offset first byte, rounded down to a page
    /// @param len how many bytes, the end rounded up to a page
    /// @throws ZxException NOT_SUPPORTED for physical objects; OUT_OF_RANGE; NOT_FOUND when
    ///   discarded; NO_MEMORY
    public final void commit(long offset, long len) {
        PageWait.whenReady(this, PageAccess.COMMIT, offset, len, left -> opCommit(offset, left));
    }

    /// Gives the pages of a range back; they read as zeros (clauses O-85 to O-90).
    ///
    /// @param offset first byte, page aligned
    /// @param len how many bytes, page aligned
    /// @throws ZxException in this order: NOT_SUPPORTED for physical and contiguous objects;
    ///   OUT_OF_RANGE; NOT_SUPPORTED while snapshots of it, or it and what it is a snapshot of, are
    ///   alive; INVALID_ARGS when unaligned; BAD_STATE when a page is pinned
    public final void decommit(long offset, long len) {
        opDecommit(offset, len);
    }

    /// Makes the bytes of a range zero, giving whole pages back where possible (clauses O-91 to
    /// O-106).
    ///
    /// @param offset first byte
    /// @param len how many bytes
    /// @throws ZxException NOT_SUPPORTED for physical objects; OUT_OF_RANGE; BAD_STATE when a page
    ///   must be written in place and the policy is not CACHED; NO_MEMORY
    public final void zero(long offset, long len) {
        PageWait.whenReady(this, PageAccess.ZERO, offset, len, all -> opZero(offset, all));
    }

    /// Brings the pages of a range in where a pager has them (clause O-107); elsewhere only the
    /// range is checked.
    ///
    /// @param offset first byte, rounded down to a page
    /// @param len how many bytes, the end rounded up to a page
    /// @throws ZxException OUT_OF_RANGE; what the pager answers
    public final void prefetch(long offset, long len) {
        PageWait.whenReady(this, PageAccess.READ, offset, len, all -> opPrefetch(offset, all));
    }

    /// Says what a program expects of a range (clauses O-116 to O-119). Without a pager it has no
    /// effect, even out of range.
    ///
    /// @param hint with ALWAYS_NEED a pager is asked for what is not there; that it fails does not
    ///   matter
    /// @param offset first byte, rounded down to a page
    /// @param len how many bytes, the end rounded up to a page
    /// @throws ZxException OUT_OF_RANGE for an object with a pager
    public final void hint(VmoHint hint, long offset, long len) {
        opHint(hint, offset, len);
        if (isPagerBacked() && hint == VmoHint.ALWAYS_NEED) {
            try {
                prefetch(offset, len);
            } catch (ZxException notNow) {
                // A hint asks for no more than a try.
            }
        }
    }

    /// What is left of [#prefetch] when the pages are there.
    final void opPrefetch(long offset, long len) {
        requireInside("O-107", offset, len);
    }

    /// The checks of [#hint].
    final void opHint(VmoHint hint, long offset, long len) {
        Objects.requireNonNull(hint, "hint");
        if (isPagerBacked()) {
            requireInside("O-117", offset, len);
        }
    }

    /// Keeps the pages of a range where they are until they are unpinned (clauses O-121 to O-128).
    /// Takes frames for those that have none of their own.
    ///
    /// @param offset first byte, page aligned
    /// @param len how many bytes, a positive multiple of the page size
    /// @return where the pages are, to close; it keeps this object alive
    /// @throws ZxException INVALID_ARGS when unaligned or empty; OUT_OF_RANGE; UNAVAILABLE when a
    ///   page has as many pins as it can; NOT_FOUND when discarded; NO_MEMORY
    public final PinnedPages pin(long offset, long len) {
        return PinnedPages.pin(this, offset, len);
    }

    // ---- discarding

    /// Locks the contents of a discardable object against being taken back (clauses O-109 and
    /// O-110). Locks nest.
    ///
    /// @return whether the contents had been taken back; then they read as zeros from now on
    /// @throws ZxException NOT_SUPPORTED when the object is not discardable
    public abstract boolean lockContents();

    /// Locks the contents of a discardable object unless they were taken back (clause O-109).
    ///
    /// @return whether they are locked now
    /// @throws ZxException NOT_SUPPORTED when the object is not discardable
    public abstract boolean tryLockContents();

    /// Takes one lock back (clause O-112); after the last, the contents may be taken back.
    ///
    /// @throws ZxException NOT_SUPPORTED when the object is not discardable; BAD_STATE when it is
    ///   not locked
    public abstract void unlockContents();

    /// Takes all pages of a discardable object back if it was locked before and is not now, no page
    /// is pinned and none mapped with HIGH priority (clauses O-260 and V-274): what a kernel short
    /// of memory does. Every access is NOT_FOUND then until the next lock.
    ///
    /// @return how many pages were freed
    /// @throws ZxException NOT_SUPPORTED when the object is not discardable; what the page table
    ///   answers when it refuses to remove an entry, with nothing freed and nothing discarded
    public abstract long reclaim();

    // ---- children

    /// Makes a child: a snapshot, a slice or a reference (section 9 of the contract).
    ///
    /// Without a pager every snapshot is a full one (clause O-156). With one, a snapshot follows
    /// what the pager brings, and what is written to that, page by page until the page is written,
    /// committed or zeroed through the snapshot (clause O-161). Of what was written to a snapshot
    /// before, SNAPSHOT_MODIFIED has a copy as of now (clause O-163), and
    /// SNAPSHOT_AT_LEAST_ON_WRITE follows it too, unless that one shares pages with a snapshot.
    ///
    /// @param options one type, and the extras that go with it
    /// @param offset where in this object the child starts
    /// @param sizeBytes the child's size, rounded up to whole pages
    /// @return an object to close
    /// @throws ZxException in the order of clauses O-130, O-134, O-143 and O-150; with a pager
    ///   NOT_SUPPORTED for SNAPSHOT, for a copy of a slice's pages (clause O-158), and for a copy
    ///   of the pages of a snapshot that follows another or is followed (clause O-159)
    public abstract VmObject createChild(Set<VmoChildOption> options, long offset, long sizeBytes);

    /// Makes a copy of a range as of now; pages are shared until one side writes (clause O-160).
    ///
    /// @param offset where it starts, page aligned
    /// @param sizeBytes its size
    /// @return an object to close
    /// @throws ZxException as [#createChild]
    public final VmObject createSnapshot(long offset, long sizeBytes) {
        return createChild(EnumSet.of(VmoChildOption.SNAPSHOT), offset, sizeBytes);
    }

    /// Makes a window on a part of the object (clause O-136).
    ///
    /// @param offset where it starts, page aligned
    /// @param sizeBytes its size
    /// @return an object to close
    /// @throws ZxException as [#createChild]
    public final VmObject createSlice(long offset, long sizeBytes) {
        return createChild(EnumSet.of(VmoChildOption.SLICE), offset, sizeBytes);
    }

    /// Makes another name for the object.
    final VmObject createReference() {
        return createChild(EnumSet.of(VmoChildOption.REFERENCE), 0, 0);
    }

    // ---- cache policy

    /// Changes how processors cache the object (clauses O-238 to O-243).
    ///
    /// @param policy the new policy
    /// @throws ZxException BAD_STATE while pages are pinned, while it is mapped, while it has
    ///   children or is one, or when it is discardable or has a pager and the policy is not CACHED
    public final void setCachePolicy(CachePolicy policy) {
        CachePolicyOp.run(this, policy);
    }

    /// Sets what [#cachePolicy()] answers; with the lock held.
    final void noteCachePolicy(CachePolicy policy) {
        cachePolicy = policy;
    }

    // ---- mappings

    /// How many mappings of HIGH priority show its pages, its slices and references and what it is
    /// one of included (clause V-274). Snapshots do not count for each other; those that show what
    /// a pager brought count for the objects they show it of. While there is one, [#reclaim()]
    /// takes nothing back.
    ///
    /// @return 0 or more
    public final int highPriorityCount() {
        lock().lock();
        try {
            return countHighPriority();
        } finally {
            lock().unlock();
        }
    }

    /// The mappings that were made of this object.
    final OwnMappings ownMappings() {
        return ownMappings;
    }

    /// How many mappings there are of this object (clause V-219).
    final int mappingCount() {
        lock().lock();
        try {
            return ownMappings.count();
        } finally {
            lock().unlock();
        }
    }

    /// How many address spaces map it; 1 if fewer than two mappings (clause O-219).
    final int shareCount() {
        lock().lock();
        try {
            return ownMappings.shareCount();
        } finally {
            lock().unlock();
        }
    }

    // ---- checks that objects share

    final void requireInside(String clause, long offset, long len) {
        if (!VmoMath.isInside(offset, len, sizeBytes())) {
            throw VmErrors.outOfRange(
                    clause,
                    "offset=%s len=%s leaves the object's size=%s"
                            .formatted(
                                    VmoMath.hex(offset),
                                    VmoMath.hex(len),
                                    VmoMath.hex(sizeBytes())));
        }
    }

    @Override
    public final String toString() {
        return "vmo " + koid() + " of " + VmoMath.hex(sizeBytes()) + " bytes";
    }
}
