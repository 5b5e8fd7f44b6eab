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
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What Zircon's own suite tests of dirty pages and of writing them back (`pager-writeback.cc`),
/// where no other test here does.
@Timeout(120)
class VmarPagerWritebackTest {
    private static final VmoOption TRAP = VmoOption.TRAP_DIRTY;

    private final PagerScene scene = new PagerScene();
    private final VmarFixture vm = scene.vm;

    @AfterEach
    void tearDown() {
        scene.close();
    }

    // ---- who is asked

    @Test
    @Tag("pager-writeback.cc:DirtyRequestsOnVmoWrite")
    @Tag("pager-writeback.cc:DirtyRequestsViaMapping")
    @Tag("pager-writeback.cc:DirtyRequestsRepeatedWrites")
    @Tag("pager-writeback.cc:DirtyRequestsOnWriteAfterRead")
    void eachCleanPageIsAskedAboutOnce() throws InterruptedException {
        VmObject file = scene.supplied(16, TRAP);
        for (int page : new int[] {0, 2, 4, 6, 8, 3}) {
            var writer = run(() -> put(file, page, 9));
            scene.consent(file, page, 1);
            writer.result();
            put(file, page, 8);
        }
        var writer = run(() -> file.write(11 * PAGE, new byte[5 * (int) PAGE]));
        scene.consent(file, 11, 5);
        writer.result();
        assertEquals("0+1 2+3 6+1 8+1 11+5", scene.dirty(file));
        long at = scene.map(file, 16);
        assertEquals(10, vm.peek(at + 9 * PAGE));
        for (int page = 9; page <= 10; page++) {
            long there = at + page * PAGE;
            var store = start(() -> vm.write(there));
            scene.consent(file, page, 1);
            assertEquals(ZxStatus.OK, store.result());
            vm.poke(there, 7);
        }
        assertEquals("0+1 2+3 6+1 8+8", scene.dirty(file));
        scene.requireNoRequest();
    }

    @Test
    @Tag("pager-writeback.cc:OpDirtyNoWrite")
    void consentNobodyAskedForDirtiesAndChangesNoByte() {
        VmObject file = scene.supplied(1, TRAP);
        scene.op(PagerOp.DIRTY, file, 0, 1);
        assertEquals("0+1", scene.dirty(file));
        assertEquals("1", text(file, 0, 1));
    }

    @Test
    @Tag("pager-writeback.cc:NoDirtyRequestsForClones")
    void clonesAskAboutNothingTheirRootIsAskedAbout() throws InterruptedException {
        VmObject file = scene.file(3, TRAP);
        VmObject clone = scene.clone(file, VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE, 0, 3);
        var copying = run(() -> clone.write(0, new byte[3 * (int) PAGE]));
        assertEquals("READ 0+3", scene.request());
        scene.supply(file, 0, 1, 2, 3);
        copying.result();
        assertEquals("", scene.dirty(file));
        var writing = run(() -> file.write(0, new byte[3 * (int) PAGE]));
        scene.consent(file, 0, 3);
        writing.result();
        assertEquals("0+3", scene.dirty(file));
    }

    @Test
    @Tag("pager-writeback.cc:DirtyRequestsOverlap")
    @Tag("pager-writeback.cc:DirtyRequestsRandomOffsets")
    void overlappingWritersShareConsentAndAskForTheRest() throws InterruptedException {
        VmObject file = scene.file(8, TRAP);
        scene.supply(file, 0, 1, 2, 3, 4);
        scene.supply(file, 6, 7, 8);
        var first = run(() -> file.write(0, new byte[3 * (int) PAGE]));
        assertEquals("DIRTY 0+3", scene.request());
        var second = run(() -> file.write(2 * PAGE, new byte[6 * (int) PAGE]));
        scene.untilWaiting(file, 2);
        scene.op(PagerOp.DIRTY, file, 0, 3);
        first.result();
        scene.consent(file, 3, 1);
        assertEquals("READ 4+2", scene.request());
        scene.supply(file, 4, 5, 6);
        scene.consent(file, 4, 4);
        second.result();
        assertEquals("0+8", scene.dirty(file));
        scene.requireNoRequest();
    }

