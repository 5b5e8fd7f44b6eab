package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.BitSet;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("V-289")
class AccessedMarksTest {
    /// More than two chunks, the last one cut off.
    private static final int PAGES = 2 * (1 << 15) + 100;

    private final AccessedMarks marks = new AccessedMarks(PAGES);
    private final BitSet model = new BitSet();

    /// Mostly around the borders of chunks, where words and chunks change.
    private static int anyPage(RandomGenerator random) {
        int border = random.nextInt(3) << 15;
        return Math.clamp(border - 150 + random.nextInt(300), 0, PAGES - 1);
    }

    @Test
    void marksFollowASetOfNumbers() {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(5);
        for (int step = 0; step < 20_000; step++) {
            int page = anyPage(random);
            int end = random.nextInt(9) == 0 ? anyPage(random) : page + random.nextInt(200);
            int count = Math.clamp(end - page, 0, PAGES - page);
            switch (random.nextInt(4)) {
                case 0, 1 -> {
                    marks.set(page, count);
                    model.set(page, page + count);
                }
                case 2 -> {
                    marks.clear(page, count);
                    model.clear(page, page + count);
                }
                default -> take(page, count, "step=" + step);
            }
        }
        take(0, PAGES, "at the end");
    }

    private void take(int page, int count, String what) {
        BitSet expected = model.get(page, page + count);
        var told = new BitSet();
        boolean found = marks.take(page, count, told, 7);
        assertEquals(expected, told.get(7, 7 + count), what);
        assertEquals(expected.cardinality(), told.cardinality(), what);
        assertEquals(!expected.isEmpty(), found, what);
        model.clear(page, page + count);
    }
}
