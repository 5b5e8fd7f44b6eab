package io.jircon.vm;

import static io.jircon.vm.PagerScene.committedPages;
import static io.jircon.vm.PagerScene.read;
import static io.jircon.vm.PagerScene.run;
import static io.jircon.vm.PagerScene.start;
import static io.jircon.vm.PagerScene.text;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.mapAt;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What is asked of a pager, who waits for it, and how the waiting ends.
@Timeout(120)
class VmarPagerTest {
    private final PagerScene scene = new PagerScene();
    private final VmarFixture vm = scene.vm;

    @AfterEach
    void tearDown() {
        scene.close();
    }

    // ---- requests

    @Test
    @Tag("V-204")
    @Tag("O-273")
    @Tag("pager.cc:SinglePage")
    void mappedFaultAsksForItsPageAndGoesOnWhenItCame() throws InterruptedException {
        VmObject file = scene.file(4);
        long at = scene.map(file, 4);
        var fault = start(() -> vm.read(at + PAGE));
        assertEquals("READ 1+1", scene.request());
        scene.supply(file, 1, 7);
        assertEquals(ZxStatus.OK, fault.result());
        assertEquals(7, vm.peek(at + PAGE));
        assertEquals("0100", vm.entries(at, 4));
        scene.requireNoRequest();
    }

    @Test
    @Tag("V-204")
    void faultOverSeveralPagesKeepsThoseItEnteredAndAsksForTheRest() throws InterruptedException {
        VmObject file = scene.file(6);
        long at = scene.map(file, 6);
        scene.supply(file, 0, 1, 2);
        scene.supply(file, 3, 4);
        var fault = start(() -> vm.root.handlePageFault(at, AccessKind.READ, 5));
        assertEquals("READ 2+1", scene.request());
        assertEquals("110000", vm.entries(at, 6));
        scene.supply(file, 2, 3);
        assertEquals("READ 4+1", scene.request());
        assertEquals("111100", vm.entries(at, 6));
        scene.supply(file, 4, 5, 6);
        assertEquals(ZxStatus.OK, fault.result());
        assertEquals("111110", vm.entries(at, 6));
    }

    @Test
    @Tag("V-204")
    void failedWaitOfALaterPageIsTheResult() throws InterruptedException {
        VmObject file = scene.file(2);
        long at = scene.map(file, 2);
        scene.supply(file, 0, 1);
        var fault = start(() -> vm.root.handlePageFault(at, AccessKind.READ, 2));
        assertEquals("READ 1+1", scene.request());
        scene.fail(file, 1, 1, ZxStatus.IO);
        assertEquals(ZxStatus.IO, fault.result());
        assertEquals("10", vm.entries(at, 2));
    }

    @Test
    @Tag("O-273")
    @Tag("pager.cc:SinglePage")
    @Tag("pager.cc:SequentialMultipage")
    void readAsksForEachRunOfAbsentPages() throws InterruptedException {
        VmObject file = scene.file(6);
        scene.supply(file, 2, 3);
        var reader = read(file, 0, 6);
        assertEquals("READ 0+2", scene.request());
        scene.supply(file, 0, 1, 2);
        assertEquals("READ 3+3", scene.request());
        scene.supply(file, 3, 4, 5, 6);
        assertEquals("1 2 3 4 5 6", reader.result());
    }

    @Test
    @Tag("O-273")
    void writeAsksForSixteenPagesAtATime() throws InterruptedException {
        VmObject file = scene.file(20);
        var writer = run(() -> file.write(0, new byte[20 * (int) PAGE]));
        assertEquals("READ 0+16", scene.request());
        scene.supply(file, 0, new int[16]);
        assertEquals("READ 16+4", scene.request());
        scene.supply(file, 16, new int[4]);
        writer.result();
        assertEquals(20, committedPages(file));
    }

