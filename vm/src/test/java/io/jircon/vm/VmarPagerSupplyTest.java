package io.jircon.vm;

import static io.jircon.vm.PagerScene.committedPages;
import static io.jircon.vm.PagerScene.read;
import static io.jircon.vm.PagerScene.text;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.ZxStatus;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Pager-backed objects: how they are made, how pages get into them, and what they refuse.
@Timeout(120)
class VmarPagerSupplyTest {
    private FailingFrames frames;
    private final PagerScene scene = new PagerScene(inner -> frames = new FailingFrames(inner));
    private final VmarFixture vm = scene.vm;

    @AfterEach
    void tearDown() {
        scene.close();
    }

    // ---- making

    @Test
    @Tag("O-30")
    @Tag("O-269")
    @Tag("pager.cc:InvalidPagerCreateVmo")
    @Tag("pager.cc:CreateVmoUnboundedInvalidStreamSize")
    void optionsAndSizesAreChecked() {
        refuses(
                ZxStatus.INVALID_ARGS,
                "O-17",
                () -> scene.file(1, VmoOption.RESIZABLE, VmoOption.UNBOUNDED));
        refuses(
                ZxStatus.OUT_OF_RANGE,
                "O-17",
                () -> scene.pager.createVmo(scene.queue, 1, -1, VmoOption.DISCARDABLE));
        refuses(ZxStatus.INVALID_ARGS, "O-30", () -> scene.file(1, VmoOption.DISCARDABLE));
        refuses(
                ZxStatus.INVALID_ARGS,
                "O-21",
                () -> scene.pager.createVmo(scene.queue, 1, -1, VmoOption.UNBOUNDED));
        refuses(ZxStatus.OUT_OF_RANGE, "O-17", () -> scene.pager.createVmo(scene.queue, 1, -PAGE));
        scene.requireNoRequest();
    }

    @Test
    @Tag("O-215")
    @Tag("O-216")
    @Tag("O-273")
    @Tag("pager.cc:VmoInfoPager")
    void newObjectHasNoPagesAndSaysWhoBacksIt() {
        long before = vm.machine.frames().freeFrames();
        VmObject file = scene.file(1L << 30, VmoOption.RESIZABLE);
        assertEquals(before, vm.machine.frames().freeFrames());
        assertEquals(
                Set.of(VmoInfo.Flag.PAGED, VmoInfo.Flag.PAGER_BACKED, VmoInfo.Flag.RESIZABLE),
                file.info().flags());
        assertEquals(new CommitPolicy.PagerBacked(scene.pager), file.policy());
        assertEquals(0, file.info().committedBytes());
    }

    // ---- supplying

    private long freeOrInTables() {
        return vm.machine.frames().freeFrames() + vm.root.pageTable().tableFrames();
    }

    @Test
    @Tag("O-280")
    @Tag("pager.cc:MappedSupplyPages")
    void pagesMoveWithoutACopyAndTheGiverReadsZeros() {
        VmObject file = scene.file(4);
        VmObject aux = scene.contents(1, 2, 3);
        long at = mapAt(vm.region(3), 0, RW, aux, 0, 3);
        assertEquals(2, vm.peek(at + PAGE));
        long frame = vm.root.pageTable().translate(at + PAGE);
        long before = freeOrInTables();
        scene.pager.supplyPages(file, 2 * PAGE, 2 * PAGE, aux, PAGE);
        assertEquals(before, freeOrInTables());
        assertEquals("2 3", text(file, 2, 2));
        assertEquals("1 0 0", text(aux, 0, 3));
        assertEquals(0, vm.peek(at + PAGE));
        assertEquals(1, committedPages(aux));
        assertEquals(2, committedPages(file));
        long there = mapAt(vm.region(1), 0, RW, file, 2, 1);
        assertEquals(2, vm.peek(there));
        assertEquals(frame, vm.root.pageTable().translate(there));
    }

