package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.kobject.ZxStatus;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Copies of each other: who sees what, and who pays for which page (the check values of section
/// 10.6).
class VmoSnapshotTest extends VmoFixture {
    @Test
    @Tag("O-160")
    @Tag("vmo-clone2.cc:Read")
    @Tag("vmo-clone2.cc:CloneVmoWrite")
    @Tag("vmo-clone2.cc:ParentVmoWrite")
    @Tag("zcore/paged:create_child")
    void neitherSideSeesTheOthersWrites() {
        VmObject vmo = written(2);
        VmObject copy = snapshot(vmo, 0, 2);
        put(vmo, 0, 50);
        put(copy, 1, 60);
        assertEquals(List.of(50, 2), List.of(at(vmo, 0), at(vmo, 1)));
        assertEquals(List.of(1, 60), List.of(at(copy, 0), at(copy, 1)));
    }

    @Test
    @Tag("O-152")
    void pagesBeyondTheParentAreZeroForever() {
        VmObject vmo = written(1, VmoOption.RESIZABLE);
        VmObject copy = snapshot(vmo, 0, 2);
        vmo.setSize(2 * PAGE);
        put(vmo, 1, 7);
        assertEquals(0, at(copy, 1));
    }

    @Test
    @Tag("O-151")
    @Tag("vmo-clone2.cc:NoAccumulatedOverflow")
    void sumsOfOffsetsMustNotWrap() {
        VmObject vmo = keep(VmObject.create(machine, 0));
        VmObject child =
                keep(vmo.createChild(EnumSet.of(VmoChildOption.SNAPSHOT), 0xffffffffffff8000L, 0));
        refused(
                ZxStatus.INVALID_ARGS,
                () -> child.createChild(EnumSet.of(VmoChildOption.SNAPSHOT), 0x8000, 0));
        VmObject grandchild =
                keep(
                        child.createChild(
                                EnumSet.of(VmoChildOption.SNAPSHOT, VmoChildOption.RESIZABLE),
                                0x4000,
                                0));
        refused(ZxStatus.INVALID_ARGS, () -> grandchild.setSize(0x8000));
    }

    @Test
    @Tag("O-158")
    void aSliceIsNotSnapshotted() {
        VmObject window = slice(written(1), 0, 1);
        refused(ZxStatus.NOT_SUPPORTED, () -> window.createSnapshot(0, PAGE));
    }

    @Test
    @Tag("O-193")
    @Tag("O-125")
    @Tag("vmo-clone2.cc:PinBeforeCreateFailure")
    void aPinnedObjectIsNotSnapshotted() {
        VmObject vmo = written(1);
        PinnedPages pinned = vmo.pin(0, PAGE);
        refused(ZxStatus.BAD_STATE, () -> vmo.createSnapshot(0, PAGE));
        pinned.close();
        snapshot(vmo, 0, 1);
    }

    @Test
    @Tag("O-201")
    @Tag("vmo-clone2.cc:ObjMemAccounting")
    void writesMoveTheSharesStepByStep() {
        VmObject original = written(2);
        VmObject copy = snapshot(original, 0, 2);
        assertEquals(List.of(1.0, 1.0), scaled(original, copy));
        put(original, 0, 9);
        assertEquals(List.of(1.5, 1.5), scaled(original, copy));
        put(copy, 1, 9);
        assertEquals(List.of(2.0, 2.0), scaled(original, copy));
        put(original, 1, 9);
        put(copy, 0, 9);
        assertEquals(List.of(2.0, 2.0), scaled(original, copy));
    }

    @Test
    @Tag("O-202")
    void unwrittenRelativesShareNothing() {
        VmObject a = paged(1);
        VmObject b = snapshot(a, 0, 1);
        VmObject c = snapshot(a, 0, 1);
        VmObject d = snapshot(b, 0, 1);
        put(b, 0, 1);
        assertEquals(List.of(0.0, 1.0, 0.0, 0.0), scaled(a, b, c, d));
        assertEquals(List.of(0, 1, 0, 0), List.of(at(a, 0), at(b, 0), at(c, 0), at(d, 0)));
    }

    @Test
    @Tag("O-203")
    @Tag("O-204")
    @Tag("vmo-clone2.cc:Offset")
    @Tag("vmo-clone2.cc:OffsetTest2")
    void closingGivesTheSharesToTheOthers() {
        VmObject original = written(3);
        VmObject copy = snapshot(original, 1, 3);
        assertEquals(List.of(2.0, 1.0), scaled(original, copy));
        assertEquals(List.of(2, 3, 0), List.of(at(copy, 0), at(copy, 1), at(copy, 2)));
        put(copy, 1, 9);
        original.close();
        assertEquals(List.of(2.0), scaled(copy));
        VmObject four = written(4);
        VmObject middle = snapshot(four, 1, 3);
        VmObject left = snapshot(middle, 0, 2);
        VmObject right = snapshot(middle, 2, 1);
        put(middle, 1, 9);
        middle.close();
        assertEquals(List.of(2.5, 1.0, 0.5), scaled(four, left, right));
        left.close();
        assertEquals(List.of(3.5, 0.5), scaled(four, right));
        right.close();
        assertEquals(List.of(4.0), scaled(four));
    }

    @Test
    @Tag("O-205")
    @Tag("O-222")
    @Tag("O-223")
    @Tag("vmo-clone2.cc:Overflow")
    @Tag("zcore/paged:overflow")
    void thirdsOfAPageAreCountedToTheFraction() {
        VmObject original = written(1);
        VmObject c = snapshot(original, 0, 2);
        put(c, 1, 5);
        VmObject c2 = snapshot(c, 0, 3);
        assertEquals(List.of(0.333333, 0.833333, 0.833333), scaled(original, c, c2));
        put(c2, 2, 5);
        assertEquals(List.of(0.333333, 0.833333, 1.833333), scaled(original, c, c2));
        put(c2, 0, 5);
        put(c2, 1, 5);
        assertEquals(List.of(0.5, 1.5, 3.0), scaled(original, c, c2));
        c.close();
        assertEquals(List.of(1.0, 3.0), scaled(original, c2));
    }

    @Test
    @Tag("O-209")
    @Tag("O-166")
    void shrinkingGivesSharesUpForGood() {
        VmObject original = written(4);
        VmObject copy =
                keep(
                        original.createChild(
                                EnumSet.of(VmoChildOption.SNAPSHOT, VmoChildOption.RESIZABLE),
                                0,
                                4 * PAGE));
        put(original, 1, 9);
        put(copy, 2, 9);
        assertEquals(List.of(3.0, 3.0), scaled(original, copy));
        copy.setSize(PAGE);
        assertEquals(List.of(3.5, 0.5), scaled(original, copy));
        copy.setSize(2 * PAGE);
        assertEquals(0, at(copy, 1));
    }

    @Test
    @Tag("O-211")
    void manyFullClonesShareEvenly() {
        VmObject original = written(6);
        List<VmObject> clones = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            clones.add(snapshot(original, 0, 6));
        }
        for (int i = 0; i < 5; i++) {
            put(clones.get(i), i, 99);
        }
        assertEquals(List.of(1.166667), scaled(original));
        assertEquals(List.of(1.966667), scaled(clones.getFirst()));
        original.close();
        assertEquals(List.of(2.2), scaled(clones.getLast()));
    }

    @Test
    @Tag("O-212")
    @Tag("O-98")
    @Tag("O-99")
    @Tag("vmo-zero.cc:MergeZeroChildren")
    void zeroGivesUpOneShareOnly() {
        VmObject parent = written(1);
        VmObject child = snapshot(parent, 0, 1);
        parent.zero(0, PAGE);
        assertEquals(List.of(0.0, 1.0), scaled(parent, child));
        assertEquals(List.of(0, 1), List.of(at(parent, 0), at(child, 0)));
        child.close();
        assertEquals(List.of(0.0), scaled(parent));
        assertEquals(0, at(parent, 0));
    }

    @Test
    @Tag("O-213")
    @Tag("vmo-zero.cc:AllocateAfterMergeMultipleChildren")
    void aLongFamilyHistoryAddsUp() {
        VmObject parent = written(3);
        VmObject c1 = snapshot(parent, 0, 3);
        parent.zero(0, PAGE);
        assertEquals(List.of(1.0, 2.0), scaled(parent, c1));
        VmObject c2 = snapshot(parent, 0, 3);
        assertEquals(List.of(0.666667, 1.666667, 0.666667), scaled(parent, c1, c2));
        c1.zero(PAGE, PAGE);
        assertEquals(List.of(0.833333, 1.333333, 0.833333), scaled(parent, c1, c2));
        c1.close();
        assertEquals(List.of(1.0, 1.0), scaled(parent, c2));
        parent.write(1, new byte[] {1});
        assertEquals(List.of(2.0, 1.0), scaled(parent, c2));
        put(c2, 1, 9);
        assertEquals(List.of(2.5, 1.5), scaled(parent, c2));
    }

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4, 5})
    @Tag("O-171")
    @Tag("O-224")
    void agreesWithPlainCopies(long seed) {
        int pages = 5;
        var random = new SplittableRandom(seed);
        List<VmObject> objects = new ArrayList<>(List.of(paged(pages)));
        List<int[]> models = new ArrayList<>(List.of(new int[pages]));
        long frames = machine.frames().freeFrames();
        for (int step = 0; step < 1500; step++) {
            int which = random.nextInt(objects.size());
            int page = random.nextInt(pages);
            switch (random.nextInt(8)) {
                case 0 -> {
                    if (objects.size() < 8) {
                        objects.add(snapshot(objects.get(which), 0, pages));
                        models.add(models.get(which).clone());
                    }
                }
                case 1 -> {
                    if (objects.size() > 1) {
                        objects.remove(which).close();
                        models.remove(which);
                    }
                }
                case 2 -> {
                    objects.get(which).zero(page * PAGE, PAGE);
                    models.get(which)[page] = 0;
                }
                case 3 -> objects.get(which).commit(page * PAGE, PAGE);
                default -> {
                    int value = 1 + random.nextInt(100);
                    put(objects.get(which), page, value);
                    models.get(which)[page] = value;
                }
            }
            double total = 0;
            for (int i = 0; i < objects.size(); i++) {
                for (int p = 0; p < pages; p++) {
                    assertEquals(models.get(i)[p], at(objects.get(i), p), "step " + step);
                }
                total += scaled(objects.get(i)).getFirst();
            }
            assertEquals(
                    frames - machine.frames().freeFrames(),
                    Math.round(total * 1000) / 1000.0,
                    0.001);
        }
    }
}
