package io.jircon.vm;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.BuddyFrameAllocator;
import io.jircon.hal.FaultCause;
import io.jircon.hal.FaultHandler;
import io.jircon.hal.FrameAllocator;
import io.jircon.hal.Hal;
import io.jircon.hal.HugePages;
import io.jircon.hal.LazyMemory;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PageWalk;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.PhysicalMemory;
import io.jircon.hal.WalkResult;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// A machine whose page tables are maps from page to entry: slow and plainly right. Has base pages
/// only. Takes one frame for each 2 MiB that has an entry, as a page table would.
final class FakeHal implements Hal {
    private static final long PAGE = 0x1000;
    private static final long SIZE = 64L << 20;

    private final LazyMemory lazy = LazyMemory.reserve(SIZE);
    private final PhysicalMemory memory = new PhysicalMemory(lazy.segment(), 0x8000_0000L);
    private final FrameAllocator frames;

    /// Whether pages can be executable only.
    boolean executeOnly;

    /// Runs at the end of the next removal of a range, once, without the table's lock.
    volatile @Nullable Runnable afterUnmapRange;

    /// The fault handler of the table that got one last.
    volatile @Nullable FaultHandler faultHandler;

    FakeHal() {
        this(UnaryOperator.identity());
    }

    FakeHal(UnaryOperator<FrameAllocator> wrapper) {
        frames = wrapper.apply(new BuddyFrameAllocator(memory));
    }

    @Override
    public String name() {
        return "fake";
    }

    @Override
    public PhysicalMemory memory() {
        return memory;
    }

    @Override
    public FrameAllocator frames() {
        return frames;
    }

    @Override
    public PageTableTrait newPageTable(AddressSpaceKind kind) {
        return new Table(kind);
    }

    @Override
    public Mmu newMmu() {
        throw new UnsupportedOperationException();
    }

    @Override
    public boolean canMapExecuteOnly() {
        return executeOnly;
    }

    @Override
    public void close() {
        lazy.close();
    }

    private record Entry(long paddr, MmuFlags flags) {}

    private final class Table implements PageTableTrait {
        private final long firstAddress;
        private final long lastAddress;
        private final long root = frames.allocate();
        private final TreeMap<Long, Entry> entries = new TreeMap<>(Long::compareUnsigned);
        private final Map<Long, long[]> tables = new HashMap<>(); // {frame, used entries}
        private boolean closed;

        Table(AddressSpaceKind kind) {
            switch (kind) {
                case USER -> {
                    firstAddress = 0x20_0000L;
                    lastAddress = 0x7fff_ffff_efffL;
                }
                case KERNEL -> {
                    firstAddress = 0xffff_8000_0000_0000L;
                    lastAddress = -1L;
                }
                case GUEST -> {
                    firstAddress = 0;
                    lastAddress = 0xffff_ffff_ffffL;
                }
                default -> throw new AssertionError(kind);
            }
        }

        @Override
        public long firstAddress() {
            return firstAddress;
        }

        @Override
        public long lastAddress() {
            return lastAddress;
        }

        @Override
        public long rootAddress() {
            return root;
        }

        @Override
        public int tag() {
            return 1;
        }

        @Override
        public boolean supports(MmuFlags flags) {
            return !flags.isNoAccess() && (flags.canRead() || executeOnly);
        }

        @Override
        public boolean supports(PageSize size) {
            return !size.isHuge();
        }

        private void check(long vaddr, long size, MmuFlags flags) {
            if (closed) {
                throw new PagingException(PagingError.BAD_STATE, "closed");
            }
            if (((vaddr | size) & (PAGE - 1)) != 0) {
                throw PagingException.notAligned("vaddr", vaddr, PageSize.SIZE_4K);
            }
            if (Long.compareUnsigned(vaddr, firstAddress) < 0
                    || Long.compareUnsigned(size - 1, lastAddress - vaddr) > 0) {
                throw PagingException.outOfRange("vaddr", vaddr, "is outside the table");
            }
            if (!supports(flags)) {
                throw new PagingException(PagingError.NOT_SUPPORTED, flags.toString());
            }
        }

        private void enterAll(
                long vaddr, long[] paddrs, int from, int count, MmuFlags flags, OnExisting how) {
            if (how == OnExisting.ERROR) {
                for (int i = 0; i < count; i++) {
                    Entry old = entries.get(vaddr + i * PAGE);
                    if (old != null) {
                        throw PagingException.alreadyMapped(vaddr + i * PAGE, old.paddr);
                    }
                }
            }
            List<Long> fresh = new ArrayList<>();
            try {
                for (int i = 0; i < count; i++) {
                    long table = (vaddr + i * PAGE) >>> 21;
                    if (!tables.containsKey(table)) {
                        tables.put(table, new long[] {frames.allocate(), 0});
                        fresh.add(table);
                    }
                }
            } catch (PagingException e) {
                fresh.forEach(table -> frames.free(tables.remove(table)[0]));
                throw e;
            }
            for (int i = 0; i < count; i++) {
                long at = vaddr + i * PAGE;
                long paddr = paddrs[from + i];
                Entry old = entries.get(at);
                if (old == null) {
                    tables.get(at >>> 21)[1]++;
                    entries.put(at, new Entry(paddr, flags));
                } else if (how == OnExisting.UPGRADE) {
                    MmuFlags more = old.paddr == paddr ? old.flags.with(flags) : flags;
                    entries.put(at, new Entry(paddr, more));
                }
            }
        }

