package io.jircon.vm;

import static io.jircon.vm.AddrSpace.Populate.EAGERLY;
import static io.jircon.vm.AddrSpace.Populate.ON_FAULT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.MmuFlags;
import io.jircon.kobject.ZxStatus;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The areas of a guest-physical address space as one set: cut, filled, overlapped, listed. The
/// scenes are those of the suite of axaddrspace's set of areas, in pages instead of bytes.
abstract class AddrSpaceSetCases extends AddrSpaceFixture {
    private static final long FRAMES = 0x4000_0000L;

    AddrSpaceSetCases(String hal) {
        super(hal);
    }

    /// One entry for each run of equal permissions of an area, in ascending order.
    private static List<MapEntry> areas(AddrSpace of) {
        return of.root().maps().stream()
                .filter(entry -> entry.type() == MapEntry.Type.MAPPING)
                .toList();
    }

    private static String text(List<MapEntry> areas) {
        var text = new StringBuilder();
        for (MapEntry area : areas) {
            text.append(
                    "%x+%x %s, "
                            .formatted(
                                    area.baseAddress() / PAGE,
                                    area.sizeBytes() / PAGE,
                                    area.permissions()));
        }
        return text.toString();
    }

    private static long count(AddrSpace of, Predicate<MapEntry> which) {
        return areas(of).stream().filter(which).count();
    }

    /// 8 linear areas of 16 pages, with 16 pages behind each.
    private AddrSpace eightAreas() {
        var made = AddrSpace.create(machine, gpa(0), 256 * PAGE);
        for (long page = 0; page < 256; page += 32) {
            made.mapLinear(gpa(page * PAGE), hpa(FRAMES + page * PAGE), 16 * PAGE, MmuFlags.RW);
        }
        return made;
    }

    /// What is listed is what the table shows: each page of each area its own frame, no other page.
    private static void requireShown(AddrSpace of) {
        var shown = new ArrayList<Long>();
        for (MapEntry area : areas(of)) {
            for (long at = 0; at < area.sizeBytes(); at += PAGE) {
                long page = area.baseAddress() + at;
                shown.add(page);
                assertEquals(Optional.of(hpa(FRAMES + page)), of.translate(gpa(page)));
                assertEquals(page % (32 * PAGE), area.vmoOffset() + at);
            }
        }
        for (long page = 0; page < of.sizeBytes(); page += PAGE) {
            assertEquals(shown.contains(page), of.translate(gpa(page)).isPresent(), "page " + page);
        }
    }

    @Test
    @Tag("A-25")
    @Tag("A-28")
    @Tag("A-34")
    @Tag("memory_set:test_map_unmap")
    void areasAreFoundKeptApartOverwrittenAndRemoved() {
        for (int i = 0; i < 16; i++) {
            int page = i * 7 % 16;
            MmuFlags flags = page % 2 == 0 ? MmuFlags.R : MmuFlags.RW;
            space.mapAlloc(BASE.add(page * PAGE), PAGE, flags, ON_FAULT);
        }
        assertEquals(16, areas(space).size());
        VmMapping found = space.root().findMapping(0x14100);
        assertNotNull(found);
        assertEquals(0x14000, found.baseAddress());
        assertEquals(PAGE, found.sizeBytes());
        assertEquals(MmuFlags.R, found.permissionsAt(0x14100));
        refused(
                ZxStatus.ALREADY_EXISTS,
                () -> space.mapAlloc(gpa(0x14000), 4 * PAGE, MmuFlags.R, ON_FAULT));
        assertEquals(16, areas(space).size());
        try (VmObject four = VmObject.create(machine, 4 * PAGE)) {
            VmarFlags over = VmarFlags.READ_WRITE_EXECUTE.with(VmarFlags.SPECIFIC_OVERWRITE);
            space.root().map(over, 0x14000, four, 0, 4 * PAGE);
        }
        assertEquals(13, areas(space).size());
        assertEquals(1, count(space, area -> area.permissions().equals(MmuFlags.RWX)));
        space.unmap(gpa(0x14000), 8 * PAGE);
        assertEquals(8, areas(space).size());
        assertEquals(4, count(space, area -> area.baseAddress() < 0x14000));
        space.unmap(BASE, SIZE);
        assertEquals(List.of(), areas(space));
    }

    @Test
    @Tag("A-34")
    @Tag("A-36")
    @Tag("A-175")
    @Tag("memory_set:test_unmap_split")
    void unmapCutsHeadsTailsAndMiddles() {
        try (AddrSpace cut = eightAreas()) {
            for (long page = 0; page < 256; page += 32) {
                cut.unmap(gpa((page + 12) * PAGE), Math.min(24, 256 - page - 12) * PAGE);
            }
            assertEquals(8, areas(cut).size());
            assertEquals("0+c rw-, ", text(areas(cut)).substring(0, 9));
            assertEquals(7, count(cut, area -> area.vmoOffset() == 4 * PAGE));
            requireShown(cut);
            for (long page = 0; page < 256; page += 32) {
                cut.unmap(gpa((page + 8) * PAGE), PAGE);
            }
            assertEquals(16, areas(cut).size());
            assertEquals("0+8 rw-, 9+3 rw-, 24+4 rw-, 29+3 rw-, ", text(areas(cut).subList(0, 4)));
            requireShown(cut);
            cut.unmap(gpa(0), 256 * PAGE);
            assertEquals(List.of(), areas(cut));
        }
    }

