package io.jircon.hal;

import java.util.Comparator;
import java.util.List;
import java.util.ServiceLoader;
import java.util.stream.Collectors;

/// The kinds of machine that are on the class path or module path.
public final class Hals {
    private Hals() {}

    /// Every provider found, usable here or not.
    ///
    /// @return sorted by name
    public static List<HalProvider> providers() {
        return ServiceLoader.load(HalProvider.class).stream()
                .map(ServiceLoader.Provider::get)
                .sorted(Comparator.comparing(HalProvider::name))
                .toList();
    }

    /// Makes a machine of the kind with a name.
    ///
    /// @param name a provider's name
    /// @param config size and settings
    /// @return a machine that the caller closes
    /// @throws IllegalArgumentException when no provider has the name; the message lists those
    ///   there are
    /// @throws PagingException as [HalProvider#create(HalConfig)]
    public static Hal create(String name, HalConfig config) {
        return provider(name).create(config);
    }

    /// The provider with a name.
    ///
    /// @param name a provider's name
    /// @return never null
    /// @throws IllegalArgumentException when no provider has the name; the message lists those
    ///   there are
    public static HalProvider provider(String name) {
        List<HalProvider> all = providers();
        return all.stream()
                .filter(provider -> provider.name().equals(name))
                .findFirst()
                .orElseThrow(() ->
                        new IllegalArgumentException(
                                "hal="
                                        + name
                                        + " is not one of "
                                        + all.stream()
                                                .map(HalProvider::name)
                                                .collect(Collectors.joining(", "))));
    }
}
