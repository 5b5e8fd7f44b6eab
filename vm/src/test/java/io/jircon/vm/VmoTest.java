package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.HandleTable;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.Signals;
import io.jircon.kobject.ZxStatus;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class VmoTest extends VmoFixture {
    @Test
    @Tag("O-6")
    @Tag("O-18")
    void aNewObjectIsZerosAndCostsNothing() {
        VmObject vmo = keep(VmObject.create(machine, 1L << 62));
        assertEquals(0, vmo.info().committedBytes());
        assertEquals(0, vmo.info().metadataBytes());
        assertArrayEquals(new byte[100], vmo.read((1L << 62) - 100, 100));
        assertEquals(0, vmo.info().committedBytes());
    }

    @Test
    @Tag("O-10")
    @Tag("O-11")
    @Tag("O-13")
    @Tag("zcore/vm:test_round_pages")
    void sizesAreRoundedUpAndLimited() {
        VmObject vmo = keep(VmObject.create(machine, PAGE + 1));
        assertEquals(2 * PAGE, vmo.sizeBytes());
        assertEquals(PAGE + 1, vmo.streamSizeBytes());
        keep(VmObject.create(machine, -64 * PAGE));
        refused(ZxStatus.OUT_OF_RANGE, () -> VmObject.create(machine, -PAGE));
        refused(ZxStatus.OUT_OF_RANGE, () -> VmObject.create(machine, -1));
    }

    @Test
    @Tag("O-17")
    @Tag("O-21")
    void creationChecksInOrder() {
        refused(
                ZxStatus.INVALID_ARGS,
                () -> VmObject.create(machine, -1, VmoOption.RESIZABLE, VmoOption.UNBOUNDED));
        refused(ZxStatus.OUT_OF_RANGE, () -> VmObject.create(machine, -1, VmoOption.TRAP_DIRTY));
        refused(ZxStatus.INVALID_ARGS, () -> VmObject.create(machine, 0, VmoOption.TRAP_DIRTY));
        refused(ZxStatus.INVALID_ARGS, () -> VmObject.create(machine, -1, VmoOption.UNBOUNDED));
    }

    @Test
    @Tag("O-20")
    @Tag("vmo.cc:VmoUnbounded")
    void anUnboundedObjectHasAnEnd() {
        VmObject vmo = keep(VmObject.create(machine, 5, VmoOption.UNBOUNDED));
        assertEquals(VmObject.MAX_SIZE_BYTES, vmo.sizeBytes());
        assertEquals(5, vmo.streamSizeBytes());
        vmo.read(vmo.sizeBytes() - 1, 1);
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.read(vmo.sizeBytes(), 1));
        refused(ZxStatus.UNAVAILABLE, () -> vmo.setSize(PAGE));
    }

    @Test
    @Tag("O-38")
    @Tag("O-39")
    @Tag("O-40")
    @Tag("O-41")
    @Tag("vmo.cc:ReadWriteRange")
    @Tag("zcore-O6")
    @Tag("zcore/paged:read_write")
    void accessesAreCheckedBeforeAByteMoves() {
        VmObject vmo = paged(2);
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.write(2 * PAGE - 1, new byte[2]));
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.read(-1, 2));
        assertEquals(0, vmo.read(2 * PAGE, 0).length);
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.read(2 * PAGE + 1, 0));
        assertEquals(0, vmo.info().committedBytes());
    }

    @Test
    @Tag("O-45")
    void aWriteCommitsExactlyThePagesTouched() {
        VmObject vmo = paged(4);
        vmo.write(PAGE - 1, new byte[] {1, 2});
        assertEquals(2 * PAGE, vmo.info().committedBytes());
        assertArrayEquals(new byte[] {0, 1, 2, 0}, vmo.read(PAGE - 2, 4));
    }

    @Test
    @Tag("O-49")
    @Tag("O-239")
    void anUncachedObjectIsNotReadOrWritten() {
        VmObject vmo = paged(1);
        vmo.setCachePolicy(CachePolicy.UNCACHED);
        refused(ZxStatus.BAD_STATE, () -> vmo.read(0, 1));
        refused(ZxStatus.BAD_STATE, () -> vmo.createSnapshot(0, PAGE));
        vmo.setCachePolicy(CachePolicy.CACHED);
        vmo.read(0, 1);
        slice(vmo, 0, 1);
        refused(ZxStatus.BAD_STATE, () -> vmo.setCachePolicy(CachePolicy.CACHED));
    }

    @Test
    @Tag("O-52")
    @Tag("O-53")
    void onlyAResizableObjectIsResized() {
        VmObject vmo = paged(2);
        refused(ZxStatus.UNAVAILABLE, () -> vmo.setSize(PAGE));
        VmObject resizable = paged(2, VmoOption.RESIZABLE);
        refused(ZxStatus.OUT_OF_RANGE, () -> resizable.setSize(-1));
        refused(ZxStatus.OUT_OF_RANGE, () -> resizable.setSize(-PAGE));
        PinnedPages pinned = resizable.pin(PAGE, PAGE);
        refused(ZxStatus.BAD_STATE, () -> resizable.setSize(PAGE));
        pinned.close();
        resizable.setSize(PAGE);
        assertEquals(PAGE, resizable.sizeBytes());
    }

    @Test
    @Tag("O-54")
    @Tag("O-56")
    @Tag("O-57")
    void shrinkingFreesAndGrowingShowsZeros() {
        VmObject vmo = written(3, VmoOption.RESIZABLE);
        vmo.setSize(PAGE + 1);
        assertEquals(2 * PAGE, vmo.sizeBytes());
        assertEquals(2 * PAGE, vmo.info().committedBytes());
        vmo.write(2 * PAGE - 1, new byte[] {9});
        vmo.setSize(PAGE + 1);
        vmo.setSize(3 * PAGE);
        assertEquals(2, at(vmo, 1));
        assertEquals(0, vmo.read(2 * PAGE - 1, 1)[0]);
        assertEquals(0, at(vmo, 2));
    }

    @Test
    @Tag("O-64")
    @Tag("O-65")
    void theStreamSizeZeroesWhatFollowsIt() {
        VmObject vmo = written(3);
        vmo.setStreamSize(PAGE + 10);
        assertEquals(2, at(vmo, 1));
        assertEquals(0, at(vmo, 2));
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.setStreamSize(3 * PAGE + 1));
        put(vmo, 2, 7);
        vmo.setStreamSize(2 * PAGE);
        assertEquals(0, at(vmo, 2));
        assertEquals(2, at(vmo, 1));
    }

    @Test
    @Tag("O-76")
    @Tag("O-77")
    @Tag("zcore-O6")
    void commitExpandsToWholePages() {
        VmObject vmo = paged(4);
        vmo.commit(PAGE - 1, 2);
        assertEquals(2 * PAGE, vmo.info().committedBytes());
        vmo.commit(4 * PAGE, 0);
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.commit(PAGE, 4 * PAGE));
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.commit(-1, 2));
    }

    @Test
    void commitWithoutFramesChangesNothing() {
        VmObject vmo = paged(100_000);
        long free = machine.frames().freeFrames();
        refused(ZxStatus.NO_MEMORY, () -> vmo.commit(0, vmo.sizeBytes()));
        assertEquals(free, machine.frames().freeFrames());
        assertEquals(0, vmo.info().committedBytes());
        refused(ZxStatus.NO_MEMORY, () -> vmo.write(0, new byte[9 << 20]));
        assertEquals(free, machine.frames().freeFrames());
    }

    @Test
    @Tag("A-173")
    void aPopulatedObjectHasItsPagesAtOnceOrIsNotMade() {
        VmObject vmo =
                keep(
                        VmObject.create(
                                machine, 3 * PAGE, new CommitPolicy.Alloc(/* populate= */ true)));
        assertEquals(3 * PAGE, vmo.info().committedBytes());
        refused(
                ZxStatus.NO_MEMORY,
                () -> VmObject.create(machine, 1L << 30, new CommitPolicy.Alloc(true)));
    }

    @Test
    @Tag("O-85")
    @Tag("O-87")
    @Tag("O-88")
    void decommitGivesPagesBack() {
        VmObject vmo = written(3);
        refused(ZxStatus.INVALID_ARGS, () -> vmo.decommit(1, PAGE));
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.decommit(1, 3 * PAGE));
        PinnedPages pinned = vmo.pin(PAGE, PAGE);
        refused(ZxStatus.BAD_STATE, () -> vmo.decommit(0, 3 * PAGE));
        pinned.close();
        vmo.decommit(PAGE, PAGE);
        assertEquals(0, at(vmo, 1));
        assertEquals(3, at(vmo, 2));
        assertEquals(2 * PAGE, vmo.info().committedBytes());
    }

    @Test
    @Tag("O-86")
    @Tag("vmo-clone.cc:Decommit")
    @Tag("zcore-O13")
    void decommitIsRefusedWhileASnapshotLives() {
        VmObject vmo = written(1);
        VmObject copy = vmo.createSnapshot(0, PAGE);
        refused(ZxStatus.NOT_SUPPORTED, () -> vmo.decommit(0, PAGE));
        refused(ZxStatus.NOT_SUPPORTED, () -> copy.decommit(0, PAGE));
        copy.close();
        vmo.decommit(0, PAGE);
        assertEquals(0, at(vmo, 0));
    }

    @Test
    @Tag("O-93")
    @Tag("O-95")
    void zeroDropsWholePagesAndClearsParts() {
        VmObject vmo = written(3);
        vmo.write(PAGE / 2 - 1, new byte[] {5, 6});
        vmo.zero(PAGE / 2, 2 * PAGE);
        assertEquals(2 * PAGE, vmo.info().committedBytes());
        assertArrayEquals(new byte[] {5, 0}, vmo.read(PAGE / 2 - 1, 2));
        assertEquals(0, at(vmo, 1));
        assertEquals(0, at(vmo, 2));
    }

    @Test
    @Tag("O-94")
    @Tag("vmo-zero.cc:UnalignedUnCommitted")
    @Tag("zcore-O12")
    @Tag("zcore/paged:zero_page_write")
    void zeroOfZerosCommitsNothing() {
        VmObject vmo = paged(2);
        vmo.zero(5, PAGE);
        assertEquals(0, vmo.info().committedBytes());
    }

    @Test
    @Tag("O-26")
    @Tag("O-27")
    @Tag("O-28")
    @Tag("aspace_unittest.cc:vmm_alloc_contiguous_smoke_test")
    @Tag("aspace_unittest.cc:vmm_alloc_contiguous_zero_size_fails")
    @Tag("O-96")
    @Tag("vmo-clone2.cc:ForbidContiguousVmo")
    @Tag("vmo-slice.cc:ChildSliceOfContiguousParentIsContiguous")
    @Tag("zcore-O11")
    @Tag("zcore-O13")
    void aContiguousObjectIsPresentAndStays() {
        refused(ZxStatus.INVALID_ARGS, () -> VmObject.createContiguous(machine, 0, 0));
        refused(ZxStatus.INVALID_ARGS, () -> VmObject.createContiguous(machine, PAGE, 11));
        refused(ZxStatus.NO_MEMORY, () -> VmObject.createContiguous(machine, 1L << 30, 0));
        VmObject vmo = keep(VmObject.createContiguous(machine, 4 * PAGE, 14));
        assertEquals(4 * PAGE, vmo.info().committedBytes());
        long base = ((CommitPolicy.Contiguous) vmo.policy()).base();
        assertEquals(0, base & (1 << 14) - 1);
        put(vmo, 3, 9);
        vmo.zero(0, 4 * PAGE);
        assertEquals(4 * PAGE, vmo.info().committedBytes());
        assertEquals(0, at(vmo, 3));
        refused(ZxStatus.NOT_SUPPORTED, () -> vmo.decommit(0, PAGE));
        refused(ZxStatus.INVALID_ARGS, () -> vmo.createSnapshot(0, PAGE));
        VmObject window = slice(vmo, 1, 2);
        assertTrue(window.info().flags().contains(VmoInfo.Flag.CONTIGUOUS));
        vmo.close();
        put(window, 0, 4);
        assertEquals(4, at(window, 0));
    }

    @Test
    @Tag("O-23")
    @Tag("O-24")
    @Tag("O-25")
    @Tag("A-172")
    @Tag("vmo-clone2.cc:NoPhysical")
    @Tag("zcore/physical:read_write")
    void aPhysicalObjectOnlyMapsAndSlices() {
        refused(ZxStatus.INVALID_ARGS, () -> VmObject.createPhysical(machine, 0x1000, 1));
        refused(ZxStatus.INVALID_ARGS, () -> VmObject.createPhysical(machine, 1, PAGE));
        refused(ZxStatus.INVALID_ARGS, () -> VmObject.createPhysical(machine, -PAGE, 2 * PAGE));
        VmObject vmo = keep(VmObject.createPhysical(machine, 0x1000, 2 * PAGE));
        assertEquals(CachePolicy.UNCACHED, vmo.cachePolicy());
        assertFalse(vmo.info().flags().contains(VmoInfo.Flag.PAGED));
        refused(ZxStatus.NOT_SUPPORTED, () -> vmo.read(0, 1));
        refused(ZxStatus.NOT_SUPPORTED, () -> vmo.commit(0, PAGE));
        refused(ZxStatus.UNAVAILABLE, () -> vmo.setSize(PAGE));
        refused(ZxStatus.NOT_SUPPORTED, () -> vmo.createSnapshot(0, PAGE));
        VmObject window = slice(vmo, 1, 1);
        assertEquals(new CommitPolicy.Linear(0x2000), window.policy());
        assertEquals(vmo.koid(), window.info().parentKoid());
        refused(ZxStatus.INVALID_ARGS, () -> vmo.createSlice(PAGE, 2 * PAGE));
    }

    @Test
    @Tag("O-109")
    @Tag("O-112")
    @Tag("O-260")
    @Tag("O-261")
    @Tag("O-262")
    @Tag("O-22")
    void aDiscardableObjectLosesItsPagesOnlyWhileUnlocked() {
        var vmo = (PagedVmo) written(2, VmoOption.DISCARDABLE);
        assertEquals(0, vmo.reclaim());
        refused(ZxStatus.BAD_STATE, vmo::unlockContents);
        assertFalse(vmo.lockContents());
        assertEquals(0, vmo.reclaim());
        vmo.unlockContents();
        assertEquals(2, vmo.reclaim());
        refused(ZxStatus.NOT_FOUND, () -> vmo.read(0, 1));
        assertFalse(vmo.tryLockContents());
        assertTrue(vmo.lockContents());
        assertEquals(0, at(vmo, 0));
        refused(ZxStatus.NOT_SUPPORTED, () -> vmo.createSnapshot(0, PAGE));
    }

    @Test
    @Tag("O-230")
    @Tag("O-231")
    @Tag("O-232")
    @Tag("O-234")
    @Tag("O-235")
    @Tag("vmo-clone2.cc:Children")
    void zeroChildrenFollowsTheDirectChildren() {
        VmObject root = paged(1);
        assertEquals(Signals.VMO_ZERO_CHILDREN, root.signals());
        VmObject child = keep(root.createSnapshot(0, PAGE));
        VmObject grandchild = keep(child.createSnapshot(0, PAGE));
        assertEquals(0, root.signals());
        child.close();
        assertEquals(0, root.signals());
        assertEquals(root.koid(), grandchild.info().parentKoid());
        assertEquals(1, root.info().childCount());
        grandchild.close();
        assertEquals(Signals.VMO_ZERO_CHILDREN, root.signals());
    }

    @Test
    @Tag("O-5")
    void theLastHandleEndsAnObjectThatHadHandles() {
        var table = new HandleTable(machine.kernel());
        VmObject vmo = written(1);
        int handle = table.add(vmo, ObjectType.VMO.defaultRights());
        int twin = table.duplicate(handle, ObjectType.VMO.defaultRights());
        table.close(handle);
        assertEquals(1, machine.kernel().liveObjects(ObjectType.VMO));
        table.close(twin);
        assertEquals(0, machine.kernel().liveObjects(ObjectType.VMO));
    }

    @Test
    @Tag("O-36")
    void aChildTakesItsParentsNameAndKeepsIt() {
        VmObject vmo = paged(1);
        vmo.setName("text");
        VmObject copy = keep(vmo.createSnapshot(0, PAGE));
        vmo.setName("other");
        assertEquals("text", copy.name());
    }

    @Test
    @Tag("O-130")
    @Tag("O-131")
    void childOptionsAreChecked() {
        VmObject vmo = paged(2, VmoOption.RESIZABLE);
        refused(
                ZxStatus.OUT_OF_RANGE,
                () -> vmo.createChild(Set.of(VmoChildOption.SNAPSHOT), 0, -1));
        refused(ZxStatus.INVALID_ARGS, () -> vmo.createChild(Set.of(), 0, PAGE));
        refused(
                ZxStatus.INVALID_ARGS,
                () ->
                        vmo.createChild(
                                EnumSet.of(VmoChildOption.SLICE, VmoChildOption.SNAPSHOT),
                                0,
                                PAGE));
        refused(
                ZxStatus.INVALID_ARGS,
                () ->
                        vmo.createChild(
                                EnumSet.of(
                                        VmoChildOption.SNAPSHOT,
                                        VmoChildOption.NO_WRITE,
                                        VmoChildOption.RESIZABLE),
                                0,
                                PAGE));
        refused(
                ZxStatus.INVALID_ARGS,
                () -> vmo.createChild(Set.of(VmoChildOption.SNAPSHOT), 1, PAGE));
    }

    @Test
    @Tag("O-135")
    void slicesOfAResizableParentAreRefusedLast() {
        VmObject vmo = paged(2, VmoOption.RESIZABLE);
        refused(ZxStatus.INVALID_ARGS, () -> vmo.createSlice(0, 3 * PAGE));
        refused(ZxStatus.INVALID_ARGS, () -> vmo.createSlice(2 * PAGE, PAGE));
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.createSlice(0, -1));
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.createSlice(0, -PAGE));
        refused(ZxStatus.INVALID_ARGS, () -> vmo.createSlice(-PAGE, PAGE));
        refused(ZxStatus.NOT_SUPPORTED, () -> vmo.createSlice(0, PAGE));
    }

    @Test
    @Tag("O-136")
    @Tag("O-137")
    @Tag("O-3")
    void aSliceIsAWindowBothWays() {
        VmObject vmo = written(3);
        VmObject window = keep(vmo.createSlice(PAGE, 42));
        assertEquals(PAGE, window.sizeBytes());
        assertEquals(2, at(window, 0));
        put(window, 0, 9);
        assertEquals(9, at(vmo, 1));
        refused(ZxStatus.OUT_OF_RANGE, () -> window.read(PAGE, 1));
        window.decommit(0, PAGE);
        assertEquals(0, at(vmo, 1));
        assertEquals(0, window.info().committedBytes());
    }

    @Test
    @Tag("O-144")
    @Tag("O-143")
    @Tag("O-3")
    void aReferenceIsTheSameObjectUnderAnotherNumber() {
        VmObject vmo = written(2, VmoOption.RESIZABLE);
        refused(
                ZxStatus.INVALID_ARGS,
                () -> vmo.createChild(Set.of(VmoChildOption.REFERENCE), 0, PAGE));
        VmObject twin = keep(vmo.createChild(Set.of(VmoChildOption.REFERENCE), 0, 0));
        put(twin, 0, 5);
        assertEquals(5, at(vmo, 0));
        twin.setSize(PAGE);
        assertEquals(PAGE, vmo.sizeBytes());
        assertEquals(PAGE, vmo.streamSizeBytes());
        vmo.close();
        assertEquals(5, at(twin, 0));
        assertEquals(0, twin.info().committedBytes());
    }

    @Test
    @Tag("O-9")
    @Tag("vmo-slice.cc:DeepHierarchy")
    void aThousandGenerationsNeedNoStack() {
        VmObject youngest = written(1);
        for (int i = 0; i < 2000; i++) {
            VmObject next =
                    keep(
                            i % 2 == 0
                                    ? youngest.createSnapshot(0, PAGE)
                                    : youngest.createSlice(0, PAGE));
            if (i % 2 == 1) {
                next.close(); // a slice cannot be snapshotted again
                continue;
            }
            youngest = next;
        }
        assertEquals(1, at(youngest, 0));
    }
}
