package io.jircon.hal.npt;

import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HalProvider;
import io.jircon.hal.npt.Aarch64Stage2Options.AccessFlag;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// The HAL `aarch64`: VMSAv8-64 stage 2; the kernel's addresses in stage-1 tables of TTBR1_EL1.
public final class Aarch64HalProvider implements HalProvider {
    private static final Set<String> OPTIONS =
            Set.of("levels", "ipaBits", "startLevel", "physicalBits", "ad", "xnx", "fwb");

    /// 8-bit VMIDs.
    private static final int TAGS = 0xff;

    private static final int KERNEL_BITS = 48;

    /// Makes the provider; [java.util.ServiceLoader] does.
    public Aarch64HalProvider() {}

    @Override
    public String name() {
        return "aarch64";
    }

    @Override
    public String description() {
        return "AArch64 stage 2, 4K granule, in simulated memory, software MMU";
    }

    @Override
    public List<String> properties() {
        return List.of(
                "pages: 4K 2M 1G",
                "guest-physical: 40 bits, 32..48 with ipaBits",
                "memory types: write-back, Device-nGnRE, non-cacheable",
                "option ipaBits: 32..48, default 40",
                "option startLevel: 0..2, default by ipaBits; root tables are concatenated as needed",
                "option levels: 3 (default, 40 bits), 4 (48 bits); instead of ipaBits",
                "option physicalBits: 32, 36, 40 (default), 42, 44, 48",
                "option ad: preset (default), fault, hardware, hardware-dirty; access flag",
                "option xnx: off (default), on; FEAT_XNX",
                "option fwb: off (default), on; HCR_EL2.FWB");
    }

    @Override
    public Optional<String> unavailableReason() {
        return Optional.empty();
    }

    @Override
    public Hal create(HalConfig config) {
        Aarch64Stage2Options stage2 =
                new HalOptions(name(), config, OPTIONS).make(Aarch64HalProvider::read);
        PagingFormat kernel = Stage1Formats.aarch64Upper(KERNEL_BITS, stage2.physicalBits());
        long userLast = (1L << stage2.ipaBits()) - 1;
        return new NestedMachine(name(), config, TAGS, stage2.format(), kernel, userLast);
    }

    private static Aarch64Stage2Options read(HalOptions options) {
        Aarch64Stage2Options made =
                Aarch64Stage2Options.DEFAULT
                        .withXnx(options.isOn("xnx", false))
                        .withForceWriteBack(options.isOn("fwb", false))
                        .withFlags(
                                options.choice(
                                        "ad",
                                        AccessFlag.PRESET,
                                        Map.of(
                                                "preset", AccessFlag.PRESET,
                                                "fault", AccessFlag.FAULT,
                                                "hardware", AccessFlag.HARDWARE,
                                                "hardware-dirty", AccessFlag.HARDWARE_DIRTY)))
                        .withPhysicalBits(options.number("physicalBits", 40));
        if (options.has("levels")) {
            if (options.has("ipaBits")) {
                throw new IllegalArgumentException("levels and ipaBits say the same thing");
            }
            int bits = options.choice("levels", 40, Map.of("3", 40, "4", 48));
            made = made.withIpaBits(bits);
        }
        if (options.has("ipaBits")) {
            made = made.withIpaBits(options.number("ipaBits", 40));
        }
        return options.has("startLevel")
                ? made.withStartLevel(options.number("startLevel", 1))
                : made;
    }
}
