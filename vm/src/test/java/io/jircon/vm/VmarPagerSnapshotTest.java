package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.NOT_SUPPORTED;
import static io.jircon.vm.PagerScene.scaled;
import static io.jircon.vm.PagerScene.text;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.refuses;
import static io.jircon.vm.VmoFixture.put;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.kobject.HandleTable;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.Rights;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What Zircon's own suite tests of snapshots under a pager-backed object (`snapshot.cc`), where no
/// other test here does.
@Timeout(120)
class VmarPagerSnapshotTest {
    private static final VmoChildOption ALOW = VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE;
    private static final VmoChildOption MOD = VmoChildOption.SNAPSHOT_MODIFIED;

    private final PagerScene scene = new PagerScene();
    private final VmarFixture vm = scene.vm;

    @AfterEach
    void tearDown() {
        scene.close();
    }

    private VmObject mod(VmObject of, long page, long pages) {
        return scene.clone(of, MOD, page, pages);
    }

    private VmObject resizableMod(VmObject of, long pages) {
        Set<VmoChildOption> both = EnumSet.of(MOD, VmoChildOption.RESIZABLE);
        return vm.closing(of.createChild(both, 0, pages * PAGE));
    }

    @Test
    @Tag("snapshot.cc:Smoke")
    void aSnapshotKeepsWhatTheCloneHadWritten() throws InterruptedException {
        VmObject file = scene.file(1);
        VmObject clone = mod(file, 0, 1);
        long at = vm.root.map(RW, 0, clone, 0, PAGE);
        var store = PagerScene.start(() -> vm.write(at));
        assertEquals("READ 0+1", scene.request());
        scene.supply(file, 0, 1);
        assertEquals(ZxStatus.OK, store.result());
        vm.poke(at, 11);
        assertEquals("1.0 1.0", scaled(file, clone));
        VmObject snapshot = mod(clone, 0, 1);
        assertEquals("1.0 0.5 0.5", scaled(file, clone, snapshot));
        vm.poke(at, 21);
        assertEquals("11", text(snapshot, 0, 1));
        assertEquals("1.0 1.0 1.0", scaled(file, clone, snapshot));
    }

    @Test
    @Tag("snapshot.cc:SnapshotModifiedAfterAtLeastOnWrite")
    void bothKindsOfSnapshotGoTogether() {
        VmObject file = scene.supplied(1);
        VmObject one = scene.clone(file, ALOW, 0, 1);
        VmObject other = scene.clone(file, ALOW, 0, 1);
        VmObject ofOne = mod(one, 0, 1);
        VmObject ofRoot = mod(file, 0, 1);
        VmObject below = mod(ofRoot, 0, 1);
        put(ofOne, 0, 2);
        put(below, 0, 3);
        put(file, 0, 4);
        assertEquals("4 4 2 4 3", texts(one, other, ofOne, ofRoot, below));
    }

    private static String texts(VmObject... objects) {
        var text = new StringBuilder();
        for (VmObject object : objects) {
            text.append(text.isEmpty() ? "" : " ").append(text(object, 0, 1));
        }
        return text.toString();
    }

    @Test
    @Tag("snapshot.cc:DropVmos")
    void thoseWhoAreLeftPayForWhatTheyShared() {
        VmObject file = scene.supplied(2);
        VmObject clone = mod(file, 0, 2);
        clone.write(0, new byte[2 * (int) PAGE]);
        VmObject snapshot = mod(clone, 0, 2);
        put(snapshot, 0, 5);
        put(snapshot, 1, 6);
        VmObject part = vm.closing(snapshot.createChild(EnumSet.of(MOD), 0, 1));
        assertEquals("1.5 0.5", scaled(snapshot, part));
        assertEquals("5", text(part, 0, 1));
        assertEquals(1, file.info().childCount());
        snapshot.close();
        assertEquals("1.0", scaled(part));
        assertEquals("5", text(part, 0, 1));
        part.close();
        assertEquals(1, file.info().childCount());
        assertEquals("2.0 2.0", scaled(file, clone));
    }

