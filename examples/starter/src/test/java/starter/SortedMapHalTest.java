package starter;

import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.testkit.HalConformance;
import io.jircon.testkit.HalFeature;
import io.jircon.testkit.model.ModelCheck;
import java.util.Set;
import org.junit.jupiter.api.Test;

/// The new HAL does what a HAL has to do, and regions on it do what the reference model does.
class SortedMapHalTest extends HalConformance {
    @Override
    protected Hal create(HalConfig config) {
        return Hals.create("sorted-map", config);
    }

    @Override
    protected Set<HalFeature> features() {
        return Set.of(HalFeature.EXECUTE_ONLY);
    }

    @Test
    void regionsOnItDoWhatTheModelDoes() {
        HalConfig config = HalConfig.DEFAULT.withMemoryBytes(16L << 20);
        new ModelCheck(() -> create(config), /* seed= */ 1).run(/* operations= */ 10_000);
    }
}
