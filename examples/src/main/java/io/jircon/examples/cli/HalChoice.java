package io.jircon.examples.cli;

import io.jircon.hal.HalProvider;
import io.jircon.hal.Hals;
import java.util.List;

/// Turns the `--hal` option into providers.
final class HalChoice {
    /// Stands for every HAL that can be used here.
    static final String ALL = "all";

    /// Those whose page tables lie in simulated memory.
    private static final List<String> NESTED = List.of("aarch64", "riscv64", "x86_64");

    private HalChoice() {}

    /// The HALs an option names.
    ///
    /// @param name a HAL's name or [#ALL]
    /// @return for a name the one HAL, usable here; for [#ALL] all that were found, usable or not
    /// @throws UsageException when there is no such HAL or it cannot be used here
    static List<HalProvider> named(String name) {
        return name.equals(ALL) ? Hals.providers() : List.of(one(name));
    }

    /// The HAL with a name.
    ///
    /// @param name the name
    /// @return a HAL that can be used here
    /// @throws UsageException when there is no such HAL or it cannot be used here
    static HalProvider one(String name) {
        HalProvider provider;
        try {
            provider = Hals.provider(name);
        } catch (IllegalArgumentException e) {
            throw new UsageException(String.valueOf(e.getMessage()), e);
        }
        provider.unavailableReason()
                .ifPresent(reason -> {
                    throw new UsageException("hal=" + name + " cannot be used: " + reason);
                });
        return provider;
    }

    /// The HAL with a name and page tables in memory that can be looked at.
    ///
    /// @param name the name
    /// @return a HAL whose user and guest page tables are nested ones
    /// @throws UsageException when there is no such HAL, it cannot be used here, or its page tables
    ///   are the host's
    static HalProvider nested(String name) {
        HalProvider provider = one(name);
        if (!NESTED.contains(name)) {
            throw new UsageException(
                    "hal=" + name + " has no page tables in memory; choose one of " + NESTED);
        }
        return provider;
    }
}