    @Test
    @Tag("snapshot.cc:ResizeShrinkSnapshot")
    @Tag("snapshot.cc:ResizeShrinkSnapshotWithEmptyParent")
    void shrinkingGivesUpSharesAndNothingWhereThereIsNothing() {
        for (boolean forked : new boolean[] {true, false}) {
            VmObject file = scene.supplied(2);
            VmObject clone = resizableMod(file, 2);
            if (forked) {
                put(clone, 0, 5);
                put(clone, 1, 6);
            }
            VmObject snapshot = resizableMod(clone, 2);
            assertEquals(forked ? "2.0 1.0 1.0" : "2.0 0.0 0.0", scaled(file, clone, snapshot));
            clone.setSize(PAGE);
            assertEquals(forked ? "2.0 0.5 1.5" : "2.0 0.0 0.0", scaled(file, clone, snapshot));
            snapshot.setSize(PAGE);
            assertEquals(forked ? "2.0 0.5 0.5" : "2.0 0.0 0.0", scaled(file, clone, snapshot));
        }
    }

    @Test
    @Tag("snapshot.cc:SnapshotReadOnlyVmo")
    void aSnapshotOfWhatCannotBeWrittenCanBe() {
        var handles = new HandleTable(vm.machine.kernel());
        var calls = new VmoCalls(vm.machine, handles);
        VmObject file = scene.supplied(1);
        int root = handles.add(file, ObjectType.VMO.defaultRights());
        int frozen = calls.createChild(root, ALOW.bit() | VmoChildOption.NO_WRITE.bit(), 0, PAGE);
        MemorySegment octet = MemorySegment.ofArray(new byte[] {9});
        assertEquals(0, handles.rights(frozen) & Rights.WRITE);
        refuses(ZxStatus.ACCESS_DENIED, () -> calls.write(frozen, 0, octet));
        int snapshot = calls.createChild(frozen, MOD.bit(), 0, PAGE);
        calls.write(snapshot, 0, octet);
        assertEquals("9", text(handles.get(snapshot, VmObject.class, Rights.WRITE), 0, 1));
        assertEquals("1", text(handles.get(frozen, VmObject.class, Rights.READ), 0, 1));
        handles.closeAll();
    }

    @Test
    @Tag("snapshot.cc:ReleaseCowParentPagesRight")
    @Tag("snapshot.cc:ReleaseCowParentPagesLeft")
    @Tag("snapshot.cc:ReleaseCowParentPagesLeftAndRight")
    @Tag("snapshot.cc:ReleaseCowParentPagesRightInHiddenNode")
    void aPartialSnapshotKeepsItsPagesWithoutTheWhole() {
        long[][] parts = {{0, 2}, {2, 2}, {1, 2}};
        for (boolean forked : new boolean[] {false, true}) {
            for (long[] part : parts) {
                VmObject file = scene.supplied(4);
                VmObject whole = mod(file, 0, 4);
                if (forked) {
                    put(whole, part[0], 9);
                }
                VmObject partial = mod(whole, part[0], part[1]);
                whole.close();
                assertEquals((forked ? 9 : part[0] + 1) + " " + (part[0] + 2), text(partial, 0, 2));
                assertEquals("1 2 3 4", text(file, 0, 4));
                assertEquals(1, file.info().childCount());
                assertEquals(forked ? "1.0" : "0.0", scaled(partial));
            }
        }
    }

    @Test
    @Tag("snapshot.cc:ZeroRangeFromEndOfParent")
    void zerosBehindTheEndOfTheParentCostNothing() {
        VmObject file = scene.supplied(3);
        VmObject clone = mod(file, 0, 3);
        put(clone, 1, 9);
        VmObject snapshot = mod(clone, 0, 1);
        clone.zero(PAGE, 2 * PAGE);
        assertEquals("1 0 0", text(clone, 0, 3));
        assertEquals("0.0 0.0", scaled(clone, snapshot));
        assertEquals("1 2 3", text(file, 0, 3));
    }

    /// Where page 0 has content when the snapshot zeroes it.
    enum Content {
        NOWHERE,
        ROOT,
        CLONE,
        SNAPSHOT,
        SHARED,
        CHAIN,
        CHAIN_WITHOUT
    }

