package io.jircon.hal.npt;

import io.jircon.hal.FrameAllocator;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.PhysicalMemory;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/// The memory of one page table's tables, and what a call leaves to be done at its end.
///
/// A change takes the frames it needs with [#reserve(int)] before it touches anything, so that it
/// cannot fail half way. Tables that drop out of the tree are retired: their frames go back only in
/// [#finish()], after the flush, because a walker may still be reading them (clause A-68).
///
/// Entries are written in one 64-bit access that comes after all that went before (clause A-166): a
/// release, or plain writes after one fence, which the foreign-memory API makes single accesses on
/// 64-bit platforms. Guarded by the page table's lock.
final class TableStore {
    private static final int TABLE_BYTES = (int) PageSize.BASE_BYTES;

    /// Of every table but the root.
    static final int TABLE_ENTRIES = TABLE_BYTES / Long.BYTES;

    static final int INDEX_BITS = Integer.numberOfTrailingZeros(TABLE_ENTRIES);

    final PagingFormat format;
    final FlushList flushes;
    final long root;
    final RootLoans loans;

    private final PhysicalMemory memory;
    private final FrameAllocator frames;
    private long[] reserved = new long[8];
    private int reservedCount;
    private long[] retired = new long[8];
    private int retiredCount;
    private long tableFrames;
    private boolean batching;

    /// Goes from false to true once, with the lock held; may be read without it.
    private volatile boolean closed;

    /// Takes and zeroes the root.
    TableStore(
            PagingFormat format, PhysicalMemory memory, FrameAllocator frames, FlushList flushes) {
        this.format = format;
        this.memory = memory;
        this.frames = frames;
        this.flushes = flushes;
        int bytes = format.rootBytes();
        tableFrames = bytes / TABLE_BYTES;
        root =
                tableFrames == 1
                        ? frames.allocate()
                        : frames.allocateContiguous(
                                tableFrames, Integer.numberOfTrailingZeros(bytes));
        memory.zero(root, bytes);
        loans = new RootLoans(this);
    }

    /// Whether two tables lie in the same memory and are walked by the same processors.
    boolean isOfSameMachine(TableStore other) {
        return memory == other.memory && flushes.hasInvalidator(other.flushes);
    }

    /// How many frames the tables take; none once closed, though what is lent may be kept.
    long tableFrames() {
        return closed ? 0 : tableFrames;
    }

    /// Whether [#close()] was called; the tables that are lent may be there still.
    boolean isClosed() {
        return closed;
    }

    /// @throws PagingException BAD_STATE after close
    void requireOpen() {
        if (closed) {
            throw closedException();
        }
    }

    static PagingException closedException() {
        return new PagingException(PagingError.BAD_STATE, "the page table is closed");
    }

    long read(long entry) {
        return memory.readLongAcquire(entry);
    }

    /// Reads an entry for a caller that the lock orders: it holds the lock, or finds out afterwards
    /// that no change came between. Without a barrier by the entry loops run at full speed.
    long peek(long entry) {
        return memory.readLong(entry);
    }

    void write(long entry, long raw) {
        memory.writeLongRelease(entry, raw);
    }

    /// Orders all that went before, such as the contents of frames, before every later [#poke(long,
    /// long)].
    void beginPokes() {
        VarHandle.releaseFence();
    }

    /// Writes an entry that needs no order of its own: one of many after [#beginPokes()], or one of
    /// a table that no walker can reach yet.
    void poke(long entry, long raw) {
        memory.writeLong(entry, raw);
    }

    boolean replace(long entry, long expected, long raw) {
        return memory.compareAndSetLong(entry, expected, raw);
    }

    /// Notes at the pointer to a table of base pages whether it is in use, beside a walker that may
    /// mark the pointer.
    void setIdle(long entry, boolean idle) {
        long raw = read(entry);
        while (((raw & PagingFormat.IDLE_TABLE) != 0) != idle
                && !replace(entry, raw, raw ^ PagingFormat.IDLE_TABLE)) {
            raw = read(entry);
        }
    }

    /// Takes frames for the next tables, all or none.
    ///
    /// @throws PagingException NO_MEMORY; nothing changed
    void reserve(int count) {
        if (count == 0) {
            return;
        }
        if (count > reserved.length) {
            reserved = new long[count];
        }
        frames.allocate(reserved, 0, count);
        reservedCount = count;
        tableFrames += count;
    }

    /// The next reserved frame, zeroed, for a table that nothing points to yet.
    long take() {
        long table = reserved[--reservedCount];
        memory.zero(table, TABLE_BYTES);
        return table;
    }

    /// Notes a table that nothing points to any more.
    void retire(long table) {
        if (retiredCount == retired.length) {
            retired = Arrays.copyOf(retired, 2 * retiredCount);
        }
        retired[retiredCount++] = table;
    }

    /// Whether no entry of a table below the root is present. Costs at most as much as having
    /// zeroed the table did, and little while it is well filled.
    boolean isEmpty(long table, int height) {
        for (int index = 0; index < TABLE_ENTRIES; index++) {
            if (format.isPresent(height, memory.readLong(table + (long) index * Long.BYTES))) {
                return false;
            }
        }
        return true;
    }

    /// Leaves the work of [#finish()] to [#endBatch()].
    void beginBatch() {
        batching = true;
    }

    void endBatch() {
        batching = false;
        finish();
    }

