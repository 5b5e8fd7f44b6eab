package io.jircon.vm;

import static io.jircon.vm.AddrSpace.Populate.EAGERLY;
import static io.jircon.vm.AddrSpace.Populate.ON_FAULT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.HostPhysAddr;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The areas of guest-physical address spaces: how they come, change and go.
abstract class AddrSpaceAreaCases extends AddrSpaceFixture {
    AddrSpaceAreaCases(String hal) {
        super(hal);
    }

    // ---- making

    @Test
    @Tag("A-131")
    @Tag("A-132")
    @Tag("A-130")
    @Tag("address_space.rs:test_addrspace_creation")
    void newSpaceIsEmptyAndTakesARootTable() {
        assertEquals(BASE, space.base());
        assertEquals(gpa(0x20000), space.end());
        assertEquals(SIZE, space.sizeBytes());
        assertEquals(space.pageTable().rootAddress(), space.pageTableRoot().value());
        assertEquals(freeAtStart - space.pageTable().tableFrames(), machine.frames().freeFrames());
    }

    @Test
    @Tag("A-131")
    @Tag("aspace_unittest.cc:vmaspace_create_invalid_ranges")
    void createRefusesBadRanges() {
        refused(ZxStatus.OUT_OF_RANGE, () -> AddrSpace.create(machine, BASE, -1L));
        refused(ZxStatus.OUT_OF_RANGE, () -> AddrSpace.create(machine, gpa(-PAGE), 2 * PAGE));
        refused(ZxStatus.INVALID_ARGS, () -> AddrSpace.create(machine, gpa(0x123), PAGE));
        refused(ZxStatus.INVALID_ARGS, () -> AddrSpace.create(machine, BASE, 0x777));
        refused(ZxStatus.INVALID_ARGS, () -> AddrSpace.create(machine, BASE, 0));
        long last = space.pageTable().lastAddress();
        refused(ZxStatus.OUT_OF_RANGE, () -> AddrSpace.create(machine, gpa(last + 1), PAGE));
        refused(
                ZxStatus.OUT_OF_RANGE,
                () -> AddrSpace.create(machine, gpa(last + 1 - PAGE), 2 * PAGE));
        AddrSpace.create(machine, gpa(last + 1 - PAGE), PAGE).close();
    }

    @Test
    @Tag("A-131")
    void createWithoutAFrameForTheRootIsNoMemory() {
        frames.failAt(1);
        refused(ZxStatus.NO_MEMORY, () -> AddrSpace.create(machine, BASE, SIZE));
        frames.disarm();
    }

    @Test
    @Tag("A-133")
    @Tag("address_space.rs:test_contains_range")
    void containsRangeIsUnsignedAndNeverWraps() {
        assertTrue(space.containsRange(BASE, PAGE));
        assertTrue(space.containsRange(BASE, SIZE));
        assertTrue(space.containsRange(gpa(0x20000), 0));
        assertFalse(space.containsRange(gpa(0x20001), 0));
        assertFalse(space.containsRange(gpa(0xf000), PAGE));
        assertFalse(space.containsRange(gpa(0x20000), 1));
        assertFalse(space.containsRange(BASE, SIZE + PAGE));
        assertFalse(space.containsRange(gpa(0x13000), 0xf000));
        assertFalse(space.containsRange(BASE, -1L));
    }

    // ---- linear areas

    @Test
    @Tag("A-116")
    @Tag("A-119")
    @Tag("A-134")
    @Tag("A-114")
    @Tag("address_space.rs:test_map_linear")
    @Tag("address_space.rs:test_map_linear_allows_hpa_above_gpa")
    void linearAreasLeadToFramesBelowAndAbove() {
        space.mapLinear(gpa(0x18000), hpa(0x10000), 0x4000, MmuFlags.RW);
        space.mapLinear(gpa(0x1c000), hpa(0x8000_0000L), 0x4000, MmuFlags.RW);
        assertEquals(Optional.of(hpa(0x10000)), space.translate(gpa(0x18000)));
        assertEquals(Optional.of(hpa(0x11234)), space.translate(gpa(0x19234)));
        assertEquals(Optional.of(hpa(0x8000_3fffL)), space.translate(gpa(0x1ffff)));
    }

