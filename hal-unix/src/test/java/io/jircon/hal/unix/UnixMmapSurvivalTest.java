package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.HalConfig;
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
        survives(seed, ACCESSES, "efault");
    }

    @ParameterizedTest(name = "seed={0}")
    @ValueSource(longs = {3, 4})
    void soTheyDoWhereTheHostHoldsAccesses(long seed) throws Exception {
        Userfaultfd.open(Posix.get(), HalConfig.DEFAULT).close();
        survives(seed, ACCESSES / 3, "userfaultfd");
    }

    /// Views among them, which the host must not hold.
    @ParameterizedTest(name = "seed={0}")
    @ValueSource(longs = {5, 6})
    void soTheyDoWhereItHoldsTheFirstAccessToEachPage(long seed) throws Exception {
        Userfaultfd.openMinor(Posix.get(), new FaultCalls(Posix.get()), HalConfig.DEFAULT).close();
        survives(seed, ACCESSES / 3, "minor");
    }

    private static void survives(long seed, int accesses, String faults) throws Exception {
        Process child =
                ChildJvm.start(
                        SurvivalMain.class,
                        Long.toString(seed),
                        "4",
                        Integer.toString(accesses),
                        faults);
        String output = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, child.waitFor(), output);
        assertTrue(output.startsWith("survived: "), output);
        for (String count : output.strip().split("\\s+")) {
            assertTrue(!count.endsWith("=0"), "nothing of a kind happened: " + output);
        }
    }
}
