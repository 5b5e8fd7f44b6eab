package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.HandleTable;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.Rights;
import io.jircon.kobject.ZxStatus;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Numbers, sizes and bounds of memory objects and their children.
class VmoRulesTest extends VmoFixture {
    @Test
    @Tag("O-16")
    void optionsHaveTheContractsBits() {
        assertEquals(
                List.of(1 << 1, 1 << 2, 1 << 3, 1 << 4),
                Arrays.stream(VmoOption.values()).map(VmoOption::bit).toList());
        for (int bit = 0; bit < Integer.SIZE; bit++) {
            int option = 1 << bit;
            if (bit < 1 || bit > 4) {
                refused(ZxStatus.INVALID_ARGS, () -> VmoOption.ofBits(option, PAGE));
            } else {
                assertEquals(option, VmoOption.ofBits(option, PAGE)[0].bit());
            }
        }
    }

    @Test
    @Tag("O-129")
    void childOptionsHaveTheContractsBits() {
        assertEquals(1, VmoChildOption.SNAPSHOT.bit());
        assertEquals(1 << 2, VmoChildOption.RESIZABLE.bit());
        assertEquals(1 << 3, VmoChildOption.SLICE.bit());
        assertEquals(1 << 4, VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE.bit());
        assertEquals(1 << 5, VmoChildOption.NO_WRITE.bit());
        assertEquals(1 << 6, VmoChildOption.REFERENCE.bit());
        assertEquals(1 << 7, VmoChildOption.SNAPSHOT_MODIFIED.bit());
    }

    @Test
    @Tag("O-238")
    void cachePoliciesHaveTheContractsNumbers() {
        assertEquals(
                List.of(
                        CachePolicy.CACHED,
                        CachePolicy.UNCACHED,
                        CachePolicy.UNCACHED_DEVICE,
                        CachePolicy.WRITE_COMBINING),
                List.of(CachePolicy.values()));
    }

    @Test
    @Tag("O-272")
    void requestsHaveTheContractsCommands() {
        assertEquals(0, PageRequest.Command.READ.value());
        assertEquals(1, PageRequest.Command.COMPLETE.value());
        assertEquals(2, PageRequest.Command.DIRTY.value());
    }

    @Test
    @Tag("O-51")
    @Tag("O-62")
    void sizesAreToldWithoutARight() {
        var handles = new HandleTable(machine.kernel());
        var calls = new VmoCalls(machine, handles);
        VmObject odd = keep(VmObject.create(machine, PAGE + 42));
        VmObject contiguous = keep(VmObject.createContiguous(machine, 2 * PAGE, 0));
        VmObject physical = keep(VmObject.createPhysical(machine, 0x10000, 3 * PAGE));
        assertSizes(calls, handles.add(odd, Rights.NONE), 2 * PAGE, PAGE + 42);
        assertSizes(calls, handles.add(slice(odd, 0, 1), Rights.NONE), PAGE, PAGE);
        assertSizes(calls, handles.add(reference(odd), Rights.NONE), 2 * PAGE, PAGE + 42);
        assertSizes(calls, handles.add(contiguous, Rights.NONE), 2 * PAGE, 0);
        assertSizes(calls, handles.add(physical, Rights.NONE), 3 * PAGE, 0);
        handles.closeAll();
    }

    private static void assertSizes(VmoCalls calls, int vmo, long size, long streamSize) {
        assertEquals(size, calls.size(vmo));
        assertEquals(streamSize, calls.streamSize(vmo));
    }

    private VmObject reference(VmObject vmo) {
        return keep(vmo.createChild(EnumSet.of(VmoChildOption.REFERENCE), 0, 0));
    }

    @Test
    @Tag("O-74")
    void throughASliceTheSlicesEndIsTheEnd() {
        VmObject vmo = written(4);
        VmObject window = slice(vmo, 1, 2);
        for (VmObject inner : List.of(window, slice(window, 0, 2))) {
            refused(ZxStatus.OUT_OF_RANGE, () -> inner.read(PAGE, 2 * (int) PAGE));
            refused(ZxStatus.OUT_OF_RANGE, () -> inner.write(2 * PAGE, new byte[1]));
            refused(ZxStatus.OUT_OF_RANGE, () -> inner.commit(PAGE, 2 * PAGE));
            refused(ZxStatus.OUT_OF_RANGE, () -> inner.decommit(PAGE, 2 * PAGE));
            refused(ZxStatus.OUT_OF_RANGE, () -> inner.zero(2 * PAGE, PAGE));
            refused(ZxStatus.OUT_OF_RANGE, () -> inner.prefetch(0, 3 * PAGE));
            refused(ZxStatus.OUT_OF_RANGE, () -> inner.pin(PAGE, 2 * PAGE));
        }
        assertEquals(4 * PAGE, vmo.info().committedBytes());
        assertEquals(4, at(vmo, 3));
    }

