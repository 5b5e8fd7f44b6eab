package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.ALREADY_EXISTS;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NO_RESOURCES;
import static io.jircon.kobject.ZxStatus.OK;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.vm.VmarFixture.OVERWRITE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.RWX;
import static io.jircon.vm.VmarFixture.RWX_SPECIFIC;
import static io.jircon.vm.VmarFixture.SPECIFIC;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.MmuFlags;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VmarMapTest {
    private static final VmarFlags LIMIT = VmarFlags.OFFSET_IS_UPPER_LIMIT;

    private final VmarFixture vm = new VmarFixture();
    private VmAddressRegion region;
    private VmObject vmo;

    @BeforeEach
    void setUp() {
        region = vm.region(100);
        vmo = vm.vmo(4);
    }

    @AfterEach
    void tearDown() {
        vm.close();
    }

    private long map(VmarFlags options, long regionOffset, long vmoOffset, long len) {
        return region.map(options, regionOffset, vmo, vmoOffset, len);
    }

    @Test
    @Tag("V-110")
    @Tag("V-108")
    void aMappingIsLazyAndHasThePermissionsAskedFor() {
        long at = map(R, 0, PAGE, 2 * PAGE);
        VmMapping mapping = Objects.requireNonNull(vm.root.findMapping(at));
        assertEquals(at, mapping.baseAddress());
        assertEquals(2 * PAGE, mapping.sizeBytes());
        assertEquals(PAGE, mapping.vmoOffset());
        assertEquals(MmuFlags.R, mapping.permissionsAt(at));
        assertEquals(MmuFlags.RWX, mapping.maxPermissions());
        assertEquals("00", vm.entries(at, 2));
    }

    @Test
    @Tag("V-84")
    @Tag("V-35")
    @Tag("V-36")
    void writeOrExecuteNeedsRead() {
        refuses(INVALID_ARGS, "V-84", () -> map(VmarFlags.PERM_WRITE, 0, 0, PAGE));
        refuses(INVALID_ARGS, "V-84", () -> map(VmarFlags.PERM_EXECUTE, 0, 0, PAGE));
        refuses(
                INVALID_ARGS,
                "V-84",
                () -> map(VmarFlags.PERM_WRITE.with(VmarFlags.PERM_EXECUTE), 0, 0, PAGE));
    }

    @Test
    @Tag("V-37")
    void noPermissionAtAllIsLegal() {
        long at = map(VmarFlags.NONE, 0, 0, PAGE);
        assertEquals(ACCESS_DENIED, vm.read(at));
        assertEquals(ACCESS_DENIED, vm.write(at));
        refuses(ALREADY_EXISTS, "V-71", () -> map(SPECIFIC, at - region.baseAddress(), 0, PAGE));
    }

    @Test
    @Tag("V-38")
    @Tag("vmar.cc:MapReadIfXomUnsupported")
    void readIfExecuteOnlyIsUnsupportedFollowsTheMachine() {
        VmarFlags option = VmarFlags.PERM_READ_IF_XOM_UNSUPPORTED;
        var hal = new FakeHal();
        try (var fake = new VmarFixture(hal)) {
            VmObject object = fake.vmo(1);
            assertEquals(OK, fake.read(fake.root.map(option, 0, object, 0, PAGE)));
            fake.root.map(option.with(VmarFlags.PERM_EXECUTE), 0, object, 0, PAGE);
            refuses(
                    ACCESS_DENIED,
                    "V-87",
                    () -> fake.root.map(option, 0, object, 0, PAGE, MmuFlags.NONE));
            hal.executeOnly = true;
            assertEquals(ACCESS_DENIED, fake.read(fake.root.map(option, 0, object, 0, PAGE)));
            refuses(
                    INVALID_ARGS,
                    "V-84",
                    () -> fake.root.map(option.with(VmarFlags.PERM_EXECUTE), 0, object, 0, PAGE));
        }
    }

    @Test
    @Tag("V-85")
    @Tag("O-246")
    void mapRangeContradictsOverwrite() {
        refuses(INVALID_ARGS, "V-85", () -> map(VmarFlags.MAP_RANGE.with(OVERWRITE), 0, 0, PAGE));
    }

    @ParameterizedTest
    @ValueSource(ints = {1 << 7, 1 << 8, 1 << 9})
    @Tag("V-86")
    @Tag("V-45")
    void canMapOptionsAreNotForMap(int bits) {
        refuses(INVALID_ARGS, "V-86", () -> map(new VmarFlags(bits), 0, 0, PAGE));
    }

    @Test
    @Tag("V-87")
    @Tag("V-292")
    void permissionsAreLimitedByTheCallersAndLoseToWriteWithoutRead() {
        refuses(ACCESS_DENIED, "V-87", () -> region.map(RW, 0, vmo, 0, PAGE, MmuFlags.R));
        refuses(
                INVALID_ARGS,
                "V-84",
                () -> region.map(VmarFlags.PERM_WRITE, 0, vmo, 0, PAGE, MmuFlags.NONE));
    }

    @ParameterizedTest
    @ValueSource(ints = {1 << 16, 1 << 23, 9 << 24, 33 << 24, 1 << 31})
    @Tag("V-90")
    @Tag("V-50")
    @Tag("V-2")
    @Tag("vmar.cc:AlignmentVmarMapTest")
    void undefinedOptionsAreRefused(int bits) {
        refuses(INVALID_ARGS, "V-90", () -> map(new VmarFlags(bits), 0, 0, PAGE));
    }

    @Test
    @Tag("V-93")
    @Tag("V-39")
    @Tag("V-44")
    void optionsOfRegionsAreRefused() {
        refuses(INVALID_ARGS, "V-93", () -> map(VmarFlags.COMPACT, 0, 0, PAGE));
        refuses(INVALID_ARGS, "V-93", () -> map(VmarFlags.CAN_MAP_SPECIFIC, 0, 0, PAGE));
    }

    @ParameterizedTest
    @ValueSource(ints = {MmuFlags.READ_BIT, MmuFlags.WRITE_BIT, MmuFlags.EXECUTE_BIT})
    @Tag("V-94")
    @Tag("V-16")
    @Tag("vmar.cc:NestedRegionPermsTest")
    void permissionsAreLimitedByTheRegion(int missing) {
        MmuFlags rest = MmuFlags.RWX.without(MmuFlags.of(missing));
        VmAddressRegion limited = vm.root.allocate(VmarFlags.canMap(rest), 0, 10 * PAGE);
        refuses(ACCESS_DENIED, "V-94", () -> limited.map(RWX, 0, vmo, 0, PAGE, MmuFlags.RWX));
        if (rest.canRead()) {
            long at = limited.map(VmarFlags.perms(rest), 0, vmo, 0, PAGE, MmuFlags.RWX);
            VmMapping mapping = Objects.requireNonNull(limited.findMapping(at));
            assertEquals(rest, mapping.maxPermissions());
        }
    }

    @Test
    @Tag("V-95")
    void aMisalignedVmoOffsetIsRefused() {
        refuses(INVALID_ARGS, "V-95", () -> map(R, 0, PAGE - 1, PAGE));
        refuses(INVALID_ARGS, "V-95", () -> map(R.with(VmarFlags.MAP_RANGE), 0, 1, PAGE));
        refuses(INVALID_ARGS, "V-95", () -> map(R.with(SPECIFIC), PAGE, -1L, PAGE));
    }

    @ParameterizedTest
    @ValueSource(longs = {-1L, -PAGE + 1, -2L})
    @Tag("V-96")
    @Tag("V-293")
    void aLengthThatOverflowsIsOutOfRangeAlsoInADeadRegion(long len) {
        refuses(OUT_OF_RANGE, "V-96", () -> map(R, 0, 0, len));
        region.destroy();
        refuses(OUT_OF_RANGE, "V-96", () -> map(R, 0, 0, len));
    }

    @Test
    @Tag("V-97")
    @Tag("V-109")
    void anOffsetMayLieAnywhereAsLongAsTheSumDoesNotReachTheEnd() {
        refuses(OUT_OF_RANGE, "V-97", () -> map(R, 0, -PAGE, PAGE));
        refuses(OUT_OF_RANGE, "V-97", () -> map(R, 0, -2 * PAGE, 2 * PAGE));
        refuses(OUT_OF_RANGE, "V-97", () -> map(R, 0, PAGE, -PAGE));
        long at = map(R, 0, -2 * PAGE, PAGE);
        assertEquals(OUT_OF_RANGE, vm.read(at));
    }

    @Test
    @Tag("V-99")
    @Tag("V-100")
    @Tag("V-293")
    void aDeadRegionBeatsLengthZero() {
        refuses(INVALID_ARGS, "V-100", () -> map(R, 0, 0, 0));
        region.destroy();
        refuses(BAD_STATE, "V-99", () -> map(R, 0, 0, 0));
    }

    @Test
    @Tag("V-101")
    @Tag("V-295")
    @Tag("vmar.cc:MapInUpperLimitTest")
    void placementIsRefusedAsForAllocate() {
        refuses(INVALID_ARGS, "V-64", () -> map(SPECIFIC.with(LIMIT), PAGE, 0, PAGE));
        refuses(INVALID_ARGS, "V-64", () -> map(OVERWRITE.with(LIMIT), PAGE, 0, PAGE));
        refuses(INVALID_ARGS, "V-65", () -> map(R, PAGE, 0, PAGE));
        refuses(INVALID_ARGS, "V-66", () -> map(R.with(SPECIFIC), PAGE - 1, 0, PAGE));
        refuses(INVALID_ARGS, "V-68", () -> map(R.with(SPECIFIC), 100 * PAGE, 0, PAGE));
        refuses(INVALID_ARGS, "V-68", () -> map(R.with(OVERWRITE), 99 * PAGE, 0, 2 * PAGE));
        refuses(INVALID_ARGS, "V-68", () -> map(R.with(SPECIFIC), -PAGE, 0, PAGE));
        refuses(INVALID_ARGS, "V-69", () -> map(R.with(LIMIT), 101 * PAGE, 0, PAGE));
        refuses(INVALID_ARGS, "V-69", () -> map(R.with(LIMIT), PAGE, 0, 2 * PAGE));
        refuses(INVALID_ARGS, "V-69", () -> map(R.with(LIMIT), PAGE, 0, 101 * PAGE));
        VmarFlags aligned = R.with(SPECIFIC).with(VmarFlags.align(16));
        refuses(INVALID_ARGS, "V-70", () -> map(aligned, PAGE, 0, PAGE));
        map(R.with(SPECIFIC), 10 * PAGE, 0, 2 * PAGE);
        refuses(ALREADY_EXISTS, "V-71", () -> map(R.with(SPECIFIC), 11 * PAGE, 0, PAGE));
        VmAddressRegion full = vm.region(1);
        full.map(R, 0, vmo, 0, PAGE);
        refuses(NO_RESOURCES, "V-72", () -> full.map(R, 0, vmo, 0, PAGE));
    }

    @Test
    @Tag("V-67")
    @Tag("V-101")
    @Tag("vmar.cc:NestedRegionPermsTest")
    void placementNeedsARegionThatAllowsIt() {
        VmAddressRegion plain = vm.root.allocate(VmarFlags.CAN_MAP_RWX, 0, 4 * PAGE);
        refuses(ACCESS_DENIED, "V-67", () -> plain.map(R.with(SPECIFIC), 0, vmo, 0, PAGE));
        refuses(ACCESS_DENIED, "V-67", () -> plain.map(R.with(OVERWRITE), 0, vmo, 0, PAGE));
        refuses(ACCESS_DENIED, "V-67", () -> plain.map(R.with(LIMIT), PAGE, vmo, 0, PAGE));
    }

    @Test
    @Tag("V-106")
    void theLengthIsRoundedUp() {
        long at = map(R, 0, 0, 4 * PAGE - 1);
        assertEquals("1111", vm.readable(at, 4));
        region.unmap(at, 4 * PAGE - 1);
        assertEquals("0000", vm.readable(at, 4));
    }

    @Test
    @Tag("V-12")
    @Tag("V-119")
    void twoMappingsOfOnePageShowTheSameBytes() {
        long one = map(RW, 0, PAGE, PAGE);
        long two = map(RW, 0, 0, 2 * PAGE);
        vm.poke(one + 5, 42);
        assertEquals(42, vm.peek(two + PAGE + 5));
        assertEquals(0, vm.peek(two + 5));
    }

    @Test
    @Tag("V-107")
    void theMostAMappingMayHaveIsFixedWhenItIsMade() {
        long at = region.map(R, 0, vmo, 0, PAGE, MmuFlags.RW);
        region.protect(RW, at, PAGE);
        refuses(ACCESS_DENIED, "V-149", () -> region.protect(RWX, at, PAGE));
    }

    @Test
    @Tag("V-116")
    @Tag("V-42")
    @Tag("V-311")
    void theVmoOffsetCountsWithAnUpperLimitToo() {
        VmObject source = vm.vmo(4);
        long whole = region.map(RW, 0, source, 0, 4 * PAGE);
        vm.poke(whole + 2 * PAGE, 7);
        long at = region.map(R.with(LIMIT), 100 * PAGE, source, 2 * PAGE, PAGE);
        assertEquals(7, vm.peek(at));
    }

    @Test
    @Tag("V-246")
    @Tag("vmar.cc:MapInUpperLimitTest")
    void anUpperLimitFillsJustTheLowerHalf() {
        for (int i = 0; i < 50; i++) {
            long at = map(R.with(LIMIT), 50 * PAGE, 3 * PAGE, PAGE);
            assertTrue(at + PAGE <= region.baseAddress() + 50 * PAGE);
        }
        refuses(NO_RESOURCES, "V-72", () -> map(R.with(LIMIT), 50 * PAGE, 0, PAGE));
        assertEquals(region.baseAddress() + 50 * PAGE, map(R, 0, 0, PAGE));
    }

    @Test
    @Tag("V-43")
    @Tag("vmar.cc:AlignmentVmarMapTest")
    void aPlaceIsAlignedAsAsked() {
        VmAddressRegion large = vm.root.allocate(RWX_SPECIFIC, 0, 8L << 30);
        for (int shift = 10; shift <= 32; shift++) {
            long at = large.map(RW.with(VmarFlags.align(shift)), 0, vmo, 0, 2 * PAGE);
            assertEquals(0, at & ((1L << shift) - 1), "2^" + shift);
            assertEquals(OK, vm.write(at));
            large.unmap(at, 2 * PAGE);
        }
    }

    // ---- SPECIFIC_OVERWRITE

    @Test
    @Tag("V-114")
    @Tag("V-41")
    @Tag("vmar.cc:MapSpecificOverwriteTest")
    void overwriteReplacesTheRangeAndKeepsTheRest() {
        VmObject ones = filled(1);
        VmObject twos = filled(2);
        mapAt(region, 10, RW, ones, 0, 4);
        refuses(ALREADY_EXISTS, "V-71", () -> mapAt(region, 10, RW, twos, 0, 4));
        long base = region.baseAddress() + 10 * PAGE;
        assertEquals("1 1 1 1 ", bytes(base, 4));
        assertEquals(base, region.map(RW.with(OVERWRITE), 10 * PAGE, twos, 0, 4 * PAGE));
        assertEquals("2 2 2 2 ", bytes(base, 4));
        region.map(RW.with(OVERWRITE), 11 * PAGE, ones, 0, 2 * PAGE);
        assertEquals("2 1 1 2 ", bytes(base, 4));
        VmMapping tail = Objects.requireNonNull(vm.root.findMapping(base + 3 * PAGE));
        assertEquals(3 * PAGE, tail.vmoOffset());
    }

    @Test
    @Tag("V-102")
    @Tag("V-306")
    @Tag("vmar.cc:MapSpecificOverwriteTest")
    void overwriteNeverTouchesASubRegion() {
        VmObject ones = filled(1);
        mapAt(region, 10, RW, ones, 0, 4);
        child(region, 14, 2);
        long base = region.baseAddress() + 10 * PAGE;
        refuses(
                INVALID_ARGS,
                "V-102",
                () -> region.map(R.with(OVERWRITE), 10 * PAGE, vmo, 0, 8 * PAGE));
        refuses(
                INVALID_ARGS,
                "V-102",
                () -> region.map(R.with(OVERWRITE), 14 * PAGE, vmo, 0, 2 * PAGE));
        assertEquals("1 1 1 1 ", bytes(base, 4));
        assertNotNull(vm.root.findMapping(base));
        region.map(R.with(OVERWRITE), 11 * PAGE, vmo, 0, 3 * PAGE);
    }

    @Test
    @Tag("V-114")
    void overwriteOfAGapIsAsSpecific() {
        assertEquals(region.baseAddress() + PAGE, map(R.with(OVERWRITE), PAGE, 0, PAGE));
        map(R.with(OVERWRITE).with(SPECIFIC), PAGE, 0, PAGE);
    }

    // ---- MAP_RANGE

    @Test
    @Tag("V-46")
    @Tag("V-111")
    void mapRangeEntersWhatIsThereAndCommitsNothing() {
        VmObject source = vm.vmo(6);
        long writer = region.map(RW, 0, source, 0, 6 * PAGE);
        vm.poke(writer, 1);
        vm.poke(writer + 3 * PAGE, 1);
        long at = region.map(RW.with(VmarFlags.MAP_RANGE), 0, source, 0, 5 * PAGE);
        assertEquals("10010", vm.entries(at, 5));
        assertEquals(MmuFlags.RW, vm.entryAccess(at));
        long tail = region.map(R.with(VmarFlags.MAP_RANGE), 0, source, 3 * PAGE, 7 * PAGE);
        assertEquals("1000000", vm.entries(tail, 7));
        long none = region.map(VmarFlags.MAP_RANGE, 0, source, 0, PAGE);
        assertEquals("0", vm.entries(none, 1));
    }

    private VmObject filled(int value) {
        VmObject object = vm.vmo(4);
        long at = vm.root.map(RW, 0, object, 0, 4 * PAGE);
        for (int page = 0; page < 4; page++) {
            vm.poke(at + page * PAGE, value);
        }
        vm.root.unmap(at, 4 * PAGE);
        return object;
    }

    private String bytes(long vaddr, int pages) {
        var text = new StringBuilder();
        for (int page = 0; page < pages; page++) {
            text.append(vm.peek(vaddr + page * PAGE)).append(' ');
        }
        return text.toString();
    }
}
