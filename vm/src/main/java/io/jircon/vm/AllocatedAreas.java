package io.jircon.vm;

import io.jircon.kobject.ZxException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The areas of a guest-physical address space whose frames come from the machine, and go back to
/// it when no mapping shows them any more (clause A-136). Guarded by the address space's own lock.
final class AllocatedAreas {
    private final VmAddressRegion root;

    /// The objects behind the areas; the mappings keep them alive.
    private final Set<VmObject> objects = Collections.newSetFromMap(new IdentityHashMap<>());

    AllocatedAreas(VmAddressRegion root) {
        this.root = root;
    }

    /// Notes the object behind a new area.
    void add(VmObject object) {
        objects.add(object);
    }

    /// Forgets all of them.
    void clear() {
        objects.clear();
    }

    /// Unmaps a range and gives back the frames of what no mapping shows any more.
    ///
    /// @throws io.jircon.kobject.ZxException as [VmAddressRegion#unmap]
    void unmap(long first, long length) {
        List<Piece> pieces = piecesOf(first, first + (length - 1));
        root.unmap(first, length);
        for (Piece piece : pieces) {
            if (!piece.giveBack()) {
                objects.remove(piece.vmo);
            }
        }
    }

    /// A part of one of our own objects that is about to be unmapped.
    private record Piece(VmObject vmo, long offset, long length) {
        /// Decommits what no mapping shows any more. Where snapshots or pins forbid that, the pages
        /// stay until the object goes.
        ///
        /// @return whether the object lives on
        boolean giveBack() {
            vmo.lock().lock();
            try {
                if (vmo.isDestroyed()) {
                    return false;
                }
                if (!vmo.mappings().isShown(offset, offset + length - 1)) {
                    vmo.opDecommit(offset, length);
                }
                return true;
            } catch (ZxException keepsItsPages) {
                return true;
            } finally {
                vmo.lock().unlock();
            }
        }
    }

    private List<Piece> piecesOf(long first, long last) {
        List<Piece> pieces = new ArrayList<>();
        long at = first;
        while (true) {
            RegionNode node = firstAreaIn(at, last);
            if (node == null) {
                return pieces;
            }
            if (node instanceof MappingNode mapping && objects.contains(mapping.vmo())) {
                long from = Ranges.max(first, node.first);
                long to = VmoMath.min(last, node.last);
                pieces.add(new Piece(mapping.vmo(), mapping.vmoOffsetOf(from), to - from + 1));
            }
            if (Long.compareUnsigned(node.last, last) >= 0) {
                return pieces;
            }
            at = node.last + 1;
        }
    }

    /// The lowest area, or region, that touches a range.
    ///
    /// @param last the last byte, inclusive
    @Nullable RegionNode firstAreaIn(long first, long last) {
        VmAspace aspace = root.aspace();
        long stamp = aspace.lock.readLock();
        try {
            return root.children().firstIntersecting(first, last);
        } finally {
            aspace.lock.unlockRead(stamp);
        }
    }
}
