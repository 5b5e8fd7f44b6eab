package io.jircon.vm;

import static io.jircon.vm.PagerScene.committedPages;
import static io.jircon.vm.PagerScene.read;
import static io.jircon.vm.PagerScene.run;
import static io.jircon.vm.PagerScene.start;
import static io.jircon.vm.PagerScene.text;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.refuses;
import static io.jircon.vm.VmoFixture.put;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.ObjectType;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What Zircon's own suite tests of pagers (`pager.cc`), where no other test here does.
@Timeout(120)
class VmarPagerZirconTest {
    private static final VmoChildOption ALOW = VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE;

    private final PagerScene scene = new PagerScene();
    private final VmarFixture vm = scene.vm;

    @AfterEach
    void tearDown() {
        scene.close();
    }

    // ---- supplying

    @Test
    @Tag("pager.cc:Presupply")
    @Tag("pager.cc:VmarMapRange")
    void whatIsThereIsMappedEagerlyAndNothingIsAskedFor() {
        VmObject file = scene.file(3);
        scene.supply(file, 1, 2);
        assertEquals("2", text(file, 1, 1));
        long at = vm.root.map(RW.with(VmarFlags.MAP_RANGE), 0, file, 0, 3 * PAGE);
        scene.requireNoRequest();
        assertEquals("010", vm.entries(at, 3));
        assertEquals(2, vm.peek(at + PAGE));
    }

    @Test
    @Tag("pager.cc:BulkSingleSupply")
    @Tag("pager.cc:BulkOddLengthSupply")
    @Tag("pager.cc:BulkOddOffsetSupply")
    @Tag("pager.cc:OverlapSupply")
    void suppliesNeedNotBeWhatWasAskedFor() throws InterruptedException {
        VmObject file = scene.file(8);
        var one = read(file, 1, 1);
        assertEquals("READ 1+1", scene.request());
        var three = read(file, 3, 3);
        assertEquals("READ 3+3", scene.request());
        scene.supply(file, 0, 1, 2, 3, 4);
        assertEquals("2", one.result());
        scene.supply(file, 3, 9, 5, 6, 7);
        assertEquals("4 5 6", three.result());
        scene.supply(file, 0, 9, 9, 9, 9, 9, 9, 9, 8);
        assertEquals("1 2 3 4 5 6 7 8", text(file, 0, 8));
        scene.requireNoRequest();
    }

    @Test
    @Tag("pager.cc:PinnedSupplyPages")
    void aPinnedPageIsNotSuppliedAgain() {
        VmObject file = scene.file(3);
        scene.supply(file, 1, 2);
        put(file, 1, 7);
        try (PinnedPages pinned = file.pin(PAGE, PAGE)) {
            scene.supply(file, 0, 1, 9, 3);
            assertEquals(7, vm.machine.memory().readLong(pinned.address(0)));
        }
        assertEquals("1 7 3", text(file, 0, 3));
    }

    @Test
    @Tag("pager.cc:ResizeNonresizableVmo")
    void theSizeOfAFileIsFixedUnlessTold() {
        VmObject file = scene.file(1);
        refuses(ZxStatus.UNAVAILABLE, () -> file.setSize(2 * PAGE));
    }

    // ---- commits

    @Test
    @Tag("pager.cc:SimpleCommit")
    @Tag("pager.cc:SplitCommit")
    @Tag("pager.cc:PresentPageSplitsRange")
    void aCommitAsksAroundThePagesThatAreThere() throws InterruptedException {
        VmObject file = scene.file(5);
        scene.supply(file, 2, 3);
        var commit = run(() -> file.commit(0, 5 * PAGE));
        assertEquals("READ 0+2", scene.request());
        scene.supply(file, 0, 1, 2);
        assertEquals("READ 3+2", scene.request());
        scene.supply(file, 3, 4, 5);
        commit.result();
        assertEquals(5, committedPages(file));
        scene.requireNoRequest();
    }