    @ParameterizedTest
    @EnumSource
    @Tag("snapshot.cc:ZeroRangeLeftInSnapshotNoPagesInParent")
    @Tag("snapshot.cc:ZeroRangeLeftInSnapshotPageInParent")
    @Tag("snapshot.cc:ZeroRangeLeftInSnapshotNoPagesInParentChain")
    @Tag("snapshot.cc:ZeroRangeLeftInSnapshotPagesInParentChain")
    @Tag("snapshot.cc:ZeroRangeLeftInSnapshotPageInSnapshot")
    @Tag("snapshot.cc:ZeroRangeLeftInSnapshotPageInClone")
    @Tag("snapshot.cc:ZeroRangeLeftInSnapshotPageInHiddenNode")
    void zeroHidesTheContentWhereverItIs(Content content) {
        boolean isChain = content == Content.CHAIN || content == Content.CHAIN_WITHOUT;
        boolean isEmpty = content == Content.NOWHERE || content == Content.CHAIN_WITHOUT;
        VmObject file = scene.file(2);
        scene.supply(file, 1, 2);
        if (!isEmpty) {
            scene.supply(file, 0, 1);
        }
        VmObject clone = mod(file, 0, 2);
        if (content == Content.SHARED || content == Content.CHAIN) {
            put(clone, 0, 11);
        }
        VmObject snapshot = mod(isChain ? mod(clone, 0, 2) : clone, 0, 2);
        if (content == Content.CLONE) {
            put(clone, 0, 11);
        }
        if (content == Content.SNAPSHOT) {
            put(snapshot, 0, 21);
        }
        snapshot.zero(0, PAGE);
        assertEquals("0 2", text(snapshot, 0, 2));
        if (isEmpty) {
            scene.supply(file, 0, 1);
        }
        assertEquals("0 2", text(snapshot, 0, 2));
        boolean hasOwn = content == Content.SHARED || isChain && !isEmpty;
        assertEquals(hasOwn || content == Content.CLONE ? "11 2" : "1 2", text(clone, 0, 2));
        put(file, 0, 31);
        put(clone, 0, 41);
        assertEquals("0 2", text(snapshot, 0, 2));
        assertEquals("31 2", text(file, 0, 2));
        scene.requireNoRequest();
    }

    @Test
    @Tag("snapshot.cc:SnapshotVmoWithSlice")
    void aSliceFollowsTheCloneThatItIsOf() {
        VmObject file = scene.supplied(1);
        VmObject clone = mod(file, 0, 1);
        VmObject early = mod(clone, 0, 1);
        put(clone, 0, 5);
        VmObject slice = vm.closing(clone.createSlice(0, PAGE));
        VmObject late = mod(clone, 0, 1);
        assertEquals(3, clone.info().childCount());
        put(clone, 0, 6);
        assertEquals("6 5 1", texts(slice, late, early));
        put(slice, 0, 7);
        assertEquals("7 5 1 1", texts(clone, late, early, file));
    }

    @Test
    @Tag("snapshot.cc:CloneAfterSliceRoot")
    void snapshotsOfARootAndOfItsSliceFollowIt() {
        VmObject file = scene.supplied(1);
        VmObject slice = vm.closing(file.createSlice(0, PAGE));
        VmObject ofFile = mod(file, 0, 1);
        VmObject ofSlice = mod(slice, 0, 1);
        VmObject below = mod(ofFile, 0, 1);
        VmObject belowSlice = mod(ofSlice, 0, 1);
        put(file, 0, 8);
        assertEquals("8 8 8 8 8", texts(slice, ofFile, ofSlice, below, belowSlice));
    }

    @Test
    @Tag("snapshot.cc:CommitRangeInSnapshot")
    void commitMakesASharedPageTheSnapshotsOwn() {
        VmObject clone = mod(scene.supplied(1), 0, 1);
        put(clone, 0, 5);
        VmObject snapshot = mod(clone, 0, 1);
        assertEquals("0.5 0.5", scaled(clone, snapshot));
        snapshot.commit(0, PAGE);
        assertEquals("1.0 1.0", scaled(clone, snapshot));
        assertEquals("5", text(snapshot, 0, 1));
    }

    @Test
    @Tag("snapshot.cc:Read")
    @Tag("snapshot.cc:SnapshotModifiedClone")
    @Tag("snapshot.cc:RootVmoWrite")
    @Tag("snapshot.cc:CloneVmoWrite")
    @Tag("snapshot.cc:SnapshotVmoWrite")
    void eachLevelHasWhatItWroteAndFollowsTheRootTillThen() {
        VmObject file = scene.supplied(1);
        VmObject clone = mod(file, 0, 1);
        VmObject snapshot = mod(clone, 0, 1);
        assertEquals("1 1 1", texts(file, clone, snapshot));
        put(file, 0, 2);
        assertEquals("2 2 2", texts(file, clone, snapshot));
        put(clone, 0, 3);
        assertEquals("2 3 2", texts(file, clone, snapshot));
        put(snapshot, 0, 4);
        assertEquals("2 3 4", texts(file, clone, snapshot));
    }

