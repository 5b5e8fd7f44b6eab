package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HugePages;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnixMmapHalTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final HalConfig SMALL =
            HalConfig.DEFAULT.withMemoryBytes(4L << 20).withOption("window", "1M");

    private static PagingError errorOf(org.junit.jupiter.api.function.Executable call) {
        return assertThrows(PagingException.class, call).error();
    }

    @Test
    void providerIsUsableOnThisHost() {
        assertEquals(Optional.empty(), new UnixMmapProvider().unavailableReason());
        try (Hal hal = new UnixMmapProvider().create(HalConfig.DEFAULT)) {
            assertEquals("unix-mmap", hal.name());
        }
    }

    @Test
    void simulatedMemoryMayBeLargerThanTheHosts() {
        try (Hal hal = UnixMmapHal.open(HalConfig.DEFAULT.withMemoryBytes(64L << 30))) {
            hal.memory().writeLong(hal.memory().base() + (63L << 30), 5);
            assertEquals(5, hal.memory().readLong(hal.memory().base() + (63L << 30)));
        }
    }

    @Test
    void kernelSpacesAreNotSupported() {
        try (Hal hal = UnixMmapHal.open(SMALL)) {
            assertEquals(
                    PagingError.NOT_SUPPORTED,
                    errorOf(() -> hal.newPageTable(AddressSpaceKind.KERNEL)));
        }
    }

    @Test
    @Tag("V-20")
    void userSpaceIsTheWindowItselfAndGuestSpaceStartsAtZero() {
        try (Hal hal = UnixMmapHal.open(SMALL);
                var user = (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER);
                var guest = (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.GUEST)) {
            assertNotEquals(0, user.firstAddress());
            assertEquals(user.firstAddress(), user.hostAddress(user.firstAddress()));
            assertEquals(1 << 20, user.lastAddress() - user.firstAddress() + 1);
            assertEquals(0, guest.firstAddress());
            assertEquals((1 << 20) - 1, guest.lastAddress());
            assertNotEquals(user.tag(), guest.tag());
        }
    }

    @Test
    void tablesAndMachinesShareNothing() {
        try (Hal one = UnixMmapHal.open(SMALL);
                Hal two = UnixMmapHal.open(SMALL);
                PageTableTrait first = one.newPageTable(AddressSpaceKind.GUEST);
                PageTableTrait second = one.newPageTable(AddressSpaceKind.GUEST);
                PageTableTrait third = two.newPageTable(AddressSpaceKind.GUEST);
                Mmu mmu = one.newMmu();
                Mmu other = two.newMmu()) {
            long base = one.memory().base();
            first.map(0, base, PageSize.SIZE_4K, MmuFlags.RW);
            second.map(0, base + PAGE, PageSize.SIZE_4K, MmuFlags.RW);
            third.map(0, base, PageSize.SIZE_4K, MmuFlags.RW);
            MemorySegment bytes = MemorySegment.ofArray(new byte[] {1});
            mmu.activate(first);
            mmu.store(0, bytes, 0, 1);
            MemorySegment got = MemorySegment.ofArray(new byte[] {9});
            mmu.activate(second);
            assertEquals(1, mmu.load(0, got, 0, 1));
            assertEquals(0, got.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 0));
            other.activate(third);
            assertEquals(1, other.load(0, got, 0, 1));
            assertEquals(0, got.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 0));
        }
    }

    @Test
    void closedMachineAnswersBadState() {
        Hal hal = UnixMmapHal.open(SMALL);
        PageTableTrait table = hal.newPageTable(AddressSpaceKind.USER);
        Mmu mmu = hal.newMmu();
        mmu.activate(table);
        hal.close();
        hal.close();
        assertEquals(PagingError.BAD_STATE, errorOf(() -> hal.newMmu()));
        assertEquals(PagingError.BAD_STATE, errorOf(() -> hal.newPageTable(AddressSpaceKind.USER)));
        assertEquals(PagingError.BAD_STATE, errorOf(() -> table.unmapRange(0, PAGE)));
        assertEquals(
                PagingError.BAD_STATE,
                errorOf(() -> mmu.load(0, MemorySegment.ofArray(new byte[1]), 0, 1)));
        table.close();
        mmu.close();
    }

    @Test
    void windowsAndDescriptorsAndMappingsComeBack() {
        oneCycle(); // what the JVM sets up by itself
        long descriptors = HostMaps.descriptors();
        long ours = HostMaps.windows();
        for (int i = 0; i < 2_000; i++) {
            oneCycle();
        }
        assertEquals(descriptors, HostMaps.descriptors());
        assertEquals(ours, HostMaps.windows());
    }

    private static void oneCycle() {
        try (Hal hal = UnixMmapHal.open(SMALL)) {
            long before = hal.frames().freeFrames();
            for (int i = 0; i < 5; i++) {
                try (PageTableTrait table = hal.newPageTable(AddressSpaceKind.USER)) {
                    long frame = hal.frames().allocate();
                    table.map(table.firstAddress(), frame, PageSize.SIZE_4K, MmuFlags.RW);
                    hal.frames().free(frame);
                }
            }
            assertEquals(before, hal.frames().freeFrames());
            assertEquals(0, ((UnixMmapHal) hal).hostMappings());
        }
    }

    @Test
    void limitOfMappingsIsNoticedBeforeAnythingChanges() {
        int inUse = HostMaps.count();
        HalConfig config =
                SMALL.withOption("max-map-count", Integer.toString(inUse * 16 / 15 + 150));
        try (var hal = UnixMmapHal.open(config);
                var table = (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER)) {
            long start = table.firstAddress();
            long base = hal.memory().base();
            long[] scattered = new long[250];
            for (int i = 0; i < scattered.length; i++) {
                scattered[i] = base + 2 * i * PAGE;
            }
            PagingException refused =
                    assertThrows(
                            PagingException.class,
                            () ->
                                    table.mapPages(
                                            start,
                                            scattered,
                                            0,
                                            250,
                                            MmuFlags.R,
                                            OnExisting.ERROR));
            assertEquals(PagingError.NO_RESOURCES, refused.error());
            assertTrue(refused.getMessage().contains("vm.max_map_count"), refused.getMessage());
            assertEquals(1, table.hostMappings());
            assertEquals(PageTableTrait.NO_TRANSLATION, table.translate(start));
            table.mapPages(start, scattered, 0, 40, MmuFlags.R, OnExisting.ERROR);
            assertEquals(41, table.hostMappings());
            table.mapRange(
                    start + 50 * PAGE,
                    base,
                    150 * PAGE,
                    MmuFlags.R,
                    HugePages.ALLOWED,
                    OnExisting.ERROR);
            assertEquals(43, table.hostMappings());
            table.unmapRange(start, 250 * PAGE);
            assertEquals(1, table.hostMappings());
        }
    }

    @Test
    void unknownAndBadOptionsAreRefused() {
        String[][] bad = {
            {"colour", "blue"},
            {"window", "0"},
            {"window", "5000"},
            {"window", "many"},
            {"window", "9223372036854775807G"},
            {"window", ""},
            {"max-map-count", "1"},
            {"max-map-count", "999999999999"}
        };
        long descriptors = HostMaps.descriptors();
        for (String[] option : bad) {
            assertEquals(
                    PagingError.NOT_SUPPORTED,
                    errorOf(() ->
                            UnixMmapHal.open(HalConfig.DEFAULT.withOption(option[0], option[1]))),
                    option[0] + "=" + option[1]);
        }
        assertEquals(
                PagingError.NOT_SUPPORTED,
                errorOf(() ->
                        UnixMmapHal.open(
                                HalConfig.DEFAULT
                                        .withOption("file", "a")
                                        .withOption("directory", "b"))));
        assertEquals(descriptors, HostMaps.descriptors());
    }

    @Test
    void hugeWindowIsAMatterOfTheHost() {
        HalConfig config = SMALL.withOption("window", "64T");
        try (Hal hal = UnixMmapHal.open(config)) {
            PageTableTrait first = hal.newPageTable(AddressSpaceKind.USER);
            assertEquals(
                    PagingError.NO_RESOURCES,
                    errorOf(() -> hal.newPageTable(AddressSpaceKind.USER)));
            first.close();
            hal.newPageTable(AddressSpaceKind.USER).close();
        }
    }

    @Test
    void framesCanLieInADirectory(@TempDir Path directory) {
        HalConfig config = SMALL.withOption("directory", directory.toString());
        try (Hal hal = UnixMmapHal.open(config);
                PageTableTrait table = hal.newPageTable(AddressSpaceKind.USER);
                Mmu mmu = hal.newMmu()) {
            long base = hal.memory().base();
            table.map(table.firstAddress(), base, PageSize.SIZE_4K, MmuFlags.RWX);
            mmu.activate(table);
            assertEquals(
                    1,
                    mmu.store(table.firstAddress(), MemorySegment.ofArray(new byte[] {4}), 0, 1));
            assertEquals(4, hal.memory().readLong(base));
            assertEquals(0, directory.toFile().list().length);
        }
        PagingException refused =
                assertThrows(
                        PagingException.class,
                        () ->
                                UnixMmapHal.open(
                                        SMALL.withOption("directory", directory + "/missing")));
        assertEquals(PagingError.SYSTEM, refused.error());
        assertTrue(refused.getMessage().contains("ENOENT"), refused.getMessage());
    }

    @Test
    void framesInAFileSurviveTheMachine(@TempDir Path directory) {
        HalConfig fileOnly =
                HalConfig.DEFAULT
                        .withMemoryBytes(4L << 20)
                        .withOption("file", directory.resolve("frames").toString());
        HalConfig config = fileOnly.withOption("window", "1M");
        long descriptors = HostMaps.descriptors();
        try (var hal = UnixMmapHal.open(config);
                var table = hal.newPageTable(AddressSpaceKind.USER);
                var mmu = hal.newMmu()) {
            long frame = hal.memory().base() + 77 * PAGE;
            table.map(table.firstAddress(), frame, PageSize.SIZE_4K, MmuFlags.RW);
            mmu.activate(table);
            mmu.store(table.firstAddress(), MemorySegment.ofArray(new byte[] {42}), 0, 1);
            hal.flush();
            assertEquals(PagingError.BAD_STATE, errorOf(() -> UnixMmapHal.open(config)));
        }
        try (var hal = UnixMmapHal.open(config)) {
            assertEquals(42, hal.memory().readLong(hal.memory().base() + 77 * PAGE));
        }
        try (var portable = UnixFileHal.open(fileOnly)) {
            assertEquals(42, portable.memory().readLong(portable.memory().base() + 77 * PAGE));
        }
        assertEquals(descriptors, HostMaps.descriptors());
    }
}
