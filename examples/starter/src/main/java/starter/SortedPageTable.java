package starter;

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
import io.jircon.hal.TableBounds;
import io.jircon.hal.TlbInvalidator;
import io.jircon.hal.WalkResult;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentNavigableMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.UnaryOperator;

/// A page table that is a sorted map from page to frame and rights: 4 KiB pages only, user address
/// spaces only, and no frames of its own.
///
/// What every page table has to do, and where it is done here: check arguments before anything
/// changes, in the order that [PageTableTrait] gives ([TableBounds]); be atomic for others (the
/// lock); let the machine's walker look without the lock ([#hardwareWalk]); and tell the TLBs of
/// every entry that was removed or weakened, after the change and before the call returns
/// ([#flush]).
final class SortedPageTable implements PageTableTrait {
    private static final long PAGE = PageSize.BASE_BYTES;

    private final TableBounds bounds = new TableBounds(0x1_0000L, 0x7fff_ffff_ffffL);
    private final int tag;
    private final TlbInvalidator invalidator;
    private final Object lock = new Object();

    // Changed with the lock held, walked without. Addresses of users are never negative, so that
    // the order of longs is the order of addresses.
    private final ConcurrentNavigableMap<Long, Entry> entries = new ConcurrentSkipListMap<>();

    private volatile boolean closed;

    /// What one page shows.
    private record Entry(long paddr, MmuFlags flags) {
        PageMapping at(long offset) {
            return new PageMapping(paddr + offset, flags, PageSize.SIZE_4K);
        }
    }

    SortedPageTable(int tag, TlbInvalidator invalidator) {
        this.tag = tag;
        this.invalidator = invalidator;
    }

    // ---- what it is

    @Override
    public long firstAddress() {
        return bounds.first();
    }

