package io.jircon.hal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BuddyFrameAllocatorTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final long BASE = 0x8000_0000L;

    @Test
    void handsOutEveryFrameOnceAndThenRefuses() {
        var allocator = new BuddyFrameAllocator(BASE, 300 * PAGE);
        var seen = new TreeSet<Long>();
        for (int i = 0; i < 300; i++) {
            assertTrue(seen.add(allocator.allocate()));
        }
        assertEquals(BASE, seen.first());
        assertEquals(BASE + 299 * PAGE, seen.last());
        assertError(PagingError.NO_MEMORY, allocator::allocate);
        assertEquals(0, allocator.freeFrames());
    }

    @Test
    @Tag("A-19")
    void theFrameAtPhysicalAddressZeroIsReserved() {
        var allocator = new BuddyFrameAllocator(0, 16 * PAGE);
        assertEquals(15, allocator.totalFrames());
        assertEquals(15, allocator.freeFrames());
        for (int i = 0; i < 15; i++) {
            assertFalse(allocator.allocate() == 0);
        }
        assertError(PagingError.NO_MEMORY, allocator::allocate);
        assertError(PagingError.BAD_FRAME, () -> allocator.free(0));
        assertFalse(allocator.isAllocated(0));
    }

    @Test
    void doubleFreeIsRefusedAndChangesNothing() {
        var allocator = new BuddyFrameAllocator(BASE, 16 * PAGE);
        long frame = allocator.allocate();
        assertEquals("15 of 16 frames free", allocator.toString());
        allocator.free(frame);
        assertError(PagingError.BAD_FRAME, () -> allocator.free(frame));
        assertEquals(16, allocator.freeFrames());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, BASE - PAGE, BASE + 16 * PAGE, BASE + 1, -PAGE})
    void foreignFramesAreRefused(long paddr) {
        var allocator = new BuddyFrameAllocator(BASE, 16 * PAGE);
        allocator.allocateContiguous(16, 12);
        assertError(PagingError.BAD_FRAME, () -> allocator.free(paddr));
        assertFalse(allocator.isAllocated(paddr));
    }

    @Test
    void bulkTakesAllOrNone() {
        var allocator = new BuddyFrameAllocator(BASE, 200 * PAGE);
        var paddrs = new long[300];
        assertError(PagingError.NO_MEMORY, () -> allocator.allocate(paddrs, 10, 201));
        assertEquals(200, allocator.freeFrames());
        allocator.allocate(paddrs, 10, 200);
        assertEquals(0, paddrs[9]);
        assertEquals(0, paddrs[210]);
        assertEquals(0, allocator.freeFrames());
        assertThrows(IndexOutOfBoundsException.class, () -> allocator.allocate(paddrs, 299, 2));
    }

    @Test
    void bulkFreeWithAFrameTwiceGivesNothingBack() {
        var allocator = new BuddyFrameAllocator(BASE, 16 * PAGE);
        var paddrs = new long[4];
        allocator.allocate(paddrs, 0, 3);
        paddrs[3] = paddrs[1];
        assertError(PagingError.BAD_FRAME, () -> allocator.free(paddrs, 0, 4));
        assertEquals(13, allocator.freeFrames());
        for (int i = 0; i < 3; i++) {
            assertTrue(allocator.isAllocated(paddrs[i]));
        }
        allocator.free(paddrs, 0, 3);
        assertEquals(16, allocator.freeFrames());
    }

    @Test
    void aRunTakesJustItsLengthAndAnyFrameOfItMayBeFreedAlone() {
        var allocator = new BuddyFrameAllocator(BASE, 64 * PAGE);
        long run = allocator.allocateContiguous(5, 12);
        assertEquals(59, allocator.freeFrames());
        allocator.free(run + 2 * PAGE);
        assertEquals(60, allocator.freeFrames());
        assertError(PagingError.BAD_FRAME, () -> allocator.freeContiguous(run, 5));
        assertEquals(60, allocator.freeFrames());
        allocator.freeContiguous(run, 2);
        allocator.freeContiguous(run + 3 * PAGE, 2);
        assertEquals(64, allocator.freeFrames());
    }

    @Test
    void aRunIsFoundWhereverThereIsOne() {
        var allocator = new BuddyFrameAllocator(BASE, 64 * PAGE);
        allocator.allocateContiguous(64, 12);
        // 3 frames that straddle a boundary of 4: no buddy block covers them.
        allocator.freeContiguous(BASE + 6 * PAGE, 3);
        assertEquals(BASE + 6 * PAGE, allocator.allocateContiguous(3, 12));
    }

    @Test
    void aRunMayBeTheWholeMemory() {
        long frames = (3L << 30) / PAGE;
        var allocator = new BuddyFrameAllocator(BASE, frames * PAGE);
        assertEquals(BASE, allocator.allocateContiguous(frames, 12));
        assertEquals(0, allocator.freeFrames());
        allocator.freeContiguous(BASE, frames);
        assertEquals(frames, allocator.freeFrames());
        assertEquals(BASE, allocator.allocateContiguous(frames, 31));
    }

    @ParameterizedTest
    @ValueSource(ints = {12, 13, 17, 18, 19, 21, 27, 28, 30})
    void alignmentIsThatOfThePhysicalAddress(int alignShift) {
        var allocator = new BuddyFrameAllocator(BASE + (2L << 20), 3L << 30);
        allocator.allocate();
        long run = allocator.allocateContiguous(3, alignShift);
        assertEquals(0, run & ((1L << alignShift) - 1));
        assertTrue(allocator.isAllocated(run + 2 * PAGE));
        assertFalse(allocator.isAllocated(run + 3 * PAGE));
    }

    @Test
    void badArgumentsAreNamed() {
        var allocator = new BuddyFrameAllocator(BASE, 16 * PAGE);
        assertThrows(IllegalArgumentException.class, () -> allocator.allocateContiguous(0, 12));
        assertThrows(IllegalArgumentException.class, () -> allocator.allocateContiguous(1, 11));
        assertThrows(IllegalArgumentException.class, () -> allocator.allocateContiguous(1, 63));
        assertThrows(IllegalArgumentException.class, () -> allocator.freeContiguous(BASE, 0));
        assertError(PagingError.NO_MEMORY, () -> allocator.allocateContiguous(17, 12));
        assertError(PagingError.NO_MEMORY, () -> allocator.allocateContiguous(1, 62));
        assertError(PagingError.NO_MEMORY, () -> allocator.allocateContiguous(Long.MAX_VALUE, 12));
        assertError(
                PagingError.BAD_FRAME,
                () -> {
                    allocator.allocateContiguous(16, 12);
                    allocator.freeContiguous(BASE, Long.MAX_VALUE);
                });
        assertError(PagingError.NOT_ALIGNED, () -> new BuddyFrameAllocator(1, PAGE));
        assertError(PagingError.NOT_ALIGNED, () -> new BuddyFrameAllocator(0, 1));
        assertError(PagingError.OUT_OF_RANGE, () -> new BuddyFrameAllocator(0, 0));
        assertError(PagingError.OUT_OF_RANGE, () -> new BuddyFrameAllocator(-PAGE, 2 * PAGE));
    }

    @Test
    void theTopOfThePhysicalSpaceIsUsable() {
        var allocator = new BuddyFrameAllocator(-16 * PAGE, 16 * PAGE);
        assertEquals(-16 * PAGE, allocator.allocateContiguous(16, 12));
        assertTrue(allocator.isAllocated(-PAGE));
        allocator.free(-PAGE);
        assertEquals(-PAGE, allocator.allocate());
    }

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void behavesAsABitSetOfFrames(long seed) {
        var random = new Random(seed);
        int frames = 1 + random.nextInt(500);
        long base = random.nextInt(3) == 0 ? 0 : BASE + random.nextInt(40_000) * PAGE;
        var allocator = new BuddyFrameAllocator(base, frames * PAGE);
        var model = new FrameModel(base, frames);
        List<Long> held = new ArrayList<>();
        for (int step = 0; step < 4_000; step++) {
            switch (random.nextInt(6)) {
                case 0, 1 -> {
                    if (model.free() == 0) {
                        assertError(PagingError.NO_MEMORY, allocator::allocate);
                    } else {
                        long paddr = allocator.allocate();
                        model.take(paddr, 1);
                        held.add(paddr);
                    }
                }
                case 2 -> {
                    int count = 1 + random.nextInt(random.nextInt(5) == 0 ? 100 : 8);
                    int alignShift = 12 + random.nextInt(8);
                    if (model.hasRun(count, alignShift)) {
                        long paddr = allocator.allocateContiguous(count, alignShift);
                        assertEquals(0, paddr & ((1L << alignShift) - 1));
                        model.take(paddr, count);
                        for (int i = 0; i < count; i++) {
                            held.add(paddr + i * PAGE);
                        }
                    } else {
                        assertError(
                                PagingError.NO_MEMORY,
                                () -> allocator.allocateContiguous(count, alignShift));
                    }
                }
                case 3 -> {
                    int count = random.nextInt(90);
                    var paddrs = new long[count];
                    if (count <= model.free()) {
                        allocator.allocate(paddrs, 0, count);
                        for (long paddr : paddrs) {
                            model.take(paddr, 1);
                            held.add(paddr);
                        }
                    } else {
                        assertError(
                                PagingError.NO_MEMORY, () -> allocator.allocate(paddrs, 0, count));
                    }
                }
                default -> {
                    Collections.shuffle(held, random);
                    int count = Math.min(held.size(), random.nextInt(60));
                    for (int i = 0; i < count; i++) {
                        long paddr = held.removeLast();
                        allocator.free(paddr);
                        model.give(paddr);
                    }
                }
            }
            assertEquals(model.free(), allocator.freeFrames());
        }
        model.assertSame(allocator);
        var again = new BuddyFrameAllocator(base, frames * PAGE);
        long[] runs = allocator.allocatedRuns();
        for (int run = 0; run < runs.length; run += 2) {
            again.allocateAt(runs[run], runs[run + 1]);
            boolean touches = run > 0 && runs[run - 2] + runs[run - 1] * PAGE == runs[run];
            assertFalse(touches, "two runs are one");
        }
        model.assertSame(again);
        assertEquals(model.free(), again.freeFrames());
    }

    @Test
    void certainFramesAreTakenAllOrNone() {
        var allocator = new BuddyFrameAllocator(BASE, 16 * PAGE);
        allocator.allocateAt(BASE + 5 * PAGE, 3);
        PagingException taken =
                assertThrows(PagingException.class, () -> allocator.allocateAt(BASE + 2 * PAGE, 5));
        assertEquals("BAD_FRAME: paddr=0x80005000 is handed out already", taken.getMessage());
        assertError(PagingError.BAD_FRAME, () -> allocator.allocateAt(BASE + 14 * PAGE, 3));
        assertError(PagingError.BAD_FRAME, () -> allocator.allocateAt(BASE + 1, 1));
        assertError(PagingError.BAD_FRAME, () -> allocator.allocateAt(BASE - PAGE, 1));
        assertThrows(IllegalArgumentException.class, () -> allocator.allocateAt(BASE, 0));
        assertEquals(13, allocator.freeFrames());
        assertArrayEquals(new long[] {BASE + 5 * PAGE, 3}, allocator.allocatedRuns());
        allocator.free(BASE + 6 * PAGE);
        assertArrayEquals(
                new long[] {BASE + 5 * PAGE, 1, BASE + 7 * PAGE, 1}, allocator.allocatedRuns());
        allocator.allocateAt(BASE, 5);
        assertEquals(BASE + 6 * PAGE, allocator.allocate());
    }

    @Test
    void manyThreadsNeverShareAFrame() throws Exception {
        var allocator = new BuddyFrameAllocator(BASE, 4_096 * PAGE);
        var owned = new ConcurrentSkipListSet<Long>();
        try (var threads = Executors.newFixedThreadPool(4)) {
            List<Future<?>> results = new ArrayList<>();
            for (int t = 0; t < 4; t++) {
                results.add(
                        threads.submit(() -> {
                            for (int i = 0; i < 5_000; i++) {
                                long single = allocator.allocate();
                                long run = allocator.allocateContiguous(3, 12);
                                for (long paddr :
                                        new long[] {single, run, run + PAGE, run + 2 * PAGE}) {
                                    assertTrue(owned.add(paddr));
                                }
                                owned.removeAll(List.of(single, run, run + PAGE, run + 2 * PAGE));
                                allocator.free(single);
                                allocator.freeContiguous(run, 3);
                            }
                        }));
            }
            for (Future<?> result : results) {
                result.get();
            }
        }
        assertEquals(4_096, allocator.freeFrames());
    }

    private static void assertError(
            PagingError error, org.junit.jupiter.api.function.Executable call) {
        assertEquals(error, assertThrows(PagingException.class, call).error());
    }

    /// The frames as an array of flags.
    private static final class FrameModel {
        private final long base;
        private final boolean[] used;

        FrameModel(long base, int frames) {
            this.base = base;
            this.used = new boolean[frames];
            used[0] = base == 0;
        }

        int free() {
            int count = 0;
            for (boolean u : used) {
                count += u ? 0 : 1;
            }
            return count;
        }

        void take(long paddr, int count) {
            for (int i = 0; i < count; i++) {
                int frame = (int) ((paddr - base) / PAGE) + i;
                assertFalse(used[frame], "handed out twice");
                used[frame] = true;
            }
        }

        void give(long paddr) {
            used[(int) ((paddr - base) / PAGE)] = false;
        }

        boolean hasRun(int count, int alignShift) {
            for (int start = 0; start + count <= used.length; start++) {
                boolean fits = (base + start * PAGE & ((1L << alignShift) - 1)) == 0;
                for (int i = 0; fits && i < count; i++) {
                    fits = !used[start + i];
                }
                if (fits) {
                    return true;
                }
            }
            return false;
        }

        void assertSame(FrameAllocator allocator) {
            for (int i = base == 0 ? 1 : 0; i < used.length; i++) {
                assertEquals(used[i], allocator.isAllocated(base + i * PAGE));
            }
        }
    }
}
