package io.jircon.tests.hal;

import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.testkit.HalConformance;
import io.jircon.testkit.HalFeature;
import java.util.EnumSet;
import java.util.Set;

/// `riscv64` with a processor that marks what it accesses.
final class Riscv64AccessedConformanceTest extends HalConformance {
    @Override
    protected Hal create(HalConfig config) {
        return Hals.create("riscv64", config.withOption("ad", "svadu"));
    }

    @Override
    protected Set<HalFeature> features() {
        return EnumSet.allOf(HalFeature.class);
    }
}