    @Test
    @Tag("pager-writeback.cc:FailDirtyRequests")
    @Tag("pager-writeback.cc:NotModifiedOnFailedDirtyRequest")
    void aRefusedWriteChangesNothing() throws InterruptedException {
        VmObject file = scene.supplied(1, TRAP);
        long at = scene.map(file, 1);
        var writer = run(() -> put(file, 0, 9));
        assertEquals("DIRTY 0+1", scene.request());
        var store = start(() -> vm.write(at));
        scene.untilWaiting(file, 2);
        scene.fail(file, 0, 1, ZxStatus.IO);
        assertEquals(ZxStatus.IO, writer.refusal());
        assertEquals(ZxStatus.IO, store.result());
        assertEquals("", scene.dirty(file));
        assertEquals("1", text(file, 0, 1));
        assertFalse(scene.pager.queryVmoStats(file).isModified());
    }

    @Test
    @Tag("pager-writeback.cc:DirtyRequestsForZeroPages")
    @Tag("pager-writeback.cc:DirtyZeroAndNonZeroPages")
    @Tag("pager-writeback.cc:DirtyRequestsForZeroRanges")
    void pagesOfZerosAreAskedAboutTogetherWithTheirNeighbours() throws InterruptedException {
        VmObject file = scene.file(6, TRAP);
        scene.supply(file, 0, 1, 0, 0, 4);
        scene.supply(file, 5, 0);
        assertEquals(2, committedPages(file));
        var low = run(() -> file.write(0, new byte[4 * (int) PAGE]));
        scene.consent(file, 0, 4);
        low.result();
        var high = run(() -> put(file, 5, 6));
        scene.consent(file, 5, 1);
        high.result();
        assertEquals("0+4 5+1", scene.dirty(file));
        assertEquals(5, committedPages(file));
    }

    @Test
    @Tag("pager-writeback.cc:NoDirtyRequestsMapExistingDirty")
    void whatIsDirtyIsMappedForWritingWithoutAQuestion() {
        VmObject file = scene.supplied(1, TRAP);
        scene.op(PagerOp.DIRTY, file, 0, 1);
        long at = scene.map(file, 1);
        vm.poke(at, 5);
        assertEquals(MmuFlags.RW, vm.entryAccess(at));
        assertEquals("5", text(file, 0, 1));
        scene.requireNoRequest();
    }

    @Test
    @Tag("pager-writeback.cc:LargeWriteBatched")
    void aLongWriteReadsAndAsksInBatches() throws InterruptedException {
        VmObject file = scene.file(64, TRAP);
        var writer = run(() -> file.write(0, new byte[64 * (int) PAGE]));
        for (int page = 0; page < 64; page += 16) {
            assertEquals("READ " + page + "+16", scene.request());
            scene.supply(file, page, new int[16]);
            scene.consent(file, page, 16);
        }
        writer.result();
        assertEquals("0+64", scene.dirty(file));
        scene.requireNoRequest();
    }

    // ---- writing back

    @Test
    @Tag("pager-writeback.cc:DirtyDuringWriteback")
    @Tag("pager-writeback.cc:WritebackWithMapping")
    void consentBeforeTheEndOfAWritebackKeepsThePageDirty() throws InterruptedException {
        VmObject file = scene.supplied(1, TRAP);
        scene.op(PagerOp.DIRTY, file, 0, 1);
        long at = scene.map(file, 1);
        vm.poke(at, 5);
        scene.op(PagerOp.WRITEBACK_BEGIN, file, 0, 1);
        var store = start(() -> vm.write(at));
        scene.consent(file, 0, 1);
        assertEquals(ZxStatus.OK, store.result());
        scene.op(PagerOp.WRITEBACK_END, file, 0, 1);
        assertEquals("0+1", scene.dirty(file));
        scene.op(PagerOp.WRITEBACK_BEGIN, file, 0, 1);
        var refusedStore = start(() -> vm.write(at));
        assertEquals("DIRTY 0+1", scene.request());
        scene.fail(file, 0, 1, ZxStatus.IO);
        assertEquals(ZxStatus.IO, refusedStore.result());
        scene.op(PagerOp.WRITEBACK_END, file, 0, 1);
        assertEquals("", scene.dirty(file));
    }

