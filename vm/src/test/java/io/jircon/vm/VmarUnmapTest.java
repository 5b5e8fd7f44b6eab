package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.MmuFlags;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VmarUnmapTest {
    private final VmarFixture vm = new VmarFixture();
    private VmAddressRegion region;
    private VmObject vmo;
    private long base;

    @BeforeEach
    void setUp() {
        region = vm.region(32);
        base = region.baseAddress();
        vmo = vm.vmo(32);
    }

    @AfterEach
    void tearDown() {
        vm.close();
    }

    private void unmap(long page, long pages) {
        region.unmap(base + page * PAGE, pages * PAGE);
        vm.root.checkInvariants();
    }

    private VmMapping mappingAt(long page) {
        return Objects.requireNonNull(vm.root.findMapping(base + page * PAGE));
    }

    @Test
    @Tag("V-124")
    void aMisalignedAddressIsRefused() {
        refuses(INVALID_ARGS, "V-124", () -> region.unmap(base + 1, PAGE));
        refuses(INVALID_ARGS, "V-124", () -> region.unmap(-1L, PAGE));
    }

    @ParameterizedTest
    @ValueSource(longs = {0, -1L, -PAGE + 1})
    @Tag("V-125")
    void aLengthOfNoPagesIsRefused(long len) {
        refuses(INVALID_ARGS, "V-125", () -> region.unmap(base, len));
        refuses(INVALID_ARGS, "V-125", () -> region.unmap(base - PAGE, len));
    }

    @Test
    @Tag("V-126")
    @Tag("V-296")
    void aDeadRegionBeatsARangeOutside() {
        region.destroy();
        refuses(BAD_STATE, "V-126", () -> region.unmap(base, PAGE));
        refuses(BAD_STATE, "V-126", () -> region.unmap(base - PAGE, PAGE));
        refuses(INVALID_ARGS, "V-125", () -> region.unmap(base, 0));
    }

    @Test
    @Tag("V-127")
    void aRangeOutsideTheRegionIsRefused() {
        refuses(INVALID_ARGS, "V-127", () -> region.unmap(base - PAGE, PAGE));
        refuses(INVALID_ARGS, "V-127", () -> region.unmap(base - PAGE, 2 * PAGE));
        refuses(INVALID_ARGS, "V-127", () -> region.unmap(base + 31 * PAGE, 2 * PAGE));
        refuses(INVALID_ARGS, "V-127", () -> region.unmap(base, -PAGE));
        refuses(INVALID_ARGS, "V-127", () -> region.unmap(-PAGE, PAGE));
    }

    @Test
    @Tag("V-128")
    @Tag("V-133")
    @Tag("V-301")
    @Tag("vmar.cc:UnmapBaseNotMappedTest")
    void nothingNeedBeMapped() {
        unmap(0, 32);
        mapAt(region, 8, RW, vmo, 0, 2);
        unmap(0, 8);
        unmap(7, 2);
        assertEquals("01", vm.readable(base + 8 * PAGE, 2));
    }

    @Test
    @Tag("V-132")
    @Tag("V-300")
    @Tag("vmar.cc:UnalignedLenTest")
    void theLengthIsRoundedUp() {
        mapAt(region, 0, RW, vmo, 0, 4);
        region.unmap(base, 4 * PAGE - 1);
        assertEquals("0000", vm.readable(base, 4));
    }

    @Test
    @Tag("V-135")
    @Tag("V-323")
    @Tag("V-261")
    @Tag("vmar.cc:UnmapSplitTest")
    void cuttingTheMiddleLeavesTwoMappings() {
        mapAt(region, 0, RW, vmo, 0, 4);
        unmap(1, 1);
        assertEquals("1011", vm.readable(base, 4));
        assertEquals(PAGE, mappingAt(0).sizeBytes());
        assertEquals(0, mappingAt(0).vmoOffset());
        assertEquals(2 * PAGE, mappingAt(2).sizeBytes());
        assertEquals(2 * PAGE, mappingAt(2).vmoOffset());
        assertEquals(base + 2 * PAGE, mappingAt(3).baseAddress());
        assertEquals(MmuFlags.RWX, mappingAt(3).maxPermissions());
    }

    @Test
    @Tag("V-135")
    @Tag("V-323")
    @Tag("vmar.cc:UnmapSplitTest")
    void cuttingTheFrontMovesTheOffset() {
        mapAt(region, 0, RW, vmo, 0, 4);
        unmap(0, 2);
        assertEquals("0011", vm.readable(base, 4));
        assertEquals(2 * PAGE, mappingAt(2).vmoOffset());
        assertEquals(base + 2 * PAGE, mappingAt(2).baseAddress());
    }

    @Test
    @Tag("V-135")
    @Tag("vmar.cc:UnmapSplitTest")
    void cuttingTheBackKeepsTheFront() {
        mapAt(region, 0, RW, vmo, 0, 4);
        unmap(2, 2);
        assertEquals("1100", vm.readable(base, 4));
        assertEquals(2 * PAGE, mappingAt(0).sizeBytes());
    }

    @Test
    @Tag("V-135")
    void cutPiecesKeepTheirPermissions() {
        mapAt(region, 0, RW, vmo, 0, 6);
        region.protect(R, base + PAGE, PAGE);
        region.protect(VmarFlags.NONE, base + 4 * PAGE, PAGE);
        unmap(2, 2);
        assertEquals(MmuFlags.RW, mappingAt(0).permissionsAt(base));
        assertEquals(MmuFlags.R, mappingAt(1).permissionsAt(base + PAGE));
        assertEquals(MmuFlags.NONE, mappingAt(4).permissionsAt(base + 4 * PAGE));
        assertEquals(MmuFlags.RW, mappingAt(5).permissionsAt(base + 5 * PAGE));
    }

    @Test
    @Tag("V-136")
    @Tag("V-137")
    void entriesGoAndPagesStay() {
        mapAt(region, 0, RW, vmo, 0, 4);
        for (int page = 0; page < 4; page++) {
            vm.poke(base + page * PAGE, 10 + page);
        }
        unmap(1, 2);
        assertEquals("1001", vm.entries(base, 4));
        mapAt(region, 1, R, vmo, 1, 2);
        assertEquals(11, vm.peek(base + PAGE));
        assertEquals(12, vm.peek(base + 2 * PAGE));
    }

    @Test
    @Tag("V-140")
    @Tag("V-26")
    void freedAddressesAreFreeAtOnce() {
        mapAt(region, 0, RW, vmo, 0, 4);
        unmap(0, 4);
        mapAt(region, 0, RW, vm.vmo(4), 0, 4);
    }

    @Test
    @Tag("V-134")
    @Tag("vmar.cc:UnmapMultipleTest")
    void severalMappingsGoAtOnce() {
        mapAt(region, 0, RW, vmo, 0, 4);
        mapAt(region, 4, RW, vm.vmo(4), 0, 4);
        unmap(2, 3);
        assertEquals("11000111", vm.readable(base, 8));
    }

    @Test
    @Tag("V-134")
    @Tag("V-29")
    @Tag("vmar.cc:UnmapMultipleTest")
    void aCoveredSubRegionDies() {
        mapAt(region, 0, RW, vmo, 0, 4);
        VmAddressRegion inner = child(region, 4, 4);
        mapAt(inner, 3, RW, vmo, 0, 1);
        mapAt(region, 8, RW, vmo, 0, 4);
        unmap(1, 8);
        assertEquals("100000000111", vm.readable(base, 12));
        refuses(BAD_STATE, "V-99", () -> inner.map(R, 0, vmo, 0, PAGE));
    }

    @Test
    @Tag("V-130")
    @Tag("V-326")
    @Tag("vmar.cc:UnmapMultipleTest")
    void aSubRegionIsNeverCut() {
        mapAt(region, 0, RW, vmo, 0, 2);
        VmAddressRegion inner = child(region, 2, 2);
        mapAt(inner, 0, RW, vmo, 0, 1);
        mapAt(region, 4, RW, vmo, 0, 2);
        refuses(INVALID_ARGS, "V-130", () -> unmap(1, 2));
        refuses(INVALID_ARGS, "V-130", () -> unmap(3, 2));
        assertEquals("111011", vm.readable(base, 6));
        assertTrue(inner.isAlive());
        unmap(1, 4);
        assertEquals("100001", vm.readable(base, 6));
        refuses(BAD_STATE, "V-99", () -> inner.map(R, 0, vmo, 0, PAGE));
        assertFalse(inner.isAlive());
    }

    @Test
    @Tag("V-130")
    @Tag("V-54")
    @Tag("vmar.cc:UnmapOpChildren")
    void aSubRegionIsOutOfReachWithoutOpChildren() {
        VmAddressRegion inner = child(region, 0, 2);
        mapAt(inner, 0, RW, vmo, 0, 1);
        mapAt(region, 2, RW, vmo, 0, 1);
        refuses(
                INVALID_ARGS,
                "V-130",
                () -> RegionChanges.unmap(region, base, 3 * PAGE, /* mayTouchRegions= */ false));
        assertEquals("101", vm.readable(base, 3));
        RegionChanges.unmap(region, base + 2 * PAGE, PAGE, /* mayTouchRegions= */ false);
        assertEquals("100", vm.readable(base, 3));
    }

    @Test
    @Tag("V-138")
    void aMappingInASubRegionGoesOnlyWithTheRegion() {
        VmAddressRegion inner = child(region, 0, 2);
        mapAt(inner, 0, RW, vmo, 0, 2);
        refuses(INVALID_ARGS, "V-130", () -> unmap(0, 1));
        unmap(0, 2);
        assertEquals("00", vm.readable(base, 2));
    }

    @Test
    @Tag("V-139")
    void touchingASubRegionIsNotMeetingIt() {
        child(region, 4, 2);
        mapAt(region, 3, RW, vmo, 0, 1);
        mapAt(region, 6, RW, vmo, 0, 1);
        unmap(0, 4);
        unmap(6, 4);
        assertEquals(1, region.children().size());
    }

    @Test
    @Tag("V-18")
    void theLastPageOfTheSpaceIsAPageLikeAnyOther() {
        try (VmarFixture fixture = VmarFixture.withKernelSpaces()) {
            VmAddressRegion kernel = VmAddressRegion.newKernel(fixture.machine);
            VmarFlags last = RW.with(VmarFlags.SPECIFIC);
            long offset = kernel.sizeBytes() - PAGE;
            long at = kernel.map(last, offset, fixture.vmo(1), 0, PAGE);
            assertEquals(kernel.baseAddress() + offset, at);
            kernel.protect(R, at, PAGE);
            refuses(INVALID_ARGS, "V-127", () -> kernel.unmap(at, 2 * PAGE));
            kernel.unmap(at, PAGE);
            kernel.checkInvariants();
            kernel.destroyAddressSpace();
        }
    }

    @Test
    @Tag("V-133")
    @Tag("vmar.cc:UnmapBaseNotMappedTest")
    void everyRangeOverThreeMappingsAndGapsLeavesJustTheRest() {
        for (int from = 0; from < 10; from++) {
            for (int count = 1; from + count <= 10; count++) {
                mapAt(region, 1, RW, vmo, 0, 3);
                mapAt(region, 5, RW, vmo, 4, 2);
                mapAt(region, 7, RW, vmo, 20, 2);
                unmap(from, count);
                var expected = new StringBuilder("0111011110");
                for (int page = from; page < from + count; page++) {
                    expected.setCharAt(page, '0');
                }
                assertEquals(expected.toString(), vm.readable(base, 10));
                unmap(0, 32);
            }
        }
    }
}
