package io.jircon.hal.npt;

import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HalProvider;
import io.jircon.hal.PageSize;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// The HAL `x86_64`: Intel's extended page tables; the kernel's addresses in ordinary tables.
public final class X8664HalProvider implements HalProvider {
    private static final Set<String> OPTIONS =
            Set.of("levels", "ad", "executeOnly", "physicalBits");

    /// As many as there are VPIDs.
    private static final int TAGS = 0xffff;

    /// Makes the provider; [java.util.ServiceLoader] does.
    public X8664HalProvider() {}

    @Override
    public String name() {
        return "x86_64";
    }

    @Override
    public String description() {
        return "Intel EPT in simulated memory, software MMU";
    }

    @Override
    public List<String> properties() {
        return List.of(
                "pages: 4K 2M 1G",
                "guest-physical: 48 bits, 57 with levels=5",
                "memory types: write-back, uncacheable, write-combining",
                "option levels: 4 (default), 5",
                "option ad: off (default), on; accessed and dirty flags",
                "option executeOnly: on (default), off",
                "option physicalBits: 32..52, default 46");
    }

    @Override
    public Optional<String> unavailableReason() {
        return Optional.empty();
    }

    @Override
    public Hal create(HalConfig config) {
        EptOptions ept = new HalOptions(name(), config, OPTIONS).make(X8664HalProvider::read);
        PagingFormat format = ept.format();
        // The page that ends at the lowest non-canonical address stays out (clause V-19).
        long userLast = (1L << (format.addressBits() - 1)) - PageSize.BASE_BYTES - 1;
        PagingFormat kernel = Stage1Formats.x86(ept.levels(), ept.physicalBits());
        return new NestedMachine(name(), config, TAGS, format, kernel, userLast);
    }

    private static EptOptions read(HalOptions options) {
        EptOptions base = EptOptions.DEFAULT;
        return new EptOptions(
                options.number("levels", base.levels()),
                options.isOn("ad", base.accessedDirty()),
                options.isOn("executeOnly", base.executeOnly()),
                options.number("physicalBits", base.physicalBits()));
    }
}
