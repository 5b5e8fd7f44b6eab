package io.jircon.hal.npt;

import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HalProvider;
import io.jircon.hal.npt.RiscvOptions.AccessedDirty;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// The HAL `riscv64`: G-stage tables with a 16 KiB root; the kernel's addresses in Sv48 tables.
public final class Riscv64HalProvider implements HalProvider {
    private static final Set<String> OPTIONS = Set.of("levels", "mode", "ad", "svpbmt");

    /// 14-bit VMIDs.
    private static final int TAGS = 0x3fff;

    private static final int KERNEL_LEVELS = 4;

    /// Makes the provider; [java.util.ServiceLoader] does.
    public Riscv64HalProvider() {}

    @Override
    public String name() {
        return "riscv64";
    }

    @Override
    public String description() {
        return "RISC-V G-stage in simulated memory, software MMU";
    }

    @Override
    public List<String> properties() {
        return List.of(
                "pages: 4K 2M 1G",
                "guest-physical: 41 bits, 50 or 59 by mode",
                "memory types: by Svpbmt",
                "option mode: sv39x4 (default), sv48x4, sv57x4",
                "option levels: 3 (default), 4, 5; instead of mode",
                "option ad: preset (default), svade, svadu; accessed and dirty flags",
                "option svpbmt: on (default), off");
    }

    @Override
    public Optional<String> unavailableReason() {
        return Optional.empty();
    }

    @Override
    public Hal create(HalConfig config) {
        RiscvOptions guest = new HalOptions(name(), config, OPTIONS).make(Riscv64HalProvider::read);
        PagingFormat format = guest.format();
        PagingFormat kernel =
                RiscvOptions.SUPERVISOR
                        .withLevels(KERNEL_LEVELS)
                        .withSvpbmt(guest.svpbmt())
                        .format();
        long userLast = (1L << format.addressBits()) - 1;
        return new NestedMachine(name(), config, TAGS, format, kernel, userLast);
    }

    private static RiscvOptions read(HalOptions options) {
        if (options.has("levels") && options.has("mode")) {
            throw new IllegalArgumentException("levels and mode say the same thing");
        }
        int levels = options.choice("mode", 3, Map.of("sv39x4", 3, "sv48x4", 4, "sv57x4", 5));
        return RiscvOptions.GUEST
                .withLevels(options.number("levels", levels))
                .withFlags(
                        options.choice(
                                "ad",
                                AccessedDirty.PRESET,
                                Map.of(
                                        "preset", AccessedDirty.PRESET,
                                        "svade", AccessedDirty.SVADE,
                                        "svadu", AccessedDirty.SVADU)))
                .withSvpbmt(options.isOn("svpbmt", true));
    }
}
