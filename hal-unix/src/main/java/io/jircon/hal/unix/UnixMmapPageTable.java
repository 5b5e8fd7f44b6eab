package io.jircon.hal.unix;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultHandler;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PageWalk;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.TableBounds;
import io.jircon.hal.UnusedTables;
import io.jircon.hal.WalkResult;
import java.util.BitSet;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// A page table whose entries are mappings of the host: each page shows its frame at a host
/// address, with the host's own protection.
///
/// What the host was told stands once more in a shadow on the heap ([TableShadow]); queries, walks
/// and the cause of a fault come from there, and a refused system call is taken back by it. Pages
/// are 4 KiB; runs of them that lie in a row in both the window and the frame file are one mapping.
/// Entries of frames outside the machine's memory (devices) stand in the shadow only: an access
/// faults with [io.jircon.hal.FaultCause#EXTERNAL].
///
/// Flags need READ: the host cannot express write-only, nor execute-only in a way that every access
/// path respects. Memory types and USER are kept and given back, and have no effect on the host.
///
/// Which pages were accessed is noted by [UnixMmapMmu] after each access. The pages of a pinned
/// view count as accessed for as long as it is open.
///
/// One lock guards the changes. [#translate], [#query] and [#hardwareWalk] take none. The order of
/// a change: limit, views of the range end, system calls, shadow, accesses under way are waited
/// for; so that nothing uses a frame through this table once the call that took it away returned.
public final class UnixMmapPageTable implements PageTableTrait {
    private final UnixMmapHal hal;
    private final HostWindow window;
    private final HostFrames frames;
    private final int tag;
    private final TableBounds bounds;
    private final TableShadow shadow;
    private final AccessedMarks marks;
    private final ReentrantLock lock = new ReentrantLock();

    /// Null where the host cannot hold accesses.
    private final @Nullable TableFaults faults;

    @GuardedBy("lock")
    private final EditPlanner planner;

    @GuardedBy("lock")
    private final PinnedViews views;

    @GuardedBy("lock")
    private final UnixMmapHarvester harvester;