    @Test
    @Tag("O-275")
    @Tag("O-282")
    @Tag("pager.cc:EarlyWakeOnSupply")
    @Tag("pager.cc:EarlyWakeNonLinearSupply")
    void readerGoesOnWithWhatCameAndAsksNothingTwice() throws InterruptedException {
        VmObject file = scene.file(4);
        var reader = read(file, 0, 4);
        assertEquals("READ 0+4", scene.request());
        scene.supply(file, 0, 1);
        scene.untilWaiting(file, 1);
        scene.supply(file, 2, 3, 4);
        scene.requireNoRequest();
        scene.supply(file, 1, 2);
        assertEquals("1 2 3 4", reader.result());
        scene.requireNoRequest();
    }

    @Test
    @Tag("O-274")
    @Tag("pager.cc:ConcurrentMultipageAccess")
    @Tag("pager.cc:ConcurrentOverlappingAccess")
    @Tag("pager.cc:EarlyWakeOverlappingRequests")
    void overlappingNeedsShareARequest() throws InterruptedException {
        VmObject file = scene.file(4);
        long at = scene.map(file, 4);
        var first = read(file, 1, 2);
        assertEquals("READ 1+2", scene.request());
        var fault = start(() -> vm.read(at + 2 * PAGE));
        scene.untilWaiting(file, 2);
        scene.requireNoRequest();
        var wider = read(file, 0, 4);
        assertEquals("READ 0+1", scene.request());
        scene.supply(file, 0, 1, 2, 3);
        assertEquals("2 3", first.result());
        assertEquals(ZxStatus.OK, fault.result());
        assertEquals("READ 3+1", scene.request());
        scene.supply(file, 3, 4);
        assertEquals("1 2 3 4", wider.result());
    }

    @Test
    @Tag("O-276")
    @Tag("pager.cc:ManyRequest")
    void manyRequestsAreAllDelivered() throws InterruptedException {
        int count = 257;
        VmObject file = scene.file(count);
        List<PagerScene.Started<String>> readers = new ArrayList<>();
        for (int page = 0; page < count; page++) {
            readers.add(read(file, page, 1));
        }
        Set<String> wanted = new HashSet<>();
        Set<String> delivered = new HashSet<>();
        for (int page = 0; page < count; page++) {
            wanted.add("READ " + page + "+1");
            delivered.add(scene.request());
        }
        assertEquals(wanted, delivered);
        scene.supply(file, 0, new int[count]);
        for (var reader : readers) {
            assertEquals("0", reader.result());
        }
    }

    @Test
    @Tag("O-276")
    @Tag("O-282")
    @Tag("pager.cc:EarlySupply")
    void requestThatNobodyTookIsWithdrawnWhenItIsAnswered() throws InterruptedException {
        VmObject file = scene.file(2);
        var reader = read(file, 0, 2);
        scene.untilWaiting(file, 1);
        file.lock().lock(); // so that it is the answer, not the reader's end, that withdraws it
        try {
            scene.supply(file, 0, 1, 2);
            scene.requireNoRequest();
        } finally {
            file.lock().unlock();
        }
        assertEquals("1 2", reader.result());
        scene.supply(file, 0, 5);
        assertEquals("1 2", text(file, 0, 2));
    }

    @Test
    @Tag("O-271")
    @Tag("pager.cc:SuccessiveVmo")
    @Tag("pager.cc:MultipleConcurrentVmo")
    void keysTellTheObjectsOfOneQueueApart() throws InterruptedException {
        VmObject one = scene.file(1);
        try (Pager other = Pager.create(vm.machine);
                VmObject two = other.createVmo(scene.queue, -2, PAGE)) {
            var reader = read(two, 0, 1);
            assertEquals("READ 0+1 of -2", scene.request());
            VmarFixture.refuses(ZxStatus.INVALID_ARGS, "O-279", () -> scene.supply(two, 0, 1));
            try (VmObject aux = scene.contents(9)) {
                other.supplyPages(two, 0, PAGE, aux, 0);
            }
            assertEquals("9", reader.result());
            assertEquals(0, committedPages(one));
        }
        assertEquals("COMPLETE 0+0 of -2", scene.request());
    }

