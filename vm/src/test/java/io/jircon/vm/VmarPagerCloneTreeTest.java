package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NOT_SUPPORTED;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.vm.PagerScene.scaled;
import static io.jircon.vm.PagerScene.text;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.refuses;
import static io.jircon.vm.VmoFixture.put;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Which snapshots can be made of what, where a pager is at the root, and what becomes of them when
/// their relatives change size or go.
@Timeout(120)
class VmarPagerCloneTreeTest {
    private static final VmoChildOption SNAP = VmoChildOption.SNAPSHOT;
    private static final VmoChildOption ALOW = VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE;
    private static final VmoChildOption MOD = VmoChildOption.SNAPSHOT_MODIFIED;

    private final PagerScene scene = new PagerScene();
    private final VmarFixture vm = scene.vm;
    private VmObject file;

    @AfterEach
    void tearDown() {
        scene.close();
    }

    /// The file, whose pages hold 1, 2, 3 and so on.
    private VmObject supplied(int pages, VmoOption... options) {
        file = scene.supplied(pages, options);
        return file;
    }

    private VmObject clone(VmObject vmo, VmoChildOption type, long page, long pages) {
        return scene.clone(vmo, type, page, pages);
    }

    private VmObject resizable(VmObject vmo, VmoChildOption type, long page, long pages) {
        return vm.closing(
                vmo.createChild(
                        EnumSet.of(type, VmoChildOption.RESIZABLE), page * PAGE, pages * PAGE));
    }

    private void refused(String clause, VmObject vmo, VmoChildOption type) {
        refuses(NOT_SUPPORTED, clause, () -> clone(vmo, type, 0, 1));
    }

    // ---- what can be made

    @Test
    @Tag("O-156")
    void withoutAPagerEveryTypeIsAFullSnapshot() {
        VmObject vmo = scene.contents(1, 2);
        for (VmoChildOption type : List.of(SNAP, ALOW, MOD)) {
            VmObject child = clone(vmo, type, 0, 2);
            VmObject grandchild = clone(child, type, 0, 2);
            put(vmo, 0, 9);
            put(child, 1, 8);
            assertEquals("1 2", text(grandchild, 0, 2));
            put(vmo, 0, 1);
        }
    }

    @Test
    @Tag("O-155")
    @Tag("O-157")
    void noFullSnapshotWhereAPagerIsAtTheRoot() {
        supplied(2);
        VmObject unforked = clone(file, ALOW, 0, 2);
        VmObject forked = clone(file, MOD, 0, 2);
        put(forked, 0, 5);
        VmObject snapshot = clone(forked, MOD, 0, 2);
        VmObject slice = vm.closing(file.createSlice(0, PAGE));
        VmObject reference = vm.closing(forked.createReference());
        for (VmObject vmo : List.of(file, unforked, forked, snapshot, slice, reference)) {
            refused("O-157", vmo, SNAP);
        }
        refuses(
                NOT_SUPPORTED,
                "O-157",
                () -> vm.closing(unforked.createChild(EnumSet.of(SNAP), -PAGE, 0)));
    }

    @Test
    @Tag("O-157")
    @Tag("snapshot.cc:AtLeastOnWriteAfterSnapshotModified")
    void atLeastOnWriteOfASnapshotIsASnapshot() {
        supplied(2);
        VmObject one = clone(file, ALOW, 0, 2);
        put(one, 0, 11);
        VmObject two = clone(one, MOD, 0, 2);
        for (VmObject member : List.of(one, two)) {
            VmObject child = clone(member, ALOW, 0, 2);
            put(member, 0, 21);
            assertEquals("11 2", text(child, 0, 2));
            assertEquals(PAGE, child.info().committedBytes());
            child.close();
            put(member, 0, 11);
        }
    }

    @Test
    @Tag("O-157")
    @Tag("O-161")
    void atLeastOnWriteOfWhatWasASnapshotFollowsItAgain() {
        supplied(2);
        VmObject one = clone(file, ALOW, 0, 2);
        put(one, 0, 11);
        clone(one, MOD, 0, 2).close();
        VmObject child = clone(one, ALOW, 0, 2);
        put(one, 0, 21);
        assertEquals("21 2", text(child, 0, 2));
        assertEquals("2.0 1.0 0.0", scaled(file, one, child));
    }

