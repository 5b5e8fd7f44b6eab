package io.jircon.vm;

import static io.jircon.vm.PagerScene.committedPages;
import static io.jircon.vm.PagerScene.read;
import static io.jircon.vm.PagerScene.run;
import static io.jircon.vm.PagerScene.start;
import static io.jircon.vm.PagerScene.text;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.refuses;
import static io.jircon.vm.VmoFixture.put;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.MmuFlags;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Snapshots of pager-backed objects: what they show, what is asked for them, and what the pager
/// hears of them.
@Timeout(120)
class VmarPagerCloneTest {
    private static final VmoChildOption ALOW = VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE;
    private static final VmoChildOption MOD = VmoChildOption.SNAPSHOT_MODIFIED;

    private final PagerScene scene = new PagerScene();
    private final VmarFixture vm = scene.vm;

    @AfterEach
    void tearDown() {
        scene.close();
    }

    // ---- what they show

    @ParameterizedTest
    @EnumSource(names = {"SNAPSHOT_AT_LEAST_ON_WRITE", "SNAPSHOT_MODIFIED"})
    @Tag("O-157")
    @Tag("O-161")
    void cloneFollowsTheRootUntilItIsWritten(VmoChildOption type) {
        VmObject file = scene.file(3);
        scene.supply(file, 0, 1, 2, 3);
        VmObject clone = scene.clone(file, type, 1, 2);
        assertEquals("2 3", text(clone, 0, 2));
        put(file, 1, 12);
        assertEquals("12 3", text(clone, 0, 2));
        put(clone, 0, 22);
        put(file, 1, 32);
        assertEquals("22 3", text(clone, 0, 2));
        assertEquals("1 32 3", text(file, 0, 3));
        assertEquals(1, committedPages(clone));
        assertEquals(3, committedPages(file));
    }

    @Test
    @Tag("O-161")
    @Tag("O-252")
    @Tag("O-255")
    void mappingsOfAClonesFollowTheRootToo() {
        VmObject file = scene.file(4, VmoOption.RESIZABLE);
        scene.supply(file, 0, 1, 2, 0, 4);
        VmObject clone = scene.clone(file, ALOW, 0, 4);
        long at = scene.map(clone, 4);
        assertEquals(1, vm.peek(at));
        assertEquals(MmuFlags.R, vm.entryAccess(at));
        assertEquals("1111", vm.entries(at, 4));
        put(file, 0, 11);
        put(file, 2, 13);
        assertEquals(11, vm.peek(at));
        assertEquals(13, vm.peek(at + 2 * PAGE));
        vm.poke(at, 21);
        assertEquals(MmuFlags.RW, vm.entryAccess(at));
        assertEquals("11 2 13 4", text(file, 0, 4));
        file.zero(0, 2 * PAGE);
        assertEquals(21, vm.peek(at));
        assertEquals(0, vm.peek(at + PAGE));
        put(file, 1, 5);
        assertEquals(5, vm.peek(at + PAGE));
        file.setSize(3 * PAGE);
        assertEquals(0, vm.peek(at + 3 * PAGE));
        file.setSize(4 * PAGE);
        put(file, 3, 9);
        assertEquals(0, vm.peek(at + 3 * PAGE));
        assertEquals("21 5 13 0", text(clone, 0, 4));
    }

    @Test
    @Tag("O-163")
    @Tag("O-157")
    @Tag("O-214")
    @Tag("snapshot.cc:CloneModifyChain")
    void snapshotOfACloneHasItsPagesAndFollowsTheRootForTheRest() {
        VmObject file = scene.file(2);
        scene.supply(file, 0, 1, 2);
        VmObject clone = scene.clone(file, MOD, 0, 2);
        long at = scene.map(clone, 2);
        vm.poke(at, 11);
        VmObject snapshot = scene.clone(clone, MOD, 0, 2);
        assertEquals("2.0 0.5 0.5", PagerScene.scaled(file, clone, snapshot));
        vm.poke(at, 21);
        assertEquals("11 2", text(snapshot, 0, 2));
        put(file, 0, 31);
        put(file, 1, 32);
        assertEquals("11 32", text(snapshot, 0, 2));
        assertEquals("21 32", text(clone, 0, 2));
    }

