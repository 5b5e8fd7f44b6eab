package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The tree of runs against an array with a word for each page.
class PageRunsTest {
    private static final long ENTRY = ShadowEntry.of(0x40_0000_0000L, MmuFlags.RW);
    private static final int LEVELS = 5;

    @ParameterizedTest(name = "pages={0} seed={1}")
    @CsvSource({"1, 1", "33, 2", "1024, 3", "5000, 4", "5000, 5", "40000, 6"})
    void everyPageHasWhatWasStoredLast(int pages, long seed) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        var runs = new PageRuns(pages);
        long[] model = new long[pages];
        for (int step = 0; step < 20_000_000 / (pages + 10_000); step++) {
            int page = edge(random, pages - 1);
            int count = 1 + edge(random, pages - 1 - page);
            long entry = random.nextInt(3) == 0 ? ShadowEntry.NONE : ENTRY;
            entry = ShadowEntry.advance(entry, random.nextInt(2) * page);
            runs.set(page, count, entry);
            for (int i = 0; i < count; i++) {
                model[page + i] = ShadowEntry.advance(entry, i);
            }
            if (step % 8 == 0) {
                requireSame(model, runs);
            }
        }
        requireSame(model, runs);
        runs.set(0, pages, ShadowEntry.NONE);
        assertTrue(runs.nodeCount() < LEVELS, runs.nodeCount() + " nodes for nothing");
    }

    /// Numbers at and beside the borders of slots come often.
    private static int edge(RandomGenerator random, int limit) {
        int near = (random.nextInt(40) << 5 * random.nextInt(4)) + random.nextInt(-1, 2);
        return near >= 0 && near <= limit && random.nextInt(4) != 0
                ? near
                : random.nextInt(limit + 1);
    }

    private static void requireSame(long[] model, PageRuns runs) {
        for (int page = 0; page < model.length; page++) {
            if (model[page] != runs.get(page)) {
                assertEquals(model[page], runs.get(page), "page " + page);
            }
            if (model[page] != runs.getNear(page)) {
                assertEquals(model[page], runs.getNear(page), "page " + page + ", for the writer");
            }
        }
        int steps = 0;
        for (int page = 0; page < model.length; steps++) {
            int length = (int) runs.runLength(page, model.length - page);
            assertEquals(model[page], runs.runStart(), "first of a run");
            for (int i = 1; i < length; i++) {
                assertEquals(ShadowEntry.advance(model[page], i), model[page + i], "in a run");
            }
            page += length;
        }
        assertTrue(steps <= model.length);
    }

    @Test
    void longRunsTakeNoNodesAndFewSteps() {
        var runs = new PageRuns(1L << 24);
        runs.set(0, 1 << 16, ENTRY);
        assertEquals(1, runs.nodeCount());
        assertEquals(1 << 16, runs.runLength(0, 1 << 16));
        runs.set(0, 1L << 24, ENTRY);
        assertEquals(0, runs.nodeCount());
        assertEquals(1L << 24, runs.runLength(0, 1L << 24));
    }

    /// Runs of 64 and 2,048 pages fill slots of nodes in the middle of the tree.
    @ParameterizedTest(name = "count={0}")
    @ValueSource(ints = {1, 64, 2048})
    void pagesThatComeAndGoLeaveNoNodes(int count) {
        var runs = new PageRuns(1L << 24);
        long step = 999L * count;
        for (long page = 0; page < (1L << 24) - step; page += step) {
            runs.set(page, count, ENTRY);
            assertEquals(ENTRY, runs.get(page));
            runs.set(page, count, ENTRY + PageSize.BASE_BYTES);
            runs.set(page, count, ShadowEntry.NONE);
            assertEquals(ShadowEntry.NONE, runs.get(page));
            if (count > 1 || page % 100 == 0) {
                assertTrue(runs.nodeCount() < LEVELS, runs.nodeCount() + " nodes");
            }
        }
        assertEquals(1L << 20, runs.runLength(0, 1L << 20));
    }

    /// Else a run that is mapped again and again makes garbage each time.
    @Test
    void runThatComesAndGoesKeepsItsNode() {
        var runs = new PageRuns(1L << 24);
        for (int times = 0; times < 3; times++) {
            runs.set(0, 1 << 16, ENTRY);
            assertEquals(1, runs.nodeCount());
            runs.set(0, 1 << 16, ShadowEntry.NONE);
            assertEquals(1, runs.nodeCount());
        }
        runs.set(1 << 22, 1 << 16, ENTRY);
        runs.set(1 << 22, 1 << 16, ShadowEntry.NONE);
        assertEquals(1, runs.nodeCount());
    }

    /// The second run goes from the node that the first one left empty, and that node goes with it.
    @Test
    void runsThatComeAndGoInOneNodeAreSeen() {
        var runs = new PageRuns(1L << 24);
        for (long page = 0; page < 1024; page += 64) {
            runs.set(page, 64, ENTRY);
            assertEquals(ENTRY, runs.get(page));
            runs.set(page, 64, ShadowEntry.NONE);
            assertEquals(ShadowEntry.NONE, runs.get(page));
        }
    }

    /// The writer stores one of two runs, or nothing, whole and in pieces: whoever reads beside it
    /// sees for each page one of the three.
    @Test
    void readerWithoutTheLockSeesOnlyWhatThePageHad() throws Exception {
        int pages = 5000;
        var runs = new PageRuns(pages);
        long other = ShadowEntry.of(0x80_0000_0000L, MmuFlags.R);
        var done = new AtomicBoolean();
        Callable<Integer> reading =
                () -> {
                    RandomGenerator random = RandomGenerator.of("L64X128MixRandom");
                    int reads = 0;
                    for (; !done.get(); reads++) {
                        int page = random.nextInt(pages);
                        long entry = runs.get(page);
                        long step = (long) page << PageSize.BASE_SHIFT;
                        assertTrue(
                                entry == ShadowEntry.NONE
                                        || entry == ENTRY + step
                                        || entry == other + step,
                                () -> page + " had never " + Long.toHexString(entry));
                    }
                    return reads;
                };
        try (ExecutorService pool = Executors.newFixedThreadPool(2)) {
            Future<Integer> one = pool.submit(reading);
            Future<Integer> two = pool.submit(reading);
            RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(7);
            try {
                for (int step = 0; step < 300_000; step++) {
                    int page = edge(random, pages - 1);
                    int count = 1 + edge(random, pages - 1 - page);
                    long[] entries = {ENTRY, other, ShadowEntry.NONE};
                    runs.set(page, count, ShadowEntry.advance(entries[random.nextInt(3)], page));
                }
            } finally {
                done.set(true);
            }
            assertTrue(one.get() + two.get() > 0, "nobody read");
        }
    }
}