    @Test
    @Tag("A-116")
    @Tag("A-172")
    void linearAreasUseHugeLeavesAndOwnNoFrame() {
        try (var big = AddrSpace.create(machine, gpa(0), 1L << 32)) {
            long tables = big.pageTable().tableFrames();
            long before = machine.frames().freeFrames();
            big.mapLinear(gpa(1L << 30), hpa(1L << 31), (1L << 30) + MIB_2, MmuFlags.RWX);
            assertEquals(PageSize.SIZE_1G, big.pageTable().query(1L << 30).size());
            assertEquals(PageSize.SIZE_2M, big.pageTable().query(1L << 31).size());
            long more = big.pageTable().tableFrames() - tables;
            assertEquals(before - more, machine.frames().freeFrames());
        }
    }

    @Test
    @Tag("A-117")
    @Tag("A-175")
    void unmappingAPartOfAHugeLeafKeepsTheRest() {
        try (var big = AddrSpace.create(machine, gpa(0), 1L << 32)) {
            big.mapLinear(gpa(MIB_2), hpa(MIB_2), MIB_2, MmuFlags.RW);
            big.unmap(gpa(MIB_2), PAGE);
            big.unmap(gpa(2 * MIB_2 - PAGE), PAGE);
            assertEquals(Optional.empty(), big.translate(gpa(MIB_2)));
            assertEquals(Optional.empty(), big.translate(gpa(2 * MIB_2 - 1)));
            for (long at = MIB_2 + PAGE; at < 2 * MIB_2 - PAGE; at += PAGE) {
                assertEquals(Optional.of(hpa(at)), big.translate(gpa(at)));
            }
        }
    }

    @Test
    @Tag("A-118")
    @Tag("A-123")
    void faultOnAPresentPageOfAPopulatedAreaIsNotResolvable() {
        space.mapLinear(gpa(0x10000), hpa(0x10000), PAGE, MmuFlags.RW);
        space.mapAlloc(gpa(0x11000), PAGE, MmuFlags.RW, EAGERLY);
        for (long at = 0x10000; at <= 0x11000; at += PAGE) {
            assertFalse(space.handlePageFault(gpa(at), AccessKind.READ));
            assertFalse(space.handlePageFault(gpa(at), AccessKind.WRITE));
            assertFalse(space.handlePageFault(gpa(at), AccessKind.EXECUTE));
        }
    }

    @Test
    @Tag("A-134")
    @Tag("A-32")
    @Tag("A-163")
    @Tag("address_space.rs:test_map_linear_rejects_physical_range_overflow")
    @Tag("address_space.rs:test_mapping_validation_errors_are_matchable")
    void mapLinearChecksRangeThenAlignmentThenOverlap() {
        MmuFlags rw = MmuFlags.RW;
        space.mapLinear(gpa(0x12000), hpa(0x10000), PAGE, rw);
        linear(ZxStatus.OUT_OF_RANGE, 0xf001, 0x1001, PAGE, rw);
        linear(ZxStatus.OUT_OF_RANGE, 0x1f000, 0x1000, 2 * PAGE, rw);
        linear(ZxStatus.OUT_OF_RANGE, 0x10000, 0x1000, -1L, rw);
        linear(ZxStatus.INVALID_ARGS, 0x10001, 0x1000, PAGE, rw);
        linear(ZxStatus.INVALID_ARGS, 0x10000, 0x1001, PAGE, rw);
        linear(ZxStatus.INVALID_ARGS, 0x10000, 0x1000, 0x123, rw);
        linear(ZxStatus.INVALID_ARGS, 0x10000, 0x1000, 0, rw);
        linear(ZxStatus.INVALID_ARGS, 0x10000, 0x1000, PAGE, MmuFlags.NONE);
        linear(
                ZxStatus.INVALID_ARGS,
                0x10000,
                0x1000,
                PAGE,
                MmuFlags.of(MmuFlags.USER_BIT | MmuFlags.DEVICE_BIT));
        linear(ZxStatus.INVALID_ARGS, 0x10000, 0x1000, PAGE, MmuFlags.of(MmuFlags.WRITE_BIT));
        linear(ZxStatus.OUT_OF_RANGE, 0x10000, -PAGE, 2 * PAGE, rw);
        linear(ZxStatus.ALREADY_EXISTS, 0x12000, 0x1000, PAGE, rw);
        linear(ZxStatus.ALREADY_EXISTS, 0x10000, 0x1000, 0x10000, rw);
        linear(ZxStatus.OUT_OF_RANGE, 0x10000, 1L << 60, PAGE, rw);
        assertEquals(Optional.empty(), space.translate(gpa(0x10000)));
        assertEquals(2, space.root().maps().size());
        space.mapLinear(gpa(0x10000), hpa(-PAGE & 0xffff_ffffL), PAGE, rw);
    }

