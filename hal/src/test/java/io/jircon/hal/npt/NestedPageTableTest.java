package io.jircon.hal.npt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class NestedPageTableTest {
    private static final long K4 = 1L << 12;
    private static final long M2 = 1L << 21;
    private static final long G1 = 1L << 30;

    private final Bench bench = new Bench();
    private final NestedPageTable table = bench.table(EptOptions.DEFAULT.format());

    @AfterEach
    void everyFrameComesBack() {
        table.close();
        assertEquals(bench.frames.totalFrames(), bench.free());
        bench.close();
    }

    private static PagingError error(Executable call) {
        return assertThrows(PagingException.class, call).error();
    }

    private void map2M(long vaddr, long paddr) {
        table.map(vaddr, paddr, PageSize.SIZE_2M, MmuFlags.RW);
    }

    private void map4K(long vaddr, long paddr) {
        table.map(vaddr, paddr, PageSize.SIZE_4K, MmuFlags.RW);
    }

    @Tag("A-51")
    @Tag("A-62")
    @Test
    void queryIncludesTheOffsetInTheLeafAndUnmapDoesNot() {
        map2M(M2, 3 * M2);
        assertEquals(
                new PageMapping(3 * M2 + 0x12345, MmuFlags.RW, PageSize.SIZE_2M),
                table.query(M2 + 0x12345));
        assertEquals(3 * M2 + 0x12345, table.translate(M2 + 0x12345));
        assertEquals(
                new PageMapping(3 * M2, MmuFlags.RW, PageSize.SIZE_2M), table.unmap(M2 + 0x12345));
    }

    @Tag("A-51")
    @Tag("A-18")
    @Tag("A-47")
    @Tag("A-179")
    @Test
    void whatIsNotMappedIsSaidToBeSo() {
        assertEquals(PagingError.NOT_MAPPED, error(() -> table.query(0x5000)));
        assertEquals(PagingError.NOT_MAPPED, error(() -> table.query(-1)));
        assertEquals(PagingError.NOT_MAPPED, error(() -> table.unmap(0x5000)));
        assertEquals(PagingError.NOT_MAPPED, error(() -> table.protect(0x5000, MmuFlags.R)));
        assertEquals(PagingError.NOT_MAPPED, error(() -> table.remap(0x5000, 0, MmuFlags.R)));
        assertEquals(NestedPageTable.NO_TRANSLATION, table.translate(0x5000));
        assertEquals(NestedPageTable.NO_TRANSLATION, table.translate(-1));
    }

    @Tag("A-49")
    @Tag("page-table-generic/bugfixes:test_address_overflow_handling")
    @Test
    void addressesBeyondTheWidthAreRefusedAndNeverAlias() {
        map4K(0, 0x5000);
        assertEquals(PagingError.OUT_OF_RANGE, error(() -> map4K(1L << 48, 0x6000)));
        assertEquals(NestedPageTable.NO_TRANSLATION, table.translate(1L << 48));
        assertEquals(PagingError.OUT_OF_RANGE, error(() -> map4K(0x1000, 1L << 46)));
        assertEquals(PagingError.OUT_OF_RANGE, error(() -> table.unmapRange(-K4, 2 * K4)));
        assertEquals(
                PagingError.OUT_OF_RANGE,
                error(() -> table.protectRange((1L << 48) - K4, 2 * K4, MmuFlags.R)));
        map4K((1L << 48) - K4, (1L << 46) - K4);
        assertEquals((1L << 46) - 1, table.translate((1L << 48) - 1));
    }

    @Tag("A-96")
    @Tag("A-100")
    @Test
    void wideRootsDoNotAlias() {
        for (PagingFormat format :
                List.of(
                        RiscvOptions.GUEST.format(),
                        Aarch64Stage2Options.DEFAULT.format(),
                        Aarch64Stage2Options.DEFAULT.withIpaBits(43).format())) {
            try (NestedPageTable wide = bench.table(format)) {
                assertEquals(0, wide.rootAddress() & (format.rootBytes() - 1));
                long step = 1L << 39;
                int regions = (int) ((1L << format.addressBits()) / step);
                for (int i = 0; i < regions; i++) {
                    wide.map(i * step, i * K4, PageSize.SIZE_4K, MmuFlags.R);
                }
                for (int i = 0; i < regions; i++) {
                    assertEquals(i * K4, wide.translate(i * step));
                }
            }
        }
    }

    @Tag("A-55")
    @Test
    void whatIsNotAlignedIsRefused() {
        assertEquals(PagingError.NOT_ALIGNED, error(() -> map4K(0x5001, 0)));
        assertEquals(PagingError.NOT_ALIGNED, error(() -> map4K(0x5000, 1)));
        assertEquals(PagingError.NOT_ALIGNED, error(() -> map2M(0x212000, 0)));
        assertEquals(PagingError.NOT_ALIGNED, error(() -> map2M(M2, K4)));
        assertEquals(PagingError.NOT_ALIGNED, error(() -> range(1, 0, K4)));
        assertEquals(PagingError.NOT_ALIGNED, error(() -> range(0, 0x123, K4)));
        assertEquals(PagingError.NOT_ALIGNED, error(() -> range(0, 0, K4 + 1)));
        map2M(M2, 0);
        assertEquals(PagingError.NOT_ALIGNED, error(() -> table.remap(M2, K4, MmuFlags.R)));
    }

    private void range(long vaddr, long paddr, long size) {
        table.mapRange(vaddr, paddr, size, MmuFlags.RW, HugePages.ALLOWED, OnExisting.ERROR);
    }

    @Tag("A-59")
    @Tag("A-61")
    @Test
    void noAccessIsRefusedAndDoesNotLoseThePage() {
        map4K(0, 0x5000);
        assertEquals(PagingError.NOT_SUPPORTED, error(() -> table.protect(0, MmuFlags.NONE)));
        assertEquals(
                PagingError.NOT_SUPPORTED, error(() -> table.protectRange(0, K4, MmuFlags.NONE)));
        assertEquals(0x5000, table.unmap(0).paddr());
    }

    @Tag("A-63")
    @Tag("A-48")
    @Test
    void leafSizesFollowAlignment() {
        range(0x3fff_f000L, 0x3fff_f000L + G1, K4 + G1 + 2 * M2 + K4);
        var sizes = new ArrayList<PageSize>();
        table.forEachLeaf(0, 4 * G1, (vaddr, paddr, size, flags) -> sizes.add(size));
        assertEquals(
                List.of(
                        PageSize.SIZE_4K,
                        PageSize.SIZE_1G,
                        PageSize.SIZE_2M,
                        PageSize.SIZE_2M,
                        PageSize.SIZE_4K),
                sizes);
        assertEquals(6, table.tableFrames()); // root, PDPT, and at each end a PD and a PT
    }

    @Tag("A-52")
    @Tag("zcore-H4")
    @Tag("A-71")
    @Test
    void aHugeLeafAtFrameZeroIsStillAHugeLeaf() {
        map2M(M2, 0);
        assertEquals(PagingError.MAPPED_TO_HUGE_PAGE, error(() -> map4K(M2 + K4, 0x9000)));
        assertEquals(PagingError.ALREADY_MAPPED, error(() -> map2M(M2, M2)));
    }

    @Tag("A-52")
    @Test
    void anAbsentEntryWithAnAddressIsNoTable() {
        long entry = table.rootAddress();
        bench.memory.writeLong(entry, 0x8000_2000L);
        assertEquals(NestedPageTable.NO_TRANSLATION, table.translate(0));
        map4K(0, 0x5000);
        assertEquals(0x5000, table.translate(0));
    }

    @Tag("A-56")
    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void whatIsNotPresentIsNotInTheWay(PagingFormat format) {
        try (NestedPageTable other = bench.table(format)) {
            long at = other.firstAddress();
            other.map(at, 0x5000, PageSize.SIZE_4K, MmuFlags.RW);
            other.map(at + K4, 0x6000, PageSize.SIZE_4K, MmuFlags.RW);
            long entry = other.explain(at, AccessKind.READ).steps().getLast().entryAddress();
            bench.memory.writeLong(entry, bench.memory.readLong(entry) & ~format.presentMask);
            assertEquals(NestedPageTable.NO_TRANSLATION, other.translate(at));
            other.map(at, 0x7000, PageSize.SIZE_4K, MmuFlags.R);
            assertEquals(0x7000, other.translate(at));
            assertEquals(0x6000, other.translate(at + K4));
        }
    }

    @Tag("A-57")
    @Test
    void aHugeLeafReplacesATableThatWasEmptied() {
        map4K(M2, 0x5000);
        assertEquals(PagingError.ALREADY_MAPPED, error(() -> map2M(M2, 0)));
        table.unmap(M2);
        map2M(M2, 0);
        assertEquals(PageSize.SIZE_2M, table.query(M2).size());
    }

    @Tag("A-57")
    @Test
    void aHugeLeafReplacesATableThatIsEmpty() {
        for (PagingFormat format :
                List.of(EptOptions.DEFAULT.format(), Aarch64Stage2Options.DEFAULT.format())) {
            try (NestedPageTable other = bench.table(format)) {
                other.map(M2, 0x5000, PageSize.SIZE_4K, MmuFlags.RW);
                long frames = other.tableFrames();
                var steps = other.explain(M2, AccessKind.READ).steps();
                bench.memory.writeLong(steps.getLast().entryAddress(), 0);
                bench.events.clear();
                other.map(M2, 0, PageSize.SIZE_2M, MmuFlags.RW);
                assertEquals(List.of("flush 200000/21", "free"), bench.events);
                assertEquals(frames - 1, other.tableFrames());
                assertEquals(PageSize.SIZE_2M, other.query(M2).size());
            }
        }
    }

    @Tag("A-60")
    @Tag("zcore-H1")
    @Test
    void remapChangesWhatIsThereAndNothingElse() {
        assertEquals(PagingError.NOT_MAPPED, error(() -> table.remap(M2, 0, MmuFlags.R)));
        assertEquals(1, table.tableFrames());
        map2M(M2, 0);
        assertEquals(PageSize.SIZE_2M, table.remap(M2 + 5, 4 * M2, MmuFlags.R));
        assertEquals(new PageMapping(4 * M2, MmuFlags.R, PageSize.SIZE_2M), table.query(M2));
    }

    @Tag("A-68")
    @Tag("zcore-H3")
    @Test
    void emptiedTablesAreFreedAtOnceAndAfterTheFlush() {
        for (int i = 0; i < 10; i++) {
            map4K(i * G1, 0x5000);
            bench.events.clear();
            table.unmap(i * G1);
            assertEquals(1, table.tableFrames());
            assertEquals(
                    List.of("flush " + Long.toHexString(i * G1) + "/12", "free"), bench.events);
        }
    }

    @Tag("A-69")
    @Tag("A-179")
    @Test
    void closeFreesTablesAndNoFrames() {
        long frame = bench.frames.allocate();
        map4K(0, frame);
        map2M(M2, 0);
        table.map(G1, 0, PageSize.SIZE_1G, MmuFlags.RWX);
        bench.events.clear();
        table.close();
        table.close();
        assertTrue(bench.frames.isAllocated(frame));
        assertEquals(List.of("release 7", "free", "free"), bench.events);
        bench.frames.free(frame);
        assertEquals(0, table.tableFrames());
    }

    @Test
    void aClosedTableAnswersBadStateAndTheMachineFindsNothingInIt() {
        map4K(0, 0);
        table.close();
        assertEquals(PagingError.BAD_STATE, error(() -> map4K(1, 0)));
        assertEquals(PagingError.BAD_STATE, error(() -> table.query(0)));
        assertEquals(PagingError.BAD_STATE, error(() -> table.translate(0)));
        assertEquals(PagingError.BAD_STATE, error(() -> table.unmapRange(1, 1)));
        assertEquals(PagingError.BAD_STATE, error(() -> table.explain(0, AccessKind.READ)));
        assertFalse(Bench.walks(table, 0, AccessKind.READ));
    }

    @Tag("A-74")
    @Test
    void upTo32RemovedLeavesAreFlushedOneByOneAndMoreAllAtOnce() {
        range(0, 0, 64 * K4);
        bench.events.clear();
        table.unmapRange(0, 32 * K4);
        assertEquals(32, bench.events.size());
        assertEquals("flush 0/12", bench.events.getFirst());
        assertEquals("flush 1f000/12", bench.events.getLast());
        range(0, 0, 32 * K4);
        bench.events.clear();
        table.unmapRange(0, 33 * K4);
        assertEquals(List.of("flush all"), bench.events);
    }

    @Tag("A-76")
    @Test
    void aRemovedHugeLeafIsFlushedByItsSize() {
        table.map(G1, 0, PageSize.SIZE_1G, MmuFlags.RW);
        bench.events.clear();
        table.unmapRange(G1 + M2, K4);
        assertEquals(List.of("flush 40000000/30"), bench.events);
        bench.events.clear();
        table.unmapRange(G1 + 2 * M2, M2);
        assertEquals(List.of("flush 40400000/21"), bench.events);
    }

    @Tag("A-80")
    @Test
    void freshTranslationsAndAddedRightsNeedNoFlush() {
        table.map(0, 0, PageSize.SIZE_4K, MmuFlags.R);
        table.protect(0, MmuFlags.RW);
        range(K4, 0, 4 * M2);
        table.mapRange(0, 0, K4, MmuFlags.RX, HugePages.FORBIDDEN, OnExisting.UPGRADE);
        assertEquals(List.of(), bench.events);
        assertEquals(MmuFlags.RWX, table.query(0).flags());
    }

    @Tag("A-80")
    @Test
    void lostRightsOtherMemoryAndOtherFramesAreFlushed() {
        map4K(0, 0);
        table.protect(0, MmuFlags.R);
        table.protect(0, MmuFlags.R.with(MmuFlags.of(MmuFlags.DEVICE_BIT)));
        table.remap(0, K4, MmuFlags.R);
        table.mapRange(0, 0, K4, MmuFlags.R, HugePages.FORBIDDEN, OnExisting.UPGRADE);
        assertEquals(List.of("flush 0/12", "flush 0/12", "flush 0/12", "flush 0/12"), bench.events);
    }

    @Tag("A-75")
    @Test
    void whatFailsOrLooksFlushesNothing() {
        map4K(0, 0);
        error(() -> map4K(0, K4));
        error(() -> table.unmap(K4));
        table.query(0);
        table.translate(0);
        table.explain(0, AccessKind.WRITE);
        table.unmapRange(K4, 4 * M2);
        table.protectRange(0, 4 * M2, MmuFlags.RW);
        assertEquals(List.of(), bench.events);
    }

    @Tag("V-283")
    @Tag("V-330")
    @Test
    void upgradeFollowsTheFrame() {
        long[] frames = {0x1000, 0x2000, 0x3000};
        table.mapPages(2 * K4, frames, 0, 3, MmuFlags.RW, OnExisting.ERROR);
        table.mapPages(2 * K4, frames, 0, 3, MmuFlags.R, OnExisting.UPGRADE);
        for (int i = 0; i < 3; i++) {
            assertEquals(MmuFlags.RW, table.query((2 + i) * K4).flags());
        }
        table.mapPages(0, frames, 0, 3, MmuFlags.R, OnExisting.UPGRADE);
        assertEquals(new PageMapping(0x3000, MmuFlags.R, PageSize.SIZE_4K), table.query(2 * K4));
        assertEquals(new PageMapping(0x2000, MmuFlags.RW, PageSize.SIZE_4K), table.query(3 * K4));
    }

    @Test
    void upgradeOfTheSameFramesKeepsTheHugeLeaf() {
        map2M(M2, 0);
        table.mapRange(M2, 0, M2, MmuFlags.RX, HugePages.FORBIDDEN, OnExisting.UPGRADE);
        assertEquals(new PageMapping(0, MmuFlags.RWX, PageSize.SIZE_2M), table.query(M2));
        table.mapRange(M2 + K4, K4, K4, MmuFlags.R, HugePages.FORBIDDEN, OnExisting.UPGRADE);
        assertEquals(PageSize.SIZE_2M, table.query(M2 + K4).size());
    }

    @Tag("zcore-H7")
    @Test
    void mapPagesChecksEveryFrame() {
        long[] frames = {0x1000, 0x2000, 0x3001};
        assertEquals(
                PagingError.NOT_ALIGNED,
                error(() -> table.mapPages(0, frames, 0, 3, MmuFlags.R, OnExisting.ERROR)));
        frames[2] = 1L << 46;
        assertEquals(
                PagingError.OUT_OF_RANGE,
                error(() -> table.mapPages(0, frames, 0, 3, MmuFlags.R, OnExisting.ERROR)));
        assertThrows(
                IndexOutOfBoundsException.class,
                () -> table.mapPages(0, frames, 1, 3, MmuFlags.R, OnExisting.ERROR));
        table.mapPages(0, frames, 1, 1, MmuFlags.R, OnExisting.ERROR);
        assertEquals(0x2000, table.translate(0));
    }

    @Tag("A-73")
    @Test
    void unmapStartsAndEndsWhereItIsTold() {
        map4K(G1, 0x5000);
        map4K(G1 + K4, 0x6000);
        table.unmapRange(G1 - K4, 3 * K4);
        assertEquals(1, table.tableFrames());
        map2M(M2, 0);
        map4K(2 * M2, 0x5000);
        table.unmapRange(M2 + K4, M2);
        assertEquals(0, table.translate(M2));
        assertEquals(NestedPageTable.NO_TRANSLATION, table.translate(M2 + K4));
        assertEquals(NestedPageTable.NO_TRANSLATION, table.translate(2 * M2));
    }

    @Test
    void nothingIsARangeToo() {
        range(0, 0, 0);
        table.unmapRange(0, 0);
        table.protectRange(0, 0, MmuFlags.R);
        table.writeProtectRange(0, 0);
        table.mapPages(0, new long[0], 0, 0, MmuFlags.R, OnExisting.ERROR);
        assertEquals(1, table.tableFrames());
    }

    @Tag("A-71")
    @Test
    void checksComeInTheOrderOfTheContract() {
        assertEquals(
                PagingError.NOT_ALIGNED,
                error(() -> table.map(-1, 0, PageSize.SIZE_4K, MmuFlags.NONE)));
        assertEquals(
                PagingError.OUT_OF_RANGE,
                error(() -> table.map(-K4, 0, PageSize.SIZE_4K, MmuFlags.NONE)));
        map4K(0, 0);
        assertEquals(
                PagingError.NOT_SUPPORTED,
                error(() -> table.map(0, 0, PageSize.SIZE_4K, MmuFlags.NONE)));
        bench.limit(0);
        assertEquals(PagingError.ALREADY_MAPPED, error(() -> map4K(0, 0)));
        assertEquals(PagingError.NO_MEMORY, error(() -> map4K(G1, 0)));
    }

    @Tag("A-99")
    @Test
    void aarch64BreaksBeforeItMakes() {
        try (NestedPageTable stage2 = bench.table(Aarch64Stage2Options.DEFAULT.format())) {
            stage2.map(0, 0, PageSize.SIZE_2M, MmuFlags.RW);
            long entry = stage2.explain(0, AccessKind.READ).steps().getLast().entryAddress();
            List<Long> seen = watch(stage2, entry, () -> stage2.unmapRange(0, K4));
            assertEquals(List.of(0L), seen);
            List<Long> changed =
                    watch(
                            stage2,
                            stage2.explain(K4, AccessKind.READ).steps().getLast().entryAddress(),
                            () -> stage2.remap(K4, 0x9000, MmuFlags.R));
            assertEquals(List.of(0L), changed);
        }
    }

    /// What an entry holds at each flush.
    private List<Long> watch(NestedPageTable watched, long entry, Runnable call) {
        var seen = new ArrayList<Long>();
        bench.onFlush = () -> seen.add(bench.memory.readLong(entry));
        call.run();
        bench.onFlush = () -> {};
        assertTrue(watched.tableFrames() > 0);
        return seen;
    }

    @Tag("zcore-H2")
    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void reachesTheFirstAndTheLastAddress(PagingFormat format) {
        try (NestedPageTable other = bench.table(format)) {
            long last = other.lastAddress() - K4 + 1;
            other.map(other.firstAddress(), 0x1000, PageSize.SIZE_4K, MmuFlags.RW);
            other.mapRange(last, 0x2000, K4, MmuFlags.RW, HugePages.ALLOWED, OnExisting.ERROR);
            assertEquals(0x1000, other.translate(other.firstAddress()));
            assertEquals(0x2fff, other.translate(other.lastAddress()));
            var seen = new ArrayList<Long>();
            other.forEachLeaf(
                    other.firstAddress(), K4, (vaddr, paddr, size, flags) -> seen.add(vaddr));
            other.forEachLeaf(last, K4, (vaddr, paddr, size, flags) -> seen.add(vaddr));
            assertEquals(List.of(other.firstAddress(), last), seen);
            other.unmapRange(last, K4);
            assertEquals(NestedPageTable.NO_TRANSLATION, other.translate(last));
        }
    }
}