    @Test
    @Tag("O-142")
    @Tag("O-158")
    @Tag("snapshot.cc:AlowSlice")
    @Tag("snapshot.cc:SnapshotSlice")
    @Tag("snapshot.cc:SnapshotSliceAtLeastOnWrite")
    void slicesHaveOnlySnapshotsThatFollow() {
        supplied(4);
        VmObject rootSlice = vm.closing(file.createSlice(PAGE, 3 * PAGE));
        VmObject inner = vm.closing(rootSlice.createSlice(PAGE, 2 * PAGE));
        assertEquals("2 3 4", text(clone(rootSlice, ALOW, 0, 3), 0, 3));
        VmObject far = clone(inner, MOD, 1, 2);
        assertEquals("4 0", text(far, 0, 2));
        put(file, 3, 14);
        assertEquals("14 0", text(far, 0, 2));
        assertEquals(inner.koid(), far.info().parentKoid());
        put(clone(far, MOD, 0, 1), 0, 9);

        VmObject one = clone(file, ALOW, 0, 4);
        put(one, 1, 12);
        VmObject slice = vm.closing(one.createSlice(PAGE, PAGE));
        assertEquals("12", text(clone(slice, ALOW, 0, 1), 0, 1));
        refused("O-158", slice, MOD);
        VmObject other = clone(file, ALOW, 0, 4);
        VmObject snapshot = clone(other, MOD, 0, 4);
        for (VmObject member : List.of(other, snapshot)) {
            VmObject window = vm.closing(member.createSlice(PAGE, PAGE));
            refused("O-158", window, ALOW);
            refused("O-158", window, MOD);
        }
    }

    @Test
    @Tag("O-146")
    void snapshotsOfAReferenceAreThoseOfTheObject() {
        supplied(2);
        VmObject reference = vm.closing(file.createReference());
        VmObject child = clone(reference, ALOW, 0, 2);
        assertEquals(reference.koid(), child.info().parentKoid());
        put(file, 0, 11);
        assertEquals("11 2", text(child, 0, 2));
        put(child, 0, 21);
        put(reference, 0, 31);
        assertEquals("21 2", text(child, 0, 2));
        VmObject childReference = vm.closing(child.createReference());
        VmObject snapshot = clone(childReference, MOD, 0, 2);
        put(child, 0, 41);
        assertEquals("21 2", text(snapshot, 0, 2));
        assertEquals(childReference.koid(), snapshot.info().parentKoid());
    }

    @Test
    @Tag("O-159")
    @Tag("O-162")
    void noSnapshotOfWhatIsAboveOrBelowAnother() {
        supplied(3);
        VmObject top = clone(file, ALOW, 0, 3);
        VmObject early = clone(top, ALOW, 0, 3);
        put(top, 0, 11);
        VmObject below = clone(top, ALOW, 0, 2);
        VmObject beside = clone(top, ALOW, 1, 2);
        refused("O-159", top, MOD);
        refused("O-159", below, MOD);
        // Those between which and the root nobody has a page hang at the root.
        clone(early, MOD, 0, 3);
        clone(beside, MOD, 0, 2);
        below.close();
        put(clone(top, MOD, 0, 3), 0, 12);
        assertEquals("11 2 3", text(top, 0, 3));
        assertEquals("1 2 3", text(early, 0, 3));
    }

    @Test
    @Tag("O-150")
    @Tag("O-193")
    void snapshotChecksInOrder() {
        supplied(2);
        VmObject top = clone(file, ALOW, 0, 2);
        put(top, 0, 11);
        VmObject below = clone(top, ALOW, 0, 2);
        long far = -4 * PAGE;
        refuses(INVALID_ARGS, "O-150", () -> file.createChild(EnumSet.of(SNAP), 1, 0));
        refuses(
                OUT_OF_RANGE,
                "O-150",
                () -> file.createChild(EnumSet.of(SNAP), 2 * PAGE, -16 * PAGE + 1));
        refuses(OUT_OF_RANGE, "O-150", () -> file.createChild(EnumSet.of(ALOW), far, 4 * PAGE));
        VmObject high = vm.closing(file.createChild(EnumSet.of(ALOW), far, 0));
        refuses(NOT_SUPPORTED, "O-157", () -> high.createChild(EnumSet.of(SNAP), 4 * PAGE, 0));
        refuses(INVALID_ARGS, "O-151", () -> high.createChild(EnumSet.of(ALOW), 4 * PAGE, 0));
        VmObject slice = vm.closing(file.createSlice(PAGE, PAGE));
        refuses(OUT_OF_RANGE, "O-150", () -> slice.createChild(EnumSet.of(ALOW), -PAGE, 0));
        VmObject topSlice = vm.closing(top.createSlice(0, PAGE));
        try (PinnedPages one = top.pin(0, PAGE);
                PinnedPages two = below.pin(0, PAGE)) {
            refused("O-158", topSlice, MOD);
            refuses(BAD_STATE, "O-193", () -> clone(top, MOD, 0, 1));
            refuses(BAD_STATE, "O-193", () -> clone(below, MOD, 0, 1));
            assertEquals(2, one.pageCount() + two.pageCount());
            clone(top, ALOW, 0, 1);
        }
        refused("O-159", top, MOD);
        try (PinnedPages pinned = file.pin(0, PAGE)) {
            assertEquals(1, pinned.pageCount());
            assertEquals("1 2", text(clone(file, MOD, 0, 2), 0, 2));
        }
    }