    @Test
    @Tag("pager-writeback.cc:ResizeDirtyRequest")
    @Tag("pager-writeback.cc:WritebackCombined")
    @Tag("pager-writeback.cc:WritebackOutOfOrder")
    @Tag("pager-writeback.cc:WritebackOutOfOrderCombinedEnd")
    @Tag("pager-writeback.cc:WritebackOutOfOrderCombinedBegin")
    void pagesAndZerosOfAGrownObjectAreWrittenBackInAnyOrder() throws InterruptedException {
        for (int way = 0; way < 4; way++) {
            VmObject file = scene.supplied(2, TRAP, VmoOption.RESIZABLE);
            file.setSize(6 * PAGE);
            for (int page : new int[] {2, 4}) {
                var writer = run(() -> put(file, page, 9));
                scene.consent(file, page, 1);
                writer.result();
            }
            assertEquals("2+1 3z+1 4+1 5z+1", scene.dirty(file));
            var all = run(() -> file.write(0, new byte[6 * (int) PAGE]));
            scene.consent(file, 0, 2);
            scene.consent(file, 3, 1);
            scene.consent(file, 5, 1);
            all.result();
            file.zero(3 * PAGE, PAGE);
            file.zero(5 * PAGE, PAGE);
            assertEquals("0+3 3z+1 4+1 5z+1", scene.dirty(file));
            int[][] parts = {{4, 2}, {0, 3}, {3, 1}};
            if (way % 2 == 0) {
                scene.op(PagerOp.WRITEBACK_BEGIN, file, 0, 6);
            }
            for (int[] part : parts) {
                if (way % 2 == 1) {
                    scene.op(PagerOp.WRITEBACK_BEGIN, file, part[0], part[1]);
                }
                if (way < 2) {
                    scene.op(PagerOp.WRITEBACK_END, file, part[0], part[1]);
                }
            }
            if (way >= 2) {
                scene.op(PagerOp.WRITEBACK_END, file, 0, 6);
            }
            assertEquals("", scene.dirty(file), "way " + way);
        }
    }

    @Test
    @Tag("pager-writeback.cc:ResizeWritebackIntersectingWrite")
    @Tag("pager-writeback.cc:ResizeWritebackNonIntersectingWrite")
    @Tag("pager-writeback.cc:ResizeWritebackIntersectingWritePartial")
    @Tag("pager-writeback.cc:DirtyAfterQuery")
    void zerosThatAreWrittenWhileTheyGoBackStayDirty() {
        VmObject file = scene.file(1, VmoOption.RESIZABLE);
        file.setSize(7 * PAGE);
        put(file, 2, 9);
        scene.pager.opRange(PagerOp.WRITEBACK_BEGIN, file, PAGE, 4 * PAGE, PagerOp.IS_ZERO);
        put(file, 3, 8);
        put(file, 6, 7);
        scene.op(PagerOp.WRITEBACK_END, file, 1, 4);
        assertEquals("2+2 5z+1 6+1", scene.dirty(file));
        scene.writeBack(file);
        assertEquals("", scene.dirty(file));
        assertEquals("9 8", text(file, 2, 2));
    }

    @Test
    @Tag("pager-writeback.cc:ResizeWritebackIntersectingResize")
    @Tag("pager-writeback.cc:ResizeWritebackNonIntersectingResize")
    @Tag("pager-writeback.cc:ResizeWritebackRepeated")
    void whatIsCutCannotBeWrittenBackAndWhatIsLeftCan() {
        VmObject file = scene.file(1, VmoOption.RESIZABLE);
        file.setSize(6 * PAGE);
        scene.op(PagerOp.WRITEBACK_BEGIN, file, 1, 5);
        scene.op(PagerOp.WRITEBACK_BEGIN, file, 1, 5);
        file.setSize(3 * PAGE);
        refuses(ZxStatus.OUT_OF_RANGE, () -> scene.op(PagerOp.WRITEBACK_END, file, 1, 5));
        assertEquals("1z+2", scene.dirty(file));
        scene.op(PagerOp.WRITEBACK_END, file, 1, 2);
        scene.op(PagerOp.WRITEBACK_END, file, 1, 2);
        assertEquals("", scene.dirty(file));
        file.setSize(5 * PAGE);
        assertEquals("3z+2", scene.dirty(file));
    }

