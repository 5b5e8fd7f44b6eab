package io.jircon.tests.lincheck;

import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.StressOptions;

/// How the tests of this package run: a class is its own sequential specification, and every answer
/// that threads get has to be one that they get one after the other.
///
/// `jircon.stress=long`, which profile `stress` sets, runs some fifty times as much as `mvn verify`
/// does.
final class Linearizability {
    private static final boolean LONG = "long".equals(System.getProperty("jircon.stress"));

    private Linearizability() {}

    /// Lets threads run as they like, many times.
    static void stress(Class<?> test, int threads, int actorsPerThread) {
        new PatientStress()
                .verifier(ScenarioVerifier.class)
                .threads(threads)
                .actorsPerThread(actorsPerThread)
                .actorsBefore(2)
                .actorsAfter(2)
                .iterations(LONG ? 100 : 12)
                .invocationsPerIteration(LONG ? 2_000 : 200)
                .check(test);
    }

    /// A run that takes seconds is one on a busy host, and no deadlock.
    private static final class PatientStress extends StressOptions {
        PatientStress() {
            setTimeoutMs(300_000);
        }
    }

    /// Runs one thread at a time and tries the places where to switch, one after the other.
    static void modelCheck(Class<?> test, int threads, int actorsPerThread) {
        new ModelCheckingOptions()
                .verifier(ScenarioVerifier.class)
                .threads(threads)
                .actorsPerThread(actorsPerThread)
                .actorsBefore(1)
                .actorsAfter(1)
                .iterations(LONG ? 50 : 12)
                .invocationsPerIteration(LONG ? 1_000 : 120)
                .check(test);
    }
}
