package io.jircon.hal.unix;

import io.jircon.hal.HalConfig;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import org.junit.jupiter.api.Assumptions;

/// Machines that hold accesses, for tests: where this host does not let them, the test is aborted
/// and says why.
final class Userfaultfd {
    private Userfaultfd() {}

    static UnixMmapHal open(Posix posix, HalConfig config) {
        return open(posix, new FaultCalls(posix), config);
    }

    static UnixMmapHal open(Posix posix, FaultCalls calls, HalConfig config) {
        return open("userfaultfd", posix, calls, config);
    }

    /// Machines that hold minor faults as well.
    static UnixMmapHal openMinor(Posix posix, FaultCalls calls, HalConfig config) {
        return open("minor", posix, calls, config);
    }

    private static UnixMmapHal open(
            String faults, Posix posix, FaultCalls calls, HalConfig config) {
        try {
            return UnixMmapHal.open(posix, calls, config.withOption("faults", faults));
        } catch (PagingException refused) {
            if (refused.error() != PagingError.NOT_SUPPORTED) {
                throw refused;
            }
            return Assumptions.abort(refused.getMessage());
        }
    }
}
