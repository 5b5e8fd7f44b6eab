package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.HandleTable;
import io.jircon.kobject.Rights;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What Zircon's own suite tests of memory objects without children (`vmo.cc`), where no other test
/// here does: sizes, children, what belongs to no mapping.
class VmoZirconTest extends VmoMappedFixture {
    private static final Set<VmoChildOption> COPIES =
            EnumSet.of(
                    VmoChildOption.SNAPSHOT,
                    VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE,
                    VmoChildOption.SNAPSHOT_MODIFIED);

    private static byte[] bytes(long count, int value) {
        byte[] bytes = new byte[(int) count];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    // ---- size

    @Test
    @Tag("vmo.cc:Create")
    @Tag("vmo.cc:SizeAlign")
    @Tag("vmo.cc:ResizeAlign")
    void sizesAreRoundedUpToPages() {
        for (long pages = 0; pages < 16; pages++) {
            assertEquals(pages * PAGE, paged(pages).sizeBytes());
        }
        VmObject resized = paged(0, VmoOption.RESIZABLE);
        for (long size = 0; size < 4 * PAGE; size += size % PAGE < 3 ? 1 : 1021) {
            long up = (size + PAGE - 1) / PAGE * PAGE;
            try (VmObject vmo = VmObject.create(machine, size)) {
                assertEquals(up, vmo.sizeBytes());
            }
            resized.setSize(size);
            assertEquals(up, resized.sizeBytes());
        }
    }

    @Test
    @Tag("vmo.cc:Resize")
    @Tag("vmo.cc:NoResize")
    void resizingAndMappingsThatForbidIt() {
        VmObject vmo = paged(4, VmoOption.RESIZABLE);
        vmo.setSize(5 * PAGE);
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.setSize(-1));
        vmo.setSize(5 * PAGE + 1);
        assertEquals(6 * PAGE, vmo.sizeBytes());
        long at = map(VmarFlags.PERM_READ, vmo, 6);
        VmarFlags strict = VmarFlags.PERM_READ.with(VmarFlags.REQUIRE_NON_RESIZABLE);
        refused(ZxStatus.NOT_SUPPORTED, () -> map(strict, vmo, 6));
        vmo.setSize(6 * PAGE);
        root.unmap(at, 6 * PAGE);
        VmObject fixed = paged(4);
        refused(ZxStatus.UNAVAILABLE, () -> fixed.setSize(5 * PAGE));
        refused(ZxStatus.UNAVAILABLE, () -> fixed.setSize(3 * PAGE));
        assertEquals(4 * PAGE, fixed.sizeBytes());
        assertEquals(0, peek(map(strict, fixed, 4), 3));
    }

    @Test
    @Tag("vmo.cc:ResizeHazard")
    @Tag("vmo.cc:MappedVmoSmallerThanMapping")
    void pagesThatTheObjectHasNotAreOutOfRange() {
        VmObject vmo = paged(2, VmoOption.RESIZABLE);
        long at = mapWritable(vmo);
        assertEquals(0, peek(at, 0));
        vmo.setSize(0);
        refusedLoad(ZxStatus.OUT_OF_RANGE, at);
        refusedStore(ZxStatus.OUT_OF_RANGE, at);
        vmo.setSize(PAGE);
        poke(at, 0, 3);
        refusedLoad(ZxStatus.OUT_OF_RANGE, at + PAGE);
        refusedStore(ZxStatus.OUT_OF_RANGE, at + PAGE);
        MemorySegment both = MemorySegment.ofArray(new byte[2 * (int) PAGE]);
        assertEquals(PAGE, root.readMemory(at, both));
        assertEquals(PAGE, root.writeMemory(at, both));
        for (long start : new long[] {at + PAGE, at + PAGE + 8}) {
            assertThrows(ZxException.class, () -> root.readMemory(start, both.asSlice(0, 8)));
        }
    }

