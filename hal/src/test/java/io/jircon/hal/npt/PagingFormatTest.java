package io.jircon.hal.npt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class PagingFormatTest {
    private static final long PA = 0x4000_0000L;
    private static final long XN = 1L << 54;
    private static final MmuFlags W = MmuFlags.of(MmuFlags.WRITE_BIT);
    private static final MmuFlags X = MmuFlags.of(MmuFlags.EXECUTE_BIT);
    private static final MmuFlags DEVICE = MmuFlags.of(MmuFlags.DEVICE_BIT);
    private static final MmuFlags UNCACHED = MmuFlags.of(MmuFlags.UNCACHED_BIT);

    @Tag("A-83")
    @Tag("A-48")
    @Tag("page-table-generic/map:test_pte")
    @Test
    void eptValuesAreThoseOfTheManual() {
        PagingFormat ept = EptOptions.DEFAULT.format();
        assertEquals(PA | 0x37, page(ept, MmuFlags.RWX));
        assertEquals(PA | 0x33, page(ept, MmuFlags.RW));
        assertEquals(PA | 0x31, page(ept, MmuFlags.R));
        assertEquals(PA | 0x35, page(ept, MmuFlags.RX));
        assertEquals(PA | 0x34, page(ept, X));
        assertEquals(PA | 0x03, page(ept, MmuFlags.RW.with(DEVICE)));
        assertEquals(PA | 0xb7, ept.encodeLeaf(PA, MmuFlags.RWX, PageSize.SIZE_2M));
        assertEquals(PA | 0xb7, ept.encodeLeaf(PA, MmuFlags.RWX, PageSize.SIZE_1G));
        assertEquals(PA | 0x83, ept.encodeLeaf(PA, MmuFlags.RW.with(DEVICE), PageSize.SIZE_2M));
        assertEquals(PA | 0x07, ept.encodePointer(PA));
    }

    @Tag("A-86")
    @Test
    void eptUncachedMemoryIsNotWriteBack() {
        long raw = page(EptOptions.DEFAULT.format(), MmuFlags.RW.with(UNCACHED));
        assertEquals(EptFormat.TYPE_UC, EptFormat.MEMORY_TYPE.get(raw));
    }

    @Tag("A-90")
    @Tag("A-93")
    @Tag("A-48")
    @Tag("A-91")
    @Tag("A-92")
    @Tag("A-98")
    @Test
    void aarch64Stage2ValuesAreThoseOfTheManual() {
        PagingFormat stage2 = Aarch64Stage2Options.DEFAULT.format();
        assertEquals(PA | 0x7ff, page(stage2, MmuFlags.RWX));
        assertEquals(PA | 0x7ff | XN, page(stage2, MmuFlags.RW));
        assertEquals(PA | 0x77f | XN, page(stage2, MmuFlags.R));
        assertEquals(PA | 0x77f, page(stage2, MmuFlags.RX));
        assertEquals(PA | 0x4c7 | XN, page(stage2, MmuFlags.RW.with(DEVICE)));
        assertEquals(PA | 0x4d7 | XN, page(stage2, MmuFlags.RW.with(UNCACHED)));
        assertEquals(PA | 0x7fd, stage2.encodeLeaf(PA, MmuFlags.RWX, PageSize.SIZE_2M));
        assertEquals(PA | 3, stage2.encodePointer(PA));
    }

    @Tag("A-101")
    @Tag("A-102")
    @Tag("A-48")
    @Test
    void riscvValuesAreThoseOfTheManual() {
        PagingFormat guest = RiscvOptions.GUEST.format();
        assertEquals(PA >> 2 | 0xdf, page(guest, MmuFlags.RWX));
        assertEquals(PA >> 2 | 0xd7, page(guest, MmuFlags.RW));
        assertEquals(PA >> 2 | 0xd3, page(guest, MmuFlags.R));
        assertEquals(PA >> 2 | 0xdb, page(guest, MmuFlags.RX));
        assertEquals(PA >> 2 | 0xd9, page(guest, X));
        assertEquals(PA >> 2 | 0xd7 | 1L << 61, page(guest, MmuFlags.RW.with(UNCACHED)));
        assertEquals(PA >> 2 | 0xd7 | 2L << 61, page(guest, MmuFlags.RW.with(DEVICE)));
        assertEquals(PA >> 2 | 1, guest.encodePointer(PA));
    }

    @Tag("A-96")
    @Tag("A-100")
    @Test
    void rootsHaveTheSizeThatTheWidthDemands() {
        assertEquals(512, EptOptions.DEFAULT.format().rootEntries());
        assertEquals(0x4000, RiscvOptions.GUEST.format().rootBytes());
        assertEquals(0x4000, RiscvOptions.GUEST.withLevels(5).format().rootBytes());
        assertEquals(0x2000, Aarch64Stage2Options.DEFAULT.format().rootBytes());
        assertEquals(0x1_0000, Aarch64Stage2Options.DEFAULT.withIpaBits(43).format().rootBytes());
        assertEquals(4, Aarch64Stage2Options.DEFAULT.withIpaBits(32).format().rootEntries());
        assertEquals(3, Aarch64Stage2Options.DEFAULT.format().levels());
        assertEquals(4, Aarch64Stage2Options.DEFAULT.withIpaBits(44).format().levels());
    }

    @Tag("A-82")
    @Tag("A-107")
    @Test
    void widthsAreThoseOfTheArchitectures() {
        assertWidths(48, 46, EptOptions.DEFAULT.format());
        assertWidths(57, 52, EptOptions.DEFAULT.withLevels(5).withPhysicalBits(52).format());
        assertWidths(40, 40, Aarch64Stage2Options.DEFAULT.format());
        assertWidths(
                48, 48, Aarch64Stage2Options.DEFAULT.withIpaBits(48).withPhysicalBits(48).format());
        assertWidths(41, 56, RiscvOptions.GUEST.format());
        assertWidths(50, 56, RiscvOptions.GUEST.withLevels(4).format());
        assertWidths(59, 56, RiscvOptions.GUEST.withLevels(5).format());
    }

    private static void assertWidths(int addressBits, int physicalBits, PagingFormat format) {
        assertEquals(addressBits, format.addressBits(), format::name);
        assertEquals(physicalBits, format.physicalBits(), format::name);
        long top = 1L << physicalBits;
        long last = format.encodeLeaf(top - 0x1000, MmuFlags.R, PageSize.SIZE_4K);
        assertEquals(top - 0x1000, format.address(last), format::name);
        assertThrows(
                IllegalArgumentException.class,
                () -> format.encodeLeaf(top, MmuFlags.R, PageSize.SIZE_4K));
    }

    @Tag("A-14")
    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#nested")
    void userIsNothingToTheHardwareOfASecondStage(PagingFormat format) {
        long raw = page(format, MmuFlags.RW);
        long user = page(format, MmuFlags.RW.with(MmuFlags.of(MmuFlags.USER_BIT)));
        assertNotEquals(raw, user);
        for (FormatField field : format.fields(0, raw)) {
            if (field.role() != FormatField.Role.IGNORED) {
                assertEquals(field.bits().get(raw), field.bits().get(user), field::name);
            }
        }
    }

    @Tag("A-16")
    @Tag("A-94")
    @Tag("page-table-generic/bugfixes:test_mem_config_implementation")
    @Tag("page-table-generic/flags:test_pte")
    @Tag("page-table-generic/flags:test_read_only")
    @Tag("page-table-generic/flags:test_user_mode")
    @Tag("page-table-generic/flags:test_kernel_mode")
    @Tag("page-table-generic/flags:test_device_memory")
    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void decodingGivesBackEveryFlagSetThatIsSupported(PagingFormat format) {
        int supported = 0;
        for (int bits = 0; bits < 128; bits++) {
            MmuFlags flags = MmuFlags.of(bits);
            if (!format.supports(flags)) {
                assertThrows(IllegalArgumentException.class, () -> page(format, flags));
                continue;
            }
            supported++;
            for (PageSize size : PageSize.values()) {
                if (format.supports(size)) {
                    long raw = format.encodeLeaf(PA, flags, size);
                    assertEquals(
                            new PageTableEntry.Leaf(PA, flags, size.shift()),
                            format.decode(format.heightOf(size), raw),
                            () -> size + " " + flags);
                }
            }
        }
        assertTrue(supported >= 4, "supported=" + supported);
    }

    @Tag("A-59")
    @Tag("A-85")
    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void flagsWithoutAccessAreRefused(PagingFormat format) {
        for (int bits = 0; bits < 128; bits++) {
            MmuFlags flags = MmuFlags.of(bits);
            if (flags.isNoAccess()) {
                assertFalse(format.supports(flags), flags::toString);
            }
        }
    }

    @Tag("A-84")
    @Tag("A-103")
    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void writingWithoutReadingIsRefused(PagingFormat format) {
        assertFalse(format.supports(W));
        assertFalse(format.supports(W.with(X)));
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void readWriteAndExecuteCombineFreelyOnceReadIsThere(PagingFormat format) {
        assertTrue(format.supports(MmuFlags.R));
        assertTrue(format.supports(MmuFlags.RW));
        assertTrue(format.supports(MmuFlags.RX));
        assertTrue(format.supports(MmuFlags.RWX));
    }

    @Tag("A-95")
    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void zeroIsAbsentAtEveryHeight(PagingFormat format) {
        for (int height = 0; height < format.levels(); height++) {
            assertEquals(PageTableEntry.Absent.INSTANCE, format.decode(height, 0));
        }
    }

    @Tag("A-52")
    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void addressZeroIsAnAddressLikeAnyOther(PagingFormat format) {
        long leaf = format.encodeLeaf(0, MmuFlags.RW, PageSize.SIZE_2M);
        assertInstanceOf(PageTableEntry.Leaf.class, format.decode(1, leaf));
        assertEquals(new PageTableEntry.Table(0), format.decode(1, format.encodePointer(0)));
    }

    @Tag("A-52")
    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void anAddressAloneIsAbsent(PagingFormat format) {
        long raw = format.addressField(PA);
        for (int height = 0; height < format.levels(); height++) {
            assertEquals(PageTableEntry.Absent.INSTANCE, format.decode(height, raw));
        }
    }

    @Tag("A-105")
    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void whatIsNotPresentIsNeitherTableNorLeaf(PagingFormat format) {
        for (int height = 0; height < format.levels(); height++) {
            long pointer = format.encodePointer(PA) & ~format.presentMask;
            assertEquals(PageTableEntry.Absent.INSTANCE, format.decode(height, pointer));
            if (height <= format.maxLeafHeight) {
                long leaf = format.leafAttributes[height][MmuFlags.RWX.bits()];
                assertEquals(
                        PageTableEntry.Absent.INSTANCE,
                        format.decode(height, (leaf | PA) & ~format.presentMask));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void fieldsCoverTheWordWithoutOverlap(PagingFormat format) {
        for (int height = 0; height < format.levels(); height++) {
            if (height > 0) {
                requireCovered(format, height, format.encodePointer(PA));
            }
            if (height <= format.maxLeafHeight) {
                long raw = format.leafAttributes[height][MmuFlags.RW.bits()];
                requireCovered(format, height, raw);
            }
        }
    }

    private static void requireCovered(PagingFormat format, int height, long raw) {
        long seen = 0;
        for (FormatField field : format.fields(height, raw)) {
            assertEquals(Long.numberOfTrailingZeros(~seen), field.bits().shift(), () -> "" + field);
            seen |= field.bits().mask();
        }
        assertEquals(-1L, seen, () -> format + " height " + height);
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void whatTheFormatWritesHoldsNoReservedBit(PagingFormat format) {
        for (int height = 0; height <= format.maxLeafHeight; height++) {
            for (long attributes : format.leafAttributes[height]) {
                assertEquals(0, attributes & format.leafReserved[height]);
                assertEquals(0, attributes & format.addressMask & -1L << format.shifts[height]);
            }
        }
        assertEquals(0, format.pointerAttributes & format.pointerReserved[1]);
    }

    @Test
    void describesAnEntryInTheManualsNames() {
        PagingFormat ept = EptOptions.DEFAULT.format();
        assertEquals(
                "R=1 W=1 memory type=6 address=0x40000000",
                ept.describe(0, page(ept, MmuFlags.RW)));
        PagingFormat guest = RiscvOptions.GUEST.format();
        assertEquals(
                "V=1 R=1 W=1 U=1 A=1 D=1 PPN=0x40000000",
                guest.describe(0, page(guest, MmuFlags.RW)));
        assertEquals("not present", guest.describe(1, 0x1234_5000));
    }

    @Tag("A-45")
    @Tag("A-89")
    @Tag("A-109")
    @Test
    void impossibleOptionsAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> EptOptions.DEFAULT.withLevels(3));
        assertThrows(IllegalArgumentException.class, () -> EptOptions.DEFAULT.withPhysicalBits(53));
        var stage2 = Aarch64Stage2Options.DEFAULT;
        assertThrows(IllegalArgumentException.class, () -> stage2.withIpaBits(49));
        assertThrows(IllegalArgumentException.class, () -> stage2.withStartLevel(2));
        assertThrows(IllegalArgumentException.class, () -> stage2.withPhysicalBits(39));
        assertThrows(IllegalArgumentException.class, () -> RiscvOptions.GUEST.withLevels(2));
    }

    private static long page(PagingFormat format, MmuFlags flags) {
        return format.encodeLeaf(PA, flags, PageSize.SIZE_4K);
    }
}
