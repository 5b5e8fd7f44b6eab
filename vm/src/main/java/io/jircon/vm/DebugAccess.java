package io.jircon.vm;

import static io.jircon.vm.VmoMath.hex;

import io.jircon.hal.PagingException;
import io.jircon.hal.PhysicalMemory;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.List;

/// A debugger's access to memory through an address space (section 16 of the contract): current
/// permissions do not matter, and no page-table entry is made.
final class DebugAccess {
    /// The most bytes of one transfer (clause V-7).
    static final long MAX_BYTES = 64L << 20;

    /// Moves bytes of a memory object; with its lock held.
    @FunctionalInterface
    private interface Transfer {
        void move(VmObject vmo, long offset, MemorySegment bytes);
    }

    private DebugAccess() {}

    /// Copies bytes out.
    ///
    /// @return how many, at least 1; the transfer ends with the mapping and with its object
    static long read(VmAspace aspace, long vaddr, MemorySegment target) {
        requireTransferSize(target);
        while (true) {
            MappingNode mapping = requireMapping(aspace, vaddr);
            long moved = transfer(mapping, vaddr, target, PageAccess.READ, DebugAccess::readVmo);
            if (moved > 0) {
                return moved;
            }
        }
    }

    /// Copies bytes in. A mapping that may never be written first gets a private copy of what it
    /// shows (clause V-237).
    ///
    /// @return how many, at least 1; the transfer ends with the mapping and with its object
    static long write(VmAspace aspace, long vaddr, MemorySegment source) {
        requireTransferSize(source);
        while (true) {
            MappingNode mapping = requireMapping(aspace, vaddr);
            if (!mapping.takesDebugWrites()) {
                makePrivate(aspace, vaddr);
                continue;
            }
            long moved = transfer(mapping, vaddr, source, PageAccess.WRITE, DebugAccess::writeVmo);
            if (moved > 0) {
                return moved;
            }
        }
    }

    private static void requireTransferSize(MemorySegment bytes) {
        if (bytes.byteSize() == 0 || bytes.byteSize() > MAX_BYTES) {
            throw VmErrors.invalidArgs(
                    "V-234", "size=" + bytes.byteSize() + " is not in 1.." + MAX_BYTES);
        }
    }

    private static MappingNode requireMapping(VmAspace aspace, long vaddr) {
        if (aspace.root() == null) {
            throw VmErrors.badState("V-234", "the address space is gone");
        }
        MappingNode mapping = aspace.find(vaddr);
        if (mapping == null) {
            throw VmErrors.notFound("V-234", "nothing is mapped at vaddr=" + hex(vaddr));
        }
        return mapping;
    }

    /// Moves what one mapping shows.
    ///
    /// @return 0 when the mapping changed meanwhile and has to be found again
    private static long transfer(
            MappingNode mapping,
            long vaddr,
            MemorySegment bytes,
            PageAccess access,
            Transfer transfer) {
        try (var wait = new PageWait()) {
            long moved;
            do {
                moved = tryTransfer(mapping, vaddr, bytes, access, transfer, wait);
            } while (wait.await());
            return moved;
        }
    }

    private static long tryTransfer(
            MappingNode mapping,
            long vaddr,
            MemorySegment bytes,
            PageAccess access,
            Transfer transfer,
            PageWait wait) {
        VmObject vmo = mapping.vmo();
        vmo.lock().lock();
        try {
            if (!mapping.isAttached() || !mapping.containsAddress(vaddr)) {
                return 0;
            }
            long offset = mapping.vmoOffsetOf(vaddr);
            if (Long.compareUnsigned(offset, vmo.sizeBytes()) >= 0) {
                throw VmErrors.outOfRange(
                        "V-234", "vaddr=" + hex(vaddr) + " shows what is past the end of " + vmo);
            }
            long length =
                    VmoMath.min(
                            bytes.byteSize(),
                            VmoMath.min(vmo.sizeBytes() - offset, mapping.last - vaddr + 1));
            if (vmo.mustWait(wait, access, offset, length)) {
                return 0;
            }
            transfer.move(vmo, offset, bytes.asSlice(0, length));
            return length;
        } finally {
            vmo.lock().unlock();
        }
    }

    private static void readVmo(VmObject vmo, long offset, MemorySegment bytes) {
        if (vmo.isPaged()) {
            vmo.read(offset, bytes);
            return;
        }
        long paddr = requireMemory(vmo, offset, bytes.byteSize());
        vmo.machine.memory().read(paddr, bytes, 0, bytes.byteSize());
    }

    private static void writeVmo(VmObject vmo, long offset, MemorySegment bytes) {
        if (vmo.isPaged()) {
            vmo.write(offset, bytes);
            return;
        }
        long paddr = requireMemory(vmo, offset, bytes.byteSize());
        vmo.machine.memory().write(paddr, bytes, 0, bytes.byteSize());
    }

    /// The physical address behind a physical object, where there is memory and not a device.
    private static long requireMemory(VmObject vmo, long offset, long length) {
        var lookup = new PageLookup();
        vmo.lookupPage(VmoMath.down(offset), /* write= */ false, lookup);
        long paddr = lookup.paddr + (offset - VmoMath.down(offset));
        PhysicalMemory memory = vmo.machine.memory();
        if (!memory.contains(paddr, length)) {
            throw VmErrors.notSupported("V-234", "paddr=" + hex(paddr) + " is no memory");
        }
        return paddr;
    }

    /// A snapshot of what a mapping can show.
    private static VmObject snapshotOf(MappingNode mapping) {
        VmObject vmo = mapping.vmo();
        long vmoOffset = mapping.vmoOffset();
        vmo.lock().lock();
        try {
            long there =
                    Ranges.isBelow(vmoOffset, vmo.sizeBytes()) ? vmo.sizeBytes() - vmoOffset : 0;
            // With a pager only what was written is fixed; elsewhere this is a full snapshot.
            VmObject copy =
                    vmo.createChild(
                            EnumSet.of(VmoChildOption.SNAPSHOT_MODIFIED),
                            vmoOffset,
                            VmoMath.min(there, mapping.lengthBytes()));
            if (mapping.faultsBeyondStreamSize()) {
                long stream = vmo.streamSizeBytes();
                long left = Ranges.isBelow(vmoOffset, stream) ? stream - vmoOffset : 0;
                copy.setStreamSize(VmoMath.min(left, copy.sizeBytes()));
            }
            return copy;
        } finally {
            vmo.lock().unlock();
        }
    }

    /// Puts a mapping of a private snapshot in the place of the one at an address: same range, same
    /// permissions.
    private static void makePrivate(VmAspace aspace, long vaddr) {
        long stamp = aspace.lock.writeLock();
        try {
            MappingNode shared = VmAspace.findLocked(aspace.root(), vaddr);
            if (shared == null || shared.takesDebugWrites()) {
                return;
            }
            aspace.removeEntries(shared.first, shared.last, List.of(shared));
            try (VmObject copy = snapshotOf(shared)) {
                MappingNode mine = shared.over(copy);
                mine.attach();
                shared.parent().children().replace(shared, mine);
                shared.detach();
            } finally {
                shared.thawIfFrozen();
            }
        } catch (PagingException e) {
            throw VmErrors.of(e, "V-237", "a private copy for vaddr=" + hex(vaddr));
        } finally {
            aspace.lock.unlockWrite(stamp);
        }
    }
}
