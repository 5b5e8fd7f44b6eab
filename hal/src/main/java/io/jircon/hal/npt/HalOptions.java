package io.jircon.hal.npt;

import io.jircon.hal.HalConfig;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/// The settings of one HAL, read from [HalConfig#options()].
final class HalOptions {
    private final String hal;
    private final Map<String, String> options;

    /// @throws PagingException NOT_SUPPORTED when there is a setting that is not known
    HalOptions(String hal, HalConfig config, Set<String> known) {
        this.hal = hal;
        this.options = config.options();
        for (String name : options.keySet()) {
            if (!known.contains(name)) {
                throw new PagingException(
                        PagingError.NOT_SUPPORTED,
                        "option " + name + " is not one of " + hal + "'s: " + sorted(known));
            }
        }
    }

    private static String sorted(Set<String> names) {
        return String.join(", ", new java.util.TreeSet<>(names));
    }

    boolean has(String name) {
        return options.containsKey(name);
    }

    int number(String name, int otherwise) {
        String text = options.get(name);
        if (text == null) {
            return otherwise;
        }
        try {
            return Integer.parseInt(text);
        } catch (NumberFormatException notNumber) {
            throw bad(name, text, "a number");
        }
    }

    boolean isOn(String name, boolean otherwise) {
        return choice(name, otherwise, Map.of("on", true, "off", false));
    }

    <T> T choice(String name, T otherwise, Map<String, T> choices) {
        String text = options.get(name);
        if (text == null) {
            return otherwise;
        }
        T value = choices.get(text);
        if (value == null) {
            throw bad(name, text, "one of " + sorted(choices.keySet()));
        }
        return value;
    }

    /// Applies settings whose values may not go together.
    ///
    /// @throws PagingException NOT_SUPPORTED for what `make` refuses with IllegalArgumentException
    <T> T make(Function<HalOptions, T> make) {
        try {
            return make.apply(this);
        } catch (IllegalArgumentException refused) {
            throw new PagingException(
                    PagingError.NOT_SUPPORTED, hal + ": " + refused.getMessage(), refused);
        }
    }

    private PagingException bad(String name, String text, String rule) {
        return new PagingException(
                PagingError.NOT_SUPPORTED, "option " + name + "=" + text + " is not " + rule);
    }
}
