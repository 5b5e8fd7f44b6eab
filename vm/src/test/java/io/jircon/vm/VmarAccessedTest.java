package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NO_MEMORY;
import static io.jircon.kobject.ZxStatus.OK;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.jircon.hal.UnusedTables;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Which pages were accessed, asked through regions of machines whose processors note that.
@Tag("V-289")
@Timeout(120)
class VmarAccessedTest {
    private static final UnusedTables KEEP = UnusedTables.KEEP;
    private static final UnusedTables FREE = UnusedTables.FREE;

    /// Pages of a page table.
    private static final int TABLE = 512;

    private FailingFrames frames;
    private final VmarFixture vm = VmarFixture.tracking(inner -> frames = new FailingFrames(inner));
    private final UserMemory memory = new UserMemory(vm.root, vm.hal.newMmu());

    @AfterEach
    void tearDown() {
        memory.close();
        vm.close();
    }

    private void nothing(long vaddr, VmObject vmo, long vmoOffset, long pageCount) {
        throw new AssertionError("nothing was to be told");
    }

    /// What a harvest tells, each run as `page+count of vmo page`.
    private static String harvest(
            VmAddressRegion region, UnusedTables unused, long page, long pages) {
        List<String> told = new ArrayList<>();
        region.harvestAccessed(
                unused,
                region.baseAddress() + page * PAGE,
                pages * PAGE,
                (vaddr, vmo, offset, count) ->
                        told.add(
                                "%d+%d of %s %d"
                                        .formatted(
                                                (vaddr - region.baseAddress()) / PAGE,
                                                count,
                                                vmo.name(),
                                                offset / PAGE)));
        return String.join(", ", told);
    }

    private static String harvest(VmAddressRegion region, UnusedTables unused) {
        return harvest(region, unused, 0, region.sizeBytes() / PAGE);
    }

    private VmObject named(String name, long pages) {
        VmObject vmo = vm.vmo(pages);
        vmo.setName(name);
        return vmo;
    }

    /// A region that begins where a page table does.
    private VmAddressRegion tables(long tables) {
        return vm.root.allocate(
                VmarFixture.RWX_SPECIFIC.with(VmarFlags.align(21)), 0, tables * TABLE * PAGE);
    }

    private void touch(VmAddressRegion region, long... pages) {
        for (long page : pages) {
            memory.readByte(region.baseAddress() + page * PAGE);
        }
    }

    @Test
    @Tag("aspace_unittest.cc:vmaspace_accessed_test_untagged")
    void accessedPagesAreToldOnceByObjectAndOffset() {
        VmAddressRegion region = vm.region(32);
        mapAt(region, 2, RW, named("low", 16), 3, 6);
        mapAt(child(region, 10, 8), 2, R, named("high", 16), 0, 4);
        assertEquals("", harvest(region, KEEP));
        touch(region, 7, 2, 3, 12, 13, 15);
        assertEquals(
                "2+2 of low 3, 7+1 of low 8, 12+2 of high 0, 15+1 of high 3",
                harvest(region, KEEP));
        assertEquals("", harvest(region, KEEP));
        touch(region, 3, 12);
        assertEquals("12+1 of high 0", harvest(region, KEEP, 4, 20));
        assertEquals("3+1 of low 4", harvest(region, KEEP));
    }

    @Test
    void neighboursAreToldApart() {
        VmAddressRegion region = vm.region(8);
        mapAt(region, 0, RW, named("low", 4), 0, 4);
        mapAt(region, 4, RW, named("high", 4), 0, 4);
        touch(region, 3, 4, 5);
        assertEquals("3+1 of low 3, 4+2 of high 0", harvest(region, KEEP));
        touch(region, 3, 4, 5);
        assertEquals("3+1 of low 3, 4+1 of high 0", harvest(region, KEEP, 3, 2));
        assertEquals("5+1 of high 1", harvest(region, KEEP));
    }

    @Test
    @Tag("V-190")
    void enteringPagesIsNoAccess() {
        VmAddressRegion region = vm.region(8);
        VmObject vmo = named("vmo", 8);
        long at = mapAt(region, 0, RW, vmo, 0, 8);
        vmo.commit(0, 8 * PAGE);
        region.opRange(VmarOp.MAP_RANGE, at, 8 * PAGE);
        assertEquals(OK, vm.write(at + 3 * PAGE));
        assertEquals("11111111", vm.entries(at, 8));
        assertEquals("", harvest(region, KEEP));
        touch(region, 5);
        region.opRange(VmarOp.MAP_RANGE, at, 8 * PAGE);
        assertEquals("5+1 of vmo 5", harvest(region, KEEP));
        region.opRange(VmarOp.MAP_RANGE, at, 8 * PAGE);
        assertEquals("", harvest(region, KEEP));
    }

