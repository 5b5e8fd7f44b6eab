package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.Signals;
import io.jircon.kobject.ZxStatus;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What Zircon's own suites test of snapshots (`vmo-clone.cc`, `vmo-clone2.cc`), where no other
/// test here does: contents and what each object is charged.
class VmoZirconCloneTest extends VmoMappedFixture {
    /// Every order of the numbers below a count.
    static List<List<Integer>> orders(int count) {
        if (count == 0) {
            return List.of(List.of());
        }
        var all = new ArrayList<List<Integer>>();
        for (List<Integer> shorter : orders(count - 1)) {
            for (int at = 0; at < count; at++) {
                var longer = new ArrayList<>(shorter);
                longer.add(at, count - 1);
                all.add(longer);
            }
        }
        return all;
    }

    // ---- contents

    @Test
    @Tag("vmo-clone.cc:Commit")
    void commitMakesPagesPrivateAndKeepsWhatTheyShow() {
        VmObject parent = paged(4);
        long one = mapWritable(parent);
        VmObject child = parent.createSnapshot(0, 4 * PAGE);
        long two = mapWritable(child);
        poke(one, 0, 0x19);
        assertEquals(0, peek(two, 0));
        child.commit(0, PAGE);
        child.close();
        parent.close();
        assertEquals(List.of(0x19, 0), List.of(peek(one, 0), peek(two, 0)));
        poke(two, 0, 0x29);
        assertEquals(List.of(0x19, 0x29), List.of(peek(one, 0), peek(two, 0)));
    }

    @Test
    @Tag("vmo-clone2.cc:CloseOriginal")
    @Tag("vmo-clone2.cc:CloseClone")
    void eachKeepsItsContentsWithoutTheOther() {
        VmObject one = written(1);
        VmObject two = snapshot(one, 0, 1);
        two.close();
        assertPages(one, 1);
        VmObject three = snapshot(one, 0, 1);
        one.close();
        assertPages(three, 1);
    }

    @Test
    @Tag("vmo-clone2.cc:CloneVmarWrite")
    @Tag("vmo-clone2.cc:ParentVmarWrite")
    void storesThroughMappingsStayApart() {
        VmObject parent = written(2);
        long one = mapWritable(parent);
        poke(one, 0, 1); // a writable entry
        VmObject child = snapshot(parent, 0, 2);
        long two = mapWritable(child);
        poke(two, 0, 5);
        poke(one, 1, 6);
        assertEquals(List.of(1, 6), List.of(peek(one, 0), peek(one, 1)));
        assertEquals(List.of(5, 2), List.of(peek(two, 0), peek(two, 1)));
        assertPages(parent, 1, 6);
        assertPages(child, 5, 2);
    }

    @Test
    @Tag("vmo-clone2.cc:ZeroPageWrite")
    void whoWritesAnEmptyPageIsTheOnlyOneWhoPays() {
        VmObject root = paged(1);
        VmObject child = snapshot(root, 0, 1);
        VmObject other = snapshot(root, 0, 1);
        VmObject grandchild = snapshot(child, 0, 1);
        VmObject[] all = {root, child, other, grandchild};
        for (int writer = 0; writer < 4; writer++) {
            put(all[writer], 0, writer + 1);
            for (int i = 0; i < 4; i++) {
                assertPages(all[i], i <= writer ? i + 1 : 0);
                assertCharged(List.of(i <= writer ? 1.0 : 0.0), all[i]);
            }
        }
    }

    @Test
    @Tag("vmo-clone2.cc:SplitPageClosure")
    void pagesOfAChainThatWereAllWrittenBelongToOneEach() {
        VmObject one = written(1);
        VmObject two = snapshot(one, 0, 1);
        VmObject three = snapshot(two, 0, 1);
        put(two, 0, 2);
        put(three, 0, 3);
        assertCharged(List.of(1.0, 1.0, 1.0), one, two, three);
        one.close();
        assertPages(two, 2);
        assertCharged(List.of(1.0, 1.0), two, three);
        two.close();
        assertPages(three, 3);
        assertCharged(List.of(1.0), three);
    }

    @Test
    @Tag("vmo-clone2.cc:OffsetProgressiveWrite")
    void aCloneBehindTheWrittenPartSeesNothingOfIt() {
        VmObject root = written(2);
        VmObject child = snapshot(root, 1, 2);
        assertPages(child, 2, 0);
        put(child, 1, 3);
        put(child, 0, 3);
        assertCharged(List.of(2.0, 2.0), root, child);
        VmObject grandchild = snapshot(child, 2, 1);
        assertPages(grandchild, 0);
        put(child, 0, 4);
        assertCharged(List.of(2.0, 2.0, 0.0), root, child, grandchild);
        root.close();
        grandchild.close();
        assertPages(child, 4, 3);
        assertCharged(List.of(2.0), child);
    }

    @Test
    @Tag("vmo-clone2.cc:ManyCloneMapping")
    @Tag("zcore/paged:many_clones")
    void storesInEveryOrderStayApart() {
        for (List<Integer> order : orders(4)) {
            VmObject top = written(1);
            VmObject child = snapshot(top, 0, 1);
            VmObject other = snapshot(top, 0, 1);
            VmObject grandchild = snapshot(child, 0, 1);
            VmObject[] all = {top, child, other, grandchild};
            long[] at = new long[4];
            for (int i = 0; i < 4; i++) {
                at[i] = mapWritable(all[i]);
                assertEquals(1, peek(at[i], 0));
            }
            for (int done = 0; done < 4; done++) {
                poke(at[order.get(done)], 0, 10 + order.get(done));
                for (int i = 0; i < 4; i++) {
                    int expected = order.indexOf(i) <= done ? 10 + i : 1;
                    assertEquals(expected, peek(at[i], 0), () -> order + "");
                }
            }
            for (int i = 0; i < 4; i++) {
                root.unmap(at[i], PAGE);
                all[i].close();
            }
        }
    }