    @Test
    @Tag("O-225")
    @Tag("O-280")
    @Tag("pager.cc:UncommittedSinglePage")
    @Tag("pager.cc:UncommittedSupply")
    void pagesThatTheGiverHasNotBecomeZerosThatCostNothing() throws InterruptedException {
        VmObject file = scene.file(2);
        var reader = read(file, 0, 2);
        assertEquals("READ 0+2", scene.request());
        long before = vm.machine.frames().freeFrames();
        scene.supply(file, 0, 0, 0);
        assertEquals("0 0", reader.result());
        assertEquals(before, vm.machine.frames().freeFrames());
        long at = mapAt(vm.region(2), 0, RW, file, 0, 2);
        assertEquals(0, vm.peek(at));
        assertEquals(0, committedPages(file));
        vm.poke(at, 5);
        assertEquals("5", text(file, 0, 1));
        assertEquals(1, committedPages(file));
        assertEquals(0, vm.peek(at + PAGE));
        scene.requireNoRequest();
    }

    @Test
    @Tag("O-281")
    @Tag("pager-writeback.cc:CannotOverwriteZeroPage")
    void pagesThatAreThereStayAndTheSurplusIsFreed() {
        VmObject file = scene.file(4, VmoOption.RESIZABLE);
        scene.supply(file, 1, 2, 0);
        file.setSize(5 * PAGE);
        long before = vm.machine.frames().freeFrames();
        scene.supply(file, 0, 11, 12, 13, 14, 15);
        assertEquals("11 2 0 14 0", text(file, 0, 5));
        assertEquals(before - 2, vm.machine.frames().freeFrames());
        assertEquals("4z+1", scene.dirty(file));
    }

    @Test
    @Tag("O-280")
    void pagesThatTheGiverSharesAreCopied() {
        VmObject file = scene.file(2);
        VmObject original = scene.contents(1, 2);
        try (VmObject aux = original.createSnapshot(0, 2 * PAGE)) {
            aux.write(0, new byte[] {7});
            scene.pager.supplyPages(file, 0, 2 * PAGE, aux, 0);
            assertEquals("0 0", text(aux, 0, 2));
        }
        assertEquals("7 2", text(file, 0, 2));
        assertEquals("1 2", text(original, 0, 2));
        assertEquals(2 * PAGE, original.info().privateBytes());
    }

    @Test
    @Tag("O-279")
    void supplyWithoutFramesForCopiesChangesNothing() throws InterruptedException {
        VmObject file = scene.file(2);
        VmObject original = scene.contents(1, 2);
        try (VmObject aux = original.createSnapshot(0, 2 * PAGE)) {
            aux.write(0, new byte[] {7});
            var reader = read(file, 0, 2);
            assertEquals("READ 0+2", scene.request());
            long before = vm.machine.frames().freeFrames();
            frames.failAt(1);
            refuses(
                    ZxStatus.NO_MEMORY,
                    "O-279",
                    () -> scene.pager.supplyPages(file, 0, 2 * PAGE, aux, 0));
            assertTrue(frames.disarm());
            assertEquals(before, vm.machine.frames().freeFrames());
            assertEquals("7 2", text(aux, 0, 2));
            assertEquals(0, committedPages(file));
            scene.untilWaiting(file, 1);
            scene.pager.supplyPages(file, 0, 2 * PAGE, aux, 0);
            assertEquals("7 2", reader.result());
        }
    }

