package io.jircon.tests;

import io.jircon.hal.HalConfig;
import io.jircon.hal.HalProvider;
import io.jircon.hal.Hals;
import io.jircon.testkit.model.ModelCheck;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Random histories against the reference model, on every HAL there is.
///
/// `jircon.model.operations` sets how many operations each HAL runs, `jircon.model.seed` where the
/// choices start.
@Tag("model")
@Tag("V-273")
@Tag("V-274")
class AddressSpaceModelTest {
    private static final long OPERATIONS = Long.getLong("jircon.model.operations", 100_000);
    private static final long SEED = Long.getLong("jircon.model.seed", 20261120);

    static Stream<String> hals() {
        return Hals.providers().stream().map(HalProvider::name);
    }

    @ParameterizedTest(name = "{0}, seed from jircon.model.seed")
    @MethodSource("hals")
    void realRegionsDoWhatTheModelDoes(String hal) {
        new ModelCheck(() -> Hals.create(hal, HalConfig.DEFAULT.withMemoryBytes(16L << 20)), SEED)
                .run(OPERATIONS);
    }
}
