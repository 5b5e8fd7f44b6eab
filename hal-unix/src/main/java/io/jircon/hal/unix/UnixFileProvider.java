package io.jircon.hal.unix;

import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HalProvider;
import java.util.List;
import java.util.Optional;

/// Makes machines of the portable kind: [UnixFileHal].
public final class UnixFileProvider implements HalProvider {
    /// Makes a provider; what `ServiceLoader` calls.
    public UnixFileProvider() {}

    @Override
    public String name() {
        return UnixFileHal.NAME;
    }

    @Override
    public String description() {
        return "portable machine: frames in a memory-mapped file, page tables on the Java heap";
    }

    @Override
    public List<String> properties() {
        return List.of(
                "pages: 4K 2M 1G",
                "rights: any of r, w, x, execute-only included",
                "addresses: user 47 bits, kernel 47 bits, guest 48 bits",
                "needs: nothing",
                "options: directory, file");
    }

    /// Runs everywhere.
    @Override
    public Optional<String> unavailableReason() {
        return Optional.empty();
    }

    @Override
    public Hal create(HalConfig config) {
        return UnixFileHal.open(config);
    }
}
