package io.jircon.vm;

import static io.jircon.vm.AddrSpace.Populate.EAGERLY;
import static io.jircon.vm.AddrSpace.Populate.ON_FAULT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What is done with the areas of guest-physical address spaces: translation, views, access.
abstract class AddrSpaceAccessCases extends AddrSpaceFixture {
    AddrSpaceAccessCases(String hal) {
        super(hal);
    }

    // ---- translation

    @Test
    @Tag("A-142")
    @Tag("address_space.rs:test_translate_and_get_limit")
    void limitEndsWithTheAreaOrTheConsecutiveFrames() {
        space.mapLinear(gpa(0x1a000), hpa(0x5000), 3 * PAGE, MmuFlags.RW);
        assertEquals(
                Optional.of(new AddrSpace.Translation(hpa(0x5000), 0x3000)),
                space.translateAndGetLimit(gpa(0x1a000)));
        assertEquals(
                Optional.of(new AddrSpace.Translation(hpa(0x7ff0), 0x10)),
                space.translateAndGetLimit(gpa(0x1cff0)));
        assertEquals(Optional.empty(), space.translateAndGetLimit(gpa(0x1d000)));
        assertEquals(Optional.empty(), space.translateAndGetLimit(gpa(0x30000)));

        space.mapAlloc(gpa(0x11000), 2 * PAGE, MmuFlags.RW, ON_FAULT);
        assertEquals(Optional.empty(), space.translateAndGetLimit(gpa(0x11000)));
        space.handlePageFault(gpa(0x11000), AccessKind.WRITE);
        assertEquals(0xff8, space.translateAndGetLimit(gpa(0x11008)).orElseThrow().limitBytes());
    }

    @Test
    @Tag("A-140")
    @Tag("A-141")
    @Tag("A-152")
    @Tag("address_space.rs:test_translated_byte_buffer")
    void byteBuffersCoverTheRangeAndNothingElse() {
        space.mapAlloc(gpa(0x19000), 2 * PAGE, MmuFlags.RW, EAGERLY);
        List<MemorySegment> views =
                space.translatedByteBuffer(gpa(0x19080), 0x1100, AccessKind.WRITE).orElseThrow();
        assertEquals(0x1100, views.stream().mapToLong(MemorySegment::byteSize).sum());
        views.forEach(view -> view.fill((byte) 0x5a));
        try (UserMemory memory = space.memory()) {
            byte[] all = memory.read(0x19000, 2 * (int) PAGE);
            for (int i = 0; i < all.length; i++) {
                assertEquals(i >= 0x80 && i < 0x1180 ? 0x5a : 0, all[i], "byte " + i);
            }
        }
        assertEquals(Optional.empty(), buffer(0x19000, 3 * PAGE, AccessKind.READ));
        assertEquals(Optional.empty(), buffer(0x1a800, PAGE, AccessKind.READ));
        assertEquals(Optional.empty(), buffer(0x1d000, 1, AccessKind.READ));
        assertEquals(Optional.empty(), buffer(0x20000, 1, AccessKind.READ));
        assertEquals(Optional.of(List.of()), buffer(0x19000, 0, AccessKind.READ));
    }

    @Test
    @Tag("A-141")
    void byteBuffersKeepToTheRightsAndTakeLazyPages() {
        space.mapAlloc(gpa(0x11000), PAGE, MmuFlags.R, ON_FAULT);
        space.mapAlloc(gpa(0x12000), PAGE, MmuFlags.RW, ON_FAULT);
        assertEquals(Optional.empty(), buffer(0x11000, 8, AccessKind.WRITE));
        assertEquals(Optional.empty(), buffer(0x12000, 8, AccessKind.EXECUTE));
        MemorySegment readOnly = buffer(0x11000, 8, AccessKind.READ).orElseThrow().getFirst();
        assertTrue(readOnly.isReadOnly());
        MemorySegment zeros = buffer(0x12000, 8, AccessKind.READ).orElseThrow().getFirst();
        assertEquals(0, zeros.get(ValueLayout.JAVA_LONG_UNALIGNED, 0));
        buffer(0x12000, 8, AccessKind.WRITE)
                .orElseThrow()
                .getFirst()
                .set(ValueLayout.JAVA_BYTE, 0, (byte) 9);
        try (UserMemory memory = space.memory()) {
            assertEquals(9, memory.readByte(0x12000));
        }
        assertEquals(0, machine.memory().readLong(machine.zeroFrame()), "the zero frame");
    }

    @Test
    @Tag("A-141")
    void consecutiveFramesAreOneView() {
        long run = machine.frames().allocateContiguous(4, 12);
        space.mapLinear(BASE, hpa(run), 4 * PAGE, MmuFlags.RW);
        assertEquals(1, buffer(0x10800, 3 * PAGE, AccessKind.WRITE).orElseThrow().size());
        space.clear();
        machine.frames().freeContiguous(run, 4);
    }

