package io.jircon.hal.unix;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageFault;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PageWalk;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.WalkResult;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// A page table whose entries are mappings of the host: each page shows its frame at a host
/// address, with the host's own protection.
///
/// What the host was told stands once more in a shadow on the heap ([PageRuns]); queries, walks and
/// the cause of a fault come from there, and a refused system call is taken back by it. Pages are 4
/// KiB; runs of them that lie in a row in both the window and the frame file are one mapping.
/// Entries of frames outside the machine's memory (devices) stand in the shadow only: an access
/// faults with [FaultCause#EXTERNAL].
///
/// Flags need READ: the host cannot express write-only, nor execute-only in a way that every access
/// path respects. Memory types and USER are kept and given back, and have no effect on the host.
///
/// One lock guards the changes. [#translate], [#query] and [#hardwareWalk] take none. The order of
/// a change: limit, views of the range end, system calls, shadow, accesses under way are waited
/// for; so that nothing uses a frame through this table once the call that took it away returned.
public final class UnixMmapPageTable implements PageTableTrait {
    private final UnixMmapHal hal;
    private final HostWindow window;
    private final HostFrames frames;
    private final MappingBudget budget;
    private final int tag;
    private final long first;
    private final long last;
    private final PageRuns runs;
    private final ReentrantLock lock = new ReentrantLock();

    @GuardedBy("lock")
    private final EditPlan plan;

    @GuardedBy("lock")
    private final EditPlan.MappingCount mappings = new EditPlan.MappingCount();

    @GuardedBy("lock")
    private final HostEditor editor;

    @GuardedBy("lock")
    private final PinnedViews views = new PinnedViews();

    /// Host mappings of the window, as the budget counts them.
    @GuardedBy("lock")
    private long mappingCount = 1;

    private volatile boolean closed;

    /// The host no longer shows what the shadow says: only closing is left.
    private volatile boolean broken;

    /// Makes an empty table.
    ///
    /// @param hal its machine
    /// @param window belongs to this table from now on, and is counted in the budget
    /// @param first the virtual address of the window's first byte
    /// @param tag unique among the machine's open tables
    UnixMmapPageTable(UnixMmapHal hal, HostWindow window, long first, int tag) {
        this.hal = hal;
        this.window = window;
        this.frames = hal.hostFrames();
        this.budget = hal.budget();
        this.tag = tag;
        this.first = first;
        this.last = first + window.sizeBytes() - 1;
        this.runs = new PageRuns(window.sizeBytes() >>> PageSize.BASE_SHIFT);
        this.plan = new EditPlan(frames);
        this.editor = new HostEditor(window, frames);
    }

    @Override
    public long firstAddress() {
        return first;
    }

    @Override
    public long lastAddress() {
        return last;
    }

    /// Always 0: the host keeps its tables to itself.
    @Override
    public long rootAddress() {
        return 0;
    }

    @Override
    public int tag() {
        return tag;
    }

    @Override
    public boolean supports(MmuFlags flags) {
        return flags.canRead() && Integer.bitCount(flags.bits() & MmuFlags.MEMORY_TYPE_MASK) <= 1;
    }

    @Override
    public boolean supports(PageSize size) {
        return size == PageSize.SIZE_4K;
    }

    /// Where in the host's address space a virtual address lies: the address itself for a USER
    /// table, a fixed distance away for a GUEST table. Java code must never touch it: only
    /// [UnixMmapMmu] and [#pin] may.
    ///
    /// @param vaddr an address of this table
    /// @return the host address
    /// @throws PagingException OUT_OF_RANGE
    public long hostAddress(long vaddr) {
        checkAddress(vaddr);
        return window.address() + (vaddr - first);
    }

