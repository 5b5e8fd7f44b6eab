package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.ALREADY_EXISTS;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NOT_FOUND;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.kobject.ZxStatus.WRONG_TYPE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.MmuFlags;
import io.jircon.kobject.Rights;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What Zircon's own suite of regions does through handles, where no other suite here does just
/// that. The tags name its tests.
class VmarZirconTest extends VmarCallsFixture {
    private static final int R = VmarFlags.PERM_READ.bits();
    private static final int RW = VmarFlags.READ_WRITE.bits();
    private static final int RX = VmarFlags.READ_EXECUTE.bits();
    private static final int RWX = VmarFlags.READ_WRITE_EXECUTE.bits();
    private static final int CAN_RW = VmarFlags.canMap(MmuFlags.RW).bits();
    private static final int SPECIFIC = VmarFlags.SPECIFIC.bits();
    private static final int OVERWRITE = VmarFlags.SPECIFIC_OVERWRITE.bits();
    private static final int LIMIT = VmarFlags.OFFSET_IS_UPPER_LIMIT.bits();
    private static final int MAP_RANGE = VmarFlags.MAP_RANGE.bits();
    private static final int RWX_SPECIFIC = VmarFixture.RWX_SPECIFIC.bits();

    private static MemorySegment buffer(long size) {
        return MemorySegment.ofArray(new byte[(int) size]);
    }

    @Test
    @Tag("vmar.cc:MapInCompactTest")
    @Tag("V-39")
    void mapInACompactRegionStaysInside() {
        int compact = CAN_RW | VmarFlags.COMPACT.bits();
        var region = calls.allocate(root, compact, 0, 10 * PAGE);
        for (int i = 0; i < 2; i++) {
            long at = calls.map(region.handle(), RW, 0, vmo, 0, PAGE);
            assertEquals(region.baseAddress() + i * PAGE, at);
        }
    }

