package io.jircon.vm;

import static io.jircon.vm.VmoMath.PAGE;

import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.Set;
import java.util.function.IntToLongFunction;
import org.jspecify.annotations.Nullable;

/// A fixed physical range, or a slice of one (clauses O-23 to O-25).
final class PhysicalVmo extends VmObject {
    /// Slices share it with the object they are slices of.
    private final MappingIndex mappings;

    private final CommitPolicy.Linear policy;
    private final long windowOffset;
    private final long sizeBytes;
    private final boolean slice;

    private PhysicalVmo(
            Machine machine,
            VmoFamily family,
            @Nullable VmObject parent,
            CachePolicy cachePolicy,
            MappingIndex mappings,
            long paddr,
            long windowOffset,
            long sizeBytes) {
        super(machine, family, parent, cachePolicy);
        this.mappings = mappings;
        this.policy = new CommitPolicy.Linear(paddr);
        this.windowOffset = windowOffset;
        this.sizeBytes = sizeBytes;
        this.slice = parent != null;
    }

    static PhysicalVmo make(Machine machine, long paddr, long sizeBytes, CachePolicy cachePolicy) {
        if (sizeBytes == 0 || !VmoMath.isAligned(sizeBytes)) {
            throw VmErrors.invalidArgs(
                    "O-23",
                    "sizeBytes=" + VmoMath.hex(sizeBytes) + " is no positive multiple of a page");
        }
        if (!VmoMath.isAligned(paddr)) {
            throw VmErrors.invalidArgs(
                    "O-23", "paddr=" + VmoMath.hex(paddr) + " is not page aligned");
        }
        if (VmoMath.sumWraps(paddr, sizeBytes - 1)) {
            throw VmErrors.invalidArgs(
                    "O-23",
                    "paddr="
                            + VmoMath.hex(paddr)
                            + " plus sizeBytes="
                            + VmoMath.hex(sizeBytes)
                            + " wraps");
        }
        return new PhysicalVmo(
                machine,
                new VmoFamily(),
                null,
                cachePolicy,
                new MappingIndex(),
                paddr,
                0,
                sizeBytes);
    }

    @Override
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public long streamSizeBytes() {
        return 0;
    }

    @Override
    public boolean isResizable() {
        return false;
    }

    @Override
    public boolean isDiscardable() {
        return false;
    }

    @Override
    public boolean isContiguous() {
        return false;
    }

    @Override
    public CommitPolicy policy() {
        return policy;
    }

    @Override
    void requireReadable(long offset, long len) {
        throw notSupported("read");
    }

    @Override
    public void read(long offset, MemorySegment target) {
        throw notSupported("read");
    }

    @Override
    public void write(long offset, MemorySegment source) {
        throw notSupported("write");
    }

    @Override
    public void setSize(long newSizeBytes) {
        throw ZxException.of(
                ZxStatus.UNAVAILABLE,
                "O-52",
                "vmo",
                "koid " + koid(),
                "is physical: its size is fixed");
    }

    @Override
    public void setStreamSize(long newStreamSizeBytes) {
        throw notSupported("setStreamSize");
    }

    @Override
    void opCommit(long offset, long len) {
        throw notSupported("commit");
    }

    @Override
    void opDecommit(long offset, long len) {
        throw notSupported("decommit");
    }

    @Override
    void opZero(long offset, long len) {
        throw notSupported("zero");
    }

    private ZxException notSupported(String operation) {
        return VmErrors.notSupported("O-25", operation + " of the physical object koid " + koid());
    }

    @Override
    boolean mustWait(PageWait wait, PageAccess access, long offset, long len) {
        return false;
    }

    @Override
    void mappingsChanged() {
        // Nobody waits for what is there.
    }

    /// The frames of a physical range never move: there is nothing to keep in place.
    @Override
    IntToLongFunction pinPages(long offset, long len) {
        return page -> policy.base() + offset + page * PAGE;
    }

    @Override
    void unpinPages(long offset, long len) {
        // The frames belong to somebody else and never move.
    }

    @Override
    public boolean lockContents() {
        throw notSupported("lockContents");
    }

    @Override
    public boolean tryLockContents() {
        throw notSupported("tryLockContents");
    }

    @Override
    public void unlockContents() {
        throw notSupported("unlockContents");
    }

    @Override
    public long reclaim() {
        throw notSupported("reclaim");
    }

    @Override
    public VmObject createChild(Set<VmoChildOption> options, long offset, long childSizeBytes) {
        ChildOp.requireChildOptions(this, options, childSizeBytes);
        if (options.contains(VmoChildOption.REFERENCE)) {
            ChildOp.requireNoRange(offset, childSizeBytes);
            throw VmErrors.notSupported("O-143", "vmo=koid " + koid() + " is physical");
        }
        if (!options.contains(VmoChildOption.SLICE)) {
            throw notSupported("createChild with " + options);
        }
        ChildOp.requireInsideParent(this, offset, childSizeBytes);
        lock().lock();
        try {
            requireHeld();
            var child =
                    new PhysicalVmo(
                            machine,
                            family,
                            this,
                            cachePolicy(),
                            mappings,
                            policy.base() + offset,
                            windowOffset + offset,
                            VmoMath.up(childSizeBytes));
            child.setName(name());
            adopt(child);
            return child;
        } finally {
            lock().unlock();
        }
    }

    @Override
    boolean isPagerBacked() {
        return false;
    }

    @Override
    Set<VmoInfo.Flag> typeFlags() {
        return EnumSet.noneOf(VmoInfo.Flag.class);
    }

    @Override
    long metadataBytes() {
        return 0;
    }

    @Override
    void attribute(long offset, long len, Attribution out) {
        // Nothing here is owned (clause O-227).
    }

    @Override
    boolean hasPins() {
        return false;
    }

    @Override
    boolean isChild() {
        return slice;
    }

    @Override
    ZxStatus lookupPage(long offset, boolean write, PageLookup out) {
        out.fresh = false;
        if (Long.compareUnsigned(offset, sizeBytes) >= 0) {
            return ZxStatus.OUT_OF_RANGE;
        }
        out.paddr = policy.base() + offset;
        out.writable = true;
        return ZxStatus.OK;
    }

    @Override
    void undoLookup(long offset, PageLookup lookup) {
        // A lookup takes nothing.
    }

    @Override
    void existingPages(long offset, long maxPages, PageRun out) {
        out.writable = true;
        out.count = 0;
        while (out.count < Math.min(maxPages, out.paddrs.length)) {
            long at = offset + out.count * PAGE;
            if (Long.compareUnsigned(at, sizeBytes) >= 0) {
                return;
            }
            out.paddrs[out.count++] = policy.base() + at;
        }
    }

    @Override
    long nextExisting(long offset, long len) {
        return len != 0 && Long.compareUnsigned(offset, sizeBytes) < 0 ? offset : NO_PAGE;
    }

    @Override
    MappingIndex mappings() {
        return mappings;
    }

    @Override
    long windowOffset() {
        return windowOffset;
    }

    @Override
    void release() {
        // The frames belong to somebody else.
    }
}
