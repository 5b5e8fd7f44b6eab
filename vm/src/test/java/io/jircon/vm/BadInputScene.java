package io.jircon.vm;

import static io.jircon.vm.BadInput.u;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.SPECIFIC;

import io.jircon.hal.MmuFlags;
import java.math.BigInteger;
import java.util.List;

/// A region of 64 pages at an end of its address space, with mappings, a sub-region and gaps, and
/// what stands where as a table.
///
/// ```
///   0    4          12    16            20   24      62   64
///   | -- | A rw, rw | B r | S ( C r, rw | -- ) | --  | D  |
/// ```
final class BadInputScene implements BadInput.Scene {
    static final long PAGES = 64;
    static final long SIZE = PAGES * PAGE;

    /// How many pages the mapped object has; D shows what is past its end.
    static final long VMO_PAGES = 16;

    static final VmarFlags FLAGS =
            VmarFlags.CAN_MAP_READ.with(VmarFlags.CAN_MAP_WRITE).with(VmarFlags.CAN_MAP_SPECIFIC);

    /// Where the region is.
    enum Place {
        BOTTOM_OF_USER,
        TOP_OF_USER,
        TOP_OF_KERNEL
    }

    /// A mapping, pages counted from the start of the region.
    record Piece(
            long first,
            long last,
            MmuFlags most,
            MmuFlags now,
            boolean isDirect,
            boolean isPastEnd) {}

    /// All of them, in order.
    static final List<Piece> PIECES =
            List.of(
                    new Piece(4, 11, MmuFlags.RW, MmuFlags.RW, true, false),
                    new Piece(12, 15, MmuFlags.R, MmuFlags.R, true, false),
                    new Piece(16, 19, MmuFlags.RW, MmuFlags.R, false, false),
                    new Piece(62, 63, MmuFlags.RW, MmuFlags.RW, true, true));

    /// The pages of the sub-region.
    static final long INNER_FIRST = 16;

    static final long INNER_LAST = 23;

    final VmarFixture vm;
    final VmAddressRegion root;
    final VmAddressRegion region;

    /// Regions like it that are empty: one without CAN_MAP_SPECIFIC, one that is dead.
    final VmAddressRegion plain;

    final VmAddressRegion dead;

    /// What can be mapped, all but the first unmapped.
    final List<VmObject> objects;

    /// How the last good call is taken back.
    Runnable undoing = () -> {};

    BadInputScene(Place place) {
        boolean isKernel = place == Place.TOP_OF_KERNEL;
        vm = isKernel ? VmarFixture.withKernelSpaces() : new VmarFixture();
        root = isKernel ? VmAddressRegion.newKernel(vm.machine) : vm.root;
        long offset = place == Place.BOTTOM_OF_USER ? 0 : root.sizeBytes() - SIZE;
        region = root.allocate(FLAGS.with(SPECIFIC), offset, SIZE);
        VmarFlags readWrite = FLAGS.without(VmarFlags.CAN_MAP_SPECIFIC);
        plain = root.allocate(readWrite, 0, SIZE);
        dead = root.allocate(FLAGS, 0, SIZE);
        dead.destroy();
        long bytes = VMO_PAGES * PAGE;
        objects =
                List.of(
                        vm.vmo(VMO_PAGES),
                        vm.closing(VmObject.create(vm.machine, bytes, VmoOption.RESIZABLE)),
                        vm.closing(VmObject.create(vm.machine, bytes, VmoOption.DISCARDABLE)),
                        vm.closing(VmObject.createPhysical(vm.machine, 0x4000_0000, bytes)),
                        vm.closing(VmObject.createContiguous(vm.machine, 2 * PAGE, 0)));
        VmObject vmo = objects.getFirst();
        VmarFixture.mapAt(region, 4, RW, vmo, 0, 8);
        region.map(R.with(SPECIFIC), 12 * PAGE, vmo, 8 * PAGE, 4 * PAGE, MmuFlags.R);
        VmAddressRegion inner =
                region.allocate(readWrite.with(SPECIFIC), INNER_FIRST * PAGE, 8 * PAGE);
        inner.map(R, 0, vmo, 0, 4 * PAGE);
        VmarFixture.mapAt(region, 62, RW, vmo, 100, 2);
        vmo.write(PAGE, new byte[] {1});
        vmo.write(9 * PAGE, new byte[] {2});
        root.handlePageFault(region.baseAddress() + 5 * PAGE, io.jircon.hal.AccessKind.WRITE);
        root.handlePageFault(region.baseAddress() + 12 * PAGE, io.jircon.hal.AccessKind.READ);
        root.handlePageFault(region.baseAddress() + 17 * PAGE, io.jircon.hal.AccessKind.READ);
    }

    @Override
    public String state() {
        return WholeState.everything(root, objects) + " alive " + region.isAlive();
    }

    @Override
    public void undo() {
        undoing.run();
        undoing = () -> {};
    }

    /// The region with a number: 0 the one with everything, 1 without CAN_MAP_SPECIFIC, 2 dead.
    VmAddressRegion regionOf(long number) {
        return List.of(region, plain, dead).get((int) number);
    }

    /// Whether no mapping or sub-region of the whole region touches `[first, last]`, in pages.
    static boolean isFree(long first, long last) {
        boolean meetsInner = first <= INNER_LAST && last >= INNER_FIRST;
        return !meetsInner
                && PIECES.stream().noneMatch(piece -> piece.first <= last && piece.last >= first);
    }

    /// Bytes from the base of the region to an address, as a number; negative below it.
    static BigInteger offsetOf(long base, long vaddr) {
        return u(vaddr).subtract(u(base));
    }

    @Override
    public void close() {
        if (root != vm.root) {
            root.checkInvariants();
            root.destroyAddressSpace();
        }
        vm.close();
    }
}
