package io.jircon.jcstress;

import io.jircon.hal.AccessKind;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.WalkResult;
import io.jircon.testkit.HeapMachine;
import io.jircon.vm.Machine;
import io.jircon.vm.VmAddressRegion;
import io.jircon.vm.VmMapping;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmarFlags;

/// What most tests act on: a region of four pages with a mapping of its lower two, and a sub-region
/// with a mapping in its upper two. Every run gets a new one.
final class Space {
    static final long PAGE = PageSize.BASE_BYTES;

    private static final VmarFlags OPEN = VmarFlags.CAN_MAP_RWX.with(VmarFlags.CAN_MAP_SPECIFIC);
    private static final VmarFlags AT = VmarFlags.READ_WRITE.with(VmarFlags.SPECIFIC);

    private final HeapMachine hal = new HeapMachine(16);
    private final Machine machine = Machine.builder(hal).fixedLayout().boot();
    final VmAddressRegion root = VmAddressRegion.newRoot(machine);
    final VmAddressRegion top = root.allocate(OPEN, 0, 4 * PAGE);
    final VmAddressRegion inner = top.createChild(2 * PAGE, 2 * PAGE);
    final VmObject vmo = VmObject.create(machine, 4 * PAGE);

    Space() {
        top.map(AT, 0, vmo, 0, PAGE);
        inner.map(AT, 0, vmo, 2 * PAGE, PAGE);
    }

    /// Address of a page, counted from the region's start. Pages 0 and 2 are mapped.
    long address(int page) {
        return top.baseAddress() + page * PAGE;
    }

    VmMapping mapping(int page) {
        return root.findMapping(address(page));
    }

    String fault(int page, AccessKind access) {
        return root.handlePageFault(address(page), access).name();
    }

    /// Maps the first page of a region anew.
    void overwrite(VmAddressRegion region) {
        region.map(VmarFlags.READ_WRITE.with(VmarFlags.SPECIFIC_OVERWRITE), 0, vmo, PAGE, PAGE);
    }

    /// Which of the four pages have an entry, lowest first.
    String entries() {
        var text = new StringBuilder();
        for (int page = 0; page < 4; page++) {
            boolean absent =
                    root.pageTable().translate(address(page)) == PageTableTrait.NO_TRANSLATION;
            text.append(absent ? '0' : '1');
        }
        return text.toString();
    }

    /// Whether a processor can write to a page without a fault.
    boolean isWritable(int page) {
        return root.pageTable().hardwareWalk(address(page), AccessKind.WRITE, new WalkResult());
    }

    /// What there is in the address space: regions and mappings, the root included.
    int listedEntries() {
        return root.maps().size();
    }

    /// Checks the address space, ends it, and says whether everything is given back.
    String end() {
        root.checkInvariants();
        root.destroyAddressSpace();
        vmo.close();
        hal.requireAllBack(machine);
        return "all back";
    }
}
