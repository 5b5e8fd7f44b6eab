package io.jircon.hal.npt;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingException;
import io.jircon.hal.TableBounds;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/// Which pages of a range were written since the last look: what live migration asks for.
///
/// Where the walker keeps dirty states ([PagingFormat#tracksDirty()]) they are read and cleared,
/// leaf by leaf. Elsewhere the log takes WRITE from every page of the range; the first write to
/// each then faults, and [#resolveFault(long)] notes it and gives WRITE back for that page,
/// splitting a huge leaf if need be.
///
/// The range's mappings must not be changed while the log runs, but by the log.
///
/// Safe for use by many threads: one lock, taken before the page table's.
public final class DirtyLog implements AutoCloseable {
    private final NestedPageTable table;
    private final long vaddr;
    private final long sizeBytes;
    private final boolean byHardware;
    private final Object lock = new Object();

    /// Pages that may be written once the log ends.
    @GuardedBy("lock")
    private final BitSet writable = new BitSet();

    @GuardedBy("lock")
    private final BitSet written = new BitSet();

    @GuardedBy("lock")
    private boolean closed;

    /// Starts with no page written.
    ///
    /// @param table the table
    /// @param vaddr start of the range, page aligned
    /// @param sizeBytes length, a multiple of the base page, below 2^43
    /// @throws PagingException NOT_ALIGNED, OUT_OF_RANGE; NO_MEMORY when a huge leaf partly inside
    ///   cannot be split; the table is as it was
    public DirtyLog(NestedPageTable table, long vaddr, long sizeBytes) {
        this.table = table;
        this.vaddr = vaddr;
        this.sizeBytes = sizeBytes;
        this.byHardware = table.format().tracksDirty();
        TableBounds.checkCountable(sizeBytes);
        if (byHardware) {
            table.harvestDirty(vaddr, sizeBytes, new BitSet());
            return;
        }
        var found = new BitSet();
        table.forEachLeaf(
                vaddr,
                sizeBytes,
                (at, paddr, size, flags) -> {
                    if (flags.canWrite()) {
                        long from = Math.max(at - vaddr, 0);
                        long to = Math.min(at - vaddr + size.bytes(), sizeBytes);
                        found.set(
                                (int) (from >>> PageSize.BASE_SHIFT),
                                (int) (to >>> PageSize.BASE_SHIFT));
                    }
                });
        synchronized (lock) {
            writable.or(found);
            table.writeProtectRange(vaddr, sizeBytes);
        }
    }

    /// Takes note of a write fault that the log itself may have caused.
    ///
    /// @param address the address that could not be written
    /// @return true when the page may be written now and the access is to be tried again; false
    ///   when the fault is none of the log's
    /// @throws PagingException NO_MEMORY when a huge leaf cannot be split
    public boolean resolveFault(long address) {
        synchronized (lock) {
            long offset = address - vaddr;
            if (closed || byHardware || Long.compareUnsigned(offset, sizeBytes) >= 0) {
                return false;
            }
            int page = (int) (offset >>> PageSize.BASE_SHIFT);
            if (!writable.get(page)) {
                return false;
            }
            if (!written.get(page)) {
                setWritable(page, page + 1);
                written.set(page);
            }
            return true;
        }
    }

    /// Says which pages were written since the log began or was last asked, and starts anew.
    ///
    /// @param pages receives a set bit for each written page, counted from the start of the range;
    ///   bits that are set already stay
    public void harvest(BitSet pages) {
        synchronized (lock) {
            if (closed) {
                return;
            }
            if (byHardware) {
                table.harvestDirty(vaddr, sizeBytes, pages);
                return;
            }
            for (int from = written.nextSetBit(0); from >= 0; ) {
                int to = written.nextClearBit(from);
                table.writeProtectRange(address(from), address(to) - address(from));
                from = written.nextSetBit(to);
            }
            pages.or(written);
            written.clear();
        }
    }

    /// Ends the log: what could be written before it can be again. Closing twice is harmless.
    ///
    /// @throws PagingException NO_MEMORY when a huge leaf cannot be split; the log goes on
    @Override
    public void close() {
        synchronized (lock) {
            if (closed) {
                return;
            }
            writable.andNot(written);
            for (int from = writable.nextSetBit(0); from >= 0; ) {
                int to = writable.nextClearBit(from);
                setWritable(from, to);
                from = writable.nextSetBit(to);
            }
            closed = true;
        }
    }

    /// Gives WRITE to the pages of a run that have an entry.
    private void setWritable(int from, int to) {
        record Part(long at, long size, MmuFlags flags) {}
        List<Part> parts = new ArrayList<>();
        long start = address(from);
        long length = address(to) - start;
        table.forEachLeaf(
                start,
                length,
                (at, paddr, size, flags) -> {
                    long low = Math.max(at - start, 0);
                    long high = Math.min(at - start + size.bytes(), length);
                    parts.add(new Part(start + low, high - low, flags.with(MmuFlags.RW)));
                });
        for (Part part : parts) {
            table.protectRange(part.at, part.size, part.flags);
        }
    }

    private long address(int page) {
        return vaddr + ((long) page << PageSize.BASE_SHIFT);
    }
}
