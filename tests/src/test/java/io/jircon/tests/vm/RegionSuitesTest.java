package io.jircon.tests.vm;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.HalProvider;
import io.jircon.hal.Hals;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The build runs the region suites of `vm` once for each HAL: on `x86_64` in `vm` itself, on each
/// of the others here. Those runs fail when their HAL is missing; this test fails when a HAL has no
/// run.
class RegionSuitesTest {
    /// What the suites run on unless told otherwise.
    private static final String DEFAULT_HAL = "x86_64";

    static Stream<String> otherHals() {
        return Hals.providers().stream()
                .map(HalProvider::name)
                .filter(name -> !name.equals(DEFAULT_HAL));
    }

    @ParameterizedTest
    @MethodSource("otherHals")
    void everyHalHasARunOfTheRegionSuites(String hal) throws IOException {
        String pom = Files.readString(Path.of("pom.xml"));
        assertTrue(
                pom.contains("<jircon.vm.hal>" + hal + "</jircon.vm.hal>"),
                "pom.xml has no execution of the region suites on " + hal);
    }
}
