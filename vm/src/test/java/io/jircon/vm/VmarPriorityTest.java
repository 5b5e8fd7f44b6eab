package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.vm.MemoryPriority.DEFAULT;
import static io.jircon.vm.MemoryPriority.HIGH;
import static io.jircon.vm.VmarFixture.OVERWRITE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.SPECIFIC;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.MmuFlags;
import io.jircon.kobject.ZxException;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.Objects;
import java.util.StringJoiner;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class VmarPriorityTest {
    private final FailingFrames[] frames = new FailingFrames[1];
    private final VmarFixture vm =
            new VmarFixture(inner -> {
                frames[0] = new FailingFrames(inner);
                return frames[0];
            });
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
        assertEquals(0, vm.root.highPriorityCount());
        assertEquals(0, vmo.highPriorityCount());
    }

    private MemoryPriority priorityAt(long page) {
        return Objects.requireNonNull(region.findMapping(base + page * PAGE)).memoryPriority();
    }

    /// How many regions and mappings are HIGH, and how many mappings of the object.
    private String counts() {
        vm.root.checkInvariants();
        return vm.root.highPriorityCount() + " " + vmo.highPriorityCount();
    }

    /// Gives the first pages of the object a frame each.
    private void fill(VmObject object, int pages) {
        object.commit(0, pages * PAGE);
    }

    @Test
    @Tag("V-79")
    @Tag("V-273")
    void aNewRegionHasThePriorityOfItsParent() {
        assertEquals(DEFAULT, region.memoryPriority());
        assertEquals(DEFAULT, child(region, 0, 1).memoryPriority());
        region.setMemoryPriority(HIGH);
        VmAddressRegion inner = child(region, 1, 4);
        assertEquals(HIGH, inner.memoryPriority());
        assertEquals(HIGH, child(inner, 0, 1).memoryPriority());
        assertEquals(DEFAULT, vm.region(1).memoryPriority());
    }

    @Test
    @Tag("V-118")
    @Tag("V-273")
    @Tag("aspace_unittest.cc:vmaspace_priority_propagation_test")
    void aNewMappingHasThePriorityOfItsRegion() {
        mapAt(region, 0, RW, vmo, 0, 1);
        assertEquals(DEFAULT, priorityAt(0));
        region.setMemoryPriority(HIGH);
        mapAt(region, 4, RW, vmo, 4, 1);
        assertEquals(HIGH, priorityAt(4));
    }

    @Test
    @Tag("V-118")
    void aNewHighMappingEntersThePagesThatExist() {
        fill(vmo, 3);
        mapAt(region, 0, RW, vmo, 1, 4);
        assertEquals("0000", vm.entries(base, 4));
        region.setMemoryPriority(HIGH);
        mapAt(region, 8, RW, vmo, 1, 4);
        assertEquals("1100", vm.entries(base + 8 * PAGE, 4));
        assertEquals(3 * PAGE, vmo.attribution(0, 64 * PAGE).populatedBytes);
    }

    @Test
    @Tag("V-118")
    void wantOfMemoryForTablesDoesNotStopAHighMapping() {
        try (VmarFixture own = withTablesInFrames()) {
            VmAddressRegion high = highRegion(own);
            VmObject filled = own.vmo(4);
            fill(filled, 4);
            frames[0].failAt(1);
            long at = mapAt(high, 0, RW, filled, 0, 4);
            assertTrue(frames[0].disarm(), "no table was needed");
            assertEquals("0000", own.entries(at, 4));
            own.poke(at, 1);
        }
    }

    /// A machine that needs a frame for the first entry, whatever the HAL of the others.
    private VmarFixture withTablesInFrames() {
        HalConfig config =
                HalConfig.DEFAULT
                        .withMemoryBytes(1 << 20)
                        .withFrameWrapper(inner -> {
                            frames[0] = new FailingFrames(inner);
                            return frames[0];
                        });
        return new VmarFixture(Hals.create("x86_64", config));
    }

    private static VmAddressRegion highRegion(VmarFixture own) {
        VmAddressRegion high = own.region(64);
        high.setMemoryPriority(HIGH);
        return high;
    }

    @Test
    @Tag("V-118")
    void replacingAMappingEntersNothing() {
        fill(vmo, 4);
        region.setMemoryPriority(HIGH);
        mapAt(region, 0, RW, vm.vmo(1), 0, 1);
        region.map(RW.with(OVERWRITE), 0, vmo, 0, 2 * PAGE);
        assertEquals("00", vm.entries(base, 2));
        region.map(RW.with(OVERWRITE), 4 * PAGE, vmo, 0, 2 * PAGE);
        assertEquals("11", vm.entries(base + 4 * PAGE, 2), "nothing was replaced here");
    }

    @Test
    @Tag("V-273")
    @Tag("aspace_unittest.cc:vmaspace_priority_propagation_test")
    void settingOverwritesTheWholeSubtree() {
        mapAt(region, 0, RW, vmo, 0, 1);
        VmAddressRegion low = child(region, 1, 8);
        VmAddressRegion deep = child(low, 1, 4);
        mapAt(deep, 1, RW, vmo, 3, 1);
        VmAddressRegion high = child(region, 16, 8);
        assertEquals("0 0", counts());
        region.setMemoryPriority(HIGH);
        assertEquals("6 2", counts());
        low.setMemoryPriority(DEFAULT);
        assertEquals("3 1", counts());
        assertEquals(DEFAULT, priorityAt(3));
        assertEquals(HIGH, high.memoryPriority());
        mapAt(deep, 3, RW, vmo, 9, 1);
        assertEquals(DEFAULT, priorityAt(5));
        region.setMemoryPriority(HIGH);
        assertEquals("7 3", counts());
        vm.root.setMemoryPriority(DEFAULT);
        assertEquals("0 0", counts());
    }

    @Test
    @Tag("V-273")
    void settingHighEntersThePagesThatExist() {
        fill(vmo, 3);
        mapAt(region, 0, RW, vmo, 1, 4);
        region.setMemoryPriority(HIGH);
        assertEquals("1100", vm.entries(base, 4));
    }

    @Test
    @Tag("V-27")
    @Tag("V-272")
    void aDeadRegionHasNoPriorityToSet() {
        VmAddressRegion dead = child(region, 0, 4);
        dead.destroy();
        refuses(BAD_STATE, "V-272", () -> dead.setMemoryPriority(HIGH));
        assertEquals("0 0", counts());
    }

    @Test
    @Tag("V-265")
    void neighboursOfOneRegionMergeWhateverWasSetInBetween() {
        mapAt(region, 0, RW, vmo, 0, 1);
        region.setMemoryPriority(HIGH);
        mapAt(region, 1, RW, vmo, 1, 1);
        assertEquals("2 1", counts());
        region.setMemoryPriority(DEFAULT);
        mapAt(region, 2, RW, vmo, 2, 1);
        assertEquals(1, vmo.mappingCount());
        assertEquals("0 0", counts());
    }

    @Test
    @Tag("V-274")
    @Tag("aspace_unittest.cc:vmaspace_priority_bidir_clone_test")
    @Tag("aspace_unittest.cc:vmaspace_priority_slice_test")
    @Tag("aspace_unittest.cc:vmaspace_priority_reference_test")
    void slicesAndReferencesShareTheCountAndSnapshotsDoNot() {
        VmObject slice = vm.closing(vmo.createSlice(PAGE, PAGE));
        VmObject reference =
                vm.closing(vmo.createChild(EnumSet.of(VmoChildOption.REFERENCE), 0, 0));
        region.setMemoryPriority(HIGH);
        mapAt(region, 0, RW, slice, 0, 1);
        assertEquals(1, vmo.highPriorityCount());
        assertEquals(1, reference.highPriorityCount());
        mapAt(region, 4, RW, reference, 0, 1);
        assertEquals(2, slice.highPriorityCount());
        assertEquals("3 2", counts());

        VmObject original = vm.vmo(1);
        VmObject copy = vm.closing(original.createSnapshot(0, PAGE));
        mapAt(region, 8, RW, original, 0, 1);
        assertEquals(0, copy.highPriorityCount());
        mapAt(region, 10, RW, copy, 0, 1);
        mapAt(region, 12, RW, copy, 0, 1);
        assertEquals(1, original.highPriorityCount());
        assertEquals(2, copy.highPriorityCount());
    }

    @Test
    @Tag("V-274")
    void mappingsOfAPhysicalObjectCountForItAndItsSlices() {
        VmObject device = vm.closing(VmObject.createPhysical(vm.machine, 0x4000_0000, 2 * PAGE));
        VmObject slice = vm.closing(device.createSlice(PAGE, PAGE));
        mapAt(region, 0, RW, device, 0, 2);
        assertEquals("0 0", highCounts(device, slice));
        region.setMemoryPriority(HIGH);
        assertEquals("1 1", highCounts(device, slice));
        mapAt(region, 4, RW, slice, 0, 1);
        assertEquals("2 2", highCounts(device, slice));
        assertEquals(3, vm.root.highPriorityCount());
        region.unmap(base, 2 * PAGE);
        assertEquals("1 1", highCounts(device, slice));
        region.setMemoryPriority(DEFAULT);
        assertEquals("0 0", highCounts(device, slice));
    }

    @Test
    @Tag("V-118")
    @Tag("V-274")
    @Tag("aspace_unittest.cc:vmaspace_priority_pager_test")
    void clonesOfPagerBackedObjectsCountForWhatTheyShow() {
        try (var scene = new PagerScene()) {
            VmObject file = scene.file(2);
            scene.supply(file, 0, 1, 2);
            VmObject clone = scene.clone(file, VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE, 0, 2);
            VmObject second = scene.clone(file, VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE, 0, 2);
            clone.write(PAGE, new byte[] {2});
            VmObject below = scene.clone(clone, VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE, 0, 2);
            VmAddressRegion high = scene.vm.region(4);
            long at = mapAt(high, 0, RW, clone, 0, 2);
            high.setMemoryPriority(HIGH);
            assertEquals("11", scene.vm.entries(at, 2));
            assertEquals("1 1 0 0", highCounts(file, clone, second, below));
            mapAt(high, 2, RW, below, 0, 2);
            assertEquals("2 2 0 1", highCounts(file, clone, second, below));
            high.setMemoryPriority(DEFAULT);
            assertEquals("0 0 0 0", highCounts(file, clone, second, below));
        }
    }

    private static String highCounts(VmObject... objects) {
        var text = new StringJoiner(" ");
        for (VmObject vmo : objects) {
            text.add("" + vmo.highPriorityCount());
        }
        return text.toString();
    }

    @Test
    @Tag("V-274")
    @Tag("O-163")
    void snapshotsOfAClonesPagesCountForTheRootAlone() {
        try (var scene = new PagerScene()) {
            VmObject file = scene.file(1);
            scene.supply(file, 0, 1);
            VmObject clone = scene.clone(file, VmoChildOption.SNAPSHOT_MODIFIED, 0, 1);
            VmObject snapshot = scene.clone(clone, VmoChildOption.SNAPSHOT_MODIFIED, 0, 1);
            VmAddressRegion high = scene.vm.region(1);
            high.setMemoryPriority(HIGH);
            mapAt(high, 0, RW, clone, 0, 1);
            assertEquals("1 1 0", highCounts(file, clone, snapshot));
        }
    }

    @Test
    @Tag("V-274")
    void whatIsMappedHighIsNotTakenBack() {
        VmObject discardable = vm.closing(VmObject.create(vm.machine, PAGE, VmoOption.DISCARDABLE));
        fill(discardable, 1);
        discardable.lockContents();
        discardable.unlockContents();
        mapAt(region, 0, RW.with(VmarFlags.ALLOW_FAULTS), discardable, 0, 1);
        region.setMemoryPriority(HIGH);
        assertEquals(0, discardable.reclaim());
        assertEquals(1, discardable.attribution(0, PAGE).populatedBytes / PAGE);
        region.setMemoryPriority(DEFAULT);
        assertEquals(1, discardable.reclaim());
    }

    @Test
    @Tag("V-275")
    @Tag("V-135")
    @Tag("aspace_unittest.cc:vmaspace_priority_unmap_test")
    @Tag("aspace_unittest.cc:vmaspace_priority_merged_mapping_test")
    void aSplitCountsTwiceAndAMergeOnce() {
        region.setMemoryPriority(HIGH);
        mapAt(region, 0, RW, vmo, 0, 8);
        assertEquals("2 1", counts());
        region.unmap(base + 2 * PAGE, 2 * PAGE);
        assertEquals("3 2", counts());
        assertEquals(HIGH, priorityAt(1));
        assertEquals(HIGH, priorityAt(4));
        mapAt(region, 2, RW, vmo, 2, 2);
        assertEquals("2 1", counts());
        region.unmap(base, 2 * PAGE);
        region.unmap(base + 7 * PAGE, PAGE);
        assertEquals("2 1", counts());
    }

    @Test
    @Tag("V-275")
    @Tag("V-114")
    @Tag("aspace_unittest.cc:vmaspace_priority_mapping_overwrite_test")
    void overwritingCountsWhatIsLeft() {
        region.setMemoryPriority(HIGH);
        mapAt(region, 0, RW, vmo, 0, 8);
        VmObject other = vm.vmo(8);
        region.map(RW.with(OVERWRITE), 2 * PAGE, other, 0, 2 * PAGE);
        assertEquals("4 2", counts());
        assertEquals(1, other.highPriorityCount());
        region.map(RW.with(OVERWRITE), 0, other, 0, 8 * PAGE);
        assertEquals("2 0", counts());
        assertEquals(1, other.highPriorityCount());
    }

    @Test
    @Tag("V-275")
    @Tag("V-237")
    @Tag("aspace_unittest.cc:vm_mapping_force_writeable_high_priority")
    void aPrivateCopyTakesTheCountOver() {
        region.setMemoryPriority(HIGH);
        region.map(R.with(SPECIFIC), 0, vmo, 0, PAGE, MmuFlags.R);
        assertEquals("2 1", counts());
        vm.root.writeMemory(base, MemorySegment.ofArray(new byte[] {1}));
        assertEquals("2 0", counts());
        assertEquals(HIGH, priorityAt(0));
        VmMapping copy = Objects.requireNonNull(region.findMapping(base));
        assertEquals(1, copy.vmo().highPriorityCount());
    }

    @Test
    @Tag("V-275")
    void whatDiesIsNotCountedAnyMore() {
        VmAddressRegion top = child(region, 0, 32);
        VmAddressRegion inner = child(top, 0, 16);
        mapAt(inner, 0, RW, vmo, 0, 4);
        top.setMemoryPriority(HIGH);
        assertEquals("3 1", counts());
        region.unmap(base, 32 * PAGE);
        assertEquals("0 0", counts());
        region.setMemoryPriority(HIGH);
        mapAt(region, 0, RW, vmo, 0, 4);
        region.destroy();
        assertEquals("0 0", counts());
    }

    @Test
    @Tag("V-104")
    @Tag("V-275")
    void aMappingThatIsTakenBackIsNotCounted() {
        try (VmarFixture own = withTablesInFrames()) {
            VmAddressRegion high = highRegion(own);
            VmObject filled = own.vmo(1);
            fill(filled, 1);
            frames[0].failAt(1);
            assertThrows(
                    ZxException.class,
                    () -> mapAt(high, 0, RW.with(VmarFlags.MAP_RANGE), filled, 0, 1));
            own.root.checkInvariants();
            assertEquals(1, own.root.highPriorityCount());
            assertEquals(0, filled.highPriorityCount());
        }
    }

    @Test
    @Tag("V-275")
    void theCheckerCountsAgain() {
        VmAspace aspace = region.aspace();
        locked(aspace, () -> aspace.addPriority(HIGH));
        assertThrows(AssertionError.class, vm.root::checkInvariants);
        locked(aspace, () -> aspace.removePriority(HIGH));
        vm.root.checkInvariants();
    }

    private static void locked(VmAspace aspace, Runnable change) {
        long stamp = aspace.lock.writeLock();
        try {
            change.run();
        } finally {
            aspace.lock.unlockWrite(stamp);
        }
    }
}