    @Override
    public void map(long vaddr, long paddr, PageSize size, MmuFlags flags) {
        lock.lock();
        try {
            checkOpen();
            checkAligned("vaddr", vaddr, size);
            checkAligned("paddr", paddr, size);
            checkRange(vaddr, size.bytes());
            checkFrames(paddr, size.bytes());
            checkFlags(flags);
            if (size != PageSize.SIZE_4K) {
                throw new PagingException(
                        PagingError.NOT_SUPPORTED, "size=" + size + ", leaves here are SIZE_4K");
            }
            plan.clear();
            planRun(pageOf(vaddr), 1, ShadowEntry.of(paddr, flags), OnExisting.ERROR);
            commit(/* shrinking= */ false);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public PageSize remap(long vaddr, long paddr, MmuFlags flags) {
        lock.lock();
        try {
            checkOpen();
            checkAligned("paddr", paddr, PageSize.SIZE_4K);
            checkAddress(vaddr);
            checkFrames(paddr, PageSize.BASE_BYTES);
            checkFlags(flags);
            replace(vaddr, ShadowEntry.of(paddr, flags), entryAt(vaddr));
            return PageSize.SIZE_4K;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public PageSize protect(long vaddr, MmuFlags flags) {
        lock.lock();
        try {
            checkOpen();
            checkAddress(vaddr);
            checkFlags(flags);
            long old = entryAt(vaddr);
            replace(vaddr, ShadowEntry.of(ShadowEntry.paddr(old), flags), old);
            return PageSize.SIZE_4K;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public PageMapping unmap(long vaddr) {
        lock.lock();
        try {
            checkOpen();
            checkAddress(vaddr);
            long old = entryAt(vaddr);
            replace(vaddr, ShadowEntry.NONE, old);
            return mapping(old, 0);
        } finally {
            lock.unlock();
        }
    }

    @GuardedBy("lock")
    private void replace(long vaddr, long wanted, long old) {
        plan.clear();
        plan.add(pageOf(vaddr), 1, old, wanted);
        commit(/* shrinking= */ wanted == ShadowEntry.NONE);
    }

    @Override
    public PageMapping query(long vaddr) {
        checkOpen();
        if (!inRange(vaddr)) {
            throw PagingException.notMapped(vaddr);
        }
        return mapping(entryAt(vaddr), vaddr);
    }

    @Override
    public long translate(long vaddr) {
        checkOpen();
        long entry = inRange(vaddr) ? runs.get(pageOf(vaddr)) : ShadowEntry.NONE;
        return entry == ShadowEntry.NONE
                ? NO_TRANSLATION
                : ShadowEntry.paddr(entry) + offsetInPage(vaddr);
    }

    /// Both kinds of [HugePages] do the same: a run is one mapping of the host, whatever its size.
    @Override
    public void mapRange(
            long vaddr,
            long paddr,
            long sizeBytes,
            MmuFlags flags,
            HugePages huge,
            OnExisting existing) {
        lock.lock();
        try {
            checkOpen();
            checkAligned("vaddr", vaddr, PageSize.SIZE_4K);
            checkAligned("paddr", paddr, PageSize.SIZE_4K);
            checkAligned("sizeBytes", sizeBytes, PageSize.SIZE_4K);
            checkRange(vaddr, sizeBytes);
            checkFrames(paddr, sizeBytes);
            checkFlags(flags);
            plan.clear();
            planRun(
                    pageOf(vaddr),
                    sizeBytes >>> PageSize.BASE_SHIFT,
                    ShadowEntry.of(paddr, flags),
                    existing);
            commit(/* shrinking= */ false);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void mapPages(
            long vaddr, long[] paddrs, int from, int count, MmuFlags flags, OnExisting existing) {
        Objects.checkFromIndexSize(from, count, paddrs.length);
        lock.lock();
        try {
            checkOpen();
            checkAligned("vaddr", vaddr, PageSize.SIZE_4K);
            long sizeBytes = (long) count << PageSize.BASE_SHIFT;
            checkPages(paddrs, from, count, vaddr, sizeBytes);
            checkFlags(flags);
            plan.clear();
            long page = sizeBytes == 0 ? 0 : pageOf(vaddr);
            for (int at = from; at < from + count; ) {
                int next = at + 1;
                while (next < from + count
                        && paddrs[next] == paddrs[next - 1] + PageSize.BASE_BYTES) {
                    next++;
                }
                planRun(page, next - at, ShadowEntry.of(paddrs[at], flags), existing);
                page += next - at;
                at = next;
            }
            commit(/* shrinking= */ false);
        } finally {
            lock.unlock();
        }
    }

    private void checkPages(long[] paddrs, int from, int count, long vaddr, long sizeBytes) {
        for (int i = from; i < from + count; i++) {
            checkAligned("paddr", paddrs[i], PageSize.SIZE_4K);
        }
        checkRange(vaddr, sizeBytes);
        for (int i = from; i < from + count; i++) {
            checkFrames(paddrs[i], PageSize.BASE_BYTES);
        }
    }

    /// Plans to enter a run.
    @GuardedBy("lock")
    private void planRun(long page, long count, long wanted, OnExisting existing) {
        for (long done = 0; done < count; ) {
            long at = page + done;
            long here = ShadowEntry.advance(wanted, done);
            long old = runs.get(at);
            long length = runs.runLength(at, count - done);
            if (old == ShadowEntry.NONE) {
                plan.add(at, length, old, here);
            } else {
                switch (existing) {
                    case ERROR ->
                            throw PagingException.alreadyMapped(
                                    vaddrOf(at), ShadowEntry.paddr(old));
                    case SKIP -> {}
                    case UPGRADE -> planUpgrade(at, length, old, here);
                }
            }
            done += length;
        }
    }

    /// Both runs step alike, so that either all their pages name the same frame or none does.
    @GuardedBy("lock")
    private void planUpgrade(long page, long count, long old, long wanted) {
        long fresh = wanted;
        if (ShadowEntry.paddr(old) == ShadowEntry.paddr(wanted)) {
            int rights = MmuFlags.ACCESS_MASK | MmuFlags.USER_BIT;
            fresh = old | (ShadowEntry.flagBits(wanted) & rights);
        }
        if (fresh != old) {
            plan.add(page, count, old, fresh);
        }
    }

    @Override
    public void unmapRange(long vaddr, long sizeBytes) {
        lock.lock();
        try {
            checkChange(vaddr, sizeBytes);
            planChange(vaddr, sizeBytes, /* keep= */ 0, /* add= */ 0);
            commit(/* shrinking= */ true);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void protectRange(long vaddr, long sizeBytes, MmuFlags flags) {
        lock.lock();
        try {
            checkChange(vaddr, sizeBytes);
            checkFlags(flags);
            planChange(vaddr, sizeBytes, /* keep= */ 0, flags.bits());
            commit(/* shrinking= */ false);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void writeProtectRange(long vaddr, long sizeBytes) {
        lock.lock();
        try {
            checkChange(vaddr, sizeBytes);
            planChange(vaddr, sizeBytes, /* keep= */ ~MmuFlags.WRITE_BIT, /* add= */ 0);
            commit(/* shrinking= */ true);
        } finally {
            lock.unlock();
        }
    }

    @GuardedBy("lock")
    private void checkChange(long vaddr, long sizeBytes) {
        checkOpen();
        checkAligned("vaddr", vaddr, PageSize.SIZE_4K);
        checkAligned("sizeBytes", sizeBytes, PageSize.SIZE_4K);
        checkRange(vaddr, sizeBytes);
    }

    /// Plans new flags for the entries of a range; none left means that the entry goes. Then pages
    /// without an entry are planned as well: one call of the host may run across them.
    @GuardedBy("lock")
    private void planChange(long vaddr, long sizeBytes, int keep, int add) {
        plan.clear();
        boolean removes = (keep | add) == 0;
        long end = pageOf(vaddr) + (sizeBytes >>> PageSize.BASE_SHIFT);
        for (long page = pageOf(vaddr); page < end; ) {
            long count = runs.runLength(page, end - page);
            long old = runs.get(page);
            if (removes) {
                plan.add(page, count, old, ShadowEntry.NONE);
            } else if (old != ShadowEntry.NONE) {
                int bits = (ShadowEntry.flagBits(old) & keep) | add;
                long wanted = ShadowEntry.withFlagBits(old, bits);
                if (wanted != old) {
                    plan.add(page, count, old, wanted);
                }
            }
            page += count;
        }
    }

    /// Makes what is planned happen, all or nothing.
    @GuardedBy("lock")
    private void commit(boolean shrinking) {
        if (plan.size() == 0) {
            return;
        }
        plan.countMappings(runs, window.sizeBytes() >>> PageSize.BASE_SHIFT, mappings);
        if (plan.weakens()) {
            views.end(plan);
        }
        budget.take(mappings.peak, mappings.change, shrinking);
        try {
            editor.carryOut(plan);
        } catch (PagingException refused) {
            budget.giveBack(mappings.change);
            broken = editor.isBroken();
            throw refused;
        }
        mappingCount += mappings.change;
        for (int edit = 0; edit < plan.size(); edit++) {
            if (plan.before(edit) != plan.after(edit)) {
                runs.set(plan.page(edit), plan.count(edit), plan.after(edit));
            }
        }
        if (plan.weakens()) {
            hal.awaitAccesses(this);
        }
    }

    @Override
    public void forEachLeaf(long vaddr, long sizeBytes, LeafVisitor visitor) {
        var leaves = new EditPlan(frames);
        lock.lock();
        try {
            checkChange(vaddr, sizeBytes);
            long end = pageOf(vaddr) + (sizeBytes >>> PageSize.BASE_SHIFT);
            for (long page = pageOf(vaddr); page < end; ) {
                long count = runs.runLength(page, end - page);
                long entry = runs.get(page);
                leaves.add(page, count, entry, entry);
                page += count;
            }
        } finally {
            lock.unlock();
        }
        for (int run = 0; run < leaves.size(); run++) {
            long entry = leaves.before(run);
            long count = entry == ShadowEntry.NONE ? 0 : leaves.count(run);
            for (long i = 0; i < count; i++) {
                visitor.leaf(
                        vaddrOf(leaves.page(run) + i),
                        ShadowEntry.paddr(ShadowEntry.advance(entry, i)),
                        PageSize.SIZE_4K,
                        ShadowEntry.flags(entry));
            }
        }
    }

    /// Looks into the shadow, which allows what the host allows; a closed table allows nothing.
    @Override
    public boolean hardwareWalk(long vaddr, AccessKind access, WalkResult result) {
        result.depth = 0;
        result.entriesRead = 0;
        result.leafShift = PageSize.BASE_SHIFT;
        result.cause = FaultCause.ADDRESS_SIZE;
        if (!inRange(vaddr)) {
            return false;
        }
        long entry = closed ? ShadowEntry.NONE : runs.get(pageOf(vaddr));
        result.flagBits = ShadowEntry.flagBits(entry);
        result.paddr = ShadowEntry.paddr(entry) + offsetInPage(vaddr);
        FaultCause cause = refusal(entry, access.requiredBits());
        result.cause = cause == null ? FaultCause.NOT_PRESENT : cause;
        return cause == null;
    }

    /// There are no steps: the host's own tables cannot be read.
    @Override
    public PageWalk explain(long vaddr, AccessKind access) {
        checkOpen();
        var result = new WalkResult();
        if (!hardwareWalk(vaddr, access, result)) {
            var fault = new PageFault(vaddr, access, result.cause);
            return new PageWalk(vaddr, access, List.of(), null, fault);
        }
        var found = new PageMapping(result.paddr, MmuFlags.of(result.flagBits), PageSize.SIZE_4K);
        return new PageWalk(vaddr, access, List.of(), found, null);
    }

    /// Always 0: the host keeps its tables to itself.
    @Override
    public long tableFrames() {
        return 0;
    }

    /// Opens a range to plain memory access, without a system call for each: a view of the very
    /// host addresses, with the host's own protection.
    ///
    /// The view lives until it is closed, or until an operation on this table takes an entry, a
    /// frame or a needed right from one of its pages, or closes the table: those end it first, and
    /// later uses of the segment throw [IllegalStateException]. A use can so never reach a page
    /// that is not there.
    ///
    /// @param vaddr virtual address of the first byte
    /// @param sizeBytes length, more than 0
    /// @param access READ for a read-only view, or WRITE
    /// @return the view, which the caller closes
    /// @throws PagingException BAD_STATE when the table is closed; OUT_OF_RANGE; NOT_MAPPED when a
    ///   page has no entry or its frame is outside the memory; NOT_SUPPORTED when a page does not
    ///   allow the access, and for EXECUTE
    public MappedView pin(long vaddr, long sizeBytes, AccessKind access) {
        lock.lock();
        try {
            checkOpen();
            if (sizeBytes <= 0) {
                throw PagingException.outOfRange("sizeBytes", sizeBytes, "is not more than 0");
            }
            checkRange(vaddr, sizeBytes);
            if (access == AccessKind.EXECUTE) {
                throw new PagingException(
                        PagingError.NOT_SUPPORTED, "access=EXECUTE, a view reads or writes");
            }
            long firstPage = pageOf(vaddr);
            long endPage = pageOf(vaddr + sizeBytes - 1) + 1;
            for (long page = firstPage; page < endPage; page++) {
                checkPinnable(page, access);
            }
            return views.open(
                    window.address() + (vaddr - first), sizeBytes, firstPage, endPage, access);
        } finally {
            lock.unlock();
        }
    }

    private void checkPinnable(long page, AccessKind access) {
        long entry = runs.get(page);
        if (frames.hostPage(entry) == HostFrames.NO_HOST_PAGE) {
            throw PagingException.notMapped(vaddrOf(page));
        }
        if ((access.requiredBits() & ~ShadowEntry.flagBits(entry)) != 0) {
            throw new PagingException(
                    PagingError.NOT_SUPPORTED,
                    "vaddr="
                            + hex(vaddrOf(page))
                            + " allows "
                            + ShadowEntry.flags(entry)
                            + ", not "
                            + access);
        }
    }

    /// How many host mappings the window consists of, neighbours merged as the host merges them.
    ///
    /// @return at least 1; 0 after close
    public long hostMappings() {
        lock.lock();
        try {
            return mappingCount;
        } finally {
            lock.unlock();
        }
    }

    /// Ends the views, waits for accesses under way and gives the window back.
    @Override
    public void close() {
        lock.lock();
        try {
            if (closed) {
                return;
            }
            views.endAll();
            closed = true;
            hal.awaitAccesses(this);
            hal.forget(this);
            budget.giveBack(mappingCount);
            mappingCount = 0;
            if (!broken) {
                window.release();
            } // else something else may be mapped in a hole of it: the addresses are left alone
        } finally {
            lock.unlock();
        }
    }

    boolean isClosed() {
        return closed;
    }

    boolean isOf(UnixMmapHal machine) {
        return hal == machine;
    }

    /// Runs something while nothing can change this table.
    void holdStill(Runnable action) {
        lock.lock();
        try {
            action.run();
        } finally {
            lock.unlock();
        }
    }

    /// Why the shadow refuses an access.
    ///
    /// @return the cause, or null when the entry allows it
    @Nullable FaultCause refusal(long vaddr, AccessKind access) {
        if (!inRange(vaddr)) {
            return FaultCause.ADDRESS_SIZE;
        }
        long entry = closed ? ShadowEntry.NONE : runs.get(pageOf(vaddr));
        return refusal(entry, access.requiredBits());
    }

    private static @Nullable FaultCause refusal(long entry, int requiredBits) {
        if (entry == ShadowEntry.NONE) {
            return FaultCause.NOT_PRESENT;
        }
        int missing = requiredBits & ~ShadowEntry.flagBits(entry);
        return missing == 0 ? null : FaultCause.PERMISSION;
    }

    /// How many bytes from an address on may be executed.
    ///
    /// @param vaddr an address of this table
    /// @param limit the most to answer, more than 0
    /// @return 0 to limit; not past the window
    long executableBytes(long vaddr, long limit) {
        long bytes = 0;
        while (bytes < limit && refusal(vaddr + bytes, AccessKind.EXECUTE) == null) {
            bytes += PageSize.BASE_BYTES - offsetInPage(vaddr + bytes);
        }
        return Math.min(bytes, limit);
    }

    boolean inRange(long vaddr) {
        return Long.compareUnsigned(vaddr - first, last - first) <= 0;
    }

    private long pageOf(long vaddr) {
        return (vaddr - first) >>> PageSize.BASE_SHIFT;
    }

    private long vaddrOf(long page) {
        return first + (page << PageSize.BASE_SHIFT);
    }

    private static long offsetInPage(long vaddr) {
        return vaddr & (PageSize.BASE_BYTES - 1);
    }

    private long entryAt(long vaddr) {
        long entry = runs.get(pageOf(vaddr));
        if (entry == ShadowEntry.NONE) {
            throw PagingException.notMapped(vaddr);
        }
        return entry;
    }

    private static PageMapping mapping(long entry, long vaddr) {
        return new PageMapping(
                ShadowEntry.paddr(entry) + offsetInPage(vaddr),
                ShadowEntry.flags(entry),
                PageSize.SIZE_4K);
    }

    private void checkOpen() {
        if (closed) {
            throw new PagingException(PagingError.BAD_STATE, "the page table is closed");
        }
        if (broken) {
            throw new PagingException(
                    PagingError.BAD_STATE,
                    "the host refused a system call and refused to take back those before it;"
                            + " only close is left");
        }
    }

    private void checkAddress(long vaddr) {
        if (!inRange(vaddr)) {
            throw PagingException.outOfRange("vaddr", vaddr, rangeText());
        }
    }

    private void checkRange(long vaddr, long sizeBytes) {
        if (sizeBytes == 0 && vaddr == last + 1) {
            return;
        }
        checkAddress(vaddr);
        if (sizeBytes != 0 && Long.compareUnsigned(sizeBytes - 1, last - vaddr) > 0) {
            throw PagingException.outOfRange(
                    "sizeBytes", sizeBytes, "from vaddr=" + hex(vaddr) + " " + rangeText());
        }
    }

    private String rangeText() {
        return "is not in " + hex(first) + ".." + hex(last) + ", the table's window";
    }

    private static void checkFrames(long paddr, long sizeBytes) {
        long limit = ShadowEntry.PADDR_LIMIT;
        if (Long.compareUnsigned(paddr, limit) >= 0
                || Long.compareUnsigned(sizeBytes, limit - paddr) > 0) {
            throw PagingException.outOfRange(
                    "paddr", paddr, "with " + hex(sizeBytes) + " bytes passes 2^52");
        }
    }

    private void checkFlags(MmuFlags flags) {
        if (!supports(flags)) {
            throw new PagingException(
                    PagingError.NOT_SUPPORTED,
                    "flags="
                            + flags
                            + " lack READ, which the host needs, or name two memory types");
        }
    }

    private static void checkAligned(String name, long value, PageSize size) {
        if (!size.isAligned(value)) {
            throw PagingException.notAligned(name, value, size);
        }
    }

    private static String hex(long value) {
        return "0x" + Long.toHexString(value);
    }
}