    @Test
    @Tag("O-151")
    void growingACloneMustNotWrapItsOffsets() {
        supplied(1);
        VmObject high = resizable(file, ALOW, -8, 0);
        high.setSize(7 * PAGE);
        refuses(INVALID_ARGS, "O-151", () -> high.setSize(8 * PAGE));
        assertEquals("0 0 0 0 0 0 0", text(high, 0, 7));
    }

    // ---- how far they see

    @Test
    @Tag("O-152")
    @Tag("O-153")
    void aCloneSeesNoMoreThanItsParentDidWhenItWasMade() {
        supplied(4, VmoOption.RESIZABLE);
        VmObject narrow = clone(file, ALOW, 1, 1);
        VmObject wide = clone(narrow, ALOW, 0, 3);
        VmObject beyond = clone(file, MOD, 3, 3);
        VmObject outside = clone(file, MOD, 9, 2);
        assertEquals("2 0 0", text(wide, 0, 3));
        assertEquals("4 0 0", text(beyond, 0, 3));
        assertEquals("0 0", text(outside, 0, 2));
        file.setSize(16 * PAGE);
        put(file, 4, 5);
        put(file, 10, 6);
        assertEquals("2 0 0", text(wide, 0, 3));
        assertEquals("4 0 0", text(beyond, 0, 3));
        assertEquals("0 0", text(outside, 0, 2));
        VmObject snapshot = clone(beyond, MOD, 0, 3);
        assertEquals("4 0 0", text(snapshot, 0, 3));
        put(beyond, 1, 7);
        assertEquals("7 0", text(clone(beyond, MOD, 1, 2), 0, 2));
    }

    @Test
    @Tag("O-159")
    void whatWasZeroedAndCutIsNoPageOfItsOwn() {
        supplied(4);
        VmObject top = resizable(file, ALOW, 0, 4);
        top.zero(2 * PAGE, 2 * PAGE);
        top.setSize(PAGE);
        top.setSize(4 * PAGE);
        clone(top, ALOW, 0, 4); // hangs at the root
        put(clone(top, MOD, 0, 4), 0, 5);
        assertEquals("1 0 0 0", text(top, 0, 4));
    }

    @Test
    @Tag("O-161")
    @Tag("O-255")
    void zerosOfTheRootThatASnapshotShowsGoWhenTheRootIsWritten() {
        supplied(1, VmoOption.RESIZABLE);
        file.setSize(3 * PAGE);
        requireZerosToGo(clone(file, ALOW, 0, 3), file);
    }

    @Test
    @Tag("O-161")
    @Tag("O-255")
    void zerosOfTheRootThatAFollowerShowsGoWhenTheFollowedIsWritten() {
        supplied(1, VmoOption.RESIZABLE);
        file.setSize(3 * PAGE);
        VmObject top = clone(file, ALOW, 0, 3);
        put(top, 0, 11);
        requireZerosToGo(clone(top, ALOW, 0, 3), top);
    }

    /// Looks at zeros in pages 1 and 2, and again after what they are of was written.
    private void requireZerosToGo(VmObject shown, VmObject followed) {
        long at = vm.root.map(RW, 0, shown, 0, 3 * PAGE);
        assertEquals(0, vm.peek(at + PAGE));
        assertEquals(0, vm.peek(at + 2 * PAGE));
        put(followed, 1, 12);
        followed.commit(2 * PAGE, PAGE);
        put(followed, 2, 13);
        vm.root.checkInvariants();
        assertEquals(12, vm.peek(at + PAGE));
        assertEquals(13, vm.peek(at + 2 * PAGE));
    }

