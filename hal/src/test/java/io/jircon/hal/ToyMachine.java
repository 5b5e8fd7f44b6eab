package io.jircon.hal;

import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// A machine whose page table is a map; what the tests of the software MMU need and no more.
final class ToyMachine extends SimulatedMachine {
    /// Whether tables forget to flush, as a faulty one would.
    boolean forgetsFlushes;

    /// Whether walks keep a dirty flag, so that a read's translation does not allow writes.
    boolean keepsDirty;

    boolean failsToMakeTables;

    /// Runs in the next walk, once.
    @Nullable Runnable inWalk;

    ToyMachine(HalConfig config) {
        this(config, 3);
    }

    ToyMachine(HalConfig config, int tagCount) {
        super("toy", config, tagCount);
    }

    @Override
    protected PageTableTrait createPageTable(
            AddressSpaceKind kind, int tag, TlbInvalidator invalidator) {
        if (failsToMakeTables) {
            throw PagingException.noMemory("a root");
        }
        return new Table(tag, invalidator);
    }

    Table newTable() {
        return (Table) newPageTable(AddressSpaceKind.USER);
    }

    @Override
    public boolean canMapExecuteOnly() {
        return true;
    }

    final class Table implements PageTableTrait {
        /// How many walks set the dirty flag.
        int dirtied;

        private final int tag;
        private final TlbInvalidator invalidator;
        private final Map<Long, PageMapping> leaves = new ConcurrentHashMap<>();
        private final Map<Long, Boolean> dirty = new HashMap<>();
        private boolean closed;

        Table(int tag, TlbInvalidator invalidator) {
            this.tag = tag;
            this.invalidator = invalidator;
        }

        @Override
        public void map(long vaddr, long paddr, PageSize size, MmuFlags flags) {
            leaves.put(vaddr, new PageMapping(paddr, flags, size));
        }

        @Override
        public PageSize remap(long vaddr, long paddr, MmuFlags flags) {
            PageSize size = find(vaddr).size();
            long start = size.alignDown(vaddr);
            leaves.put(start, new PageMapping(paddr, flags, size));
            flush(start, size);
            return size;
        }

        @Override
        public PageSize protect(long vaddr, MmuFlags flags) {
            return remap(vaddr, find(vaddr).paddr(), flags);
        }

        @Override
        public PageMapping unmap(long vaddr) {
            PageMapping old = find(vaddr);
            leaves.remove(old.size().alignDown(vaddr));
            flush(vaddr, old.size());
            return old;
        }

        /// Changes flags without telling anyone, as a table may when rights grow.
        void grow(long vaddr, MmuFlags flags) {
            PageMapping old = find(vaddr);
            leaves.put(
                    old.size().alignDown(vaddr), new PageMapping(old.paddr(), flags, old.size()));
        }

        void flush(long vaddr, PageSize size) {
            if (!forgetsFlushes) {
                invalidator.flushPages(
                        tag, new long[] {vaddr}, new byte[] {(byte) size.shift()}, 1);
            }
        }

        @Override
        public boolean hardwareWalk(long vaddr, AccessKind access, WalkResult result) {
            Runnable hook = inWalk;
            inWalk = null;
            if (hook != null) {
                hook.run();
            }
            result.entriesRead = 1;
            PageMapping leaf = findOrNull(vaddr);
            result.cause = leaf == null ? FaultCause.NOT_PRESENT : FaultCause.PERMISSION;
            if (leaf == null || !leaf.flags().contains(MmuFlags.of(access.requiredBits()))) {
                return false;
            }
            long start = leaf.size().alignDown(vaddr);
            result.paddr = leaf.paddr() + (vaddr - start);
            result.leafShift = leaf.size().shift();
            result.flagBits = leaf.flags().bits();
            if (keepsDirty) {
                if (access == AccessKind.WRITE && dirty.put(start, true) == null) {
                    dirtied++;
                } else if (!dirty.containsKey(start)) {
                    result.flagBits &= ~MmuFlags.WRITE_BIT;
                }
            }
            return true;
        }

        private PageMapping find(long vaddr) {
            return Objects.requireNonNull(findOrNull(vaddr));
        }

        private @Nullable PageMapping findOrNull(long vaddr) {
            for (PageSize size : PageSize.values()) {
                PageMapping leaf = leaves.get(size.alignDown(vaddr));
                if (leaf != null && leaf.size() == size) {
                    return leaf;
                }
            }
            return null;
        }

        @Override
        public void close() {
            if (!closed) {
                closed = true;
                invalidator.release(tag);
            }
        }

        @Override
        public int tag() {
            return tag;
        }

        @Override
        public long firstAddress() {
            return 0;
        }

        @Override
        public long lastAddress() {
            return -1;
        }

        @Override
        public long rootAddress() {
            return 0;
        }

        @Override
        public boolean supports(MmuFlags flags) {
            return true;
        }

        @Override
        public boolean supports(PageSize size) {
            return true;
        }

        @Override
        public PageMapping query(long vaddr) {
            throw new UnsupportedOperationException();
        }

        @Override
        public long translate(long vaddr) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void mapRange(
                long vaddr,
                long paddr,
                long sizeBytes,
                MmuFlags flags,
                HugePages huge,
                OnExisting existing) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void mapPages(
                long vaddr,
                long[] paddrs,
                int from,
                int count,
                MmuFlags flags,
                OnExisting existing) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void unmapRange(long vaddr, long sizeBytes) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void protectRange(long vaddr, long sizeBytes, MmuFlags flags) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void writeProtectRange(long vaddr, long sizeBytes) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void forEachLeaf(long vaddr, long sizeBytes, LeafVisitor visitor) {
            throw new UnsupportedOperationException();
        }

        @Override
        public PageWalk explain(long vaddr, AccessKind access) {
            throw new UnsupportedOperationException();
        }

        @Override
        public long tableFrames() {
            return 0;
        }
    }
}