    @Test
    @Tag("O-273")
    void sliceAsksForThePagesOfTheWholeObject() throws InterruptedException {
        VmObject file = scene.file(4);
        try (VmObject slice = file.createSlice(PAGE, 2 * PAGE);
                VmObject reference = file.createReference()) {
            var reader = read(slice, 1, 1);
            assertEquals("READ 2+1", scene.request());
            scene.supply(file, 2, 3);
            assertEquals("3", reader.result());
            assertEquals("3", text(reference, 2, 1));
            assertTrue(slice.info().flags().contains(VmoInfo.Flag.PAGER_BACKED));
            VmarFixture.refuses(
                    ZxStatus.INVALID_ARGS, "O-283", () -> scene.op(PagerOp.FAIL, slice, 0, 1));
        }
    }

    @Test
    @Tag("O-80")
    @Tag("O-107")
    @Tag("pager.cc:Prefetch")
    void commitAndPrefetchAskForWhatIsMissing() throws InterruptedException {
        VmObject file = scene.file(4);
        scene.supply(file, 1, 2);
        var prefetch = run(() -> file.prefetch(0, 2 * PAGE));
        assertEquals("READ 0+1", scene.request());
        scene.supply(file, 0, 0);
        prefetch.result();
        assertEquals(1, committedPages(file));
        var commit = run(() -> file.commit(0, 4 * PAGE));
        assertEquals("READ 2+2", scene.request());
        scene.supply(file, 2, 3, 4);
        commit.result();
        assertEquals(4, committedPages(file));
        assertEquals("", scene.dirty(file));
    }

    @Test
    @Tag("O-117")
    @Tag("O-118")
    @Tag("O-119")
    @Tag("vmo.cc:OpOutOfBounds")
    void hintsAskAndForgiveFailures() throws InterruptedException {
        VmObject file = scene.file(2);
        file.hint(VmoHint.DONT_NEED, 0, 2 * PAGE);
        scene.requireNoRequest();
        VmarFixture.refuses(
                ZxStatus.OUT_OF_RANGE, "O-117", () -> file.hint(VmoHint.DONT_NEED, PAGE, 2 * PAGE));
        var hint = run(() -> file.hint(VmoHint.ALWAYS_NEED, 0, 2 * PAGE));
        assertEquals("READ 0+2", scene.request());
        scene.fail(file, 0, 2, ZxStatus.IO);
        hint.result();
        long at = scene.map(file, 2);
        var ranged = run(() -> vm.root.opRange(VmarOp.ALWAYS_NEED, at, 2 * PAGE));
        assertEquals("READ 0+2", scene.request());
        scene.supply(file, 0, 1);
        scene.untilWaiting(file, 1);
        scene.fail(file, 1, 1, ZxStatus.IO);
        ranged.result();
        assertEquals("10", vm.entries(at, 2));
    }

    @Test
    @Tag("O-107")
    @Tag("O-284")
    void rangeOperationsOfARegionWaitForTheirPages() throws InterruptedException {
        VmObject file = scene.file(2);
        long at = scene.map(file, 2);
        var prefetch = run(() -> vm.root.opRange(VmarOp.PREFETCH, at, 2 * PAGE));
        assertEquals("READ 0+2", scene.request());
        scene.fail(file, 0, 1, ZxStatus.IO_DATA_INTEGRITY);
        assertEquals(ZxStatus.IO_DATA_INTEGRITY, prefetch.refusal());
        var commit = run(() -> vm.root.opRange(VmarOp.COMMIT, at, 2 * PAGE));
        assertEquals("READ 0+2", scene.request());
        scene.supply(file, 0, 1, 2);
        commit.result();
        assertEquals("11", vm.entries(at, 2));
    }

