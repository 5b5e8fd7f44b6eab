package io.jircon.vm;

import static io.jircon.vm.PagerScene.committedPages;
import static io.jircon.vm.PagerScene.run;
import static io.jircon.vm.PagerScene.start;
import static io.jircon.vm.PagerScene.text;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What a pager has to write back, and what it is asked before a page is written.
@Timeout(120)
class VmarPagerDirtyTest {
    private static final VmoOption TRAP = VmoOption.TRAP_DIRTY;

    private FailingFrames frames;
    private final PagerScene scene = new PagerScene(inner -> frames = new FailingFrames(inner));
    private final VmarFixture vm = scene.vm;

    @AfterEach
    void tearDown() {
        scene.close();
    }

    // ---- without a trap

    @Test
    @Tag("V-210")
    @Tag("O-252")
    @Tag("O-257")
    @Tag("O-288")
    @Tag("pager-writeback.cc:SimpleDirtyNoTrap")
    void cleanPagesAreMappedWithoutWriteUntilAWriteFault() {
        VmObject file = scene.file(2);
        scene.supply(file, 0, 1, 2);
        long at = scene.map(file, 2);
        assertEquals(1, vm.peek(at));
        assertEquals(MmuFlags.R, vm.entryAccess(at));
        assertEquals("", scene.dirty(file));
        vm.poke(at, 9);
        assertEquals(MmuFlags.RW, vm.entryAccess(at));
        assertEquals("0+1", scene.dirty(file));
        assertEquals(MmuFlags.R, vm.entryAccess(at + PAGE));
    }

    @Test
    @Tag("O-257")
    @Tag("O-292")
    @Tag("O-293")
    @Tag("pager-writeback.cc:SimpleWriteback")
    void writebackTakesWriteAwayAndEndsWithCleanPages() {
        VmObject file = scene.file(3);
        scene.supply(file, 0, 1, 2, 3);
        long at = scene.map(file, 3);
        vm.poke(at, 4);
        put(file, 1, 5);
        scene.op(PagerOp.WRITEBACK_END, file, 0, 3);
        assertEquals("0+2", scene.dirty(file));
        scene.op(PagerOp.WRITEBACK_BEGIN, file, 0, 3);
        assertEquals("0+2", scene.dirty(file));
        assertEquals(MmuFlags.R, vm.entryAccess(at));
        vm.poke(at, 6);
        assertEquals(MmuFlags.RW, vm.entryAccess(at));
        scene.op(PagerOp.WRITEBACK_END, file, 0, 3);
        assertEquals("0+1", scene.dirty(file));
        scene.writeBack(file);
        scene.op(PagerOp.WRITEBACK_END, file, 0, 3);
        assertEquals("", scene.dirty(file));
        assertEquals("6 5 3", text(file, 0, 3));
    }

    @Test
    @Tag("O-292")
    void onlyZerosMeansOnlyZeros() {
        VmObject file = scene.file(1, VmoOption.RESIZABLE);
        scene.supply(file, 0, 1);
        put(file, 0, 2);
        file.setSize(3 * PAGE);
        assertEquals("0+1 1z+2", scene.dirty(file));
        scene.pager.opRange(PagerOp.WRITEBACK_BEGIN, file, 0, 3 * PAGE, PagerOp.IS_ZERO);
        scene.op(PagerOp.WRITEBACK_END, file, 0, 3);
        assertEquals("0+1", scene.dirty(file));
    }

    @Test
    @Tag("O-290")
    @Tag("pager-writeback.cc:NoDirtyRequestsOnRead")
    @Tag("pager-writeback.cc:NoDirtyRequestsOnCommit")
    @Tag("pager-writeback.cc:NoDirtyOnCommit")
    @Tag("pager-writeback.cc:NoDirtyRequestsOnMapRange")
    @Tag("pager-writeback.cc:NotModifiedOnMappingRead")
    void lookingDirtiesNothing() {
        VmObject file = scene.file(3, TRAP);
        scene.supply(file, 0, 1, 0, 3);
        long at = scene.map(file, 3);
        assertEquals("1 0 3", text(file, 0, 3));
        assertEquals(1, vm.peek(at));
        file.commit(0, 3 * PAGE);
        file.prefetch(0, 3 * PAGE);
        vm.root.opRange(VmarOp.MAP_RANGE, at, 3 * PAGE);
        assertEquals("111", vm.entries(at, 3));
        assertEquals(MmuFlags.R, vm.entryAccess(at + 2 * PAGE));
        assertEquals("", scene.dirty(file));
        assertFalse(scene.pager.queryVmoStats(file).isModified());
        assertEquals(3, committedPages(file));
        scene.requireNoRequest();
    }