    @Test
    @Tag("memory_set:README")
    void unmappingTheMiddleLeavesBothEnds() {
        space.mapAlloc(gpa(0x11000), 4 * PAGE, MmuFlags.RW, ON_FAULT);
        space.unmap(gpa(0x12000), 2 * PAGE);
        assertEquals("11+1 rw-, 14+1 rw-, ", text(areas(space)));
    }

    @Test
    @Tag("A-39")
    @Tag("memory_set:test_protect")
    void protectCutsHeadsTailsAndMiddles() {
        try (AddrSpace cut = eightAreas()) {
            for (long page = 0; page < 256; page += 32) {
                cut.protect(gpa((page + 12) * PAGE), 4 * PAGE, MmuFlags.R);
                if (page > 0) {
                    cut.protect(gpa(page * PAGE), 4 * PAGE, MmuFlags.R);
                }
            }
            assertEquals(23, areas(cut).size());
            for (int again = 0; again < 2; again++) {
                for (long page = 0; page < 256; page += 32) {
                    cut.protect(gpa((page + 8) * PAGE), PAGE, MmuFlags.RX);
                }
                assertEquals(39, areas(cut).size());
            }
            assertEquals(
                    "20+4 r--, 24+4 rw-, 28+1 r-x, 29+3 rw-, 2c+4 r--, ",
                    text(areas(cut).subList(4, 9)));
            assertEquals(8, count(cut, area -> area.permissions().equals(MmuFlags.RX)));
            for (MapEntry area : areas(cut)) {
                long last = area.baseAddress() + area.sizeBytes() - 1;
                assertEquals(area.permissions(), cut.pageTable().query(last).flags());
            }
            requireShown(cut);
        }
    }

    @Test
    @Tag("A-25")
    @Tag("A-43")
    void equalNeighboursStayTwoAreasAndPiecesOfOneAreOneAgain() {
        space.mapAlloc(gpa(0x11000), 2 * PAGE, MmuFlags.RW, ON_FAULT);
        space.mapAlloc(gpa(0x13000), 2 * PAGE, MmuFlags.RW, ON_FAULT);
        assertEquals("11+2 rw-, 13+2 rw-, ", text(areas(space)));
        space.protect(gpa(0x12000), 2 * PAGE, MmuFlags.R);
        assertEquals("11+1 rw-, 12+1 r--, 13+1 r--, 14+1 rw-, ", text(areas(space)));
        space.protect(gpa(0x12000), 2 * PAGE, MmuFlags.RW);
        assertEquals("11+2 rw-, 13+2 rw-, ", text(areas(space)));
        space.unmap(gpa(0x12000), PAGE);
        space.mapAlloc(gpa(0x12000), PAGE, MmuFlags.RW, ON_FAULT);
        assertEquals("11+1 rw-, 12+1 rw-, 13+2 rw-, ", text(areas(space)));
    }

    @Test
    @Tag("A-29")
    @Tag("memory_set:test_find_free_area")
    void freePlacesAreFoundBetweenAreas() {
        try (var gaps = AddrSpace.create(machine, gpa(0), 32 * PAGE)) {
            for (long page = 0; page < 32; page += 4) {
                gaps.mapAlloc(gpa(page * PAGE), 2 * PAGE, MmuFlags.RW, ON_FAULT);
            }
            assertEquals(Optional.of(gpa(0x2000)), find(gaps, 0, 2, 1));
            assertEquals(Optional.of(gpa(0x2000)), find(gaps, 0x1000, 1, 1));
            assertEquals(Optional.of(gpa(0x3000)), find(gaps, 0x3000, 1, 1));
            assertEquals(Optional.of(gpa(0x6000)), find(gaps, 0x3000, 2, 2));
            assertEquals(Optional.of(gpa(0x6000)), find(gaps, 0x4000, 2, 2));
            assertEquals(Optional.of(gpa(0x1e000)), find(gaps, 0x1e000, 2, 2));
            assertEquals(Optional.empty(), find(gaps, 0x1e001, 2, 2));
        }
    }

    private static Optional<GuestPhysAddr> find(
            AddrSpace in, long hint, long pages, long alignmentPages) {
        return in.findFreeArea(gpa(hint), pages * PAGE, alignmentPages * PAGE);
    }

    @Test
    @Tag("A-125")
    void unmappingALazyAreaGivesBackJustThePagesThatCame() {
        space.mapAlloc(BASE, 4 * PAGE, MmuFlags.RW, ON_FAULT);
        long before = machine.frames().freeFrames() + space.pageTable().tableFrames();
        assertTrue(space.handlePageFault(gpa(0x12008), AccessKind.WRITE));
        assertEquals(before - 1, machine.frames().freeFrames() + space.pageTable().tableFrames());
        space.unmap(gpa(0x11000), 3 * PAGE);
        assertEquals(before, machine.frames().freeFrames() + space.pageTable().tableFrames());
        assertEquals("10+1 rw-, ", text(areas(space)));
    }

    @Test
    @Tag("A-146")
    void textNamesTheRangeAndTheRootAndTheListingTheAreas() {
        space.mapAlloc(gpa(0x11000), PAGE, MmuFlags.RX, EAGERLY);
        assertEquals(
                "AddrSpace GPA:0x10000..GPA:0x20000 root " + space.pageTableRoot(),
                space.toString());
        assertEquals("11+1 r-x, ", text(areas(space)));
    }
}
