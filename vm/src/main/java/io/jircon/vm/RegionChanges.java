package io.jircon.vm;

import static io.jircon.vm.VmoMath.hex;

import io.jircon.hal.PagingException;
import java.util.ArrayList;
import java.util.List;

/// What takes things out of a region: unmap and destroy (sections 9 and 11 of the contract), and
/// the clearing that SPECIFIC_OVERWRITE needs.
///
/// Each works in two steps. First all page-table entries go, in one call that may be refused and
/// then leaves everything as it was; then regions and mappings go, which cannot fail.
final class RegionChanges {
    private RegionChanges() {}

    // ---- unmap

    /// Checks and unmaps.
    ///
    /// @param mayTouchRegions whether the caller may affect sub-regions (clause V-54)
    static void unmap(VmAddressRegion region, long vaddr, long len, boolean mayTouchRegions) {
        requireAlignedAddress(vaddr);
        long sizeBytes = roundedLength(len);
        VmAspace aspace = region.aspace();
        long stamp = aspace.lock.writeLock();
        try {
            region.requireAlive("V-126");
            requireInside(region, vaddr, len);
            long last = vaddr + (sizeBytes - 1);
            requireWholeRegions(region, vaddr, last, mayTouchRegions);
            clear(region, vaddr, last);
        } finally {
            aspace.lock.unlockWrite(stamp);
        }
    }

    private static void requireAlignedAddress(long vaddr) {
        if (!VmoMath.isAligned(vaddr)) {
            throw VmErrors.invalidArgs(
                    "V-124", "vaddr=" + hex(vaddr) + " is not a multiple of the page size");
        }
    }

    private static long roundedLength(long len) {
        long sizeBytes = VmoMath.up(len);
        if (sizeBytes == 0) {
            throw VmErrors.invalidArgs("V-125", "len=" + hex(len) + " is 0 when rounded to pages");
        }
        return sizeBytes;
    }

    private static void requireInside(VmAddressRegion region, long vaddr, long len) {
        if (!region.containsRange(vaddr, VmoMath.up(len))) {
            throw VmErrors.invalidArgs(
                    "V-127",
                    "vaddr=" + hex(vaddr) + " with len=" + hex(len) + " is not inside " + region);
        }
    }

    private static void requireWholeRegions(
            VmAddressRegion region, long first, long last, boolean mayTouchRegions) {
        for (RegionNode node = region.children().firstIntersecting(first, last);
                node != null && Long.compareUnsigned(node.first, last) <= 0;
                node = RegionTree.next(node)) {
            if (!(node instanceof RegionSlot slot)) {
                continue;
            }
            if (!mayTouchRegions) {
                throw VmErrors.invalidArgs(
                        "V-130",
                        "range "
                                + Ranges.text(first, last)
                                + " touches "
                                + slot.region()
                                + " without OP_CHILDREN");
            }
            if (Ranges.isBelow(slot.first, first) || Ranges.isBelow(last, slot.last)) {
                throw VmErrors.invalidArgs(
                        "V-130", "range " + Ranges.text(first, last) + " cuts " + slot.region());
            }
        }
    }

    /// Frees a range whose sub-regions lie wholly inside; only with the lock held for writing.
    static void clear(VmAddressRegion region, long first, long last) {
        if (region.children().isRangeAvailable(first, last)) {
            return;
        }
        removeEntries(region, first, last);
        RegionTree children = region.children();
        RegionNode node = children.firstIntersecting(first, last);
        while (node != null && Long.compareUnsigned(node.first, last) <= 0) {
            RegionNode next = RegionTree.next(node);
            switch (node) {
                case MappingNode mapping -> cut(children, mapping, first, last);
                case RegionSlot slot -> kill(slot.region());
                default -> throw new AssertionError(node);
            }
            node = next;
        }
    }

    private static void cut(RegionTree children, MappingNode mapping, long first, long last) {
        boolean keepsLow = Ranges.isBelow(mapping.first, first);
        boolean keepsHigh = Ranges.isBelow(last, mapping.last);
        if (!keepsLow && !keepsHigh) {
            children.remove(mapping);
            mapping.detach();
            return;
        }
        MappingNode tail =
                mapping.cutOut(Ranges.max(first, mapping.first), VmoMath.min(last, mapping.last));
        children.resized(mapping);
        if (tail != null) {
            children.insert(tail);
        }
    }

    private static void removeEntries(VmAddressRegion region, long first, long last) {
        List<MappingNode> mappings = new ArrayList<>();
        var walk = new RegionWalk(region, first, last);
        for (MappingNode mapping = walk.nextMapping();
                mapping != null;
                mapping = walk.nextMapping()) {
            mappings.add(mapping);
        }
        try {
            region.aspace().removeEntries(first, last, mappings);
        } catch (PagingException e) {
            throw VmErrors.of(e, "V-131", "range " + Ranges.text(first, last));
        }
    }

    // ---- destroy

    /// Checks and destroys.
    static void destroy(VmAddressRegion region) {
        VmAspace aspace = region.aspace();
        long stamp = aspace.lock.writeLock();
        try {
            if (aspace.root() == region) {
                throw VmErrors.notSupported(
                        "V-166", region + " is the root of a living address space");
            }
            region.requireAlive("V-167");
            removeEntries(region, region.firstByte(), region.lastByte());
            kill(region);
        } finally {
            aspace.lock.unlockWrite(stamp);
        }
    }

    /// Ends an address space: its root and everything below die, its page table is freed (clause
    /// V-31). A second time does nothing.
    static void destroyAddressSpace(VmAspace aspace) {
        long stamp = aspace.lock.writeLock();
        try {
            VmAddressRegion root = aspace.root();
            if (root == null) {
                return;
            }
            removeEntries(root, root.firstByte(), root.lastByte());
            aspace.setRoot(null);
            kill(root);
            aspace.table().close();
        } finally {
            aspace.lock.unlockWrite(stamp);
        }
    }

    /// Ends a region and all that is below it, lowest address first, without recursion (clause
    /// V-30). The entries are gone already.
    private static void kill(VmAddressRegion top) {
        VmAddressRegion at = top;
        while (true) {
            switch (at.children().first()) {
                case null -> {
                    VmAddressRegion parent = at.die();
                    if (at == top || parent == null) {
                        return;
                    }
                    at = parent;
                }
                case MappingNode mapping -> {
                    at.children().remove(mapping);
                    mapping.detach();
                }
                case RegionSlot slot -> at = slot.region();
                case RegionNode other -> throw new AssertionError(other);
            }
        }
    }
}