    @Test
    @Tag("pager-writeback.cc:ResizeWritebackAfterGap")
    @Tag("pager-writeback.cc:ResizeWritebackMultipleGaps")
    @Tag("pager-writeback.cc:ResizeWritebackPartialEnd")
    void gapsBetweenPagesGoBackByThemselves() {
        VmObject file = scene.file(0, VmoOption.RESIZABLE);
        file.setSize(7 * PAGE);
        put(file, 2, 1);
        put(file, 4, 1);
        assertEquals("0z+2 2+1 3z+1 4+1 5z+2", scene.dirty(file));
        scene.op(PagerOp.WRITEBACK_BEGIN, file, 2, 1);
        scene.op(PagerOp.WRITEBACK_END, file, 2, 1);
        assertEquals("0z+2 3z+1 4+1 5z+2", scene.dirty(file));
        scene.op(PagerOp.WRITEBACK_BEGIN, file, 0, 7);
        scene.op(PagerOp.WRITEBACK_END, file, 3, 2);
        assertEquals("0z+2 5z+2", scene.dirty(file));
        scene.op(PagerOp.WRITEBACK_END, file, 0, 7);
        assertEquals("", scene.dirty(file));
    }

    @Test
    @Tag("pager-writeback.cc:ResizeWithOutstandingDirtyRequests")
    @Tag("pager-writeback.cc:ResizeWritebackWithOutstandingDirtyRequests")
    void writersOfWhatIsCutAreToldSo() throws InterruptedException {
        VmObject file = scene.supplied(3, TRAP, VmoOption.RESIZABLE);
        var writer = run(() -> file.write(PAGE, new byte[2 * (int) PAGE]));
        assertEquals("DIRTY 1+2", scene.request());
        file.setSize(PAGE);
        assertEquals(ZxStatus.OUT_OF_RANGE, writer.refusal());
        refuses(ZxStatus.OUT_OF_RANGE, () -> scene.op(PagerOp.DIRTY, file, 1, 2));
        refuses(ZxStatus.OUT_OF_RANGE, () -> scene.supply(file, 1, 5));
        refuses(ZxStatus.OUT_OF_RANGE, () -> scene.op(PagerOp.WRITEBACK_END, file, 1, 1));
        assertEquals("", scene.dirty(file));
    }

    @Test
    @Tag("pager-writeback.cc:ResizeWritebackNewDirtyRequests")
    @Tag("pager-writeback.cc:ResizeWritebackNewDirtyRequestsInterleaved")
    void whatWentBackIsAskedAboutAnew() throws InterruptedException {
        VmObject file = scene.supplied(1, TRAP, VmoOption.RESIZABLE);
        file.setSize(3 * PAGE);
        var first = run(() -> put(file, 1, 5));
        scene.consent(file, 1, 1);
        first.result();
        scene.op(PagerOp.WRITEBACK_BEGIN, file, 1, 2);
        var during = run(() -> put(file, 1, 6));
        scene.consent(file, 1, 1);
        during.result();
        scene.op(PagerOp.WRITEBACK_END, file, 1, 2);
        assertEquals("1+1", scene.dirty(file));
        var after = run(() -> put(file, 2, 7));
        assertEquals("READ 2+1", scene.request());
        scene.supply(file, 2, 0);
        scene.consent(file, 2, 1);
        after.result();
        assertEquals("1+2", scene.dirty(file));
    }

    // ---- zeroing

