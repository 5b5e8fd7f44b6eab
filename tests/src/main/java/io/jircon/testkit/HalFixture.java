package io.jircon.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.FrameAllocator;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.function.Executable;

/// A machine for each test of the kit, and the words the tests are written in. After each test all
/// that it opened is closed and every frame must be free again.
abstract class HalFixture {
    static final long PAGE = PageSize.BASE_BYTES;
    static final long HUGE = PageSize.SIZE_2M.bytes();
    static final long MEMORY_BASE = 0x8000_0000L;
    static final long MEMORY_BYTES = 64L << 20;

    Hal hal;
    FaultyFrameAllocator faulty;
    PageTableTrait table;
    Mmu mmu;

    /// A multiple of 1 GiB inside the table's range with room on both sides: a run across it
    /// crosses from one leaf table to the next.
    long seam;

    private long freeAtStart;
    private final List<AutoCloseable> open = new ArrayList<>();
    private final List<Long> taken = new ArrayList<>();
    private final MemorySegment buffer = Arena.ofAuto().allocate(16 * PAGE, 8);

    HalFixture() {}

    /// Makes the machine under test.
    ///
    /// @param config size and settings; the frame wrapper must be used
    /// @return a new machine, which the kit closes
    protected abstract Hal create(HalConfig config);

    /// What the HAL has.
    ///
    /// @return the features; what is absent from the set must be absent from the HAL
    protected abstract Set<HalFeature> features();

    @BeforeEach
    void bootMachine() {
        FaultyFrameAllocator[] made = new FaultyFrameAllocator[1];
        HalConfig config =
                HalConfig.DEFAULT
                        .withMemoryBase(MEMORY_BASE)
                        .withMemoryBytes(MEMORY_BYTES)
                        .withFrameWrapper(inner -> made[0] = new FaultyFrameAllocator(inner));
        hal = create(config);
        faulty = made[0];
        freeAtStart = hal.frames().freeFrames();
        table = newTable(AddressSpaceKind.USER);
        mmu = newMmu();
        mmu.activate(table);
        seam = seamOf(table);
    }

    /// A table may have addresses of its own: what holds for one need not be in another's range.
    static long seamOf(PageTableTrait of) {
        long giga = PageSize.SIZE_1G.bytes();
        return (of.firstAddress() + 4 * giga) & -giga;
    }

    @AfterEach
    void closeMachine() throws Exception {
        if (hal == null) {
            return;
        }
        faulty.disarm();
        try {
            for (int i = open.size() - 1; i >= 0; i--) {
                open.get(i).close();
            }
            for (long paddr : taken) {
                hal.frames().free(paddr);
            }
            assertEquals(
                    freeAtStart,
                    hal.frames().freeFrames(),
                    "free frames after the tables were closed and the test's frames given back");
        } finally {
            hal.close();
        }
    }

    final PageTableTrait newTable(AddressSpaceKind kind) {
        PageTableTrait made = hal.newPageTable(kind);
        open.add(made);
        return made;
    }

    final Mmu newMmu() {
        Mmu made = hal.newMmu();
        open.add(made);
        return made;
    }

    final boolean has(HalFeature feature) {
        return features().contains(feature);
    }

    /// Holds the HAL to what its suite declares.
    final void assertDeclared(HalFeature feature, boolean isThere, String sign) {
        assertEquals(
                has(feature),
                isThere,
                () ->
                        "features() has "
                                + (isThere ? "no " : "")
                                + feature
                                + ", but of the HAL this is "
                                + isThere
                                + ": "
                                + sign);
    }

    /// A frame, given back after the test.
    final long frame() {
        long paddr = hal.frames().allocate();
        taken.add(paddr);
        return paddr;
    }

    final long[] frames(int count) {
        long[] paddrs = new long[count];
        for (int i = 0; i < count; i++) {
            paddrs[i] = frame();
        }
        return paddrs;
    }

    /// A run of frames, given back after the test.
    final long run(long count, int alignShift) {
        long first = hal.frames().allocateContiguous(count, alignShift);
        for (long i = 0; i < count; i++) {
            taken.add(first + i * PAGE);
        }
        return first;
    }

    final void map(long vaddr, long paddr, MmuFlags flags) {
        table.map(vaddr, paddr, PageSize.SIZE_4K, flags);
    }

