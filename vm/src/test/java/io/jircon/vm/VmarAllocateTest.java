package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.ALREADY_EXISTS;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NO_RESOURCES;
import static io.jircon.vm.VmarFixture.OVERWRITE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.RWX_SPECIFIC;
import static io.jircon.vm.VmarFixture.SPECIFIC;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.MmuFlags;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VmarAllocateTest {
    private static final VmarFlags LIMIT = VmarFlags.OFFSET_IS_UPPER_LIMIT;

    private final VmarFixture vm = new VmarFixture();

    @AfterEach
    void tearDown() {
        vm.close();
    }

    @Test
    @Tag("V-9")
    @Tag("V-14")
    @Tag("V-20")
    void theRootCoversTheUserRangeAndMayDoEverything() {
        assertEquals(vm.root.pageTable().firstAddress(), vm.root.baseAddress());
        assertEquals(
                vm.root.pageTable().lastAddress(), vm.root.baseAddress() + vm.root.sizeBytes() - 1);
        assertEquals(RWX_SPECIFIC, vm.root.flags());
        assertTrue(vm.root.baseAddress() != 0);
    }

    @Test
    @Tag("V-18")
    void theKernelRootStartsAtItsFixedBase() {
        try (VmarFixture fixture = VmarFixture.withKernelSpaces()) {
            VmAddressRegion kernel = VmAddressRegion.newKernel(fixture.machine);
            assertEquals(0xffff_ff02_0000_0000L, kernel.baseAddress());
            assertEquals(AddressSpaceKind.KERNEL, kernel.kind());
            VmAddressRegion child = kernel.allocate(VmarFlags.CAN_MAP_READ, 0, PAGE);
            assertEquals(kernel.baseAddress(), child.baseAddress());
            kernel.destroyAddressSpace();
        }
    }

    @Test
    @Tag("V-75")
    @Tag("V-13")
    @Tag("vmar.cc:ObjectInfoTest")
    void aRegionHasTheSizeAndTheFlagsThatWereAskedFor() {
        VmAddressRegion region =
                vm.root.allocate(VmarFlags.CAN_MAP_READ.with(VmarFlags.COMPACT), 0, 10 * PAGE);
        assertEquals(new VmarInfo(region.baseAddress(), 10 * PAGE), region.info());
        assertEquals(VmarFlags.CAN_MAP_READ.with(VmarFlags.COMPACT), region.flags());
        assertEquals("useralloc", region.regionName());
        assertEquals("root", vm.root.regionName());
    }

    @Test
    @Tag("V-15")
    void mapSpecificAndCompactAreNotLimitedByTheParent() {
        VmAddressRegion plain = vm.root.allocate(VmarFlags.CAN_MAP_READ, 0, 10 * PAGE);
        VmAddressRegion inner =
                plain.allocate(VmarFlags.CAN_MAP_SPECIFIC.with(VmarFlags.COMPACT), 0, 4 * PAGE);
        assertEquals(VmarFlags.CAN_MAP_SPECIFIC.with(VmarFlags.COMPACT), inner.flags());
    }

    @ParameterizedTest
    @ValueSource(
            ints = {
                1, 1 << 1, 1 << 2, 1 << 5, 1 << 10, 1 << 11, 1 << 12, 1 << 15, 1 << 16, 1 << 23,
                1 << 24, 9 << 24, 33 << 24, 1 << 31
            })
    @Tag("V-60")
    @Tag("V-50")
    @Tag("V-2")
    void anOptionThatIsNotForAllocateIsRefused(int bits) {
        refuses(INVALID_ARGS, "V-60", () -> vm.root.allocate(new VmarFlags(bits), 0, PAGE));
    }

    @Test
    @Tag("V-38")
    void readIfExecuteOnlyIsUnsupportedIsIgnored() {
        VmAddressRegion region = vm.root.allocate(VmarFlags.PERM_READ_IF_XOM_UNSUPPORTED, 0, PAGE);
        assertEquals(VmarFlags.NONE, region.flags());
    }

    @ParameterizedTest
    @ValueSource(longs = {1, PAGE - 1, PAGE + 1, -1L, -PAGE + 1})
    @Tag("V-60")
    @Tag("V-76")
    void aSizeThatIsNoMultipleOfThePageIsRefusedNotRounded(long size) {
        refuses(INVALID_ARGS, "V-60", () -> vm.root.allocate(VmarFlags.NONE, 0, size));
    }

    @Test
    @Tag("V-62")
    void sizeZeroIsRefused() {
        refuses(INVALID_ARGS, "V-62", () -> vm.root.allocate(VmarFlags.NONE, 0, 0));
    }

    @Test
    @Tag("V-61")
    @Tag("V-294")
    void aDeadParentBeatsSizeZeroButNotAMisalignedSizeOrABadOption() {
        VmAddressRegion dead = vm.region(4);
        dead.destroy();
        refuses(BAD_STATE, "V-61", () -> dead.allocate(VmarFlags.NONE, 0, 0));
        refuses(BAD_STATE, "V-61", () -> dead.allocate(VmarFlags.NONE, 0, 1L << 60));
        refuses(INVALID_ARGS, "V-60", () -> dead.allocate(VmarFlags.NONE, 0, 1));
        refuses(INVALID_ARGS, "V-60", () -> dead.allocate(OVERWRITE, 0, PAGE));
    }

    @ParameterizedTest
    @ValueSource(ints = {MmuFlags.READ_BIT, MmuFlags.WRITE_BIT, MmuFlags.EXECUTE_BIT})
    @Tag("V-63")
    @Tag("V-15")
    @Tag("vmar.cc:NestedRegionPermsTest")
    void aChildMayNotDoMoreThanItsParent(int missing) {
        MmuFlags rest = MmuFlags.RWX.without(MmuFlags.of(missing));
        VmAddressRegion parent = vm.root.allocate(VmarFlags.canMap(rest), 0, 10 * PAGE);
        refuses(ACCESS_DENIED, "V-63", () -> parent.allocate(VmarFlags.CAN_MAP_RWX, 0, PAGE));
        assertEquals(
                VmarFlags.canMap(rest), parent.allocate(VmarFlags.canMap(rest), 0, PAGE).flags());
    }

    @Test
    @Tag("V-64")
    @Tag("V-42")
    void specificAndUpperLimitContradict() {
        refuses(INVALID_ARGS, "V-64", () -> vm.root.allocate(SPECIFIC.with(LIMIT), PAGE, PAGE));
    }

    @Test
    @Tag("V-65")
    void anOffsetWithoutAPlacementOptionIsRefused() {
        refuses(INVALID_ARGS, "V-65", () -> vm.root.allocate(VmarFlags.NONE, PAGE, PAGE));
        refuses(
                INVALID_ARGS,
                "V-65",
                () -> vm.root.allocate(VmarFlags.CAN_MAP_SPECIFIC, PAGE - 1, PAGE));
    }

    @Test
    @Tag("V-66")
    void aMisalignedOffsetIsRefusedAlsoAsALimit() {
        refuses(INVALID_ARGS, "V-66", () -> vm.root.allocate(SPECIFIC, 1, PAGE));
        refuses(INVALID_ARGS, "V-66", () -> vm.root.allocate(LIMIT, 3 * PAGE + 1, PAGE));
        refuses(INVALID_ARGS, "V-66", () -> vm.root.allocate(SPECIFIC, -1L, PAGE));
    }

    @Test
    @Tag("V-67")
    @Tag("V-295")
    void placementNeedsCanMapSpecificWhichLosesToAlignmentAndBeatsBounds() {
        VmAddressRegion plain = vm.root.allocate(VmarFlags.CAN_MAP_RWX, 0, 4 * PAGE);
        refuses(ACCESS_DENIED, "V-67", () -> plain.allocate(SPECIFIC, 0, PAGE));
        refuses(ACCESS_DENIED, "V-67", () -> plain.allocate(LIMIT, PAGE, PAGE));
        refuses(INVALID_ARGS, "V-66", () -> plain.allocate(SPECIFIC, 1, PAGE));
        refuses(ACCESS_DENIED, "V-67", () -> plain.allocate(SPECIFIC, 64 * PAGE, PAGE));
    }

    @Test
    @Tag("V-68")
    @Tag("vmar.cc:AllocateOobTest")
    @Tag("vmar.cc:AllocateUnsatisfiableTest")
    void aPlaceOutsideTheRegionIsRefused() {
        VmAddressRegion region = vm.region(10);
        refuses(INVALID_ARGS, "V-68", () -> region.allocate(SPECIFIC, 10 * PAGE, PAGE));
        refuses(INVALID_ARGS, "V-68", () -> region.allocate(SPECIFIC, 9 * PAGE, 2 * PAGE));
        refuses(INVALID_ARGS, "V-68", () -> region.allocate(SPECIFIC, -PAGE, PAGE));
        refuses(INVALID_ARGS, "V-68", () -> region.allocate(SPECIFIC, PAGE, -PAGE));
        refuses(INVALID_ARGS, "V-68", () -> region.allocate(VmarFlags.NONE, 0, 11 * PAGE));
        assertEquals(
                region.baseAddress() + 9 * PAGE,
                region.allocate(SPECIFIC, 9 * PAGE, PAGE).baseAddress());
    }

    @Test
    @Tag("V-69")
    void aLimitThatCannotHoldTheSizeIsRefused() {
        VmAddressRegion region = vm.region(10);
        refuses(INVALID_ARGS, "V-69", () -> region.allocate(LIMIT, 11 * PAGE, PAGE));
        refuses(INVALID_ARGS, "V-69", () -> region.allocate(LIMIT, PAGE, 2 * PAGE));
        refuses(INVALID_ARGS, "V-69", () -> region.allocate(LIMIT, PAGE, 11 * PAGE));
        refuses(INVALID_ARGS, "V-69", () -> region.allocate(LIMIT, 0, PAGE));
        assertEquals(
                region.baseAddress(), region.allocate(LIMIT, 10 * PAGE, 10 * PAGE).baseAddress());
    }

    @Test
    @Tag("V-70")
    @Tag("V-43")
    @Tag("V-305")
    @Tag("vmar.cc:AlignmentVmarAllocateTest")
    void anAlignmentIsACheckOfTheAddressWithSpecific() {
        VmAddressRegion region =
                vm.root.allocate(RWX_SPECIFIC.with(SPECIFIC), 0x10_0000 + PAGE, 64 * PAGE);
        VmarFlags aligned = SPECIFIC.with(VmarFlags.align(16));
        refuses(INVALID_ARGS, "V-70", () -> region.allocate(aligned, 0, PAGE));
        refuses(INVALID_ARGS, "V-70", () -> region.allocate(aligned, 16 * PAGE, PAGE));
        VmAddressRegion child = region.allocate(aligned, 15 * PAGE, PAGE);
        assertEquals(0, child.baseAddress() & 0xffff);
    }

    @Test
    @Tag("V-2")
    @Tag("V-43")
    void anAlignmentBelowThePageIsThatOfThePage() {
        VmAddressRegion region = vm.region(4);
        child(region, 0, 1);
        assertEquals(
                region.baseAddress() + PAGE,
                region.allocate(VmarFlags.align(10), 0, PAGE).baseAddress());
    }

    @Test
    @Tag("V-43")
    @Tag("V-78")
    @Tag("vmar.cc:AlignmentVmarAllocateTest")
    void everyAlignmentUpToFourGibibytesIsHonoured() {
        VmAddressRegion region = vm.root.allocate(RWX_SPECIFIC, 0, 8L << 30);
        for (int shift = 10; shift <= 32; shift++) {
            VmAddressRegion child = region.allocate(VmarFlags.align(shift), 0, 16 * PAGE);
            assertEquals(0, child.baseAddress() & ((1L << shift) - 1), "2^" + shift);
            child.destroy();
        }
        VmAddressRegion small =
                vm.root.allocate(RWX_SPECIFIC.with(SPECIFIC), (16L << 30) + PAGE, 4 * PAGE);
        refuses(NO_RESOURCES, "V-72", () -> small.allocate(VmarFlags.align(21), 0, PAGE));
    }

    @Test
    @Tag("V-71")
    @Tag("V-302")
    @Tag("V-40")
    void aTakenPlaceIsRefusedWithTheNeighbourNamed() {
        VmAddressRegion region = vm.region(10);
        VmAddressRegion first = child(region, 2, 2);
        var e = refuses(ALREADY_EXISTS, "V-71", () -> child(region, 1, 2));
        assertTrue(e.getMessage().contains("region " + first.koid()), e.getMessage());
        refuses(ALREADY_EXISTS, "V-71", () -> child(region, 3, 1));
        refuses(ALREADY_EXISTS, "V-71", () -> child(region, 0, 10));
        child(region, 1, 1);
        child(region, 4, 1);
    }

    @Test
    @Tag("V-72")
    @Tag("V-77")
    @Tag("V-245")
    @Tag("V-17")
    @Tag("V-303")
    @Tag("vmar.cc:AllocateUnsatisfiableTest")
    void aFullRegionHasNoRoom() {
        VmAddressRegion region = vm.region(10);
        VmAddressRegion whole = region.allocate(VmarFlags.NONE, 0, 10 * PAGE);
        assertEquals(region.baseAddress(), whole.baseAddress());
        refuses(NO_RESOURCES, "V-72", () -> region.allocate(VmarFlags.NONE, 0, PAGE));
    }

    @Test
    @Tag("V-42")
    @Tag("V-246")
    @Tag("V-310")
    void anUpperLimitFillsJustTheLowerHalf() {
        VmAddressRegion region = vm.region(100);
        for (int i = 0; i < 50; i++) {
            VmAddressRegion child = region.allocate(LIMIT, 50 * PAGE, PAGE);
            assertTrue(child.baseAddress() + PAGE <= region.baseAddress() + 50 * PAGE);
        }
        refuses(NO_RESOURCES, "V-72", () -> region.allocate(LIMIT, 50 * PAGE, PAGE));
        VmAddressRegion above = region.allocate(VmarFlags.NONE, 0, PAGE);
        assertEquals(region.baseAddress() + 50 * PAGE, above.baseAddress());
    }

    @Test
    @Tag("V-80")
    void aRefusalLeavesNoTrace() {
        VmAddressRegion region = vm.region(10);
        child(region, 2, 2);
        long live = vm.machine.kernel().liveObjects(region.type());
        refuses(ALREADY_EXISTS, "V-71", () -> child(region, 1, 2));
        refuses(NO_RESOURCES, "V-72", () -> region.allocate(VmarFlags.NONE, 0, 9 * PAGE));
        assertEquals(live, vm.machine.kernel().liveObjects(region.type()));
        assertEquals(1, region.children().size());
    }

    @Test
    @Tag("V-248")
    @Tag("vmar.cc:BasicAllocateTest")
    void placementLooksAtDirectChildrenOnly() {
        VmAddressRegion region = vm.region(10);
        VmAddressRegion inner = child(region, 0, 4);
        child(inner, 0, 1);
        assertEquals(
                region.baseAddress() + 4 * PAGE,
                region.allocate(VmarFlags.NONE, 0, PAGE).baseAddress());
        assertEquals(
                inner.baseAddress() + PAGE, inner.allocate(VmarFlags.NONE, 0, PAGE).baseAddress());
    }

    @Test
    @Tag("V-243")
    @Tag("V-241")
    @Tag("V-289")
    void theSameSeedGivesTheSameLayout() {
        assertEquals(randomLayout(7, VmarFlags.NONE), randomLayout(7, VmarFlags.NONE));
        assertTrue(!randomLayout(7, VmarFlags.NONE).equals(randomLayout(8, VmarFlags.NONE)));
    }

    @Test
    @Tag("V-241")
    @Tag("V-39")
    @Tag("V-313")
    void aCompactRegionIsFilledFromItsBase() {
        assertEquals("0 1 2 3 4 5 6 7 ", randomLayout(7, VmarFlags.COMPACT));
    }

    /// Pages of eight allocations in a region of a million pages with random placement.
    private static String randomLayout(long seed, VmarFlags regionOptions) {
        var hal = new FakeHal();
        try (Machine machine = Machine.builder(hal).seed(seed).boot()) {
            VmAddressRegion root = VmAddressRegion.newRoot(machine);
            VmAddressRegion region =
                    root.allocate(RWX_SPECIFIC.with(regionOptions), 0, 1_000_000 * PAGE);
            var text = new StringBuilder();
            for (int i = 0; i < 8; i++) {
                VmAddressRegion child = region.allocate(VmarFlags.NONE, 0, PAGE);
                text.append((child.baseAddress() - region.baseAddress()) / PAGE).append(' ');
            }
            root.destroyAddressSpace();
            return text.toString();
        }
    }
}
