package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.BAD_HANDLE;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NOT_SUPPORTED;
import static io.jircon.kobject.ZxStatus.NO_MEMORY;
import static io.jircon.kobject.ZxStatus.OK;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.kobject.ZxStatus.WRONG_TYPE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.MmuFlags;
import io.jircon.kobject.HandleTable;
import io.jircon.kobject.Rights;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VmarCallsTest extends VmarCallsFixture {
    private static final int R = VmarFlags.PERM_READ.bits();
    private static final int W = VmarFlags.PERM_WRITE.bits();
    private static final int RW = VmarFlags.READ_WRITE.bits();
    private static final int RX = VmarFlags.READ_EXECUTE.bits();
    private static final int RWX = VmarFlags.READ_WRITE_EXECUTE.bits();
    private static final int CAN_RWX = VmarFlags.CAN_MAP_RWX.bits();
    private static final int CAN_RWXS = VmarFixture.RWX_SPECIFIC.bits();

    private int region(int pages) {
        return calls.allocate(root, CAN_RWXS, 0, pages * PAGE).handle();
    }

    private int without(int handle, int rights) {
        return handles.duplicate(handle, handles.rights(handle) & ~rights);
    }

    @Test
    @Tag("V-51")
    @Tag("V-52")
    @Tag("V-4")
    void aNewRegionsHandleHasTheRightsOfTheRegion() {
        assertEquals(0x20801F, handles.rights(root));
        int poor = without(root, Rights.OP_CHILDREN | Rights.INSPECT | Rights.DUPLICATE);
        int made = calls.allocate(poor, VmarFlags.CAN_MAP_READ.bits(), 0, PAGE).handle();
        assertEquals(
                Rights.TRANSFER
                        | Rights.DUPLICATE
                        | Rights.INSPECT
                        | Rights.OP_CHILDREN
                        | Rights.READ,
                handles.rights(made));
    }

    @Test
    @Tag("V-59")
    @Tag("V-81")
    @Tag("V-123")
    @Tag("V-141")
    @Tag("V-165")
    @Tag("V-170")
    @Tag("ZX_INFO_VMAR:helper-set")
    @Tag("VMAR_MAPS:InvalidHandleFails")
    void aBadHandleComesFirst() {
        refuses(BAD_HANDLE, () -> calls.allocate(0, -1, 1, 1));
        refuses(BAD_HANDLE, () -> calls.map(0, -1, 1, vmo, 1, 1));
        refuses(BAD_HANDLE, () -> calls.unmap(0, 1, 0));
        refuses(BAD_HANDLE, () -> calls.protect(0, -1, 1, 0));
        refuses(BAD_HANDLE, () -> calls.destroy(0));
        refuses(BAD_HANDLE, () -> calls.opRange(0, -1, 1, 0, null, 1));
        refuses(BAD_HANDLE, () -> calls.info(0));
        refuses(BAD_HANDLE, () -> calls.maps(0, 0));
    }

    @Test
    @Tag("V-57")
    @Tag("V-291")
    @Tag("V-59")
    @Tag("V-81")
    @Tag("ZX_INFO_VMAR:helper-set")
    void aWrongTypeBeatsMissingRightsAndBadArguments() {
        int poor = handles.duplicate(vmo, Rights.NONE);
        refuses(WRONG_TYPE, () -> calls.allocate(poor, -1, 1, 1));
        refuses(WRONG_TYPE, () -> calls.map(poor, -1, 1, vmo, 1, 1));
        refuses(WRONG_TYPE, () -> calls.unmap(poor, 0, 0));
        refuses(WRONG_TYPE, () -> calls.protect(poor, RWX, 0, 0));
        refuses(WRONG_TYPE, () -> calls.destroy(poor));
        refuses(WRONG_TYPE, () -> calls.opRange(poor, -1, 1, 0, null, 1));
        refuses(WRONG_TYPE, () -> calls.info(poor));
        refuses(WRONG_TYPE, () -> calls.map(root, -1, 1, root, 1, 1));
        refuses(BAD_HANDLE, () -> calls.map(root, -1, 1, 0, 1, 1));
        refuses(WRONG_TYPE, () -> calls.map(vmo, -1, 1, 0, 1, 1));
    }

    @ParameterizedTest
    @ValueSource(ints = {Rights.READ, Rights.WRITE, Rights.EXECUTE})
    @Tag("V-53")
    @Tag("V-59")
    void allocateNeedsTheRightForEachCanMapOption(int right) {
        int poor = without(root, right);
        refuses(ACCESS_DENIED, () -> calls.allocate(poor, CAN_RWX, 0, PAGE));
        refuses(ACCESS_DENIED, () -> calls.allocate(poor, CAN_RWX | R, 0, 1));
        calls.allocate(poor, 0, 0, PAGE);
    }

    @Test
    @Tag("V-53")
    @Tag("V-87")
    @Tag("V-55")
    @Tag("V-56")
    @Tag("O-37")
    @Tag("O-245")
    @Tag("vmo.cc:Rights")
    @Tag("vmo.cc:RightsExec")
    void mapNeedsTheRightOnBothHandles() {
        refuses(ACCESS_DENIED, () -> calls.map(root, RX, 0, vmo, 0, PAGE));
        int executable =
                handles.add(handles.get(vmo, VmObject.class, 0), VMO_RIGHTS | Rights.EXECUTE);
        calls.map(root, RWX, 0, executable, 0, PAGE);
        for (int right : new int[] {Rights.READ, Rights.WRITE, Rights.EXECUTE}) {
            int poorRoot = without(root, right);
            refuses(ACCESS_DENIED, () -> calls.map(poorRoot, RWX, 0, executable, 0, PAGE));
            int poorVmo = without(executable, right);
            refuses(ACCESS_DENIED, () -> calls.map(root, RWX, 0, poorVmo, 0, PAGE));
        }
        calls.map(without(root, Rights.WRITE), RX, 0, executable, 0, PAGE);
        calls.map(root, 0, 0, handles.duplicate(vmo, Rights.MAP), 0, PAGE);
    }

    @Test
    @Tag("V-2")
    @Tag("V-43")
    @Tag("zcore-V4")
    void theTopByteOfTheOptionsIsAnAlignment() {
        region(1);
        assertEquals(
                0, calls.allocate(root, CAN_RWX | 21 << 24, 0, PAGE).baseAddress() & 0x1f_ffff);
        assertEquals(0, calls.map(root, R | 22 << 24, 0, vmo, 0, PAGE) & 0x3f_ffff);
        refuses(INVALID_ARGS, () -> calls.allocate(root, CAN_RWX | 33 << 24, 0, PAGE));
    }

    @Test
    @Tag("V-58")
    @Tag("V-314")
    void noPolicyForbidsWritableCode() {
        int code = handles.add(handles.get(vmo, VmObject.class, 0), VMO_RIGHTS | Rights.EXECUTE);
        long at = calls.map(root, RWX, 0, code, 0, PAGE);
        assertEquals(MmuFlags.RWX, vm.root.findMapping(at).permissionsAt(at));
        long raised = calls.map(root, R, 0, code, 0, PAGE);
        calls.protect(root, RWX, raised, PAGE);
        assertEquals(MmuFlags.RWX, vm.root.findMapping(raised).permissionsAt(raised));
    }

    @Test
    @Tag("V-83")
    @Tag("V-292")
    @Tag("O-37")
    void withoutMapEverythingIsDeniedExceptWhatComesBefore() {
        int unmappable = without(vmo, Rights.MAP);
        refuses(ACCESS_DENIED, () -> calls.map(root, 0, 0, unmappable, 0, PAGE));
        refuses(ACCESS_DENIED, () -> calls.map(root, W, 0, unmappable, 0, PAGE));
        refuses(ACCESS_DENIED, () -> calls.map(root, -1 & ~(1 << 15), 0, unmappable, 1, 0));
        refuses(INVALID_ARGS, () -> calls.map(root, W, 0, vmo, 0, PAGE));
        int nothing = handles.duplicate(vmo, Rights.MAP);
        refuses(INVALID_ARGS, () -> calls.map(root, W, 0, nothing, 0, PAGE));
        VmObject run = vm.closing(VmObject.createContiguous(vm.machine, PAGE, 0));
        int contiguous = handles.add(run, Rights.NONE);
        int stream = VmarFlags.FAULT_BEYOND_STREAM_SIZE.bits();
        refuses(NOT_SUPPORTED, () -> calls.map(root, stream, 0, contiguous, 0, PAGE));
    }

    @Test
    @Tag("V-107")
    void theMostIsWhatBothHandlesAllowAndOutlivesThem() {
        int readable = without(vmo, Rights.WRITE);
        long at = calls.map(root, R, 0, readable, 0, PAGE);
        handles.close(readable);
        refuses(ACCESS_DENIED, () -> calls.protect(root, RW, at, PAGE));
        long writable = calls.map(root, R, 0, vmo, 0, PAGE);
        calls.protect(root, RW, writable, PAGE);
        VmMapping mapping = Objects.requireNonNull(vm.root.findMapping(writable));
        assertEquals(MmuFlags.RW, mapping.maxPermissions());
        long limited = calls.map(without(root, Rights.WRITE), R, 0, vmo, 0, PAGE);
        refuses(ACCESS_DENIED, () -> calls.protect(root, RW, limited, PAGE));
    }

    @Test
    @Tag("V-141")
    @Tag("V-292")
    void protectChecksTheRightBeforeTheCombination() {
        long at = calls.map(root, R, 0, vmo, 0, PAGE);
        int poor = without(root, Rights.WRITE);
        refuses(ACCESS_DENIED, () -> calls.protect(poor, W, at + 1, 0));
        refuses(INVALID_ARGS, () -> calls.protect(root, W, at + 1, 0));
        calls.protect(poor, R, at, PAGE);
    }

    @Test
    @Tag("V-54")
    @Tag("V-299")
    @Tag("V-309")
    @Tag("V-315")
    void withoutOpChildrenSubRegionsAreOutOfReach() {
        int outer = region(8);
        int poor = without(outer, Rights.OP_CHILDREN);
        var inner = calls.allocate(outer, CAN_RWXS, 0, 2 * PAGE);
        calls.map(inner.handle(), RW, 0, vmo, 0, 2 * PAGE);
        long at = inner.baseAddress();
        refuses(INVALID_ARGS, () -> calls.unmap(poor, at, 2 * PAGE));
        refuses(INVALID_ARGS, () -> calls.protect(poor, R, at, 2 * PAGE));
        refuses(
                INVALID_ARGS,
                () -> calls.opRange(poor, VmarOp.ZERO.value(), at, 2 * PAGE, null, 0));
        refuses(ACCESS_DENIED, () -> calls.destroy(poor));
        refuses(ACCESS_DENIED, () -> calls.destroy(without(root, Rights.OP_CHILDREN)));
        refuses(NOT_SUPPORTED, () -> calls.destroy(root));
        calls.opRange(outer, VmarOp.ZERO.value(), at, 2 * PAGE, null, 0);
        calls.protect(outer, R, at, 2 * PAGE);
        calls.unmap(outer, at, 2 * PAGE);
        refuses(BAD_STATE, () -> calls.destroy(inner.handle()));
        calls.destroy(outer);
        refuses(ACCESS_DENIED, () -> calls.destroy(poor));
        refuses(BAD_STATE, () -> calls.destroy(outer));
    }

    @Test
    @Tag("V-171")
    @Tag("V-172")
    @Tag("V-308")
    void opRangeChecksOperationThenBufferThenRange() {
        refuses(INVALID_ARGS, () -> calls.opRange(root, 99, 0, PAGE, null, 0));
        refuses(INVALID_ARGS, () -> calls.opRange(root, 1, 0, PAGE, null, 8));
        MemorySegment buffer = MemorySegment.ofArray(new byte[8]);
        refuses(INVALID_ARGS, () -> calls.opRange(root, 1, 0, PAGE, buffer, 0));
        refuses(OUT_OF_RANGE, () -> calls.opRange(root, 1, 0, PAGE, null, 0));
        int bare = handles.duplicate(root, Rights.NONE);
        refuses(OUT_OF_RANGE, () -> calls.opRange(bare, 1, 0, PAGE, null, 0));
    }

    @Test
    @Tag("V-220")
    @Tag("V-221")
    @Tag("ZX_INFO_VMAR:helper-set")
    @Tag("VMAR_MAPS:OnSelfSucceeds")
    @Tag("VMAR_MAPS:RequiresInspectRights")
    @Tag("VMAR_MAPS:VmarDestroyedFails")
    @Tag("K-34")
    void infoNeedsInspectAndWorksOnTheDead() {
        int region = region(4);
        VmarInfo info = calls.info(region);
        assertEquals(4 * PAGE, info.sizeBytes());
        int blind = without(region, Rights.INSPECT);
        refuses(ACCESS_DENIED, () -> calls.info(blind));
        refuses(ACCESS_DENIED, () -> calls.maps(blind, 10));
        calls.destroy(region);
        assertEquals(info, calls.info(region));
        refuses(BAD_STATE, () -> calls.maps(region, 10));
    }

    @Test
    @Tag("V-223")
    @Tag("VMAR_MAPS:ZeroSizedBufferIsOk")
    @Tag("PROCESS_MAPS:SmallBufferIsOk")
    @Tag("PROCESS_MAPS:ZeroSizedBufferIsOk")
    void aListingIsCutToTheRoomThereIs() {
        int region = region(8);
        for (int i = 0; i < 3; i++) {
            calls.allocate(region, 0, 0, PAGE);
        }
        assertEquals(4, calls.maps(region, 100).entries().size());
        assertEquals(2, calls.maps(region, 2).entries().size());
        assertEquals(4, calls.maps(region, 2).available());
        assertEquals(0, calls.maps(region, 0).entries().size());
        assertEquals(
                calls.maps(region, 100).entries().subList(0, 2), calls.maps(region, 2).entries());
    }

    @Test
    @Tag("V-23")
    @Tag("K-12")
    void closingEveryHandleLeavesTheRegion() {
        var made = calls.allocate(root, CAN_RWXS, 0, 4 * PAGE);
        long at = calls.map(made.handle(), RW, 0, vmo, 0, PAGE);
        handles.close(made.handle());
        handles.close(vmo);
        assertEquals(OK, vm.write(at));
        calls.unmap(root, made.baseAddress(), 4 * PAGE);
        assertEquals(0, vm.root.children().size());
    }

    @Test
    @Tag("V-74")
    void noRegionIsLeftWhenThereIsNoHandleForIt() {
        var kernel = io.jircon.kobject.Kernel.builder().handleLimit(1).build();
        try (Machine machine = Machine.builder(new FakeHal()).kernel(kernel).boot()) {
            VmAddressRegion top = VmAddressRegion.newRoot(machine);
            var few = new HandleTable(kernel);
            int only = few.add(top, VmarCalls.handleRights(top));
            refuses(NO_MEMORY, () -> new VmarCalls(few).allocate(only, 0, 0, PAGE));
            assertEquals(0, top.children().size());
            top.destroyAddressSpace();
        }
    }

    @Test
    @Tag("V-17")
    @Tag("V-317")
    @Tag("vmar.cc:RightsDropTest")
    void rightsDropFollowsTheInventory() {
        int executable =
                handles.add(handles.get(vmo, VmObject.class, 0), VMO_RIGHTS | Rights.EXECUTE);
        int[] rights = {Rights.READ, Rights.READ | Rights.WRITE, Rights.READ | Rights.EXECUTE};
        int[] perms = {R, RW, RX};
        for (int i = 0; i < rights.length; i++) {
            int poor = handles.duplicate(root, rights[i]);
            refuses(ACCESS_DENIED, () -> calls.map(poor, RWX, 0, executable, 0, PAGE));
            long at = calls.map(poor, perms[i], 0, executable, 0, PAGE);
            refuses(ACCESS_DENIED, () -> calls.protect(poor, RWX, at, PAGE));
            calls.unmap(poor, at, PAGE);
            refuses(ACCESS_DENIED, () -> calls.allocate(poor, CAN_RWX, 0, PAGE));
        }
    }
}