    // ---- with a trap

    @Test
    @Tag("V-204")
    @Tag("O-285")
    @Tag("O-288")
    @Tag("pager-writeback.cc:SimpleTrapDirty")
    void trappedWritesWaitForThePagersConsent() throws InterruptedException {
        VmObject file = scene.file(3, TRAP);
        scene.supply(file, 0, 1, 2);
        long at = scene.map(file, 3);
        var fault = start(() -> vm.write(at));
        assertEquals("DIRTY 0+1", scene.request());
        assertEquals("", scene.dirty(file));
        scene.op(PagerOp.DIRTY, file, 0, 1);
        assertEquals(ZxStatus.OK, fault.result());
        assertEquals(MmuFlags.RW, vm.entryAccess(at));
        assertEquals("0+1", scene.dirty(file));
        put(file, 0, 9);
        scene.requireNoRequest();
        var writer = run(() -> file.write(0, new byte[3 * (int) PAGE]));
        assertEquals("DIRTY 1+1", scene.request());
        scene.op(PagerOp.DIRTY, file, 1, 1);
        assertEquals("READ 2+1", scene.request());
        scene.supply(file, 2, 3);
        assertEquals("DIRTY 2+1", scene.request());
        scene.op(PagerOp.DIRTY, file, 2, 1);
        writer.result();
        assertEquals("0+3", scene.dirty(file));
    }

    @Test
    @Tag("O-289")
    @Tag("pager-writeback.cc:FailDirtyRequestsForZeroPages")
    void refusedWriteToZerosLeavesThem() throws InterruptedException {
        VmObject file = scene.file(1, TRAP);
        scene.supply(file, 0, 0);
        var writer = run(() -> put(file, 0, 1));
        assertEquals("DIRTY 0+1", scene.request());
        scene.fail(file, 0, 1, ZxStatus.NO_SPACE);
        assertEquals(ZxStatus.NO_SPACE, writer.refusal());
        assertEquals(0, committedPages(file));
        assertEquals("", scene.dirty(file));
        scene.op(PagerOp.DIRTY, file, 0, 1);
        assertEquals(1, committedPages(file));
        put(file, 0, 1);
        assertEquals("1", text(file, 0, 1));
    }

    @Test
    @Tag("O-285")
    void consentForMissingPagesIsNotFoundAndHasWaitersAskAgain() throws InterruptedException {
        VmObject file = scene.file(2, TRAP);
        scene.supply(file, 0, 1);
        var writer = run(() -> put(file, 0, 5));
        assertEquals("DIRTY 0+1", scene.request());
        refuses(ZxStatus.NOT_FOUND, "O-285", () -> scene.op(PagerOp.DIRTY, file, 0, 2));
        assertEquals("", scene.dirty(file));
        scene.untilWaiting(file, 1);
        scene.requireNoRequest();
        scene.op(PagerOp.DIRTY, file, 0, 1);
        writer.result();
        assertEquals("5", text(file, 0, 1));
    }

    @Test
    @Tag("O-285")
    void consentWithoutFramesForZerosChangesNothing() {
        VmObject file = scene.file(2, TRAP);
        scene.supply(file, 0, 1, 0);
        frames.failAt(1);
        refuses(ZxStatus.NO_MEMORY, "O-283", () -> scene.op(PagerOp.DIRTY, file, 0, 2));
        assertTrue(frames.disarm());
        assertEquals("", scene.dirty(file));
        assertEquals(1, committedPages(file));
    }