    @Test
    @Tag("O-214")
    @Tag("snapshot.cc:ObjMemAccounting")
    void attributionOfSnapshotsOfAClone() {
        VmObject file = scene.file(2);
        scene.supply(file, 0, 0, 0);
        file.commit(0, 2 * PAGE);
        try (VmObject clone = scene.clone(file, MOD, 0, 2)) {
            put(clone, 0, 1);
            try (VmObject snapshot = scene.clone(clone, MOD, 0, 2)) {
                assertEquals("2.0 0.5 0.5", PagerScene.scaled(file, clone, snapshot));
                put(clone, 1, 2);
                assertEquals("2.0 1.5 0.5", PagerScene.scaled(file, clone, snapshot));
                put(snapshot, 0, 3);
                assertEquals("2.0 2.0 1.0", PagerScene.scaled(file, clone, snapshot));
                put(snapshot, 1, 4);
                assertEquals("2.0 2.0 2.0", PagerScene.scaled(file, clone, snapshot));
            }
        }
        assertEquals("2.0", PagerScene.scaled(file));
    }

    @Test
    @Tag("O-216")
    @Tag("O-217")
    @Tag("pager.cc:VmoInfoPager")
    void flagsOfClones() {
        VmObject file = scene.file(1);
        VmObject clone = scene.clone(file, ALOW, 0, 1);
        assertEquals(
                Set.of(VmoInfo.Flag.PAGED, VmoInfo.Flag.PAGER_BACKED, VmoInfo.Flag.IS_COW_CLONE),
                clone.info().flags());
        try (VmObject slice = clone.createSlice(0, PAGE);
                VmObject reference = clone.createReference()) {
            assertTrue(slice.info().flags().contains(VmoInfo.Flag.PAGER_BACKED));
            assertTrue(reference.info().flags().contains(VmoInfo.Flag.PAGER_BACKED));
            assertEquals(clone.koid(), slice.info().parentKoid());
        }
        assertEquals(file.koid(), clone.info().parentKoid());
        assertEquals(1, file.info().childCount());
    }

    // ---- what is asked

    @Test
    @Tag("O-309")
    @Tag("pager.cc:CloneReadFromClone")
    @Tag("pager.cc:CloneReadFromParent")
    @Tag("pager.cc:CloneSimultaneousRead")
    @Tag("pager.cc:CloneSimultaneousChildRead")
    void readingAsksForThePagesOfTheRootOnce() throws InterruptedException {
        VmObject file = scene.file(8);
        VmObject clone = scene.clone(file, ALOW, 2, 4);
        VmObject other = scene.clone(file, MOD, 3, 4);
        var reader = read(clone, 1, 3);
        assertEquals("READ 3+3", scene.request());
        var second = read(other, 0, 1);
        var third = read(file, 4, 1);
        scene.untilWaiting(file, 3);
        scene.requireNoRequest();
        scene.supply(file, 3, 4, 5, 6);
        assertEquals("4 5 6", reader.result());
        assertEquals("4", second.result());
        assertEquals("5", third.result());
        assertEquals(0, committedPages(clone));
    }

    @Test
    @Tag("O-309")
    @Tag("O-287")
    @Tag("O-290")
    @Tag("O-300")
    @Tag("pager.cc:CloneWriteToClone")
    @Tag("pager-writeback.cc:NotModifiedOnCloneWrite")
    void writingReadsTheRootAndAsksNobodyAboutTheWrite() throws InterruptedException {
        VmObject file = scene.file(20, VmoOption.TRAP_DIRTY);
        VmObject clone = scene.clone(file, ALOW, 0, 20);
        var writer = run(() -> clone.write(1, new byte[19 * (int) PAGE]));
        assertEquals("READ 0+16", scene.request());
        scene.supply(file, 0, 1);
        scene.supply(file, 1, new int[15]);
        assertEquals("READ 16+4", scene.request());
        scene.supply(file, 16, new int[4]);
        writer.result();
        assertEquals("1", text(clone, 0, 1));
        long at = scene.map(clone, 20);
        vm.poke(at, 7);
        clone.zero(PAGE + 1, 1);
        assertEquals("", scene.dirty(file));
        assertFalse(scene.pager.queryVmoStats(file).isModified());
        assertEquals("1", text(file, 0, 1));
        assertEquals(20, committedPages(clone));
        scene.requireNoRequest();
    }