    @Test
    @Tag("vmo.cc:StreamSize")
    void theStreamEndsInsideTheObject() {
        VmObject vmo = keep(VmObject.create(machine, 4 * PAGE + 42, VmoOption.RESIZABLE));
        assertEquals(4 * PAGE + 42, vmo.streamSizeBytes());
        vmo.setStreamSize(PAGE - 1);
        assertEquals(5 * PAGE, vmo.sizeBytes());
        vmo.setStreamSize(5 * PAGE);
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.setStreamSize(5 * PAGE + 1));
        for (long pages : new long[] {2, 10}) {
            vmo.setSize(pages * PAGE);
            assertEquals(pages * PAGE, vmo.streamSizeBytes());
        }
        VmObject endless = keep(VmObject.create(machine, 4 * PAGE + 42, VmoOption.UNBOUNDED));
        endless.setStreamSize(8 * PAGE + 85);
        assertEquals(8 * PAGE + 85, endless.streamSizeBytes());
    }

    @Test
    @Tag("vmo.cc:ZeroRangeOnSetStreamSize")
    void movingTheEndOfTheStreamClearsWhatIsBehindTheLowerEnd() {
        for (long start : new long[] {2 * PAGE, 2 * PAGE - 42}) {
            VmObject vmo = keep(VmObject.create(machine, start, VmoOption.UNBOUNDED));
            for (long end : new long[] {4 * PAGE, start}) {
                vmo.write(0, bytes(4 * PAGE, 9));
                vmo.setStreamSize(end);
                assertArrayEquals(bytes(start, 9), vmo.read(0, (int) start));
                long rest = 4 * PAGE - start;
                assertArrayEquals(bytes(rest, 0), vmo.read(start, (int) rest));
            }
        }
    }

    @Test
    @Tag("vmo.cc:SetStreamSizePinnedPages")
    void theStreamMayEndInPinnedPages() {
        VmObject vmo = paged(4, VmoOption.RESIZABLE);
        try (PinnedPages pinned = vmo.pin(0, 4 * PAGE)) {
            vmo.setStreamSize(2 * PAGE);
            assertEquals(4, pinned.pageCount());
        }
        try (PinnedPages again = vmo.pin(0, 4 * PAGE)) {
            vmo.setStreamSize(4 * PAGE);
            assertTrue(machine.frames().isAllocated(again.address(3)));
        }
        assertEquals(4 * PAGE, vmo.streamSizeBytes());
    }

    // ---- decommit, discard, children

    @Test
    @Tag("vmo.cc:DecommitMisaligned")
    @Tag("vmo.cc:DecommitChildSliceTests")
    void decommitWantsWholePagesInsideTheObjectNamed() {
        VmObject whole = paged(6);
        refused(ZxStatus.INVALID_ARGS, () -> whole.decommit(0x10, 0x100));
        whole.commit(0x10, 0x100);
        refused(ZxStatus.INVALID_ARGS, () -> whole.decommit(0x10, 0x100));
        VmObject window = slice(whole, 1, 4);
        for (VmObject vmo : List.of(whole, window, slice(window, 1, 2))) {
            long pages = vmo.sizeBytes() / PAGE;
            for (long from = 0; from <= 7; from++) {
                for (long to = from + 1; to <= 8; to++) {
                    long start = from * PAGE;
                    long length = (to - from) * PAGE;
                    whole.commit(0, 6 * PAGE);
                    if (to > pages) {
                        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.decommit(start, length));
                    } else {
                        vmo.decommit(start, length);
                    }
                    long left = to > pages ? 6 : 6 - (to - from);
                    assertEquals(left * PAGE, whole.info().committedBytes());
                }
            }
        }
    }

    @Test
    @Tag("vmo.cc:Discardable")
    void discardableObjectsAreMappedWithFaultsAllowedAndHaveNoChildren() {
        VmObject vmo = paged(3, VmoOption.DISCARDABLE);
        assertTrue(vmo.info().flags().contains(VmoInfo.Flag.DISCARDABLE));
        assertFalse(vmo.lockContents());
        put(vmo, 0, 0x3b);
        refused(ZxStatus.NOT_SUPPORTED, () -> mapWritable(vmo));
        long at = map(VmarFlags.READ_WRITE.with(VmarFlags.ALLOW_FAULTS), vmo, 3);
        assertEquals(0x3b, peek(at, 0));
        poke(at, 1, 5);
        assertPages(vmo, 0x3b, 5, 0);
        vmo.unlockContents();
        refused(ZxStatus.NOT_SUPPORTED, () -> vmo.createSlice(0, PAGE));
        for (VmoChildOption copy : COPIES) {
            refused(ZxStatus.NOT_SUPPORTED, () -> vmo.createChild(EnumSet.of(copy), 0, PAGE));
        }
    }

    @Test
    @Tag("vmo.cc:NoWriteResizable")
    @Tag("vmo-clone.cc:NotImmutableMissingSnapshot")
    void whatCannotBeWrittenIsNotResized() {
        for (VmObject parent : List.of(paged(2), paged(2, VmoOption.RESIZABLE))) {
            for (VmoChildOption kind : VmoChildOption.values()) {
                if (COPIES.contains(kind) || kind == VmoChildOption.SLICE) {
                    Set<VmoChildOption> both =
                            EnumSet.of(kind, VmoChildOption.NO_WRITE, VmoChildOption.RESIZABLE);
                    refused(ZxStatus.INVALID_ARGS, () -> parent.createChild(both, 0, PAGE));
                }
            }
            Set<VmoChildOption> frozen =
                    EnumSet.of(VmoChildOption.SNAPSHOT, VmoChildOption.NO_WRITE);
            VmObject copy = keep(parent.createChild(frozen, 0, PAGE));
            assertTrue(copy.info().flags().contains(VmoInfo.Flag.IMMUTABLE));
        }
        Set<VmoChildOption> window = EnumSet.of(VmoChildOption.SLICE, VmoChildOption.NO_WRITE);
        VmoInfo info = keep(paged(2).createChild(window, 0, PAGE)).info();
        assertFalse(info.flags().contains(VmoInfo.Flag.IMMUTABLE));
    }

    @Test
    @Tag("vmo.cc:ChildResizeRight")
    void childrenHaveTheRightToResizeIfTheyAreResizable() {
        var handles = new HandleTable(machine.kernel());
        var calls = new VmoCalls(machine, handles);
        int parent = calls.create(4 * PAGE, 0);
        for (VmoChildOption kind : COPIES) {
            int fixed = calls.createChild(parent, kind.bit(), 0, 4 * PAGE);
            assertEquals(0, handles.rights(fixed) & Rights.RESIZE);
            refused(ZxStatus.UNAVAILABLE, () -> calls.setSize(fixed, PAGE));
            int able =
                    calls.createChild(
                            parent, kind.bit() | VmoChildOption.RESIZABLE.bit(), 0, 4 * PAGE);
            calls.setSize(able, 5 * PAGE);
            int twin = handles.duplicate(able, handles.rights(able) & ~Rights.RESIZE);
            refused(ZxStatus.ACCESS_DENIED, () -> calls.setSize(twin, PAGE));
        }
        int window = calls.createChild(parent, VmoChildOption.SLICE.bit(), 0, PAGE);
        assertEquals(0, handles.rights(window) & Rights.RESIZE);
        refused(ZxStatus.UNAVAILABLE, () -> calls.setSize(window, 0));
        handles.closeAll();
    }

    @Test
    @Tag("vmo.cc:Info")
    void flagsTellHowTheObjectWasMade() {
        assertEquals(Set.of(VmoInfo.Flag.PAGED), paged(4).info().flags());
        VmObject resizable = paged(8, VmoOption.RESIZABLE);
        resizable.setCachePolicy(CachePolicy.UNCACHED);
        assertEquals(Set.of(VmoInfo.Flag.PAGED, VmoInfo.Flag.RESIZABLE), resizable.info().flags());
        assertEquals(CachePolicy.UNCACHED, resizable.info().cachePolicy());
        VmObject contiguous = keep(VmObject.createContiguous(machine, 12 * PAGE, 0));
        assertEquals(
                Set.of(VmoInfo.Flag.PAGED, VmoInfo.Flag.CONTIGUOUS), contiguous.info().flags());
        assertEquals(12 * PAGE, contiguous.info().sizeBytes());
    }

    @Test
    @Tag("vmo.cc:VmoUnbounded")
    void anUnboundedObjectIsCopiedWhole() {
        VmObject vmo = keep(VmObject.create(machine, 42, VmoOption.UNBOUNDED));
        refused(
                ZxStatus.INVALID_ARGS,
                () -> VmObject.create(machine, 0, VmoOption.UNBOUNDED, VmoOption.RESIZABLE));
        long size = vmo.sizeBytes();
        vmo.write(size - 4 * PAGE, bytes(4 * PAGE, 5));
        assertArrayEquals(bytes(4 * PAGE, 5), vmo.read(size - 4 * PAGE, 4 * (int) PAGE));
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.read(size, 1));
        VmObject copy = keep(vmo.createSnapshot(0, size));
        assertFalse(copy.isResizable());
        assertEquals(5, copy.read(size - 1, 1)[0]);
        refused(ZxStatus.UNAVAILABLE, () -> copy.setSize(PAGE));
    }
}
