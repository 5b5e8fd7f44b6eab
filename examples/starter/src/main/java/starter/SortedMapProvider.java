package starter;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HalProvider;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.SimulatedMachine;
import io.jircon.hal.TlbInvalidator;
import java.util.List;
import java.util.Optional;

/// Makes machines whose page tables are [SortedPageTable]s; from then on `sorted-map` is a HAL like
/// any other.
public final class SortedMapProvider implements HalProvider {
    @Override
    public String name() {
        return "sorted-map";
    }

    @Override
    public String description() {
        return "a simulated machine whose page table is a sorted map";
    }

    @Override
    public List<String> properties() {
        return List.of("pages: 4K", "addresses: user 47 bits");
    }

    @Override
    public Optional<String> unavailableReason() {
        return Optional.empty();
    }

    @Override
    public Hal create(HalConfig config) {
        if (!config.options().isEmpty()) {
            throw new PagingException(
                    PagingError.NOT_SUPPORTED, "options=" + config.options() + ": there are none");
        }
        return new SortedMapMachine(config);
    }

    /// Memory, frames, processors and TLBs come from the base class.
    private static final class SortedMapMachine extends SimulatedMachine {
        private static final int TAGS = 255;

        SortedMapMachine(HalConfig config) {
            super("sorted-map", config, TAGS);
        }

        @Override
        protected PageTableTrait createPageTable(
                AddressSpaceKind kind, int tag, TlbInvalidator invalidator) {
            if (kind != AddressSpaceKind.USER) {
                throw new PagingException(
                        PagingError.NOT_SUPPORTED, "kind=" + kind + " is not USER");
            }
            return new SortedPageTable(tag, invalidator);
        }

        @Override
        public boolean canMapExecuteOnly() {
            return true;
        }
    }
}
