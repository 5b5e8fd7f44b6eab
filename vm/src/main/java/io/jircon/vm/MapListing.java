package io.jircon.vm;

import io.jircon.hal.MmuFlags;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;

/// Lists what is in an address space (section 15 of the contract). A listing shows one moment: the
/// address space's lock is held all the time.
final class MapListing {
    private MapListing() {}

    /// The topic VMAR_MAPS: a region, depth 0, and all below it.
    static List<MapEntry> ofRegion(VmAddressRegion region) {
        List<MapEntry> entries = new ArrayList<>();
        VmAspace aspace = region.aspace();
        long stamp = aspace.lock.readLock();
        try {
            region.requireAlive("V-221");
            list(region, 0, entries);
        } finally {
            aspace.lock.unlockRead(stamp);
        }
        return entries;
    }

    /// The topic PROCESS_MAPS: the address space, depth 0, and all that is in it.
    static List<MapEntry> ofAddressSpace(VmAspace aspace, long processKoid) {
        List<MapEntry> entries = new ArrayList<>();
        long stamp = aspace.lock.readLock();
        try {
            VmAddressRegion root = requireRoot(aspace, "V-222");
            String name = "proc:" + processKoid;
            entries.add(MapEntry.ofRange(name, MapEntry.Type.ASPACE, root, 0));
            list(root, 1, entries);
        } finally {
            aspace.lock.unlockRead(stamp);
        }
        return entries;
    }

    private static VmAddressRegion requireRoot(VmAspace aspace, String clause) {
        VmAddressRegion root = aspace.root();
        if (root == null) {
            throw VmErrors.badState(clause, "the address space is gone");
        }
        return root;
    }

    private static void list(VmAddressRegion top, int depth, List<MapEntry> entries) {
        entries.add(MapEntry.ofRange(top.regionName(), MapEntry.Type.VMAR, top, depth));
        var walk = new RegionWalk(top);
        for (RegionNode node = walk.next(); node != null; node = walk.next()) {
            int nodeDepth = depth + walk.depth();
            switch (node) {
                case RegionSlot slot -> {
                    VmAddressRegion region = slot.region();
                    entries.add(
                            MapEntry.ofRange(
                                    region.regionName(), MapEntry.Type.VMAR, region, nodeDepth));
                }
                case MappingNode mapping -> listMapping(mapping, nodeDepth, entries);
                default -> throw new AssertionError(node);
            }
        }
    }

    /// One entry for each run of equal permissions (clause V-227).
    private static void listMapping(MappingNode mapping, int depth, List<MapEntry> entries) {
        VmObject vmo = mapping.vmo();
        String name = vmo.name();
        for (long at = mapping.first; ; ) {
            long end = mapping.permissions().lastOfRun(at);
            MmuFlags permissions = mapping.permissions().at(at);
            long offset = mapping.vmoOffsetOf(at);
            long size = end - at + 1;
            Attribution cost = vmo.attribution(offset, size);
            entries.add(
                    new MapEntry(
                            name,
                            at,
                            size,
                            depth,
                            MapEntry.Type.MAPPING,
                            permissions,
                            vmo.listedKoid(),
                            offset,
                            cost.populatedBytes,
                            cost.populatedBytes,
                            cost.privateBytes,
                            cost.scaledBytes,
                            cost.fractionalScaledBytes));
            if (end == mapping.last) {
                return;
            }
            at = end + 1;
        }
    }

    /// The topic TASK_STATS for the task that has this address space.
    static TaskStats statsOf(VmAspace aspace) {
        long mapped = 0;
        long alone = 0;
        long shared = 0;
        long scaled = 0;
        var shareCounts = new IdentityHashMap<VmObject, Integer>();
        long stamp = aspace.lock.readLock();
        try {
            VmAddressRegion root = requireRoot(aspace, "V-31");
            var walk = new RegionWalk(root);
            for (MappingNode mapping = walk.nextMapping();
                    mapping != null;
                    mapping = walk.nextMapping()) {
                VmObject vmo = mapping.vmo();
                mapped += mapping.lengthBytes();
                Attribution cost = vmo.attribution(mapping.vmoOffset(), mapping.lengthBytes());
                int spaces = shareCounts.computeIfAbsent(vmo, VmObject::shareCount);
                if (spaces <= 1) {
                    alone += cost.privateBytes;
                    shared += cost.populatedBytes - cost.privateBytes;
                    scaled += cost.scaledBytes - cost.privateBytes;
                } else {
                    shared += cost.populatedBytes;
                    scaled += cost.scaledBytes / spaces;
                }
            }
        } finally {
            aspace.lock.unlockRead(stamp);
        }
        return new TaskStats(mapped, alone, shared, scaled);
    }
}