    @Test
    @Tag("snapshot.cc:CloseClone")
    @Tag("snapshot.cc:CloseSnapshot")
    @Tag("snapshot.cc:CloseRoot")
    @Tag("snapshot.cc:WriteAfterDropSibling")
    void anyOfThemMayGo() {
        for (int gone = 0; gone < 3; gone++) {
            VmObject file = scene.supplied(1);
            VmObject clone = mod(file, 0, 1);
            VmObject snapshot = mod(clone, 0, 1);
            List<VmObject> all = List.of(file, clone, snapshot);
            all.get(gone).close();
            for (int i = 0; i < 3; i++) {
                if (i != gone) {
                    assertEquals("1", text(all.get(i), 0, 1));
                }
            }
            int writer = gone == 2 ? 1 : 2;
            put(all.get(writer), 0, 5);
            assertEquals("5", text(all.get(writer), 0, 1));
            all.forEach(VmObject::close);
        }
    }

    @Test
    @Tag("snapshot.cc:ResizeSnapshotRace")
    void theRootMayShrinkWhileASnapshotIsMade() throws InterruptedException {
        for (int round = 0; round < 300; round++) {
            try (VmObject file =
                    scene.pager.createVmo(scene.queue, 1, 2 * PAGE, VmoOption.RESIZABLE)) {
                scene.supply(file, 0, 1, 2);
                try (VmObject clone = file.createChild(EnumSet.of(MOD), 0, 2 * PAGE)) {
                    put(clone, 1, 5);
                    var shrinking = PagerScene.run(() -> file.setSize(PAGE));
                    try (VmObject snapshot = clone.createChild(EnumSet.of(MOD), 0, 2 * PAGE)) {
                        shrinking.result();
                        assertEquals("1 5", text(snapshot, 0, 2));
                        assertEquals("1 5", text(clone, 0, 2));
                    }
                }
            }
            assertEquals("COMPLETE 0+0", scene.request());
        }
    }

    // ---- of other suites

    @Test
    @Tag("vmo-clone2.cc:NoSnapshotPager")
    @Tag("vmo-reference.cc:UnsupportedChild")
    @Tag("vmo-reference.cc:ChildSnapshotAtLeastOnWrite")
    void fullSnapshotsAreNotForObjectsWithAPagerAndReferencesAreNoDifferent() {
        VmObject file = scene.supplied(1);
        VmObject reference = vm.closing(file.createReference());
        VmObject clone = scene.clone(file, ALOW, 0, 1);
        for (VmObject vmo : List.of(file, reference, clone)) {
            refuses(NOT_SUPPORTED, () -> vmo.createSnapshot(0, PAGE));
        }
        VmObject child = scene.clone(reference, ALOW, 0, 1);
        put(file, 0, 5);
        assertEquals("5", text(child, 0, 1));
        put(child, 0, 6);
        put(reference, 0, 7);
        assertEquals("7 7 6", texts(file, reference, child));
    }

    @Test
    @Tag("vmo-clone2.cc:SnapshotAtLeastOnWriteSliceInChain")
    void aSliceInTheMiddleOfALineIsSnapshotted() {
        VmObject file = scene.file(1);
        scene.supply(file, 0, 1);
        VmObject one = scene.clone(file, ALOW, 0, 1);
        put(one, 0, 2);
        VmObject two = scene.clone(one, ALOW, 0, 1);
        put(two, 0, 3);
        VmObject last = scene.clone(vm.closing(one.createSlice(0, PAGE)), ALOW, 0, 1);
        assertEquals("1 2 3 2", texts(file, one, two, last));
        put(last, 0, 4);
        assertEquals("1 2 3 4", texts(file, one, two, last));
    }

    @Test
    @Tag("vmo-zero.cc:ZeroHiddenNoContent")
    void zeroAsksNobodyForPagesThatWereNeverSupplied() {
        VmObject file = scene.file(1);
        VmObject one = mod(file, 0, 2);
        VmObject two = mod(one, 0, 2);
        two.zero(0, 2 * PAGE);
        scene.requireNoRequest();
        assertEquals("0 0", text(two, 0, 2));
        assertEquals(0, two.info().committedBytes());
    }
}
