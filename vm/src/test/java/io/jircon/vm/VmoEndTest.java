package io.jircon.vm;

import static io.jircon.vm.VmarFixture.OVERWRITE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.kobject.ZxStatus;
import java.util.EnumSet;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/// What comes after the end of a memory object: nothing. The fixture counts the frames at the end.
@Tag("O-5")
class VmoEndTest {
    private final VmarFixture vm = new VmarFixture();

    @AfterEach
    void tearDown() {
        vm.close();
    }

    @Test
    void aClosedObjectRefusesAllThatUsesItsPages() {
        VmObject vmo = VmObject.create(vm.machine, 4 * PAGE, VmoOption.RESIZABLE);
        vmo.write(0, new byte[] {1});
        vmo.close();
        Map<String, Executable> calls =
                Map.of(
                        "read", () -> vmo.read(0, 1),
                        "write", () -> vmo.write(0, new byte[] {1}),
                        "commit", () -> vmo.commit(0, PAGE),
                        "decommit", () -> vmo.decommit(0, PAGE),
                        "zero", () -> vmo.zero(1, PAGE),
                        "setSize", () -> vmo.setSize(PAGE),
                        "setStreamSize", () -> vmo.setStreamSize(1),
                        "pin", () -> vmo.pin(0, PAGE),
                        "setCachePolicy", () -> vmo.setCachePolicy(CachePolicy.UNCACHED),
                        "createSnapshot", () -> vmo.createSnapshot(0, PAGE));
        calls.forEach((name, call) -> refuses(ZxStatus.BAD_HANDLE, "O-5", call));
    }

    @Test
    void aClosedPhysicalOrDiscardableObjectRefusesToo() {
        VmObject physical = VmObject.createPhysical(vm.machine, 0x1000_0000L, PAGE);
        physical.close();
        refuses(ZxStatus.BAD_HANDLE, "O-5", () -> physical.createSlice(0, PAGE));
        refuses(ZxStatus.BAD_HANDLE, "O-5", () -> physical.pin(0, PAGE));
        VmObject discardable = VmObject.create(vm.machine, PAGE, VmoOption.DISCARDABLE);
        discardable.close();
        refuses(ZxStatus.BAD_HANDLE, "O-5", discardable::lockContents);
        refuses(ZxStatus.BAD_HANDLE, "O-5", discardable::tryLockContents);
        refuses(ZxStatus.BAD_HANDLE, "O-5", discardable::unlockContents);
        refuses(ZxStatus.BAD_HANDLE, "O-5", discardable::reclaim);
    }

    @Test
    void aSliceOutlivesItsClosedParentWhichMakesNoOther() {
        VmObject vmo = VmObject.create(vm.machine, 2 * PAGE);
        VmObject slice = vm.closing(vmo.createSlice(0, PAGE));
        slice.write(0, new byte[] {5});
        vmo.close();
        refuses(
                ZxStatus.BAD_HANDLE,
                "O-5",
                () -> vmo.createChild(EnumSet.of(VmoChildOption.SLICE), 0, PAGE));
        assertArrayEquals(new byte[] {5}, slice.read(0, 1));
    }

    @Test
    void aClosedObjectCannotBeMapped() {
        VmObject vmo = VmObject.create(vm.machine, PAGE);
        vmo.close();
        refuses(ZxStatus.BAD_HANDLE, "O-5", () -> vm.root.map(RW, 0, vmo, 0, PAGE));
    }

    @Test
    @Tag("V-281")
    void aRefusedOverwriteLeavesWhatWasThere() {
        VmAddressRegion region = vm.region(2);
        VmObject old = vm.vmo(2);
        long at = mapAt(region, 0, RW, old, 0, 2);
        vm.poke(at, 7);
        VmObject gone = VmObject.create(vm.machine, PAGE);
        gone.close();
        refuses(ZxStatus.BAD_HANDLE, "O-5", () -> region.map(RW.with(OVERWRITE), 0, gone, 0, PAGE));
        assertEquals(1, old.mappingCount());
        assertEquals(7, vm.peek(at));
    }

    @Test
    @Tag("V-114")
    void anObjectThatOnlyTheOverwrittenMappingHoldsCanBeMappedOverIt() {
        VmAddressRegion region = vm.region(2);
        VmObject vmo = VmObject.create(vm.machine, 2 * PAGE);
        long at = mapAt(region, 0, RW, vmo, 0, 2);
        vm.poke(at + PAGE, 9);
        vmo.close();
        region.map(R.with(OVERWRITE), 0, vmo, 0, 2 * PAGE);
        assertEquals(1, vmo.mappingCount());
        assertEquals(9, vm.peek(at + PAGE));
    }
}
