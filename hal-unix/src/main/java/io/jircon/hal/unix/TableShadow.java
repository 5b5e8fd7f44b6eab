package io.jircon.hal.unix;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageFault;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PageWalk;
import io.jircon.hal.PagingException;
import io.jircon.hal.TableBounds;
import io.jircon.hal.WalkResult;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a page table knows about its entries, since the host's own tables cannot be read: every
/// question about an entry, and why an access is refused, is answered from here.
///
/// The questions take no lock and see each page as it was before or after a change. [#runs] is
/// changed by the page table, under its lock.
final class TableShadow {
    private final TableBounds bounds;
    private final PageRuns runs;
    private volatile boolean closed;

    /// Makes a shadow without entries.
    TableShadow(TableBounds bounds) {
        this.bounds = bounds;
        this.runs = new PageRuns(bounds.pageOf(bounds.last()) + 1);
    }

    PageRuns runs() {
        return runs;
    }

    /// From now on no access is allowed.
    void close() {
        closed = true;
    }

    boolean isClosed() {
        return closed;
    }

    /// The entry of the page that an address lies in.
    ///
    /// @param vaddr an address of the table
    /// @return never NONE
    /// @throws PagingException NOT_MAPPED when there is none
    long entryAt(long vaddr) {
        long entry = runs.get(bounds.pageOf(vaddr));
        if (entry == ShadowEntry.NONE) {
            throw PagingException.notMapped(vaddr);
        }
        return entry;
    }

    /// As [PageTableTrait#query], of an open table.
    PageMapping query(long vaddr) {
        if (!bounds.contains(vaddr)) {
            throw PagingException.notMapped(vaddr);
        }
        return mapping(entryAt(vaddr), vaddr);
    }

    /// As [PageTableTrait#translate], of an open table.
    long translate(long vaddr) {
        long entry = bounds.contains(vaddr) ? runs.get(bounds.pageOf(vaddr)) : ShadowEntry.NONE;
        return entry == ShadowEntry.NONE
                ? PageTableTrait.NO_TRANSLATION
                : ShadowEntry.paddr(entry) + offsetInPage(vaddr);
    }

    /// As [PageTableTrait#hardwareWalk].
    boolean walk(long vaddr, AccessKind access, WalkResult result) {
        result.depth = 0;
        result.entriesRead = 0;
        result.leafShift = PageSize.BASE_SHIFT;
        result.cause = FaultCause.ADDRESS_SIZE;
        if (!bounds.contains(vaddr)) {
            return false;
        }
        long entry = allowedEntry(vaddr);
        result.flagBits = ShadowEntry.flagBits(entry);
        result.paddr = ShadowEntry.paddr(entry) + offsetInPage(vaddr);
        FaultCause cause = refusal(entry, access.requiredBits());
        result.cause = cause == null ? FaultCause.NOT_PRESENT : cause;
        return cause == null;
    }

    /// As [PageTableTrait#explain], of an open table. There are no steps.
    PageWalk explain(long vaddr, AccessKind access) {
        var result = new WalkResult();
        if (!walk(vaddr, access, result)) {
            var fault = new PageFault(vaddr, access, result.cause);
            return new PageWalk(vaddr, access, List.of(), null, fault);
        }
        var found = new PageMapping(result.paddr, MmuFlags.of(result.flagBits), PageSize.SIZE_4K);
        return new PageWalk(vaddr, access, List.of(), found, null);
    }

    /// Why an access is refused.
    ///
    /// @param vaddr any address
    /// @return the cause, or null when the entry allows the access
    @Nullable FaultCause refusal(long vaddr, AccessKind access) {
        return bounds.contains(vaddr)
                ? refusal(allowedEntry(vaddr), access.requiredBits())
                : FaultCause.ADDRESS_SIZE;
    }

    /// How many bytes from an address on may be executed.
    ///
    /// @param vaddr an address of the table
    /// @param limit the most to answer, more than 0
    /// @return 0 to limit; not past the table's addresses
    long executableBytes(long vaddr, long limit) {
        long bytes = 0;
        while (bytes < limit && refusal(vaddr + bytes, AccessKind.EXECUTE) == null) {
            bytes += PageSize.BASE_BYTES - offsetInPage(vaddr + bytes);
        }
        return Math.min(bytes, limit);
    }

    /// What an entry says about an address in its page.
    static PageMapping mapping(long entry, long vaddr) {
        return new PageMapping(
                ShadowEntry.paddr(entry) + offsetInPage(vaddr),
                ShadowEntry.flags(entry),
                PageSize.SIZE_4K);
    }

    private long allowedEntry(long vaddr) {
        return closed ? ShadowEntry.NONE : runs.get(bounds.pageOf(vaddr));
    }

    private static @Nullable FaultCause refusal(long entry, int requiredBits) {
        if (entry == ShadowEntry.NONE) {
            return FaultCause.NOT_PRESENT;
        }
        int missing = requiredBits & ~ShadowEntry.flagBits(entry);
        return missing == 0 ? null : FaultCause.PERMISSION;
    }

    private static long offsetInPage(long vaddr) {
        return vaddr & (PageSize.BASE_BYTES - 1);
    }
}
