package io.jircon.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AccessWidth;
import io.jircon.hal.AtomicAccess;
import io.jircon.hal.AtomicUpdate;
import io.jircon.hal.HugePages;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.UnusedTables;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Which pages were accessed: exhaustive over six pages across a border of leaf tables, by every
/// kind of access; and when a harvest takes unused tables out. Where the HAL keeps no such state,
/// each question must be refused, and nothing may change by that.
@Tag("V-289")
abstract class HalAccessedRules extends HalAtomicRules {
    private static final int PAGES = 6;
    private static final int ROUNDS = 500;
    private static final UnusedTables KEEP = UnusedTables.KEEP;
    private static final UnusedTables FREE = UnusedTables.FREE;

    HalAccessedRules() {}

    private long origin() {
        return seam - 3 * PAGE;
    }

    private long page(int index) {
        return origin() + index * PAGE;
    }

    /// Six pages that can be accessed in every way; false, after a look at the refusals, where
    /// accesses are not tracked.
    private boolean isReady() {
        table.mapPages(origin(), frames(PAGES), 0, PAGES, MmuFlags.RWX, OnExisting.ERROR);
        assertDeclared(
                HalFeature.ACCESSED_STATE, table.tracksAccessed(), "PageTableTrait.tracksAccessed");
        if (table.tracksAccessed()) {
            return true;
        }
        var pages = new BitSet();
        for (long misaligned = 0; misaligned < 2; misaligned++) {
            long at = origin() + misaligned;
            assertRefusedUnchanged(
                    PagingError.NOT_SUPPORTED,
                    origin(),
                    PAGES,
                    () -> table.harvestAccessed(at, PAGE, FREE, pages));
            assertRefusedUnchanged(
                    PagingError.NOT_SUPPORTED, origin(), PAGES, () -> table.markAccessed(at, PAGE));
        }
        assertTrue(pages.isEmpty(), "a refused harvest tells no pages");
        return false;
    }

    /// Pages of a part of the six, bit by bit.
    private int harvest(int from, int count, UnusedTables unused) {
        var pages = new BitSet();
        table.harvestAccessed(page(from), count * PAGE, unused, pages);
        assertTrue(pages.length() <= count, "pages outside the range are told: " + pages);
        return pages.isEmpty() ? 0 : (int) pages.toLongArray()[0] << from;
    }

    private int harvest(UnusedTables unused) {
        return harvest(0, PAGES, unused);
    }

    private void touch(int pattern) {
        for (int i = 0; i < PAGES; i++) {
            if ((pattern >> i & 1) != 0) {
                load(page(i));
            }
        }
    }

    private int entryCount() {
        return entries(table, origin(), PAGES).size();
    }

    /// If it fails: what is told must be forgotten, and the processors must hear that it is, or
    /// they never say it again; what lies outside the range is not touched.
    @Test
    @Tag("V-285")
    void required_eachAccessIsToldOnce() {
        if (!isReady()) {
            return;
        }
        var before = entries(table, origin(), PAGES);
        assertEquals(0, harvest(KEEP), "new entries are not accessed");
        for (int pattern = 0; pattern < 1 << PAGES; pattern++) {
            for (int from = 0; from < PAGES; from++) {
                for (int count = 0; count <= PAGES - from; count++) {
                    touch(pattern);
                    int inside = pattern & ((1 << count) - 1) << from;
                    String text =
                            "accessed %s, asked for %d pages from %d"
                                    .formatted(Integer.toBinaryString(pattern), count, from);
                    assertEquals(inside, harvest(from, count, KEEP), text);
                    assertEquals(pattern & ~inside, harvest(KEEP), text + ", then for all");
                    assertEquals(0, harvest(KEEP), text + ", then for all again");
                }
            }
        }
        assertEquals(before, entries(table, origin(), PAGES), "entries stay");
    }

    /// If it fails: fetches, stores and atomic acts are accesses as loads are; accesses that are
    /// refused and questions to the table are none.
    @Test
    void required_accessesAreWhatTheProcessorDoes() {
        if (!isReady()) {
            return;
        }
        assertTrue(canStore(page(0), 7));
        assertEquals(0b1, harvest(KEEP));
        assertTrue(canFetch(page(1)));
        assertEquals(0b10, harvest(KEEP));
        var add = new AtomicAccess().update(AtomicUpdate.ADD, AccessWidth.QWORD, 1);
        assertTrue(mmu.atomic(page(5), add));
        assertEquals(0b100000, harvest(KEEP));
        table.query(page(0));
        table.translate(page(1));
        table.explain(page(2), AccessKind.WRITE);
        entries(table, origin(), PAGES);
        assertFalse(canLoad(page(PAGES)));
        assertEquals(0, harvest(KEEP));
    }

