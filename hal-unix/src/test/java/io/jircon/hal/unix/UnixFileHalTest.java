package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HugePages;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageFault;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class UnixFileHalTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final HalConfig SMALL = HalConfig.DEFAULT.withMemoryBytes(16 << 20);

    @TempDir Path directory;

    @Test
    void bytesGoThroughScatteredPages() {
        try (Hal hal = UnixFileHal.open(SMALL);
                PageTableTrait table = hal.newPageTable(AddressSpaceKind.USER);
                Mmu mmu = hal.newMmu()) {
            long low = hal.frames().allocate();
            long high = hal.frames().allocate();
            table.mapPages(0x40_0000, new long[] {high, low}, 0, 2, MmuFlags.RW, OnExisting.ERROR);
            mmu.activate(table);
            MemorySegment text = segment("across the boundary");
            assertEquals(19, mmu.store(0x40_0ff8, text, 0, 19));
            var back = new byte[19];
            assertEquals(19, mmu.load(0x40_0ff8, MemorySegment.ofArray(back), 0, 19));
            assertEquals("across the boundary", new String(back, StandardCharsets.UTF_8));
            hal.memory().read(low, MemorySegment.ofArray(back), 0, 11);
            assertEquals("he boundary", new String(back, 0, 11, StandardCharsets.UTF_8));
        }
    }

    @Test
    void executeOnlyPagesCanBeFetchedButNotRead() {
        try (Hal hal = UnixFileHal.open(SMALL);
                PageTableTrait table = hal.newPageTable(AddressSpaceKind.USER);
                Mmu mmu = hal.newMmu()) {
            assertTrue(hal.canMapExecuteOnly());
            MmuFlags x = MmuFlags.of(MmuFlags.EXECUTE_BIT);
            table.map(0x40_0000, hal.frames().allocate(), PageSize.SIZE_4K, x);
            mmu.activate(table);
            MemorySegment bytes = MemorySegment.ofArray(new byte[4]);
            assertEquals(4, mmu.fetch(0x40_0000, bytes, 0, 4));
            assertEquals(0, mmu.load(0x40_0000, bytes, 0, 4));
            assertEquals(
                    new PageFault(0x40_0000, AccessKind.READ, FaultCause.PERMISSION), mmu.fault());
        }
    }

    @ParameterizedTest
    @EnumSource
    void bothEndsOfTheRangeCanBeMappedAndNothingOutside(AddressSpaceKind kind) {
        try (Hal hal = UnixFileHal.open(SMALL);
                PageTableTrait table = hal.newPageTable(kind)) {
            long first = table.firstAddress();
            long lastPage = table.lastAddress() - PAGE + 1;
            long outside = table.lastAddress() == -1L ? first - PAGE : lastPage + PAGE;
            long frame = hal.frames().allocate();
            table.map(first, frame, PageSize.SIZE_4K, MmuFlags.R);
            table.mapRange(lastPage, frame, PAGE, MmuFlags.R, HugePages.ALLOWED, OnExisting.ERROR);
            assertEquals(frame + 7, table.translate(first + 7));
            assertEquals(frame + 4095, table.translate(table.lastAddress()));
            table.unmapRange(lastPage, PAGE);
            assertEquals(PageTableTrait.NO_TRANSLATION, table.translate(table.lastAddress()));
            assertError(PagingError.OUT_OF_RANGE, () -> table.unmapRange(lastPage, 2 * PAGE));
            assertError(PagingError.OUT_OF_RANGE, () -> table.unmapRange(lastPage, -PAGE));
            assertError(
                    PagingError.OUT_OF_RANGE,
                    () -> table.map(outside, frame, PageSize.SIZE_4K, MmuFlags.R));
        }
    }

    @Test
    void aContiguousGibibyteIsOneLeafAndSplitsWhenAPageIsTakenOut() {
        try (Hal hal = UnixFileHal.open(SMALL);
                PageTableTrait table = hal.newPageTable(AddressSpaceKind.GUEST)) {
            table.mapRange(
                    1L << 30, 1L << 30, 1L << 30, MmuFlags.RW, HugePages.ALLOWED, OnExisting.ERROR);
            assertEquals(PageSize.SIZE_1G, table.query(1L << 30).size());
            assertError(
                    PagingError.MAPPED_TO_HUGE_PAGE,
                    () -> table.map(1L << 30, 0, PageSize.SIZE_4K, MmuFlags.R));
            assertError(
                    PagingError.ALREADY_MAPPED,
                    () -> table.map(1L << 30, 0, PageSize.SIZE_1G, MmuFlags.R));
            long hole = (1L << 30) + 5 * PAGE;
            table.unmapRange(hole, PAGE);
            assertError(PagingError.NOT_MAPPED, () -> table.query(hole));
            assertEquals(
                    new PageMapping(hole + PAGE, MmuFlags.RW, PageSize.SIZE_4K),
                    table.query(hole + PAGE));
            assertEquals(PageSize.SIZE_2M, table.query((1L << 30) + (2L << 20)).size());
            assertError(
                    PagingError.ALREADY_MAPPED,
                    () -> table.map(1L << 30, 0, PageSize.SIZE_1G, MmuFlags.R));
        }
    }

    @Test
    void upgradeOfTheSameFrameGainsAndLosesNothing() {
        try (Hal hal = UnixFileHal.open(SMALL);
                PageTableTrait table = hal.newPageTable(AddressSpaceKind.USER)) {
            table.map(0x40_0000, 0x5000, PageSize.SIZE_4K, MmuFlags.RX);
            table.mapPages(0x40_0000, new long[] {0x5000}, 0, 1, MmuFlags.RW, OnExisting.UPGRADE);
            assertEquals(MmuFlags.RWX, table.query(0x40_0000).flags());
            table.mapPages(0x40_0000, new long[] {0x6000}, 0, 1, MmuFlags.R, OnExisting.UPGRADE);
            assertEquals(
                    new PageMapping(0x6000, MmuFlags.R, PageSize.SIZE_4K), table.query(0x40_0000));
        }
    }

    @Test
    void singleOperationsNameWhatIsWrong() {
        try (Hal hal = UnixFileHal.open(SMALL)) {
            PageTableTrait table = hal.newPageTable(AddressSpaceKind.USER);
            assertError(
                    PagingError.NOT_ALIGNED,
                    () -> table.map(0x40_0001, 0, PageSize.SIZE_4K, MmuFlags.R));
            assertError(
                    PagingError.NOT_ALIGNED,
                    () -> table.map(0x40_0000, PAGE, PageSize.SIZE_2M, MmuFlags.R));
            assertError(
                    PagingError.NOT_SUPPORTED,
                    () -> table.map(0x40_0000, 0, PageSize.SIZE_4K, MmuFlags.NONE));
            assertError(
                    PagingError.OUT_OF_RANGE,
                    () -> table.map(0x40_0000, 1L << 52, PageSize.SIZE_4K, MmuFlags.R));
            assertError(PagingError.NOT_MAPPED, () -> table.unmap(0x40_0000));
            assertError(PagingError.NOT_MAPPED, () -> table.protect(0x40_0000, MmuFlags.R));
            assertError(PagingError.NOT_MAPPED, () -> table.remap(0x40_0000, 0, MmuFlags.R));
            assertError(PagingError.NOT_MAPPED, () -> table.query(-1));
            table.map(0x40_0000, 0, PageSize.SIZE_2M, MmuFlags.RW);
            assertError(PagingError.NOT_ALIGNED, () -> table.remap(0x40_0000, PAGE, MmuFlags.R));
            assertEquals(PageSize.SIZE_2M, table.protect(0x50_0000, MmuFlags.R));
            assertEquals(PageSize.SIZE_2M, table.remap(0x50_0000, 2L << 20, MmuFlags.R));
            assertEquals((2L << 20) + 9, table.translate(0x40_0009));
            table.close();
            assertError(PagingError.BAD_STATE, () -> table.unmap(0x40_0000));
            assertError(PagingError.BAD_STATE, () -> table.translate(0x40_0000));
        }
    }

    @Test
    void explainShowsTheLevels() {
        try (Hal hal = UnixFileHal.open(SMALL);
                PageTableTrait table = hal.newPageTable(AddressSpaceKind.USER)) {
            table.map(0x40_0000, 0x5000, PageSize.SIZE_4K, MmuFlags.R);
            var walk = table.explain(0x40_0123, AccessKind.READ);
            assertEquals(4, walk.steps().size());
            assertEquals(new PageMapping(0x5123, MmuFlags.R, PageSize.SIZE_4K), walk.mapping());
            assertEquals(
                    new PageFault(0x40_0123, AccessKind.WRITE, FaultCause.PERMISSION),
                    table.explain(0x40_0123, AccessKind.WRITE).fault());
            assertEquals(
                    new PageFault(0, AccessKind.READ, FaultCause.ADDRESS_SIZE),
                    table.explain(0, AccessKind.READ).fault());
        }
    }

    @Test
    void anAddressWithoutMemoryBehindItFaultsAsExternal() {
        try (Hal hal = UnixFileHal.open(SMALL);
                PageTableTrait table = hal.newPageTable(AddressSpaceKind.USER);
                Mmu mmu = hal.newMmu()) {
            table.map(0x40_0000, 0xfee0_0000L, PageSize.SIZE_4K, MmuFlags.RW);
            mmu.activate(table);
            assertEquals(0, mmu.load(0x40_0000, MemorySegment.ofArray(new byte[1]), 0, 1));
            assertEquals(FaultCause.EXTERNAL, mmu.faultCause());
        }
    }

    @Test
    void aKeptFileIsOpenedAgainWithItsBytes() {
        Path file = directory.resolve("frames");
        HalConfig config = SMALL.withOption("file", file.toString());
        long at;
        try (UnixFileHal hal = UnixFileHal.open(config)) {
            at = hal.frames().allocate();
            hal.memory().writeLong(at, 0x1234_5678_9abcL);
            hal.flush();
            assertBadState("is in use", config);
        }
        try (UnixFileHal hal = UnixFileHal.open(config)) {
            assertEquals(0x1234_5678_9abcL, hal.memory().readLong(at));
            assertTrue(hal.frames().isAllocated(at));
            assertEquals(hal.frames().totalFrames() - 1, hal.frames().freeFrames());
        }
    }

    @Test
    void aDamagedOrForeignFileIsRefusedAndLeftAlone() throws Exception {
        Path file = directory.resolve("frames");
        HalConfig config = SMALL.withOption("file", file.toString());
        Files.writeString(file, "a letter to the landlord");
        assertBadState("is not a frame file", config);
        assertEquals("a letter to the landlord", Files.readString(file));

        Files.delete(file);
        UnixFileHal.open(config).close();
        assertBadState("wanted are", config.withMemoryBytes(32 << 20));
        byte[] bytes = Files.readAllBytes(file);
        for (int damaged : new int[] {8, 17, 25, 32}) {
            byte[] copy = bytes.clone();
            copy[damaged] ^= 1;
            Files.write(file, copy);
            assertBadState("checksum", config);
        }
        Files.write(file, Arrays.copyOf(bytes, bytes.length - 1));
        assertBadState("its length", config);
        Files.write(file, bytes);
        UnixFileHal.open(config).close();
    }

    @Test
    void optionsAreChecked() {
        assertError(
                PagingError.NOT_SUPPORTED,
                () -> UnixFileHal.open(SMALL.withOption("colour", "blue")));
        assertError(
                PagingError.NOT_SUPPORTED,
                () -> UnixFileHal.open(SMALL.withOption("file", "a").withOption("directory", "b")));
        assertError(
                PagingError.NO_MEMORY,
                () ->
                        UnixFileHal.open(
                                SMALL.withOption(
                                        "directory", directory.resolve("none").toString())));
        assertError(
                PagingError.SYSTEM,
                () ->
                        UnixFileHal.open(
                                SMALL.withOption("file", directory.resolve("none/f").toString())));
    }

    @Test
    void aMachineOf64GibibytesCostsWhatItTouches() throws Exception {
        Path file = directory.resolve("huge");
        HalConfig config =
                HalConfig.DEFAULT.withMemoryBytes(64L << 30).withOption("file", file.toString());
        long before = heap();
        try (UnixFileHal hal = UnixFileHal.open(config);
                PageTableTrait table = hal.newPageTable(AddressSpaceKind.USER);
                Mmu mmu = hal.newMmu()) {
            assertEquals((64L << 30) / PAGE, hal.frames().freeFrames());
            long stride = hal.frames().allocateContiguous((40L << 30) / PAGE, 12);
            long[] far = {stride, stride + (20L << 30), stride + (40L << 30) - PAGE};
            table.mapPages(0x40_0000, far, 0, 3, MmuFlags.RW, OnExisting.ERROR);
            mmu.activate(table);
            assertEquals(20, mmu.store(0x40_1ffa, segment("far apart, one range"), 0, 20));
            assertTrue(heap() - before < 64L << 20, "heap");
            hal.flush();
            assertEquals(UnixFileStore.fileBytes(config), Files.size(file));
            assertTrue(blocks(file) < 4_096, "512-byte blocks of the file");
        }
    }

    private static long heap() {
        System.gc();
        Runtime runtime = Runtime.getRuntime();
        return runtime.totalMemory() - runtime.freeMemory();
    }

    /// What the host says the file occupies, in blocks of 512 bytes; 0 where it does not say.
    private static long blocks(Path file) throws Exception {
        if (!Files.isExecutable(Path.of("/usr/bin/stat"))) {
            return 0;
        }
        Process stat = new ProcessBuilder("/usr/bin/stat", "-c", "%b", file.toString()).start();
        String out = new String(stat.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
        return stat.waitFor() == 0 ? Long.parseLong(out.strip()) : 0;
    }

    private static MemorySegment segment(String text) {
        return MemorySegment.ofArray(text.getBytes(StandardCharsets.UTF_8));
    }

    private static void assertBadState(String reason, HalConfig config) {
        var thrown = assertThrows(PagingException.class, () -> UnixFileHal.open(config).close());
        assertEquals(PagingError.BAD_STATE, thrown.error());
        assertTrue(String.valueOf(thrown.getMessage()).contains(reason), thrown.getMessage());
    }

    private static void assertError(PagingError error, Executable call) {
        assertEquals(error, assertThrows(PagingException.class, call).error());
    }
}