    @Test
    @Tag("O-294")
    @Tag("pager-writeback.cc:DirtyDuringWriteback")
    void consentThatComesAfterWritebackDirtiesAgain() throws InterruptedException {
        VmObject file = scene.file(1, TRAP);
        scene.supply(file, 0, 1);
        scene.op(PagerOp.DIRTY, file, 0, 1);
        scene.op(PagerOp.WRITEBACK_BEGIN, file, 0, 1);
        var writer = run(() -> put(file, 0, 5));
        assertEquals("DIRTY 0+1", scene.request());
        scene.op(PagerOp.WRITEBACK_END, file, 0, 1);
        assertEquals("", scene.dirty(file));
        scene.op(PagerOp.DIRTY, file, 0, 1);
        writer.result();
        assertEquals("0+1", scene.dirty(file));
    }

    @Test
    @Tag("O-304")
    @Tag("pager-writeback.cc:NoDirtyRequestsAfterDetach")
    void trappedWriteAfterDetachIsBadState() throws InterruptedException {
        VmObject file = scene.file(2, TRAP);
        scene.supply(file, 0, 1);
        scene.op(PagerOp.DIRTY, file, 0, 1);
        long at = scene.map(file, 2);
        var writer = run(() -> put(file, 1, 5));
        assertEquals("READ 1+1", scene.request());
        scene.pager.detachVmo(file);
        assertEquals(ZxStatus.BAD_STATE, writer.refusal());
        assertEquals("COMPLETE 0+0", scene.request());
        vm.poke(at, 7);
        scene.writeBack(file);
        assertEquals(ZxStatus.BAD_STATE, vm.write(at));
        refuses(ZxStatus.BAD_STATE, "O-304", () -> put(file, 0, 5));
        assertEquals(7, vm.peek(at));
    }

    // ---- zeros

    @Test
    @Tag("O-60")
    @Tag("O-296")
    @Tag("pager-writeback.cc:ResizeSupplyZero")
    void growthIsDirtyZerosThatOnlyWritesAskAbout() throws InterruptedException {
        VmObject file = scene.file(1, TRAP, VmoOption.RESIZABLE);
        long at = scene.map(file, 4);
        file.setSize(4 * PAGE);
        assertEquals("1z+3", scene.dirty(file));
        assertEquals("0 0 0", text(file, 1, 3));
        assertEquals(0, vm.peek(at + PAGE));
        scene.supply(file, 1, 9);
        assertEquals("0", text(file, 1, 1));
        scene.requireNoRequest();
        var writer = run(() -> put(file, 2, 3));
        assertEquals("DIRTY 2+1", scene.request());
        scene.op(PagerOp.DIRTY, file, 2, 1);
        writer.result();
        assertEquals("1z+1 2+1 3z+1", scene.dirty(file));
        assertEquals(1, committedPages(file));
        assertEquals(3, vm.peek(at + 2 * PAGE));
    }

    @Test
    @Tag("O-295")
    @Tag("pager-writeback.cc:ResizeWriteback")
    @Tag("pager-writeback.cc:ResizeWritebackSequential")
    @Tag("pager-writeback.cc:ResizeWritebackWithMapping")
    void zerosThatWereWrittenBackHaveToBeAskedFor() throws InterruptedException {
        VmObject file = scene.file(0, VmoOption.RESIZABLE);
        file.setSize(4 * PAGE);
        long at = scene.map(file, 4);
        assertEquals(0, vm.peek(at));
        scene.op(PagerOp.WRITEBACK_BEGIN, file, 0, 2);
        scene.op(PagerOp.WRITEBACK_BEGIN, file, 2, 2);
        scene.op(PagerOp.WRITEBACK_END, file, 0, 4);
        assertEquals("2z+2", scene.dirty(file));
        assertEquals("0000", vm.entries(at, 4));
        var fault = start(() -> vm.read(at));
        assertEquals("READ 0+1", scene.request());
        scene.supply(file, 0, 8);
        assertEquals(ZxStatus.OK, fault.result());
        assertEquals(8, vm.peek(at));
    }

