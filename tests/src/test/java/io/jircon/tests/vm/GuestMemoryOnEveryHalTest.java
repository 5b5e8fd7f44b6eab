package io.jircon.tests.vm;

import static io.jircon.tests.vm.GuestSpaces.inSpace;
import static io.jircon.tests.vm.GuestSpaces.page;
import static io.jircon.tests.vm.GuestSpaces.refused;
import static io.jircon.vm.AddrSpace.Populate.EAGERLY;
import static io.jircon.vm.AddrSpace.Populate.ON_FAULT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AccessWidth;
import io.jircon.hal.AtomicUpdate;
import io.jircon.hal.HostPhysAddr;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.AddrSpace;
import io.jircon.vm.GuestMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The accessor on a guest's memory, on every HAL: what the accessor of axaddrspace is tested for,
/// and what it was not.
class GuestMemoryOnEveryHalTest {
    private static final long PAGE = PageSize.BASE_BYTES;

    static Stream<String> hals() {
        return GuestSpaces.hals();
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-151")
    @Tag("A-153")
    @Tag("memory_accessor.rs:test_basic_read_write_operations")
    void wordsAndBuffersComeBackAndNothingIsBehindTheEnd(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.mapAlloc(space.base(), GuestSpaces.SIZE, MmuFlags.RW, ON_FAULT);
                    long at = space.base().value();
                    byte[] bytes = {1, 2, 3, 4, 5, 6, 7, 8};
                    try (GuestMemory memory = space.memory()) {
                        memory.writeInt(at + 0x100, 0x1234_5678);
                        assertEquals(0x1234_5678, memory.readInt(at + 0x100));
                        memory.write(at + 0x200, bytes);
                        assertArrayEquals(bytes, memory.read(at + 0x200, 8));
                        long behind = space.end().value() + PAGE;
                        refused(ZxStatus.NOT_FOUND, () -> memory.readInt(behind));
                        refused(ZxStatus.NOT_FOUND, () -> memory.writeInt(behind, 1));
                        refused(ZxStatus.NOT_FOUND, () -> memory.read(behind, 8));
                        refused(ZxStatus.NOT_FOUND, () -> memory.write(behind, bytes));
                        refused(ZxStatus.OUT_OF_RANGE, () -> memory.readLong(-4));
                    }
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-151")
    void everyWidthIsLittleEndianAndLeavesItsNeighboursAlone(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.mapAlloc(space.base(), 2 * PAGE, MmuFlags.RW, ON_FAULT);
                    long at = space.base().value() + PAGE - 3;
                    try (GuestMemory memory = space.memory()) {
                        for (AccessWidth width : AccessWidth.values()) {
                            memory.write(at - 1, new byte[10]);
                            memory.write(at, width, 0x8877_6655_4433_2211L);
                            long cut = 0x8877_6655_4433_2211L & -1L >>> 64 - width.bits();
                            assertEquals(cut, memory.read(at, width), "" + width);
                            byte[] around = memory.read(at - 1, 10);
                            for (int i = 0; i < 10; i++) {
                                boolean inside = i >= 1 && i <= width.sizeBytes();
                                assertEquals(inside ? (byte) (0x11 * i) : 0, around[i], width + "");
                            }
                        }
                        assertEquals(0x11, memory.readByte(at));
                        assertEquals(0x2211, memory.readShort(at));
                        assertEquals(0x4433_2211, memory.readInt(at));
                        memory.writeByte(at, (byte) -1);
                        assertEquals(-1, memory.readByte(at));
                        memory.writeShort(at, (short) -2);
                        assertEquals(-2, memory.readShort(at));
                        memory.writeInt(at, -3);
                        assertEquals(-3, memory.readInt(at));
                        assertEquals(0x8877_6655_ffff_fffdL, memory.readLong(at));
                    }
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-151")
    @Tag("memory_accessor.rs:test_two_vm_isolation")
    void guestsDoNotSeeEachOther(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.mapAlloc(space.base(), 2 * PAGE, MmuFlags.RW, ON_FAULT);
                    try (AddrSpace other = GuestSpaces.newSpace(machine);
                            GuestMemory here = space.memory();
                            GuestMemory there = other.memory()) {
                        other.mapAlloc(other.base(), PAGE, MmuFlags.RW, ON_FAULT);
                        long at = space.base().value() + 0x100;
                        long otherAt = other.base().value() + 0x100;
                        byte[] pattern = new byte[16];
                        Arrays.fill(pattern, (byte) 0xa5);
                        here.writeLong(at, 0xdead_beefL);
                        there.writeLong(otherAt, 0xcafe_babeL);
                        there.write(otherAt + 8, pattern);
                        assertEquals(0xdead_beefL, here.readLong(at));
                        assertEquals(0xcafe_babeL, there.readLong(otherAt));
                        assertArrayEquals(new byte[16], here.read(at + 8, 16));
                        assertArrayEquals(pattern, there.read(otherAt + 8, 16));
                        assertEquals(0, here.readLong(at + PAGE));
                        refused(ZxStatus.NOT_FOUND, () -> there.readLong(otherAt + PAGE));
                    }
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-154")
    @Tag("memory_accessor.rs:test_cross_page_access")
    void bytesAcrossAPageBorderComeBackTogetherAndOneByOne(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.mapAlloc(space.base(), 2 * PAGE, MmuFlags.RW, ON_FAULT);
                    long border = space.base().value() + PAGE;
                    byte[] bytes = new byte[16];
                    for (int i = 0; i < 16; i++) {
                        bytes[i] = (byte) (i + 1);
                    }
                    try (GuestMemory memory = space.memory()) {
                        memory.write(border - 8, bytes);
                        assertArrayEquals(bytes, memory.read(border - 8, 16));
                        for (int i = 0; i < 16; i++) {
                            assertEquals(bytes[i], memory.readByte(border - 8 + i));
                        }
                        memory.write(border, new byte[] {9, 8, 7, 6});
                        assertEquals(0x0607_0809, memory.readInt(border));
                        memory.writeByte(border, (byte) 1);
                        assertEquals(1, memory.readByte(border));
                    }
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-154")
    @Tag("memory_accessor.rs:test_region_boundary_edge_cases")
    void emptyAccessesSucceedEverywhere(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    try (GuestMemory memory = space.memory()) {
                        assertArrayEquals(new byte[0], memory.read(space.base().value(), 0));
                        memory.write(-1L, new byte[0]);
                        assertEquals(ZxStatus.OK, memory.status());
                    }
                });
    }

    /// The areas' frames are neither in order nor next to each other.
    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-154")
    @Tag("memory_accessor.rs:test_region_boundary_edge_cases")
    void aBufferGoesThroughManyAreasAndSaysHowFarItCame(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    long run = machine.frames().allocateContiguous(4, 12);
                    machine.memory().zero(run, 4 * PAGE);
                    space.mapLinear(space.base(), new HostPhysAddr(run + PAGE), PAGE, MmuFlags.RW);
                    space.mapLinear(page(space, 1), new HostPhysAddr(run), PAGE, MmuFlags.RW);
                    space.mapAlloc(page(space, 2), PAGE, MmuFlags.RW, EAGERLY);
                    space.mapAlloc(page(space, 3), PAGE, MmuFlags.R, ON_FAULT);
                    long at = space.base().value() + 10;
                    byte[] bytes = new byte[4 * (int) PAGE];
                    for (int i = 0; i < bytes.length; i++) {
                        bytes[i] = (byte) (i * 7 + (i >> 8));
                    }
                    MemorySegment buffer = MemorySegment.ofArray(bytes.clone());
                    long fits = 3 * PAGE - 10;
                    try (GuestMemory memory = space.memory()) {
                        assertEquals(
                                fits, memory.transfer(AccessKind.WRITE, at, buffer, 0, 4 * PAGE));
                        assertEquals(ZxStatus.ACCESS_DENIED, memory.status());
                        assertEquals(page(space, 3).value(), memory.refusedAt());
                        buffer.fill((byte) 0);
                        assertEquals(
                                4 * PAGE - 10,
                                memory.transfer(AccessKind.READ, at, buffer, 0, 4 * PAGE));
                        assertEquals(ZxStatus.NOT_FOUND, memory.status());
                        assertEquals(page(space, 4).value(), memory.refusedAt());
                        for (int i = 0; i < bytes.length; i++) {
                            byte expected = i < fits ? bytes[i] : 0;
                            assertEquals(
                                    expected, buffer.get(ValueLayout.JAVA_BYTE, i), "byte " + i);
                        }
                    }
                    space.clear();
                    machine.frames().freeContiguous(run, 4);
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-153")
    @Tag("memory_accessor.rs:short_region")
    void aWordThatIsThereWithAPartOnlySaysHowManyBytesThereAre(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.mapAlloc(space.base(), PAGE, MmuFlags.RW, ON_FAULT);
                    long at = space.base().value() + PAGE - 2;
                    try (GuestMemory memory = space.memory()) {
                        ZxException e = refused(ZxStatus.NOT_FOUND, () -> memory.readInt(at));
                        assertEquals(
                                "NOT_FOUND (-25, V-206): READ of vaddr=0x%x length=4 stopped at"
                                                .formatted(at)
                                        + " 0x%x after 2 bytes".formatted(at + 2),
                                e.getMessage());
                        assertEquals(at + 2, memory.refusedAt());
                    }
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-142")
    void theLimitIsWhatCanBeHadFromThereInOnePiece(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    long run = machine.frames().allocateContiguous(4, 12);
                    space.mapLinear(space.base(), new HostPhysAddr(run), 3 * PAGE, MmuFlags.RW);
                    assertEquals(
                            Optional.of(new AddrSpace.Translation(new HostPhysAddr(run), 3 * PAGE)),
                            space.translateAndGetLimit(space.base()));
                    assertEquals(
                            Optional.of(
                                    new AddrSpace.Translation(
                                            new HostPhysAddr(run + 0x2ff0), 0x10)),
                            space.translateAndGetLimit(space.base().add(0x2ff0)));
                    assertEquals(Optional.empty(), space.translateAndGetLimit(page(space, 3)));
                    assertEquals(Optional.empty(), space.translateAndGetLimit(space.end()));
                    space.clear();
                    machine.frames().freeContiguous(run, 4);
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-156")
    void atomicWordsHaveTheRightsOfTheirAreaAndTakeLazyPages(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.mapAlloc(space.base(), PAGE, MmuFlags.RW, ON_FAULT);
                    space.mapAlloc(page(space, 1), PAGE, MmuFlags.R, ON_FAULT);
                    long at = space.base().value() + PAGE - 8;
                    AccessWidth width = AccessWidth.QWORD;
                    try (GuestMemory memory = space.memory()) {
                        assertEquals(0, memory.getAndUpdate(at, width, AtomicUpdate.ADD, 5));
                        assertEquals(5, memory.compareAndExchange(at, width, 5, 6));
                        assertEquals(6, memory.loadAcquire(at, width));
                        assertEquals(0, memory.loadAcquire(at + 8, width));
                        refused(
                                ZxStatus.ACCESS_DENIED,
                                () -> memory.storeRelease(at + 8, width, 1));
                        refused(ZxStatus.NOT_FOUND, () -> memory.loadAcquire(at + 8 + PAGE, width));
                        refused(ZxStatus.INVALID_ARGS, () -> memory.loadAcquire(at + 4, width));
                    }
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-138")
    void aClosedSpaceIsBadStateForItsAccessors(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    AddrSpace other = GuestSpaces.newSpace(machine);
                    try (GuestMemory memory = other.memory()) {
                        other.mapAlloc(other.base(), PAGE, MmuFlags.RW, ON_FAULT);
                        long at = other.base().value();
                        memory.writeInt(at, 1);
                        other.close();
                        refused(ZxStatus.BAD_STATE, () -> memory.readInt(at));
                        refused(ZxStatus.BAD_STATE, () -> memory.write(at, new byte[1]));
                        refused(
                                ZxStatus.BAD_STATE,
                                () -> memory.loadAcquire(at, AccessWidth.DWORD));
                    }
                });
    }
}
