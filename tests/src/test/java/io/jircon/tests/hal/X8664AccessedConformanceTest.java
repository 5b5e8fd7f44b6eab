package io.jircon.tests.hal;

import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.testkit.HalConformance;
import io.jircon.testkit.HalFeature;
import java.util.EnumSet;
import java.util.Set;

/// `x86_64` with a processor that marks what it accesses.
final class X8664AccessedConformanceTest extends HalConformance {
    @Override
    protected Hal create(HalConfig config) {
        return Hals.create("x86_64", config.withOption("ad", "on"));
    }

    @Override
    protected Set<HalFeature> features() {
        return EnumSet.allOf(HalFeature.class);
    }
}