    @Test
    void aRefusedHarvestForgetsNothing() {
        VmAddressRegion region = vm.region(8);
        mapAt(region, 0, RW, named("vmo", 8), 0, 8);
        long at = region.baseAddress();
        touch(region, 0, 7);
        refuses(INVALID_ARGS, "V-289", () -> region.harvestAccessed(FREE, at, 0, this::nothing));
        refuses(
                INVALID_ARGS,
                "V-289",
                () -> region.harvestAccessed(FREE, at + 1, PAGE, this::nothing));
        refuses(
                OUT_OF_RANGE,
                "V-289",
                () -> region.harvestAccessed(FREE, at - PAGE, 2 * PAGE, this::nothing));
        refuses(
                OUT_OF_RANGE,
                "V-289",
                () -> region.harvestAccessed(FREE, at + PAGE, 8 * PAGE, this::nothing));
        assertEquals("0+1 of vmo 0, 7+1 of vmo 7", harvest(region, KEEP));
    }

    @Test
    void aDeadRegionIsBadState() {
        VmAddressRegion region = vm.region(8);
        long at = region.baseAddress();
        region.destroy();
        refuses(
                INVALID_ARGS,
                "V-289",
                () -> region.harvestAccessed(FREE, at + 1, PAGE, this::nothing));
        refuses(
                OUT_OF_RANGE,
                "V-289",
                () -> region.harvestAccessed(FREE, at, 9 * PAGE, this::nothing));
        refuses(BAD_STATE, "V-289", () -> region.harvestAccessed(FREE, at, PAGE, this::nothing));
    }

    @Test
    void aLengthIsRoundedUpToPages() {
        VmAddressRegion region = vm.region(4);
        mapAt(region, 0, RW, vm.vmo(4), 0, 4);
        touch(region, 0, 1, 2);
        List<Long> told = new ArrayList<>();
        region.harvestAccessed(
                KEEP, region.baseAddress(), PAGE + 1, (at, vmo, offset, count) -> told.add(count));
        assertEquals(List.of(2L), told);
    }

    /// More than one part, with the receiver called between them and nothing held.
    @Test
    void whoeverIsToldMayChangeTheAddressSpace() {
        VmAddressRegion region = tables(100);
        mapAt(region, 0, RW, named("low", TABLE), 0, TABLE);
        mapAt(region, 90 * TABLE, RW, named("high", TABLE), 0, TABLE);
        touch(region, 1, 90 * TABLE + 2);
        assertEquals("1+1 of low 1, 46082+1 of high 2", harvest(region, KEEP));
        touch(region, 1, 90 * TABLE + 2);
        List<Long> told = new ArrayList<>();
        refuses(
                BAD_STATE,
                "V-289",
                () ->
                        region.harvestAccessed(
                                KEEP,
                                region.baseAddress(),
                                region.sizeBytes(),
                                (at, vmo, offset, count) -> {
                                    told.add(offset);
                                    region.destroy();
                                }));
        assertEquals(List.of(PAGE), told);
    }

    /// A mapping that begins and ends inside of page tables, in a range longer than one part.
    @Test
    void aLongMappingIsHarvestedWhole() {
        VmAddressRegion region = tables(100);
        VmObject vmo = named("vmo", 100 * TABLE);
        mapAt(region, 7, RW, vmo, 0, 99 * TABLE);
        // A part reaches 64 MiB and to the end of the table there: here to page 33 * TABLE.
        long middle = 32 * TABLE + 7;
        long border = 33 * TABLE;
        touch(region, 7, middle - 1, middle, border - 1, border, 99 * TABLE + 6);
        assertEquals(
                "7+1 of vmo 0, 16390+2 of vmo 16383, 16895+1 of vmo 16888, "
                        + "16896+1 of vmo 16889, 50694+1 of vmo 50687",
                harvest(region, FREE));
        assertEquals("", harvest(region, FREE));
        for (long page : new long[] {7, middle, border, 99 * TABLE + 6}) {
            assertEquals("0", vm.entries(region.baseAddress() + page * PAGE, 1));
        }
    }

    @Test
    @Tag("aspace_unittest.cc:vmaspace_free_unaccessed_page_tables_test")
    void unusedPageTablesAreFreedByTheSecondHarvestThatFrees() {
        VmAddressRegion region = tables(3);
        VmObject vmo = named("vmo", 3 * TABLE);
        long at = mapAt(region, 0, RW, vmo, 0, 3 * TABLE) + (TABLE + TABLE / 2) * PAGE;
        long tables = vm.root.pageTable().tableFrames();
        memory.writeByte(at, (byte) 42);
        long used = vm.root.pageTable().tableFrames();
        assertEquals("768+1 of vmo 768", harvest(region, FREE));
        assertEquals("1", vm.entries(at, 1));
        memory.readByte(at);
        assertEquals("768+1 of vmo 768", harvest(region, FREE));
        assertEquals("1", vm.entries(at, 1), "was accessed");
        assertEquals(used, vm.root.pageTable().tableFrames());
        assertEquals("", harvest(region, FREE));
        assertEquals("0", vm.entries(at, 1));
        assertEquals(tables, vm.root.pageTable().tableFrames());

        assertEquals(42, memory.readByte(at));
        assertEquals("768+1 of vmo 768", harvest(region, KEEP));
        for (int round = 0; round < 3; round++) {
            assertEquals("", harvest(region, KEEP));
        }
        assertEquals("", harvest(region, FREE));
        assertEquals("1", vm.entries(at, 1), "behind harvests that keep");
        assertEquals("", harvest(region, FREE));
        assertEquals("0", vm.entries(at, 1));
    }

