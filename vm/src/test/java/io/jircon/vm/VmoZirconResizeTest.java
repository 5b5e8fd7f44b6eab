package io.jircon.vm;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What Zircon's own suite tests of snapshots that are resized, closed and cut into parts
/// (`vmo-clone2.cc`), where no other test here does.
class VmoZirconResizeTest extends VmoMappedFixture {
    private static final Consumer<VmObject> CLOSE = VmObject::close;
    private static final Consumer<VmObject> TRUNCATE = vmo -> vmo.setSize(0);

    /// Four copies of a page each, two directly and two by way of another copy.
    private List<VmObject> leaves(VmObject whole, VmObject middle) {
        return List.of(
                snapshot(whole, 0, 1),
                snapshot(middle, 0, 1),
                snapshot(middle, 1, 1),
                snapshot(whole, 3, 1));
    }

    private static void assertOnePageEach(List<VmObject> leaves, int first) {
        for (int i = 0; i < leaves.size(); i++) {
            assertPages(leaves.get(i), first + i);
            assertCharged(List.of(1.0), leaves.get(i));
        }
    }

    @Test
    @Tag("vmo-clone2.cc:DisjointCloneEarlyClose")
    @Tag("vmo-clone2.cc:DisjointCloneLateClose")
    void copiesOfSinglePagesOutliveWhatTheyWereCutFrom() {
        for (boolean early : new boolean[] {true, false}) {
            VmObject whole = written(4);
            VmObject middle = snapshot(whole, 1, 2);
            List<VmObject> leaves = leaves(whole, middle);
            List<VmObject> upper = List.of(whole, middle);
            if (early) {
                upper.forEach(VmObject::close);
                assertOnePageEach(leaves, 1);
            }
            for (int i = 0; i < 4; i++) {
                put(leaves.get(i), 0, 10 + i);
            }
            assertOnePageEach(leaves, 10);
            upper.forEach(VmObject::close);
            assertOnePageEach(leaves, 10);
        }
    }

    @Test
    @Tag("vmo-clone2.cc:DisjointCloneTest2")
    void leavesMayGoInEveryOrder() {
        for (List<Integer> order : VmoZirconCloneTest.orders(4)) {
            VmObject whole = written(4);
            VmObject middle = snapshot(whole, 1, 2);
            List<VmObject> leaves = leaves(whole, middle);
            whole.close();
            middle.close();
            for (int done = 0; done < 4; done++) {
                for (int left : order.subList(done, 4)) {
                    assertPages(leaves.get(left), left + 1);
                    assertCharged(List.of(1.0), leaves.get(left));
                }
                leaves.get(order.get(done)).close();
            }
        }
    }

    @Test
    @Tag("vmo-clone2.cc:DisjointCloneProgressive")
    void partsOfACopyGoOneByOneAndTheOriginalIsCopiedAgain() {
        VmObject whole = written(6);
        VmObject main = snapshot(whole, 1, 5);
        put(main, 3, 40);
        VmObject[] parts = {
            snapshot(main, 0, 2), snapshot(main, 2, 1), snapshot(main, 3, 2), snapshot(main, 9, 1)
        };
        assertPages(parts[0], 2, 3);
        assertPages(parts[1], 4);
        assertPages(parts[2], 40, 6);
        assertPages(parts[3], 0);
        parts[2].close();
        main.close();
        parts[0].close();
        assertPages(parts[1], 4);
        parts[3].close();
        parts[1].close();
        VmObject again = snapshot(whole, 0, 6);
        assertPages(again, 1, 2, 3, 4, 5, 6);
        put(whole, 4, 9);
        assertPages(whole, 1, 2, 3, 4, 9, 6);
        assertPages(again, 1, 2, 3, 4, 5, 6);
    }

    @Test
    @Tag("vmo-clone2.cc:ResizeChild")
    void aChildThatShrankNeverSeesItsPagesAgain() {
        VmObject parent = written(4, VmoOption.RESIZABLE);
        VmObject child = resizableSnapshot(parent, 0, 4);
        put(parent, 1, 9);
        put(child, 2, 9);
        assertCharged(List.of(3.0, 3.0), parent, child);
        child.setSize(PAGE);
        assertPages(parent, 1, 9, 3, 4);
        assertCharged(List.of(3.5, 0.5), parent, child);
        child.setSize(2 * PAGE);
        assertPages(child, 1, 0);
        put(parent, 3, 8);
        assertCharged(List.of(3.5, 0.5), parent, child);
        parent.close();
        assertPages(child, 1, 0);
        assertCharged(List.of(1.0), child);
    }