    @Test
    @Tag("O-295")
    @Tag("O-298")
    @Tag("pager-writeback.cc:OpZeroWriteback")
    void zerosThatJoinARunHaveItWrittenBackAnew() {
        VmObject file = scene.file(4, VmoOption.RESIZABLE);
        scene.supply(file, 0, 1, 2, 3, 4);
        file.zero(PAGE, PAGE);
        scene.op(PagerOp.WRITEBACK_BEGIN, file, 0, 4);
        file.zero(PAGE, PAGE);
        file.zero(2 * PAGE, PAGE);
        scene.op(PagerOp.WRITEBACK_END, file, 0, 4);
        assertEquals("1z+2", scene.dirty(file));
        file.setSize(2 * PAGE);
        assertEquals("1z+1", scene.dirty(file));
        assertEquals(1, committedPages(file));
    }

    @Test
    @Tag("O-295")
    @Tag("O-299")
    void zerosThatWereCutAndCameBackAreWrittenBackAnew() {
        VmObject file = scene.file(0, VmoOption.RESIZABLE);
        file.setSize(4 * PAGE);
        scene.op(PagerOp.WRITEBACK_BEGIN, file, 0, 4);
        file.setSize(2 * PAGE);
        file.setSize(4 * PAGE);
        scene.op(PagerOp.WRITEBACK_END, file, 0, 4);
        assertEquals("0z+4", scene.dirty(file));
        assertEquals("0 0", text(file, 2, 2));
        scene.requireNoRequest();
    }

    @Test
    @Tag("O-102")
    @Tag("pager-writeback.cc:OpZero")
    @Tag("pager-writeback.cc:OpZeroTrapDirty")
    @Tag("pager-writeback.cc:OpZeroPartialPage")
    @Tag("pager-writeback.cc:OpZeroUnblocksReadRequest")
    @Tag("pager-writeback.cc:OpZeroWithMarkers")
    void zeroFreesWholePagesWithoutARequestAndReleasesReaders() throws InterruptedException {
        VmObject file = scene.file(4, TRAP);
        scene.supply(file, 1, 2, 0);
        long before = vm.machine.frames().freeFrames();
        var reader = PagerScene.read(file, 0, 1);
        assertEquals("READ 0+1", scene.request());
        file.zero(0, 3 * PAGE);
        assertEquals("0", reader.result());
        assertEquals(before + 1, vm.machine.frames().freeFrames());
        assertEquals("0z+2", scene.dirty(file));
        scene.requireNoRequest();
        var part = run(() -> file.zero(3 * PAGE, 1));
        assertEquals("READ 3+1", scene.request());
        scene.supply(file, 3, 4);
        assertEquals("DIRTY 3+1", scene.request());
        scene.op(PagerOp.DIRTY, file, 3, 1);
        part.result();
        assertEquals("0z+2 3+1", scene.dirty(file));
        assertEquals("0", text(file, 3, 1));
    }

    @Test
    @Tag("O-65")
    @Tag("O-297")
    @Tag("pager-writeback.cc:UntrackedBeyondStreamSize")
    void pastTheStreamSizeAreZerosThatThePagerDoesNotHearOf() {
        VmObject file = scene.file(4);
        scene.supply(file, 0, 1, 2, 3, 4);
        file.setStreamSize(PAGE + 1);
        assertEquals("1 2 0 0", text(file, 0, 4));
        assertEquals("1+1", scene.dirty(file));
        put(file, 3, 7);
        assertEquals("1+1 3+1", scene.dirty(file));
        file.setStreamSize(3 * PAGE);
        assertEquals("1 2 0 0", text(file, 0, 4));
        assertEquals("1+1 2z+1", scene.dirty(file));
        scene.requireNoRequest();
    }

