package io.jircon.hal.npt;

/// Replaces tables full of leaves that one huge leaf can stand for. Guarded by the page table's
/// lock.
///
/// Always breaks before it makes, on every architecture: the entry is made invalid and flushed, so
/// that no walker marks a small leaf any more when their states are merged.
final class RangeJoiner {
    private final TableStore store;
    private final PagingFormat format;

    RangeJoiner(TableStore store) {
        this.store = store;
        this.format = store.format;
    }

    int run(long vaddr, long size) {
        int joined = join(store.root, format.rootHeight, vaddr, size);
        store.finish();
        return joined;
    }

    private int join(long table, int height, long vaddr, long size) {
        if (height == 0) {
            return 0;
        }
        int joined = 0;
        long slot = 1L << format.shifts[height];
        long left = size;
        for (long at = vaddr; left != 0; ) {
            long part = Math.min(left, slot - (at & (slot - 1)));
            long entry = table + (long) format.index(height, at) * Long.BYTES;
            long raw = store.read(entry);
            if (format.isPresent(height, raw) && !format.isLeaf(height, raw)) {
                long child = format.address(raw);
                joined += join(child, height - 1, at, part);
                if (part == slot
                        && height <= format.maxSoftwareLeafHeight()
                        && !store.loans.isLent(height, at)
                        && isOneRun(child, height)) {
                    replace(entry, child, height, at);
                    joined++;
                }
            }
            at += part;
            left -= part;
        }
        return joined;
    }

    /// Whether a table's leaves are all there, alike, and of consecutive aligned frames.
    private boolean isOneRun(long child, int height) {
        int below = height - 1;
        long first = store.read(child);
        if (!isLeaf(below, first)) {
            return false;
        }
        long address = format.leafAddress(below, first);
        int flags = format.flagBits(below, first);
        if (flags < 0 || (address & ((1L << format.shifts[height]) - 1)) != 0) {
            return false;
        }
        for (int index = 1; index < TableStore.TABLE_ENTRIES; index++) {
            long raw = store.read(child + (long) index * Long.BYTES);
            long expected = address + ((long) index << format.shifts[below]);
            if (!isLeaf(below, raw)
                    || format.leafAddress(below, raw) != expected
                    || format.flagBits(below, raw) != flags) {
                return false;
            }
        }
        return true;
    }

    private boolean isLeaf(int height, long raw) {
        return format.isPresent(height, raw) && format.isLeaf(height, raw);
    }

    private void replace(long entry, long child, int height, long vaddr) {
        store.write(entry, 0);
        store.flushes.add(vaddr, format.shifts[height]);
        store.flushes.flush();
        int below = height - 1;
        long first = store.read(child);
        int flags = format.flagBits(below, first);
        boolean accessed = false;
        boolean dirty = false;
        for (int index = 0; index < TableStore.TABLE_ENTRIES; index++) {
            long raw = store.read(child + (long) index * Long.BYTES);
            accessed |= (raw & format.accessedMask) != 0;
            dirty |= format.isDirty(raw);
        }
        store.write(
                entry,
                format.leaf(height, format.leafAddress(below, first), flags, accessed, dirty));
        store.retire(child);
    }
}