    @Test
    @Tag("O-309")
    @Tag("V-204")
    void mappedFaultsWaitForThePagesOfTheRoot() throws InterruptedException {
        VmObject file = scene.file(3);
        VmObject clone = scene.clone(file, ALOW, 1, 2);
        long at = scene.map(clone, 2);
        var reading = start(() -> vm.read(at));
        assertEquals("READ 1+1", scene.request());
        var writing = start(() -> vm.write(at + PAGE));
        assertEquals("READ 2+1", scene.request());
        scene.supply(file, 1, 2, 3);
        assertEquals(ZxStatus.OK, reading.result());
        assertEquals(ZxStatus.OK, writing.result());
        assertEquals(MmuFlags.R, vm.entryAccess(at));
        assertEquals(MmuFlags.RW, vm.entryAccess(at + PAGE));
        assertEquals("2 3", text(clone, 0, 2));
        assertEquals(1, committedPages(clone));
        var failing = start(() -> vm.read(scene.map(scene.clone(file, ALOW, 0, 1), 1)));
        assertEquals("READ 0+1", scene.request());
        scene.fail(file, 0, 1, ZxStatus.IO);
        assertEquals(ZxStatus.IO, failing.result());
    }

    @Test
    @Tag("O-81")
    @Tag("O-273")
    @Tag("pager.cc:CloneChainCommit")
    void commitReadsAroundWhatIsThereAndCopiesIntoTheCloneAlone() throws InterruptedException {
        VmObject file = scene.file(10);
        scene.supply(file, 3, 4);
        VmObject middle = scene.clone(file, ALOW, 1, 8);
        file.zero(6 * PAGE, PAGE);
        scene.supply(file, 1, 2);
        put(middle, 0, 12);
        VmObject clone = scene.clone(middle, ALOW, 0, 8);
        var commit = run(() -> clone.commit(0, 8 * PAGE));
        assertEquals("READ 2+1", scene.request());
        scene.supply(file, 2, 3);
        assertEquals("READ 4+2", scene.request());
        scene.supply(file, 4, 5, 6);
        assertEquals("READ 7+2", scene.request());
        scene.supply(file, 7, 8, 9);
        commit.result();
        assertEquals(8, committedPages(clone));
        assertEquals(1, committedPages(middle));
        put(file, 2, 99);
        put(middle, 0, 98);
        assertEquals("12 3 4 5 6 0 8 9", text(clone, 0, 8));
    }

    @Test
    @Tag("O-82")
    void commitOfACloneThatShrinksMeanwhileSucceedsForTheRest() throws InterruptedException {
        VmObject file = scene.file(4);
        VmObject clone =
                vm.closing(
                        file.createChild(EnumSet.of(ALOW, VmoChildOption.RESIZABLE), 0, 4 * PAGE));
        var commit = run(() -> clone.commit(0, 4 * PAGE));
        assertEquals("READ 0+4", scene.request());
        scene.supply(file, 0, 1);
        scene.untilWaiting(file, 1);
        clone.setSize(PAGE);
        commit.result();
        assertEquals(1, committedPages(clone));
    }

    @Test
    @Tag("O-46")
    @Tag("O-104")
    @Tag("O-127")
    void whatWaitsWhileTheCloneShrinksIsOutOfRange() throws InterruptedException {
        VmObject file = scene.file(4);
        VmObject clone =
                vm.closing(
                        file.createChild(EnumSet.of(ALOW, VmoChildOption.RESIZABLE), 0, 4 * PAGE));
        long at = scene.map(clone, 4);
        var reader = read(clone, 2, 2);
        var zeroing = run(() -> clone.zero(3 * PAGE, 1));
        var pinning = start(() -> clone.pin(2 * PAGE, 2 * PAGE));
        var fault = start(() -> vm.write(at + 3 * PAGE));
        scene.untilWaiting(file, 4);
        clone.setSize(2 * PAGE);
        assertEquals(ZxStatus.OUT_OF_RANGE, reader.refusal());
        assertEquals(ZxStatus.OUT_OF_RANGE, zeroing.refusal());
        assertEquals(ZxStatus.OUT_OF_RANGE, pinning.refusal());
        assertEquals(ZxStatus.OUT_OF_RANGE, fault.result());
    }

