package io.jircon.vm;

import static io.jircon.vm.VmoMath.PAGE;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;

/// Memory objects of every kind, one of them mapped, and what the contract has to know of each.
final class BadVmoScene implements BadInput.Scene {
    static final long MEMORY_BYTES = 1L << 20;

    private static final BigInteger NONE = BigInteger.ZERO;

    /// A kind of object.
    ///
    /// @param bytes its size
    /// @param rootOffset sum of the snapshots' offsets up to its root
    enum Kind {
        PLAIN(16, NONE),
        RESIZABLE(16, NONE),
        PHYSICAL(16, NONE),
        /// Larger than what an array can list.
        HUGE_PHYSICAL(1L << 40, NONE),
        CONTIGUOUS(2, NONE),
        /// Pages 4 to 7 of PLAIN.
        SLICE(4, NONE),
        SNAPSHOT(16, BigInteger.valueOf(PAGE)),
        /// What SNAPSHOT was made from.
        PARENT(16, NONE),
        DISCARDED(16, NONE),
        UNCACHED(16, NONE),
        /// Page 1 is pinned.
        PINNED(16, NONE),
        UNBOUNDED((-1L & -(16 * PAGE)) >>> 12, NONE),
        /// A snapshot of nothing at a very high offset (clause O-151).
        FAR(0, BadInput.u(-0x8000L)),
        /// Pages of a pager's, all there.
        FILE(16, NONE),
        /// What shows FILE's pages from the second on, and is shown by another.
        CLONE(16, BigInteger.valueOf(PAGE)),
        /// Pages 4 to 7 of CLONE.
        CLONE_SLICE(4, BigInteger.valueOf(PAGE)),
        /// What shares pages with something that shows FILE's.
        COPY(16, BigInteger.valueOf(PAGE));

        final BigInteger bytes;
        final BigInteger rootOffset;

        Kind(long pages, BigInteger rootOffset) {
            this.bytes = BigInteger.valueOf(pages).multiply(BadInput.PAGE);
            this.rootOffset = rootOffset;
        }

        boolean isPhysical() {
            return this == PHYSICAL || this == HUGE_PHYSICAL;
        }

        boolean isResizable() {
            return switch (this) {
                case RESIZABLE, PARENT, PINNED, FAR, COPY -> true;
                default -> false;
            };
        }

        /// Whether it is a snapshot, or has one.
        boolean sharesPages() {
            return this == SNAPSHOT || this == PARENT || this == FAR || hasPager();
        }

        boolean hasPager() {
            return this == FILE || this == CLONE || this == CLONE_SLICE || this == COPY;
        }

        boolean isSlice() {
            return this == SLICE || this == CLONE_SLICE;
        }

        /// Where a slice starts in what it is one of.
        BigInteger window() {
            return isSlice() ? BigInteger.valueOf(4 * PAGE) : NONE;
        }
    }

    private final VmarFixture vm = VmarFixture.small(MEMORY_BYTES);
    private final List<VmObject> objects = new ArrayList<>();
    private final List<VmObject> hidden = new ArrayList<>();
    private final PinnedPages pin;
    private Pager pager;

    /// How the last good call is taken back.
    Runnable undoing = () -> {};

    BadVmoScene() {
        Machine machine = vm.machine;
        VmObject plain = written(VmObject.create(machine, 16 * PAGE));
        VmObject parent = written(VmObject.create(machine, 16 * PAGE, VmoOption.RESIZABLE));
        VmObject pinned = written(VmObject.create(machine, 16 * PAGE, VmoOption.RESIZABLE));
        VmObject discarded = written(VmObject.create(machine, 16 * PAGE, VmoOption.DISCARDABLE));
        discarded.lockContents();
        discarded.unlockContents();
        discarded.reclaim();
        VmObject uncached = written(VmObject.create(machine, 16 * PAGE));
        uncached.setCachePolicy(CachePolicy.UNCACHED);
        VmObject empty = VmObject.create(machine, 0);
        hidden.add(empty);
        pin = pinned.pin(PAGE, PAGE);
        objects.add(plain);
        objects.add(written(VmObject.create(machine, 16 * PAGE, VmoOption.RESIZABLE)));
        objects.add(VmObject.createPhysical(machine, 0x4000_0000, 16 * PAGE));
        objects.add(VmObject.createPhysical(machine, 0, PAGE << 40));
        objects.add(VmObject.createContiguous(machine, 2 * PAGE, 0));
        objects.add(plain.createSlice(4 * PAGE, 4 * PAGE));
        objects.add(parent.createSnapshot(PAGE, 16 * PAGE));
        objects.add(parent);
        objects.add(discarded);
        objects.add(uncached);
        objects.add(pinned);
        objects.add(VmObject.create(machine, PAGE, VmoOption.UNBOUNDED));
        objects.add(
                empty.createChild(
                        EnumSet.of(VmoChildOption.SNAPSHOT, VmoChildOption.RESIZABLE),
                        -0x8000L,
                        0));
        addPagers();
        long at = vm.root.map(VmarFlags.READ_WRITE, 0, plain, 0, 16 * PAGE);
        vm.root.handlePageFault(at + PAGE, io.jircon.hal.AccessKind.WRITE);
    }

    private void addPagers() {
        pager = Pager.create(vm.machine);
        VmObject file = pager.createVmo(new PageRequestQueue(), 1, 16 * PAGE);
        try (VmObject aux = written(VmObject.create(vm.machine, 16 * PAGE))) {
            pager.supplyPages(file, 0, 16 * PAGE, aux, 0);
        }
        VmObject top = written(child(file, VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE, PAGE));
        hidden.add(child(top, VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE, 0));
        VmObject copied = written(child(file, VmoChildOption.SNAPSHOT_MODIFIED, 0));
        hidden.add(copied);
        objects.add(file);
        objects.add(top);
        objects.add(top.createSlice(4 * PAGE, 4 * PAGE));
        objects.add(
                written(
                        copied.createChild(
                                EnumSet.of(
                                        VmoChildOption.SNAPSHOT_MODIFIED, VmoChildOption.RESIZABLE),
                                PAGE,
                                16 * PAGE)));
    }

    private static VmObject child(VmObject vmo, VmoChildOption type, long offset) {
        return vmo.createChild(EnumSet.of(type), offset, 16 * PAGE);
    }

    private static VmObject written(VmObject vmo) {
        for (long page : new long[] {1, 2, 15}) {
            vmo.write(page * PAGE + 5, new byte[] {(byte) page});
        }
        return vmo;
    }

    VmObject object(long kind) {
        return objects.get((int) kind);
    }

    @Override
    public String state() {
        return WholeState.everything(vm.root, objects);
    }

    @Override
    public void undo() {
        undoing.run();
        undoing = () -> {};
    }

    @Override
    public void close() {
        pin.close();
        pager.close();
        objects.forEach(vm::closing);
        hidden.forEach(vm::closing);
        vm.close();
    }
}