    @Test
    @Tag("pager-writeback.cc:OpZeroTail")
    @Tag("pager-writeback.cc:OpZeroExpandsTail")
    @Tag("pager-writeback.cc:OpZeroDecommit")
    void zerosJoinThoseBehindThem() {
        VmObject file = scene.supplied(4, VmoOption.RESIZABLE);
        file.setSize(6 * PAGE);
        assertEquals("4z+2", scene.dirty(file));
        file.zero(4 * PAGE, 2 * PAGE);
        assertEquals("4z+2", scene.dirty(file));
        file.zero(2 * PAGE, 2 * PAGE);
        assertEquals("2z+4", scene.dirty(file));
        assertEquals(2, committedPages(file));
        scene.requireNoRequest();
    }

    @Test
    @Tag("pager-writeback.cc:OpZeroResize")
    void aPartOfAPageThatIsCutCannotBeZeroed() throws InterruptedException {
        VmObject file = scene.file(2, VmoOption.RESIZABLE);
        var zeroing = run(() -> file.zero(PAGE, 1));
        assertEquals("READ 1+1", scene.request());
        file.setSize(PAGE);
        assertEquals(ZxStatus.OUT_OF_RANGE, zeroing.refusal());
    }

    @Test
    @Tag("pager-writeback.cc:OpZeroPinned")
    void aPinnedPageIsZeroedInPlace() throws InterruptedException {
        VmObject file = scene.supplied(4, TRAP);
        var pinning = start(() -> file.pin(PAGE, PAGE));
        scene.consent(file, 1, 1);
        try (PinnedPages pinned = pinning.result()) {
            file.zero(0, 4 * PAGE);
            assertEquals("0z+1 1+1 2z+2", scene.dirty(file));
            assertEquals(0, vm.machine.memory().readLong(pinned.address(0)));
        }
        assertEquals("0 0 0 0", text(file, 0, 4));
        assertEquals(1, committedPages(file));
    }

    // ---- the end, pins, slices

    @Test
    @Tag("pager-writeback.cc:DetachWithPendingDirtyRequest")
    @Tag("pager-writeback.cc:ResolveDirtyRequestAfterDetach")
    void aPendingQuestionEndsWithTheDetach() throws InterruptedException {
        VmObject file = scene.supplied(1, TRAP);
        var writer = run(() -> put(file, 0, 9));
        assertEquals("DIRTY 0+1", scene.request());
        scene.pager.detachVmo(file);
        assertEquals(ZxStatus.BAD_STATE, writer.refusal());
        assertEquals("COMPLETE 0+0", scene.request());
        refuses(ZxStatus.BAD_STATE, () -> scene.op(PagerOp.DIRTY, file, 0, 1));
        refuses(ZxStatus.BAD_STATE, () -> scene.fail(file, 0, 1, ZxStatus.IO));
    }

    @Test
    @Tag("pager-writeback.cc:WritePinAwaitingClean")
    @Tag("pager-writeback.cc:FailedPinAwaitingClean")
    @Tag("pager-writeback.cc:NotModifiedOnFailedPinWrite")
    void aPinAsksAboutPagesThatAreBeingWrittenBack() throws InterruptedException {
        VmObject file = scene.supplied(1, TRAP);
        var refused = start(() -> file.pin(0, PAGE));
        assertEquals("DIRTY 0+1", scene.request());
        scene.fail(file, 0, 1, ZxStatus.IO);
        assertEquals(ZxStatus.IO, refused.refusal());
        assertFalse(scene.pager.queryVmoStats(file).isModified());
        scene.op(PagerOp.DIRTY, file, 0, 1);
        scene.op(PagerOp.WRITEBACK_BEGIN, file, 0, 1);
        var pinning = start(() -> file.pin(0, PAGE));
        scene.consent(file, 0, 1);
        try (PinnedPages pinned = pinning.result()) {
            scene.op(PagerOp.WRITEBACK_END, file, 0, 1);
            assertEquals("0+1", scene.dirty(file));
            assertEquals(1, pinned.pageCount());
        }
        scene.writeBack(file);
        assertEquals("", scene.dirty(file));
    }

