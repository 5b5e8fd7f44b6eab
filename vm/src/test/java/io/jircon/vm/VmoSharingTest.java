package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.ObjectType;
import io.jircon.kobject.ZxStatus;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What relatives share: check values of section 10.6, sizes, info, references and slices.
class VmoSharingTest extends VmoFixture {
    private VmObject reference(VmObject vmo) {
        return keep(vmo.createChild(EnumSet.of(VmoChildOption.REFERENCE), 0, 0));
    }

    private VmObject resizableSnapshot(VmObject vmo, long offsetPages, long pages) {
        return keep(
                vmo.createChild(
                        EnumSet.of(VmoChildOption.SNAPSHOT, VmoChildOption.RESIZABLE),
                        offsetPages * PAGE,
                        pages * PAGE));
    }

    @Test
    @Tag("O-206")
    @Tag("vmo-clone2.cc:OutOfBounds")
    void aCloneOutsideItsParentSharesNothing() {
        VmObject root = written(1);
        VmObject child = snapshot(root, 2, 2);
        assertEquals(List.of(1.0, 0.0), scaled(root, child));
        put(child, 1, 2);
        VmObject grandchild = snapshot(child, 0, 3);
        assertEquals(List.of(1.0, 0.5, 0.5), scaled(root, child, grandchild));
        put(grandchild, 2, 3);
        assertEquals(List.of(1.0, 0.5, 1.5), scaled(root, child, grandchild));
        assertEquals(0, at(grandchild, 0));
        assertEquals(2, at(grandchild, 1));
    }

    @Test
    @Tag("O-207")
    @Tag("vmo-clone2.cc:SmallClone")
    void aSmallCloneInheritsItsPage() {
        VmObject root = written(3);
        VmObject child = snapshot(root, 1, 1);
        assertEquals(List.of(2.5, 0.5), scaled(root, child));
        put(root, 0, 9);
        put(root, 2, 9);
        assertEquals(List.of(2.5, 0.5), scaled(root, child));
        root.close();
        assertEquals(List.of(1.0), scaled(child));
        assertEquals(2, at(child, 0));
    }

    @Test
    @Tag("O-208")
    @Tag("vmo-clone2.cc:SmallClones")
    void twoSmallClonesShareWithTheirMiddle() {
        VmObject root = written(3);
        VmObject child = snapshot(root, 1, 2);
        put(child, 1, 9);
        VmObject other = snapshot(root, 0, 1);
        assertEquals(List.of(2.0, 1.5, 0.5), scaled(root, child, other));
        root.close();
        assertEquals(List.of(2.0, 1.0), scaled(child, other));
    }

    @Test
    @Tag("O-61")
    @Tag("O-210")
    void shrinkingToNothingLeavesPagesToTheLastWhoSeesThem() {
        VmObject root = written(3, VmoOption.RESIZABLE);
        VmObject only = snapshot(root, 1, 1);
        root.setSize(0);
        assertEquals(List.of(0.0, 1.0), scaled(root, only));
        refused(ZxStatus.OUT_OF_RANGE, () -> root.read(0, 1));
        assertEquals(0, root.info().committedBytes());
        VmObject again = written(3, VmoOption.RESIZABLE);
        VmObject[] clones = new VmObject[3];
        for (int i = 0; i < 3; i++) {
            clones[i] = resizableSnapshot(again, i, 1);
        }
        assertEquals(List.of(1.5, 0.5, 0.5, 0.5), scaled(again, clones[0], clones[1], clones[2]));
        clones[0].setSize(0);
        again.setSize(0);
        clones[2].setSize(0);
        assertEquals(List.of(0.0, 0.0, 1.0, 0.0), scaled(again, clones[0], clones[1], clones[2]));
        assertEquals(2, at(clones[1], 0));
    }