    @Test
    @Tag("O-107")
    @Tag("O-118")
    @Tag("pager.cc:EvictionHintsWithClones")
    @Tag("pager.cc:Prefetch")
    void prefetchAndHintsAskForUnforkedPagesAndCommitNothing() throws InterruptedException {
        VmObject file = scene.file(5);
        scene.supply(file, 2, 3);
        VmObject clone = scene.clone(file, ALOW, 0, 5);
        put(clone, 2, 13);
        var prefetch = run(() -> clone.prefetch(PAGE, 2 * PAGE + 1));
        assertEquals("READ 1+1", scene.request());
        scene.supply(file, 1, 2);
        assertEquals("READ 3+1", scene.request());
        scene.fail(file, 3, 1, ZxStatus.IO);
        assertEquals(ZxStatus.IO, prefetch.refusal());
        var hint = run(() -> clone.hint(VmoHint.ALWAYS_NEED, 0, 5 * PAGE));
        assertEquals("READ 0+1", scene.request());
        scene.fail(file, 0, 1, ZxStatus.IO);
        hint.result();
        clone.hint(VmoHint.DONT_NEED, 0, 5 * PAGE);
        refuses(
                ZxStatus.OUT_OF_RANGE,
                "O-117",
                () -> clone.hint(VmoHint.DONT_NEED, PAGE, 5 * PAGE));
        refuses(ZxStatus.OUT_OF_RANGE, "O-107", () -> clone.prefetch(6 * PAGE, 0));
        assertEquals(1, committedPages(clone));
        scene.requireNoRequest();
    }

    // ---- zeros

    @Test
    @Tag("O-103")
    @Tag("pager.cc:EarlyWakeCloneRace")
    @Tag("pager-writeback.cc:OpZeroClone")
    void zeroedPagesAskNobodyAndHideWhatComesLater() throws InterruptedException {
        VmObject file = scene.file(4);
        scene.supply(file, 0, 1, 2);
        VmObject clone = scene.clone(file, ALOW, 0, 4);
        long at = scene.map(clone, 4);
        put(clone, 0, 11);
        assertEquals(2, vm.peek(at + PAGE));
        var reader = read(clone, 2, 1);
        assertEquals("READ 2+1", scene.request());
        clone.zero(0, 3 * PAGE);
        assertEquals("0", reader.result());
        assertEquals(0, vm.peek(at + PAGE));
        scene.requireNoRequest();
        scene.supply(file, 2, 3, 4);
        put(file, 1, 22);
        assertEquals("0 0 0 4", text(clone, 0, 4));
        assertEquals(0, vm.peek(at + 2 * PAGE));
        assertEquals(0, committedPages(clone));
        assertEquals("1 22 3 4", text(file, 0, 4));
        clone.zero(PAGE + 5, 1);
        assertEquals(0, committedPages(clone));
        put(clone, 1, 5);
        assertEquals("0 5 0 4", text(clone, 0, 4));
        assertEquals(0, clone.read(PAGE + 1, 1)[0]);
        assertEquals("1 22 3 4", text(file, 0, 4));
    }

    @Test
    @Tag("O-103")
    void partsOfPagesThatAreZeroedAreReadFirst() throws InterruptedException {
        VmObject file = scene.file(3, VmoOption.TRAP_DIRTY);
        VmObject clone = scene.clone(file, ALOW, 0, 3);
        var zeroing = run(() -> clone.zero(PAGE / 2, 2 * PAGE));
        assertEquals("READ 0+1", scene.request());
        try (VmObject aux = vm.vmo(1)) {
            byte[] ones = new byte[(int) PAGE];
            java.util.Arrays.fill(ones, (byte) 1);
            aux.write(0, ones);
            scene.pager.supplyPages(file, 0, PAGE, aux, 0);
        }
        assertEquals("READ 2+1", scene.request());
        scene.supply(file, 2, 0);
        zeroing.result();
        assertEquals(1, clone.read(PAGE / 2 - 1, 1)[0]);
        assertEquals(0, clone.read(PAGE / 2, 1)[0]);
        assertEquals(1, file.read(PAGE / 2, 1)[0]);
        assertEquals("0 0", text(clone, 1, 2));
        assertEquals(1, committedPages(clone));
        scene.requireNoRequest();
    }