    @Test
    @Tag("pager-writeback.cc:SliceWrite")
    @Tag("pager-writeback.cc:SliceOpZero")
    @Tag("pager-writeback.cc:SlicePinWrite")
    void whatIsDoneToASliceDirtiesTheWhole() throws InterruptedException {
        VmObject file = scene.supplied(4, TRAP);
        try (VmObject slice = file.createSlice(PAGE, 3 * PAGE)) {
            var writer = run(() -> put(slice, 0, 9));
            scene.consent(file, 1, 1);
            writer.result();
            slice.zero(PAGE, PAGE);
            var pinning = start(() -> slice.pin(2 * PAGE, PAGE));
            scene.consent(file, 3, 1);
            pinning.result().close();
            assertEquals("1+1 2z+1 3+1", scene.dirty(file));
            refuses(ZxStatus.INVALID_ARGS, () -> scene.pager.queryDirtyRanges(slice, 0, 3 * PAGE));
        }
        assertEquals("1 9 0 4", text(file, 0, 4));
    }

    @Test
    @Tag("pager-writeback.cc:DirtyLargeRange")
    @Tag("pager-writeback.cc:CommitExtendedTail")
    void consentAndCommitMakePagesOfZerosThatStayDirty() throws InterruptedException {
        VmObject file = scene.file(100, TRAP, VmoOption.RESIZABLE);
        scene.supply(file, 0, new int[100]);
        file.setSize(200 * PAGE);
        var commit = run(() -> file.commit(150 * PAGE, PAGE));
        scene.consent(file, 150, 1);
        commit.result();
        assertEquals("100z+50 150+1 151z+49", scene.dirty(file));
        scene.op(PagerOp.DIRTY, file, 0, 200);
        assertEquals("0+200", scene.dirty(file));
        assertEquals(200, committedPages(file));
    }

    @Test
    @Tag("pager-writeback.cc:DelayedDirtyNotFound")
    @Tag("pager-writeback.cc:DelayedReadZeroRange")
    void answersThatComeTooLateHaveTheAccessTriedAgain() throws InterruptedException {
        VmObject file = scene.file(1, TRAP, VmoOption.RESIZABLE);
        file.setSize(2 * PAGE);
        var writer = run(() -> put(file, 1, 5));
        assertEquals("DIRTY 1+1", scene.request());
        scene.writeBack(file);
        refuses(ZxStatus.NOT_FOUND, () -> scene.op(PagerOp.DIRTY, file, 1, 1));
        assertEquals("READ 1+1", scene.request());
        scene.supply(file, 1, 0);
        scene.consent(file, 1, 1);
        writer.result();
        var reader = read(file, 0, 1);
        assertEquals("READ 0+1", scene.request());
        file.zero(0, PAGE);
        assertEquals("0", reader.result());
        assertEquals("0z+1 1+1", scene.dirty(file));
    }

    @Test
    @Tag("pager-writeback.cc:ChildAttributedCounts")
    void aDirtyPageIsChargedToTheRootAlone() {
        VmObject file = scene.supplied(1);
        put(file, 0, 5);
        VmObject clone = scene.clone(file, VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE, 0, 1);
        assertEquals(1, committedPages(file));
        assertEquals(0, committedPages(clone));
        file.close();
        assertEquals(0, committedPages(clone));
        assertEquals("5", text(clone, 0, 1));
    }

    @Test
    @Tag("pager-writeback.cc:UntrackedAbsorbsIntervalSlots")
    @Tag("pager-writeback.cc:UntrackedAbsorbsPages")
    @Tag("pager-writeback.cc:UntrackedBeyondStreamSize")
    void aStreamThatShrinksTakesPagesAndZerosWithIt() {
        VmObject file = scene.supplied(2, VmoOption.RESIZABLE);
        file.setSize(6 * PAGE);
        put(file, 4, 9);
        assertEquals("2z+2 4+1 5z+1", scene.dirty(file));
        file.setStreamSize(3 * PAGE);
        assertEquals("2z+1", scene.dirty(file));
        put(file, 5, 8);
        assertEquals("2z+1 5+1", scene.dirty(file));
        file.setStreamSize(2 * PAGE);
        assertEquals("", scene.dirty(file));
        assertEquals("1 2 0 0 0 0", text(file, 0, 6));
        assertTrue(scene.pager.queryVmoStats(file).isModified());
    }
}