    @Test
    @Tag("vmar.cc:DestroyTest")
    @Tag("vmar.cc:DestroyedVmarTest")
    @Tag("V-27")
    void handlesOfDestroyedRegionsStayValidAndAllIsBadState() {
        var outer = calls.allocate(root, RWX_SPECIFIC, 0, 10 * PAGE);
        long first = calls.map(outer.handle(), RW, 0, vmo, 0, PAGE);
        var inner = calls.allocate(outer.handle(), RWX_SPECIFIC, 0, PAGE);
        long second = calls.map(inner.handle(), RW, 0, vmo, 0, PAGE);
        assertEquals(1, vm.root.writeMemory(first, MemorySegment.ofArray(new byte[] {5})));
        MemorySegment seen = buffer(1);
        assertEquals(1, vm.root.readMemory(second, seen));
        assertEquals(5, seen.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 0));
        int poor = handles.duplicate(outer.handle(), Rights.READ);
        refuses(ACCESS_DENIED, () -> calls.destroy(poor));
        calls.destroy(outer.handle());
        for (var dead : List.of(outer, inner)) {
            int handle = dead.handle();
            long base = dead.baseAddress();
            assertTrue(handles.rights(handle) != 0);
            refuses(BAD_STATE, () -> calls.destroy(handle));
            refuses(BAD_STATE, () -> calls.allocate(handle, CAN_RW, 0, PAGE));
            refuses(BAD_STATE, () -> calls.unmap(handle, base, PAGE));
            refuses(BAD_STATE, () -> calls.protect(handle, R, base, PAGE));
            refuses(BAD_STATE, () -> calls.map(handle, RW, 0, vmo, 0, PAGE));
            refuses(BAD_STATE, () -> calls.maps(handle, 10));
        }
        refuses(NOT_FOUND, () -> vm.root.readMemory(first, buffer(1)));
        refuses(NOT_FOUND, () -> vm.root.readMemory(second, buffer(1)));
        calls.allocate(root, CAN_RW, 0, PAGE);
        handles.close(outer.handle());
        handles.close(inner.handle());
    }

    @Test
    @Tag("vmar.cc:OvermappingTest")
    @Tag("V-71")
    void aPlaceTakenByAMappingOrARegionIsTaken() {
        int region = calls.allocate(root, RWX_SPECIFIC, 0, 8 * PAGE).handle();
        int small = handles.add(vm.vmo(1), VMO_RIGHTS);
        long at = calls.map(region, RW | SPECIFIC, PAGE, small, 0, 2 * PAGE);
        for (int round = 0; round < 2; round++) {
            for (int pages : new int[] {2, 1, 4}) {
                refuses(
                        ALREADY_EXISTS,
                        () -> calls.map(region, R | SPECIFIC, PAGE, small, 0, pages * PAGE));
            }
            refuses(ALREADY_EXISTS, () -> calls.allocate(region, CAN_RW | SPECIFIC, PAGE, PAGE));
            calls.unmap(region, at, 2 * PAGE);
            calls.allocate(region, CAN_RW | SPECIFIC, PAGE, 2 * PAGE);
        }
    }

    @Test
    @Tag("vmar.cc:ProtectTest")
    @Tag("V-107")
    void theRightsOfTheMemoryObjectsHandleLimitTheMappingForEver() {
        int[] rights = {Rights.READ, Rights.READ | Rights.WRITE, Rights.READ | Rights.EXECUTE};
        int[] permissions = {R, RW, RX};
        for (int i = 0; i < rights.length; i++) {
            int poor = handles.add(vm.vmo(1), rights[i] | Rights.MAP);
            refuses(ACCESS_DENIED, () -> calls.map(root, RWX, 0, poor, 0, PAGE));
            long at = calls.map(root, permissions[i], 0, poor, 0, PAGE);
            refuses(ACCESS_DENIED, () -> calls.protect(root, RWX, at, PAGE));
            handles.close(poor);
            refuses(ACCESS_DENIED, () -> calls.protect(root, RWX, at, PAGE));
            calls.protect(root, permissions[i], at, PAGE);
            calls.unmap(root, at, PAGE);
        }
    }

    // ---- the argument matrix

    @Test
    @Tag("vmar.cc:InvalidArgsTest")
    @Tag("V-291")
    void wrongTypesInEachPlace() {
        int port = handles.add(new io.jircon.kobject.Event(vm.machine.kernel()), Rights.BASIC);
        refuses(WRONG_TYPE, () -> calls.destroy(vmo));
        refuses(WRONG_TYPE, () -> calls.allocate(vmo, CAN_RW, 0, PAGE));
        refuses(WRONG_TYPE, () -> calls.map(vmo, RW, 0, vmo, 0, 4 * PAGE));
        refuses(WRONG_TYPE, () -> calls.unmap(vmo, 0, 0));
        refuses(WRONG_TYPE, () -> calls.protect(vmo, R, 0, 0));
        refuses(WRONG_TYPE, () -> calls.map(root, R, 0, port, 0, 4 * PAGE));
    }

    @Test
    @Tag("vmar.cc:InvalidArgsTest")
    void placementsThatContradictOrAreMisaligned() {
        refuses(INVALID_ARGS, () -> calls.allocate(root, CAN_RW, PAGE, PAGE));
        refuses(INVALID_ARGS, () -> calls.map(root, RW, PAGE, vmo, 0, 4 * PAGE));
        for (int place : new int[] {SPECIFIC, OVERWRITE}) {
            refuses(INVALID_ARGS, () -> calls.allocate(root, CAN_RW | place | LIMIT, PAGE, PAGE));
            refuses(INVALID_ARGS, () -> calls.map(root, RW | place | LIMIT, PAGE, vmo, 0, PAGE));
        }
        int canSpecific = CAN_RW | VmarFlags.CAN_MAP_SPECIFIC.bits();
        refuses(INVALID_ARGS, () -> calls.allocate(root, canSpecific, PAGE - 1, PAGE));
        for (int eager : new int[] {0, MAP_RANGE}) {
            int fixed = R | SPECIFIC | eager;
            refuses(INVALID_ARGS, () -> calls.map(root, fixed, PAGE - 1, vmo, 0, PAGE));
            refuses(INVALID_ARGS, () -> calls.map(root, fixed, PAGE, vmo, PAGE - 1, PAGE));
            refuses(INVALID_ARGS, () -> calls.map(root, R | eager, 0, vmo, PAGE - 1, PAGE));
        }
        long at = calls.map(root, RW, 0, vmo, 0, 4 * PAGE);
        refuses(INVALID_ARGS, () -> calls.unmap(root, at + 1, PAGE));
        refuses(INVALID_ARGS, () -> calls.protect(root, R, at + 1, PAGE));
        refuses(OUT_OF_RANGE, () -> calls.map(root, R, 0, vmo, -PAGE, PAGE));
        calls.map(root, R, 0, vmo, -2 * PAGE, PAGE);
    }

    @Test
    @Tag("vmar.cc:InvalidArgsTest")
    void sizesOfNoPages() {
        long at = calls.map(root, RW, 0, vmo, 0, 4 * PAGE);
        refuses(INVALID_ARGS, () -> calls.allocate(root, CAN_RW, 0, PAGE - 1));
        refuses(INVALID_ARGS, () -> calls.allocate(root, CAN_RW, 0, 0));
        refuses(INVALID_ARGS, () -> calls.map(root, RW, 0, vmo, 0, 0));
        refuses(INVALID_ARGS, () -> calls.unmap(root, at, 0));
        refuses(INVALID_ARGS, () -> calls.protect(root, R, at, 0));
        long wraps = -PAGE + 1;
        refuses(INVALID_ARGS, () -> calls.allocate(root, CAN_RW, 0, wraps));
        refuses(OUT_OF_RANGE, () -> calls.map(root, RW, 0, vmo, 0, wraps));
        refuses(OUT_OF_RANGE, () -> calls.map(root, RW | MAP_RANGE, 0, vmo, 0, wraps));
        for (int page = -1; page <= 1; page++) {
            long near = at + page * PAGE;
            refuses(INVALID_ARGS, () -> calls.unmap(root, near, wraps));
            refuses(INVALID_ARGS, () -> calls.protect(root, R, near, wraps));
        }
        assertEquals("1111", vm.readable(at, 4));
    }

    @Test
    @Tag("vmar.cc:InvalidArgsTest")
    void optionsOfOtherCalls() {
        long at = calls.map(root, RW, 0, vmo, 0, 4 * PAGE);
        int undefined = 1 << 31;
        refuses(INVALID_ARGS, () -> calls.allocate(root, R, 0, PAGE));
        refuses(INVALID_ARGS, () -> calls.allocate(root, CAN_RW | R, 0, PAGE));
        refuses(INVALID_ARGS, () -> calls.allocate(root, CAN_RW | undefined, 0, PAGE));
        int canExecute = VmarFlags.CAN_MAP_EXECUTE.bits();
        refuses(INVALID_ARGS, () -> calls.map(root, RW | canExecute, 0, vmo, 0, PAGE));
        refuses(INVALID_ARGS, () -> calls.map(root, RW | undefined, 0, vmo, 0, PAGE));
        refuses(
                INVALID_ARGS,
                () -> calls.map(root, RW | MAP_RANGE | OVERWRITE, PAGE, vmo, 0, PAGE));
        int canWrite = VmarFlags.CAN_MAP_WRITE.bits();
        refuses(INVALID_ARGS, () -> calls.protect(root, R | canWrite, at, PAGE));
        refuses(INVALID_ARGS, () -> calls.protect(root, R | undefined, at, PAGE));
    }

    // ---- the rest

    @Test
    @Tag("vmar.cc:VmarMapRangeOffsetTest")
    @Tag("vmar.cc:UnalignedLenMapTest")
    @Tag("vmar.cc:AllowFaultsTest")
    void oddMapsThatAreFine() {
        calls.map(root, MAP_RANGE, 0, vmo, 2 * PAGE, PAGE);
        for (int eager : new int[] {0, MAP_RANGE}) {
            long at = calls.map(root, R | eager, 0, vmo, 0, 4 * PAGE - 1);
            assertEquals("1", vm.readable(at + 3 * PAGE, 1));
            calls.unmap(root, at, 4 * PAGE - 1);
            assertEquals("0000", vm.readable(at, 4));
        }
        VmObject growing = vm.closing(VmObject.create(vm.machine, PAGE, VmoOption.RESIZABLE));
        int resizable = handles.add(growing, VMO_RIGHTS);
        int options = RW | VmarFlags.ALLOW_FAULTS.bits();
        calls.unmap(root, calls.map(root, options, 0, resizable, 0, PAGE), PAGE);
    }

    @Test
    @Tag("vmar.cc:PartialUnmapAndRead")
    @Tag("vmar.cc:PartialUnmapAndWrite")
    @Tag("V-235")
    void theDebuggerStopsWhereAMappingWasCut() {
        long at = calls.map(root, RW, 0, vmo, 0, 2 * PAGE);
        calls.unmap(root, at + PAGE, PAGE);
        assertEquals(PAGE, vm.root.readMemory(at, buffer(PAGE)));
        assertEquals(PAGE, vm.root.writeMemory(at, buffer(PAGE)));
        refuses(NOT_FOUND, () -> vm.root.readMemory(at + PAGE, buffer(PAGE)));
        refuses(NOT_FOUND, () -> vm.root.writeMemory(at + PAGE, buffer(PAGE)));
        assertEquals(PAGE, vm.root.readMemory(at, buffer(2 * PAGE)));
        assertEquals(PAGE, vm.root.writeMemory(at, buffer(2 * PAGE)));
        assertEquals(1, vm.root.readMemory(at + PAGE - 1, buffer(2)));
        assertEquals(1, vm.root.writeMemory(at + PAGE - 1, buffer(2)));
    }

    @Test
    @Tag("vmar.cc:PartialUnmapWithVmarOffset")
    void theDebuggerFindsAMappingOfTheMiddleOfAnObject() {
        int region = calls.allocate(root, RWX_SPECIFIC, 0, 10 * PAGE).handle();
        int large = handles.add(vm.vmo(10), VMO_RIGHTS);
        long size = 9 * PAGE;
        long at = calls.map(region, RW, 0, large, PAGE, size);
        assertEquals(size, vm.root.writeMemory(at, buffer(size)));
        assertEquals(size, vm.root.readMemory(at, buffer(size)));
        assertEquals(1, vm.root.readMemory(at + size - 1, buffer(1)));
        refuses(NOT_FOUND, () -> vm.root.readMemory(at + size, buffer(1)));
        refuses(NOT_FOUND, () -> vm.root.writeMemory(at + size, buffer(1)));
        assertEquals(1, vm.root.writeMemory(at + size - 1, buffer(2)));
    }

    @Test
    @Tag("memory-mapping.cc:AddressSpaceLimitsTest")
    @Tag("V-19")
    void theLastPageOfTheSpaceIsTheLastOneThatCanBeMapped() {
        long size = vm.root.sizeBytes();
        refuses(INVALID_ARGS, () -> calls.map(root, R | SPECIFIC, size, vmo, 0, PAGE));
        long at = calls.map(root, R | SPECIFIC, size - PAGE, vmo, 0, PAGE);
        refuses(ALREADY_EXISTS, () -> calls.map(root, R | SPECIFIC, size - PAGE, vmo, 0, PAGE));
        calls.unmap(root, at, PAGE);
    }
}