    @Test
    @Tag("O-132")
    @Tag("vmo-clone.cc:NoResize")
    void childrenAreResizableIfTheyWereMadeSo() {
        for (VmObject parent : List.of(paged(4), paged(4, VmoOption.RESIZABLE))) {
            VmObject fixed = snapshot(parent, 0, 4);
            refused(ZxStatus.UNAVAILABLE, () -> fixed.setSize(PAGE));
            Set<VmoChildOption> growing =
                    EnumSet.of(VmoChildOption.SNAPSHOT, VmoChildOption.RESIZABLE);
            VmObject able = keep(parent.createChild(growing, 0, 4 * PAGE));
            able.setSize(6 * PAGE);
            assertEquals(4 * PAGE, parent.sizeBytes());
            assertEquals(parent.isResizable(), reference(parent).isResizable());
        }
        VmObject window = slice(paged(4), 0, 2);
        refused(ZxStatus.UNAVAILABLE, () -> window.setSize(PAGE));
    }

    @Test
    @Tag("O-154")
    @Tag("vmo-clone.cc:SizeAlign")
    @Tag("zcore/vm:test_round_pages")
    void snapshotsAreRoundedUpAndTheirStreamsAreNot() {
        VmObject empty = paged(0);
        for (long size = 0; size <= 3 * PAGE; size += 127) {
            VmObject copy = keep(empty.createSnapshot(0, size));
            assertEquals((size + PAGE - 1) / PAGE * PAGE, copy.sizeBytes());
            assertEquals(size, copy.streamSizeBytes());
        }
    }

    @Test
    @Tag("O-220")
    @Tag("vmo.cc:MetadataBytes")
    void infoTellsWhatTheObjectIsAndWhatItsPageListTakes() {
        VmObject vmo = paged(3);
        assertEquals("", vmo.info().name());
        vmo.setName("heap");
        assertEquals(0, vmo.info().metadataBytes());
        put(vmo, 1, 1);
        VmoInfo info = vmo.info();
        assertEquals("heap", info.name());
        assertEquals(3 * PAGE, info.sizeBytes());
        assertEquals(CachePolicy.CACHED, info.cachePolicy());
        assertTrue(info.metadataBytes() > 0);
        vmo.setCachePolicy(CachePolicy.UNCACHED_DEVICE);
        assertEquals(CachePolicy.UNCACHED_DEVICE, vmo.info().cachePolicy());
    }

    @Test
    @Tag("O-227")
    void physicalObjectsHaveNoPagesOfTheirOwn() {
        VmObject physical = keep(VmObject.createPhysical(machine, 0x10000, 3 * PAGE));
        for (VmObject vmo : List.of(physical, slice(physical, 1, 1))) {
            VmoInfo info = vmo.info();
            assertEquals(0, info.committedBytes());
            assertEquals(0, info.privateBytes());
            assertEquals(0, info.scaledBytes());
            assertEquals(0, info.fractionalScaledBytes());
        }
    }

    @Test
    @Tag("O-90")
    @Tag("vmo.cc:ParallelWriteAndDecommit")
    void writersThroughAMappingAndDecommitsAllSucceed() throws Exception {
        VmObject vmo = paged(1);
        VmAddressRegion root = VmAddressRegion.newRoot(machine);
        long at = root.map(VmarFlags.READ_WRITE, 0, vmo, 0, PAGE);
        Callable<Void> store =
                () -> {
                    try (var memory = new UserMemory(root, machine.hal().newMmu())) {
                        for (int i = 0; i < 5_000; i++) {
                            memory.writeByte(at + i % PAGE, (byte) 1);
                        }
                    }
                    return null;
                };
        Callable<Void> decommit =
                () -> {
                    for (int i = 0; i < 5_000; i++) {
                        vmo.decommit(0, PAGE);
                    }
                    return null;
                };
        var results = new ArrayList<Void>();
        try (var threads = Executors.newFixedThreadPool(4)) {
            for (var done : threads.invokeAll(List.of(store, decommit, store, decommit))) {
                results.add(done.get()); // throws what the task threw
            }
        }
        assertEquals(4, results.size());
        root.checkInvariants();
        root.destroyAddressSpace();
    }

    @Test
    @Tag("K-25")
    void newObjectsHaveTheEmptyName() {
        assertEquals("", paged(1).name());
        assertTrue(ObjectType.VMO.isNamed());
    }
}
