package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.RWX_SPECIFIC;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.MmuFlags;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class VmarMapsTest {
    private final VmarFixture vm = new VmarFixture();
    private VmAddressRegion region;
    private VmObject vmo;
    private long base;

    @BeforeEach
    void setUp() {
        region = vm.region(64);
        base = region.baseAddress();
        vmo = vm.vmo(64);
        vmo.setName("data");
    }

    @AfterEach
    void tearDown() {
        vm.close();
    }

    /// Entries as `depth type name page+pages`, pages counted from the region's base.
    private String text(List<MapEntry> entries) {
        return entries.stream()
                .map(e ->
                        "%d %s %s %d+%d%s\n"
                                .formatted(
                                        e.depth(),
                                        e.type(),
                                        e.name(),
                                        (e.baseAddress() - base) / PAGE,
                                        e.sizeBytes() / PAGE,
                                        e.type() == MapEntry.Type.MAPPING
                                                ? " "
                                                        + e.permissions()
                                                        + " @"
                                                        + e.vmoOffset() / PAGE
                                                : ""))
                .collect(Collectors.joining());
    }

    @Test
    @Tag("V-221")
    @Tag("V-226")
    @Tag("V-227")
    @Tag("V-228")
    @Tag("VMAR_MAPS:SmokeTest")
    @Tag("PROCESS_MAPS:SmokeTest")
    void theListingIsTheTreeInOrderOneEntryForEachRun() {
        mapAt(region, 0, RW, vmo, 0, 4);
        region.protect(R, base + PAGE, 2 * PAGE);
        VmAddressRegion inner = child(region, 8, 8);
        mapAt(child(inner, 2, 4), 1, R, vmo, 10, 2);
        mapAt(inner, 7, RW, vmo, 20, 1);
        mapAt(region, 20, VmarFlags.NONE, vmo, 30, 1);
        assertEquals(
                """
                0 VMAR useralloc 0+64
                1 MAPPING data 0+1 rw- @0
                1 MAPPING data 1+2 r-- @1
                1 MAPPING data 3+1 rw- @3
                1 VMAR useralloc 8+8
                2 VMAR useralloc 10+4
                3 MAPPING data 11+2 r-- @10
                2 MAPPING data 15+1 rw- @20
                1 MAPPING data 20+1 --- @30
                """,
                text(region.maps()));
    }

    @Test
    @Tag("V-267")
    @Tag("V-323")
    void aRefilledHoleShowsAsOneEntry() {
        mapAt(region, 0, RW, vmo, 0, 4);
        region.unmap(base + PAGE, PAGE);
        mapAt(region, 1, RW, vmo, 1, 1);
        assertEquals(
                """
                0 VMAR useralloc 0+64
                1 MAPPING data 0+4 rw- @0
                """,
                text(region.maps()));
    }

    @Test
    @Tag("V-222")
    @Tag("V-224")
    @Tag("V-6")
    @Tag("VMAR_MAPS:UnstartedSucceeds")
    @Tag("VMAR_MAPS:ProcessDestroyedFails")
    @Tag("PROCESS_MAPS:UnstartedSucceeds")
    @Tag("PROCESS_MAPS:OnSelfFails")
    void aProcessListingStartsWithAddressSpaceAndRoot() {
        VmAddressRegion root = VmAddressRegion.newRoot(vm.machine);
        assertEquals(1, root.maps().size());
        List<MapEntry> entries = root.processMaps(4711);
        assertEquals(2, entries.size());
        assertEquals("proc:4711", entries.get(0).name());
        assertEquals(MapEntry.Type.ASPACE, entries.get(0).type());
        assertEquals(0, entries.get(0).depth());
        assertEquals("root", entries.get(1).name());
        assertEquals(MapEntry.Type.VMAR, entries.get(1).type());
        assertEquals(1, entries.get(1).depth());
        root.allocate(RWX_SPECIFIC, 0, PAGE);
        assertEquals(2, root.processMaps(1).get(2).depth());
        root.destroyAddressSpace();
        refuses(BAD_STATE, "V-222", () -> root.processMaps(1));
        refuses(BAD_STATE, "V-221", root::maps);
    }

    @Test
    @Tag("V-5")
    void typesHaveZirconsNumbers() {
        assertEquals(0, MapEntry.Type.NONE.ordinal());
        assertEquals(1, MapEntry.Type.ASPACE.ordinal());
        assertEquals(2, MapEntry.Type.VMAR.ordinal());
        assertEquals(3, MapEntry.Type.MAPPING.ordinal());
    }

    @Test
    @Tag("V-221")
    @Tag("V-27")
    void aDeadRegionHasNoListing() {
        region.destroy();
        refuses(BAD_STATE, "V-221", region::maps);
    }

    @Test
    @Tag("V-225")
    @Tag("V-230")
    @Tag("V-270")
    void entriesTellWhatIsCommitted() {
        mapAt(region, 0, RW, vmo, 0, 8);
        vmo.commit(4 * PAGE, 8 * PAGE);
        MapEntry entry = region.maps().get(1);
        assertEquals(4 * PAGE, entry.committedBytes());
        assertEquals(4 * PAGE, entry.populatedBytes());
        assertEquals(4 * PAGE, entry.privateBytes());
        assertEquals(4 * PAGE, entry.scaledBytes());
        assertEquals(vmo.koid(), entry.vmoKoid());
        vmo.decommit(4 * PAGE, 8 * PAGE);
        assertEquals(0, region.maps().get(1).committedBytes());
    }

    @Test
    @Tag("V-226")
    void theNameIsThatOfTheMomentOfTheQuery() {
        mapAt(region, 0, RW, vmo, 0, 1);
        vmo.setName("other");
        assertEquals("other", region.maps().get(1).name());
    }

    @Test
    void taskStatsCountMappingsAndPagesBySharing() {
        mapAt(region, 0, RW, vmo, 0, 1);
        mapAt(region, 2, RW, vmo, 10, 4);
        vmo.commit(0, PAGE);
        vmo.commit(10 * PAGE, 2 * PAGE);
        assertEquals(new TaskStats(5 * PAGE, 3 * PAGE, 0, 0), vm.root.taskStats());
        VmAddressRegion other = VmAddressRegion.newRoot(vm.machine);
        other.map(R, 0, vmo, 0, PAGE);
        assertEquals(new TaskStats(5 * PAGE, 0, 3 * PAGE, 3 * PAGE / 2), vm.root.taskStats());
        other.destroyAddressSpace();
        refuses(BAD_STATE, "V-31", other::taskStats);
        assertEquals(new TaskStats(5 * PAGE, 3 * PAGE, 0, 0), vm.root.taskStats());
    }

    @Test
    void taskStatsOfAShrunkObjectCountWhatIsLeft() {
        VmObject resizable = vm.closing(VmObject.create(vm.machine, 4 * PAGE, VmoOption.RESIZABLE));
        mapAt(region, 0, RW, resizable, 0, 4);
        resizable.commit(0, 4 * PAGE);
        resizable.setSize(PAGE);
        assertEquals(new TaskStats(4 * PAGE, PAGE, 0, 0), vm.root.taskStats());
    }

    @Test
    @Tag("V-228")
    @Tag("VMAR_MAPS:SmokeTest")
    void aReaderCanRebuildTheTreeFromTheDepths() {
        VmAddressRegion at = region;
        for (int depth = 0; depth < 5; depth++) {
            mapAt(at, 0, RW, vmo, depth, 1);
            at = child(at, 2, at.sizeBytes() / PAGE - 4);
        }
        int last = -1;
        for (MapEntry entry : vm.root.maps()) {
            int depth = entry.depth();
            assertEquals(true, depth <= last + 1);
            last = depth;
        }
        assertEquals(MmuFlags.NONE, vm.root.maps().getFirst().permissions());
    }
}
