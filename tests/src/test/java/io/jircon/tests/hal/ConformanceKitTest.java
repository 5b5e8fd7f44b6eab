package io.jircon.tests.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.testkit.HalConformance;
import io.jircon.testkit.HalFeature;
import io.jircon.testkit.broken.BrokenHal;
import io.jircon.testkit.broken.PlantedFault;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;

/// The kit tested with itself: it passes what works and rejects every planted fault.
final class ConformanceKitTest {
    private static PlantedFault planted = PlantedFault.NONE;

    @ParameterizedTest
    @EnumSource
    void kitRejectsEveryPlantedFaultAndNothingElse(PlantedFault fault) {
        planted = fault;
        var summary = new SummaryGeneratingListener();
        LauncherFactory.create()
                .execute(
                        LauncherDiscoveryRequestBuilder.request()
                                .selectors(selectClass(PlantedSuite.class))
                                .build(),
                        summary);
        List<String> failures =
                summary.getSummary().getFailures().stream()
                        .map(each -> each.getTestIdentifier().getDisplayName())
                        .sorted()
                        .toList();
        assertNotEquals(0, summary.getSummary().getTestsFoundCount(), "tests found");
        if (fault == PlantedFault.NONE) {
            assertEquals(List.of(), failures);
        } else {
            assertNotEquals(List.of(), failures, fault + " was accepted");
        }
    }

    /// Run by the test above only: Surefire leaves nested classes out.
    static final class PlantedSuite extends HalConformance {
        @Override
        protected Hal create(HalConfig config) {
            Hal works = Hals.create("x86_64", config.withOption("ad", "on"));
            return new BrokenHal(works, planted);
        }

        @Override
        protected Set<HalFeature> features() {
            return EnumSet.allOf(HalFeature.class);
        }
    }
}
