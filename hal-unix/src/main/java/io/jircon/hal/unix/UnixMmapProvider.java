package io.jircon.hal.unix;

import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HalProvider;
import io.jircon.hal.PagingException;
import java.util.List;
import java.util.Optional;

/// Makes machines of the kind that uses the host's own MMU: [UnixMmapHal].
public final class UnixMmapProvider implements HalProvider {
    /// Makes a provider; what `ServiceLoader` calls.
    public UnixMmapProvider() {}

    @Override
    public String name() {
        return UnixMmapHal.NAME;
    }

    @Override
    public String description() {
        return "the host's own MMU: frames in a memfd, every entry a real mapping, real faults";
    }

    @Override
    public List<String> properties() {
        return List.of(
                "pages: 4K; runs of pages are one mapping of the host",
                "rights: any with r; protection by the host's MMU",
                "addresses: user and guest in a window of 64 GiB each, no kernel",
                "access: process_vm_readv/writev, EFAULT becomes a page fault; pinned views",
                "accessed pages: noted by the processors; open pinned views count as accessed",
                "page faults: " + faultsHere(),
                "limit: vm.max_map_count=" + MappingBudget.hostLimit(),
                "needs: Linux, native access",
                "options: window, max-map-count, directory, file, huge-pages, faults");
    }

    /// What a machine without option `faults` says on this host.
    private static String faultsHere() {
        HalConfig small = HalConfig.DEFAULT.withMemoryBytes(1L << 20);
        try (UnixMmapHal machine = UnixMmapHal.open(small)) {
            return machine.faults();
        } catch (PagingException unusable) {
            return "unknown: " + unusable.getMessage();
        }
    }

    @Override
    public Optional<String> unavailableReason() {
        return HostProbe.unavailableReason();
    }

    @Override
    public Hal create(HalConfig config) {
        return UnixMmapHal.open(config);
    }
}
