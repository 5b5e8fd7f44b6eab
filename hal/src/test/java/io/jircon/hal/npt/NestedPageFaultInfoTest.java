package io.jircon.hal.npt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.GuestVirtAddr;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.hal.npt.NestedPageFaultInfo.During;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Tag("A-150")
@Tag("A-147")
class NestedPageFaultInfoTest {
    private static final GuestPhysAddr GPA = new GuestPhysAddr(0x1_2345_6784L);
    private static final GuestVirtAddr GVA = new GuestVirtAddr(0x7fff_0000_0784L);
    private static final MmuFlags W = MmuFlags.of(MmuFlags.WRITE_BIT);

    private static NestedPageFaultInfo fault(AccessKind access, FaultCause cause, int height) {
        return new NestedPageFaultInfo(
                GPA,
                NestedPageFaultInfo.flags(access),
                cause,
                height,
                During.FINAL_ACCESS,
                access,
                GVA);
    }

    private static NestedPageFaultInfo walkFault(
            AccessKind guest, MmuFlags access, FaultCause cause) {
        return new NestedPageFaultInfo(GPA, access, cause, 1, During.GUEST_WALK, guest, GVA);
    }

    @Test
    @Tag("A-148")
    void eptQualificationsAreThoseOfTheManual() {
        var write = fault(AccessKind.WRITE, FaultCause.PERMISSION, 0);
        assertEquals(0x18a, EptFault.encode(write, MmuFlags.R).qualification());
        var read = fault(AccessKind.READ, FaultCause.NOT_PRESENT, 2);
        assertEquals(0x181, EptFault.encode(read, MmuFlags.RWX).qualification());
        var fetch = fault(AccessKind.EXECUTE, FaultCause.PERMISSION, 0);
        assertEquals(0x19c, EptFault.encode(fetch, MmuFlags.RW).qualification());
        var entry = walkFault(AccessKind.READ, MmuFlags.RW, FaultCause.PERMISSION);
        assertEquals(0x8b, EptFault.encode(entry, MmuFlags.R).qualification());
        assertEquals(
                0x001,
                EptFault.encode(
                                NestedPageFaultInfo.of(
                                        5, AccessKind.READ, FaultCause.ADDRESS_SIZE, 3),
                                MmuFlags.NONE)
                        .qualification());
    }

    @Test
    void eptReportsGoBackToWhatTheyTell() {
        for (AccessKind access : AccessKind.values()) {
            for (FaultCause cause :
                    new FaultCause[] {FaultCause.NOT_PRESENT, FaultCause.PERMISSION}) {
                NestedPageFaultInfo there = fault(access, cause, 0);
                NestedPageFaultInfo back = EptFault.encode(there, MmuFlags.RX).decode();
                assertEquals(GPA, back.gpa());
                assertEquals(GVA, back.gva());
                assertEquals(there.access(), back.access());
                assertEquals(cause, back.cause());
                assertEquals(During.FINAL_ACCESS, back.during());
                assertEquals(NestedPageFaultInfo.UNKNOWN_HEIGHT, back.height());
            }
        }
        var entry = walkFault(AccessKind.EXECUTE, MmuFlags.RW, FaultCause.NOT_PRESENT);
        NestedPageFaultInfo back = EptFault.encode(entry, MmuFlags.NONE).decode();
        assertEquals(During.GUEST_WALK, back.during());
        assertEquals(MmuFlags.RW, back.access());
        var bad = fault(AccessKind.WRITE, FaultCause.MISCONFIGURED, 0);
        EptFault report = EptFault.encode(bad, MmuFlags.NONE);
        assertEquals(49, report.exitReason());
        assertEquals(FaultCause.MISCONFIGURED, report.decode().cause());
    }

    @Test
    void eptHasNoAccessFlagFaults() {
        assertThrows(
                IllegalArgumentException.class,
                () ->
                        EptFault.encode(
                                fault(AccessKind.READ, FaultCause.ACCESS_FLAG, 0), MmuFlags.R));
        assertThrows(IllegalArgumentException.class, () -> new EptFault(47, 0, 0, 0));
    }

    @Test
    @Tag("A-148")
    void aarch64SyndromesAreThoseOfTheManual() {
        Aarch64Abort write =
                Aarch64Abort.encode(fault(AccessKind.WRITE, FaultCause.NOT_PRESENT, 1));
        assertEquals(0x9200_0046L, write.esr());
        assertEquals(GVA.value(), write.far());
        assertEquals(0x12345_6L << 4 & ~0xfL, write.hpfar() & ~0xfL);
        Aarch64Abort fetch =
                Aarch64Abort.encode(fault(AccessKind.EXECUTE, FaultCause.PERMISSION, 0));
        assertEquals(0x8200_000fL, fetch.esr());
        assertFalse(fetch.isAddressKnown());
        assertNull(fetch.decode().gpa());
        assertEquals(GPA, fetch.decode().withGpa(GPA).gpa());
        Aarch64Abort entry =
                Aarch64Abort.encode(
                        walkFault(AccessKind.WRITE, MmuFlags.R, FaultCause.ACCESS_FLAG));
        assertEquals(0x9200_00caL, entry.esr());
        assertTrue(entry.isAddressKnown());
    }

