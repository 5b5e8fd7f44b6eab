package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.MmuFlags;
import java.util.Arrays;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PermissionRangesTest {
    private static final int PAGES = 24;
    private static final long PAGE = 0x1000;
    private static final MmuFlags[] SOME = {MmuFlags.NONE, MmuFlags.R, MmuFlags.RW};

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    @Tag("V-159")
    @Tag("V-264")
    void randomChangesAgreeWithAnArray(long seed) {
        var random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        long base = random.nextBoolean() ? -PAGES * PAGE : 0x10000;
        int from = 0;
        int to = PAGES;
        var oracle = new MmuFlags[PAGES];
        Arrays.fill(oracle, MmuFlags.R);
        var ranges = new PermissionRanges(base, base + PAGES * PAGE - 1, MmuFlags.R);
        for (int step = 0; step < 2_000; step++) {
            int low = from + random.nextInt(to - from);
            int high = low + 1 + random.nextInt(to - low);
            switch (random.nextInt(8)) {
                case 0 -> {
                    ranges = splitAndJoin(ranges, base, from, low, to);
                }
                case 1 -> {
                    ranges.shrinkTo(base + low * PAGE, base + high * PAGE - 1);
                    from = low;
                    to = high;
                }
                case 2 -> {
                    ranges = new PermissionRanges(base, base + PAGES * PAGE - 1, MmuFlags.R);
                    Arrays.fill(oracle, MmuFlags.R);
                    from = 0;
                    to = PAGES;
                }
                default -> {
                    MmuFlags flags = SOME[random.nextInt(SOME.length)];
                    ranges.set(base + low * PAGE, base + high * PAGE - 1, flags);
                    Arrays.fill(oracle, low, high, flags);
                }
            }
            compare(ranges, oracle, base, from, to, random);
        }
    }

    private static PermissionRanges splitAndJoin(
            PermissionRanges ranges, long base, int from, int at, int to) {
        if (at == from) {
            return ranges;
        }
        PermissionRanges low = ranges.copyOf(base + from * PAGE, base + at * PAGE - 1);
        PermissionRanges high = ranges.copyOf(base + at * PAGE, base + to * PAGE - 1);
        return PermissionRanges.join(low, high);
    }

    private static void compare(
            PermissionRanges ranges,
            MmuFlags[] oracle,
            long base,
            int from,
            int to,
            RandomGenerator random) {
        ranges.checkInvariants(base + from * PAGE, base + to * PAGE - 1);
        int runs = 1;
        for (int page = from; page < to; page++) {
            assertEquals(oracle[page], ranges.at(base + page * PAGE));
            if (page > from && !oracle[page].equals(oracle[page - 1])) {
                runs++;
            }
        }
        assertEquals(runs, ranges.count());
        int low = from + random.nextInt(to - from);
        int high = low + 1 + random.nextInt(to - low);
        boolean all = Arrays.stream(oracle, low, high).allMatch(p -> p.contains(MmuFlags.RW));
        assertEquals(
                all, ranges.allContain(base + low * PAGE, base + high * PAGE - 1, MmuFlags.RW));
        int end = low;
        while (end < to && oracle[end].equals(oracle[low])) {
            end++;
        }
        assertEquals(base + end * PAGE - 1, ranges.lastOfRun(base + low * PAGE + 5));
    }
}
