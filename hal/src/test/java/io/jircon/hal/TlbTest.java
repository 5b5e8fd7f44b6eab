package io.jircon.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;

class TlbTest {
    private static final long PAGE = 4096;

    @Test
    void leastRecentlyUsedMakesRoom() {
        Tlb tlb = fullSet(TlbConfig.Replacement.LRU);
        assertTrue(holds(tlb, 0)); // a use
        tlb.insert(1, 4 * PAGE, 0, 12, 1);
        assertEquals("0.234", contents(tlb));
    }

    @Test
    void firstInMakesRoom() {
        Tlb tlb = fullSet(TlbConfig.Replacement.FIFO);
        assertTrue(holds(tlb, 0));
        tlb.insert(1, 4 * PAGE, 0, 12, 1);
        assertEquals(".1234", contents(tlb));
    }

    @Test
    void randomVictimsFollowTheSeedAndReachEveryWay() {
        var victims = new boolean[4];
        for (int seed = 0; seed < 40; seed++) {
            String first = evictOne(seed);
            assertEquals(first, evictOne(seed));
            victims[first.indexOf('.')] = true;
        }
        for (boolean way : victims) {
            assertTrue(way);
        }
    }

    @Test
    void otherSetsKeepTheirEntries() {
        var tlb = new Tlb(new TlbConfig(2, 1, TlbConfig.Replacement.LRU, 0));
        tlb.insert(1, 0, 0, 12, 1);
        tlb.insert(1, PAGE, 0, 12, 1);
        tlb.insert(1, 2 * PAGE, 0, 12, 1);
        assertEquals(".12", contents(tlb).substring(0, 3));
    }

    @Test
    void anEntryIsReplacedByTheSamePage() {
        Tlb tlb = fullSet(TlbConfig.Replacement.LRU);
        tlb.insert(1, 2 * PAGE, 7 * PAGE, 12, 3);
        assertEquals("0123", contents(tlb).substring(0, 4));
        int entry = tlb.lookup(1, 2 * PAGE + 5);
        assertEquals(7 * PAGE + 5, tlb.translate(entry, 2 * PAGE + 5));
        assertTrue(tlb.allows(entry, 3));
    }

    /// A flush leaves nothing of what it names and everything else, whatever the sizes.
    @Test
    void flushesAgreeWithAModel() {
        int[] shifts = {12, 21, 30};
        for (int seed = 0; seed < 2_000; seed++) {
            var random = new Random(seed);
            var tlb = new Tlb(new TlbConfig(4, 64, TlbConfig.Replacement.LRU, 0));
            long[] starts = new long[20];
            int[] sizes = new int[20];
            int[] tags = new int[20];
            for (int i = 0; i < 20; i++) {
                sizes[i] = shifts[random.nextInt(3)];
                // Two neighbouring gibibytes at the top of the address space, no two leaves alike.
                starts[i] = (-1L << 31 | (random.nextLong() & 0x7fff_ffffL)) & -(1L << sizes[i]);
                tags[i] = random.nextInt(2);
                tlb.insert(tags[i], starts[i], starts[i], sizes[i], 1);
            }
            int shift = shifts[random.nextInt(3)];
            long flushed = starts[random.nextInt(20)] + random.nextInt(4096);
            tlb.flushPage(1, flushed, shift);
            long from = flushed & -(1L << shift);
            for (int i = 0; i < 20; i++) {
                int common = Math.max(shift, sizes[i]);
                boolean gone = tags[i] == 1 && from >>> common == starts[i] >>> common;
                boolean found = tlb.find(tags[i], starts[i], sizes[i]) != Tlb.NONE;
                assertEquals(!gone, found, "seed " + seed);
            }
        }
    }

    private static String evictOne(long seed) {
        var tlb = new Tlb(new TlbConfig(1, 4, TlbConfig.Replacement.RANDOM, seed));
        fill(tlb);
        tlb.insert(1, 4 * PAGE, 0, 12, 1);
        return contents(tlb);
    }

    private static Tlb fullSet(TlbConfig.Replacement replacement) {
        var tlb = new Tlb(new TlbConfig(1, 4, replacement, 0));
        fill(tlb);
        return tlb;
    }

    private static void fill(Tlb tlb) {
        for (int i = 0; i < 4; i++) {
            tlb.insert(1, i * PAGE, i * PAGE, 12, 1);
        }
    }

    private static boolean holds(Tlb tlb, int page) {
        return tlb.lookup(1, page * PAGE) != Tlb.NONE;
    }

    private static String contents(Tlb tlb) {
        var text = new StringBuilder();
        for (int page = 0; page < 5; page++) {
            text.append(holds(tlb, page) ? (char) ('0' + page) : '.');
        }
        return text.toString();
    }
}
