package io.jircon.vm;

/// The place of a sub-region in its parent's tree.
final class RegionSlot extends RegionNode {
    private final VmAddressRegion region;

    RegionSlot(VmAddressRegion region, long first, long last) {
        super(first, last);
        this.region = region;
    }

    VmAddressRegion region() {
        return region;
    }

    @Override
    public String toString() {
        return region.toString();
    }
}