    @Test
    @Tag("O-20")
    @Tag("O-297")
    @Tag("pager-writeback.cc:Unbounded")
    void unboundedObjectIsZerosPastItsStream() throws InterruptedException {
        VmObject file =
                vm.closing(scene.pager.createVmo(scene.queue, 1, PAGE, VmoOption.UNBOUNDED, TRAP));
        assertEquals(VmObject.MAX_SIZE_BYTES, file.sizeBytes());
        assertEquals("0", text(file, 1L << 40, 1));
        var writer = run(() -> put(file, 5, 7));
        assertEquals("DIRTY 5+1", scene.request());
        scene.op(PagerOp.DIRTY, file, 5, 1);
        writer.result();
        assertEquals("5+1", scene.dirty(file));
        refuses(ZxStatus.NO_MEMORY, "O-283", () -> scene.op(PagerOp.DIRTY, file, 1, 1L << 50));
        var pinning = start(() -> file.pin(6 * PAGE, 1L << 40));
        assertEquals("DIRTY 6+" + (1L << 28), scene.request());
        scene.fail(file, 6, 1, ZxStatus.NO_SPACE);
        assertEquals(ZxStatus.NO_SPACE, pinning.refusal());
        var reader = PagerScene.read(file, 0, 1);
        assertEquals("READ 0+1", scene.request());
        scene.supply(file, 0, 3);
        assertEquals("3", reader.result());
    }

    @Test
    @Tag("O-54")
    @Tag("O-102")
    void shrinkingIntoAPageClearsItsTailAsAWriteDoes() throws InterruptedException {
        VmObject file = scene.file(2, TRAP, VmoOption.RESIZABLE);
        var shrink = run(() -> file.setSize(PAGE + 1));
        assertEquals("READ 1+1", scene.request());
        try (VmObject aux = vm.vmo(1)) {
            aux.write(0, new byte[] {5, 6});
            scene.pager.supplyPages(file, PAGE, PAGE, aux, 0);
        }
        assertEquals("DIRTY 1+1", scene.request());
        scene.op(PagerOp.DIRTY, file, 1, 1);
        shrink.result();
        assertEquals(5, file.read(PAGE, 2)[0]);
        assertEquals(0, file.read(PAGE, 2)[1]);
        assertEquals("1+1", scene.dirty(file));
    }

    // ---- pins, failures, questions

    @Test
    @Tag("O-124")
    @Tag("O-292")
    @Tag("pager-writeback.cc:PinForWrite")
    @Tag("pager-writeback.cc:PinnedWriteback")
    @Tag("pager-writeback.cc:PinForWriteUnpopulated")
    void pinnedPagesAreDirtyUntilTheyAreUnpinned() throws InterruptedException {
        VmObject file = scene.file(2, TRAP);
        scene.supply(file, 0, 1);
        var pinning = start(() -> file.pin(0, 2 * PAGE));
        assertEquals("DIRTY 0+1", scene.request());
        scene.op(PagerOp.DIRTY, file, 0, 1);
        assertEquals("READ 1+1", scene.request());
        scene.supply(file, 1, 2);
        assertEquals("DIRTY 1+1", scene.request());
        scene.op(PagerOp.DIRTY, file, 1, 1);
        try (PinnedPages pinned = pinning.result()) {
            assertTrue(scene.pager.queryVmoStats(file).isModified());
            scene.writeBack(file);
            assertEquals("0+2", scene.dirty(file));
            file.zero(0, PAGE);
            assertEquals(0, vm.machine.memory().readLong(pinned.address(0)));
        }
        scene.writeBack(file);
        assertEquals("", scene.dirty(file));
    }

    @ParameterizedTest(name = "page {0}")
    @ValueSource(ints = {0, 1, 2})
    @Tag("V-282")
    void writeFaultThatTheMachineRefusesDirtiesNothing(int page) {
        VmObject file = scene.file(2, VmoOption.RESIZABLE);
        scene.supply(file, 0, 1, 0);
        file.setSize(3 * PAGE);
        scene.pager.queryAndResetVmoStats(file);
        long at = scene.map(file, 3);
        for (int k = 1; ; k++) {
            frames.failAt(k);
            ZxStatus status = vm.write(at + page * PAGE);
            if (!frames.disarm()) {
                assertEquals(ZxStatus.OK, status);
                break;
            }
            assertEquals(ZxStatus.NO_MEMORY, status);
            assertEquals("2z+1", scene.dirty(file));
            assertEquals(1, committedPages(file));
            assertFalse(scene.pager.queryVmoStats(file).isModified());
        }
        assertEquals(page == 2 ? "2+1" : page + "+1 2z+1", scene.dirty(file));
        assertEquals(page == 0 ? 1 : 2, committedPages(file));
    }