    @Test
    @Tag("pager.cc:OverlapCommit")
    @Tag("pager.cc:OverlapCommitSupply")
    @Tag("pager.cc:MultisupplyCommit")
    @Tag("pager.cc:MulticommitSupply")
    @Tag("pager.cc:CommitRedundantSupply")
    void commitsShareRequestsAndTakeSuppliesInAnyParts() throws InterruptedException {
        VmObject file = scene.file(6);
        var first = run(() -> file.commit(0, 4 * PAGE));
        assertEquals("READ 0+4", scene.request());
        var second = run(() -> file.commit(2 * PAGE, 4 * PAGE));
        scene.untilWaiting(file, 2);
        scene.supply(file, 0, 1);
        scene.supply(file, 0, 9);
        scene.supply(file, 1, 2, 3, 4);
        first.result();
        assertEquals("READ 4+2", scene.request());
        scene.supply(file, 4, 5);
        scene.supply(file, 5, 6);
        second.result();
        assertEquals("1 2 3 4 5 6", text(file, 0, 6));
        scene.requireNoRequest();
    }

    @Test
    @Tag("pager.cc:ResizeCommitTest")
    @Tag("pager-writeback.cc:CommitResizeRace")
    void aCommitIsContentWithWhatIsLeftOfTheObject() throws InterruptedException {
        VmObject file = scene.file(3, VmoOption.RESIZABLE);
        var commit = run(() -> file.commit(0, 3 * PAGE));
        assertEquals("READ 0+3", scene.request());
        scene.supply(file, 2, 3);
        file.setSize(PAGE);
        scene.untilWaiting(file, 1);
        scene.supply(file, 0, 1);
        commit.result();
        assertEquals(1, committedPages(file));
        scene.requireNoRequest();
    }

    @Test
    @Tag("pager.cc:CloneCommit")
    @Tag("pager.cc:CloneSplitCommit")
    @Tag("pager.cc:CloneCommitSingleBatch")
    @Tag("pager.cc:CloneCommitTwoBatches")
    @Tag("pager.cc:CloneCommitMultipleBatches")
    void commitsOfACloneAskForWhatItsRootHasNot() throws InterruptedException {
        for (int[] present : new int[][] {{}, {4}, {2, 5}}) {
            VmObject file = scene.file(8);
            List<String> expected = new ArrayList<>();
            int from = 0;
            for (int page : present) {
                scene.supply(file, page, page + 1);
                expected.add("READ " + from + "+" + (page - from));
                from = page + 1;
            }
            expected.add("READ " + from + "+" + (8 - from));
            VmObject clone = scene.clone(file, ALOW, 0, 8);
            var commit = run(() -> clone.commit(0, 8 * PAGE));
            for (String request : expected) {
                assertEquals(request, scene.request());
                int first = request.charAt(5) - '0';
                int[] bytes = new int[request.charAt(7) - '0'];
                for (int i = 0; i < bytes.length; i++) {
                    bytes[i] = first + i + 1;
                }
                scene.supply(file, first, bytes);
            }
            commit.result();
            assertEquals(8, committedPages(clone));
            assertEquals("1 2 3 4 5 6 7 8", text(clone, 0, 8));
        }
        VmObject file = scene.file(2);
        VmObject clone = scene.clone(file, ALOW, 0, 2);
        for (int half = 1; half >= 0; half--) {
            int page = half;
            var commit = run(() -> clone.commit(page * PAGE, PAGE));
            assertEquals("READ " + page + "+1", scene.request());
            scene.supply(file, page, 5);
            commit.result();
        }
        assertEquals(2, committedPages(clone));
    }

    @Test
    @Tag("pager.cc:CloneCommitRandomBatches")
    void commitsOfACloneAskForEveryRunThatIsMissing() throws InterruptedException {
        for (int seed = 0; seed < 20; seed++) {
            var random = new SplittableRandom(seed);
            VmObject file = scene.file(16);
            VmObject clone = scene.clone(file, ALOW, 0, 16);
            boolean[] isThere = new boolean[16];
            for (int page = 0; page < 16; page++) {
                isThere[page] = random.nextBoolean();
                if (isThere[page]) {
                    scene.supply(file, page, page + 1);
                }
            }
            var commit = run(() -> clone.commit(0, 16 * PAGE));
            for (int page = 0; page < 16; page++) {
                int end = page;
                while (end < 16 && !isThere[end]) {
                    end++;
                }
                if (end > page) {
                    assertEquals("READ " + page + "+" + (end - page), scene.request());
                    for (int at = page; at < end; at++) {
                        scene.supply(file, at, at + 1);
                    }
                    page = end;
                }
            }
            commit.result();
            assertEquals(16, committedPages(clone), "seed " + seed);
            assertEquals("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", text(clone, 0, 16));
        }
    }

