package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.AccessKind;
import io.jircon.kobject.HandleTable;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.Signals;
import io.jircon.kobject.ZxStatus;
import java.util.EnumSet;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Small rules of memory objects that belong to no operation.
class VmoClausesTest extends VmoFixture {
    @Test
    @Tag("O-12")
    void noBytesAreASizeUnlessThePagesMustBeThere() {
        VmObject empty = paged(0);
        assertEquals(0, empty.sizeBytes());
        assertEquals(0, snapshot(empty, 0, 0).sizeBytes());
        assertEquals(0, slice(empty, 0, 0).sizeBytes());
        refused(ZxStatus.INVALID_ARGS, () -> VmObject.createContiguous(machine, 0, 0));
        refused(ZxStatus.INVALID_ARGS, () -> VmObject.createPhysical(machine, 0x1000, 0));
    }

    @Test
    @Tag("O-14")
    @Tag("vmo.cc:ReadWriteRange")
    void anEmptyRangeMayLieAtTheEndAndNotBehindIt() {
        VmObject vmo = paged(2);
        assertEquals(0, vmo.read(2 * PAGE, 0).length);
        vmo.write(2 * PAGE, new byte[0]);
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.read(2 * PAGE + 1, 0));
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.write(2 * PAGE + 1, new byte[0]));
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.read(-PAGE, (int) PAGE));
    }

    @Test
    @Tag("O-44")
    @Tag("O-225")
    void readingCommitsNothingAndSharesNothingOut() {
        VmObject vmo = paged(4);
        assertEquals(0, vmo.read(0, 4 * (int) PAGE)[3]);
        assertEquals(0, vmo.info().committedBytes());
        put(vmo, 1, 5);
        VmObject copy = snapshot(vmo, 0, 4);
        assertEquals(5, at(copy, 1));
        assertEquals(0, copy.info().privateBytes());
        assertEquals(PAGE, copy.info().committedBytes());
    }

    @Test
    @Tag("O-48")
    @Tag("O-63")
    void bytesBehindTheStreamAreOrdinaryBytes() {
        VmObject vmo = keep(VmObject.create(machine, PAGE + 10));
        assertEquals(PAGE + 10, vmo.streamSizeBytes());
        vmo.write(2 * PAGE - 1, new byte[] {7});
        assertEquals(7, vmo.read(2 * PAGE - 1, 1)[0]);
        vmo.setStreamSize(5);
        vmo.write(PAGE, new byte[] {8});
        assertEquals(8, vmo.read(PAGE, 1)[0]);
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.setStreamSize(2 * PAGE + 1));
        assertEquals(5, vmo.streamSizeBytes());
    }

    @Test
    @Tag("O-55")
    void settingTheSizeThatItHasChangesTheStreamOnly() {
        VmObject vmo = written(2, VmoOption.RESIZABLE);
        vmo.setStreamSize(PAGE + 1);
        vmo.write(PAGE, new byte[] {9});
        vmo.setSize(2 * PAGE);
        assertEquals(2 * PAGE, vmo.streamSizeBytes());
        assertEquals(9, at(vmo, 1));
        assertEquals(2 * PAGE, vmo.info().committedBytes());
    }

    @Test
    @Tag("O-58")
    @Tag("O-249")
    @Tag("vmo.cc:GrowMappedVmo")
    void growingReachesMappingsThatWereLongerAllTheTime() {
        VmObject vmo = paged(2, VmoOption.RESIZABLE);
        VmAddressRegion root = VmAddressRegion.newRoot(machine);
        long at = root.map(VmarFlags.READ_WRITE, 0, vmo, 0, 8 * PAGE);
        try (var memory = new UserMemory(root, machine.hal().newMmu())) {
            assertEquals(
                    ZxStatus.OUT_OF_RANGE, root.handlePageFault(at + 5 * PAGE, AccessKind.WRITE));
            vmo.setSize(6 * PAGE + PAGE / 2);
            memory.writeByte(at + 5 * PAGE, (byte) 1);
            long tail = 6 * PAGE + PAGE / 2 + 16;
            memory.writeByte(at + tail, (byte) 2);
            assertEquals(1, at(vmo, 5));
            assertEquals(2, vmo.read(tail, 1)[0]);
            vmo.write(5 * PAGE + 16, new byte[] {3});
            assertEquals(3, memory.readByte(at + 5 * PAGE + 16));
            assertEquals(
                    ZxStatus.OUT_OF_RANGE, root.handlePageFault(at + 7 * PAGE, AccessKind.READ));
        }
        root.destroyAddressSpace();
    }

    @Test
    @Tag("O-164")
    @Tag("O-165")
    void slicesFollowTheOriginalAndSnapshotsDoNot() {
        VmObject vmo = written(2);
        VmObject window = slice(vmo, 0, 2);
        VmObject frozen =
                keep(
                        vmo.createChild(
                                EnumSet.of(VmoChildOption.SNAPSHOT, VmoChildOption.NO_WRITE),
                                0,
                                2 * PAGE));
        put(vmo, 0, 40);
        assertEquals(40, at(window, 0));
        assertEquals(1, at(frozen, 0));
        put(window, 1, 50);
        assertEquals(50, at(vmo, 1));
        assertEquals(2, at(frozen, 1));
    }

    @Test
    @Tag("O-228")
    @Tag("O-254")
    @Tag("vmo-clone2.cc:MapRangeReadOnly")
    void mappingACopyEagerlyForReadingMakesNothingItsOwn() {
        VmObject vmo = written(5);
        VmObject copy = snapshot(vmo, 0, 5);
        VmAddressRegion root = VmAddressRegion.newRoot(machine);
        VmarFlags eager = VmarFlags.PERM_READ.with(VmarFlags.MAP_RANGE);
        long at = root.map(eager, 0, copy, 0, 5 * PAGE);
        assertEquals(machine.hal().frames().isAllocated(root.pageTable().translate(at)), true);
        assertEquals(0, copy.info().privateBytes());
        assertEquals(5 * PAGE, vmo.info().committedBytes());
        root.destroyAddressSpace();
    }

    @Test
    @Tag("O-233")
    void aMappedChildCountsUntilItIsUnmapped() {
        var handles = new HandleTable(machine.kernel());
        VmObject vmo = paged(1);
        VmObject copy = vmo.createSnapshot(0, PAGE);
        int handle = handles.add(copy, ObjectType.VMO.defaultRights());
        VmAddressRegion root = VmAddressRegion.newRoot(machine);
        long at = root.map(VmarFlags.READ_WRITE, 0, copy, 0, PAGE);
        handles.close(handle);
        assertEquals(0, vmo.signals() & Signals.VMO_ZERO_CHILDREN);
        root.unmap(at, PAGE);
        assertEquals(Signals.VMO_ZERO_CHILDREN, vmo.signals() & Signals.VMO_ZERO_CHILDREN);
        root.destroyAddressSpace();
    }

    @Test
    @Tag("O-243")
    void thePolicyOfWhatIsMappedStays() {
        VmObject vmo = paged(1);
        VmAddressRegion root = VmAddressRegion.newRoot(machine);
        long at = root.map(VmarFlags.READ_WRITE, 0, vmo, 0, PAGE);
        refused(ZxStatus.BAD_STATE, () -> vmo.setCachePolicy(CachePolicy.UNCACHED));
        assertEquals(CachePolicy.CACHED, vmo.cachePolicy());
        root.unmap(at, PAGE);
        vmo.setCachePolicy(CachePolicy.UNCACHED);
        root.destroyAddressSpace();
    }
}
