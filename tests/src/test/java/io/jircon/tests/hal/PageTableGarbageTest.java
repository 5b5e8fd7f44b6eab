package io.jircon.tests.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Range map, range protect, translation and range unmap of the nested page tables leave nothing by
/// the page for the garbage collector: a view of each table that is written, and no more.
class PageTableGarbageTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final int PAGES = 2048;
    private static final int RANGE_PAGES = 512;

    /// Tables made, which are cleared, and leaf tables written, of a round: a range needs at most
    /// three new ones each time it is mapped.
    private static final int VIEWS = PAGES / RANGE_PAGES * (2 * 3 + 5);

    /// What the JVM takes for a segment that is part of another.
    private static final int VIEW_BYTES = 48;

    private static final int ROUNDS = 200;

    @ParameterizedTest
    @ValueSource(strings = {"x86_64", "aarch64", "riscv64"})
    void rangeOperationsMakeNoGarbageByThePage(String name) {
        HalConfig config = HalConfig.DEFAULT.withMemoryBytes(16 << 20);
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long[] paddrs = new long[RANGE_PAGES];
        for (int i = 0; i < RANGE_PAGES; i++) {
            paddrs[i] = config.memoryBase() + (RANGE_PAGES - i) * 2 * PAGE;
        }
        long least = Long.MAX_VALUE;
        try (Hal hal = Hals.create(name, config);
                PageTableTrait table = hal.newPageTable(AddressSpaceKind.GUEST)) {
            for (int round = 0; round < ROUNDS; round++) {
                long before = threads.getCurrentThreadAllocatedBytes();
                round(table, config.memoryBase(), paddrs);
                least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
            }
        }
        assertTrue(least <= VIEWS * VIEW_BYTES, "bytes for " + 5 * PAGES + " entries: " + least);
    }

    private static void round(PageTableTrait table, long paddr, long[] paddrs) {
        long rangeBytes = RANGE_PAGES * PAGE;
        for (long at = 0; at < PAGES * PAGE; at += rangeBytes) {
            table.mapRange(
                    at, paddr, rangeBytes, MmuFlags.RW, HugePages.FORBIDDEN, OnExisting.ERROR);
            table.protectRange(at, rangeBytes, MmuFlags.R);
            for (long page = at; page < at + rangeBytes; page += PAGE) {
                assertEquals(paddr + (page - at), table.translate(page));
            }
            table.unmapRange(at, rangeBytes);
            table.mapPages(at, paddrs, 0, RANGE_PAGES, MmuFlags.RW, OnExisting.ERROR);
            table.unmapRange(at, rangeBytes);
        }
    }
}
