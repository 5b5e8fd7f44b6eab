package io.jircon.tests.vm;

import static io.jircon.tests.vm.GuestSpaces.page;
import static io.jircon.tests.vm.GuestSpaces.refused;
import static io.jircon.vm.AddrSpace.Populate.EAGERLY;
import static io.jircon.vm.AddrSpace.Populate.ON_FAULT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.HostPhysAddr;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.UserMemory;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The same guest-physical address space on every HAL. After each test every frame is back.
class AddrSpaceOnEveryHalTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final long SIZE = GuestSpaces.SIZE;

    static Stream<String> hals() {
        return GuestSpaces.hals();
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-116")
    @Tag("A-117")
    void linearAreasShowTheirFramesAndLoseOnlyWhatIsUnmapped(String hal) {
        GuestSpaces.inSpace(
                hal,
                (machine, space) -> {
                    long run = machine.frames().allocateContiguous(4, 12);
                    machine.memory().writeLong(run + 3 * PAGE, 77);
                    space.mapLinear(space.base(), new HostPhysAddr(run), 4 * PAGE, MmuFlags.RW);
                    space.unmap(page(space, 1), PAGE);
                    assertEquals(Optional.empty(), space.translate(page(space, 1)));
                    HostPhysAddr last = space.translate(page(space, 3)).orElseThrow();
                    assertEquals(run + 3 * PAGE, last.value());
                    try (UserMemory memory = space.memory()) {
                        assertEquals(77, memory.readLong(page(space, 3).value()));
                        memory.writeLong(space.base().value(), 78);
                    }
                    assertEquals(78, machine.memory().readLong(run));
                    space.clear();
                    machine.frames().freeContiguous(run, 4);
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-124")
    @Tag("A-126")
    @Tag("A-127")
    void lazyPagesComeWithTheFirstFaultAndStay(String hal) {
        GuestSpaces.inSpace(
                hal,
                (machine, space) -> {
                    long before = machine.frames().freeFrames();
                    space.mapAlloc(space.base(), 2 * PAGE, MmuFlags.RW, ON_FAULT);
                    assertEquals(before, machine.frames().freeFrames());
                    assertEquals(Optional.empty(), space.translate(space.base()));
                    assertTrue(space.handlePageFault(space.base(), AccessKind.WRITE));
                    Optional<HostPhysAddr> frame = space.translate(space.base());
                    assertTrue(frame.isPresent());
                    long left = machine.frames().freeFrames();
                    assertTrue(space.handlePageFault(space.base(), AccessKind.WRITE));
                    assertEquals(frame, space.translate(space.base()));
                    assertEquals(left, machine.frames().freeFrames());
                    assertFalse(space.handlePageFault(space.base(), AccessKind.EXECUTE));
                    assertFalse(space.handlePageFault(page(space, 2), AccessKind.READ));
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-120")
    @Tag("A-154")
    void accessCrossesAreasAndStopsAtTheFirstFault(String hal) {
        GuestSpaces.inSpace(
                hal,
                (machine, space) -> {
                    space.mapAlloc(space.base(), PAGE, MmuFlags.RW, EAGERLY);
                    space.mapAlloc(page(space, 1), PAGE, MmuFlags.RW, ON_FAULT);
                    long border = page(space, 1).value();
                    try (UserMemory memory = space.memory()) {
                        assertEquals(0, memory.readLong(border - 4));
                        memory.write(border - 2, new byte[] {1, 2, 3, 4});
                        assertArrayEquals(new byte[] {1, 2, 3, 4}, memory.read(border - 2, 4));
                        byte[] tooMuch = new byte[3 * (int) PAGE];
                        refused(
                                ZxStatus.NOT_FOUND,
                                () -> memory.write(space.base().value(), tooMuch));
                        assertEquals(page(space, 2).value(), memory.refusedAt());
                        assertArrayEquals(new byte[4], memory.read(border - 2, 4));
                    }
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-144")
    void protectIsObeyedByTheProcessorAndRefusesHoles(String hal) {
        GuestSpaces.inSpace(
                hal,
                (machine, space) -> {
                    space.mapAlloc(space.base(), 2 * PAGE, MmuFlags.RW, EAGERLY);
                    long at = space.base().value();
                    try (UserMemory memory = space.memory()) {
                        memory.writeByte(at, (byte) 1);
                        refused(
                                ZxStatus.NOT_FOUND,
                                () -> space.protect(space.base(), 3 * PAGE, MmuFlags.R));
                        memory.writeByte(at, (byte) 2);
                        space.protect(space.base(), PAGE, MmuFlags.R);
                        refused(ZxStatus.ACCESS_DENIED, () -> memory.writeByte(at, (byte) 3));
                        assertEquals(2, memory.readByte(at));
                        memory.writeByte(at + PAGE, (byte) 4);
                    }
                });
    }

    @ParameterizedTest
    @MethodSource("hals")
    @Tag("A-121")
    @Tag("A-135")
    void populatingMoreThanThereIsLeavesNoTrace(String hal) {
        GuestSpaces.inSpace(
                hal,
                (machine, space) -> {
                    long left = machine.frames().freeFrames();
                    int kept = (int) (left - 3);
                    long[] taken = new long[kept];
                    for (int i = 0; i < kept; i++) {
                        taken[i] = machine.frames().allocate();
                    }
                    refused(
                            ZxStatus.NO_MEMORY,
                            () -> space.mapAlloc(space.base(), SIZE, MmuFlags.RW, EAGERLY));
                    assertEquals(3, machine.frames().freeFrames());
                    for (long frame : taken) {
                        machine.frames().free(frame);
                    }
                    space.mapAlloc(space.base(), SIZE, MmuFlags.RW, EAGERLY);
                });
    }
}
