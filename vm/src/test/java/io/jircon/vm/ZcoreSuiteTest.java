package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.PageTableTrait;
import io.jircon.kobject.ZxStatus;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What zCore's own tests try of regions and memory objects, and the defects that its memory
/// objects had, where no other test here does. Statuses are Zircon's, where zCore's differ.
class ZcoreSuiteTest extends VmoMappedFixture {
    private static final VmarFlags AT = VmarFlags.CAN_MAP_RWX.with(VmarFlags.SPECIFIC);
    private static final VmarFlags RW_AT = VmarFlags.READ_WRITE.with(VmarFlags.SPECIFIC);

    private final VmAddressRegion region =
            root.allocate(VmarFlags.CAN_MAP_RWX.with(VmarFlags.CAN_MAP_SPECIFIC), 0, 64 * PAGE);
    private final long base = region.baseAddress();

    private VmAddressRegion child(VmAddressRegion of, long page, long pages) {
        return of.allocate(AT.with(VmarFlags.CAN_MAP_SPECIFIC), page * PAGE, pages * PAGE);
    }

    // ---- regions

    @Test
    @Tag("zcore/vmar:create_child")
    void aChildLiesInFreePagesOfItsParent() {
        child(region, 1, 3);
        refused(ZxStatus.INVALID_ARGS, () -> region.allocate(AT, 1, PAGE));
        refused(ZxStatus.ALREADY_EXISTS, () -> child(region, 2, 1));
        refused(ZxStatus.INVALID_ARGS, () -> child(region, 0, 65));
        refused(ZxStatus.INVALID_ARGS, () -> child(region, 63, 2));
        assertEquals(base + 4 * PAGE, child(region, 4, 60).baseAddress());
    }

    @Test
    @Tag("zcore/vmar:map")
    void aStoreThroughOneMappingIsLoadedThroughAnother() {
        VmObject vmo = paged(4);
        long one = region.map(RW_AT, 0, vmo, 0, 4 * PAGE);
        long two = region.map(RW_AT, 12 * PAGE, vmo, 0, PAGE);
        long three = region.map(RW_AT, 14 * PAGE, vmo, PAGE, 3 * PAGE);
        memory.writeInt(one, 1234);
        assertEquals(1234, memory.readInt(two));
        memory.writeInt(one + PAGE, 4321);
        assertEquals(4321, memory.readInt(three));
        refused(ZxStatus.INVALID_ARGS, () -> region.map(RW_AT, 20 * PAGE, vmo, 1, PAGE));
    }

    @Test
    @Tag("zcore/vmar:unmap_vmar")
    void anUnmapTakesTheRegionsThatItCoversAndCutsNone() {
        VmAddressRegion parent = child(region, 0, 8);
        VmAddressRegion low = child(parent, 0, 4);
        VmAddressRegion high = child(parent, 4, 2);
        refused(ZxStatus.INVALID_ARGS, () -> parent.unmap(base + 2 * PAGE, 4 * PAGE));
        assertTrue(low.isAlive());
        parent.unmap(base, 4 * PAGE);
        assertFalse(low.isAlive());
        assertTrue(high.isAlive());
        refused(ZxStatus.INVALID_ARGS, () -> parent.unmap(base + 8 * PAGE, PAGE));
    }

    @Test
    @Tag("zcore/vmar:destroy")
    void destroyTakesWhatIsBelowAndFreesThePlace() {
        VmAddressRegion parent = child(region, 0, 8);
        VmAddressRegion sibling = child(region, 8, 8);
        VmAddressRegion below = child(child(parent, 0, 4), 0, 2);
        parent.destroy();
        assertFalse(below.isAlive());
        assertTrue(sibling.isAlive());
        assertTrue(child(region, 0, 8).isAlive());
    }

    @Test
    @Tag("zcore/vmar:unmap_mapping")
    void cutsLeaveThePiecesThatTheyShould() {
        // First page and pages of the cut, then what is left: first page and pages of each piece.
        long[][] cuts = {
            {5, 3, 0, 5},
            {1, 2, 0, 1, 3, 2},
            {0, 2, 2, 3},
            {3, 2, 0, 3},
            {0, 5},
            {0, 9},
            {2, 9, 0, 2}
        };
        for (long[] cut : cuts) {
            VmObject vmo = written(5);
            region.map(RW_AT, 0, vmo, 0, 5 * PAGE);
            region.unmap(base + cut[0] * PAGE, cut[1] * PAGE);
            var pieces = region.maps().stream().skip(1).toList();
            assertEquals((cut.length - 2) / 2, pieces.size());
            for (int i = 0; i < pieces.size(); i++) {
                long first = cut[2 + 2 * i];
                assertEquals(base + first * PAGE, pieces.get(i).baseAddress());
                assertEquals(cut[3 + 2 * i] * PAGE, pieces.get(i).sizeBytes());
                assertEquals(first + 1, peek(base, first));
            }
            region.unmap(base, 5 * PAGE);
            vmo.close();
        }
    }