    @Test
    @Tag("V-234")
    void debuggerWaitsForThePagesItReads() throws InterruptedException {
        VmObject file = scene.file(2);
        long at = scene.map(file, 2);
        byte[] bytes = new byte[2 * (int) PAGE];
        var debugger = start(() -> vm.root.readMemory(at, MemorySegment.ofArray(bytes)));
        assertEquals("READ 0+2", scene.request());
        scene.supply(file, 0, 1, 2);
        assertEquals(2 * PAGE, debugger.result());
        assertEquals(1, bytes[0]);
        assertEquals(2, bytes[(int) PAGE]);
    }

    // ---- while one waits

    @Test
    @Tag("V-204")
    void nothingIsLockedWhileAFaultWaits() throws InterruptedException {
        VmObject file = scene.file(2, VmoOption.RESIZABLE);
        long at = scene.map(file, 2);
        var fault = start(() -> vm.read(at));
        assertEquals("READ 0+1", scene.request());
        scene.supply(file, 1, 2);
        assertEquals(2, vm.peek(at + PAGE));
        long elsewhere = scene.map(file, 2);
        vm.root.protect(VmarFixture.R, elsewhere, PAGE);
        vm.root.unmap(elsewhere, 2 * PAGE);
        file.setSize(3 * PAGE);
        file.write(2 * PAGE, new byte[] {3});
        assertEquals(2, committedPages(file));
        scene.supply(file, 0, 1);
        assertEquals(ZxStatus.OK, fault.result());
    }

    @Test
    @Tag("O-278")
    void waitingFaultEndsWhenItsRegionIsDestroyed() throws InterruptedException {
        VmObject file = scene.file(1);
        VmAddressRegion region = vm.region(1);
        long at = mapAt(region, 0, RW, file, 0, 1);
        var fault = start(() -> vm.read(at));
        var ranged = run(() -> region.opRange(VmarOp.PREFETCH, at, PAGE));
        scene.untilWaiting(file, 2);
        region.destroy();
        assertEquals(ZxStatus.NOT_FOUND, fault.result());
        assertEquals(ZxStatus.BAD_STATE, ranged.refusal());
        scene.requireNoRequest();
    }

    @Test
    @Tag("O-278")
    @Tag("pager.cc:VmarRemap")
    void waitingFaultGoesOnWithWhatIsMappedThereNow() throws InterruptedException {
        VmObject file = scene.file(1);
        VmAddressRegion region = vm.region(1);
        long at = mapAt(region, 0, RW, file, 0, 1);
        var fault = start(() -> vm.write(at));
        assertEquals("READ 0+1", scene.request());
        region.map(RW.with(VmarFixture.OVERWRITE), 0, vm.vmo(1), 0, PAGE);
        assertEquals(ZxStatus.OK, fault.result());
        var reader = read(file, 0, 1);
        assertEquals("READ 0+1", scene.request());
        scene.supply(file, 0, 1);
        assertEquals("1", reader.result());
    }

    @Test
    @Tag("O-277")
    @Tag("O-278")
    void interruptedThreadTakesItsRequestBack() throws InterruptedException {
        VmObject file = scene.file(2);
        var reader = read(file, 0, 2);
        scene.untilWaiting(file, 1);
        reader.interrupt();
        assertEquals(ZxStatus.CANCELED, reader.refusal());
        scene.requireNoRequest();
        var again = read(file, 0, 1);
        assertEquals("READ 0+1", scene.request());
        var other = read(file, 0, 1);
        scene.untilWaiting(file, 2);
        again.interrupt();
        assertEquals(ZxStatus.CANCELED, again.refusal());
        scene.supply(file, 0, 1);
        assertEquals("1", other.result());
    }

    // ---- answers other than pages

