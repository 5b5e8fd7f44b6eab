package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Descriptors, windows and mappings are all given back.
class ReturnedTest {
    private static final String WARM_UP = "2000";
    private static final String CYCLES = "10000";

    /// A JVM whose own mappings stay where they are: the heap, the compiled code and the threads
    /// are all there from the start.
    private static final List<String> QUIET =
            List.of(
                    "-Xms64m",
                    "-Xmx64m",
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1",
                    "-XX:-UseDynamicNumberOfCompilerThreads",
                    "-XX:-UsePerfData");

    @TempDir Path directory;

    @Test
    void whatTheKernelListsIsTheSameAfterTenThousandMachines() throws Exception {
        Files.writeString(directory.resolve("letter"), "Dear kernel,");
        Process child =
                ChildJvm.start(QUIET, ReturnedMain.class, directory.toString(), WARM_UP, CYCLES);
        String output = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, child.waitFor(), output);
        assertTrue(output.startsWith("compared "), output);
    }
}