    @Test
    @Tag("vmo-clone2.cc:ManyCloneOffset")
    @Tag("vmo-clone2.cc:ManyCloneMappingOffset")
    void clonesOfOtherPartsAreNotTouched() {
        VmObject one = written(1);
        VmObject middle = snapshot(one, 0, 1);
        VmObject behind = snapshot(middle, 1, 1);
        put(middle, 0, 9);
        middle.close();
        assertPages(one, 1);
        assertPages(behind, 0);

        VmObject two = paged(2);
        put(two, 0, 1);
        VmObject[] all = {two, snapshot(two, 0, 2), snapshot(two, 1, 1), snapshot(two, 0, 2)};
        long first = mapWritable(two);
        long last = mapWritable(all[3]);
        poke(last, 1, 4);
        poke(first, 0, 5);
        assertPages(two, 5, 0);
        assertPages(all[1], 1, 0);
        assertPages(all[2], 0);
        assertPages(all[3], 1, 4);
        assertCharged(List.of(1.0, 0.5, 0.0, 1.5), all);
    }

    @Test
    @Tag("vmo-clone2.cc:Uncached")
    void whatIsUncachedIsNotCopiedAndKeepsItsBytes() {
        VmObject vmo = paged(1);
        vmo.setCachePolicy(CachePolicy.UNCACHED);
        long at = mapWritable(vmo);
        poke(at, 0, 7);
        refused(ZxStatus.BAD_STATE, () -> vmo.createSnapshot(0, PAGE));
        assertEquals(7, peek(at, 0));
    }

    @Test
    @Tag("vmo-clone2.cc:ParentStartLimitRegression")
    void aFamilyThatOnceBrokeAnother() {
        VmObject root = written(3);
        VmObject middle = snapshot(root, 1, 2);
        VmObject child = snapshot(middle, 0, 1);
        VmObject sibling = snapshot(root, 2, 1);
        root.close();
        VmObject half = snapshot(middle, 1, 1);
        middle.close();
        VmObject last = snapshot(half, 0, 1);
        child.close();
        assertPages(sibling, 3);
        assertPages(half, 3);
        assertPages(last, 3);
    }

    @Test
    @Tag("vmo-clone2.cc:MarkerClearsSplitBits")
    void aPageThatWasClearedInOneCopyIsWrittenInTheNext() {
        VmObject vmo = paged(3);
        put(vmo, 1, 1);
        VmObject child = snapshot(vmo, 0, 3);
        put(child, 1, 2);
        child.zero(PAGE, PAGE);
        assertPages(child, 0, 0, 0);
        child.close();
        VmObject next = snapshot(vmo, 0, 3);
        put(next, 1, 3);
        assertPages(next, 0, 3, 0);
        assertPages(vmo, 0, 1, 0);
    }

    // ---- children and threads

    @Test
    @Tag("vmo-clone2.cc:ManyChildren")
    @Tag("vmo-clone2.cc:ManyChildrenRevClose")
    void childrenAreCountedInWhateverOrderTheyGo() {
        VmObject vmo = paged(1);
        for (int round = 0; round < 2; round++) {
            var children = new ArrayList<VmObject>();
            for (int i = 0; i < 5; i++) {
                children.add(snapshot(vmo, 0, 1));
                assertEquals(i + 1, vmo.info().childCount());
            }
            if (round == 1) {
                Collections.reverse(children);
            }
            for (VmObject child : children) {
                assertEquals(0, vmo.signals() & Signals.VMO_ZERO_CHILDREN);
                child.close();
            }
            assertEquals(0, vmo.info().childCount());
            assertEquals(Signals.VMO_ZERO_CHILDREN, vmo.signals());
        }
    }

    @Test
    @Tag("vmo-clone2.cc:DropChildrenInParallel")
    @Tag("vmo-clone2.cc:DropParentCommittedBytes")
    void relativesMayGoAtTheSameTimeAndWhileTheyAreCounted() throws Exception {
        try (var threads = Executors.newFixedThreadPool(2)) {
            for (int round = 0; round < 500; round++) {
                VmObject one = written(1);
                VmObject two = snapshot(one, 0, 1);
                Callable<Double> closeOne = closing(one);
                threads.invokeAll(List.of(closeOne, closing(two)));
                VmObject parent = written(3);
                VmObject child = snapshot(parent, 1, 2);
                put(child, 0, 9);
                assertCharged(List.of(1.5), child);
                Callable<Double> count = () -> scaled(child).getFirst();
                double seen = threads.invokeAll(List.of(count, closing(parent))).getFirst().get();
                assertTrue(Set.of(1.5, 2.0).contains(seen), () -> "charged " + seen);
                assertCharged(List.of(2.0), child);
                child.close();
            }
        }
    }

    private static Callable<Double> closing(VmObject vmo) {
        return () -> {
            vmo.close();
            return 0.0;
        };
    }
}
