package io.jircon.testkit.broken;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AtomicAccess;
import io.jircon.hal.FaultCause;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuStats;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingException;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// A processor of a [BrokenHal]: the real one, with a small cache of translations in front that
/// hears only of the changes that the planted fault does not keep from it.
final class BrokenMmu implements Mmu {
    private static final long PAGE = PageSize.BASE_BYTES;

    private final BrokenHal hal;
    private final Mmu inner;
    private final Map<Long, PageMapping> cache = new ConcurrentHashMap<>();
    private final BrokenAtomics atomics;
    private volatile @Nullable BrokenTable active;

    BrokenMmu(BrokenHal hal, Mmu inner) {
        this.hal = hal;
        this.inner = inner;
        this.atomics = new BrokenAtomics(hal);
    }

    void changed(BrokenTable table) {
        if (table == active) {
            cache.clear();
            atomics.changed();
        }
    }

    @Override
    public void activate(PageTableTrait table) {
        BrokenTable ours = table instanceof BrokenTable broken ? broken : null;
        inner.activate(ours == null ? table : ours.inner);
        active = ours;
        cache.clear();
        atomics.forget();
    }

    @Override
    public long load(long vaddr, MemorySegment target, long targetOffset, long length) {
        PageMapping known = known(vaddr, length);
        if (known != null && known.flags().canRead()) {
            hal.memory().read(known.paddr() + vaddr % PAGE, target, targetOffset, length);
            return length;
        }
        return finish(vaddr, length, inner.load(vaddr, target, targetOffset, length));
    }

    @Override
    public long store(long vaddr, MemorySegment source, long sourceOffset, long length) {
        PageMapping known = known(vaddr, length);
        if (known != null && known.flags().canRead() && known.flags().canWrite()) {
            hal.memory().write(known.paddr() + vaddr % PAGE, source, sourceOffset, length);
            return length;
        }
        if (hal.fault() == PlantedFault.STORE_IGNORES_WRITE && known != null) {
            hal.memory().write(known.paddr() + vaddr % PAGE, source, sourceOffset, length);
            return length;
        }
        return finish(vaddr, length, inner.store(vaddr, source, sourceOffset, length));
    }

    @Override
    public long fetch(long vaddr, MemorySegment target, long targetOffset, long length) {
        PageMapping known = known(vaddr, length);
        if (known != null && known.flags().canExecute()) {
            hal.memory().read(known.paddr() + vaddr % PAGE, target, targetOffset, length);
            return length;
        }
        if (hal.fault() == PlantedFault.FETCH_IGNORES_EXECUTE) {
            return finish(vaddr, length, inner.load(vaddr, target, targetOffset, length));
        }
        return finish(vaddr, length, inner.fetch(vaddr, target, targetOffset, length));
    }

    @Override
    public boolean atomic(long vaddr, AtomicAccess access) {
        return atomics.perform(active, vaddr, access) || inner.atomic(vaddr, access);
    }

    /// A translation heard of before, for a transfer inside one page.
    private @Nullable PageMapping known(long vaddr, long length) {
        return length > 0 && vaddr % PAGE + length <= PAGE
                ? cache.get(PageSize.SIZE_4K.alignDown(vaddr))
                : null;
    }

    private long finish(long vaddr, long length, long moved) {
        BrokenTable table = active;
        if (table != null && moved == length && length > 0) {
            remember(table.inner, PageSize.SIZE_4K.alignDown(vaddr));
        }
        return hal.fault() == PlantedFault.PARTIAL_TRANSFER_COUNTS_ZERO && moved < length
                ? 0
                : moved;
    }

    private void remember(PageTableTrait table, long page) {
        if (hal.fault().name().startsWith("STALE") || hal.fault().name().startsWith("STORE")) {
            try {
                PageMapping mapping = table.query(page);
                cache.put(page, mapping);
            } catch (PagingException gone) {
                cache.remove(page);
            }
        }
    }

    @Override
    public long faultAddress() {
        return hal.fault() == PlantedFault.FAULT_ADDRESS_IS_THE_PAGE
                ? PageSize.SIZE_4K.alignDown(inner.faultAddress())
                : inner.faultAddress();
    }

    @Override
    public AccessKind faultAccess() {
        return hal.fault() == PlantedFault.FAULT_ACCESS_IS_READ
                ? AccessKind.READ
                : inner.faultAccess();
    }

    @Override
    public FaultCause faultCause() {
        return hal.fault() == PlantedFault.FAULT_CAUSE_IS_NOT_PRESENT
                ? FaultCause.NOT_PRESENT
                : inner.faultCause();
    }

    @Override
    public MmuStats stats() {
        return inner.stats();
    }

    @Override
    public void close() {
        inner.close();
    }
}
