package io.jircon.jcstress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.openjdk.jcstress.JCStress;
import org.openjdk.jcstress.Options;
import org.openjdk.jcstress.infra.collectors.DiskReadCollector;
import org.openjdk.jcstress.infra.collectors.InProcessCollector;
import org.openjdk.jcstress.infra.collectors.TestResult;

/// Runs the tests of this module under jcstress, each in a JVM of its own. What jcstress says goes
/// to `target/jcstress/log`, and its report to `target/jcstress/results/index.html`.
///
/// `jircon.stress=long`, which profile `stress` sets, runs each for half a minute instead of half a
/// second.
class RacesTest {
    private static final boolean LONG = "long".equals(System.getProperty("jircon.stress"));

    private static List<String> arguments() {
        List<String> arguments = new ArrayList<>();
        // Fresh JVMs, runs in each, milliseconds of each run.
        arguments.addAll(List.of("-f", LONG ? "3" : "1", "-fsm", "1"));
        arguments.addAll(List.of("-iters", LONG ? "5" : "1", "-time", LONG ? "2000" : "500"));
        // One way to compile: it is locks that are under test, not the order of plain accesses.
        arguments.addAll(List.of("-sc", "false", "-jvmArgs", "-Xmx256m -XX:+UseSerialGC"));
        // Each state is a whole machine: few at a time.
        arguments.addAll(List.of("-strideSize", "4", "-strideCount", "4"));
        // A busy host may run the two threads in turns.
        arguments.addAll(List.of("-spinStyle", "THREAD_YIELD"));
        return arguments;
    }

    /// jcstress fails when something forbidden was seen or a test broke, but not when tests were
    /// left out, as they are on a host with one processor.
    @Test
    void everyTestRunsAndNothingForbiddenIsSeen() throws Exception {
        PrintStream console = System.out;
        Options options;
        Set<String> selected;
        try (var log = new PrintStream("log", StandardCharsets.UTF_8)) {
            System.setOut(log);
            options = new Options(arguments().toArray(String[]::new));
            assertTrue(options.parse(), "jcstress takes " + arguments());
            var jcstress = new JCStress(options);
            selected = jcstress.getTests();
            jcstress.run();
        } finally {
            System.setOut(console);
        }
        assertFalse(selected.isEmpty(), "there are tests");
        assertEquals(selected, testsIn(Path.of(options.getResultFile())), "run, of those selected");
    }

    private static Set<String> testsIn(Path resultFile) throws Exception {
        Set<String> names = new TreeSet<>();
        if (Files.notExists(resultFile)) {
            return names;
        }
        var results = new InProcessCollector();
        var reader = new DiskReadCollector(resultFile.toString(), results);
        try {
            reader.dump();
        } finally {
            reader.close();
        }
        for (TestResult result : results.getTestResults()) {
            if (result.getTotalCount() > 0) {
                names.add(result.getName());
            }
        }
        return names;
    }
}
