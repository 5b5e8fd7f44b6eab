package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FrameAllocator;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageTableTrait;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.function.Executable;

/// A machine with one user address space and first-fit placement, for the region tests. Closing it
/// checks that every frame came back.
final class VmarFixture implements AutoCloseable {
    static final long PAGE = 0x1000;
    static final VmarFlags RW = VmarFlags.READ_WRITE;
    static final VmarFlags R = VmarFlags.PERM_READ;
    static final VmarFlags RWX = VmarFlags.READ_WRITE_EXECUTE;
    static final VmarFlags SPECIFIC = VmarFlags.SPECIFIC;
    static final VmarFlags OVERWRITE = VmarFlags.SPECIFIC_OVERWRITE;
    static final VmarFlags RWX_SPECIFIC = VmarFlags.CAN_MAP_RWX.with(VmarFlags.CAN_MAP_SPECIFIC);

    /// The kind of machine; set it to run the region tests on another.
    private static final String HAL = System.getProperty("jircon.vm.hal", "x86_64");

    /// An option of that machine, `name=value`; set it to run the tests with it.
    private static final String HAL_OPTION = System.getProperty("jircon.vm.hal.option", "");

    private static final long MEMORY_BYTES = 64L << 20;

    final Hal hal;
    final Machine machine;
    final VmAddressRegion root;
    private final long freeFrames;
    private final List<VmObject> objects = new ArrayList<>();

    VmarFixture() {
        this(UnaryOperator.identity());
    }

    VmarFixture(UnaryOperator<FrameAllocator> wrapper) {
        this(newHal(wrapper));
    }

    VmarFixture(Hal hal) {
        this.hal = hal;
        freeFrames = hal.frames().freeFrames();
        machine = Machine.builder(hal).fixedLayout().boot();
        root = VmAddressRegion.newRoot(machine);
    }

    /// A machine with little memory, for suites that make thousands: the first use of a large
    /// memory takes and clears 2 MiB of the host's where that has pages of this size.
    ///
    /// @param memoryBytes less than 2 MiB
    static VmarFixture small(long memoryBytes) {
        return new VmarFixture(newHal(memoryBytes, UnaryOperator.identity()));
    }

    /// A machine of the kind to test.
    static Hal newHal(UnaryOperator<FrameAllocator> wrapper) {
        return newHal(MEMORY_BYTES, wrapper);
    }

    private static Hal newHal(long memoryBytes, UnaryOperator<FrameAllocator> wrapper) {
        HalConfig config = HalConfig.DEFAULT.withMemoryBytes(memoryBytes).withFrameWrapper(wrapper);
        int equals = HAL_OPTION.indexOf('=');
        return Hals.create(
                HAL,
                equals < 0
                        ? config
                        : config.withOption(
                                HAL_OPTION.substring(0, equals), HAL_OPTION.substring(equals + 1)));
    }

    /// A machine that has kernel address spaces: one of the kind to test, or a fake where that kind
    /// has none.
    static VmarFixture withKernelSpaces() {
        var fixture = new VmarFixture();
        try {
            VmAddressRegion.newKernel(fixture.machine).destroyAddressSpace();
            return fixture;
        } catch (ZxException e) {
            assertEquals(ZxStatus.NOT_SUPPORTED, e.status(), e.getMessage());
            fixture.close();
            return new VmarFixture(new FakeHal());
        }
    }

    /// A machine of the kind to test whose processor notes accesses: by an option or always.
    static VmarFixture tracking(UnaryOperator<FrameAllocator> wrapper) {
        HalConfig config =
                HalConfig.DEFAULT.withMemoryBytes(MEMORY_BYTES).withFrameWrapper(wrapper);
        return new VmarFixture(
                switch (HAL) {
                    case "x86_64" -> Hals.create(HAL, config.withOption("ad", "on"));
                    case "aarch64" -> Hals.create(HAL, config.withOption("ad", "hardware"));
                    case "riscv64" -> Hals.create(HAL, config.withOption("ad", "svadu"));
                    default -> newHal(wrapper);
                });
    }

