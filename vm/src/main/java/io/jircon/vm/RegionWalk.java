package io.jircon.vm;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Visits what lies below a region, depth first, parents before children, by ascending address
/// (clause V-221). Takes constant space whatever the depth. Only with the address space's lock held
/// all the time.
final class RegionWalk {
    private final VmAddressRegion top;
    private final long first;
    private final long last;
    private VmAddressRegion at;
    private @Nullable RegionNode pending;
    private int pendingDepth = 1;
    private int depth;

    /// Visits everything.
    RegionWalk(VmAddressRegion top) {
        this(top, top.firstByte(), top.lastByte());
    }

    /// Visits what has a byte in a range.
    RegionWalk(VmAddressRegion top, long first, long last) {
        this.top = top;
        this.first = first;
        this.last = last;
        this.at = top;
        this.pending = top.children().includeOrHigher(first);
    }

    /// How deep the node is that [#next] gave last; children of the top region have depth 1.
    int depth() {
        return depth;
    }

    /// The next node, a mapping or a region's slot, or null at the end.
    @Nullable RegionNode next() {
        RegionNode node = pending;
        while (node == null || Long.compareUnsigned(node.first, last) > 0) {
            if (at == top) {
                pending = null;
                return null;
            }
            RegionSlot slot = Objects.requireNonNull(at.slot());
            at = Objects.requireNonNull(at.parent());
            pendingDepth--;
            node = RegionTree.next(slot);
        }
        depth = pendingDepth;
        if (node instanceof RegionSlot slot) {
            at = slot.region();
            pendingDepth++;
            pending = at.children().includeOrHigher(first);
        } else {
            pending = RegionTree.next(node);
        }
        return node;
    }

    /// The next mapping, or null at the end.
    @Nullable MappingNode nextMapping() {
        RegionNode node = next();
        while (node instanceof RegionSlot) {
            node = next();
        }
        return (MappingNode) node;
    }
}