    @Test
    @Tag("O-284")
    @Tag("pager.cc:FailSinglePage")
    @Tag("pager.cc:FailExactRange")
    @Tag("pager.cc:FailRedundant")
    @Tag("pager.cc:SupplyAfterFail")
    @Tag("pager.cc:FailErrorCode")
    void failureReachesThoseWhoWaitForThePageAndDoesNotStick() throws InterruptedException {
        VmObject file = scene.file(2);
        long at = scene.map(file, 2);
        ZxStatus[] failures = {
            ZxStatus.IO,
            ZxStatus.IO_DATA_INTEGRITY,
            ZxStatus.BAD_STATE,
            ZxStatus.NO_SPACE,
            ZxStatus.BUFFER_TOO_SMALL
        };
        for (ZxStatus failure : failures) {
            var reader = read(file, 0, 1);
            assertEquals("READ 0+1", scene.request());
            var fault = start(() -> vm.read(at));
            scene.untilWaiting(file, 2);
            var other = read(file, 1, 1);
            assertEquals("READ 1+1", scene.request());
            scene.fail(file, 0, 1, failure);
            assertEquals(failure, reader.refusal());
            assertEquals(failure, fault.result());
            scene.fail(file, 0, 2, failure);
            assertEquals(failure, other.refusal());
        }
        scene.supply(file, 0, 5);
        scene.fail(file, 0, 2, ZxStatus.IO);
        assertEquals(5, vm.peek(at));
    }

    @Test
    @Tag("O-284")
    @Tag("pager.cc:FailEarlyWake")
    void readerKeepsWhatCameBeforeAFailure() throws InterruptedException {
        VmObject file = scene.file(2);
        byte[] bytes = new byte[2 * (int) PAGE];
        var reader = run(() -> file.read(0, MemorySegment.ofArray(bytes)));
        assertEquals("READ 0+2", scene.request());
        scene.supply(file, 0, 1);
        scene.untilWaiting(file, 1);
        scene.fail(file, 1, 1, ZxStatus.NO_SPACE);
        assertEquals(ZxStatus.NO_SPACE, reader.refusal());
        assertEquals(1, bytes[0]);
    }

    @Test
    @Tag("O-306")
    @Tag("pager.cc:ReadCloseInterruptLate")
    @Tag("pager.cc:ReadCloseInterruptEarly")
    @Tag("pager.cc:ClosePager")
    void closingThePagerEndsAllWaitingAndKeepsThePages() throws InterruptedException {
        VmObject file = scene.file(3);
        long at = scene.map(file, 3);
        scene.supply(file, 1, 2);
        var reader = read(file, 0, 1);
        var fault = start(() -> vm.read(at + 2 * PAGE));
        scene.untilWaiting(file, 2);
        assertEquals("READ", scene.request().substring(0, 4));
        scene.pager.close();
        scene.pager.close();
        assertEquals(ZxStatus.BAD_STATE, reader.refusal());
        assertEquals(ZxStatus.BAD_STATE, fault.result());
        assertEquals(ZxStatus.BAD_STATE, vm.read(at));
        VmarFixture.refuses(ZxStatus.BAD_STATE, "O-304", () -> file.read(0, 1));
        VmarFixture.refuses(
                ZxStatus.BAD_STATE, "O-304", () -> vm.root.opRange(VmarOp.COMMIT, at, PAGE));
        VmarFixture.refuses(ZxStatus.BAD_STATE, "O-269", () -> scene.file(1));
        assertEquals(2, vm.peek(at + PAGE));
        scene.requireNoRequest();
    }