    /// The words of memory as a value: written to the frame's first word.
    final void mark(long paddr, long value) {
        hal.memory().writeLong(paddr, value);
    }

    /// Loads a word and fails the test on a fault.
    final long load(long vaddr) {
        return load(mmu, vaddr);
    }

    final long load(Mmu by, long vaddr) {
        assertEquals(8, by.load(vaddr, buffer, 0, 8), () -> "bytes loaded; " + by.fault());
        return buffer.get(ValueLayout.JAVA_LONG, 0);
    }

    final boolean canLoad(long vaddr) {
        return mmu.load(vaddr, buffer, 0, 8) == 8;
    }

    final boolean canStore(long vaddr, long value) {
        buffer.set(ValueLayout.JAVA_LONG, 0, value);
        return mmu.store(vaddr, buffer, 0, 8) == 8;
    }

    final boolean canFetch(long vaddr) {
        return mmu.fetch(vaddr, buffer, 0, 8) == 8;
    }

    /// Base page by base page: what the table holds, from [PageTableTrait#forEachLeaf].
    static NavigableMap<Long, Entry> entries(PageTableTrait of, long vaddr, long pages) {
        var found = new TreeMap<Long, Entry>(Long::compareUnsigned);
        of.forEachLeaf(
                vaddr,
                pages * PAGE,
                (at, paddr, size, flags) -> {
                    for (long off = 0; off < size.bytes(); off += PAGE) {
                        if (Long.compareUnsigned(at + off - vaddr, pages * PAGE) < 0) {
                            found.put(at + off, new Entry(paddr + off, flags));
                        }
                    }
                });
        return found;
    }

    /// What `query` says of each page of a range.
    static NavigableMap<Long, Entry> queried(PageTableTrait of, long vaddr, long pages) {
        var found = new TreeMap<Long, Entry>(Long::compareUnsigned);
        for (long i = 0; i < pages; i++) {
            long at = vaddr + i * PAGE;
            if (of.translate(at) != PageTableTrait.NO_TRANSLATION) {
                var mapping = of.query(at);
                found.put(at, new Entry(mapping.paddr(), mapping.flags()));
            }
        }
        return found;
    }

    /// Expects a kind of failure.
    static void assertRefused(PagingError expected, Executable call) {
        PagingException thrown = assertThrows(PagingException.class, call);
        assertEquals(expected, thrown.error(), thrown.getMessage());
    }

    /// Expects a kind of failure that leaves entries, table frames and free frames alone.
    final void assertRefusedUnchanged(
            PagingError expected, long from, long pages, Executable call) {
        var before = entries(table, from, pages);
        long free = hal.frames().freeFrames();
        long tableFrames = table.tableFrames();
        assertRefused(expected, call);
        assertEquals(before, entries(table, from, pages), "entries after the refused call");
        assertEquals(free, hal.frames().freeFrames(), "free frames after the refused call");
        assertEquals(tableFrames, table.tableFrames(), "table frames after the refused call");
    }

    /// Runs an operation again and again with the k-th taking call failing, k = 1, 2, ..., until it
    /// succeeds; each failure must be NO_MEMORY and change nothing.
    ///
    /// @return how many failures there were
    final int failAtEveryFrame(long from, long pages, Executable call) throws Throwable {
        for (int k = 1; ; k++) {
            var before = entries(table, from, pages);
            FrameAllocator frames = hal.frames();
            long free = frames.freeFrames();
            long tableFrames = table.tableFrames();
            faulty.failAt(k);
            try {
                call.execute();
                if (faulty.disarm()) {
                    throw new AssertionError(
                            "the call succeeded though its frame " + k + " failed");
                }
                return k - 1;
            } catch (PagingException refused) {
                faulty.disarm();
                assertEquals(PagingError.NO_MEMORY, refused.error(), refused.getMessage());
                assertEquals(before, entries(table, from, pages), "entries after failure " + k);
                assertEquals(before, queried(table, from, pages), "queries after failure " + k);
                assertEquals(free, frames.freeFrames(), "free frames after failure " + k);
                assertEquals(tableFrames, table.tableFrames(), "table frames after failure " + k);
            }
        }
    }

    /// What one base page shows.
    record Entry(long paddr, MmuFlags flags) {
        @Override
        public String toString() {
            return Long.toHexString(paddr) + " " + flags;
        }
    }
}