    @Test
    @Tag("O-98")
    @Tag("O-103")
    void aSnapshotTakesTheZerosOfACloneWithIt() {
        VmObject file = scene.file(4);
        scene.supply(file, 0, 1, 2, 3, 4);
        VmObject clone = scene.clone(file, MOD, 0, 4);
        put(clone, 3, 14);
        clone.zero(PAGE, PAGE);
        VmObject snapshot = scene.clone(clone, MOD, 1, 3);
        clone.zero(0, 4 * PAGE);
        assertEquals("0 3 14", text(snapshot, 0, 3));
        snapshot.zero(PAGE, PAGE);
        assertEquals("0 0 14", text(snapshot, 0, 3));
        assertEquals("0 0 0 0", text(clone, 0, 4));
        assertEquals("0.0 1.0", PagerScene.scaled(clone, snapshot));
        assertEquals("1 2 3 4", text(file, 0, 4));
    }

    @Test
    @Tag("O-94")
    @Tag("O-251")
    void rootZerosThatACloneShowsAreReplacedWhenTheRootIsWritten() {
        VmObject file = scene.file(1, VmoOption.RESIZABLE);
        file.setSize(3 * PAGE);
        VmObject clone = scene.clone(file, ALOW, 1, 2);
        VmObject deeper = scene.clone(clone, ALOW, 0, 2);
        long at = scene.map(clone, 2);
        long below = scene.map(deeper, 2);
        assertEquals(0, vm.peek(at));
        assertEquals(0, vm.peek(below));
        assertEquals(0, vm.peek(below + PAGE));
        file.commit(2 * PAGE, PAGE);
        put(file, 1, 7);
        put(file, 2, 8);
        assertEquals(7, vm.peek(at));
        assertEquals(7, vm.peek(below));
        assertEquals(8, vm.peek(below + PAGE));
        clone.zero(PAGE, 1);
        assertEquals(0, vm.peek(at + PAGE));
    }

    // ---- the rest of what clones do

    @Test
    @Tag("O-123")
    @Tag("O-290")
    void pinnedPagesAreTheClonesOwn() throws InterruptedException {
        VmObject file = scene.file(2, VmoOption.TRAP_DIRTY);
        scene.supply(file, 0, 1);
        VmObject clone = scene.clone(file, ALOW, 0, 2);
        var pinning = start(() -> clone.pin(0, 2 * PAGE));
        assertEquals("READ 1+1", scene.request());
        scene.supply(file, 1, 2);
        try (PinnedPages pinned = pinning.result()) {
            assertEquals(2, committedPages(clone));
            assertEquals(1, vm.machine.memory().readLong(pinned.address(0)));
            refuses(ZxStatus.BAD_STATE, "O-193", () -> scene.clone(clone, MOD, 0, 2));
            VmObject below = scene.clone(clone, ALOW, 0, 2);
            clone.zero(0, PAGE);
            assertEquals("0 2", text(below, 0, 2));
            assertEquals(0, vm.machine.memory().readLong(pinned.address(0)));
        }
        assertEquals("", scene.dirty(file));
        assertEquals("1 2", text(file, 0, 2));
    }

    @Test
    @Tag("O-270")
    @Tag("O-279")
    @Tag("O-303")
    @Tag("O-307")
    @Tag("pager.cc:DecommitTest")
    @Tag("pager-writeback.cc:NoQueryOnClone")
    void aCloneIsNotThePagersAndGivesNothingBack() {
        VmObject file = scene.file(2);
        scene.supply(file, 0, 1, 2);
        VmObject clone = scene.clone(file, ALOW, 0, 2);
        Pager pager = scene.pager;
        refuses(ZxStatus.INVALID_ARGS, "O-279", () -> scene.supply(clone, 0, 1));
        refuses(ZxStatus.INVALID_ARGS, "O-283", () -> scene.op(PagerOp.FAIL, clone, 0, 1));
        refuses(ZxStatus.INVALID_ARGS, "O-301", () -> pager.queryDirtyRanges(clone, 0, PAGE));
        refuses(ZxStatus.INVALID_ARGS, "O-302", () -> pager.queryVmoStats(clone));
        refuses(ZxStatus.INVALID_ARGS, "O-303", () -> pager.detachVmo(clone));
        refuses(ZxStatus.NOT_SUPPORTED, "O-279", () -> pager.supplyPages(file, 0, PAGE, clone, 0));
        put(clone, 0, 11);
        refuses(ZxStatus.NOT_SUPPORTED, () -> clone.decommit(0, PAGE));
        refuses(ZxStatus.NOT_SUPPORTED, () -> file.decommit(0, PAGE));
        refuses(ZxStatus.BAD_STATE, "O-239", () -> clone.setCachePolicy(CachePolicy.CACHED));
        assertEquals("11 2", text(clone, 0, 2));
    }