    /// If it fails: an entry that keeps its frame keeps whether it was accessed; one that is made
    /// anew was not.
    @Test
    void required_changesKeepWhatWasAccessed() {
        if (!isReady()) {
            return;
        }
        long[] same = {table.translate(page(3))};
        touch(0b001111);
        table.protectRange(page(0), PAGE, MmuFlags.R);
        table.protect(page(1), MmuFlags.RX);
        table.writeProtectRange(page(2), PAGE);
        table.mapPages(page(3), same, 0, 1, MmuFlags.RWX, OnExisting.UPGRADE);
        table.mapPages(page(4), frames(1), 0, 1, MmuFlags.RWX, OnExisting.SKIP);
        assertEquals(0b001111, harvest(KEEP));
        touch(0b000111);
        table.unmap(page(0));
        map(page(0), frame(), MmuFlags.R);
        table.mapPages(page(1), frames(1), 0, 1, MmuFlags.R, OnExisting.UPGRADE);
        assertEquals(0b000100, harvest(KEEP));
    }

    /// If it fails: marking is as good as an access, for the pages of the range that have an entry.
    @Test
    void required_markedPagesAreAccessed() {
        if (!isReady()) {
            return;
        }
        table.unmap(page(3));
        table.markAccessed(page(1), 4 * PAGE);
        table.markAccessed(page(0), 0);
        assertEquals(0b010110, harvest(KEEP));
        assertEquals(0, harvest(KEEP));
        touch(0b010000);
        table.markAccessed(page(4), PAGE);
        assertEquals(0b010000, harvest(KEEP));
    }

    /// If it fails: a table of base pages goes when none of its pages was accessed since the last
    /// harvest that frees, and not before; what an earlier harvest that keeps was told counts.
    @Test
    void required_whatIsUsedOutlivesOneHarvestThatFrees() {
        if (!isReady()) {
            return;
        }
        touch(0b000011);
        assertEquals(0b000011, harvest(FREE));
        assertEquals(PAGES, entryCount(), "of a table in use, and of a new one");
        touch(0b000001);
        assertEquals(0b000001, harvest(FREE));
        assertEquals(3, entryCount(), "the upper table was not accessed");
        assertFalse(canLoad(page(4)));
        load(page(0));
        assertEquals(1, harvest(KEEP));
        assertEquals(0, harvest(KEEP));
        assertEquals(0, harvest(FREE));
        assertEquals(3, entryCount(), "was accessed since the last harvest that frees");
        table.markAccessed(page(2), PAGE);
        assertEquals(0b100, harvest(KEEP));
        assertEquals(0, harvest(FREE));
        assertEquals(3, entryCount(), "was marked since the last harvest that frees");
        assertEquals(0, harvest(FREE));
        assertEquals(0, entryCount());
        assertFalse(canLoad(page(0)));
    }

    /// If it fails: what is entered must get the time to be used.
    @Test
    void required_newEntriesOutliveOneHarvestThatFrees() {
        if (!isReady()) {
            return;
        }
        table.unmap(page(1));
        table.unmap(page(4));
        assertEquals(0, harvest(FREE));
        map(page(1), frame(), MmuFlags.R);
        table.mapRange(page(4), frame(), PAGE, MmuFlags.R, HugePages.ALLOWED, OnExisting.SKIP);
        assertEquals(0, harvest(FREE));
        assertEquals(PAGES, entryCount());
        assertEquals(0, harvest(FREE));
        assertEquals(0, entryCount());
    }

    /// If it fails: a harvest never removes an entry outside of its range.
    @Test
    void required_tablesThatReachBeyondTheRangeStay() {
        if (!isReady()) {
            return;
        }
        for (int round = 0; round < 4; round++) {
            assertEquals(0, harvest(1, PAGES - 2, FREE));
        }
        assertEquals(PAGES, entryCount());
        for (int round = 0; round < 2; round++) {
            assertEquals(0, harvest(3, 3, FREE));
        }
        assertEquals(3, entryCount());
        table.unmap(page(0));
        for (int round = 0; round < 2; round++) {
            assertEquals(0, harvest(1, 2, FREE));
        }
        assertEquals(0, entryCount());
    }

    /// If it fails: freeing a table gives its frame back; nothing is taken for a harvest.
    @Test
    void required_harvestsTakeNoFrames() {
        if (!isReady()) {
            return;
        }
        long free = hal.frames().freeFrames();
        long tables = table.tableFrames();
        faulty.failAt(1);
        for (int round = 0; round < 3; round++) {
            table.markAccessed(origin(), PAGE);
            harvest(FREE);
        }
        assertFalse(faulty.disarm(), "a frame was asked for");
        assertEquals(3, entryCount());
        long given = has(HalFeature.TABLES_IN_MEMORY) ? 1 : 0;
        assertTrue(tables - table.tableFrames() >= given, "frames of tables go");
        assertEquals(
                tables - table.tableFrames(),
                hal.frames().freeFrames() - free,
                "frames of tables come back");
    }