    /// Guarded by the lock, but for the question whether it is broken.
    private final TableEditor editor;

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
        this.tag = tag;
        this.bounds = new TableBounds(first, first + window.sizeBytes() - 1);
        this.shadow = new TableShadow(bounds);
        this.marks = new AccessedMarks(window.sizeBytes() >>> PageSize.BASE_SHIFT);
        this.planner = new EditPlanner(bounds, shadow.runs(), frames, window.address());
        this.views = new PinnedViews(hal, bounds, shadow.runs(), window, marks);
        this.harvester =
                new UnixMmapHarvester(bounds, shadow.runs(), planner, views, marks, window);
        this.editor =
                new TableEditor(
                        hal, this, window, bounds, shadow.runs(), planner, views, harvester);
        HeldFaults held = hal.heldFaults();
        this.faults =
                held == null
                        ? null
                        : new TableFaults(held, lock, bounds, shadow, window, this.frames, editor);
    }

    @Override
    public long firstAddress() {
        return bounds.first();
    }

    @Override
    public long lastAddress() {
        return bounds.last();
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
        bounds.checkAddress(vaddr);
        return window.address() + (vaddr - bounds.first());
    }

    @Override
    public void map(long vaddr, long paddr, PageSize size, MmuFlags flags) {
        lock.lock();
        try {
            checkOpen();
            bounds.checkLeaf(vaddr, paddr, size);
            checkFlags(flags);
            if (size != PageSize.SIZE_4K) {
                throw new PagingException(
                        PagingError.NOT_SUPPORTED, "size=" + size + ", leaves here are SIZE_4K");
            }
            editor.enter(vaddr, 1, ShadowEntry.of(paddr, flags), OnExisting.ERROR);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public PageSize remap(long vaddr, long paddr, MmuFlags flags) {
        lock.lock();
        try {
            checkOpen();
            bounds.checkNewFrame(vaddr, paddr);
            checkFlags(flags);
            editor.replace(vaddr, shadow.entryAt(vaddr), ShadowEntry.of(paddr, flags));
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
            bounds.checkAddress(vaddr);
            checkFlags(flags);
            long old = shadow.entryAt(vaddr);
            editor.replace(vaddr, old, ShadowEntry.withFlagBits(old, flags.bits()));
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
            bounds.checkAddress(vaddr);
            long old = shadow.entryAt(vaddr);
            editor.replace(vaddr, old, ShadowEntry.NONE);
            return TableShadow.mapping(old, 0);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public PageMapping query(long vaddr) {
        checkOpen();
        return shadow.query(vaddr);
    }

    @Override
    public long translate(long vaddr) {
        checkOpen();
        return shadow.translate(vaddr);
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
            bounds.checkRun(vaddr, paddr, sizeBytes);
            checkFlags(flags);
            long count = sizeBytes >>> PageSize.BASE_SHIFT;
            editor.enter(vaddr, count, ShadowEntry.of(paddr, flags), existing);
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
            bounds.checkPages(vaddr, paddrs, from, count);
            checkFlags(flags);
            editor.enter(vaddr, paddrs, from, count, flags, existing);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void unmapRange(long vaddr, long sizeBytes) {
        lock.lock();
        try {
            checkOpen();
            bounds.checkPageRange(vaddr, sizeBytes);
            editor.remove(vaddr, sizeBytes);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void protectRange(long vaddr, long sizeBytes, MmuFlags flags) {
        lock.lock();
        try {
            checkOpen();
            bounds.checkPageRange(vaddr, sizeBytes);
            checkFlags(flags);
            editor.protect(vaddr, sizeBytes, flags);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void writeProtectRange(long vaddr, long sizeBytes) {
        lock.lock();
        try {
            checkOpen();
            bounds.checkPageRange(vaddr, sizeBytes);
            editor.writeProtect(vaddr, sizeBytes);
        } finally {
            lock.unlock();
        }
    }

    /// Always true: software notes it, whatever the host can do.
    @Override
    public boolean tracksAccessed() {
        return true;
    }

    /// The entries of 2 MiB of addresses, which lie at a multiple of that, count as one table. They
    /// stay where the host has no room to split a mapping, and with a pinned view of one of them.
    @Override
    public void harvestAccessed(long vaddr, long sizeBytes, UnusedTables unused, BitSet pages) {
        Objects.requireNonNull(unused, "unused");
        Objects.requireNonNull(pages, "pages");
        lock.lock();
        try {
            checkOpen();
            bounds.checkPageRange(vaddr, sizeBytes);
            editor.harvest(vaddr, sizeBytes, unused, pages);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void markAccessed(long vaddr, long sizeBytes) {
        lock.lock();
        try {
            checkOpen();
            bounds.checkPageRange(vaddr, sizeBytes);
            harvester.mark(vaddr, sizeBytes);
        } finally {
            lock.unlock();
        }
    }

    /// Notes an access that a processor made. Takes no lock.
    ///
    /// @param vaddr an address of the table
    /// @param pageCount how many pages from there on
    void noteAccess(long vaddr, long pageCount) {
        marks.set(bounds.pageOf(vaddr), pageCount);
    }

    @Override
    public void forEachLeaf(long vaddr, long sizeBytes, LeafVisitor visitor) {
        var leaves = new EditPlan(frames);
        lock.lock();
        try {
            checkOpen();
            bounds.checkPageRange(vaddr, sizeBytes);
            planner.collect(leaves, vaddr, sizeBytes);
        } finally {
            lock.unlock();
        }
        for (int run = 0; run < leaves.size(); run++) {
            long entry = leaves.before(run);
            for (long i = 0; i < leaves.count(run); i++) {
                visitor.leaf(
                        bounds.vaddrOf(leaves.page(run) + i),
                        ShadowEntry.paddr(ShadowEntry.advance(entry, i)),
                        PageSize.SIZE_4K,
                        ShadowEntry.flags(entry));
            }
        }
    }

    /// Looks into the shadow, which allows what the host allows; a closed table allows nothing.
    @Override
    public boolean hardwareWalk(long vaddr, AccessKind access, WalkResult result) {
        boolean allowed = shadow.walk(vaddr, access, result);
        if (allowed) {
            noteAccess(vaddr, 1);
        }
        return allowed;
    }

    /// There are no steps: the host's own tables cannot be read.
    @Override
    public PageWalk explain(long vaddr, AccessKind access) {
        checkOpen();
        return shadow.explain(vaddr, access);
    }

    /// Always 0: the host keeps its tables to itself.
    @Override
    public long tableFrames() {
        return 0;
    }

    /// Opens a range to plain memory access, without a system call for each: a view of the very
    /// host addresses, with the host's own protection; where minor faults are held (option
    /// `faults`) of the same frames at addresses of its own, since Java code must never be held.
    ///
    /// Its pages count as accessed: for each harvest while it is open, and for the next one after.
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
    /// @throws PagingException BAD_STATE when the table is closed; OUT_OF_RANGE; NO_RESOURCES when
    ///   minor faults are held and the host has no room for the addresses; NOT_MAPPED when a page
    ///   has no entry or its frame is outside the memory; NOT_SUPPORTED when a page does not allow
    ///   the access, and for EXECUTE
    public MappedView pin(long vaddr, long sizeBytes, AccessKind access) {
        lock.lock();
        try {
            checkOpen();
            return views.open(vaddr, sizeBytes, access);
        } finally {
            lock.unlock();
        }
    }

    /// Has the host hold accesses through this table until the handler has resolved their faults,
    /// where [UnixMmapHal#faults()] says that it does.
    @Override
    public void setFaultHandler(@Nullable FaultHandler handler) {
        if (faults == null) {
            return;
        }
        lock.lock();
        try {
            checkOpen();
            faults.setHandler(handler, () -> hal.awaitAccesses(this));
        } finally {
            lock.unlock();
        }
    }

    /// How many host mappings the window consists of, neighbours merged as the host merges them.
    ///
    /// @return at least 1; 0 after close
    public long hostMappings() {
        lock.lock();
        try {
            return editor.mappingCount();
        } finally {
            lock.unlock();
        }
    }

    /// Ends the views, waits for accesses under way and gives the window back.
    @Override
    public void close() {
        lock.lock();
        try {
            if (shadow.isClosed()) {
                return;
            }
            views.endAll();
            shadow.close();
            if (faults != null) {
                faults.close(editor.isBroken());
            }
            hal.awaitAccesses(this);
            hal.forget(this);
            editor.close();
            if (!editor.isBroken()) {
                window.release();
            } // else something else may be mapped in a hole of it: the addresses are left alone
        } finally {
            lock.unlock();
        }
    }

    boolean isClosed() {
        return shadow.isClosed();
    }

    boolean isOf(UnixMmapHal machine) {
        return hal == machine;
    }

    /// Makes an access while nothing can change this table, unless the host would hold it: nobody
    /// could resolve its fault then.
    void holdStill(long vaddr, AccessKind kind, Runnable access) {
        lock.lock();
        try {
            TableFaults armed = armedFaults();
            if (armed == null || (!editor.isBroken() && armed.allows(vaddr, kind))) {
                access.run();
            }
        } finally {
            lock.unlock();
        }
    }

    /// The faults that the host holds accesses for.
    ///
    /// @return null when it holds none
    @Nullable TableFaults armedFaults() {
        return faults != null && faults.isArmed() ? faults : null;
    }

    /// The table's part in serving faults.
    ///
    /// @return null where the host cannot hold accesses
    @Nullable TableFaults faults() {
        return faults;
    }

    /// What the table knows of its entries, for its processors.
    TableShadow shadow() {
        return shadow;
    }

    boolean inRange(long vaddr) {
        return bounds.contains(vaddr);
    }

    private void checkOpen() {
        if (shadow.isClosed()) {
            throw new PagingException(PagingError.BAD_STATE, "the page table is closed");
        }
        if (editor.isBroken()) {
            throw new PagingException(
                    PagingError.BAD_STATE,
                    "the host refused a system call and refused to take back those before it;"
                            + " only close is left");
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
}
