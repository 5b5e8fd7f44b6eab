package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.NO_MEMORY;
import static io.jircon.vm.VmarFixture.OVERWRITE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.SPECIFIC;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.MmuFlags;
import io.jircon.hal.PagingError;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class VmarMergeTest {
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

    /// The sizes in pages of the mappings and regions among the direct children.
    private String children() {
        vm.root.checkInvariants();
        var text = new StringBuilder();
        for (RegionNode node = region.children().first();
                node != null;
                node = RegionTree.next(node)) {
            text.append(node instanceof RegionSlot ? "r" : "m").append(node.lengthBytes() / PAGE);
            text.append(' ');
        }
        return text.toString();
    }

    private void mapWithMax(long page, long vmoPage, MmuFlags max) {
        region.map(R.with(SPECIFIC), page * PAGE, vmo, vmoPage * PAGE, PAGE, max);
    }

    @Test
    @Tag("V-262")
    @Tag("V-263")
    @Tag("V-268")
    void neighboursThatContinueEachOtherBecomeOne() {
        mapAt(region, 0, RW, vmo, 0, 1);
        assertEquals("m1 ", children());
        mapAt(region, 1, RW, vmo, 1, 1);
        assertEquals("m2 ", children());
        mapAt(region, 3, RW, vmo, 3, 1);
        assertEquals("m2 m1 ", children());
        mapAt(region, 2, RW, vmo, 2, 1);
        assertEquals("m4 ", children());
        assertEquals(1, vmo.mappingCount());
    }

    @Test
    @Tag("V-267")
    @Tag("V-323")
    @Tag("V-261")
    void fillingTheHoleOfASplitGivesOneMappingAgain() {
        mapAt(region, 0, RW, vmo, 0, 4);
        region.unmap(base + PAGE, PAGE);
        assertEquals("m1 m2 ", children());
        assertEquals(2, vmo.mappingCount());
        mapAt(region, 1, R, vmo, 1, 1);
        assertEquals("m4 ", children());
        assertEquals(1, vmo.mappingCount());
    }

    @Test
    @Tag("V-264")
    void permissionsAreKeptByRange() {
        mapAt(region, 0, RW, vmo, 0, 2);
        mapAt(region, 2, R, vmo, 2, 2);
        assertEquals("m4 ", children());
        MappingNode mapping = (MappingNode) Objects.requireNonNull(region.findMapping(base));
        assertEquals(2, mapping.permissions().count());
        assertEquals(MmuFlags.R, mapping.permissionsAt(base + 2 * PAGE));
        mapAt(region, 4, R, vmo, 4, 2);
        assertEquals(2, mapping.permissions().count());
    }

    @Test
    @Tag("V-117")
    void aMapThatFailsHasNotMergedWithItsNeighbours() {
        var tables = new FailingTables(VmarFixture.newHal(UnaryOperator.identity()));
        try (var failing = new VmarFixture(tables)) {
            VmAddressRegion place = failing.region(8);
            VmObject object = failing.vmo(8);
            object.commit(0, 8 * PAGE);
            long at = mapAt(place, 0, RW, object, 0, 2);
            mapAt(place, 3, RW, object, 3, 2);
            VmarFlags eager = RW.with(VmarFlags.MAP_RANGE);
            tables.failAt(1, PagingError.NO_MEMORY, FailingTables.Lasting.FROM_THEN_ON);
            refuses(NO_MEMORY, "V-104", () -> mapAt(place, 2, eager, object, 2, 1));
            tables.disarm();
            assertEquals(2, object.mappingCount());
            assertEquals(2 * PAGE, failing.root.findMapping(at).sizeBytes());
            failing.root.checkInvariants();
            mapAt(place, 2, eager, object, 2, 1);
            assertEquals(1, object.mappingCount());
            assertEquals(5 * PAGE, failing.root.findMapping(at).sizeBytes());
        }
    }

    @Test
    @Tag("V-263")
    void placementOptionsDoNotMatter() {
        mapAt(region, 0, RW, vmo, 0, 1);
        region.map(RW, 0, vmo, PAGE, PAGE);
        region.map(RW.with(OVERWRITE), 2 * PAGE, vmo, 2 * PAGE, PAGE);
        assertEquals("m3 ", children());
    }

    @Test
    @Tag("V-263")
    @Tag("V-266")
    void differentMaximaBlock() {
        mapWithMax(0, 0, MmuFlags.R);
        mapWithMax(1, 1, MmuFlags.RW);
        mapWithMax(2, 2, MmuFlags.RW);
        assertEquals("m1 m2 ", children());
    }

    @Test
    @Tag("V-266")
    void anAddressGapAnOffsetJumpOrAnotherObjectBlocks() {
        mapAt(region, 0, RW, vmo, 0, 1);
        mapAt(region, 2, RW, vmo, 1, 1);
        mapAt(region, 10, RW, vmo, 10, 1);
        mapAt(region, 11, RW, vmo, 12, 1);
        mapAt(region, 20, RW, vm.vmo(64), 20, 1);
        mapAt(region, 21, RW, vmo, 21, 1);
        assertEquals("m1 m1 m1 m1 m1 m1 ", children());
    }

    @Test
    @Tag("V-266")
    void aSubRegionBetweenOrAroundOneBlocks() {
        mapAt(region, 0, RW, vmo, 0, 1);
        VmAddressRegion inner = child(region, 1, 1);
        mapAt(inner, 0, RW, vmo, 1, 1);
        mapAt(region, 2, RW, vmo, 2, 1);
        assertEquals("m1 r1 m1 ", children());
        assertEquals(3, vmo.mappingCount());
    }

    @Test
    @Tag("V-262")
    void unmapAndProtectDoNotMerge() {
        mapAt(region, 0, RW, vmo, 0, 2);
        mapAt(region, 2, RW, vm.vmo(8), 2, 1);
        mapAt(region, 3, RW, vmo, 3, 2);
        region.unmap(base + 2 * PAGE, PAGE);
        region.protect(R, base, PAGE);
        assertEquals("m2 m2 ", children());
    }

    @Test
    @Tag("V-268")
    void aMergeChangesNoEntry() {
        mapAt(region, 0, RW, vmo, 0, 1);
        mapAt(region, 2, RW, vmo, 2, 1);
        vm.poke(base, 1);
        vm.poke(base + 2 * PAGE, 3);
        mapAt(region, 1, RW, vmo, 1, 1);
        assertEquals("101", vm.entries(base, 3));
        assertEquals(1, vm.peek(base));
        assertEquals(3, vm.peek(base + 2 * PAGE));
    }

    @Test
    @Tag("V-268")
    void theObjectThatWasSwallowedIsDead() {
        mapAt(region, 1, RW, vmo, 1, 1);
        VmMapping high = Objects.requireNonNull(region.findMapping(base + PAGE));
        mapAt(region, 0, RW, vmo, 0, 1);
        assertFalse(high.isAlive());
        VmMapping merged = Objects.requireNonNull(region.findMapping(base + PAGE));
        assertTrue(merged.isAlive());
        assertEquals(2 * PAGE, merged.sizeBytes());
        assertEquals(0, merged.vmoOffset());
    }
}