    @Test
    @Tag("A-141")
    void byteBuffersOfWhatIsNoMemoryAreRefused() {
        space.mapLinear(BASE, hpa(0x1000), PAGE, MmuFlags.RW);
        assertEquals(Optional.empty(), buffer(0x10000, 8, AccessKind.READ));
        try (UserMemory memory = space.memory()) {
            assertEquals(
                    ZxStatus.IO,
                    assertThrows(ZxException.class, () -> memory.readByte(0x10000)).status());
        }
    }

    private Optional<List<MemorySegment>> buffer(long at, long length, AccessKind access) {
        return space.translatedByteBuffer(gpa(at), length, access);
    }

    // ---- the accessor, free places, sharing

    @Test
    @Tag("A-153")
    @Tag("A-154")
    void accessorCrossesPagesAndAreasAndStopsWhereTheyEnd() {
        space.mapAlloc(gpa(0x11000), PAGE, MmuFlags.RW, ON_FAULT);
        space.mapAlloc(gpa(0x12000), PAGE, MmuFlags.RW, EAGERLY);
        try (UserMemory memory = space.memory()) {
            memory.writeLong(0x11ffc, 0x1122_3344_5566_7788L);
            assertEquals(0x1122_3344_5566_7788L, memory.readLong(0x11ffc));
            assertEquals(0x1122_3344, memory.readInt(0x12000));
            assertEquals(0x7788, memory.readShort(0x11ffc) & 0xffff);
            memory.read(0x30000, new byte[0].length);
            byte[] more = new byte[0x2000];
            ZxException e = assertThrows(ZxException.class, () -> memory.write(0x11800, more));
            assertEquals(ZxStatus.NOT_FOUND, e.status());
            assertEquals(
                    "NOT_FOUND (-25, V-206): WRITE of vaddr=0x11800 length=8192 stopped at"
                            + " 0x13000 after 6144 bytes",
                    e.getMessage());
            assertEquals(0, memory.readLong(0x11ffc), "what came before the end was written");
        }
    }

    @Test
    @Tag("A-29")
    @Tag("A-30")
    @Tag("A-31")
    void freeAreasAreFoundUpwardsAndInsideTheSpace() {
        for (long at = 0x11000; at < 0x20000; at += 2 * PAGE) {
            space.mapAlloc(gpa(at), PAGE, MmuFlags.RW, ON_FAULT);
        }
        space.unmap(gpa(0x15000), PAGE);
        assertEquals(Optional.of(gpa(0x10000)), space.findFreeArea(gpa(0), PAGE, PAGE));
        assertEquals(Optional.of(gpa(0x12000)), space.findFreeArea(gpa(0x10001), PAGE, PAGE));
        assertEquals(Optional.of(gpa(0x14000)), space.findFreeArea(gpa(0), 2 * PAGE, PAGE));
        assertEquals(Optional.of(gpa(0x14000)), space.findFreeArea(gpa(0), 2 * PAGE, 2 * PAGE));
        assertEquals(Optional.empty(), space.findFreeArea(gpa(0), 4 * PAGE, PAGE));
        assertEquals(Optional.of(gpa(0x1e000)), space.findFreeArea(gpa(0x1d001), PAGE, PAGE));
        assertEquals(Optional.empty(), space.findFreeArea(gpa(0x1f000), PAGE, PAGE));
        assertEquals(Optional.empty(), space.findFreeArea(gpa(-1L), PAGE, PAGE));
        refused(ZxStatus.INVALID_ARGS, () -> space.findFreeArea(BASE, 0, PAGE));
        refused(ZxStatus.INVALID_ARGS, () -> space.findFreeArea(BASE, PAGE, 0));
        refused(ZxStatus.INVALID_ARGS, () -> space.findFreeArea(BASE, PAGE, 2 * PAGE));
    }

    @Test
    @Tag("A-176")
    @Tag("A-177")
    void guestsShareAnObjectAndLoseItsPagesTogether() {
        try (var other = AddrSpace.create(machine, gpa(0), SIZE);
                VmObject shared = VmObject.create(machine, PAGE)) {
            VmarFlags at = VmarFlags.READ_WRITE.with(VmarFlags.SPECIFIC);
            space.root().map(at, 0x10000, shared, 0, PAGE);
            other.root().map(at, 0x1000, shared, 0, PAGE);
            try (UserMemory here = space.memory();
                    UserMemory there = other.memory()) {
                here.writeLong(0x10008, 42);
                assertEquals(42, there.readLong(0x1008));
                shared.decommit(0, PAGE);
                assertEquals(0, there.readLong(0x1008));
                assertEquals(0, here.readLong(0x10008));
            }
        }
    }
}