    @Test
    @Tag("O-304")
    @Tag("O-305")
    @Tag("pager.cc:DetachPageComplete")
    @Tag("pager.cc:DecommitOnDetach")
    @Tag("pager.cc:ReadDetachInterruptLate")
    @Tag("pager.cc:FailAfterDetach")
    @Tag("pager.cc:SupplyAfterDetach")
    @Tag("pager-writeback.cc:WritebackDirtyPagesAfterDetach")
    @Tag("pager-writeback.cc:WritebackResizedRangeAfterDetach")
    @Tag("pager-writeback.cc:DecommitCleanOnDetach")
    void detachEndsAllWaitingDropsCleanPagesAndKeepsDirtyOnes() throws InterruptedException {
        VmObject file = scene.file(4, VmoOption.RESIZABLE);
        long at = scene.map(file, 5);
        scene.supply(file, 0, 1, 2, 0);
        file.write(PAGE, new byte[] {9});
        file.setSize(5 * PAGE);
        assertEquals(1, vm.peek(at));
        var reader = read(file, 3, 1);
        assertEquals("READ 3+1", scene.request());
        scene.pager.detachVmo(file);
        assertEquals("00000", vm.entries(at, 5));
        assertEquals(ZxStatus.BAD_STATE, reader.refusal());
        assertEquals("COMPLETE 0+0", scene.request());
        assertEquals("9", text(file, 1, 1));
        assertEquals("0", text(file, 4, 1));
        assertEquals("01001", vm.readable(at, 5));
        assertEquals(1, committedPages(file));
        VmarFixture.refuses(ZxStatus.BAD_STATE, "O-279", () -> scene.supply(file, 0, 1));
        VmarFixture.refuses(ZxStatus.BAD_STATE, "O-283", () -> scene.fail(file, 0, 1, ZxStatus.IO));
        assertEquals("1+1 4z+1", scene.dirty(file));
        scene.writeBack(file);
        assertEquals("", scene.dirty(file));
        scene.pager.detachVmo(file);
        file.close();
        vm.root.unmap(at, 5 * PAGE);
        scene.requireNoRequest();
    }

    @Test
    @Tag("O-305")
    @Tag("pager.cc:ClosePageComplete")
    void theEndOfTheObjectIsTold() throws InterruptedException {
        VmObject file = scene.file(1);
        long at = scene.map(file, 1);
        file.close();
        scene.requireNoRequest();
        vm.root.unmap(at, PAGE);
        assertEquals("COMPLETE 0+0", scene.request());
    }

    @Test
    @Tag("O-299")
    @Tag("O-308")
    @Tag("O-46")
    @Tag("pager.cc:ReadResize")
    @Tag("pager.cc:EarlyWakeWithResize")
    void shrinkingEndsTheWaitForWhatIsCutAndTrimsTheRest() throws InterruptedException {
        VmObject file = scene.file(4, VmoOption.RESIZABLE);
        long at = scene.map(file, 4);
        var fault = start(() -> vm.read(at + 3 * PAGE));
        assertEquals("READ 3+1", scene.request());
        var reader = read(file, 1, 2);
        assertEquals("READ 1+2", scene.request());
        var commit = run(() -> file.commit(0, 4 * PAGE));
        assertEquals("READ 0+1", scene.request());
        file.setSize(2 * PAGE);
        assertEquals(ZxStatus.OUT_OF_RANGE, fault.result());
        scene.supply(file, 0, 1, 2);
        assertEquals(ZxStatus.OUT_OF_RANGE, reader.refusal());
        assertEquals("done", commit.result());
        VmarFixture.refuses(ZxStatus.OUT_OF_RANGE, "O-279", () -> scene.supply(file, 2, 3));
        scene.requireNoRequest();
    }

    @Test
    @Tag("O-127")
    @Tag("pager.cc:ResizeBlockedPin")
    void pinThatWaitsForPagesThatAreCutIsOutOfRange() throws InterruptedException {
        VmObject file = scene.file(4, VmoOption.RESIZABLE);
        var pin = run(() -> file.pin(PAGE, 3 * PAGE).close());
        assertEquals("READ 1+3", scene.request());
        file.setSize(2 * PAGE);
        scene.supply(file, 0, 1, 2);
        assertEquals(ZxStatus.OUT_OF_RANGE, pin.refusal());
        file.pin(PAGE, PAGE).close();
    }
}