    @Test
    @Tag("V-237")
    void debuggersWriteGoesToAPrivateCloneOfTheFile() throws InterruptedException {
        VmObject file = scene.file(2);
        scene.supply(file, 0, 1);
        long at = vm.root.map(VmarFixture.R, 0, file, 0, 2 * PAGE, MmuFlags.R);
        assertEquals(1, vm.peek(at));
        byte[] bytes = {8, 9};
        var debugger =
                start(() -> vm.root.writeMemory(at + PAGE - 1, MemorySegment.ofArray(bytes)));
        assertEquals("READ 1+1", scene.request());
        scene.supply(file, 1, 2);
        assertEquals(2, debugger.result());
        assertEquals(9, vm.peek(at + PAGE));
        assertEquals("1 2", text(file, 0, 2));
        assertEquals("", scene.dirty(file));
    }

    // ---- the end

    @Test
    @Tag("O-304")
    @Tag("pager.cc:DecommitOnDetach")
    @Tag("pager.cc:CloneDetach")
    void detachTakesWhatTheCloneHasNotForked() throws InterruptedException {
        VmObject file = scene.file(3);
        scene.supply(file, 0, 1, 2, 3);
        VmObject clone = scene.clone(file, ALOW, 0, 3);
        long at = scene.map(clone, 3);
        put(clone, 0, 11);
        put(file, 2, 13);
        assertEquals(2, vm.peek(at + PAGE));
        scene.pager.detachVmo(file);
        assertEquals("COMPLETE 0+0", scene.request());
        assertEquals(11, vm.peek(at));
        assertEquals(ZxStatus.BAD_STATE, vm.read(at + PAGE));
        assertEquals(ZxStatus.BAD_STATE, vm.write(at + PAGE));
        refuses(ZxStatus.BAD_STATE, "O-304", () -> text(clone, 1, 1));
        refuses(ZxStatus.BAD_STATE, "O-304", () -> put(clone, 1, 5));
        assertEquals("13", text(clone, 2, 1));
        assertEquals("11", text(clone, 0, 1));
    }

    @Test
    @Tag("O-305")
    void theLastCloneEndsTheFile() throws InterruptedException {
        VmObject file = scene.file(2);
        scene.supply(file, 0, 1, 2);
        VmObject clone = scene.clone(file, ALOW, 0, 2);
        VmObject deeper = scene.clone(clone, ALOW, 0, 1);
        long at = scene.map(deeper, 1);
        file.close();
        clone.close();
        assertEquals("1", text(deeper, 0, 1));
        assertEquals(0, deeper.info().parentKoid());
        deeper.close();
        scene.requireNoRequest();
        vm.root.unmap(at, PAGE);
        assertEquals("COMPLETE 0+0", scene.request());
        scene.requireNoRequest();
    }

    @Test
    @Tag("O-5")
    @Tag("O-278")
    void whoWaitsByAnObjectThatEndsIsToldThough() throws InterruptedException {
        VmObject file = scene.file(2);
        VmObject clone = scene.clone(file, ALOW, 0, 2);
        VmObject other = scene.clone(file, ALOW, 0, 2);
        var byFile = read(file, 0, 1);
        var byClone = read(clone, 1, 1);
        scene.untilWaiting(file, 2);
        clone.close();
        assertEquals(ZxStatus.BAD_HANDLE, byClone.refusal());
        var byOther = read(other, 1, 1);
        scene.untilWaiting(file, 2);
        file.close();
        assertEquals(ZxStatus.BAD_HANDLE, byFile.refusal());
        scene.pager.close();
        assertEquals(ZxStatus.BAD_STATE, byOther.refusal());
    }
}
