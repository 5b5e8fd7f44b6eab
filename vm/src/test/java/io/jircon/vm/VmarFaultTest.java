package io.jircon.vm;

import static io.jircon.hal.AccessKind.EXECUTE;
import static io.jircon.hal.AccessKind.READ;
import static io.jircon.hal.AccessKind.WRITE;
import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.NOT_FOUND;
import static io.jircon.kobject.ZxStatus.OK;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.RWX_SPECIFIC;
import static io.jircon.vm.VmarFixture.SPECIFIC;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultHandler;
import io.jircon.hal.MmuFlags;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class VmarFaultTest {
    private final VmarFixture vm = new VmarFixture();
    private VmAddressRegion region;
    private VmObject vmo;
    private long base;

    @BeforeEach
    void setUp() {
        // Starts at a page-table boundary and covers two tables.
        region = vm.root.allocate(RWX_SPECIFIC.with(VmarFlags.align(21)), 0, 1024 * PAGE);
        base = region.baseAddress();
        vmo = vm.vmo(64);
    }

    @AfterEach
    void tearDown() {
        vm.close();
    }

    private int entered(long vaddr, int pages) {
        return (int) vm.entries(vaddr, pages).chars().filter(c -> c == '1').count();
    }

    @ParameterizedTest
    @EnumSource(AccessKind.class)
    @Tag("V-195")
    @Tag("O-248")
    void nothingMappedIsNotFound(AccessKind access) {
        assertEquals(NOT_FOUND, vm.root.handlePageFault(base, access));
        child(region, 0, 4);
        assertEquals(NOT_FOUND, vm.root.handlePageFault(base, access));
        assertEquals(NOT_FOUND, vm.root.handlePageFault(0, access));
        assertEquals(NOT_FOUND, vm.root.handlePageFault(-1L, access));
        mapAt(region, 8, RW, vmo, 0, 1);
        assertEquals(NOT_FOUND, region.handlePageFault(base - 1, access));
        assertEquals(NOT_FOUND, child(region, 16, 4).handlePageFault(base + 8 * PAGE, access));
    }

    @Test
    @Tag("V-195")
    void theAddressNeedNotBeAligned() {
        mapAt(region, 0, RW, vmo, 0, 1);
        assertEquals(OK, vm.write(base + PAGE - 1));
        assertEquals("10", vm.entries(base, 2));
    }

    @Test
    @Tag("V-195")
    void theLookupGoesDownThroughRegions() {
        VmAddressRegion inner = child(child(region, 0, 8), 2, 4);
        long at = mapAt(inner, 1, RW, vmo, 0, 1);
        assertEquals(OK, vm.write(at));
        assertEquals(OK, inner.handlePageFault(at, READ));
    }

    @Test
    @Tag("V-196")
    @Tag("memory-mapping.cc:MmapProtTest")
    void eachAccessNeedsItsPermission() {
        String expected =
                """
                --- READ ACCESS_DENIED
                --- WRITE ACCESS_DENIED
                --- EXECUTE ACCESS_DENIED
                r-- READ OK
                r-- WRITE ACCESS_DENIED
                r-- EXECUTE ACCESS_DENIED
                rw- READ OK
                rw- WRITE OK
                rw- EXECUTE ACCESS_DENIED
                r-x READ OK
                r-x WRITE ACCESS_DENIED
                r-x EXECUTE OK
                rwx READ OK
                rwx WRITE OK
                rwx EXECUTE OK
                """;
        var seen = new StringBuilder();
        for (MmuFlags flags :
                new MmuFlags[] {
                    MmuFlags.NONE, MmuFlags.R, MmuFlags.RW, MmuFlags.RX, MmuFlags.RWX
                }) {
            for (AccessKind access : AccessKind.values()) {
                long at = region.map(VmarFlags.perms(flags), 0, vm.vmo(1), 0, PAGE);
                seen.append(flags).append(' ').append(access).append(' ');
                seen.append(vm.root.handlePageFault(at, access)).append('\n');
            }
        }
        assertEquals(expected, seen.toString());
    }

    @Test
    @Tag("V-197")
    @Tag("V-198")
    @Tag("V-109")
    @Tag("O-247")
    @Tag("O-248")
    void pastTheEndIsOutOfRangeUnlessTheAccessIsNotAllowed() {
        mapAt(region, 0, R, vm.vmo(2), 0, 4);
        assertEquals(OK, vm.read(base + PAGE));
        assertEquals(OUT_OF_RANGE, vm.read(base + 2 * PAGE));
        assertEquals(ACCESS_DENIED, vm.write(base + 2 * PAGE));
        assertEquals("0100", vm.entries(base, 4));
    }

    @Test
    @Tag("V-200")
    @Tag("memory-mapping.cc:MmapZerofilledTest")
    void aReadShowsZerosAndCommitsNothing() {
        mapAt(region, 0, RW, vmo, 0, 1);
        long kept = vm.hal.frames().freeFrames() + vm.root.pageTable().tableFrames();
        assertEquals(0, vm.peek(base));
        assertEquals(kept, vm.hal.frames().freeFrames() + vm.root.pageTable().tableFrames());
        assertEquals(MmuFlags.R, vm.entryAccess(base));
        assertEquals(vm.machine.zeroFrame(), vm.root.pageTable().translate(base));
    }

    @Test
    @Tag("V-199")
    @Tag("V-200")
    @Tag("V-201")
    @Tag("O-252")
    void aWriteAfterAReadUpgradesTheEntry() {
        mapAt(region, 0, RW, vmo, 0, 1);
        vm.peek(base);
        vm.poke(base, 7);
        assertEquals(MmuFlags.RW, vm.entryAccess(base));
        assertEquals(7, vm.peek(base));
    }

    @Test
    @Tag("V-200")
    @Tag("O-252")
    void aReadOfAnOwnedPageEntersItWritable() {
        long other = mapAt(region, 8, RW, vmo, 0, 1);
        mapAt(region, 0, RW, vmo, 0, 1);
        vm.poke(other, 7);
        assertEquals(7, vm.peek(base));
        assertEquals(MmuFlags.RW, vm.entryAccess(base));
    }

    @Test
    @Tag("V-201")
    void aSpuriousFaultSucceeds() {
        mapAt(region, 0, RW, vmo, 0, 1);
        vm.poke(base, 7);
        assertEquals(OK, vm.write(base));
        assertEquals(OK, vm.read(base));
        assertEquals(7, vm.peek(base));
    }

    @Test
    @Tag("V-113")
    @Tag("V-209")
    void onlyUserSpacesHaveUserEntries() {
        mapAt(region, 0, RW, vmo, 0, 1);
        vm.poke(base, 1);
        assertEquals("rw-u", vm.root.pageTable().query(base).flags().toString());
        try (VmarFixture fixture = VmarFixture.withKernelSpaces()) {
            VmAddressRegion kernel = VmAddressRegion.newKernel(fixture.machine);
            long at = kernel.map(RW, 0, fixture.vmo(1), 0, PAGE);
            assertEquals(OK, kernel.handlePageFault(at, WRITE));
            assertEquals("rw-", kernel.pageTable().query(at).flags().toString());
            kernel.destroyAddressSpace();
        }
    }

    // ---- what one fault enters

    private void commit(long pages) {
        long at = vm.root.map(RW, 0, vmo, 0, 64 * PAGE);
        for (long page = 0; page < pages; page++) {
            vm.poke(at + page * PAGE, 1);
        }
        vm.root.unmap(at, 64 * PAGE);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 4, 15, 16, 17, 32})
    @Tag("V-202")
    @Tag("V-328")
    @Tag("V-7")
    @Tag("aspace_unittest.cc:vm_mapping_page_fault_optimisation_test")
    void aFaultEntersTheRunOfPagesThatIsThere(int committed) {
        commit(committed);
        mapAt(region, 0, RW, vmo, 0, 32);
        assertEquals(OK, vm.write(base));
        assertEquals(Math.max(1, Math.min(16, committed)), entered(base, 32));
        assertEquals(MmuFlags.RW, vm.entryAccess(base));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 8, 15, 16, 17})
    @Tag("V-202")
    @Tag("V-328")
    @Tag("V-7")
    @Tag("aspace_unittest.cc:vm_mapping_page_fault_optimization_pt_limit_test")
    void aFaultStaysInItsPageTable(int pagesToBoundary) {
        commit(64);
        long page = 512 - pagesToBoundary;
        mapAt(region, page, RW, vmo, 0, 32);
        assertEquals(OK, vm.write(base + page * PAGE));
        int expected = pagesToBoundary == 0 ? 16 : Math.min(16, pagesToBoundary);
        assertEquals(expected, entered(base + page * PAGE, 32));
    }

    @Test
    @Tag("V-202")
    void aFaultEntersNothingBehindAHoleAndNothingBackwards() {
        commit(3);
        long at = vm.root.map(RW, 0, vmo, 0, 64 * PAGE);
        vm.poke(at + 5 * PAGE, 1);
        vm.root.unmap(at, 64 * PAGE);
        mapAt(region, 0, R, vmo, 0, 32);
        assertEquals(OK, vm.read(base + PAGE));
        assertEquals("01100000", vm.entries(base, 8));
    }

    @Test
    @Tag("V-202")
    void aFaultStaysInItsPermissionRangeAndMapping() {
        commit(64);
        mapAt(region, 0, RW, vmo, 0, 8);
        region.protect(R, base + 3 * PAGE, 2 * PAGE);
        mapAt(region, 8, RW, vmo, 20, 8);
        assertEquals(OK, vm.write(base));
        assertEquals("1110000000", vm.entries(base, 10));
        assertEquals(OK, vm.write(base + 6 * PAGE));
        assertEquals("1110001100", vm.entries(base, 10));
    }

    @Test
    @Tag("V-202")
    void aFaultAroundDoesNotReachPastTheEnd() {
        VmObject small = vm.vmo(4);
        long at = vm.root.map(RW, 0, small, 0, 4 * PAGE);
        for (int page = 0; page < 4; page++) {
            vm.poke(at + page * PAGE, 1);
        }
        mapAt(region, 0, RW, small, 0, 16);
        assertEquals(OK, vm.read(base));
        assertEquals(4, entered(base, 16));
    }

    // ---- several pages at once

    @Test
    @Tag("V-203")
    @Tag("V-329")
    @Tag("aspace_unittest.cc:vm_mapping_page_fault_range_test")
    void aRangeFaultEntersJustWhatWasAskedFor() {
        commit(32);
        mapAt(region, 0, RW, vmo, 0, 32);
        assertEquals(OK, vm.root.handlePageFault(base, WRITE, 2));
        assertEquals(2, entered(base, 32));
    }

    @Test
    @Tag("V-203")
    @Tag("V-329")
    @Tag("aspace_unittest.cc:vm_mapping_page_fault_range_test")
    void aRangeOfOnePageIsAnOrdinaryFault() {
        commit(32);
        mapAt(region, 0, RW, vmo, 0, 32);
        assertEquals(OK, vm.root.handlePageFault(base, WRITE, 1));
        assertEquals(16, entered(base, 32));
        assertThrows(IllegalArgumentException.class, () -> vm.root.handlePageFault(base, WRITE, 0));
    }

    @Test
    @Tag("V-203")
    @Tag("V-329")
    @Tag("aspace_unittest.cc:vm_mapping_page_fault_range_test")
    void aReadRangeCommitsNothingAndAWriteRangeEverything() {
        commit(1);
        mapAt(region, 0, RW, vmo, 0, 32);
        assertEquals(OK, vm.root.handlePageFault(base, READ, 32));
        assertEquals(32, entered(base, 32));
        long free = vm.hal.frames().freeFrames();
        assertEquals(OK, vm.root.handlePageFault(base, WRITE, 32));
        assertEquals(free - 31, vm.hal.frames().freeFrames());
    }

    @Test
    @Tag("V-203")
    @Tag("V-329")
    @Tag("aspace_unittest.cc:vm_mapping_page_fault_range_test")
    void aRangeFaultIsCutToPermissionsAndObject() {
        VmObject small = vm.vmo(16);
        mapAt(region, 0, RW, small, 0, 32);
        assertEquals(OK, vm.root.handlePageFault(base, WRITE, 32));
        assertEquals(16, entered(base, 32));
        mapAt(region, 64, RW, vmo, 0, 32);
        region.protect(R, base + 80 * PAGE, 16 * PAGE);
        assertEquals(OK, vm.root.handlePageFault(base + 64 * PAGE, WRITE, 32));
        assertEquals(16, entered(base + 64 * PAGE, 32));
    }

    @Test
    @Tag("V-212")
    void aFaultInADeadAddressSpaceIsNotFound() {
        VmAddressRegion root = VmAddressRegion.newRoot(vm.machine);
        long at = root.map(RW.with(SPECIFIC), 0, vmo, 0, PAGE);
        root.destroyAddressSpace();
        assertEquals(NOT_FOUND, root.handlePageFault(at, EXECUTE));
    }

    /// Where the machine holds an access for as long as its fault takes.
    @Test
    @Tag("V-195")
    @Tag("V-206")
    void thePageTableAsksTheAddressSpaceToResolveItsFaults() {
        var fake = new FakeHal();
        try (var held = new VmarFixture(fake)) {
            FaultHandler handler = Objects.requireNonNull(fake.faultHandler);
            long at = held.root.map(R.with(SPECIFIC), 16 * PAGE, held.vmo(2), 0, PAGE);
            assertTrue(handler.resolve(at + 8, READ));
            assertEquals(
                    MmuFlags.R.bits() | MmuFlags.USER_BIT,
                    held.root.pageTable().query(at).flags().bits());
            assertFalse(handler.resolve(at + 8, WRITE));
            assertFalse(handler.resolve(at + PAGE, READ));
        }
    }

    @Test
    @Tag("V-195")
    void accessesThatThereIsNothingToResolveAboutAreCounted() {
        var fake = new FakeHal();
        try (var held = new VmarFixture(fake)) {
            FaultHandler handler = Objects.requireNonNull(fake.faultHandler);
            long at = held.root.map(R.with(SPECIFIC), 16 * PAGE, held.vmo(2), 0, PAGE);
            handler.minorFault(at, READ);
            handler.minorFault(at + 8, WRITE);
            assertEquals(2, held.root.minorFaults());
            assertEquals(-1, held.root.pageTable().translate(at));
            held.root.destroyAddressSpace();
            assertFalse(handler.resolve(at, READ));
            assertEquals(2, held.root.minorFaults());
        }
    }
}
