package io.jircon.vm;

import static io.jircon.vm.VmoMath.PAGE;

import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.kobject.ZxStatus;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Checks what must always hold in an address space: the tree of regions by clause V-260, and that
/// a page-table entry exists only for a page of a living mapping, with no more permission than the
/// mapping has there and with the frame that its memory object holds for the page.
///
/// For tests, while nobody changes the address space or the memory objects in it.
final class VmInvariants {
    private record Leaf(long vaddr, long paddr, PageSize size, MmuFlags flags) {}

    private final PageLookup lookup = new PageLookup();
    private int highPriorities;

    /// Those whose mappings were counted: one object may have many, and all share the count.
    private final Set<MappingIndex> recounted = new HashSet<>();

    private VmInvariants() {}

    /// Checks an address space.
    ///
    /// @throws AssertionError naming the first thing that is wrong
    static void check(VmAspace aspace) {
        VmAddressRegion root = aspace.root();
        if (root == null) {
            return;
        }
        List<Leaf> leaves = new ArrayList<>();
        aspace.table()
                .forEachLeaf(
                        root.firstByte(),
                        root.sizeBytes(),
                        (vaddr, paddr, size, flags) ->
                                leaves.add(new Leaf(vaddr, paddr, size, flags)));
        var invariants = new VmInvariants();
        long stamp = aspace.lock.readLock();
        try {
            invariants.checkRegions(root);
            require(
                    invariants.highPriorities == aspace.highPriorityCount(),
                    root,
                    "counts "
                            + aspace.highPriorityCount()
                            + " HIGH regions and mappings instead of "
                            + invariants.highPriorities);
            for (Leaf leaf : leaves) {
                invariants.checkLeaf(root, leaf);
            }
        } finally {
            aspace.lock.unlockRead(stamp);
        }
    }

    private void checkRegions(VmAddressRegion root) {
        require(root.parent() == null, root, "is a root with a parent");
        checkRegion(root);
        var walk = new RegionWalk(root);
        for (RegionNode node = walk.next(); node != null; node = walk.next()) {
            switch (node) {
                case RegionSlot slot -> checkRegion(slot.region());
                case MappingNode mapping -> checkMapping(mapping);
                default -> throw new AssertionError(node);
            }
        }
    }

    private void checkRegion(VmAddressRegion region) {
        require(region.isAlive(), region, "is dead and listed");
        countPriority(region.memoryPriority());
        region.children().checkInvariants();
        for (RegionNode node = region.children().first();
                node != null;
                node = RegionTree.next(node)) {
            checkChild(region, node);
        }
    }

    private void checkChild(VmAddressRegion region, RegionNode node) {
        require(
                VmoMath.isAligned(node.first) && VmoMath.isAligned(node.last + 1),
                node,
                "is not page aligned");
        switch (node) {
            case RegionSlot slot -> {
                VmAddressRegion child = slot.region();
                require(child.parent() == region, child, "has another parent than " + region);
                require(
                        child.firstByte() == slot.first && child.lastByte() == slot.last,
                        child,
                        "is not where its slot is");
                require(
                        region.mappable().contains(child.mappable()),
                        child,
                        "may do more than its parent");
            }
            case MappingNode mapping -> {
                require(mapping.parent() == region, mapping, "has another parent than " + region);
                require(
                        region.mappable().contains(mapping.maxPermissions()),
                        mapping,
                        "may do more than its region");
            }
            default -> throw new AssertionError(node);
        }
    }

    private void checkMapping(MappingNode mapping) {
        require(mapping.isAttached(), mapping, "is not attached and listed");
        require(
                mapping.vmo().ownMappings().contains(mapping),
                mapping,
                "is unknown to its memory object");
        checkPriority(mapping);
        mapping.permissions().checkInvariants(mapping.first, mapping.last);
        for (long at = mapping.first; ; at = mapping.permissions().lastOfRun(at) + 1) {
            require(
                    mapping.maxPermissions().contains(mapping.permissions().at(at)),
                    mapping,
                    "has more permission than it may");
            if (mapping.permissions().lastOfRun(at) == mapping.last) {
                return;
            }
        }
    }

    private void checkPriority(MappingNode mapping) {
        countPriority(mapping.memoryPriority());
        require(
                mapping.memoryPriority() == mapping.parent().memoryPriority(),
                mapping,
                "has not the priority of its region");
        mapping.vmo().lock().lock();
        try {
            MappingIndex index = mapping.vmo().mappings();
            if (recounted.add(index)) {
                int highMappings = index.recountHighPriority();
                require(
                        index.highPriorityCount() == highMappings,
                        mapping.vmo(),
                        "counts "
                                + index.highPriorityCount()
                                + " HIGH mappings instead of "
                                + highMappings);
            }
        } finally {
            mapping.vmo().lock().unlock();
        }
    }

    private void countPriority(MemoryPriority priority) {
        highPriorities += priority == MemoryPriority.HIGH ? 1 : 0;
    }

    private void checkLeaf(VmAddressRegion root, Leaf leaf) {
        MappingNode found = VmAspace.findLocked(root, leaf.vaddr);
        require(found != null, leaf, "belongs to no mapping");
        MappingNode mapping = Objects.requireNonNull(found);
        long leafLast = leaf.vaddr + (leaf.size.bytes() - 1);
        require(mapping.containsAddress(leafLast), leaf, "reaches beyond " + mapping);
        require(
                mapping.permissions().allContain(leaf.vaddr, leafLast, leaf.flags.access()),
                leaf,
                "allows more than " + mapping);
        require(
                leaf.flags.without(MmuFlags.RWX).equals(mapping.entryFlags(MmuFlags.NONE)),
                leaf,
                "has not the memory type of " + mapping);
        mapping.vmo().lock().lock();
        try {
            for (long done = 0; done < leaf.size.bytes(); done += PAGE) {
                checkFrame(mapping, leaf, done);
            }
        } finally {
            mapping.vmo().lock().unlock();
        }
    }

    private void checkFrame(MappingNode mapping, Leaf leaf, long done) {
        long offset = mapping.vmoOffsetOf(leaf.vaddr + done);
        ZxStatus status = mapping.vmo().lookupPage(offset, /* write= */ false, lookup);
        require(
                status == ZxStatus.OK,
                leaf,
                "shows a page that " + mapping + " has not: " + status);
        require(
                lookup.paddr == leaf.paddr + done,
                leaf,
                "shows another frame than " + VmoMath.hex(lookup.paddr) + " of " + mapping);
        require(
                lookup.writable || !leaf.flags.canWrite(),
                leaf,
                "lets a page be written that " + mapping + " does not own");
    }

    private static void require(boolean holds, @Nullable Object what, String complaint) {
        if (!holds) {
            throw new AssertionError(what + " " + complaint);
        }
    }
}
