package io.jircon.tests.vm;

import static io.jircon.hal.AccessWidth.BYTE;
import static io.jircon.hal.AccessWidth.DWORD;
import static io.jircon.hal.AccessWidth.QWORD;
import static io.jircon.hal.AccessWidth.WORD;
import static io.jircon.tests.vm.GuestSpaces.inSpace;
import static io.jircon.tests.vm.GuestSpaces.page;
import static io.jircon.tests.vm.GuestSpaces.refused;
import static io.jircon.vm.AddrSpace.Populate.ON_FAULT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddrRange;
import io.jircon.hal.AtomicUpdate;
import io.jircon.hal.DeviceRange;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.HostPhysAddr;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.AddrSpace;
import io.jircon.vm.GuestMemory;
import io.jircon.vm.MapEntry;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmarFlags;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Devices in a guest's address space, on every HAL: what reaches them, what stops in front of
/// them, and what cannot be where they are.
class MmioOnEveryHalTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final long ANSWER = 0xf1e2_d3c4_b5a6_9788L;

    private final RecordingDevice device = new RecordingDevice();
    private final RecordingDevice neighbour = new RecordingDevice();

    static Stream<String> hals() {
        return GuestSpaces.hals();
    }

    // ---- words

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-149")
    @Tag("A-157")
    void wordsReachTheHandlerWithOffsetWidthAndValue(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.addMmio(range(space, PAGE + 0x40, 0x20), device);
                    device.answer = ANSWER;
                    long at = space.base().value() + PAGE + 0x40;
                    try (GuestMemory memory = space.memory()) {
                        assertEquals(0x88, memory.read(at, BYTE));
                        assertEquals(0x9788, memory.read(at + 1, WORD));
                        assertEquals(0xb5a6_9788L, memory.read(at + 8, DWORD));
                        assertEquals(ANSWER, memory.read(at + 0x18, QWORD));
                        memory.write(at + 0x1f, BYTE, -1);
                        memory.write(at + 2, WORD, 0x1234_5678);
                        memory.write(at + 4, DWORD, -2);
                        memory.write(at, QWORD, -3);
                        assertEquals(
                                List.of(
                                        "read +0 BYTE",
                                        "read +1 WORD",
                                        "read +8 DWORD",
                                        "read +24 QWORD",
                                        "write +31 BYTE 0xff",
                                        "write +2 WORD 0x5678",
                                        "write +4 DWORD 0xfffffffe",
                                        "write +0 QWORD 0xfffffffffffffffd"),
                                device.takeCalls());
                        assertEquals(ZxStatus.OK, memory.status());
                        assertEquals(0, memory.faultsResolved());
                    }
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-149")
    void typedWordsAreWordsToo(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.addMmio(range(space, 0, 8), device);
                    device.answer = ANSWER;
                    long at = space.base().value();
                    try (GuestMemory memory = space.memory()) {
                        assertEquals((byte) 0x88, memory.readByte(at));
                        assertEquals((short) 0x9788, memory.readShort(at));
                        assertEquals(0xb5a6_9788, memory.readInt(at));
                        assertEquals(ANSWER, memory.readLong(at));
                        memory.writeByte(at + 7, (byte) -1);
                        memory.writeShort(at, (short) -1);
                        memory.writeInt(at, -1);
                        memory.writeLong(at, -1);
                        assertEquals(
                                List.of(
                                        "read +0 BYTE",
                                        "read +0 WORD",
                                        "read +0 DWORD",
                                        "read +0 QWORD",
                                        "write +7 BYTE 0xff",
                                        "write +0 WORD 0xffff",
                                        "write +0 DWORD 0xffffffff",
                                        "write +0 QWORD 0xffffffffffffffff"),
                                device.takeCalls());
                    }
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-157")
    void onlyWidthsThatTheDeviceTakesReachIt(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    var picky = new RecordingDevice(Set.of(BYTE, DWORD));
                    DeviceRange.Mmio range = range(space, 0, 0x100);
                    space.addMmio(range, picky);
                    long at = space.base().value() + 0x10;
                    try (GuestMemory memory = space.memory()) {
                        ZxException e = refused(ZxStatus.INVALID_ARGS, () -> memory.read(at, WORD));
                        assertEquals(
                                "INVALID_ARGS (-10, A-160): READ of gpa=0x%x".formatted(at)
                                        + " width=WORD is none of widths=[BYTE, DWORD] of device "
                                        + range,
                                e.getMessage());
                        assertEquals(at, memory.refusedAt());
                        refused(ZxStatus.INVALID_ARGS, () -> memory.writeLong(at, 1));
                        assertEquals(ZxStatus.INVALID_ARGS, memory.status());
                        assertEquals(List.of(), picky.takeCalls());
                        memory.readByte(at);
                        memory.writeInt(at, 3);
                        assertEquals(
                                List.of("read +16 BYTE", "write +16 DWORD 0x3"), picky.takeCalls());
                    }
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-160")
    void wordsThatStraddleAnEndAreRefusedWholly(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.mapAlloc(space.base(), PAGE, MmuFlags.RW, ON_FAULT);
                    space.mapAlloc(page(space, 2), PAGE, MmuFlags.RW, ON_FAULT);
                    DeviceRange.Mmio whole = range(space, PAGE, PAGE);
                    space.addMmio(whole, device);
                    space.addMmio(range(space, 3 * PAGE + 2, 4), neighbour);
                    long first = space.base().value() + PAGE;
                    long end = first + PAGE;
                    long small = first + 2 * PAGE + 2;
                    try (GuestMemory memory = space.memory()) {
                        ZxException e =
                                refused(ZxStatus.INVALID_ARGS, () -> memory.readInt(first - 2));
                        assertEquals(
                                "INVALID_ARGS (-10, A-160): READ of gpa=0x%x".formatted(first - 2)
                                        + " width=DWORD straddles an end of device "
                                        + whole,
                                e.getMessage());
                        assertEquals(first - 2, memory.refusedAt());
                        refused(ZxStatus.INVALID_ARGS, () -> memory.writeLong(first - 1, -1));
                        refused(ZxStatus.INVALID_ARGS, () -> memory.writeShort(end - 1, (short) 1));
                        refused(ZxStatus.INVALID_ARGS, () -> memory.writeLong(end - 7, -1));
                        refused(ZxStatus.INVALID_ARGS, () -> memory.readLong(small - 2));
                        refused(ZxStatus.INVALID_ARGS, () -> memory.readInt(small - 2));
                        refused(ZxStatus.INVALID_ARGS, () -> memory.readInt(small + 1));
                        refused(ZxStatus.NOT_FOUND, () -> memory.readByte(small - 1));
                        refused(ZxStatus.NOT_FOUND, () -> memory.readByte(small + 4));
                        assertEquals(List.of(), device.takeCalls());
                        assertEquals(List.of(), neighbour.takeCalls());
                        assertEquals(0, memory.readLong(first - 8), "memory in front");
                        assertEquals(0, memory.readLong(end), "memory behind");
                        memory.readInt(small);
                        assertEquals(List.of("read +0 DWORD"), neighbour.takeCalls());
                    }
                });
    }

    // ---- what is not for devices

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-154")
    void bytesInBulkStopInFrontOfADevice(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.mapAlloc(space.base(), PAGE, MmuFlags.RWX, ON_FAULT);
                    space.addMmio(range(space, PAGE, 0x100), device);
                    long border = space.base().value() + PAGE;
                    MemorySegment buffer = MemorySegment.ofArray(new byte[64]);
                    buffer.fill((byte) 7);
                    try (GuestMemory memory = space.memory()) {
                        for (AccessKind access :
                                List.of(AccessKind.WRITE, AccessKind.READ, AccessKind.EXECUTE)) {
                            assertEquals(16, memory.transfer(access, border - 16, buffer, 0, 64));
                            assertEquals(ZxStatus.NOT_SUPPORTED, memory.status());
                            assertEquals(border, memory.refusedAt());
                        }
                        ZxException e =
                                refused(
                                        ZxStatus.NOT_SUPPORTED,
                                        () -> memory.write(border - 4, new byte[8]));
                        assertEquals(
                                "NOT_SUPPORTED (-2, V-206): WRITE of vaddr=0x%x length=8"
                                                .formatted(border - 4)
                                        + " stopped at 0x%x after 4 bytes".formatted(border),
                                e.getMessage());
                        assertArrayEquals(
                                new byte[] {7, 7, 7, 7, 0, 0, 0, 0}, memory.read(border - 8, 8));
                        refused(ZxStatus.NOT_SUPPORTED, () -> memory.read(border + 0x80, 1));
                        refused(ZxStatus.NOT_FOUND, () -> memory.read(border + 0x100, 1));
                    }
                    assertEquals(List.of(), device.takeCalls());
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-156")
    void atomicWordsAreNotForDevices(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.addMmio(range(space, 0, 0x100), device);
                    long at = space.base().value();
                    try (GuestMemory memory = space.memory()) {
                        refused(ZxStatus.NOT_SUPPORTED, () -> memory.loadAcquire(at, QWORD));
                        refused(ZxStatus.NOT_SUPPORTED, () -> memory.storeRelease(at, DWORD, 1));
                        refused(
                                ZxStatus.NOT_SUPPORTED,
                                () -> memory.getAndUpdate(at + 8, QWORD, AtomicUpdate.OR, 1));
                        assertEquals(at + 8, memory.refusedAt());
                        refused(
                                ZxStatus.INVALID_ARGS,
                                () -> memory.compareAndExchange(at + 4, QWORD, 0, 1));
                    }
                    assertEquals(List.of(), device.takeCalls());
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-149")
    void aDeviceIsNoMemoryForFaultsAndTranslation(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    DeviceRange.Mmio range = range(space, PAGE + 8, 8);
                    space.mapAlloc(space.base(), PAGE, MmuFlags.RW, ON_FAULT);
                    space.addMmio(range, device);
                    GuestPhysAddr at = range.range().start();
                    assertEquals(Optional.of(range), space.mmioAt(at));
                    assertEquals(Optional.of(range), space.mmioAt(at.add(7)));
                    assertEquals(Optional.empty(), space.mmioAt(at.add(8)));
                    assertEquals(Optional.empty(), space.mmioAt(at.sub(1)));
                    assertFalse(space.handlePageFault(at, AccessKind.READ));
                    assertEquals(Optional.empty(), space.translate(at));
                    assertEquals(Optional.empty(), space.translateAndGetLimit(at));
                    assertEquals(
                            Optional.empty(),
                            space.translatedByteBuffer(space.base(), 2 * PAGE, AccessKind.READ));
                    refused(
                            ZxStatus.NOT_FOUND,
                            () -> space.protect(space.base(), 2 * PAGE, MmuFlags.R));
                    assertEquals(
                            Optional.of(page(space, 2)),
                            space.findFreeArea(space.base(), PAGE, PAGE));
                    assertEquals(List.of(), device.takeCalls());
                });
    }

    // ---- where devices may be

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-159")
    void devicesAndAreasKeepOffEachOther(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.addMmio(range(space, 4 * PAGE + 8, 2 * PAGE), device);
                    space.mapAlloc(space.base(), PAGE, MmuFlags.RW, ON_FAULT);
                    space.mapAlloc(page(space, 9), PAGE, MmuFlags.RW, ON_FAULT);
                    List<MapEntry> before = space.root().maps();
                    for (long[] taken :
                            new long[][] {
                                {0, 1},
                                {PAGE - 1, 2},
                                {4 * PAGE, 9},
                                {5 * PAGE, 8},
                                {6 * PAGE + 7, 1},
                                {8 * PAGE + 8, 2 * PAGE},
                                {0, 16 * PAGE},
                                {3 * PAGE, 4 * PAGE}
                            }) {
                        refused(
                                ZxStatus.ALREADY_EXISTS,
                                () -> space.addMmio(range(space, taken[0], taken[1]), neighbour));
                    }
                    for (int page = 4; page <= 6; page++) {
                        GuestPhysAddr at = page(space, page);
                        refused(
                                ZxStatus.ALREADY_EXISTS,
                                () -> space.mapAlloc(at, PAGE, MmuFlags.RW, ON_FAULT));
                        refused(
                                ZxStatus.ALREADY_EXISTS,
                                () -> space.mapLinear(at, new HostPhysAddr(0), PAGE, MmuFlags.RW));
                        try (VmObject vmo = VmObject.create(machine, PAGE)) {
                            long offset = at.value() - space.root().baseAddress();
                            VmarFlags flags = VmarFlags.READ_WRITE.with(VmarFlags.SPECIFIC);
                            refused(
                                    ZxStatus.ALREADY_EXISTS,
                                    () -> space.root().map(flags, offset, vmo, 0, PAGE));
                        }
                    }
                    assertEquals(before, space.root().maps());
                    assertEquals(Optional.empty(), space.mmioAt(page(space, 6).add(8)));
                    space.mapAlloc(page(space, 3), PAGE, MmuFlags.RW, ON_FAULT);
                    space.mapAlloc(page(space, 7), PAGE, MmuFlags.RW, ON_FAULT);
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-159")
    void badDevicesAreRefusedInTheOrderOfTheChecks(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.mapAlloc(space.base(), PAGE, MmuFlags.RW, ON_FAULT);
                    var none = new RecordingDevice(Set.of());
                    var below = new GuestPhysAddr(space.base().value() - 1);
                    refused(
                            ZxStatus.OUT_OF_RANGE,
                            () -> space.addMmio(mmio(below, space.base().add(1)), none));
                    refused(
                            ZxStatus.OUT_OF_RANGE,
                            () -> space.addMmio(mmio(space.base(), space.end().add(1)), device));
                    refused(
                            ZxStatus.INVALID_ARGS,
                            () -> space.addMmio(range(space, PAGE, 0), device));
                    refused(ZxStatus.INVALID_ARGS, () -> space.addMmio(range(space, 0, 1), none));
                    refused(ZxStatus.NOT_FOUND, () -> space.removeMmio(range(space, PAGE, 1)));
                    AddrSpace closed = GuestSpaces.newSpace(machine);
                    DeviceRange.Mmio range = range(closed, 0, 8);
                    closed.addMmio(range, device);
                    closed.close();
                    refused(ZxStatus.BAD_STATE, () -> closed.addMmio(range, device));
                    refused(ZxStatus.BAD_STATE, () -> closed.removeMmio(range));
                    assertEquals(Optional.empty(), closed.mmioAt(closed.base()));
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-159")
    void devicesShareAPageAndKeepItUntilTheLastIsRemoved(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    DeviceRange.Mmio low = range(space, PAGE - 8, PAGE);
                    DeviceRange.Mmio high = range(space, 2 * PAGE - 8, 2 * PAGE);
                    DeviceRange.Mmio inside = range(space, 4 * PAGE, 8);
                    space.addMmio(high, neighbour);
                    space.addMmio(low, device);
                    space.addMmio(inside, device);
                    long border = high.range().start().value();
                    try (GuestMemory memory = space.memory()) {
                        memory.readByte(border - 1);
                        memory.readByte(border);
                        assertEquals(List.of("read +4095 BYTE"), device.takeCalls());
                        assertEquals(List.of("read +0 BYTE"), neighbour.takeCalls());
                        refused(ZxStatus.INVALID_ARGS, () -> memory.readShort(border - 1));

                        space.removeMmio(low);
                        refused(ZxStatus.NOT_FOUND, () -> memory.readByte(border - 1));
                        memory.readByte(border);
                        assertEquals(List.of("read +0 BYTE"), neighbour.takeCalls());
                        space.mapAlloc(space.base(), PAGE, MmuFlags.RW, ON_FAULT);
                        refused(
                                ZxStatus.ALREADY_EXISTS,
                                () -> space.mapAlloc(page(space, 1), PAGE, MmuFlags.RW, ON_FAULT));

                        space.removeMmio(high);
                        refused(ZxStatus.NOT_FOUND, () -> space.removeMmio(high));
                        space.mapAlloc(page(space, 1), 3 * PAGE, MmuFlags.RW, ON_FAULT);
                        assertEquals(0, memory.readLong(border - 4));
                        memory.readByte(inside.range().start().value());
                        assertEquals(List.of("read +0 BYTE"), device.takeCalls());
                    }
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-136")
    @Tag("A-137")
    void unmapAndClearTakeWholeDevicesAndCutNone(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.mapAlloc(space.base(), PAGE, MmuFlags.RW, ON_FAULT);
                    space.addMmio(range(space, PAGE + 8, 2 * PAGE), device);
                    space.addMmio(range(space, 3 * PAGE + 0x80, 8), neighbour);
                    for (long[] cut : new long[][] {{0, 2}, {1, 1}, {2, 1}, {2, 4}, {3, 1}}) {
                        refused(
                                ZxStatus.INVALID_ARGS,
                                () -> space.unmap(page(space, cut[0]), cut[1] * PAGE));
                    }
                    long at = space.base().value();
                    try (GuestMemory memory = space.memory()) {
                        memory.readByte(at);
                        memory.readByte(at + PAGE + 8);
                        space.unmap(page(space, 1), 3 * PAGE);
                        refused(ZxStatus.NOT_FOUND, () -> memory.readByte(at + PAGE + 8));
                        refused(ZxStatus.NOT_FOUND, () -> memory.readByte(at + 3 * PAGE + 0x80));
                        memory.readByte(at);
                        space.addMmio(range(space, 3 * PAGE, PAGE), device);
                        memory.readByte(at + 3 * PAGE);
                        space.clear();
                        refused(ZxStatus.NOT_FOUND, () -> memory.readByte(at + 3 * PAGE));
                        refused(ZxStatus.NOT_FOUND, () -> memory.readByte(at));
                    }
                    assertEquals(List.of("read +0 BYTE", "read +0 BYTE"), device.takeCalls());
                    assertEquals(1, space.root().maps().size());
                });
    }

    /// Who works on the regions themselves ends a device with any of its pages.
    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-159")
    void aDeviceIsGoneWithItsRegion(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    DeviceRange.Mmio range = range(space, 8, 2 * PAGE);
                    space.addMmio(range, device);
                    space.root().unmap(space.base().value(), PAGE);
                    assertEquals(Optional.empty(), space.mmioAt(range.range().start()));
                    assertEquals(Optional.empty(), space.mmioAt(page(space, 1)));
                    try (GuestMemory memory = space.memory()) {
                        refused(ZxStatus.NOT_FOUND, () -> memory.readByte(page(space, 1).value()));
                    }
                    refused(ZxStatus.NOT_FOUND, () -> space.removeMmio(range));
                    space.mapAlloc(space.base(), 3 * PAGE, MmuFlags.RW, ON_FAULT);
                    assertEquals(List.of(), device.takeCalls());
                });
    }

    // ---- handlers

    /// A lock held around a handler would stop the other thread for ever.
    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-149")
    void handlersRunWithNoLockHeld(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.addMmio(range(space, 0, 8), device);
                    try (ExecutorService other = Executors.newSingleThreadExecutor();
                            GuestMemory memory = space.memory();
                            GuestMemory second = space.memory()) {
                        Runnable everything =
                                () -> {
                                    space.mapAlloc(page(space, 1), PAGE, MmuFlags.RW, ON_FAULT);
                                    second.writeInt(page(space, 1).value(), 1);
                                    space.addMmio(range(space, 2 * PAGE, 8), neighbour);
                                    second.readInt(page(space, 2).value());
                                    space.protect(page(space, 1), PAGE, MmuFlags.R);
                                    space.root().maps();
                                    space.removeMmio(range(space, 2 * PAGE, 8));
                                    space.unmap(page(space, 1), PAGE);
                                };
                        device.inCall =
                                () -> {
                                    everything.run();
                                    try {
                                        other.submit(everything).get(30, TimeUnit.SECONDS);
                                    } catch (Exception e) {
                                        throw new AssertionError("the other thread hangs", e);
                                    }
                                };
                        memory.readInt(space.base().value());
                        memory.writeInt(space.base().value(), 1);
                    }
                    assertEquals(4, neighbour.takeCalls().size());
                });
    }

    /// As a disk does: a store starts it, and it moves bytes by itself.
    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-151")
    void aHandlerMovesBytesByTheAccessorThatCalledIt(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.mapAlloc(page(space, 1), 2 * PAGE, MmuFlags.RW, ON_FAULT);
                    space.addMmio(range(space, 0, 8), device);
                    long to = page(space, 2).value() - 4;
                    try (GuestMemory memory = space.memory()) {
                        device.inCall = () -> memory.write(to, new byte[] {1, 2, 3, 4, 5, 6, 7, 8});
                        device.answer = 42;
                        memory.writeInt(space.base().value(), 0x77);
                        assertEquals(0x0807_0605_0403_0201L, memory.readLong(to));
                        assertEquals(42, memory.readInt(space.base().value()));
                        assertEquals("write +0 DWORD 0x77", device.takeCalls().getFirst());
                    }
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-149")
    void whatAHandlerThrowsComesThrough(String hal) {
        inSpace(
                hal,
                (machine, space) -> {
                    space.addMmio(range(space, 0, 8), device);
                    long at = space.base().value();
                    var refusal = new ZxException(ZxStatus.IO_REFUSED, "", "register is read-only");
                    var bug = new IllegalStateException("a bug in the device");
                    try (GuestMemory memory = space.memory()) {
                        device.inCall =
                                () -> {
                                    throw refusal;
                                };
                        assertSame(
                                refusal,
                                assertThrows(ZxException.class, () -> memory.writeInt(at + 4, 1)));
                        assertEquals(ZxStatus.IO_REFUSED, memory.status());
                        assertEquals(at + 4, memory.refusedAt());
                        device.inCall =
                                () -> {
                                    throw bug;
                                };
                        assertSame(
                                bug,
                                assertThrows(
                                        IllegalStateException.class, () -> memory.readInt(at)));
                        assertEquals(ZxStatus.IO, memory.status());
                        device.inCall = () -> {};
                        memory.readInt(at);
                        assertEquals(ZxStatus.OK, memory.status());
                    }
                });
    }

    private static DeviceRange.Mmio range(AddrSpace space, long offset, long length) {
        return new DeviceRange.Mmio(AddrRange.ofSize(space.base().add(offset), length));
    }

    private static DeviceRange.Mmio mmio(GuestPhysAddr start, GuestPhysAddr end) {
        return new DeviceRange.Mmio(new AddrRange<>(start, end));
    }
}