    private void linear(ZxStatus status, long at, long to, long length, MmuFlags flags) {
        refused(status, () -> space.mapLinear(gpa(at), hpa(to), length, flags));
    }

    @Test
    @Tag("A-15")
    void deviceMemoryIsMappedAsDeviceMemory() {
        MmuFlags device = MmuFlags.RW.with(MmuFlags.of(MmuFlags.DEVICE_BIT));
        if (space.pageTable().supports(device)) {
            space.mapLinear(gpa(0x10000), hpa(0x1000_0000L), PAGE, device);
            assertEquals(device, space.pageTable().query(0x10000).flags());
        } else {
            linear(ZxStatus.NOT_SUPPORTED, 0x10000, 0x1000_0000L, PAGE, device);
        }
    }

    // ---- allocated areas

    @Test
    @Tag("A-120")
    @Tag("A-135")
    @Tag("address_space.rs:test_map_alloc_populate")
    @Tag("address_space.rs:test_translate")
    void populatedAreasHaveZeroedFramesAtOnce() {
        long used = machine.frames().allocate();
        machine.memory().slice(used, PAGE).fill((byte) 0xab);
        machine.frames().free(used);
        space.mapAlloc(BASE, 2 * PAGE, MmuFlags.RW, EAGERLY);
        HostPhysAddr first = space.translate(BASE).orElseThrow();
        HostPhysAddr second = space.translate(gpa(0x11000)).orElseThrow();
        assertNotEquals(first, second);
        assertEquals(MmuFlags.RW, space.pageTable().query(0x10000).flags());
        try (UserMemory memory = space.memory()) {
            assertArrayEquals(new byte[2 * (int) PAGE], memory.read(0x10000, 2 * (int) PAGE));
            assertEquals(0, memory.faultsResolved());
        }
    }

    @Test
    @Tag("A-121")
    @Tag("A-32")
    @Tag("A-163")
    void populatingWithoutFramesLeavesNoTrace() {
        long before = machine.frames().freeFrames();
        for (int k = 1; ; k++) {
            frames.failAt(k);
            try {
                space.mapAlloc(BASE, 4 * PAGE, MmuFlags.RW, EAGERLY);
            } catch (ZxException e) {
                assertTrue(frames.disarm());
                assertEquals(ZxStatus.NO_MEMORY, e.status());
                assertEquals(before, machine.frames().freeFrames());
                assertEquals(1, space.root().maps().size());
                continue;
            }
            assertFalse(frames.disarm());
            assertTrue(k > 2, "the first calls must have failed");
            return;
        }
    }

    @Test
    @Tag("A-135")
    void populatingMoreThanThereIsLeavesNoTrace() {
        try (var big = AddrSpace.create(machine, gpa(0), 1L << 36)) {
            long before = machine.frames().freeFrames();
            refused(ZxStatus.NO_MEMORY, () -> big.mapAlloc(gpa(0), 1L << 36, MmuFlags.RW, EAGERLY));
            assertEquals(before, machine.frames().freeFrames());
            big.mapAlloc(gpa(0), 4 * PAGE, MmuFlags.RW, EAGERLY);
        }
    }

    @Test
    @Tag("A-124")
    @Tag("A-139")
    @Tag("A-104")
    @Tag("A-114")
    @Tag("address_space.rs:test_map_alloc_lazy")
    void lazyAreasTakeNothingUntilTheyAreUsed() {
        long before = machine.frames().freeFrames();
        space.mapAlloc(gpa(0x13000), 2 * PAGE, MmuFlags.RW, ON_FAULT);
        assertEquals(before, machine.frames().freeFrames());
        assertEquals(Optional.empty(), space.translate(gpa(0x13000)));
    }

    @Test
    @Tag("A-126")
    @Tag("A-127")
    @Tag("A-143")
    @Tag("A-174")
    @Tag("address_space.rs:test_page_fault_handling")
    void faultsTakeAFrameOnceAndTheSecondChangesNothing() {
        space.mapAlloc(gpa(0x14000), PAGE, MmuFlags.RW, ON_FAULT);
        assertTrue(space.handlePageFault(gpa(0x14008), AccessKind.WRITE));
        HostPhysAddr frame = space.translate(gpa(0x14000)).orElseThrow();
        long left = machine.frames().freeFrames();
        assertTrue(space.handlePageFault(gpa(0x14000), AccessKind.WRITE));
        assertTrue(space.handlePageFault(gpa(0x14fff), AccessKind.READ));
        assertEquals(Optional.of(frame), space.translate(gpa(0x14000)));
        assertEquals(left, machine.frames().freeFrames());
    }