    @Test
    @Tag("O-103")
    @Tag("O-255")
    void pagesAmongZerosAndPastWhatIsSeenAreFound() {
        supplied(6, VmoOption.RESIZABLE);
        VmObject top = clone(file, ALOW, 0, 6);
        long at = vm.root.map(RW, 0, top, 0, 6 * PAGE);
        top.zero(PAGE, 3 * PAGE);
        file.setSize(4 * PAGE);
        vm.poke(at + 2 * PAGE, 13);
        vm.poke(at + 5 * PAGE, 16);
        assertEquals("1 0 13 0 0 16", text(top, 0, 6));
        VmObject below = clone(top, ALOW, 0, 6);
        long beneath = vm.root.map(RW.with(VmarFlags.MAP_RANGE), 0, below, 0, 6 * PAGE);
        assertEquals("101001", vm.entries(beneath, 6));
        top.zero(PAGE, 5 * PAGE);
        vm.root.checkInvariants();
        assertEquals(0, vm.peek(at + 2 * PAGE));
        assertEquals(0, vm.peek(at + 5 * PAGE));
        assertEquals("1 0 0 0 0 0", text(below, 0, 6));
    }

    @Test
    @Tag("O-56")
    @Tag("O-168")
    @Tag("O-169")
    @Tag("pager.cc:CloneResizeParentOK")
    @Tag("pager.cc:CloneShrinkGrowParent")
    void shrinkingTheRootCutsWhatClonesSeeForGood() {
        supplied(4, VmoOption.RESIZABLE);
        VmObject top = clone(file, ALOW, 1, 3);
        put(top, 2, 14);
        VmObject below = clone(top, ALOW, 0, 3);
        VmObject offset = clone(file, MOD, 3, 1);
        long at = vm.root.map(RW, 0, below, 0, 3 * PAGE);
        assertEquals(3, vm.peek(at + PAGE));
        file.setSize(2 * PAGE);
        vm.root.checkInvariants();
        assertEquals("2 0 14", text(top, 0, 3));
        assertEquals(0, vm.peek(at + PAGE));
        assertEquals(14, vm.peek(at + 2 * PAGE));
        file.setSize(4 * PAGE);
        file.write(2 * PAGE, new byte[] {7});
        file.write(3 * PAGE, new byte[] {8});
        assertEquals("2 0 14", text(top, 0, 3));
        assertEquals("2 0 14", text(below, 0, 3));
        assertEquals("0", text(offset, 0, 1));
        put(top, 1, 13);
        assertEquals(13, vm.peek(at + PAGE));
    }

    @Test
    @Tag("O-57")
    @Tag("O-61")
    void aCloneThatShrinksAndGrowsShowsZeros() {
        supplied(4);
        VmObject top = resizable(file, ALOW, 0, 4);
        put(top, 1, 12);
        put(top, 3, 14);
        VmObject below = clone(top, ALOW, 0, 4);
        long at = vm.root.map(RW, 0, below, 0, 4 * PAGE);
        assertEquals(3, vm.peek(at + 2 * PAGE));
        assertEquals(14, vm.peek(at + 3 * PAGE));
        top.setSize(PAGE + 5);
        vm.root.checkInvariants();
        assertEquals("1 12 0 0", text(below, 0, 4));
        assertEquals(0, vm.peek(at + 2 * PAGE));
        top.setSize(4 * PAGE);
        assertEquals("1 12 0 0", text(top, 0, 4));
        put(top, 3, 24);
        assertEquals("1 12 0 0", text(below, 0, 4));
        top.setSize(0);
        assertEquals("0 0 0 0", text(below, 0, 4));
        assertEquals(0, top.info().committedBytes());
        assertEquals("1 2 3 4", text(file, 0, 4));
    }