    @ParameterizedTest
    @EnumSource(
            value = FaultCause.class,
            names = {"NOT_PRESENT", "ACCESS_FLAG", "ADDRESS_SIZE", "EXTERNAL"})
    void aarch64ReportsGoBackToWhatTheyTell(FaultCause cause) {
        for (AccessKind access : AccessKind.values()) {
            for (int height = 0; height <= 3; height++) {
                NestedPageFaultInfo there = fault(access, cause, height);
                assertEquals(there, Aarch64Abort.encode(there).decode());
            }
        }
    }

    @Test
    void aarch64WalkFaultsGiveThePage() {
        NestedPageFaultInfo back =
                Aarch64Abort.encode(walkFault(AccessKind.READ, MmuFlags.R, FaultCause.NOT_PRESENT))
                        .decode();
        assertEquals(new GuestPhysAddr(0x1_2345_6000L), back.gpa());
        assertEquals(During.GUEST_WALK, back.during());
        assertEquals(MmuFlags.R, back.access());
        assertEquals(AccessKind.READ, back.guestAccess());
        assertEquals(
                W,
                Aarch64Abort.encode(walkFault(AccessKind.READ, W, FaultCause.PERMISSION))
                        .decode()
                        .access());
    }

    @Test
    void parIsThatOfTheManual() {
        assertEquals(
                0xa1f, ParEl1.stage2Fault(FaultCause.PERMISSION, 0, During.FINAL_ACCESS).raw());
        ParEl1 walk = ParEl1.stage2Fault(FaultCause.NOT_PRESENT, 2, During.GUEST_WALK);
        assertEquals(0xb0b, walk.raw());
        assertTrue(walk.isFault());
        assertTrue(walk.isStage2());
        assertEquals(0x05, walk.statusCode());
        ParEl1 found = ParEl1.of(0x8000_4123L, 0xff, 3);
        assertEquals(0xff00_0000_8000_4980L, found.raw());
        assertFalse(found.isFault());
        assertEquals(0x8000_4000L, found.pageAddress());
    }

    @Test
    @Tag("A-148")
    void riscvTrapsAreThoseOfTheManual() {
        var store = fault(AccessKind.WRITE, FaultCause.NOT_PRESENT, 0);
        assertEquals(
                new RiscvGuestFault(23, GVA.value(), GPA.value() >> 2, 0),
                RiscvGuestFault.encode(store));
        var read = walkFault(AccessKind.EXECUTE, MmuFlags.R, FaultCause.NOT_PRESENT);
        assertEquals(
                new RiscvGuestFault(20, GVA.value(), GPA.value() >> 2, 0x3000),
                RiscvGuestFault.encode(read));
        var write = walkFault(AccessKind.READ, W, FaultCause.NOT_PRESENT);
        assertEquals(0x3020, RiscvGuestFault.encode(write).htinst());
        assertEquals(21, RiscvGuestFault.encode(write).cause());
        var lost = fault(AccessKind.READ, FaultCause.EXTERNAL, 0);
        assertEquals(new RiscvGuestFault(5, GVA.value(), 0, 0), RiscvGuestFault.encode(lost));
    }

    @Test
    void riscvReportsGoBackToWhatTheyTell() {
        for (AccessKind access : AccessKind.values()) {
            NestedPageFaultInfo back =
                    RiscvGuestFault.encode(fault(access, FaultCause.PERMISSION, 0)).decode();
            assertEquals(GPA, back.gpa());
            assertEquals(access, back.guestAccess());
            assertEquals(NestedPageFaultInfo.flags(access), back.access());
            assertNull(back.cause());
        }
        NestedPageFaultInfo entry = new RiscvGuestFault(23, 0x1003, 0x400, 0x2020).decode();
        assertEquals(new GuestPhysAddr(0x1000), entry.gpa());
        assertEquals(During.GUEST_WALK, entry.during());
        assertEquals(W, entry.access());
        assertNull(new RiscvGuestFault(21, 0x1000, 0, 0).decode().gpa());
        assertThrows(
                IllegalArgumentException.class, () -> new RiscvGuestFault(22, 0, 0, 0).decode());
    }

    @Test
    void aSecondWalkFindsWhatWasNotReported() {
        try (var bench = new Bench();
                NestedPageTable table = bench.table(RiscvOptions.GUEST.format())) {
            table.map(0x1000, 0, PageSize.SIZE_4K, MmuFlags.R);
            NestedPageFaultInfo store =
                    new RiscvGuestFault(23, 0x1008, 0x1008 >> 2, 0).decode().refinedBy(table);
            assertEquals(FaultCause.PERMISSION, store.cause());
            assertEquals(0, store.height());
            NestedPageFaultInfo hole =
                    new RiscvGuestFault(21, 0, 1L << 28, 0).decode().refinedBy(table);
            assertEquals(FaultCause.NOT_PRESENT, hole.cause());
            assertEquals(2, hole.height());
            NestedPageFaultInfo gone =
                    new RiscvGuestFault(21, 0x1008, 0x1008 >> 2, 0).decode().refinedBy(table);
            assertNull(gone.cause());
        }
    }

    @Test
    void anAccessMustBeAskedFor() {
        assertThrows(
                IllegalArgumentException.class,
                () ->
                        new NestedPageFaultInfo(
                                GPA, MmuFlags.NONE, null, 0, During.FINAL_ACCESS, null, null));
    }
}