    @Test
    @Tag("vmo-clone2.cc:ResizeOriginal")
    void anOriginalThatShrankNeverSeesItsPagesAgain() {
        VmObject parent = written(4, VmoOption.RESIZABLE);
        VmObject child = resizableSnapshot(parent, 0, 4);
        put(parent, 1, 9);
        put(child, 2, 9);
        parent.setSize(PAGE);
        assertPages(child, 1, 2, 9, 4);
        assertCharged(List.of(0.5, 3.5), parent, child);
        parent.setSize(2 * PAGE);
        assertPages(parent, 1, 0);
        put(child, 3, 8);
        assertCharged(List.of(0.5, 3.5), parent, child);
        child.close();
        assertPages(parent, 1, 0);
        assertCharged(List.of(1.0), parent);
    }

    @Test
    @Tag("vmo-clone2.cc:ResizeGrow")
    void aChildThatGrowsDoesNotSeeMoreOfItsParent() {
        VmObject parent = written(2);
        VmObject child = resizableSnapshot(parent, 0, 1);
        child.setSize(2 * PAGE);
        assertPages(child, 1, 0);
        put(parent, 1, 9);
        assertPages(child, 1, 0);
        assertCharged(List.of(1.5, 0.5), parent, child);
    }

    @Test
    @Tag("vmo-clone2.cc:ResizeOffsetChild")
    void theMiddleOfAParentThatShrankToNothingIsTheChilds() {
        VmObject parent = written(3, VmoOption.RESIZABLE);
        VmObject child = snapshot(parent, 1, 1);
        parent.setSize(0);
        assertPages(child, 2);
        assertCharged(List.of(0.0, 1.0), parent, child);
    }

    @Test
    @Tag("vmo-clone2.cc:ResizeDisjointChild")
    void theLastWhoSeesAPageHasItAlone() {
        for (List<Integer> order : VmoZirconCloneTest.orders(3)) {
            VmObject parent = written(3, VmoOption.RESIZABLE);
            VmObject[] children = new VmObject[3];
            for (int i = 0; i < 3; i++) {
                children[i] = resizableSnapshot(parent, i, 1);
            }
            assertCharged(
                    List.of(1.5, 0.5, 0.5, 0.5), parent, children[0], children[1], children[2]);
            children[order.get(0)].setSize(0);
            parent.setSize(0);
            children[order.get(1)].setSize(0);
            VmObject last = children[order.get(2)];
            assertPages(last, order.get(2) + 1);
            assertCharged(List.of(0.0, 1.0), parent, last);
            last.setSize(0);
            assertCharged(List.of(0.0), last);
        }
    }

    @Test
    @Tag("vmo-clone2.cc:ResizeMultipleProgressive")
    void sharesFollowEachStepOfAFamilyThatShrinks() {
        VmObject parent = written(3, VmoOption.RESIZABLE);
        VmObject first = resizableSnapshot(parent, 0, 2);
        put(parent, 0, 9);
        put(first, 1, 8);
        VmObject second = snapshot(parent, 0, 1);
        first.setSize(0);
        assertPages(parent, 9, 2, 3);
        assertPages(second, 9);
        assertCharged(List.of(2.5, 0.0, 0.5), parent, first, second);
        parent.setSize(0);
        assertPages(second, 9);
        assertCharged(List.of(0.0, 0.0, 1.0), parent, first, second);
    }

    @Test
    @Tag("vmo-clone2.cc:ResizeOverSiblingRange")
    void whatWasCutIsZeroForWhoCutItAndThereForTheSiblings() {
        VmObject original = written(4, VmoOption.RESIZABLE);
        VmObject middle = snapshot(original, 0, 4);
        VmObject sibling = snapshot(original, 2, 1);
        original.setSize(PAGE);
        original.setSize(4 * PAGE);
        assertPages(original, 1, 0, 0, 0);
        for (int page = 1; page < 4; page++) {
            put(original, page, 9);
        }
        assertPages(original, 1, 9, 9, 9);
        assertPages(middle, 1, 2, 3, 4);
        assertPages(sibling, 3);
    }

    @Test
    @Tag("vmo-clone2.cc:ProgressiveCloneClose")
    @Tag("vmo-clone2.cc:ProgressiveCloneTruncate")
    void sharesOfManyCopiesGrowAsTheOthersGo() {
        for (Consumer<VmObject> drop : List.of(CLOSE, TRUNCATE)) {
            VmObject original = written(6, VmoOption.RESIZABLE);
            List<VmObject> copies = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                copies.add(resizableSnapshot(original, 0, 6));
            }
            for (int i = 0; i < 5; i++) {
                put(copies.get(i), i, 99);
            }
            assertCharged(List.of(1.166667), original);
            copies.forEach(copy -> assertCharged(List.of(1.966667), copy));
            drop.accept(original);
            copies.forEach(copy -> assertCharged(List.of(2.2), copy));
            for (int i = 0; i < 3; i++) {
                drop.accept(copies.get(i));
            }
            for (int i = 3; i < 5; i++) {
                int[] bytes = {1, 2, 3, 4, 5, 6};
                bytes[i] = 99;
                assertPages(copies.get(i), bytes);
                assertCharged(List.of(4.0), copies.get(i));
            }
        }
    }
}
