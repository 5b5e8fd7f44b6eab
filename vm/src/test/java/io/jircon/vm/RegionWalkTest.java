package io.jircon.vm;

import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The order in which a region's contents are visited, as a whole and by ranges. A mapping is
/// written `m[a,b)` and a region `v[a,b)`, in pages from the base of the region under test.
class RegionWalkTest {
    private final VmarFixture vm = new VmarFixture();
    private final VmAddressRegion region = vm.region(1000);
    private final VmObject vmo = vm.vmo(1000);

    @AfterEach
    void tearDown() {
        vm.close();
    }

    private void map(VmAddressRegion parent, long from, long to) {
        long inParent = from - (parent.baseAddress() - region.baseAddress()) / PAGE;
        mapAt(parent, inParent, R, vmo, from, to - from);
    }

    private VmAddressRegion inner(VmAddressRegion parent, long from, long to) {
        long inParent = from - (parent.baseAddress() - region.baseAddress()) / PAGE;
        return child(parent, inParent, to - from);
    }

    private String text(RegionNode node) {
        long from = (node.first - region.baseAddress()) / PAGE;
        long to = (node.last + 1 - region.baseAddress()) / PAGE;
        return (node instanceof RegionSlot ? "v[" : "m[") + from + "," + to + ") ";
    }

    private String everything(VmAddressRegion top) {
        var text = new StringBuilder();
        var walk = new RegionWalk(top);
        for (RegionNode node = walk.next(); node != null; node = walk.next()) {
            text.append(walk.depth()).append(text(node));
        }
        return text.toString();
    }

    private String mappings(long from, long to) {
        long base = region.baseAddress();
        var text = new StringBuilder();
        var walk = new RegionWalk(region, base + from * PAGE, base + to * PAGE - 1);
        for (MappingNode node = walk.nextMapping(); node != null; node = walk.nextMapping()) {
            text.append(text(node));
        }
        return text.toString();
    }

    @Test
    @Tag("aspace_unittest.cc:address_region_enumerator_test")
    @Tag("V-221")
    void parentsComeBeforeChildrenAndLowBeforeHigh() {
        assertEquals("", everything(region));
        VmAddressRegion first = inner(region, 0, 7);
        map(first, 1, 2);
        VmAddressRegion deep = inner(first, 3, 6);
        map(deep, 4, 5);
        map(region, 7, 8);
        inner(region, 9, 10);
        assertEquals("1v[0,7) 2m[1,2) 2v[3,6) 3m[4,5) 1m[7,8) 1v[9,10) ", everything(region));
        assertEquals("1m[1,2) 1v[3,6) 2m[4,5) ", everything(first));
        assertEquals("m[1,2) m[4,5) m[7,8) ", mappings(0, 1000));
    }

    @Test
    @Tag("aspace_unittest.cc:address_region_enumerator_test")
    void aRangeVisitsTheMappingsThatHaveAByteInIt() {
        VmAddressRegion low = inner(region, 0, 6);
        map(low, 0, 2);
        mapAt(low, 2, RW, vm.vmo(2), 0, 2);
        map(region, 6, 7);
        assertEquals("m[2,4) m[6,7) ", mappings(3, 7));
        assertEquals("m[0,2) ", mappings(1, 2));
        assertEquals("", mappings(4, 6));
    }

    @Test
    @Tag("aspace_unittest.cc:address_region_enumerator_test")
    void aRangeInASubRegionFindsJustWhatIsThere() {
        VmAddressRegion all = inner(region, 0, 1000);
        for (int i = 0; i < 3; i++) {
            map(inner(all, i * 100, i * 100 + 100), i * 100 + 10, i * 100 + 20);
        }
        assertEquals("m[10,20) ", mappings(10, 15));
        assertEquals("m[110,120) ", mappings(110, 115));
        assertEquals("m[210,220) ", mappings(210, 215));
        assertEquals("m[110,120) ", mappings(105, 120));
        assertEquals("", mappings(20, 110));
    }
}
