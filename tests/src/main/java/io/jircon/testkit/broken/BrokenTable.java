package io.jircon.testkit.broken;

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
import io.jircon.hal.UnusedTables;
import io.jircon.hal.WalkResult;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/// A page table of a [BrokenHal].
final class BrokenTable implements PageTableTrait {
    private static final long PAGE = PageSize.BASE_BYTES;

    final PageTableTrait inner;
    private final BrokenHal hal;
    private boolean closed;

    BrokenTable(BrokenHal hal, PageTableTrait inner) {
        this.hal = hal;
        this.inner = inner;
    }

    private boolean is(PlantedFault fault) {
        return hal.fault() == fault;
    }

    /// Tells the processors of a change, unless forgetting that is the planted fault.
    private void changed(PlantedFault forgotten) {
        if (!is(forgotten)) {
            hal.mmus.forEach(mmu -> mmu.changed(this));
        }
    }

    @Override
    public long firstAddress() {
        return inner.firstAddress();
    }

    @Override
    public long lastAddress() {
        return inner.lastAddress();
    }

    @Override
    public long rootAddress() {
        return inner.rootAddress();
    }

    @Override
    public int tag() {
        return inner.tag();
    }

    @Override
    public boolean supports(MmuFlags flags) {
        return inner.supports(flags);
    }

    @Override
    public boolean supports(PageSize size) {
        return inner.supports(size);
    }

    @Override
    public void map(long vaddr, long paddr, PageSize size, MmuFlags flags) {
        try {
            inner.map(vaddr, paddr, size, flags);
        } catch (PagingException refused) {
            if (is(PlantedFault.FAILED_MAP_LEAKS_FRAME)
                    && refused.error() == PagingError.NO_MEMORY) {
                hal.frames().allocate();
            }
            throw refused;
        }
        hal.mmus.forEach(mmu -> mmu.changed(this));
    }

    @Override
    public PageSize remap(long vaddr, long paddr, MmuFlags flags) {
        PageSize size = inner.remap(vaddr, paddr, flags);
        changed(PlantedFault.STALE_AFTER_REMAP);
        return size;
    }

    @Override
    public PageSize protect(long vaddr, MmuFlags flags) {
        PageSize size = inner.protect(vaddr, flags);
        changed(PlantedFault.STALE_AFTER_PROTECT);
        return size;
    }

    @Override
    public PageMapping unmap(long vaddr) {
        try {
            PageMapping was = inner.unmap(vaddr);
            changed(PlantedFault.STALE_AFTER_UNMAP);
            return was;
        } catch (PagingException refused) {
            if (is(PlantedFault.UNMAP_OF_ABSENT_PAGE_IS_FINE)
                    && refused.error() == PagingError.NOT_MAPPED) {
                return new PageMapping(0, MmuFlags.R, PageSize.SIZE_4K);
            }
            throw refused;
        }
    }

    @Override
    public PageMapping query(long vaddr) {
        PageMapping found = inner.query(vaddr);
        return is(PlantedFault.QUERY_FORGETS_OFFSET)
                ? new PageMapping(
                        found.size().alignDown(found.paddr()), found.flags(), found.size())
                : found;
    }

    @Override
    public long translate(long vaddr) {
        return inner.translate(vaddr);
    }

    @Override
    public void mapRange(
            long vaddr,
            long paddr,
            long sizeBytes,
            MmuFlags flags,
            HugePages huge,
            OnExisting existing) {
        inner.mapRange(vaddr, paddr, sizeBytes, flags, huge, existing);
        hal.mmus.forEach(mmu -> mmu.changed(this));
    }

    @Override
    public void mapPages(
            long vaddr, long[] paddrs, int from, int count, MmuFlags flags, OnExisting existing) {
        boolean overwrites =
                existing == OnExisting.ERROR && is(PlantedFault.ERROR_OVERWRITES)
                        || existing == OnExisting.SKIP && is(PlantedFault.SKIP_OVERWRITES);
        if (existing == OnExisting.ERROR && is(PlantedFault.MAP_PAGES_NOT_ATOMIC)) {
            for (int i = 0; i < count; i++) {
                inner.mapPages(vaddr + i * PAGE, paddrs, from + i, 1, flags, existing);
            }
        } else {
            inner.mapPages(
                    vaddr, paddrs, from, count, flags, overwrites ? OnExisting.UPGRADE : existing);
        }
        if (existing == OnExisting.UPGRADE && is(PlantedFault.UPGRADE_DOWNGRADES)) {
            inner.protectRange(vaddr, count * PAGE, flags);
        }
        if (is(PlantedFault.NEW_ENTRIES_ARE_ACCESSED) && inner.tracksAccessed()) {
            inner.markAccessed(vaddr, count * PAGE);
        }
        changed(PlantedFault.STALE_AFTER_UPGRADE);
    }

