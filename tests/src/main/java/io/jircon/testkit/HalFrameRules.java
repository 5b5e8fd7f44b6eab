package io.jircon.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.FrameAllocator;
import io.jircon.hal.PagingError;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Frames and physical memory.
abstract class HalFrameRules extends HalAccessedRules {
    HalFrameRules() {}

    /// If it fails: a frame lies in memory, is page aligned, is never 0 and never handed out twice.
    @Test
    void required_framesAreDistinctAndInMemory() {
        Set<Long> seen = new HashSet<>();
        for (long paddr : frames(500)) {
            assertTrue(seen.add(paddr), "handed out twice");
            assertEquals(0, paddr & (PAGE - 1));
            assertTrue(hal.memory().contains(paddr, PAGE));
            assertTrue(hal.frames().isAllocated(paddr));
        }
        assertFalse(seen.contains(0L));
    }

    /// If it fails: counts, and the refusal when none is left.
    @Test
    void required_everyFrameCanBeTakenAndGivenBack() {
        FrameAllocator all = hal.frames();
        long free = all.freeFrames();
        List<Long> mine = new ArrayList<>();
        for (long i = 0; i < free; i++) {
            mine.add(all.allocate());
        }
        assertEquals(0, all.freeFrames());
        assertRefused(PagingError.NO_MEMORY, all::allocate);
        assertRefused(PagingError.NO_MEMORY, () -> all.allocateContiguous(1, 12));
        assertRefused(PagingError.NO_MEMORY, () -> all.allocate(new long[1], 0, 1));
        long last = mine.removeLast();
        all.free(last);
        assertRefused(PagingError.NO_MEMORY, () -> all.allocate(new long[2], 0, 2));
        assertEquals(1, all.freeFrames(), "a refused batch takes nothing");
        assertEquals(last, all.allocate());
        mine.add(last);
        long[] batch = mine.stream().mapToLong(Long::longValue).toArray();
        all.free(batch, 0, batch.length);
        assertEquals(free, all.freeFrames());
        assertTrue(all.totalFrames() >= free);
    }

    /// If it fails: a double or foreign free must be refused whole, a batch included.
    @Test
    void required_wrongFreesAreRefused() {
        FrameAllocator all = hal.frames();
        long[] two = {all.allocate(), all.allocate()};
        all.free(two[1]);
        long free = all.freeFrames();
        PagingError bad = PagingError.BAD_FRAME;
        assertRefused(bad, () -> all.free(two[1]));
        assertRefused(bad, () -> all.free(two[0] + 1));
        assertRefused(bad, () -> all.free(0));
        assertRefused(bad, () -> all.free(-PAGE));
        assertRefused(bad, () -> all.free(hal.memory().base() + hal.memory().sizeBytes()));
        assertRefused(bad, () -> all.free(two, 0, 2));
        assertRefused(bad, () -> all.free(new long[] {two[0], two[0]}, 0, 2));
        assertTrue(all.isAllocated(two[0]), "a refused batch gives nothing back");
        assertEquals(free, all.freeFrames());
        assertFalse(all.isAllocated(two[1]));
        assertFalse(all.isAllocated(-1));
        assertThrows(IndexOutOfBoundsException.class, () -> all.free(two, 1, 2));
        assertThrows(IndexOutOfBoundsException.class, () -> all.allocate(two, 1, 2));
        all.free(two[0]);
    }

    /// If it fails: runs are contiguous and aligned; any frame of one can be given back alone.
    @Test
    @Tag("A-17")
    void required_runsAreContiguousAndAligned() {
        FrameAllocator all = hal.frames();
        long free = all.freeFrames();
        for (int shift : new int[] {12, 13, 16, 21}) {
            for (long count : new long[] {1, 3, 8}) {
                long first = all.allocateContiguous(count, shift);
                assertEquals(0, first & ((1L << shift) - 1));
                for (long i = 0; i < count; i++) {
                    assertTrue(all.isAllocated(first + i * PAGE));
                }
                all.free(first);
                if (count > 1) {
                    assertRefused(PagingError.BAD_FRAME, () -> all.freeContiguous(first, count));
                    all.freeContiguous(first + PAGE, count - 1);
                }
                assertEquals(free, all.freeFrames());
            }
        }
        assertThrows(IllegalArgumentException.class, () -> all.allocateContiguous(0, 12));
        assertThrows(IllegalArgumentException.class, () -> all.allocateContiguous(1, 11));
        assertThrows(IllegalArgumentException.class, () -> all.allocateContiguous(1, 63));
        assertRefused(
                PagingError.NO_MEMORY, () -> all.allocateContiguous(all.totalFrames() + 1, 12));
        assertEquals(free, all.freeFrames());
    }

    /// If it fails: bounds of physical memory, and that words are little-endian bytes.
    @Test
    void required_physicalMemoryKeepsBytesAndBounds() {
        var memory = hal.memory();
        long end = memory.base() + memory.sizeBytes();
        long paddr = frame();
        memory.writeLong(paddr, 0x0807060504030201L);
        assertEquals(1, memory.slice(paddr, 8).get(java.lang.foreign.ValueLayout.JAVA_BYTE, 0));
        memory.copy(paddr, paddr + 8, 8);
        assertEquals(0x0807060504030201L, memory.readLongAcquire(paddr + 8));
        assertTrue(memory.compareAndSetLong(paddr, 0x0807060504030201L, 5));
        assertFalse(memory.compareAndSetLong(paddr, 6, 7));
        assertEquals(5, memory.readLong(paddr));
        memory.zero(paddr, PAGE);
        assertEquals(0, memory.readLong(paddr + 8));
        assertTrue(memory.contains(memory.base(), memory.sizeBytes()));
        assertFalse(memory.contains(memory.base() - 1, 1));
        assertFalse(memory.contains(end - 1, 2));
        assertFalse(memory.contains(memory.base() + 1, -1));
        assertThrows(IndexOutOfBoundsException.class, () -> memory.readLong(end));
        assertThrows(IndexOutOfBoundsException.class, () -> memory.zero(end - 8, 16));
        assertThrows(IndexOutOfBoundsException.class, () -> memory.writeLong(memory.base() - 8, 0));
    }
}
