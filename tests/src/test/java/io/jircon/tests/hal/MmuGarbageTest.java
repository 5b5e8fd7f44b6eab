package io.jircon.tests.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.HugePages;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

/// Hits, misses, walks and faults of the software MMU, and taking and freeing a frame, leave
/// nothing for the garbage collector.
class MmuGarbageTest {
    private static final int ROUND = 10_000;

    @Test
    void accessesFaultsAndFramesMakeNoGarbage() {
        HalConfig config = HalConfig.DEFAULT.withMemoryBytes(16 << 20);
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long least = Long.MAX_VALUE;
        try (Hal hal = Hals.create("unix-file", config);
                PageTableTrait table = hal.newPageTable(AddressSpaceKind.GUEST);
                Mmu mmu = hal.newMmu();
                Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(64);
            table.mapRange(
                    0,
                    config.memoryBase(),
                    2048 * PageSize.BASE_BYTES,
                    MmuFlags.RW,
                    HugePages.FORBIDDEN,
                    OnExisting.ERROR);
            mmu.activate(table);
            for (int round = 0; round < 20; round++) {
                long before = threads.getCurrentThreadAllocatedBytes();
                round(hal, mmu, bytes);
                least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
            }
            assertEquals(20 * ROUND, mmu.stats().faults());
            assertTrue(mmu.stats().tlbMisses() > 20 * ROUND, "misses besides the faults");
        }
        // Less than a byte for ten operations: the counter itself, and what is not compiled yet.
        assertTrue(least < 5 * ROUND / 10, "bytes for " + 5 * ROUND + " operations: " + least);
    }

    private static void round(Hal hal, Mmu mmu, MemorySegment bytes) {
        for (int i = 0; i < ROUND; i++) {
            long vaddr = i % 2048 * PageSize.BASE_BYTES + 32;
            mmu.load(vaddr, bytes, 0, 8);
            mmu.store(vaddr, bytes, 0, 64);
            mmu.fetch(vaddr, bytes, 0, 4);
            hal.frames().free(hal.frames().allocate());
        }
    }
}