    @Test
    @Tag("pager.cc:OpCommitVmar")
    @Tag("pager.cc:OpCommitCloneVmar")
    void aRegionCommitsEachOfItsObjectsUpToTheFirstGap() throws InterruptedException {
        VmObject file = scene.file(3);
        VmObject clone = scene.clone(file, ALOW, 0, 2);
        VmAddressRegion region = vm.region(8);
        long at = VmarFixture.mapAt(region, 0, RW, clone, 0, 2);
        VmarFixture.mapAt(region, 2, RW, vm.vmo(1), 0, 1);
        VmarFixture.mapAt(region, 4, RW, file, 2, 1);
        scene.supply(file, 1, 2);
        put(clone, 1, 9);
        var commit = run(() -> region.opRange(VmarOp.COMMIT, at, 5 * PAGE));
        assertEquals("READ 0+1", scene.request());
        scene.supply(file, 0, 1);
        assertEquals(ZxStatus.BAD_STATE, commit.refusal());
        assertEquals(2, committedPages(clone));
        assertEquals("1 9", text(clone, 0, 2));
        scene.requireNoRequest();
    }

    // ---- failures

    @Test
    @Tag("pager.cc:FailMultipleCommits")
    @Tag("pager.cc:FailMultipleVmos")
    void oneFailureServesAllWhoWaitInItsRangeAndNobodyElse() throws InterruptedException {
        VmObject file = scene.file(2);
        VmObject other = vm.closing(scene.pager.createVmo(scene.queue, 2, 2 * PAGE));
        var one = run(() -> file.commit(0, PAGE));
        assertEquals("READ 0+1", scene.request());
        var two = run(() -> file.commit(PAGE, PAGE));
        assertEquals("READ 1+1", scene.request());
        var elsewhere = run(() -> other.commit(0, 2 * PAGE));
        assertEquals("READ 0+2 of 2", scene.request());
        scene.fail(file, 0, 2, ZxStatus.IO);
        assertEquals(ZxStatus.IO, one.refusal());
        assertEquals(ZxStatus.IO, two.refusal());
        scene.untilWaiting(other, 1);
        scene.supply(other, 0, 1, 2);
        elsewhere.result();
    }

    @Test
    @Tag("pager.cc:FailOverlappingRangeCommit")
    @Tag("pager.cc:FailOverlappingRangeRead")
    void aFailureHitsThoseWhoseNextPageItNames() throws InterruptedException {
        for (boolean reading : new boolean[] {true, false}) {
            VmObject file = scene.file(11);
            var low = waiting(reading, file, 0, 2);
            assertEquals("READ 0+2", scene.request());
            var high = waiting(reading, file, 9, 2);
            assertEquals("READ 9+2", scene.request());
            var inside = waiting(reading, file, 5, 2);
            assertEquals("READ 5+2", scene.request());
            scene.fail(file, 1, 9, ZxStatus.IO);
            assertEquals(ZxStatus.IO, high.refusal());
            assertEquals(ZxStatus.IO, inside.refusal());
            scene.untilWaiting(file, 1);
            scene.supply(file, 0, 1);
            assertEquals("READ 1+1", scene.request());
            scene.fail(file, 1, 1, ZxStatus.IO);
            assertEquals(ZxStatus.IO, low.refusal());
        }
    }

    @Test
    @Tag("pager.cc:FailOverlapRequest")
    void aFailureOfASharedPageIsEverybodysWhoNeedsItNext() throws InterruptedException {
        VmObject file = scene.file(3);
        var wide = read(file, 0, 3);
        assertEquals("READ 0+3", scene.request());
        var narrow = read(file, 1, 1);
        scene.untilWaiting(file, 2);
        scene.fail(file, 1, 1, ZxStatus.IO);
        assertEquals(ZxStatus.IO, narrow.refusal());
        scene.supply(file, 0, 1);
        assertEquals("READ 1+1", scene.request());
        scene.supply(file, 1, 2, 3);
        assertEquals("1 2 3", wide.result());
    }