    @Test
    @Tag("O-52")
    @Tag("O-166")
    void shrinkingIntoAPageCopiesItFirst() throws InterruptedException {
        file = scene.file(1);
        VmObject top = resizable(file, ALOW, 0, 1);
        var shrink = PagerScene.run(() -> top.setSize(1));
        assertEquals("READ 0+1", scene.request());
        try (VmObject aux = vm.vmo(1)) {
            aux.write(0, new byte[] {1, 2});
            scene.pager.supplyPages(file, 0, PAGE, aux, 0);
        }
        shrink.result();
        assertEquals(1, top.read(0, 2)[0]);
        assertEquals(0, top.read(0, 2)[1]);
        assertEquals(2, file.read(0, 2)[1]);
        assertEquals(1, top.streamSizeBytes());
        VmObject snapshot = clone(top, MOD, 0, 1);
        assertEquals("0.5 0.5", scaled(top, snapshot));
        top.setSize(0);
        assertEquals("0.0 1.0", scaled(top, snapshot));
        assertEquals("1", text(snapshot, 0, 1));
    }

    @Test
    @Tag("O-67")
    @Tag("O-154")
    void aCloneHasAStreamOfItsOwn() throws InterruptedException {
        supplied(3);
        VmObject top = vm.closing(file.createChild(EnumSet.of(ALOW), 0, 2 * PAGE + 7));
        assertEquals(3 * PAGE, top.sizeBytes());
        assertEquals(2 * PAGE + 7, top.streamSizeBytes());
        top.setStreamSize(PAGE);
        assertEquals("1 0 0", text(top, 0, 3));
        assertEquals("1 2 3", text(file, 0, 3));
        assertEquals(3 * PAGE, file.streamSizeBytes());
        assertEquals(0, top.info().committedBytes());
    }

    // ---- who goes first

    @ParameterizedTest
    @ValueSource(strings = {"ALOW", "MOD"})
    @Tag("O-9")
    @Tag("O-171")
    @Tag("pager.cc:DeepHierarchy")
    void aLongLineOfSnapshotsIsUsedAndTakenDown(String kind) {
        supplied(2);
        int count = 3000;
        List<VmObject> line = new ArrayList<>();
        VmObject last = file;
        for (int i = 0; i < count; i++) {
            last =
                    kind.equals("ALOW") || i == 0
                            ? last.createChild(EnumSet.of(ALOW), 0, 2 * PAGE)
                            : last.createChild(EnumSet.of(MOD), 0, 2 * PAGE);
            line.add(last);
            put(last, 0, i % 100);
        }
        assertEquals((count - 1) % 100 + " 2", text(last, 0, 2));
        long at = vm.root.map(RW, 0, last, 0, 2 * PAGE);
        assertEquals(2, vm.peek(at + PAGE));
        file.zero(PAGE, PAGE);
        assertEquals(0, vm.peek(at + PAGE));
        put(file, 1, 5);
        assertEquals(5, vm.peek(at + PAGE));
        vm.root.unmap(at, 2 * PAGE);
        assertTrue(file.highPriorityCount() == 0);
        Collections.reverse(line);
        line.subList(count / 2, count).forEach(VmObject::close);
        file.close();
        assertEquals((count - 1) % 100 + " 5", text(last, 0, 2));
        line.forEach(VmObject::close);
        assertEquals("COMPLETE 0+0", request());
    }

    private String request() {
        try {
            return scene.request();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    @Tag("O-164")
    @Tag("O-171")
    void relativesGoInAnyOrder() {
        for (int order = 0; order < 24; order++) {
            supplied(3);
            VmObject one = clone(file, MOD, 0, 3);
            put(one, 0, 11);
            put(one, 1, 12);
            VmObject slice = vm.closing(one.createSlice(0, PAGE));
            VmObject two = clone(one, MOD, 0, 3);
            put(two, 1, 22);
            VmObject three = clone(two, MOD, 1, 2);
            put(one, 0, 31);
            assertEquals("31", text(slice, 0, 1));
            List<VmObject> left = new ArrayList<>(List.of(file, one, two, three));
            List<String> shown = List.of("1 2 3", "31 12 3", "11 22 3", "22 3");
            List<String> texts = new ArrayList<>(shown);
            int number = order;
            for (int n = 4; n > 1; n--) {
                int next = number % n;
                number /= n;
                left.remove(next).close();
                texts.remove(next);
                for (int i = 0; i < left.size(); i++) {
                    VmObject vmo = left.get(i);
                    assertEquals(texts.get(i), text(vmo, 0, vmo.sizeBytes() / PAGE));
                }
            }
            left.getFirst().close();
            slice.close();
            assertEquals("COMPLETE 0+0", request());
        }
    }
}