    @Test
    @Tag("O-300")
    @Tag("O-302")
    @Tag("pager-writeback.cc:ModifiedOnVmoWrite")
    @Tag("pager-writeback.cc:ModifiedOnMappingWrite")
    @Tag("pager-writeback.cc:ModifiedOnResize")
    @Tag("pager-writeback.cc:ModifiedOnOpZero")
    @Tag("pager-writeback.cc:ModifiedNoReset")
    @Tag("pager-writeback.cc:NotModifiedOnVmoRead")
    @Tag("pager-writeback.cc:NotModifiedOnFailedResize")
    void modifiedIsSetByChangesAndResetOnRequest() {
        VmObject file = scene.file(2, VmoOption.RESIZABLE);
        scene.supply(file, 0, 1, 2);
        long at = scene.map(file, 2);
        Runnable[] changes = {
            () -> put(file, 0, 5),
            () -> vm.poke(at + PAGE, 6),
            () -> file.zero(0, PAGE),
            () -> file.setStreamSize(PAGE),
            () -> file.setSize(PAGE)
        };
        assertFalse(scene.pager.queryVmoStats(file).isModified());
        for (Runnable change : changes) {
            change.run();
            assertTrue(scene.pager.queryVmoStats(file).isModified());
            assertTrue(scene.pager.queryAndResetVmoStats(file).isModified());
            assertFalse(scene.pager.queryVmoStats(file).isModified());
        }
        text(file, 0, 1);
        scene.writeBack(file);
        refuses(ZxStatus.OUT_OF_RANGE, "O-52", () -> file.setSize(-PAGE));
        assertFalse(scene.pager.queryVmoStats(file).isModified());
        refuses(ZxStatus.INVALID_ARGS, "O-302", () -> scene.pager.queryVmoStats(vm.vmo(1)));
    }

    @Test
    @Tag("O-301")
    @Tag("pager-writeback.cc:DirtyNoTrapRandomOffsets")
    void dirtyRangesAreClippedMergedAndAscending() {
        VmObject file = scene.file(4, VmoOption.RESIZABLE);
        scene.supply(file, 0, 1, 2, 3, 4);
        put(file, 3, 1);
        put(file, 0, 1);
        put(file, 1, 1);
        file.setSize(8 * PAGE);
        put(file, 5, 1);
        assertEquals("0+2 3+1 4z+1 5+1 6z+2", scene.dirty(file));
        assertEquals(
                "[DirtyRange[offset=4096, length=4096, contents=PAGES],"
                        + " DirtyRange[offset=12288, length=4096, contents=PAGES]]",
                scene.pager.queryDirtyRanges(file, PAGE + 5, 2 * PAGE).toString());
        assertTrue(scene.pager.queryDirtyRanges(file, 8 * PAGE, 0).isEmpty());
        refuses(
                ZxStatus.OUT_OF_RANGE,
                "O-301",
                () -> scene.pager.queryDirtyRanges(file, 8 * PAGE, 1));
        refuses(
                ZxStatus.INVALID_ARGS,
                "O-301",
                () -> scene.pager.queryDirtyRanges(vm.vmo(1), 8 * PAGE, 1));
    }

    @Test
    @Tag("V-162")
    @Tag("O-253")
    @Tag("pager-writeback.cc:DirtyAfterMapProtect")
    void permissionGivenBackDoesNotMakeCleanPagesWritable() {
        VmObject file = scene.file(1);
        scene.supply(file, 0, 1);
        long at = scene.map(file, 1);
        vm.poke(at, 2);
        scene.writeBack(file);
        vm.root.protect(R, at, PAGE);
        vm.root.protect(RW, at, PAGE);
        assertFalse(vm.entryAccess(at).canWrite());
        assertEquals("", scene.dirty(file));
        vm.poke(at, 3);
        assertEquals("0+1", scene.dirty(file));
    }
}