    private static PagerScene.Started<String> waiting(
            boolean reading, VmObject file, long page, long pages) {
        return reading
                ? read(file, page, pages)
                : run(() -> file.commit(page * PAGE, pages * PAGE));
    }

    // ---- hints

    @Test
    @Tag("pager.cc:EvictionHintAlwaysNeed")
    @Tag("pager.cc:EvictionHintsOpRange")
    void hintsAreForWholePages() throws InterruptedException {
        VmObject file = scene.file(20);
        var range = run(() -> file.hint(VmoHint.ALWAYS_NEED, 10 * PAGE, 5 * PAGE));
        assertEquals("READ 10+5", scene.request());
        scene.supply(file, 10, new int[5]);
        range.result();
        var bytes = run(() -> file.hint(VmoHint.ALWAYS_NEED, 17 * PAGE - 8, 16));
        assertEquals("READ 16+2", scene.request());
        scene.supply(file, 16, new int[2]);
        bytes.result();
        for (VmoHint hint : VmoHint.values()) {
            refuses(ZxStatus.OUT_OF_RANGE, () -> file.hint(hint, 20 * PAGE, PAGE));
            refuses(ZxStatus.OUT_OF_RANGE, () -> file.hint(hint, PAGE, -1));
            vm.vmo(1).hint(hint, 7 * PAGE, PAGE);
        }
        scene.requireNoRequest();
    }

    @Test
    @Tag("pager.cc:EvictionHintsWithResize")
    @Tag("pager.cc:EvictionHintsVmar")
    @Tag("pager.cc:EvictionHintsNestedVmar")
    void hintsForgiveAnObjectThatShrinksAndNotAGap() throws InterruptedException {
        VmObject file = scene.file(4, VmoOption.RESIZABLE);
        var hint = run(() -> file.hint(VmoHint.ALWAYS_NEED, 0, 4 * PAGE));
        assertEquals("READ 0+4", scene.request());
        file.setSize(PAGE);
        scene.supply(file, 0, 1);
        hint.result();
        VmObject other = scene.file(2);
        VmAddressRegion region = vm.region(8);
        VmAddressRegion inner = VmarFixture.child(region, 0, 4);
        long at = VmarFixture.mapAt(inner, 0, RW, other, 0, 2);
        VmarFixture.mapAt(region, 5, RW, file, 0, 1);
        var gap = run(() -> region.opRange(VmarOp.ALWAYS_NEED, at, 6 * PAGE));
        assertEquals("READ 0+2", scene.request());
        scene.supply(other, 0, 1, 2);
        assertEquals(ZxStatus.BAD_STATE, gap.refusal());
        assertEquals("11", vm.entries(at, 2));
    }

    @Test
    @Tag("pager.cc:EvictionHintsCloneVmar")
    @Tag("pager.cc:Prefetch")
    void hintsAndPrefetchThroughClonesAndSlicesAskForTheRootsPages() throws InterruptedException {
        VmObject file = scene.file(5);
        VmObject clone = scene.clone(file, ALOW, 1, 3);
        scene.supply(file, 2, 3);
        put(clone, 1, 9);
        long at = scene.map(clone, 3);
        var hint = run(() -> vm.root.opRange(VmarOp.ALWAYS_NEED, at, 3 * PAGE));
        assertEquals("READ 1+1", scene.request());
        scene.supply(file, 1, 2);
        assertEquals("READ 3+1", scene.request());
        scene.supply(file, 3, 4);
        hint.result();
        assertEquals(1, committedPages(clone));
        try (VmObject slice = file.createSlice(3 * PAGE, 2 * PAGE)) {
            var prefetch = run(() -> slice.prefetch(0, 2 * PAGE));
            assertEquals("READ 4+1", scene.request());
            scene.supply(file, 4, 5);
            prefetch.result();
        }
    }

    // ---- clones

    @Test
    @Tag("pager.cc:CloneResizeCloneHazard")
    void aMappedCloneThatShrinksIsOutOfRange() {
        VmObject file = scene.file(2);
        scene.supply(file, 0, 1, 2);
        Set<VmoChildOption> both = EnumSet.of(ALOW, VmoChildOption.RESIZABLE);
        VmObject clone = vm.closing(file.createChild(both, 0, 2 * PAGE));
        long at = scene.map(clone, 2);
        assertEquals(2, vm.peek(at + PAGE));
        clone.setSize(PAGE);
        assertEquals(ZxStatus.OUT_OF_RANGE, vm.read(at + PAGE));
        assertEquals(1, vm.peek(at));
    }