    /// If it fails: the state is kept for a huge leaf as a whole, and huge leaves are never taken
    /// out.
    @Test
    void optional_aHugeLeafIsAccessedAsAWhole() {
        if (!has(HalFeature.HUGE_2M) || !isReady()) {
            return;
        }
        table.unmapRange(origin(), PAGES * PAGE);
        table.map(seam, run(512, 21), PageSize.SIZE_2M, MmuFlags.RW);
        load(seam + 5 * PAGE);
        assertEquals(0b111000, harvest(FREE), "of a leaf partly inside the range");
        var pages = new BitSet();
        table.harvestAccessed(seam, HUGE, FREE, pages);
        assertEquals(512, pages.cardinality(), "a part of a leaf does not forget for all");
        table.markAccessed(seam + HUGE - PAGE, PAGE);
        for (int round = 0; round < 3; round++) {
            pages.clear();
            table.harvestAccessed(seam, HUGE, FREE, pages);
            assertEquals(round == 0 ? 512 : 0, pages.cardinality());
        }
        assertEquals(PageSize.SIZE_2M, table.query(seam).size());
    }

    /// If it fails: a processor sets the mark while the entry changes, and the change must take
    /// that over. Rights that grow need no flush, so nothing else would make the processor say it
    /// again.
    @Test
    void required_accessesBesideChangesAreTold() throws Exception {
        if (!isReady()) {
            return;
        }
        Mmu other = newMmu();
        other.activate(table);
        long at = page(2);
        var loads = new AtomicLong();
        var done = new AtomicBoolean();
        try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
            Future<?> loading =
                    thread.submit(() -> {
                        var word = MemorySegment.ofArray(new long[1]);
                        while (!done.get()) {
                            assertEquals(8, other.load(at, word, 0, 8));
                            loads.incrementAndGet();
                        }
                    });
            try {
                for (int round = 0; round < ROUNDS && !loading.isDone(); round++) {
                    table.protectRange(at, PAGE, MmuFlags.R);
                    harvest(KEEP);
                    long before = loads.get();
                    table.protectRange(at, PAGE, MmuFlags.RWX);
                    while (loads.get() < before + 2 && !loading.isDone()) {
                        Thread.onSpinWait();
                    }
                    assertEquals(0b100, harvest(KEEP), "accessed beside protect");
                }
            } finally {
                done.set(true);
            }
            loading.get();
        }
    }

    /// If it fails: look at the checks of the arguments; what is refused forgets nothing.
    @Test
    void required_badHarvestsAreRefused() {
        if (!isReady()) {
            return;
        }
        touch(0b1);
        var pages = new BitSet();
        long last = table.lastAddress() + 1 - PAGE;
        assertRefusedUnchanged(
                PagingError.NOT_ALIGNED,
                origin(),
                PAGES,
                () -> table.harvestAccessed(origin() + 1, PAGE, FREE, pages));
        assertRefusedUnchanged(
                PagingError.NOT_ALIGNED,
                origin(),
                PAGES,
                () -> table.harvestAccessed(origin(), PAGE + 1, FREE, pages));
        assertRefusedUnchanged(
                PagingError.OUT_OF_RANGE,
                origin(),
                PAGES,
                () -> table.harvestAccessed(origin(), -PAGE, FREE, pages));
        assertRefused(
                PagingError.OUT_OF_RANGE, () -> table.harvestAccessed(last, 2 * PAGE, FREE, pages));
        assertRefused(PagingError.NOT_ALIGNED, () -> table.markAccessed(origin() + 1, PAGE));
        assertRefused(PagingError.OUT_OF_RANGE, () -> table.markAccessed(last, 2 * PAGE));
        assertTrue(pages.isEmpty(), "a refused harvest tells no pages");
        pages.set(9);
        table.harvestAccessed(origin(), PAGE, KEEP, pages);
        assertEquals("{0, 9}", pages.toString(), "bits that were set stay");
        table.close();
        assertRefused(
                PagingError.BAD_STATE, () -> table.harvestAccessed(origin(), PAGE, KEEP, pages));
        assertRefused(PagingError.BAD_STATE, () -> table.markAccessed(origin(), PAGE));
    }

    /// If it fails: the border must lie above the address, and be that of all addresses up to it.
    @Test
    void required_pageTableBoundariesCutTheAddresses() {
        PageTableTrait any = table;
        for (long at : new long[] {origin(), seam - 1, seam, seam + HUGE + 5, any.firstAddress()}) {
            long border = any.nextPageTableBoundary(at);
            assertTrue(Long.compareUnsigned(at, border) < 0, "above the address");
            assertTrue(PageSize.SIZE_4K.isAligned(border), "page aligned");
            assertEquals(border, any.nextPageTableBoundary(border - 1));
            assertTrue(Long.compareUnsigned(border, any.nextPageTableBoundary(border)) < 0);
        }
        assertEquals(seam, any.nextPageTableBoundary(seam - 1), "1 GiB is a border everywhere");
    }
}