    @Test
    @Tag("O-153")
    @Tag("O-168")
    @Tag("vmo-clone2.cc:SmallCloneChild")
    void aCloneNeverSeesMoreThanItsParentSaw() {
        VmObject root = written(3);
        VmObject child = snapshot(root, 1, 1);
        VmObject grandchild = snapshot(child, 0, 2);
        assertEquals(2, at(grandchild, 0));
        assertEquals(0, at(grandchild, 1));
    }

    @Test
    @Tag("O-67")
    @Tag("vmo.cc:StreamSizeSlicesAndReferences")
    void slicesAndSnapshotsHaveTheirOwnStreamSizeAndReferencesDoNot() {
        VmObject root = keep(VmObject.create(machine, 4 * PAGE, VmoOption.UNBOUNDED));
        VmObject window = slice(root, 0, 3);
        assertEquals(3 * PAGE, window.streamSizeBytes());
        window.setStreamSize(2 * PAGE);
        assertEquals(3 * PAGE, window.sizeBytes());
        assertEquals(2 * PAGE, window.streamSizeBytes());
        assertEquals(4 * PAGE, root.streamSizeBytes());
        VmObject ref = reference(root);
        ref.setStreamSize(8 * PAGE);
        assertEquals(8 * PAGE, root.streamSizeBytes());
        root.setStreamSize(10 * PAGE);
        assertEquals(10 * PAGE, ref.streamSizeBytes());
    }

    @Test
    @Tag("O-79")
    @Tag("O-88")
    @Tag("O-149")
    @Tag("vmo-slice.cc:CommitChild")
    void commitAndDecommitThroughWindowsAreTheParents() {
        VmObject root = paged(4);
        VmObject window = slice(root, 1, 2);
        VmObject ref = reference(root);
        window.commit(0, 2 * PAGE);
        assertEquals(2 * PAGE, root.info().committedBytes());
        put(window, 0, 7);
        assertEquals(7, at(root, 1));
        assertEquals(7, at(ref, 1));
        ref.decommit(PAGE, PAGE);
        assertEquals(0, at(window, 0));
        assertEquals(PAGE, root.info().committedBytes());
        refused(ZxStatus.OUT_OF_RANGE, () -> window.decommit(PAGE, 2 * PAGE));
    }

    @Test
    @Tag("O-138")
    @Tag("vmo-slice.cc:ZeroSized")
    void emptySlicesAreLegalAndHoldNothing() {
        VmObject root = paged(1);
        for (long at = 0; at <= 1; at++) {
            VmObject empty = slice(root, at, 0);
            refused(ZxStatus.OUT_OF_RANGE, () -> empty.read(0, 1));
            refused(ZxStatus.OUT_OF_RANGE, () -> empty.write(0, new byte[1]));
            assertEquals(0, empty.read(0, 0).length);
        }
    }

    @Test
    @Tag("O-29")
    @Tag("O-139")
    @Tag("O-242")
    void contiguousObjectsAreSlicedAndNothingElse() {
        VmObject run = keep(VmObject.createContiguous(machine, 4 * PAGE, 0));
        run.setCachePolicy(CachePolicy.UNCACHED);
        VmObject window = slice(run, 1, 2);
        assertTrue(window.info().flags().contains(VmoInfo.Flag.CONTIGUOUS));
        assertEquals(CachePolicy.UNCACHED, window.cachePolicy());
        refused(ZxStatus.INVALID_ARGS, () -> run.createSnapshot(0, PAGE));
        refused(ZxStatus.INVALID_ARGS, () -> window.createSnapshot(0, PAGE));
        refused(
                ZxStatus.NOT_SUPPORTED,
                () -> run.createChild(EnumSet.of(VmoChildOption.REFERENCE), 0, 0));
        refused(ZxStatus.BAD_STATE, () -> window.read(0, 1));
        long before = machine.frames().freeFrames();
        run.close();
        assertEquals(before, machine.frames().freeFrames());
        window.close();
        assertEquals(before + 4, machine.frames().freeFrames());
    }

