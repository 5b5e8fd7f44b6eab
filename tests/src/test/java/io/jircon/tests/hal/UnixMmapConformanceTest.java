package io.jircon.tests.hal;

import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.testkit.HalConformance;
import io.jircon.testkit.HalFeature;
import java.util.EnumSet;
import java.util.Set;

final class UnixMmapConformanceTest extends HalConformance {
    @Override
    protected Hal create(HalConfig config) {
        return Hals.create("unix-mmap", config);
    }

    @Override
    protected Set<HalFeature> features() {
        return EnumSet.of(HalFeature.GUEST_SPACES, HalFeature.ACCESSED_STATE);
    }
}
