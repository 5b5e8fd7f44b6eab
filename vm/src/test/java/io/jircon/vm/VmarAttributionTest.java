package io.jircon.vm;

import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// How many pages a listing says that the mappings of a region have.
class VmarAttributionTest {
    private final VmarFixture vm = new VmarFixture();
    private VmAddressRegion region;
    private long base;

    @BeforeEach
    void setUp() {
        region = vm.region(32);
        base = region.baseAddress();
    }

    @AfterEach
    void tearDown() {
        vm.close();
    }

    private static long pagesOf(VmObject vmo) {
        return vmo.attribution(0, vmo.sizeBytes()).populatedBytes / PAGE;
    }

    /// Each mapping below a region as `first+count has committed`, in pages.
    private String mapped(VmAddressRegion top) {
        var text = new StringBuilder();
        for (MapEntry entry : top.maps()) {
            if (entry.type() == MapEntry.Type.MAPPING) {
                text.append((entry.baseAddress() - base) / PAGE)
                        .append('+')
                        .append(entry.sizeBytes() / PAGE)
                        .append(" has ")
                        .append(entry.committedBytes() / PAGE)
                        .append(' ');
            }
        }
        return text.toString();
    }

    @Test
    @Tag("aspace_unittest.cc:vmaspace_nested_attribution_test")
    @Tag("V-230")
    void eachRegionAroundAMappingListsItsPages() {
        VmAddressRegion outer = child(region, 0, 8);
        VmAddressRegion inner = child(outer, 0, 4);
        VmObject vmo = vm.vmo(2);
        mapAt(inner, 0, RW, vmo, 0, 2);
        vmo.commit(0, 2 * PAGE);
        for (VmAddressRegion top : List.of(vm.root, region, outer, inner)) {
            assertEquals("0+2 has 2 ", mapped(top));
        }
        assertEquals(2 * PAGE, vm.root.taskStats().privateBytes());
    }

    @Test
    @Tag("aspace_unittest.cc:vm_mapping_attribution_commit_decommit_test")
    @Tag("V-230")
    void aMappingHasThePagesOfItsPartOfTheObject() {
        VmObject vmo = vm.vmo(16);
        mapAt(region, 0, RW, vmo, 0, 8);
        vmo.commit(4 * PAGE, 8 * PAGE);
        assertEquals("0+8 has 4 ", mapped(region));
        assertEquals(8, pagesOf(vmo));
        vmo.decommit(4 * PAGE, 8 * PAGE);
        assertEquals("0+8 has 0 ", mapped(region));
        assertEquals(0, pagesOf(vmo));
        vmo.commit(0, 10 * PAGE);
        assertEquals("0+8 has 8 ", mapped(region));
        assertEquals(10, pagesOf(vmo));
        region.opRange(VmarOp.DECOMMIT, base, 8 * PAGE);
        assertEquals("0+8 has 0 ", mapped(region));
        assertEquals(2, pagesOf(vmo));
        region.unmap(base, 8 * PAGE);
        assertEquals("", mapped(region));
        assertEquals(2, pagesOf(vmo));
    }

    @Test
    @Tag("aspace_unittest.cc:vm_mapping_attribution_map_unmap_test")
    @Tag("V-230")
    void aCutMappingHasThePagesThatAreLeft() {
        VmObject vmo = vm.vmo(8);
        mapAt(region, 0, RW, vmo, 0, 8);
        region.opRange(VmarOp.COMMIT, base, 8 * PAGE);
        assertEquals("0+8 has 8 ", mapped(region));
        region.unmap(base + 7 * PAGE, PAGE);
        assertEquals("0+7 has 7 ", mapped(region));
        region.unmap(base + 4 * PAGE, PAGE);
        assertEquals("0+4 has 4 5+2 has 2 ", mapped(region));
        region.unmap(base, PAGE);
        assertEquals("1+3 has 3 5+2 has 2 ", mapped(region));
        assertEquals(8, pagesOf(vmo));
    }

    @Test
    @Tag("aspace_unittest.cc:vm_mapping_attribution_merge_test")
    @Tag("V-270")
    void aMergedMappingHasThePagesOfBoth() {
        VmObject vmo = vm.vmo(16);
        vmo.commit(2 * PAGE, 4 * PAGE);
        vmo.commit(9 * PAGE, 5 * PAGE);
        mapAt(region, 0, RW, vmo, 0, 4);
        mapAt(region, 8, RW, vmo, 8, 4);
        assertEquals("0+4 has 2 8+4 has 3 ", mapped(region));
        mapAt(region, 12, RW, vmo, 12, 4);
        assertEquals("0+4 has 2 8+8 has 5 ", mapped(region));
        mapAt(region, 4, RW, vmo, 4, 4);
        assertEquals("0+16 has 9 ", mapped(region));
        assertEquals(9, pagesOf(vmo));
    }
}
