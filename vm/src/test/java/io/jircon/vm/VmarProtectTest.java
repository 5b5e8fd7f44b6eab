package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NOT_FOUND;
import static io.jircon.kobject.ZxStatus.OK;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.RWX;
import static io.jircon.vm.VmarFixture.SPECIFIC;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VmarProtectTest {
    private final VmarFixture vm = new VmarFixture();
    private VmAddressRegion region;
    private VmObject vmo;
    private long base;

    @BeforeEach
    void setUp() {
        region = vm.region(64);
        base = region.baseAddress();
        vmo = vm.vmo(64);
    }

    @AfterEach
    void tearDown() {
        vm.close();
    }

    private void protect(VmarFlags permissions, long page, long pages) {
        region.protect(permissions, base + page * PAGE, pages * PAGE);
        vm.root.checkInvariants();
    }

    private void protectWithoutOpChildren(VmarFlags permissions, long page, long pages) {
        ProtectOp.run(
                region,
                permissions,
                base + page * PAGE,
                pages * PAGE,
                /* mayTouchRegions= */ false);
    }

    /// The permissions of some pages, one word each.
    private String permissions(long page, int pages) {
        var text = new StringBuilder();
        for (int i = 0; i < pages; i++) {
            long vaddr = base + (page + i) * PAGE;
            VmMapping mapping = vm.root.findMapping(vaddr);
            text.append(mapping == null ? "gap" : mapping.permissionsAt(vaddr)).append(' ');
        }
        return text.toString();
    }

    /// Maps pages that may be read and nothing else, ever.
    private void mapReadOnly(long page, long pages) {
        region.map(R.with(SPECIFIC), page * PAGE, vmo, 0, pages * PAGE, MmuFlags.R);
    }

    @Test
    @Tag("V-142")
    @Tag("V-35")
    @Tag("V-36")
    @Tag("memory-mapping.cc:MprotectTest")
    void writeOrExecuteNeedsRead() {
        mapAt(region, 0, RW, vmo, 0, 1);
        refuses(INVALID_ARGS, "V-142", () -> protect(VmarFlags.PERM_WRITE, 0, 1));
        refuses(INVALID_ARGS, "V-142", () -> protect(VmarFlags.PERM_EXECUTE, 0, 1));
    }

    @Test
    @Tag("V-143")
    void aMisalignedAddressIsRefused() {
        mapAt(region, 0, RW, vmo, 0, 1);
        refuses(INVALID_ARGS, "V-143", () -> region.protect(R, base + 1, PAGE));
    }

    @ParameterizedTest
    @ValueSource(
            ints = {
                1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12,
                1 << 13, 1 << 15, 1 << 16, 12 << 24, 1 << 31
            })
    @Tag("V-144")
    void otherOptionsAreRefused(int bits) {
        mapAt(region, 0, RW, vmo, 0, 1);
        refuses(INVALID_ARGS, "V-144", () -> protect(R.with(new VmarFlags(bits)), 0, 1));
    }

    @ParameterizedTest
    @ValueSource(longs = {0, -1L, -PAGE + 1})
    @Tag("V-145")
    void aLengthOfNoPagesIsRefused(long len) {
        mapAt(region, 1, RW, vmo, 0, 1);
        for (long page = 0; page < 3; page++) {
            long at = base + page * PAGE;
            refuses(INVALID_ARGS, "V-145", () -> region.protect(R, at, len));
        }
    }

    @Test
    @Tag("V-146")
    @Tag("V-296")
    void aDeadRegionBeatsARangeOutside() {
        region.destroy();
        refuses(BAD_STATE, "V-146", () -> region.protect(R, base, PAGE));
        refuses(BAD_STATE, "V-146", () -> region.protect(R, base - PAGE, PAGE));
        refuses(INVALID_ARGS, "V-145", () -> region.protect(R, base, 0));
    }

    @Test
    @Tag("V-147")
    void aRangeOutsideTheRegionIsRefused() {
        refuses(INVALID_ARGS, "V-147", () -> region.protect(R, base - PAGE, PAGE));
        refuses(INVALID_ARGS, "V-147", () -> region.protect(R, base + 63 * PAGE, 2 * PAGE));
        refuses(INVALID_ARGS, "V-147", () -> region.protect(R, base, -PAGE));
    }

    @Test
    @Tag("V-148")
    @Tag("V-153")
    @Tag("V-156")
    @Tag("vmar.cc:ProtectMultipleTest")
    void aGapAnywhereIsNotFoundAndNothingChanges() {
        mapAt(region, 1, RW, vmo, 0, 2);
        mapAt(region, 4, RW, vmo, 0, 2);
        refuses(NOT_FOUND, "V-153", () -> protect(R, 10, 1));
        refuses(NOT_FOUND, "V-148", () -> protect(R, 0, 2));
        refuses(NOT_FOUND, "V-148", () -> protect(R, 1, 5));
        refuses(NOT_FOUND, "V-153", () -> protect(R, 1, 3));
        refuses(NOT_FOUND, "V-153", () -> protect(R, 4, 3));
        assertEquals("gap rw- rw- gap rw- rw- gap ", permissions(0, 7));
    }

    @Test
    @Tag("V-149")
    @Tag("V-324")
    @Tag("V-156")
    @Tag("vmar.cc:ProtectMultipleTest")
    void whatAMappingMayNotHaveIsRefusedForTheWholeRange() {
        mapAt(region, 0, RW, vmo, 0, 4);
        mapReadOnly(4, 4);
        mapAt(region, 8, RW, vmo, 0, 4);
        refuses(ACCESS_DENIED, "V-149", () -> protect(RW, 1, 10));
        assertEquals("rw- rw- rw- rw- r-- r-- r-- r-- rw- rw- rw- rw- ", permissions(0, 12));
        protect(R, 1, 10);
        assertEquals("rw- r-- r-- r-- r-- r-- r-- r-- r-- r-- r-- rw- ", permissions(0, 12));
    }

    @Test
    @Tag("V-298")
    void theFirstOffendingAddressDecides() {
        mapReadOnly(1, 1);
        refuses(NOT_FOUND, "V-148", () -> protect(RW, 0, 2));
        refuses(ACCESS_DENIED, "V-149", () -> protect(RW, 1, 2));
    }

    @Test
    @Tag("V-151")
    @Tag("V-54")
    void aSubRegionIsOutOfReachWithoutOpChildren() {
        VmAddressRegion inner = child(region, 0, 1);
        mapAt(inner, 0, RW, vmo, 0, 1);
        mapAt(region, 1, RW, vmo, 0, 1);
        refuses(INVALID_ARGS, "V-151", () -> protectWithoutOpChildren(R, 0, 1));
        refuses(INVALID_ARGS, "V-151", () -> protectWithoutOpChildren(R, 0, 2));
        protectWithoutOpChildren(R, 1, 1);
        assertEquals("rw- r-- ", permissions(0, 2));
    }

    @Test
    @Tag("V-152")
    @Tag("V-158")
    @Tag("V-325")
    @Tag("vmar.cc:ProtectSubregionTest")
    void throughAParentPermissionsCanOnlyBeTakenAway() {
        mapAt(region, 0, RW, vmo, 0, 1);
        VmAddressRegion inner = child(region, 1, 1);
        mapAt(inner, 0, RW, vmo, 1, 1);
        mapAt(region, 2, RW, vmo, 2, 1);
        protect(R, 0, 3);
        assertEquals("r-- r-- r-- ", permissions(0, 3));
        refuses(ACCESS_DENIED, "V-152", () -> protect(RW, 0, 3));
        assertEquals("r-- r-- r-- ", permissions(0, 3));
        inner.protect(RW, base + PAGE, PAGE);
        assertEquals("r-- rw- r-- ", permissions(0, 3));
        protect(RW, 1, 1);
        refuses(INVALID_ARGS, "V-151", () -> protectWithoutOpChildren(R, 1, 1));
    }

    @Test
    @Tag("V-152")
    void everyTouchedPageOfANestedMappingCounts() {
        VmAddressRegion inner = child(region, 0, 4);
        mapAt(inner, 0, RW, vmo, 0, 4);
        inner.protect(R, base + 2 * PAGE, PAGE);
        protect(RW, 0, 2);
        protect(RW, 3, 1);
        refuses(ACCESS_DENIED, "V-152", () -> protect(RW, 0, 3));
        refuses(ACCESS_DENIED, "V-152", () -> protect(RW, 2, 2));
    }

    @Test
    @Tag("V-157")
    @Tag("vmar.cc:ProtectMultipleTest")
    void anEmptySubRegionIsAGap() {
        mapAt(region, 0, RW, vmo, 0, 1);
        VmAddressRegion inner = child(region, 1, 2);
        mapAt(region, 3, RW, vmo, 0, 1);
        refuses(NOT_FOUND, "V-148", () -> protect(R, 0, 4));
        mapAt(inner, 0, RW, vmo, 0, 1);
        refuses(NOT_FOUND, "V-148", () -> protect(R, 0, 4));
        mapAt(inner, 1, RW, vmo, 0, 1);
        protect(R, 0, 4);
    }

    @Test
    @Tag("V-155")
    @Tag("vmar.cc:UnalignedLenTest")
    void theLengthIsRoundedUp() {
        mapAt(region, 0, R, vmo, 0, 4);
        region.protect(RW, base, 4 * PAGE - 1);
        assertEquals("rw- rw- rw- rw- ", permissions(0, 4));
        MappingNode mapping = (MappingNode) vm.root.findMapping(base);
        assertEquals(MmuFlags.RW, mapping.permissionsAt(base + 4 * PAGE - 1));
        assertEquals(1, mapping.permissions().count());
    }

    @Test
    @Tag("V-159")
    @Tag("vmar.cc:ProtectSplitTest")
    void protectingAPartNeverSplitsTheMapping() {
        mapAt(region, 0, RW, vmo, 0, 6);
        MappingNode mapping = (MappingNode) vm.root.findMapping(base);
        protect(R, 1, 2);
        protect(VmarFlags.NONE, 4, 1);
        assertEquals("rw- r-- r-- rw- --- rw- ", permissions(0, 6));
        assertEquals(1, region.children().size());
        assertEquals(5, mapping.permissions().count());
        protect(R, 0, 5);
        assertEquals(2, mapping.permissions().count());
        protect(R, 5, 1);
        assertEquals(1, mapping.permissions().count());
    }

    @Test
    @Tag("V-161")
    @Tag("V-162")
    @Tag("memory-mapping.cc:MprotectTest")
    void writesAreTakenAtOnceAndGivenBackByAFault() {
        mapAt(region, 0, RW, vmo, 0, 1);
        vm.poke(base, 5);
        assertEquals(MmuFlags.RW, vm.entryAccess(base));
        protect(R, 0, 1);
        assertEquals(MmuFlags.R, vm.entryAccess(base));
        assertEquals(ACCESS_DENIED, vm.write(base));
        protect(RW, 0, 1);
        assertEquals(MmuFlags.R, vm.entryAccess(base));
        assertEquals(OK, vm.write(base));
        assertEquals(MmuFlags.RW, vm.entryAccess(base));
    }

    @Test
    @Tag("V-162")
    @Tag("memory-mapping.cc:MmapProtExecTest")
    void executeIsEnteredAtOnceAndWriteTakenOut() {
        mapAt(region, 0, RW, vmo, 0, 1);
        vm.poke(base, 5);
        protect(RWX, 0, 1);
        assertEquals(MmuFlags.RX, vm.entryAccess(base));
        assertEquals(OK, vm.root.handlePageFault(base, AccessKind.EXECUTE));
    }

    @Test
    @Tag("V-163")
    @Tag("V-37")
    void noPermissionsDropTheEntriesAndKeepTheBytes() {
        mapAt(region, 0, RW, vmo, 0, 2);
        vm.poke(base, 5);
        vm.poke(base + PAGE, 6);
        protect(VmarFlags.NONE, 0, 1);
        assertEquals("01", vm.entries(base, 2));
        assertEquals(ACCESS_DENIED, vm.read(base));
        protect(R, 0, 1);
        assertEquals(5, vm.peek(base));
    }

    @Test
    @Tag("V-164")
    void pagesNeverTouchedTakeTheNewPermissions() {
        mapAt(region, 0, RW, vmo, 0, 64);
        protect(R, 0, 64);
        assertEquals("0000", vm.entries(base, 4));
        assertEquals(ACCESS_DENIED, vm.write(base + 17 * PAGE));
        assertEquals(OK, vm.read(base + 17 * PAGE));
    }

    @Test
    @Tag("V-38")
    @Tag("vmar.cc:ProtectReadIfXomUnsupported")
    void readIfExecuteOnlyIsUnsupportedFollowsTheMachine() {
        VmarFlags option = VmarFlags.PERM_READ_IF_XOM_UNSUPPORTED;
        var hal = new FakeHal();
        try (var fake = new VmarFixture(hal)) {
            long at = fake.root.map(R, 0, fake.vmo(1), 0, PAGE);
            fake.root.protect(option, at, PAGE);
            assertEquals(OK, fake.read(at));
            hal.executeOnly = true;
            fake.root.protect(option, at, PAGE);
            assertEquals(ACCESS_DENIED, fake.read(at));
        }
    }
}
