package io.jircon.vm;

import static io.jircon.vm.VmoMath.PAGE;
import static io.jircon.vm.VmoMath.hex;

import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingException;
import io.jircon.hal.UnusedTables;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/// Tells which pages of a range were accessed (clause V-289). Works part by part, each a number of
/// whole page tables: what a part's pages belong to is found under the lock that its harvest is
/// made with, and told after that.
final class HarvestOp {
    /// What one part is rounded up from: so long is the lock held at once.
    private static final long PART_BYTES = 64L << 20;

    private final VmAddressRegion region;
    private final PageTableTrait table;
    private final UnusedTables unused;
    private final long last;
    private final BitSet pages = new BitSet();

    // What was found in a part: the first runCount of these.
    private final List<VmObject> vmos = new ArrayList<>();
    private long[] vaddrs = new long[16];
    private long[] offsets = new long[16];
    private long[] counts = new long[16];
    private int runCount;

    private HarvestOp(VmAddressRegion region, UnusedTables unused, long last) {
        this.region = region;
        this.table = region.aspace().table();
        this.unused = unused;
        this.last = last;
    }

    /// Checks and runs.
    static void run(
            VmAddressRegion region,
            UnusedTables unused,
            long vaddr,
            long len,
            AccessedPages receiver) {
        RangeOp.requireWholePages("V-289", vaddr, len);
        RangeOp.requireInside("V-289", region, vaddr, len);
        var op = new HarvestOp(region, unused, vaddr + (VmoMath.up(len) - 1));
        long cursor = vaddr;
        boolean more = true;
        while (more) {
            long done = op.harvestPart(cursor);
            op.tell(receiver);
            more = done != op.last;
            cursor = done + 1;
        }
    }

    /// Harvests from the next mapping on.
    ///
    /// @return the last byte that is done
    private long harvestPart(long cursor) {
        VmAspace aspace = region.aspace();
        long stamp = aspace.lock.readLock();
        try {
            region.requireAlive("V-289");
            if (!table.tracksAccessed()) {
                throw VmErrors.notSupported(
                        "V-289", "the machine does not note which pages are accessed");
            }
            MappingNode mapping = new RegionWalk(region, cursor, last).nextMapping();
            if (mapping == null) {
                return last;
            }
            long first = Ranges.max(cursor, mapping.first);
            long end = lastOfPart(first);
            table.harvestAccessed(first, end - first + 1, unusedNow(), pages);
            collect(first, end);
            return end;
        } catch (PagingException e) {
            throw VmErrors.of(e, "V-289", "harvest from vaddr=" + hex(cursor));
        } finally {
            pages.clear();
            aspace.lock.unlockRead(stamp);
        }
    }

    /// Tables are seen whole where the range lets them: only then can they be freed.
    private long lastOfPart(long first) {
        if (last - first < PART_BYTES) {
            return last;
        }
        return VmoMath.min(table.nextPageTableBoundary(first + (PART_BYTES - 1)) - 1, last);
    }

    /// What is wanted dearly is not reclaimed (clause V-274).
    private UnusedTables unusedNow() {
        return region.aspace().highPriorityCount() > 0 ? UnusedTables.KEEP : unused;
    }

    private void collect(long first, long end) {
        int from = pages.nextSetBit(0);
        if (from < 0) {
            return;
        }
        var walk = new RegionWalk(region, first, end);
        for (MappingNode mapping = walk.nextMapping();
                mapping != null && from >= 0;
                mapping = walk.nextMapping()) {
            long shown = VmoMath.min(mapping.last, end) - first;
            int limit = (int) (shown / PAGE) + 1;
            while (from >= 0 && from < limit) {
                int to = Math.min(pages.nextClearBit(from), limit);
                add(mapping, first + from * PAGE, to - from);
                from = pages.nextSetBit(to);
            }
        }
    }

    private void add(MappingNode mapping, long vaddr, long count) {
        if (runCount == vaddrs.length) {
            vaddrs = Arrays.copyOf(vaddrs, 2 * runCount);
            offsets = Arrays.copyOf(offsets, 2 * runCount);
            counts = Arrays.copyOf(counts, 2 * runCount);
        }
        vmos.add(mapping.vmo());
        vaddrs[runCount] = vaddr;
        offsets[runCount] = mapping.vmoOffsetOf(vaddr);
        counts[runCount++] = count;
    }

    /// With no lock held.
    private void tell(AccessedPages receiver) {
        for (int i = 0; i < runCount; i++) {
            receiver.accessed(vaddrs[i], vmos.get(i), offsets[i], counts[i]);
        }
        vmos.clear();
        runCount = 0;
    }
}
