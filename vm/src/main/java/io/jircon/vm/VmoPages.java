package io.jircon.vm;

import io.jircon.kobject.ZxStatus;
import java.util.Set;
import java.util.function.IntToLongFunction;
import org.jspecify.annotations.Nullable;

/// The pages of a memory object as operations and mappings see them: what each kind of object has
/// to answer behind the calls of [VmObject].
///
/// The operations check their ranges and take the family's lock themselves; whatever else is here
/// is called with it held, unless it says otherwise. Offsets are those of the object.
abstract sealed class VmoPages extends VmoLife permits VmObject {
    /// What [#nextExisting] answers when there is none. No page starts there.
    static final long NO_PAGE = -1L;

    VmoPages(Machine machine, VmoFamily family, @Nullable VmObject parent) {
        super(machine, family, parent);
    }

    // ---- operations

    /// The checks of [VmObject#read(long, java.lang.foreign.MemorySegment)].
    abstract void requireReadable(long offset, long len);

    /// [VmObject#commit] of pages that need not be waited for.
    abstract void opCommit(long offset, long len);

    /// [VmObject#decommit].
    abstract void opDecommit(long offset, long len);

    /// [VmObject#zero] of pages that need not be waited for.
    abstract void opZero(long offset, long len);

    // ---- the seam to mappings

    /// Has an operation on a range wait for pages, if it needs some that are not there. A range
    /// outside the object is left to the operation.
    ///
    /// @return whether it has to wait
    /// @throws io.jircon.kobject.ZxException BAD_STATE when there is no pager any more to ask
    abstract boolean mustWait(PageWait wait, PageAccess access, long offset, long len);

    /// Finds the page at an offset for an access.
    ///
    /// @param offset page aligned
    /// @param write whether it will be written: then the page becomes this object's own
    /// @return OK; OUT_OF_RANGE past the end; NOT_FOUND when discarded; SHOULD_WAIT when a pager
    ///   has to be asked, BAD_STATE when it cannot be; NO_MEMORY with nothing changed
    abstract ZxStatus lookupPage(long offset, boolean write, PageLookup out);

    /// Takes back what [#lookupPage] changed, before the lock is given up.
    abstract void undoLookup(long offset, PageLookup lookup);

    /// Collects the run of pages that exist from an offset on.
    ///
    /// @param offset page aligned
    abstract void existingPages(long offset, long maxPages, PageRun out);

    /// Offset of the first page in `[offset, offset + len)` that exists, or [#NO_PAGE].
    abstract long nextExisting(long offset, long len);

    abstract MappingIndex mappings();

    /// Notes that a mapping went or shows another part: faults that wait look again.
    abstract void mappingsChanged();

    /// Where this object's offset 0 lies in what [#mappings()] is about.
    abstract long windowOffset();

    /// What [VmObject#highPriorityCount()] answers.
    int countHighPriority() {
        return mappings().highPriorityCount();
    }

    // ---- pins

    abstract boolean hasPins();

    /// Pins whole pages inside the object, all or none.
    ///
    /// @return the physical address of each, by its number from 0
    abstract IntToLongFunction pinPages(long offset, long len);

    abstract void unpinPages(long offset, long len);

    // ---- what it is and costs

    /// Whether a pager is asked for its pages; fixed when it was made, so also without the lock.
    abstract boolean isPagerBacked();

    abstract Set<VmoInfo.Flag> typeFlags();

    abstract boolean isChild();

    abstract long metadataBytes();

    /// Adds up what the pages of a range cost (clause O-223).
    abstract void attribute(long offset, long len, Attribution out);
}
