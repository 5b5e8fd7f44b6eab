package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NOT_FOUND;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.SPECIFIC;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.MmuFlags;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class DebugAccessTest {
    private final VmarFixture vm = new VmarFixture();
    private VmAddressRegion region;
    private VmObject vmo;
    private long base;

    @BeforeEach
    void setUp() {
        region = vm.region(16);
        base = region.baseAddress();
        vmo = vm.vmo(4);
    }

    @AfterEach
    void tearDown() {
        vm.close();
    }

    private static MemorySegment buffer(long size) {
        return MemorySegment.ofArray(new byte[(int) size]);
    }

    private int read(long vaddr) {
        byte[] one = new byte[1];
        vm.root.readMemory(vaddr, MemorySegment.ofArray(one));
        return one[0];
    }

    private void write(long vaddr, int value) {
        assertEquals(
                1, vm.root.writeMemory(vaddr, MemorySegment.ofArray(new byte[] {(byte) value})));
    }

    @Test
    @Tag("V-234")
    @Tag("V-7")
    void refusalsComeInOrder() {
        VmAddressRegion gone = VmAddressRegion.newRoot(vm.machine);
        gone.destroyAddressSpace();
        refuses(INVALID_ARGS, "V-234", () -> gone.readMemory(base, buffer(0)));
        refuses(INVALID_ARGS, "V-234", () -> vm.root.readMemory(base, buffer((64L << 20) + 1)));
        refuses(BAD_STATE, "V-234", () -> gone.readMemory(base, buffer(1)));
        refuses(BAD_STATE, "V-234", () -> gone.writeMemory(base, buffer(1)));
        refuses(NOT_FOUND, "V-234", () -> vm.root.readMemory(base, buffer(1)));
        mapAt(region, 0, RW, vmo, 3, 2);
        refuses(OUT_OF_RANGE, "V-234", () -> vm.root.readMemory(base + PAGE, buffer(1)));
        refuses(OUT_OF_RANGE, "V-234", () -> vm.root.writeMemory(base + PAGE, buffer(1)));
        assertEquals(PAGE, vm.root.readMemory(base, buffer(2 * PAGE)));
    }

    @Test
    @Tag("V-235")
    void aTransferEndsWithTheMapping() {
        mapAt(region, 0, RW, vmo, 0, 2);
        region.unmap(base + PAGE, PAGE);
        assertEquals(PAGE, vm.root.readMemory(base, buffer(2 * PAGE)));
        assertEquals(1, vm.root.writeMemory(base + PAGE - 1, buffer(2)));
        refuses(NOT_FOUND, "V-234", () -> vm.root.readMemory(base + PAGE, buffer(1)));
        mapAt(region, 1, RW, vmo, 1, 1);
        assertEquals(2 * PAGE, vm.root.readMemory(base, buffer(2 * PAGE)));
    }

    @Test
    @Tag("V-236")
    void currentPermissionsDoNotMatter() {
        mapAt(region, 0, VmarFlags.NONE, vmo, 0, 1);
        write(base + 5, 9);
        assertEquals(9, read(base + 5));
        assertEquals("0", vm.entries(base, 1));
        assertEquals(9, vmo.read(5, 1)[0]);
    }

    @Test
    @Tag("V-237")
    void aMappingThatMayNeverBeWrittenGetsACopyOfItsOwn() {
        vmo.write(0, new byte[] {1, 2, 3});
        region.map(R.with(SPECIFIC), 0, vmo, 0, 4 * PAGE, MmuFlags.R);
        region.protect(VmarFlags.NONE, base + 2 * PAGE, PAGE);
        assertEquals(2, vm.peek(base + 1));
        write(base + 1, 42);
        vm.root.checkInvariants();
        assertEquals(42, vm.peek(base + 1));
        assertEquals(3, vm.peek(base + 2));
        assertEquals(2, vmo.read(1, 1)[0]);
        assertEquals(0, vmo.mappingCount());
        VmMapping mapping = vm.root.findMapping(base);
        assertEquals(MmuFlags.R, mapping.maxPermissions());
        assertEquals(MmuFlags.NONE, mapping.permissionsAt(base + 2 * PAGE));
        VmObject copy = mapping.vmo();
        write(base + 3 * PAGE, 43);
        assertEquals(copy, vm.root.findMapping(base).vmo());
        region.unmap(base + PAGE, PAGE);
        write(base + 3 * PAGE, 44);
        assertEquals(copy, vm.root.findMapping(base + 3 * PAGE).vmo());
        assertEquals(44, read(base + 3 * PAGE));
    }

    @Test
    @Tag("V-237")
    void aPhysicalObjectIsWrittenThrough() {
        long frame = vm.hal.frames().allocate();
        VmObject physical =
                vm.closing(VmObject.createPhysical(vm.machine, frame, PAGE, CachePolicy.CACHED));
        region.map(R.with(SPECIFIC), 0, physical, 0, PAGE, MmuFlags.R);
        write(base + 8, 7);
        assertEquals(7, vm.hal.memory().readLong(frame + 8) & 0xff);
        assertEquals(7, read(base + 8));
        vm.hal.frames().free(frame);
    }
}
