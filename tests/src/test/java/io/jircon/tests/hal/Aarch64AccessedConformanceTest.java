package io.jircon.tests.hal;

import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.testkit.HalConformance;
import io.jircon.testkit.HalFeature;
import java.util.EnumSet;
import java.util.Set;

/// `aarch64` with a processor that marks what it accesses.
final class Aarch64AccessedConformanceTest extends HalConformance {
    @Override
    protected Hal create(HalConfig config) {
        return Hals.create("aarch64", config.withOption("ad", "hardware"));
    }

    @Override
    protected Set<HalFeature> features() {
        return EnumSet.allOf(HalFeature.class);
    }
}