    @Test
    void pagesStayWhereTheirTableIsFreed() {
        VmAddressRegion region = tables(1);
        VmObject vmo = named("vmo", 4);
        long at = mapAt(region, 0, RW, vmo, 0, 4);
        for (int page = 0; page < 4; page++) {
            memory.writeByte(at + page * PAGE, (byte) (page + 1));
        }
        var before = region.maps();
        var stats = region.taskStats();
        long free = vm.hal.frames().freeFrames();
        long tables = vm.root.pageTable().tableFrames();
        harvest(region, FREE);
        harvest(region, FREE);
        assertEquals("0000", vm.entries(at, 4));
        assertEquals(before, region.maps());
        assertEquals(stats, region.taskStats());
        assertEquals(
                free - vm.hal.frames().freeFrames(),
                vm.root.pageTable().tableFrames() - tables,
                "all that is given back are tables");
        vm.root.checkInvariants();
        region.protect(R, at, 2 * PAGE);
        vmo.decommit(PAGE, PAGE);
        region.unmap(at + 3 * PAGE, PAGE);
        assertEquals(1, memory.readByte(at));
        assertEquals(0, memory.readByte(at + PAGE));
        assertEquals(3, memory.readByte(at + 2 * PAGE));
    }

    @Test
    @Tag("V-274")
    void whatIsWantedDearlyKeepsItsTables() {
        VmAddressRegion region = tables(1);
        long at = mapAt(region, 0, RW, named("vmo", 4), 0, 4);
        touch(region, 1);
        VmAddressRegion other = vm.region(1);
        other.setMemoryPriority(MemoryPriority.HIGH);
        assertEquals("1+1 of vmo 1", harvest(region, FREE));
        harvest(region, FREE);
        harvest(region, FREE);
        assertEquals("1", vm.entries(at + PAGE, 1));
        other.setMemoryPriority(MemoryPriority.DEFAULT);
        harvest(region, FREE);
        harvest(region, FREE);
        assertEquals("0", vm.entries(at + PAGE, 1));
    }

    @Test
    void aHarvestNeedsNoFramesAndWhatItFreedFaultsBackInWhenThereAreSome() {
        VmAddressRegion region = tables(2);
        long at = mapAt(region, 0, RW, named("vmo", 2 * TABLE), 0, 2 * TABLE);
        memory.writeByte(at + PAGE, (byte) 7);
        frames.failAt(1);
        harvest(region, FREE);
        harvest(region, FREE);
        assertFalse(frames.disarm(), "a frame was asked for");
        assertEquals("0", vm.entries(at + PAGE, 1));
        boolean fails = true;
        for (int k = 1; fails; k++) {
            long free = vm.hal.frames().freeFrames();
            frames.failAt(k);
            var status = vm.read(at + PAGE);
            fails = frames.disarm();
            assertEquals(fails ? NO_MEMORY : OK, status);
            if (fails) {
                assertEquals(free, vm.hal.frames().freeFrames());
                assertEquals("", harvest(region, FREE));
            }
        }
        assertEquals(7, memory.readByte(at + PAGE));
    }

    /// Faults put back what harvests take out, and nobody sees anything but what was written last.
    @Test
    @Tag("V-278")
    void accessesGoOnBesideHarvestsThatFree() throws Exception {
        VmAddressRegion region = tables(2);
        long base = mapAt(region, 0, RW, named("vmo", 2 * TABLE), 0, 2 * TABLE);
        var stop = new AtomicBoolean();
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            List<Future<?>> writers = new ArrayList<>();
            for (int thread = 0; thread < 2; thread++) {
                long first = base + thread * PAGE;
                writers.add(threads.submit(() -> writeAndRead(first, stop)));
            }
            try {
                for (int round = 0; round < 2000; round++) {
                    region.harvestAccessed(
                            FREE,
                            region.baseAddress(),
                            region.sizeBytes(),
                            (vaddr, vmo, offset, count) ->
                                    assertEquals(vaddr - base, offset, "page told"));
                }
            } finally {
                stop.set(true);
            }
            for (Future<?> writer : writers) {
                writer.get();
            }
        }
        vm.root.checkInvariants();
        assertEquals("", harvest(region, KEEP, 4, TABLE - 4), "pages nobody accessed");
        harvest(region, FREE);
        harvest(region, FREE);
        assertEquals("00", vm.entries(base, 2));
    }

    private void writeAndRead(long first, AtomicBoolean stop) {
        try (var own = new UserMemory(vm.root, vm.hal.newMmu())) {
            for (long i = 1; !stop.get(); i++) {
                for (long at : new long[] {first, first + TABLE * PAGE}) {
                    own.writeLong(at, i);
                    assertEquals(i, own.readLong(at));
                }
            }
        }
    }
}
