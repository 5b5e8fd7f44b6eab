package io.jircon.tests.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.WalkResult;
import java.lang.management.ManagementFactory;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What enters, changes, removes and looks up pages of the nested page tables leaves nothing for
/// the garbage collector: not by the page, not by the table and not by the call.
class PageTableGarbageTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final long SLOT = PageSize.SIZE_2M.bytes();
    private static final int SLOT_PAGES = (int) (SLOT / PAGE);
    private static final long FIRST = PageSize.SIZE_1G.bytes();
    private static final long END = FIRST + 3 * SLOT;
    private static final int ROUNDS = 300;

    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    /// The fewest bytes that each operation took in a round: while it is not compiled, and while
    /// some array grows to the size that is needed, it takes more.
    private final Map<String, Long> least = new TreeMap<>();

    @ParameterizedTest
    @CsvSource({
        "x86_64, off",
        "x86_64, on",
        "aarch64, preset",
        "aarch64, hardware-dirty",
        "riscv64, preset",
        "riscv64, svadu"
    })
    void rangeOperationsAndLookUpsMakeNoGarbage(String name, String accessedAndDirty) {
        HalConfig config =
                HalConfig.DEFAULT.withMemoryBytes(16 << 20).withOption("ad", accessedAndDirty);
        try (Hal hal = Hals.create(name, config);
                PageTableTrait table = hal.newPageTable(AddressSpaceKind.GUEST)) {
            for (int round = 0; round < ROUNDS; round++) {
                operateOn(table, config.memoryBase(), SLOT_PAGES, " with new tables");
                for (long slot = FIRST; slot < END; slot += SLOT) {
                    long last = slot + SLOT - PAGE;
                    table.map(last, config.memoryBase(), PageSize.SIZE_4K, MmuFlags.RW);
                }
                operateOn(table, config.memoryBase(), SLOT_PAGES - 1, " with tables present");
                table.unmapRange(FIRST, END - FIRST);
            }
        }
        assertEquals(2 * 7, least.size());
        least.forEach((operation, bytes) -> assertEquals(0, bytes, operation));
    }

    private void operateOn(PageTableTrait table, long paddr, int pages, String tables) {
        long size = pages * PAGE;
        long[] paddrs = new long[pages];
        for (int i = 0; i < pages; i++) {
            paddrs[i] = paddr + (pages - i) * 2 * PAGE;
        }
        var result = new WalkResult();
        measure(
                "mapRange" + tables,
                slot ->
                        table.mapRange(
                                slot,
                                paddr,
                                size,
                                MmuFlags.RW,
                                HugePages.FORBIDDEN,
                                OnExisting.ERROR));
        measure(
                "translate" + tables,
                slot -> {
                    for (long offset = 0; offset < size; offset += PAGE) {
                        assertEquals(paddr + offset, table.translate(slot + offset));
                    }
                });
        measure("protectRange" + tables, slot -> table.protectRange(slot, size, MmuFlags.R));
        measure("writeProtectRange" + tables, slot -> table.writeProtectRange(slot, size));
        measure(
                "hardwareWalk" + tables,
                slot -> {
                    for (long offset = 0; offset < size; offset += PAGE) {
                        assertTrue(table.hardwareWalk(slot + offset, AccessKind.READ, result));
                    }
                });
        measure("unmapRange" + tables, slot -> table.unmapRange(slot, size));
        measure(
                "mapPages" + tables,
                slot -> table.mapPages(slot, paddrs, 0, pages, MmuFlags.RW, OnExisting.ERROR));
        measure("unmapRange" + tables, slot -> table.unmapRange(slot, size));
    }

    /// What is done to the pages of one leaf table.
    @FunctionalInterface
    private interface Operation {
        void on(long slot);
    }

    private void measure(String name, Operation operation) {
        long before = threads.getCurrentThreadAllocatedBytes();
        for (long slot = FIRST; slot < END; slot += SLOT) {
            operation.on(slot);
        }
        long bytes = threads.getCurrentThreadAllocatedBytes() - before;
        least.merge(name, bytes, Math::min);
    }
}