    @Override
    public void unmapRange(long vaddr, long sizeBytes) {
        if (is(PlantedFault.WRAPPING_RANGE_IS_EMPTY)
                && Long.compareUnsigned(vaddr + sizeBytes, vaddr) < 0) {
            return;
        }
        long size = sizeBytes;
        if (is(PlantedFault.UNMAP_RANGE_STOPS_AT_HOLE) && size % PAGE == 0) {
            long end = 0;
            while (Long.compareUnsigned(end, size) < 0
                    && inner.translate(vaddr + end) != NO_TRANSLATION) {
                end += PAGE;
            }
            size = end;
        }
        if (is(PlantedFault.UNMAP_RANGE_TAKES_NEIGHBOUR) && size == 2 * PAGE) {
            size += PAGE;
        }
        boolean splits =
                is(PlantedFault.SPLIT_LOSES_WRITE)
                        && size == PAGE
                        && vaddr % PageSize.SIZE_2M.bytes() != 0
                        && inner.translate(vaddr) != NO_TRANSLATION
                        && inner.query(vaddr).size().isHuge();
        inner.unmapRange(vaddr, size);
        if (splits) {
            inner.writeProtectRange(vaddr - PAGE, PAGE);
        }
        changed(PlantedFault.STALE_AFTER_UNMAP_RANGE);
    }

    @Override
    public void protectRange(long vaddr, long sizeBytes, MmuFlags flags) {
        boolean misses = is(PlantedFault.PROTECT_RANGE_MISSES_LAST) && sizeBytes == 3 * PAGE;
        inner.protectRange(vaddr, misses ? sizeBytes - PAGE : sizeBytes, flags);
        if (is(PlantedFault.PROTECT_FORGETS_ACCESS) && inner.tracksAccessed()) {
            inner.harvestAccessed(vaddr, sizeBytes, UnusedTables.KEEP, new BitSet());
        }
        changed(PlantedFault.STALE_AFTER_PROTECT_RANGE);
    }

    @Override
    public void writeProtectRange(long vaddr, long sizeBytes) {
        inner.writeProtectRange(vaddr, sizeBytes);
        if (is(PlantedFault.WRITE_PROTECT_TAKES_EXECUTE)) {
            inner.protectRange(vaddr, sizeBytes, MmuFlags.R);
        }
        changed(PlantedFault.STALE_AFTER_WRITE_PROTECT);
    }

    @Override
    public boolean tracksAccessed() {
        return inner.tracksAccessed();
    }

    @Override
    public void harvestAccessed(long vaddr, long sizeBytes, UnusedTables unused, BitSet pages) {
        boolean misses = is(PlantedFault.HARVEST_MISSES_LAST) && sizeBytes == 3 * PAGE;
        boolean frees = is(PlantedFault.HARVEST_FREES_UNASKED);
        boolean keeps = is(PlantedFault.HARVEST_FREES_NEVER);
        UnusedTables what = frees ? UnusedTables.FREE : keeps ? UnusedTables.KEEP : unused;
        inner.harvestAccessed(vaddr, misses ? sizeBytes - PAGE : sizeBytes, what, pages);
        if (is(PlantedFault.HARVEST_FREES_AT_ONCE)) {
            inner.harvestAccessed(vaddr, sizeBytes, what, pages);
        }
        if (is(PlantedFault.HARVEST_TAKES_NEIGHBOUR) && sizeBytes == 2 * PAGE) {
            inner.harvestAccessed(vaddr + sizeBytes, PAGE, UnusedTables.KEEP, new BitSet());
        }
        if (is(PlantedFault.HARVEST_FORGETS_NOTHING)) {
            pages.stream().forEach(page -> inner.markAccessed(vaddr + page * PAGE, PAGE));
        }
        changed(PlantedFault.STALE_AFTER_HARVEST);
    }

    @Override
    public void markAccessed(long vaddr, long sizeBytes) {
        boolean misses = is(PlantedFault.MARK_MISSES_LAST) && sizeBytes > PAGE;
        inner.markAccessed(vaddr, misses ? sizeBytes - PAGE : sizeBytes);
    }

    @Override
    public long nextPageTableBoundary(long vaddr) {
        return inner.nextPageTableBoundary(vaddr);
    }

    @Override
    public void forEachLeaf(long vaddr, long sizeBytes, LeafVisitor visitor) {
        boolean misses = is(PlantedFault.LEAVES_MISS_LAST) && sizeBytes > PAGE;
        inner.forEachLeaf(vaddr, misses ? sizeBytes - PAGE : sizeBytes, visitor);
    }

    @Override
    public boolean hardwareWalk(long vaddr, AccessKind access, WalkResult result) {
        return inner.hardwareWalk(vaddr, access, result);
    }

    @Override
    public PageWalk explain(long vaddr, AccessKind access) {
        return inner.explain(vaddr, access);
    }

    @Override
    public void setFaultHandler(@Nullable FaultHandler handler) {
        inner.setFaultHandler(handler);
    }

    @Override
    public long tableFrames() {
        return inner.tableFrames();
    }

    @Override
    public void close() {
        if (!closed && is(PlantedFault.TABLE_FRAME_LEAKS)) {
            hal.frames().allocate();
        }
        closed = true;
        hal.mmus.forEach(mmu -> mmu.changed(this));
        inner.close();
    }
}
