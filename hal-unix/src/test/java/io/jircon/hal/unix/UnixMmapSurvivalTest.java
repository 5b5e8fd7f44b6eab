package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Whatever is done through the public API, the JVM survives. `-Dsurvival.accesses=N` makes it
/// longer.
class UnixMmapSurvivalTest {
    private static final int ACCESSES = Integer.getInteger("survival.accesses", 150_000);

    @ParameterizedTest(name = "seed={0}")
    @ValueSource(longs = {1, 2})
    void randomOperationsOfSeveralThreadsEndByThemselves(long seed) throws Exception {
        Process child =
                ChildJvm.start(
                        SurvivalMain.class, Long.toString(seed), "4", Integer.toString(ACCESSES));
        String output = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, child.waitFor(), output);
        assertTrue(output.startsWith("survived: "), output);
        for (String count : output.strip().split(" ")) {
            assertTrue(!count.endsWith("=0"), "nothing of a kind happened: " + output);
        }
    }
}