    @Test
    @Tag("O-140")
    @Tag("zcore-O15")
    void slicesOfPhysicalObjectsNameTheirParent() {
        VmObject physical = keep(VmObject.createPhysical(machine, 0x10000, 4 * PAGE));
        VmObject window = slice(physical, 1, 1);
        assertEquals(0, physical.info().parentKoid());
        assertEquals(physical.koid(), window.info().parentKoid());
        assertEquals(CachePolicy.UNCACHED, window.cachePolicy());
        assertEquals(Set.of(), window.info().flags());
        try (PinnedPages pinned = window.pin(0, PAGE)) {
            assertEquals(0x11000, pinned.address(0));
        }
    }

    @Test
    @Tag("O-133")
    @Tag("O-141")
    @Tag("O-148")
    @Tag("O-215")
    @Tag("O-217")
    @Tag("O-218")
    @Tag("O-219")
    @Tag("O-2")
    @Tag("vmo-clone.cc:ImmutableClone")
    @Tag("vmo-clone.cc:NotImmutableMissingNoWrite")
    @Tag("vmo-clone2.cc:Info")
    @Tag("vmo-slice.cc:NotCoWType")
    void infoTellsKindParentAndChildren() {
        VmObject root = paged(1);
        VmObject copy = snapshot(root, 0, 1);
        VmObject frozen =
                keep(
                        root.createChild(
                                EnumSet.of(VmoChildOption.SNAPSHOT, VmoChildOption.NO_WRITE),
                                0,
                                PAGE));
        VmObject window = slice(root, 0, 1);
        VmObject ref = reference(root);
        assertEquals(Set.of(VmoInfo.Flag.PAGED), root.info().flags());
        assertEquals(Set.of(VmoInfo.Flag.PAGED, VmoInfo.Flag.IS_COW_CLONE), copy.info().flags());
        assertEquals(
                Set.of(VmoInfo.Flag.PAGED, VmoInfo.Flag.IS_COW_CLONE, VmoInfo.Flag.IMMUTABLE),
                frozen.info().flags());
        assertEquals(Set.of(VmoInfo.Flag.PAGED), window.info().flags());
        assertEquals(Set.of(VmoInfo.Flag.PAGED), ref.info().flags());
        for (VmObject child : List.of(copy, frozen, window, ref)) {
            assertEquals(root.koid(), child.info().parentKoid());
        }
        assertEquals(4, root.info().childCount());
        assertEquals(0, root.info().mappingCount());
        assertEquals(1, root.info().shareCount());
        assertEquals(0, root.info().metadataBytes());
    }

    @Test
    @Tag("O-226")
    @Tag("vmo-slice.cc:AttributedCounts")
    @Tag("vmo-reference.cc:AttributedCounts")
    void windowsCostNothingAlsoWhenOnlyTheyAreLeft() {
        VmObject root = written(2);
        VmObject window = slice(root, 0, 2);
        VmObject ref = reference(root);
        root.close();
        for (VmObject left : List.of(window, ref)) {
            assertEquals(0, left.info().committedBytes());
            assertEquals(0, left.info().scaledBytes());
            assertEquals(2, at(left, 1));
        }
        assertEquals(2, machine.kernel().liveObjects(ObjectType.VMO));
    }

    @Test
    @Tag("O-146")
    void childrenOfAReferenceAreItsOwn() {
        VmObject root = written(2);
        VmObject ref = reference(reference(root));
        VmObject copy = snapshot(ref, 0, 2);
        VmObject window = slice(ref, 1, 1);
        assertEquals(ref.koid(), copy.info().parentKoid());
        assertEquals(ref.koid(), window.info().parentKoid());
        put(root, 1, 9);
        assertEquals(2, at(copy, 1));
        assertEquals(9, at(window, 0));
    }