    @Test
    @Tag("A-143")
    void faultsWithoutAreaOrRightOrFrameAreRefused() {
        space.mapAlloc(gpa(0x14000), PAGE, MmuFlags.R, ON_FAULT);
        space.mapAlloc(gpa(0x15000), PAGE, MmuFlags.RW, ON_FAULT);
        assertFalse(space.handlePageFault(gpa(0x14000), AccessKind.WRITE));
        assertFalse(space.handlePageFault(gpa(0x14000), AccessKind.EXECUTE));
        assertFalse(space.handlePageFault(gpa(0x13000), AccessKind.READ));
        assertFalse(space.handlePageFault(gpa(0x20000), AccessKind.READ));
        assertFalse(space.handlePageFault(gpa(-1L), AccessKind.READ));
        frames.failAt(1);
        assertFalse(space.handlePageFault(gpa(0x15000), AccessKind.WRITE));
        assertTrue(frames.disarm());
        assertTrue(space.handlePageFault(gpa(0x15000), AccessKind.WRITE));
    }

    // ---- unmap, clear, close

    @Test
    @Tag("A-122")
    @Tag("A-136")
    @Tag("A-175")
    @Tag("address_space.rs:test_unmap")
    void unmappingThePagesInTheMiddleGivesTheirFramesBack() {
        space.mapAlloc(BASE, 4 * PAGE, MmuFlags.RW, EAGERLY);
        try (UserMemory memory = space.memory()) {
            memory.writeInt(0x10000, 1);
            memory.writeInt(0x13000, 4);
            long before = machine.frames().freeFrames();
            space.unmap(gpa(0x11000), 2 * PAGE);
            assertEquals(before + 2, machine.frames().freeFrames());
            assertEquals(Optional.empty(), space.translate(gpa(0x11000)));
            assertEquals(1, memory.readInt(0x10000));
            assertEquals(4, memory.readInt(0x13000));
            assertEquals(
                    ZxStatus.NOT_FOUND,
                    assertThrows(ZxException.class, () -> memory.readByte(0x12fff)).status());
        }
        space.mapAlloc(gpa(0x11000), 2 * PAGE, MmuFlags.R, EAGERLY);
    }

    @Test
    @Tag("A-136")
    void unmapSpansAreasAndHoles() {
        space.mapAlloc(gpa(0x11000), PAGE, MmuFlags.RW, EAGERLY);
        space.mapLinear(gpa(0x13000), hpa(0x1000), PAGE, MmuFlags.RW);
        space.unmap(gpa(0x12000), PAGE);
        space.unmap(BASE, SIZE);
        assertEquals(Optional.empty(), space.translate(gpa(0x11000)));
        assertEquals(Optional.empty(), space.translate(gpa(0x13000)));
        space.unmap(BASE, 0);
        refused(ZxStatus.OUT_OF_RANGE, () -> space.unmap(gpa(0x1f000), 2 * PAGE));
        refused(ZxStatus.OUT_OF_RANGE, () -> space.unmap(gpa(0x10001), SIZE));
        refused(ZxStatus.INVALID_ARGS, () -> space.unmap(gpa(0x10001), PAGE));
        refused(ZxStatus.INVALID_ARGS, () -> space.unmap(BASE, 1));
    }

    @Test
    @Tag("A-137")
    @Tag("address_space.rs:test_clear")
    void clearRemovesEveryAreaAndKeepsTheSpaceUsable() {
        space.mapAlloc(gpa(0x16000), PAGE, MmuFlags.RW, EAGERLY);
        space.mapAlloc(gpa(0x17000), PAGE, MmuFlags.RW, ON_FAULT);
        space.mapLinear(gpa(0x18000), hpa(0x1000), PAGE, MmuFlags.RW);
        space.clear();
        space.clear();
        assertEquals(Optional.empty(), space.translate(gpa(0x16000)));
        assertEquals(Optional.empty(), space.translate(gpa(0x18000)));
        space.mapAlloc(gpa(0x16000), 3 * PAGE, MmuFlags.RW, EAGERLY);
    }