        private void removePage(long vaddr) {
            entries.remove(vaddr);
            long[] table = tables.get(vaddr >>> 21);
            if (--table[1] == 0) {
                frames.free(table[0]);
                tables.remove(vaddr >>> 21);
            }
        }

        private List<Long> pagesOf(long vaddr, long size) {
            return size == 0
                    ? List.of()
                    : List.copyOf(entries.subMap(vaddr, true, vaddr + (size - 1), true).keySet());
        }

        @Override
        public synchronized void map(long vaddr, long paddr, PageSize size, MmuFlags flags) {
            mapPages(vaddr, new long[] {paddr}, 0, 1, flags, OnExisting.ERROR);
        }

        @Override
        public PageSize remap(long vaddr, long paddr, MmuFlags flags) {
            throw new UnsupportedOperationException();
        }

        @Override
        public synchronized PageSize protect(long vaddr, MmuFlags flags) {
            throw new UnsupportedOperationException();
        }

        @Override
        public synchronized PageMapping unmap(long vaddr) {
            throw new UnsupportedOperationException();
        }

        @Override
        public synchronized PageMapping query(long vaddr) {
            Entry entry = entries.get(vaddr & -PAGE);
            if (entry == null) {
                throw PagingException.notMapped(vaddr);
            }
            return new PageMapping(
                    entry.paddr + (vaddr & (PAGE - 1)), entry.flags, PageSize.SIZE_4K);
        }

        @Override
        public synchronized long translate(long vaddr) {
            Entry entry = entries.get(vaddr & -PAGE);
            return entry == null ? NO_TRANSLATION : entry.paddr + (vaddr & (PAGE - 1));
        }

        @Override
        public synchronized void mapRange(
                long vaddr,
                long paddr,
                long sizeBytes,
                MmuFlags flags,
                HugePages huge,
                OnExisting existing) {
            check(vaddr, sizeBytes, flags);
            long[] paddrs = new long[(int) (sizeBytes / PAGE)];
            for (int i = 0; i < paddrs.length; i++) {
                paddrs[i] = paddr + i * PAGE;
            }
            enterAll(vaddr, paddrs, 0, paddrs.length, flags, existing);
        }

        @Override
        public synchronized void mapPages(
                long vaddr,
                long[] paddrs,
                int from,
                int count,
                MmuFlags flags,
                OnExisting existing) {
            check(vaddr, count * PAGE, flags);
            enterAll(vaddr, paddrs, from, count, flags, existing);
        }

        @Override
        public void unmapRange(long vaddr, long sizeBytes) {
            synchronized (this) {
                check(vaddr, sizeBytes, MmuFlags.R);
                pagesOf(vaddr, sizeBytes).forEach(this::removePage);
            }
            Runnable hook = afterUnmapRange;
            if (hook != null) {
                afterUnmapRange = null;
                hook.run();
            }
        }

        @Override
        public synchronized void protectRange(long vaddr, long sizeBytes, MmuFlags flags) {
            check(vaddr, sizeBytes, flags);
            for (long page : pagesOf(vaddr, sizeBytes)) {
                entries.computeIfPresent(page, (at, old) -> new Entry(old.paddr, flags));
            }
        }

        @Override
        public synchronized void writeProtectRange(long vaddr, long sizeBytes) {
            check(vaddr, sizeBytes, MmuFlags.R);
            for (long page : pagesOf(vaddr, sizeBytes)) {
                entries.computeIfPresent(
                        page,
                        (at, old) ->
                                new Entry(
                                        old.paddr,
                                        old.flags.without(MmuFlags.of(MmuFlags.WRITE_BIT))));
            }
        }

        @Override
        public void forEachLeaf(long vaddr, long sizeBytes, LeafVisitor visitor) {
            Map<Long, Entry> copy;
            synchronized (this) {
                copy = new TreeMap<>(entries.subMap(vaddr, true, vaddr + (sizeBytes - 1), true));
            }
            copy.forEach((page, entry) ->
                    visitor.leaf(page, entry.paddr, PageSize.SIZE_4K, entry.flags));
        }

        @Override
        public synchronized boolean hardwareWalk(long vaddr, AccessKind access, WalkResult result) {
            Entry entry = entries.get(vaddr & -PAGE);
            if (entry == null) {
                result.cause = FaultCause.NOT_PRESENT;
                return false;
            }
            result.paddr = entry.paddr + (vaddr & (PAGE - 1));
            result.leafShift = PageSize.BASE_SHIFT;
            result.flagBits = entry.flags.bits();
            result.cause = FaultCause.PERMISSION;
            return (access.requiredBits() & ~entry.flags.bits()) == 0;
        }

        @Override
        public PageWalk explain(long vaddr, AccessKind access) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void setFaultHandler(@Nullable FaultHandler handler) {
            faultHandler = handler;
        }

        @Override
        public synchronized long tableFrames() {
            return 1 + tables.size();
        }

        @Override
        public synchronized void close() {
            if (closed) {
                return;
            }
            closed = true;
            tables.values().forEach(table -> frames.free(table[0]));
            tables.clear();
            entries.clear();
            frames.free(root);
        }
    }
}