    /// Ends a call: flushes, then frees what was retired.
    void finish() {
        if (batching) {
            return;
        }
        flushes.flush();
        if (retiredCount > 0) {
            tableFrames -= retiredCount;
            int count = retiredCount;
            retiredCount = 0;
            frames.free(retired, 0, count);
        }
    }

    /// Frees every table but those that are lent or borrowed. No walker of this table may start any
    /// more. The table is closed from here on.
    void close() {
        closed = true;
        retireBelow(root, format.rootHeight, format.rootEntries());
        flushes.release();
        finish();
        closeRoot();
    }

    /// Frees the root and what was lent, once nobody borrows it any more.
    void closeAfterLoans() {
        retireBelow(root, format.rootHeight, format.rootEntries());
        finish();
        closeRoot();
    }

    private void closeRoot() {
        if (!loans.isLender()) {
            frames.freeContiguous(root, tableFrames);
            tableFrames = 0;
        }
    }

    private void retireBelow(long table, int height, int entries) {
        if (height == 0) {
            return;
        }
        for (int index = 0; index < entries; index++) {
            if (table == root && (loans.isLent(index) || loans.isBorrowed(index))) {
                continue;
            }
            long entry = table + (long) index * Long.BYTES;
            long raw = read(entry);
            if (format.isPresent(height, raw) && !format.isLeaf(height, raw)) {
                long child = format.address(raw);
                retireBelow(child, height - 1, TABLE_ENTRIES);
                retire(child);
                write(entry, 0);
            }
        }
    }

    /// Fills a new table with the leaves that one leaf above stands for. A/D state and flags stay.
    long split(int height, long raw) {
        long child = take();
        int below = height - 1;
        long step = 1L << format.shifts[below];
        long address = format.leafAddress(height, raw);
        for (int index = 0; index < TABLE_ENTRIES; index++) {
            long part = part(height, raw, address + index * step);
            poke(child + (long) index * Long.BYTES, part);
        }
        return child;
    }

    /// One of the leaves that a leaf above stands for.
    long part(int height, long raw, long address) {
        int flags = format.flagBits(height, raw);
        long attributes = format.leafAttributes[height - 1][flags];
        return format.withAttributes(
                raw, attributes, format.addressField(address), (flags & MmuFlags.WRITE_BIT) != 0);
    }

    /// Puts a table where a leaf was. On AArch64 the entry is made invalid and flushed in between
    /// (break before make); elsewhere the flush may wait for the end of the call.
    ///
    /// @param hidden whether the entry itself is in a table that no walker can reach yet
    void putTable(long entry, int height, long vaddr, long raw, long child, boolean hidden) {
        long pointer = format.encodePointer(child);
        if (hidden) {
            poke(entry, pointer);
            return;
        }
        int shift = format.shifts[height];
        flushes.add(vaddr & -1L << shift, shift);
        if (format.breakMask != 0) {
            long last = clear(entry, raw);
            copyState(child, height - 1, last ^ raw);
            flushes.flush();
            write(entry, pointer);
            return;
        }
        long expected = raw;
        while (!replace(entry, expected, pointer)) {
            long now = read(entry);
            copyState(child, height - 1, now ^ expected);
            expected = now;
        }
    }

    /// Replaces a leaf, by break before make where that is due.
    ///
    /// @param raw what was read from the entry
    /// @param next the new leaf, with the state that `raw` had; 0 for none
    /// @param stale whether translations made from `raw` must go
    /// @param hidden whether no walker can reach the entry yet
    void putLeaf(
            long entry,
            int height,
            long vaddr,
            long raw,
            long next,
            boolean stale,
            boolean hidden) {
        if (hidden) {
            poke(entry, next);
            return;
        }
        int shift = format.shifts[height];
        if (stale) {
            flushes.add(vaddr & -1L << shift, shift);
        }
        if (next == 0) {
            write(entry, 0);
        } else if (((raw ^ next) & format.breakMask) != 0) {
            long last = clear(entry, raw);
            flushes.flush();
            write(entry, carry(height, next, last ^ raw));
        } else if (format.setsAccessed) {
            long expected = raw;
            long value = next;
            while (!replace(entry, expected, value)) {
                long now = read(entry);
                value = carry(height, value, now ^ expected);
                expected = now;
            }
        } else {
            write(entry, next);
        }
    }

    /// A new leaf with the bits that a walker changed in the old one meanwhile.
    private long carry(int height, long next, long changed) {
        boolean dirtied = (changed & format.dirtyMask) != 0;
        if (dirtied
                && format.softDirtyMask != 0
                && (format.flagBits(height, next) & MmuFlags.WRITE_BIT) == 0) {
            return (next ^ (changed & ~format.dirtyMask)) | format.softDirtyMask;
        }
        return next ^ changed;
    }

    private long clear(long entry, long raw) {
        long expected = raw;
        while (!replace(entry, expected, 0)) {
            expected = read(entry);
        }
        return expected;
    }

    /// Gives leaves the accessed and dirty bits that a walker changed in the leaf they came from.
    private void copyState(long table, int height, long changed) {
        if (changed == 0) {
            return;
        }
        for (int index = 0; index < TABLE_ENTRIES; index++) {
            long entry = table + (long) index * Long.BYTES;
            long raw = memory.readLong(entry);
            if (format.isPresent(height, raw) && format.isLeaf(height, raw)) {
                poke(entry, raw ^ changed);
            }
        }
    }
}
