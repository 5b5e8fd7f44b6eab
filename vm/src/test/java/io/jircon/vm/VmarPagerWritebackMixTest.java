package io.jircon.vm;

import static io.jircon.vm.PagerScene.run;
import static io.jircon.vm.PagerScene.start;
import static io.jircon.vm.PagerScene.text;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmoFixture.put;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.ZxStatus;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// More of what Zircon's own suite tests of dirty pages (`pager-writeback.cc`): pins, failures half
/// way, and writes while zeros go back.
@Timeout(120)
class VmarPagerWritebackMixTest {
    private static final VmoOption TRAP = VmoOption.TRAP_DIRTY;

    private final PagerScene scene = new PagerScene();
    private final VmarFixture vm = scene.vm;

    @AfterEach
    void tearDown() {
        scene.close();
    }

    // ---- half way

    @Test
    @Tag("pager-writeback.cc:ModifiedOnPartialVmoWrite")
    void aWriteThatFailsHalfWayHasModifiedTheObject() throws InterruptedException {
        VmObject file = scene.file(2);
        var writer = run(() -> file.write(0, new byte[2 * (int) PAGE]));
        assertEquals("READ 0+2", scene.request());
        scene.supply(file, 0, 1);
        scene.untilWaiting(file, 1);
        scene.fail(file, 1, 1, ZxStatus.IO);
        assertEquals(ZxStatus.IO, writer.refusal());
        assertEquals("0+1", scene.dirty(file));
        assertTrue(scene.pager.queryVmoStats(file).isModified());
    }

    @Test
    @Tag("pager-writeback.cc:NotModifiedOnPartialFailedPinWrite")
    void aPinThatFailsHalfWayHasNotModifiedTheObject() throws InterruptedException {
        VmObject file = scene.file(2, TRAP);
        scene.supply(file, 0, 1);
        var pinning = start(() -> file.pin(0, 2 * PAGE));
        scene.consent(file, 0, 1);
        assertEquals("READ 1+1", scene.request());
        scene.fail(file, 1, 1, ZxStatus.IO);
        assertEquals(ZxStatus.IO, pinning.refusal());
        assertFalse(scene.pager.queryVmoStats(file).isModified());
        assertEquals("1", text(file, 0, 1));
    }

    // ---- pins

    @Test
    @Tag("pager-writeback.cc:DirtyAfterPin")
    @Tag("pager-writeback.cc:PinAfterDirty")
    void whatIsPinnedIsWrittenAndWhatIsDirtyIsPinnedWithoutAQuestion() throws InterruptedException {
        VmObject file = scene.file(1, TRAP);
        scene.supply(file, 0, 1);
        var pinning = start(() -> file.pin(0, PAGE));
        scene.consent(file, 0, 1);
        try (PinnedPages pinned = pinning.result()) {
            put(file, 0, 5);
            assertEquals(5, vm.machine.memory().readLong(pinned.address(0)));
        }
        file.pin(0, PAGE).close();
        scene.requireNoRequest();
        assertEquals("0+1", scene.dirty(file));
    }

    @Test
    @Tag("pager-writeback.cc:DelayedPinAwaitingClean")
    void aPinMayGetItsConsentAfterTheWriteback() throws InterruptedException {
        VmObject file = scene.file(1, TRAP);
        scene.supply(file, 0, 1);
        scene.op(PagerOp.DIRTY, file, 0, 1);
        scene.op(PagerOp.WRITEBACK_BEGIN, file, 0, 1);
        var pinning = start(() -> file.pin(0, PAGE));
        assertEquals("DIRTY 0+1", scene.request());
        scene.op(PagerOp.WRITEBACK_END, file, 0, 1);
        assertEquals("", scene.dirty(file));
        scene.op(PagerOp.DIRTY, file, 0, 1);
        try (PinnedPages pinned = pinning.result()) {
            scene.writeBack(file);
            assertEquals("0+1", scene.dirty(file));
            assertEquals(1, pinned.pageCount());
        }
    }

    // ---- zeros

    @Test
    @Tag("pager-writeback.cc:DelayedDirtyZeroRange")
    void consentForAPageThatWasZeroedMeanwhileIsForItsZeros() throws InterruptedException {
        VmObject file = scene.file(1, TRAP);
        scene.supply(file, 0, 7);
        var writer = run(() -> file.write(1, new byte[] {5}));
        assertEquals("DIRTY 0+1", scene.request());
        file.zero(0, PAGE);
        assertEquals("0z+1", scene.dirty(file));
        scene.op(PagerOp.DIRTY, file, 0, 1);
        writer.result();
        assertEquals("0+1", scene.dirty(file));
        assertEquals("0", text(file, 0, 1));
        assertEquals(5, file.read(1, 1)[0]);
    }

    @Test
    @Tag("pager-writeback.cc:InterleavedWriteWithMapping")
    void aStoreWhileZerosGoBackKeepsItsPageDirty() {
        VmObject file = scene.file(0, VmoOption.RESIZABLE);
        file.setSize(4 * PAGE);
        long at = vm.root.map(RW, 0, file, 0, 4 * PAGE);
        assertEquals(0, vm.peek(at + PAGE));
        scene.pager.opRange(PagerOp.WRITEBACK_BEGIN, file, 0, 4 * PAGE, PagerOp.IS_ZERO);
        vm.poke(at + PAGE, 6);
        vm.poke(at + 2 * PAGE, 7);
        scene.op(PagerOp.WRITEBACK_END, file, 0, 4);
        assertEquals("1+2", scene.dirty(file));
        assertEquals("6 7", text(file, 1, 2));
    }

    @Test
    @Tag("pager-writeback.cc:ResizeWritebackIntersectingRandomWrites")
    @Tag("pager-writeback.cc:PartialWritebackIntersectingRandomWrites")
    void randomWritesWhileZerosGoBackStayDirty() {
        int pages = 24;
        for (int seed = 0; seed < 100; seed++) {
            var random = new SplittableRandom(seed);
            VmObject file = scene.file(0, VmoOption.RESIZABLE);
            file.setSize(pages * PAGE);
            int from = random.nextInt(pages);
            int to = random.nextInt(from, pages) + 1;
            var kind = new char[pages];
            Arrays.fill(kind, 'z');
            for (int i = 0; i < 4; i++) {
                int page = random.nextInt(pages);
                put(file, page, 1);
                kind[page] = 'p';
            }
            scene.pager.opRange(
                    PagerOp.WRITEBACK_BEGIN,
                    file,
                    from * PAGE,
                    (to - from) * PAGE,
                    PagerOp.IS_ZERO);
            for (int i = 0; i < 4; i++) {
                int page = random.nextInt(pages);
                put(file, page, 2);
                kind[page] = 'p';
            }
            scene.op(PagerOp.WRITEBACK_END, file, from, to - from);
            for (int page = from; page < to; page++) {
                kind[page] = kind[page] == 'z' ? '-' : kind[page];
            }
            assertEquals(new String(kind), dirtyPages(file, pages), "seed " + seed);
        }
    }

    /// A letter for each page: `p` for a dirty page, `z` for dirty zeros, `-` for a clean one.
    private String dirtyPages(VmObject file, int pages) {
        var kind = new char[pages];
        Arrays.fill(kind, '-');
        for (DirtyRange range : scene.pager.queryDirtyRanges(file, 0, pages * PAGE)) {
            for (long at = range.offset(); at < range.offset() + range.length(); at += PAGE) {
                kind[(int) (at / PAGE)] = range.contents() == DirtyRange.Contents.ZEROS ? 'z' : 'p';
            }
        }
        return new String(kind);
    }
}