    @Test
    @Tag("A-138")
    @Tag("A-163")
    void closedSpaceRefusesEverythingAndClosesTwice() {
        space.mapAlloc(BASE, PAGE, MmuFlags.RW, EAGERLY);
        var other = AddrSpace.create(machine, BASE, SIZE);
        other.mapAlloc(BASE, PAGE, MmuFlags.RW, EAGERLY);
        other.close();
        other.close();
        refused(ZxStatus.BAD_STATE, () -> other.mapAlloc(BASE, PAGE, MmuFlags.RW, ON_FAULT));
        refused(ZxStatus.BAD_STATE, () -> other.mapLinear(BASE, hpa(0x1000), PAGE, MmuFlags.RW));
        refused(ZxStatus.BAD_STATE, () -> other.unmap(BASE, PAGE));
        refused(ZxStatus.BAD_STATE, other::clear);
        refused(ZxStatus.BAD_STATE, () -> other.protect(BASE, PAGE, MmuFlags.R));
        refused(ZxStatus.BAD_STATE, other::memory);
        assertFalse(other.handlePageFault(BASE, AccessKind.READ));
        assertEquals(Optional.empty(), other.translate(BASE));
        assertEquals(Optional.empty(), other.translateAndGetLimit(BASE));
        assertEquals(Optional.empty(), other.translatedByteBuffer(BASE, 1, AccessKind.READ));
    }

    // ---- protect

    @Test
    @Tag("A-144")
    @Tag("A-115")
    @Tag("A-163")
    void protectTakesRightsAndGivesThemBack() {
        space.mapAlloc(BASE, 3 * PAGE, MmuFlags.RW, EAGERLY);
        space.protect(gpa(0x11000), PAGE, MmuFlags.R);
        try (UserMemory memory = space.memory()) {
            memory.writeByte(0x10fff, (byte) 1);
            memory.writeByte(0x12000, (byte) 1);
            var denied = assertThrows(ZxException.class, () -> memory.writeByte(0x11000, (byte) 1));
            assertEquals(ZxStatus.ACCESS_DENIED, denied.status());
            assertFalse(space.handlePageFault(gpa(0x11000), AccessKind.WRITE));
            space.protect(gpa(0x11000), PAGE, MmuFlags.RW);
            memory.writeByte(0x11000, (byte) 7);
            assertEquals(7, memory.readByte(0x11000));
        }
    }

    @Test
    @Tag("A-144")
    @Tag("A-115")
    void protectOfALinearAreaSplitsItsHugeLeaf() {
        try (var big = AddrSpace.create(machine, gpa(0), 1L << 32)) {
            big.mapLinear(gpa(MIB_2), hpa(MIB_2), MIB_2, MmuFlags.RW);
            big.protect(gpa(MIB_2 + PAGE), PAGE, MmuFlags.R);
            assertEquals(MmuFlags.RW, big.pageTable().query(MIB_2).flags());
            assertEquals(MmuFlags.R, big.pageTable().query(MIB_2 + PAGE).flags());
            big.protect(gpa(MIB_2 + PAGE), PAGE, MmuFlags.RW);
            assertTrue(big.handlePageFault(gpa(MIB_2 + PAGE), AccessKind.WRITE));
            assertEquals(MmuFlags.RW, big.pageTable().query(MIB_2 + PAGE).flags());
        }
    }

    @Test
    @Tag("A-42")
    @Tag("A-61")
    @Tag("A-144")
    @Tag("A-163")
    void protectOverAHoleOrWithBadFlagsChangesNothing() {
        space.mapAlloc(BASE, PAGE, MmuFlags.RW, EAGERLY);
        space.mapAlloc(gpa(0x12000), PAGE, MmuFlags.RW, EAGERLY);
        refused(ZxStatus.NOT_FOUND, () -> space.protect(BASE, 3 * PAGE, MmuFlags.R));
        refused(ZxStatus.INVALID_ARGS, () -> space.protect(BASE, PAGE, MmuFlags.NONE));
        refused(
                ZxStatus.INVALID_ARGS,
                () -> space.protect(BASE, PAGE, MmuFlags.R.with(MmuFlags.of(MmuFlags.DEVICE_BIT))));
        refused(ZxStatus.OUT_OF_RANGE, () -> space.protect(gpa(0), PAGE, MmuFlags.R));
        refused(ZxStatus.INVALID_ARGS, () -> space.protect(BASE, 1, MmuFlags.R));
        space.protect(gpa(0x11000), 0, MmuFlags.R);
        assertEquals(MmuFlags.RW, space.pageTable().query(0x10000).flags());
        assertEquals(MmuFlags.RW, space.pageTable().query(0x12000).flags());
    }
}
