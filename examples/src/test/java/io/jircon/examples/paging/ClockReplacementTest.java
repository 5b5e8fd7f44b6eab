package io.jircon.examples.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("V-289")
class ClockReplacementTest {
    private static final int[] BELADY = {1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5};
    private static final int[] TEXTBOOK = {
        7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1
    };

    private static Hal machine(String text) {
        String[] words = text.split("[ =]");
        return Hals.create(
                words[0],
                words.length == 1
                        ? HalConfig.DEFAULT
                        : HalConfig.DEFAULT.withOption(words[1], words[2]));
    }

    private static long faults(String hal, int frameCount, int... trace) {
        try (var program = new ClockReplacement(machine(hal), 16, frameCount)) {
            for (int page : trace) {
                program.access(page);
                assertTrue(program.framesInUse() <= frameCount, "frames in use");
            }
            return program.faults();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"x86_64 ad=on", "aarch64 ad=hardware", "riscv64 ad=svadu", "unix-file"})
    void faultCountsAreThoseOfTheTextbook(String hal) {
        assertEquals(9, faults(hal, 3, BELADY));
        assertEquals(10, faults(hal, 4, BELADY), "one frame more, and one fault more");
        assertEquals(5, faults(hal, 5, BELADY));
        assertEquals(14, faults(hal, 3, TEXTBOOK));
        assertEquals(20, faults(hal, 1, TEXTBOOK));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 5, 8})
    void faultCountsAreThoseOfASimulation(int frameCount) {
        var random = new Random(frameCount);
        int[] trace = random.ints(500, 0, 10).map(page -> page * page / 10).toArray();
        assertEquals(simulated(frameCount, trace), faults("x86_64 ad=on", frameCount, trace));
    }

    private static int simulated(int frameCount, int... trace) {
        int[] pages = new int[frameCount];
        boolean[] chance = new boolean[frameCount];
        int used = 0;
        int hand = 0;
        int faults = 0;
        for (int page : trace) {
            int at = 0;
            while (at < used && pages[at] != page) {
                at++;
            }
            if (at == used) {
                faults++;
                while (used == frameCount && chance[hand]) {
                    chance[hand] = false;
                    hand = (hand + 1) % frameCount;
                }
                at = hand;
                hand = (hand + 1) % frameCount;
                used = Math.min(used + 1, frameCount);
                pages[at] = page;
            }
            chance[at] = true;
        }
        return faults;
    }
}