    /// Whether page tables lie in frames of the machine, so that an entry may cost one.
    boolean tablesTakeFrames() {
        return root.pageTable().tableFrames() > 0;
    }

    /// A memory object of some pages.
    VmObject vmo(long pages) {
        return closing(VmObject.create(machine, pages * PAGE));
    }

    /// Has a memory object closed at the end.
    VmObject closing(VmObject vmo) {
        synchronized (objects) {
            objects.add(vmo);
        }
        return vmo;
    }

    /// A region of some pages that may do everything.
    VmAddressRegion region(long pages) {
        return root.allocate(RWX_SPECIFIC, 0, pages * PAGE);
    }

    static VmAddressRegion child(VmAddressRegion parent, long page, long pages) {
        return parent.createChild(page * PAGE, pages * PAGE);
    }

    /// Maps whole pages at a page of a region.
    static long mapAt(
            VmAddressRegion region,
            long page,
            VmarFlags permissions,
            VmObject vmo,
            long vmoPage,
            long pages) {
        return region.map(
                permissions.with(SPECIFIC), page * PAGE, vmo, vmoPage * PAGE, pages * PAGE);
    }

    /// Expects a refusal with a status.
    static ZxException refuses(ZxStatus status, Executable call) {
        ZxException e = assertThrows(ZxException.class, call);
        assertEquals(status, e.status(), e.getMessage());
        return e;
    }

    /// Expects a refusal with a status and a clause.
    static ZxException refuses(ZxStatus status, String clause, Executable call) {
        ZxException e = assertThrows(ZxException.class, call);
        assertEquals(status + " " + clause, e.status() + " " + e.clause(), e.getMessage());
        return e;
    }

    /// Which pages of a range have an entry: a 1 for each that has, lowest page first.
    String entries(long vaddr, int pages) {
        var text = new StringBuilder();
        for (int i = 0; i < pages; i++) {
            boolean absent =
                    root.pageTable().translate(vaddr + i * PAGE) == PageTableTrait.NO_TRANSLATION;
            text.append(absent ? '0' : '1');
        }
        return text.toString();
    }

    /// Which pages of a range can be read: a 1 for each that can, lowest page first. Enters them.
    String readable(long vaddr, int pages) {
        var text = new StringBuilder();
        for (int i = 0; i < pages; i++) {
            ZxStatus status = root.handlePageFault(vaddr + i * PAGE, AccessKind.READ);
            text.append(status == ZxStatus.OK ? '1' : '0');
        }
        return text.toString();
    }

    ZxStatus read(long vaddr) {
        return root.handlePageFault(vaddr, AccessKind.READ);
    }

    ZxStatus write(long vaddr) {
        return root.handlePageFault(vaddr, AccessKind.WRITE);
    }

    /// Stores a byte through the page table, resolving faults.
    void poke(long vaddr, int value) {
        assertEquals(ZxStatus.OK, write(vaddr), "write at 0x" + Long.toHexString(vaddr));
        var word = java.lang.foreign.MemorySegment.ofArray(new byte[] {(byte) value});
        hal.memory().write(root.pageTable().translate(vaddr), word, 0, 1);
    }

    /// Loads a byte through the page table, resolving faults.
    int peek(long vaddr) {
        assertEquals(ZxStatus.OK, read(vaddr), "read at 0x" + Long.toHexString(vaddr));
        byte[] bytes = new byte[1];
        hal.memory()
                .read(
                        root.pageTable().translate(vaddr),
                        java.lang.foreign.MemorySegment.ofArray(bytes),
                        0,
                        1);
        return bytes[0];
    }

    /// The access part of an entry.
    MmuFlags entryAccess(long vaddr) {
        return root.pageTable().query(vaddr).flags().access();
    }

    @Override
    public void close() {
        root.checkInvariants();
        root.destroyAddressSpace();
        objects.forEach(VmObject::close);
        assertEquals(freeFrames - 1, hal.frames().freeFrames(), "all but the zero frame");
        assertEquals(0, machine.kernel().liveObjects(ObjectType.VMAR));
        machine.close();
    }
}