    @Test
    @Tag("O-240")
    @Tag("O-241")
    @Tag("O-242")
    void uncachedObjectsAreNotCopiedReferredToOrAccessed() {
        VmObject vmo = written(1);
        vmo.setCachePolicy(CachePolicy.WRITE_COMBINING);
        refused(ZxStatus.BAD_STATE, () -> vmo.createSnapshot(0, PAGE));
        refused(ZxStatus.BAD_STATE, () -> vmo.createSlice(0, PAGE));
        refused(
                ZxStatus.BAD_STATE,
                () -> vmo.createChild(EnumSet.of(VmoChildOption.REFERENCE), 0, 0));
        refused(ZxStatus.BAD_STATE, () -> vmo.read(0, 1));
        refused(ZxStatus.BAD_STATE, () -> vmo.zero(0, 1));
        vmo.setCachePolicy(CachePolicy.CACHED);
        assertEquals(1, at(vmo, 0));
        VmObject physical = keep(VmObject.createPhysical(machine, 0x10000, PAGE));
        VmObject window = slice(physical, 0, 1);
        physical.setCachePolicy(CachePolicy.UNCACHED);
        refused(ZxStatus.BAD_STATE, () -> physical.setCachePolicy(CachePolicy.CACHED));
        refused(ZxStatus.BAD_STATE, () -> window.setCachePolicy(CachePolicy.CACHED));
    }

    @Test
    @Tag("O-47")
    @Tag("O-147")
    @Tag("O-251")
    @Tag("O-256")
    @Tag("O-4")
    void mappingsOfReferencesFollowAfterTheOriginalIsClosed() {
        VmAddressRegion root = VmAddressRegion.newRoot(machine);
        VmObject original = paged(1);
        VmObject ref = reference(original);
        try (var memory = new UserMemory(root, machine.hal().newMmu())) {
            long at = root.map(VmarFlags.READ_WRITE, 0, ref, 0, PAGE);
            assertEquals(0, memory.readByte(at)); // shows the zero frame
            original.write(0, new byte[] {3});
            assertEquals(3, memory.readByte(at));
            original.close();
            memory.writeByte(at, (byte) 4);
            assertEquals(4, at(ref, 0));
            ref.decommit(0, PAGE);
            assertEquals(0, memory.readByte(at));
            ref.commit(0, PAGE);
            ref.write(0, new byte[] {5});
            ref.close();
            assertFalse(machine.kernel().liveObjects(ObjectType.VMO) == 0);
            assertEquals(5, memory.readByte(at));
            root.unmap(at, PAGE);
            assertEquals(0, machine.kernel().liveObjects(ObjectType.VMO));
        } finally {
            root.destroyAddressSpace();
        }
    }

    @Test
    @Tag("O-184")
    @Tag("O-190")
    @Tag("O-255")
    void everyMappingOfACopyMovesToItsNewFrame() {
        VmAddressRegion root = VmAddressRegion.newRoot(machine);
        VmObject original = written(1);
        try (var memory = new UserMemory(root, machine.hal().newMmu())) {
            long one = root.map(VmarFlags.READ_WRITE, 0, original, 0, PAGE);
            long two = root.map(VmarFlags.READ_WRITE, 0, original, 0, PAGE);
            memory.writeByte(one, (byte) 2); // a writable entry
            assertEquals(2, memory.readByte(two));
            VmObject copy = snapshot(original, 0, 1);
            long theirs = root.map(VmarFlags.READ_WRITE, 0, copy, 0, PAGE);
            assertEquals(2, memory.readByte(theirs));
            memory.writeByte(one, (byte) 3);
            assertEquals(3, memory.readByte(two));
            assertEquals(2, memory.readByte(theirs));
            memory.writeByte(theirs, (byte) 4);
            assertEquals(3, memory.readByte(one));
            original.zero(0, PAGE);
            assertEquals(0, memory.readByte(two));
            assertEquals(4, memory.readByte(theirs));
            root.checkInvariants();
        } finally {
            root.destroyAddressSpace();
        }
    }
}
