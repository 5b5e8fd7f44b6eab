package io.jircon.tests.lincheck;

import org.jetbrains.kotlinx.lincheck.execution.ExecutionResult;
import org.jetbrains.kotlinx.lincheck.execution.ExecutionScenario;
import org.jetbrains.lincheck.datastructures.verifier.LinearizabilityVerifier;
import org.jetbrains.lincheck.datastructures.verifier.Verifier;
import org.jspecify.annotations.Nullable;

/// Lincheck's own verifier, made anew for each scenario. That one keeps an instance of the test, a
/// whole machine with its memory, for every state that it has met, and would not fit into the heap
/// after some dozen scenarios.
public final class ScenarioVerifier implements Verifier {
    private final Class<?> specification;
    private @Nullable ExecutionScenario scenario;
    private Verifier verifier;

    /// Made by Lincheck.
    ///
    /// @param specification what threads must agree with
    public ScenarioVerifier(Class<?> specification) {
        this.specification = specification;
        verifier = new LinearizabilityVerifier(specification);
    }

    @Override
    public boolean verifyResults(ExecutionScenario tried, ExecutionResult results) {
        if (tried != scenario) {
            scenario = tried;
            verifier = new LinearizabilityVerifier(specification);
        }
        return verifier.verifyResults(tried, results);
    }
}