    @Test
    @Tag("O-279")
    @Tag("pager.cc:InvalidPagerSupplyPages")
    void supplyChecksInOrder() {
        VmObject file = scene.file(2);
        VmObject plain = vm.vmo(2);
        VmObject aux = scene.contents(1, 2);
        VmObject other = scene.file(2);
        VmObject contiguous = vm.closing(VmObject.createContiguous(vm.machine, PAGE, 0));
        VmObject physical = vm.closing(VmObject.createPhysical(vm.machine, 0, PAGE));
        Pager pager = scene.pager;
        refuses(ZxStatus.INVALID_ARGS, "O-279", () -> pager.supplyPages(plain, 1, PAGE, other, 0));
        refuses(ZxStatus.INVALID_ARGS, "O-279", () -> pager.supplyPages(file, 0, 1, aux, 0));
        refuses(ZxStatus.INVALID_ARGS, "O-279", () -> pager.supplyPages(file, 0, PAGE, aux, 1));
        refuses(ZxStatus.INVALID_ARGS, "O-279", () -> pager.supplyPages(plain, 0, PAGE, other, 0));
        for (VmObject bad : new VmObject[] {other, contiguous, physical}) {
            refuses(
                    ZxStatus.NOT_SUPPORTED,
                    "O-279",
                    () -> pager.supplyPages(file, 0, 9 * PAGE, bad, 0));
        }
        refuses(ZxStatus.OUT_OF_RANGE, "O-279", () -> pager.supplyPages(file, 0, PAGE, aux, -PAGE));
        try (PinnedPages pinned = aux.pin(0, PAGE)) {
            refuses(
                    ZxStatus.BAD_STATE,
                    "O-279",
                    () -> pager.supplyPages(file, 9 * PAGE, PAGE, aux, 0));
            assertEquals(1, pinned.pageCount());
            pager.supplyPages(file, PAGE, PAGE, aux, PAGE);
        }
        pager.detachVmo(file);
        refuses(
                ZxStatus.OUT_OF_RANGE,
                "O-279",
                () -> pager.supplyPages(file, 2 * PAGE, PAGE, aux, 0));
        refuses(ZxStatus.BAD_STATE, "O-279", () -> pager.supplyPages(file, 0, PAGE, aux, 0));
        assertEquals("1 0", text(aux, 0, 2));
    }

    @Test
    @Tag("O-283")
    @Tag("O-284")
    @Tag("O-285")
    @Tag("O-286")
    @Tag("pager-writeback.cc:InvalidPagerOpRange")
    void rangesAndDataOfOperationsAreChecked() {
        VmObject file = scene.file(2);
        VmObject trapping = scene.file(2, VmoOption.TRAP_DIRTY);
        VmObject plain = vm.vmo(2);
        Pager pager = scene.pager;
        refuses(
                ZxStatus.INVALID_ARGS,
                "O-283",
                () -> pager.opRange(PagerOp.WRITEBACK_END, plain, 0, PAGE, 9));
        for (long data : new long[] {0, 1, ZxStatus.NOT_FOUND.value(), 0xffff_ffd8L}) {
            refuses(
                    ZxStatus.INVALID_ARGS,
                    "O-283",
                    () -> pager.opRange(PagerOp.FAIL, file, 0, 9 * PAGE, data));
        }
        refuses(
                ZxStatus.INVALID_ARGS,
                "O-283",
                () -> pager.opRange(PagerOp.DIRTY, file, 0, PAGE, 1));
        refuses(
                ZxStatus.INVALID_ARGS,
                "O-283",
                () -> pager.opRange(PagerOp.WRITEBACK_BEGIN, file, 0, PAGE, 2));
        refuses(
                ZxStatus.NOT_SUPPORTED,
                "O-285",
                () -> pager.opRange(PagerOp.DIRTY, file, 0, 9 * PAGE, 0));
        for (PagerOp op : PagerOp.values()) {
            long data = op == PagerOp.FAIL ? ZxStatus.IO.value() : 0;
            refuses(
                    ZxStatus.INVALID_ARGS,
                    "O-283",
                    () -> pager.opRange(op, trapping, 1, PAGE, data));
            refuses(
                    ZxStatus.OUT_OF_RANGE,
                    "O-283",
                    () -> pager.opRange(op, trapping, PAGE, 2 * PAGE, data));
        }
        pager.detachVmo(trapping);
        refuses(ZxStatus.BAD_STATE, "O-283", () -> scene.op(PagerOp.DIRTY, trapping, 0, 1));
        scene.writeBack(trapping);
    }

    // ---- what such objects refuse

    @Test
    @Tag("O-239")
    @Tag("O-307")
    @Tag("pager.cc:DecommitTest")
    void decommitAndOtherCachingAreRefused() {
        VmObject file = scene.file(2);
        scene.supply(file, 0, 1);
        refuses(ZxStatus.NOT_SUPPORTED, "O-307", () -> file.decommit(0, PAGE));
        file.decommit(0, 0);
        refuses(ZxStatus.BAD_STATE, "O-239", () -> file.setCachePolicy(CachePolicy.UNCACHED));
        file.setCachePolicy(CachePolicy.CACHED);
        assertEquals("1", text(file, 0, 1));
    }
}
