package io.jircon.vm;

import io.jircon.hal.AccessWidth;
import io.jircon.hal.DeviceRange;
import java.util.List;
import java.util.Set;

/// A device in a guest's address space.
///
/// @param range the addresses it answers to, not empty
/// @param widths the widths it takes
/// @param handler its registers
/// @param pages the sub-regions that keep mappings off its pages
record MmioDevice(
        DeviceRange.Mmio range,
        Set<AccessWidth> widths,
        MmioHandler handler,
        List<VmAddressRegion> pages) {
    long first() {
        return range.range().start().value();
    }

    long last() {
        return range.range().end().value() - 1;
    }

    long firstPage() {
        return VmoMath.down(first());
    }

    /// The last byte of its last page.
    long lastOfPages() {
        return last() | (VmoMath.PAGE - 1);
    }

    /// Whether none of its pages was unmapped.
    boolean isAlive() {
        for (int i = 0; i < pages.size(); i++) {
            if (!pages.get(i).isAlive()) {
                return false;
            }
        }
        return true;
    }

    @Override
    public String toString() {
        return "device " + range;
    }
}
