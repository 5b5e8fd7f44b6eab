package io.jircon.vm;

import io.jircon.hal.AccessKind;
import io.jircon.hal.HostPhysAddr;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What lies behind the addresses of a guest-physical address space: leaves, runs of consecutive
/// memory, views of it (clauses ). Addresses are the caller's to check.
final class GuestViews {
    private final Machine machine;
    private final VmAddressRegion root;

    GuestViews(Machine machine, VmAddressRegion root) {
        this.machine = machine;
        this.root = root;
    }

    /// What [AddrSpace#translateAndGetLimit] does.
    Optional<AddrSpace.Translation> limit(long gpa) {
        VmMapping area = root.findMapping(gpa);
        PageMapping leaf = area == null ? null : leafAt(gpa);
        if (area == null || leaf == null) {
            return Optional.empty();
        }
        long room = area.sizeBytes() - (gpa - area.baseAddress());
        long paddr = leaf.paddr();
        long run = 0;
        while (leaf != null && leaf.paddr() == paddr + run) {
            run += leaf.size().bytes() - ((gpa + run) & (leaf.size().bytes() - 1));
            if (Long.compareUnsigned(run, room) >= 0) {
                run = room;
                break;
            }
            leaf = leafAt(gpa + run);
        }
        return Optional.of(new AddrSpace.Translation(new HostPhysAddr(paddr), run));
    }

    /// What [AddrSpace#translatedByteBuffer] does.
    Optional<List<MemorySegment>> buffer(long gpa, long length, AccessKind access) {
        List<MemorySegment> views = new ArrayList<>();
        long runStart = 0;
        long runLength = 0;
        long done = 0;
        while (done < length) {
            long at = gpa + done;
            PageMapping leaf = leafFor(at, access);
            if (leaf == null) {
                return Optional.empty();
            }
            long leafBytes = leaf.size().bytes();
            long step = Math.min(leafBytes - (at & (leafBytes - 1)), length - done);
            if (!machine.memory().contains(leaf.paddr(), step)) {
                return Optional.empty();
            }
            if (runLength != 0 && leaf.paddr() == runStart + runLength) {
                runLength += step;
            } else {
                addView(views, runStart, runLength, access);
                runStart = leaf.paddr();
                runLength = step;
            }
            done += step;
        }
        addView(views, runStart, runLength, access);
        return Optional.of(List.copyOf(views));
    }

    private void addView(List<MemorySegment> views, long paddr, long length, AccessKind access) {
        if (length != 0) {
            MemorySegment view = machine.memory().slice(paddr, length);
            views.add(access == AccessKind.WRITE ? view : view.asReadOnly());
        }
    }

    /// The leaf at an address that allows an access, after resolving a fault if need be.
    private @Nullable PageMapping leafFor(long gpa, AccessKind access) {
        for (int tries = 0; tries < UserMemory.MAX_TRIES; tries++) {
            PageMapping leaf = leafAt(gpa);
            if (leaf != null && allows(leaf.flags(), access)) {
                return leaf;
            }
            if (root.handlePageFault(gpa, access) != ZxStatus.OK) {
                return null;
            }
        }
        return null;
    }

    static boolean allows(MmuFlags flags, AccessKind access) {
        return (access.requiredBits() & ~flags.bits()) == 0;
    }

    /// The leaf at an address, or null where there is none, or no page table any more.
    @Nullable PageMapping leafAt(long gpa) {
        try {
            return root.isAlive() ? root.pageTable().query(gpa) : null;
        } catch (PagingException e) {
            if (e.error() == PagingError.NOT_MAPPED || e.error() == PagingError.BAD_STATE) {
                return null;
            }
            throw e;
        }
    }
}