    @Test
    @Tag("pager.cc:CloneMightSeeIntermediateForks")
    @Tag("pager.cc:CloneSeesCorrectParentPages")
    void eachOfALineSeesTheNearestForkAboveIt() {
        int count = 8;
        VmObject file = scene.file(count);
        scene.supply(file, 0, 1, 2, 3, 4, 5, 6, 7, 8);
        List<VmObject> line = new ArrayList<>(List.of(file));
        for (int i = 0; i < count; i++) {
            VmObject next = scene.clone(line.getLast(), ALOW, 0, count);
            put(next, i, 10 * (i + 1));
            line.add(next);
        }
        for (int i = 0; i <= count; i++) {
            for (int page = 0; page < count; page++) {
                int expected = page < i ? 10 * (page + 1) : page + 1;
                assertEquals(expected + "", text(line.get(i), page, 1), "clone " + i);
            }
        }
        put(line.get(1), 7, 99);
        assertTrue(Set.of("8", "99").contains(text(line.get(2), 7, 1)));
    }

    @Test
    @Tag("pager.cc:PageRequestBatchingChecksAncestorPages")
    void aReadAsksAroundThePagesOfEveryLevel() throws InterruptedException {
        VmObject file = scene.file(10);
        VmObject child = scene.clone(file, ALOW, 0, 10);
        for (int page = 1; page <= 2; page++) {
            child.zero(page * PAGE, PAGE);
            put(child, page, 20 + page);
        }
        VmObject grandchild = scene.clone(child, ALOW, 0, 10);
        for (int page = 5; page <= 7; page++) {
            grandchild.zero(page * PAGE, PAGE);
            put(grandchild, page, 30 + page);
        }
        VmObject slice = vm.closing(grandchild.createSlice(0, 7 * PAGE));
        scene.requireNoRequest();
        var reader = read(slice, 0, 7);
        assertEquals("READ 0+1", scene.request());
        scene.supply(file, 0, 1);
        assertEquals("READ 3+2", scene.request());
        scene.supply(file, 3, 4, 5);
        assertEquals("1 21 22 4 5 35 36", reader.result());
        scene.requireNoRequest();
    }

    // ---- the end

    @Test
    @Tag("pager.cc:DetachNonMappingAccess")
    @Tag("pager.cc:DetachClosePager")
    @Tag("pager.cc:ProxyUseAfterFree")
    void aFileWithoutItsPagerIsNobodys() throws InterruptedException {
        VmObject file = scene.file(1);
        scene.supply(file, 0, 1);
        scene.pager.detachVmo(file);
        assertEquals("COMPLETE 0+0", scene.request());
        refuses(ZxStatus.BAD_STATE, () -> file.read(0, 1));
        scene.pager.close();
        refuses(ZxStatus.BAD_STATE, () -> file.read(0, 1));
        try (Pager next = Pager.create(vm.machine)) {
            refuses(ZxStatus.INVALID_ARGS, () -> next.queryVmoStats(file));
        }
    }

    @Test
    @Tag("pager.cc:ZeroHandlesRace")
    void aFileMayBeMadeWhileItsPagerEnds() throws InterruptedException {
        for (int round = 0; round < 500; round++) {
            Pager pager = Pager.create(vm.machine);
            var making =
                    start(() -> {
                        try (VmObject file = pager.createVmo(scene.queue, 1, PAGE)) {
                            return file.sizeBytes() == PAGE ? ZxStatus.OK : ZxStatus.INTERNAL;
                        } catch (ZxException e) {
                            return e.status();
                        }
                    });
            pager.close();
            assertTrue(Set.of(ZxStatus.OK, ZxStatus.BAD_STATE).contains(making.result()));
        }
        assertEquals(0, vm.machine.kernel().liveObjects(ObjectType.VMO));
        assertEquals(1, vm.machine.kernel().liveObjects(ObjectType.PAGER));
    }
}
