package io.jircon.vm;

import io.jircon.hal.PageTableTrait;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.ZxException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.zip.CRC32;

/// The state of an address space and of some memory objects as text, to compare before and after a
/// call that must change nothing. Checks the invariants on the way, and that no lock was left.
final class WholeState {
    private WholeState() {}

    /// What callers can observe: the listing, the frames that are in use for other things than
    /// tables, the regions, the priorities, the memory objects and their contents.
    ///
    /// @param root the root region
    static String observable(VmAddressRegion root, List<VmObject> objects) {
        root.checkInvariants();
        Machine machine = root.aspace().machine();
        var text = new StringBuilder();
        root.maps().forEach(entry -> text.append(entry).append('\n'));
        long free = machine.frames().freeFrames() + root.pageTable().tableFrames();
        text.append("free ").append(free);
        text.append(" regions ").append(machine.kernel().liveObjects(ObjectType.VMAR));
        text.append(" objects ").append(machine.kernel().liveObjects(ObjectType.VMO));
        text.append(" high ").append(root.highPriorityCount());
        objects.forEach(vmo -> text.append('\n').append(textOf(vmo)));
        return text.toString();
    }

    /// What callers can observe, and every entry and table.
    ///
    /// @param root the root region
    static String everything(VmAddressRegion root, List<VmObject> objects) {
        var text = new StringBuilder(observable(root, objects));
        PageTableTrait table = root.pageTable();
        table.forEachLeaf(
                root.baseAddress(),
                root.sizeBytes(),
                (vaddr, paddr, size, flags) ->
                        text.append('\n')
                                .append(Long.toHexString(vaddr))
                                .append(' ')
                                .append(Long.toHexString(paddr))
                                .append(' ')
                                .append(size)
                                .append(flags));
        return text.append(" tables ").append(table.tableFrames()).toString();
    }

    private static String textOf(VmObject vmo) {
        if (vmo.lock().isHeldByCurrentThread()) {
            throw new AssertionError("somebody left the lock of " + vmo);
        }
        return vmo.info()
                + " stream "
                + vmo.streamSizeBytes()
                + " contents "
                + contents(vmo)
                + pagerState(vmo);
    }

    /// What a pager has to write back, and whether it is told of changes.
    private static String pagerState(VmObject vmo) {
        if (!(vmo instanceof PagedVmo paged && paged.store instanceof PagerStore store)) {
            return "";
        }
        vmo.lock().lock();
        try {
            return " dirty "
                    + store.dirtyRanges(0, store.pageCount())
                    + " modified "
                    + store.isModified()
                    + " attached "
                    + store.isAttached();
        } finally {
            vmo.lock().unlock();
        }
    }

    /// A checksum of the pages that a memory object has, or why it cannot be read.
    private static String contents(VmObject vmo) {
        byte[] bytes = new byte[(int) VmoMath.PAGE];
        var sum = new CRC32();
        try {
            vmo.read(0, MemorySegment.NULL);
            long at = nextPage(vmo, 0);
            while (at != VmObject.NO_PAGE) {
                vmo.read(at, MemorySegment.ofArray(bytes));
                sum.update((int) (at >>> VmoMath.SHIFT));
                sum.update(bytes);
                at = nextPage(vmo, at + VmoMath.PAGE);
            }
            return Long.toHexString(sum.getValue());
        } catch (ZxException e) {
            return e.status().toString();
        }
    }

    private static long nextPage(VmObject vmo, long from) {
        vmo.lock().lock();
        try {
            return vmo.nextExisting(from, vmo.sizeBytes() - from);
        } finally {
            vmo.lock().unlock();
        }
    }
}
