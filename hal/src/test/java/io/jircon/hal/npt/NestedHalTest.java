package io.jircon.hal.npt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HalProvider;
import io.jircon.hal.Hals;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class NestedHalTest {
    record Setting(String hal, HalConfig config) {
        static Setting of(String hal, String... options) {
            HalConfig config = HalConfig.DEFAULT;
            for (int i = 0; i < options.length; i += 2) {
                config = config.withOption(options[i], options[i + 1]);
            }
            return new Setting(hal, config);
        }

        Hal create() {
            return Hals.create(hal, config);
        }
    }

    static Stream<Setting> settings() {
        return Stream.of(
                Setting.of("x86_64"),
                Setting.of("x86_64", "levels", "5", "ad", "on"),
                Setting.of("x86_64", "executeOnly", "off", "physicalBits", "52"),
                Setting.of("aarch64"),
                Setting.of("aarch64", "levels", "4", "physicalBits", "48"),
                Setting.of("aarch64", "ipaBits", "36", "physicalBits", "48"),
                Setting.of("aarch64", "ad", "hardware-dirty", "xnx", "on", "fwb", "on"),
                Setting.of("aarch64", "ipaBits", "34", "startLevel", "2"),
                Setting.of("riscv64"),
                Setting.of("riscv64", "mode", "sv48x4", "ad", "svadu"),
                Setting.of("riscv64", "levels", "5", "svpbmt", "off"));
    }

    @Tag("A-70")
    @ParameterizedTest
    @MethodSource("settings")
    void processorOfABorrowerHearsOfTheLendersChanges(Setting setting) {
        try (Hal hal = setting.create()) {
            long free = hal.frames().freeFrames();
            for (AddressSpaceKind kind : AddressSpaceKind.values()) {
                long frame = hal.frames().allocate();
                var lender = (NestedPageTable) hal.newPageTable(kind);
                try (var borrower = (NestedPageTable) hal.newPageTable(kind);
                        var mmu = hal.newMmu()) {
                    long at = lender.firstAddress();
                    borrower.borrowRootEntries(lender, at, PageSize.BASE_BYTES);
                    mmu.activate(borrower);
                    var word = MemorySegment.ofArray(new long[] {7});
                    for (int round = 0; round < 3; round++) {
                        lender.map(at, frame, PageSize.SIZE_4K, MmuFlags.RW);
                        assertEquals(8, mmu.store(at, word, 0, 8));
                        lender.protect(at, MmuFlags.R);
                        assertEquals(0, mmu.store(at, word, 0, 8));
                        assertEquals(FaultCause.PERMISSION, mmu.faultCause());
                        assertEquals(8, mmu.load(at, word, 0, 8));
                        lender.unmap(at);
                        assertEquals(0, mmu.load(at, word, 0, 8));
                        assertEquals(FaultCause.NOT_PRESENT, mmu.faultCause());
                    }
                    lender.map(at, frame, PageSize.SIZE_4K, MmuFlags.RW);
                    lender.close();
                    assertEquals(8, mmu.store(at, word, 0, 8));
                }
                hal.frames().free(frame);
            }
            assertEquals(free, hal.frames().freeFrames());
        }
    }

    @ParameterizedTest
    @MethodSource("settings")
    void storesAndLoadsThroughEveryKindOfAddressSpace(Setting setting) {
        try (Hal hal = setting.create()) {
            long free = hal.frames().freeFrames();
            for (AddressSpaceKind kind : AddressSpaceKind.values()) {
                long frame = hal.frames().allocate();
                try (PageTableTrait table = hal.newPageTable(kind);
                        var mmu = hal.newMmu()) {
                    mmu.activate(table);
                    long at = table.firstAddress();
                    var word = MemorySegment.ofArray(new long[] {0x1234_5678_9abc_def0L});
                    assertEquals(0, mmu.store(at, word, 0, 8));
                    assertEquals(FaultCause.NOT_PRESENT, mmu.faultCause());
                    table.map(at, frame, PageSize.SIZE_4K, MmuFlags.RW);
                    assertEquals(8, mmu.store(at + 8, word, 0, 8));
                    assertEquals(0x1234_5678_9abc_def0L, hal.memory().readLong(frame + 8));
                    var read = MemorySegment.ofArray(new long[1]);
                    assertEquals(8, mmu.load(at + 8, read, 0, 8));
                    assertEquals(
                            0x1234_5678_9abc_def0L, read.get(ValueLayout.JAVA_LONG_UNALIGNED, 0));
                    assertEquals(0, mmu.fetch(at + 8, read, 0, 8));
                    assertEquals(FaultCause.PERMISSION, mmu.faultCause());
                    table.protect(at, MmuFlags.R);
                    assertEquals(0, mmu.store(at + 8, word, 0, 8));
                    table.unmap(at);
                    assertEquals(0, mmu.load(at + 8, read, 0, 8));
                }
                hal.frames().free(frame);
            }
            assertEquals(free, hal.frames().freeFrames());
        }
    }

    @Tag("V-19")
    @Tag("V-20")
    @Test
    void rangesAreThoseOfTheFormat() {
        requireRange("x86_64", AddressSpaceKind.USER, 0x1_0000, 0x0000_7fff_ffff_efffL);
        requireRange("x86_64", AddressSpaceKind.GUEST, 0, (1L << 48) - 1);
        requireRange("x86_64", AddressSpaceKind.KERNEL, -1L << 47, -1L);
        requireRange("aarch64", AddressSpaceKind.USER, 0x1_0000, (1L << 40) - 1);
        requireRange("aarch64", AddressSpaceKind.KERNEL, -1L << 48, -1L);
        requireRange("riscv64", AddressSpaceKind.USER, 0x1_0000, (1L << 41) - 1);
        requireRange("riscv64", AddressSpaceKind.GUEST, 0, (1L << 41) - 1);
        requireRange("riscv64", AddressSpaceKind.KERNEL, -1L << 47, -1L);
    }

    private static void requireRange(String name, AddressSpaceKind kind, long first, long last) {
        try (Hal hal = Hals.create(name, HalConfig.DEFAULT);
                PageTableTrait table = hal.newPageTable(kind)) {
            assertEquals(Long.toHexString(first), Long.toHexString(table.firstAddress()));
            assertEquals(Long.toHexString(last), Long.toHexString(table.lastAddress()));
        }
    }

    @Test
    void theKernelSpaceHoldsTheKernelRootAndTheLastPage() {
        for (String name : List.of("x86_64", "aarch64", "riscv64")) {
            try (Hal hal = Hals.create(name, HalConfig.DEFAULT);
                    PageTableTrait table = hal.newPageTable(AddressSpaceKind.KERNEL)) {
                for (long at : new long[] {0xffff_ff02_0000_0000L, -4096}) {
                    table.map(at, 0x1000, PageSize.SIZE_4K, MmuFlags.RWX);
                    assertEquals(0x1fff, table.translate(at + 0xfff));
                    assertTrue(
                            table.hardwareWalk(
                                    at, AccessKind.WRITE, new io.jircon.hal.WalkResult()));
                    table.unmap(at);
                }
                assertEquals(1, table.tableFrames());
            }
        }
    }

    @Test
    void everyOptionIsToldAndOthersAreRefused() {
        for (HalProvider provider : Hals.providers()) {
            var unknown = HalConfig.DEFAULT.withOption("nonsense", "1");
            var thrown = assertThrows(PagingException.class, () -> provider.create(unknown));
            assertEquals(PagingError.NOT_SUPPORTED, thrown.error());
        }
        requireRefused("x86_64", "levels", "3");
        requireRefused("x86_64", "levels", "four");
        requireRefused("x86_64", "ad", "maybe");
        requireRefused("aarch64", "ipaBits", "49");
        requireRefused("aarch64", "startLevel", "2");
        requireRefused("riscv64", "mode", "sv32x4");
        requireRefused("riscv64", "levels", "6");
    }

    private static void requireRefused(String hal, String option, String value) {
        var thrown =
                assertThrows(
                        PagingException.class,
                        () -> Hals.create(hal, HalConfig.DEFAULT.withOption(option, value)));
        assertEquals(PagingError.NOT_SUPPORTED, thrown.error());
        assertTrue(thrown.getMessage().contains(value), thrown.getMessage());
    }

    @Test
    void memoryBeyondThePhysicalWidthIsRefused() {
        var config = HalConfig.DEFAULT.withMemoryBase((1L << 40) - (16L << 20));
        var thrown = assertThrows(PagingException.class, () -> Hals.create("aarch64", config));
        assertEquals(PagingError.OUT_OF_RANGE, thrown.error());
        Hals.create("x86_64", config).close();
    }

    @Tag("V-8")
    @Test
    void executeOnlyIsAnsweredTruly() {
        try (Hal with = Setting.of("x86_64").create();
                Hal without = Setting.of("x86_64", "executeOnly", "off").create()) {
            assertTrue(with.canMapExecuteOnly());
            assertEquals(false, without.canMapExecuteOnly());
        }
    }
}
