package io.jircon.hal.unix;

import io.jircon.hal.HalConfig;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;

/// The value of option `faults` for tests that have to pass with minor faults and without.
public final class MinorFaults {
    /// `minor` where this host can hold them, else `auto`.
    public static final String OPTION = canBeHeld() ? "minor" : "auto";

    private MinorFaults() {}

    private static boolean canBeHeld() {
        try {
            UnixMmapHal.open(HalConfig.DEFAULT.withOption("faults", "minor")).close();
            return true;
        } catch (PagingException refused) {
            if (refused.error() != PagingError.NOT_SUPPORTED) {
                throw refused;
            }
            return false;
        }
    }
}