    @Test
    @Tag("zcore/vmar:copy_on_write_update_mapping")
    void aWriteToTheOriginalMovesItsMappingToAFrameOfItsOwn() {
        VmObject vmo = written(1);
        long one = mapWritable(vmo);
        VmObject copy = snapshot(vmo, 0, 1);
        long two = mapWritable(copy);
        assertEquals(List.of(1, 1), List.of(peek(one, 0), peek(two, 0)));
        PageTableTrait table = root.pageTable();
        assertEquals(table.translate(one), table.translate(two));
        put(vmo, 0, 2);
        assertEquals(List.of(2, 1), List.of(peek(one, 0), peek(two, 0)));
        assertNotEquals(table.translate(one), table.translate(two));
    }

    // ---- defects of memory objects

    @Test
    @Tag("zcore-O1")
    void aSliceReachesToItsEnd() {
        VmObject vmo = written(3);
        VmObject window = slice(vmo, 1, 2);
        window.write(2 * PAGE - 2, new byte[] {7, 8});
        assertArrayEquals(new byte[] {7, 8}, window.read(2 * PAGE - 2, 2));
        window.zero(PAGE, PAGE);
        assertPages(vmo, 1, 2, 0);
    }

    @Test
    @Tag("zcore-O2")
    @Tag("zcore-O3")
    void aMappedSliceShowsItsOwnPagesEagerlyAndByFaults() {
        VmObject window = slice(written(4), 2, 2);
        VmarFlags eager = VmarFlags.READ_WRITE.with(VmarFlags.MAP_RANGE);
        for (long at : new long[] {map(eager, window, 2), map(VmarFlags.READ_WRITE, window, 2)}) {
            assertEquals(List.of(3, 4), List.of(peek(at, 0), peek(at, 1)));
        }
        assertEquals(2, window.info().mappingCount());
        refused(ZxStatus.UNAVAILABLE, () -> window.setSize(PAGE));
        refused(ZxStatus.BAD_STATE, () -> window.setCachePolicy(CachePolicy.UNCACHED));
        assertEquals(CachePolicy.CACHED, window.cachePolicy());
    }

    @Test
    @Tag("zcore-O4")
    void noEntryOutlivesThePageThatItShowed() {
        PageTableTrait table = root.pageTable();
        List<java.util.function.Consumer<VmObject>> drops =
                List.of(
                        vmo -> vmo.decommit(0, PAGE),
                        vmo -> vmo.setSize(0),
                        vmo -> vmo.zero(0, PAGE));
        for (var drop : drops) {
            VmObject vmo = paged(1, VmoOption.RESIZABLE);
            long at = mapWritable(vmo);
            poke(at, 0, 9);
            long frame = table.translate(at);
            drop.accept(vmo);
            assertFalse(machine.frames().isAllocated(frame));
            assertEquals(PageTableTrait.NO_TRANSLATION, table.translate(at));
        }
    }

    @Test
    @Tag("zcore-O7")
    void pinningTakesThePagesThatAreMissing() {
        VmObject vmo = paged(2);
        try (PinnedPages pinned = vmo.pin(0, 2 * PAGE)) {
            assertEquals(2 * PAGE, vmo.info().committedBytes());
            assertTrue(machine.frames().isAllocated(pinned.address(1)));
        }
    }

    @Test
    @Tag("zcore-O8")
    @Tag("zcore-O14")
    void unmappedObjectsHaveNoMappings() {
        VmObject vmo = written(2);
        long at = mapWritable(vmo);
        long other = mapWritable(vmo);
        assertEquals(2, vmo.info().mappingCount());
        root.unmap(at, 2 * PAGE);
        assertEquals(1, vmo.info().mappingCount());
        root.unmap(other, 2 * PAGE);
        assertEquals(0, vmo.info().mappingCount());
        vmo.setCachePolicy(CachePolicy.UNCACHED);
    }

    @Test
    @Tag("zcore-O9")
    void aChildBehindItsParentIsResizedLikeAnyOther() {
        VmObject parent = written(1);
        VmObject behind = resizableSnapshot(parent, 5, 1);
        assertPages(behind, 0);
        behind.setSize(3 * PAGE);
        put(behind, 2, 1);
        behind.setSize(0);
        assertEquals(0, behind.info().committedBytes());
        assertPages(parent, 1);
    }
}