    @Override
    public long lastAddress() {
        return bounds.last();
    }

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
        return !flags.isNoAccess();
    }

    @Override
    public boolean supports(PageSize size) {
        return size == PageSize.SIZE_4K;
    }

    @Override
    public long tableFrames() {
        return 0;
    }

    // ---- one page

    @Override
    public void map(long vaddr, long paddr, PageSize size, MmuFlags flags) {
        synchronized (lock) {
            requireOpen();
            bounds.checkLeaf(vaddr, paddr, size);
            if (!supports(size)) {
                throw notSupported("size=" + size + " is not 4K");
            }
            requireSupported(flags);
            requireAbsent(vaddr, PAGE);
            entries.put(vaddr, new Entry(paddr, flags));
        }
    }

    @Override
    public PageSize remap(long vaddr, long paddr, MmuFlags flags) {
        synchronized (lock) {
            requireOpen();
            bounds.checkNewFrame(vaddr, paddr);
            requireSupported(flags);
            find(vaddr);
            replace(pageOf(vaddr), new Entry(paddr, flags));
            return PageSize.SIZE_4K;
        }
    }

    @Override
    public PageSize protect(long vaddr, MmuFlags flags) {
        synchronized (lock) {
            requireOpen();
            bounds.checkAddress(vaddr);
            requireSupported(flags);
            replace(pageOf(vaddr), new Entry(find(vaddr).paddr(), flags));
            return PageSize.SIZE_4K;
        }
    }

    @Override
    public PageMapping unmap(long vaddr) {
        synchronized (lock) {
            requireOpen();
            bounds.checkAddress(vaddr);
            Entry old = find(vaddr);
            entries.remove(pageOf(vaddr));
            flush(pageOf(vaddr));
            return old.at(0);
        }
    }

    @Override
    public PageMapping query(long vaddr) {
        requireOpen();
        return find(vaddr).at(vaddr & (PAGE - 1));
    }

    @Override
    public long translate(long vaddr) {
        requireOpen();
        Entry entry = entries.get(pageOf(vaddr));
        return entry == null ? NO_TRANSLATION : entry.paddr() + (vaddr & (PAGE - 1));
    }

    // ---- ranges

    @Override
    public void mapRange(
            long vaddr,
            long paddr,
            long sizeBytes,
            MmuFlags flags,
            HugePages huge,
            OnExisting existing) {
        synchronized (lock) {
            requireOpen();
            bounds.checkRun(vaddr, paddr, sizeBytes);
            requireSupported(flags);
            if (existing == OnExisting.ERROR) {
                requireAbsent(vaddr, sizeBytes);
            }
            for (long offset = 0; offset < sizeBytes; offset += PAGE) {
                enter(vaddr + offset, paddr + offset, flags, existing);
            }
        }
    }

    @Override
    public void mapPages(
            long vaddr, long[] paddrs, int from, int count, MmuFlags flags, OnExisting existing) {
        Objects.checkFromIndexSize(from, count, paddrs.length);
        synchronized (lock) {
            requireOpen();
            bounds.checkPages(vaddr, paddrs, from, count);
            requireSupported(flags);
            if (existing == OnExisting.ERROR) {
                requireAbsent(vaddr, count * PAGE);
            }
            for (int i = 0; i < count; i++) {
                enter(vaddr + i * PAGE, paddrs[from + i], flags, existing);
            }
        }
    }

    @Override
    public void unmapRange(long vaddr, long sizeBytes) {
        synchronized (lock) {
            requireOpen();
            bounds.checkPageRange(vaddr, sizeBytes);
            for (long page : List.copyOf(pages(vaddr, sizeBytes).keySet())) {
                entries.remove(page);
                flush(page);
            }
        }
    }

    @Override
    public void protectRange(long vaddr, long sizeBytes, MmuFlags flags) {
        changeRange(vaddr, sizeBytes, flags, old -> flags);
    }

    @Override
    public void writeProtectRange(long vaddr, long sizeBytes) {
        changeRange(
                vaddr, sizeBytes, MmuFlags.R, old -> old.without(MmuFlags.of(MmuFlags.WRITE_BIT)));
    }

    private void changeRange(
            long vaddr, long sizeBytes, MmuFlags toCheck, UnaryOperator<MmuFlags> change) {
        synchronized (lock) {
            requireOpen();
            bounds.checkPageRange(vaddr, sizeBytes);
            requireSupported(toCheck);
            for (Map.Entry<Long, Entry> each : pages(vaddr, sizeBytes).entrySet()) {
                MmuFlags flags = change.apply(each.getValue().flags());
                if (flags.isNoAccess()) {
                    entries.remove(each.getKey());
                    flush(each.getKey());
                } else {
                    replace(each.getKey(), new Entry(each.getValue().paddr(), flags));
                }
            }
        }
    }

    @Override
    public void forEachLeaf(long vaddr, long sizeBytes, LeafVisitor visitor) {
        List<Map.Entry<Long, Entry>> found;
        synchronized (lock) {
            requireOpen();
            bounds.checkPageRange(vaddr, sizeBytes);
            found = new ArrayList<>(pages(vaddr, sizeBytes).entrySet());
        }
        for (Map.Entry<Long, Entry> each : found) {
            Entry entry = each.getValue();
            visitor.leaf(each.getKey(), entry.paddr(), PageSize.SIZE_4K, entry.flags());
        }
    }

    // ---- the machine's walker

    @Override
    public boolean hardwareWalk(long vaddr, AccessKind access, WalkResult result) {
        result.depth = 0;
        result.entriesRead = 1;
        if (!bounds.contains(vaddr)) {
            result.cause = FaultCause.ADDRESS_SIZE;
            return false;
        }
        Entry entry = entries.get(pageOf(vaddr));
        if (entry == null) {
            result.cause = FaultCause.NOT_PRESENT;
            return false;
        }
        result.paddr = entry.paddr() + (vaddr & (PAGE - 1));
        result.leafShift = PageSize.BASE_SHIFT;
        result.flagBits = entry.flags().bits();
        if ((access.requiredBits() & ~result.flagBits) != 0) {
            result.cause = FaultCause.PERMISSION;
            return false;
        }
        return true;
    }

    @Override
    public PageWalk explain(long vaddr, AccessKind access) {
        requireOpen();
        var result = new WalkResult();
        boolean allowed = hardwareWalk(vaddr, access, result);
        Entry entry = entries.get(pageOf(vaddr));
        String fields = entry == null ? "absent" : entry.toString();
        var step = new PageWalk.Step("map", 0, 0, 0, 0, fields);
        return allowed && entry != null
                ? new PageWalk(vaddr, access, List.of(step), entry.at(vaddr & (PAGE - 1)), null)
                : new PageWalk(
                        vaddr,
                        access,
                        List.of(step),
                        null,
                        new PageFault(vaddr, access, result.cause));
    }

    @Override
    public void close() {
        synchronized (lock) {
            if (!closed) {
                closed = true;
                entries.clear();
                invalidator.release(tag);
            }
        }
    }

    // ---- with the lock held

    private void enter(long page, long paddr, MmuFlags flags, OnExisting existing) {
        Entry old = entries.get(page);
        if (old == null) {
            entries.put(page, new Entry(paddr, flags));
        } else if (existing == OnExisting.UPGRADE) {
            MmuFlags wanted = old.paddr() == paddr ? old.flags().with(flags) : flags;
            replace(page, new Entry(paddr, wanted));
        }
    }

    private void replace(long page, Entry entry) {
        entries.put(page, entry);
        flush(page);
    }

    private void flush(long page) {
        invalidator.flushPages(tag, new long[] {page}, new byte[] {(byte) PageSize.BASE_SHIFT}, 1);
    }

    private Map<Long, Entry> pages(long vaddr, long sizeBytes) {
        return entries.subMap(vaddr, vaddr + sizeBytes);
    }

    private void requireAbsent(long vaddr, long sizeBytes) {
        for (Map.Entry<Long, Entry> each : pages(vaddr, sizeBytes).entrySet()) {
            throw PagingException.alreadyMapped(each.getKey(), each.getValue().paddr());
        }
    }

    // ---- with or without

    private static long pageOf(long vaddr) {
        return PageSize.SIZE_4K.alignDown(vaddr);
    }

    private Entry find(long vaddr) {
        Entry entry = entries.get(pageOf(vaddr));
        if (entry == null) {
            throw PagingException.notMapped(vaddr);
        }
        return entry;
    }

    private void requireOpen() {
        if (closed) {
            throw new PagingException(PagingError.BAD_STATE, "the page table is closed");
        }
    }

    private void requireSupported(MmuFlags flags) {
        if (!supports(flags)) {
            throw notSupported("flags=" + flags + " allow nothing");
        }
    }

    private static PagingException notSupported(String message) {
        return new PagingException(PagingError.NOT_SUPPORTED, message);
    }
}
