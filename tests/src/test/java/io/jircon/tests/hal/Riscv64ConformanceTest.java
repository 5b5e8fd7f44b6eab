package io.jircon.tests.hal;

import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.testkit.HalConformance;
import io.jircon.testkit.HalFeature;
import java.util.EnumSet;
import java.util.Set;

final class Riscv64ConformanceTest extends HalConformance {
    @Override
    protected Hal create(HalConfig config) {
        return Hals.create("riscv64", config);
    }

    @Override
    protected Set<HalFeature> features() {
        return EnumSet.complementOf(EnumSet.of(HalFeature.ACCESSED_STATE));
    }
}
