package io.jircon.hal.npt;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.GuestVirtAddr;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.npt.NestedPageFaultInfo.During;

/// What a guest-page fault leaves in the registers of HS-mode (RISC-V privileged manual, chapter on
/// the hypervisor extension).
///
/// @param cause scause: 20 fetch, 21 load, 23 store; 1, 5, 7 when a table could not be reached
/// @param stval the guest-virtual address
/// @param htval the guest-physical address shifted right by 2; 0 where the hardware does not tell
/// @param htinst 0x3000 or 0x3020 when the access was a read or write of a guest's page table; else
///   0 or the transformed instruction
public record RiscvGuestFault(int cause, long stval, long htval, long htinst) {
    /// Instruction guest-page fault.
    public static final int FETCH_FAULT = 20;

    /// Load guest-page fault.
    public static final int LOAD_FAULT = 21;

    /// Store or AMO guest-page fault.
    public static final int STORE_FAULT = 23;

    private static final int FETCH_ACCESS_FAULT = 1;
    private static final int LOAD_ACCESS_FAULT = 5;
    private static final int STORE_ACCESS_FAULT = 7;

    /// htinst of a 64-bit read of a VS-stage entry; bit 5 set for a write, bit 12 clear for 32
    /// bits.
    private static final long READ_ENTRY = 0x3000;

    private static final long WRITE_ENTRY = 0x3020;
    private static final long NARROW = 0x1000;

    /// What a processor reports for a fault.
    ///
    /// @param fault the fault, with its address and the guest's access
    /// @return the registers
    /// @throws IllegalArgumentException when one of them is not known
    public static RiscvGuestFault encode(NestedPageFaultInfo fault) {
        GuestPhysAddr gpa = fault.gpa();
        AccessKind guest = fault.guestAccess();
        if (gpa == null || guest == null) {
            throw new IllegalArgumentException("fault=" + fault + " lacks its address or access");
        }
        GuestVirtAddr gva = fault.gva();
        long stval = gva == null ? gpa.value() : gva.value(); // stage 1 off: both are one
        if (fault.cause() == FaultCause.EXTERNAL) {
            int code =
                    switch (guest) {
                        case EXECUTE -> FETCH_ACCESS_FAULT;
                        case READ -> LOAD_ACCESS_FAULT;
                        case WRITE -> STORE_ACCESS_FAULT;
                    };
            return new RiscvGuestFault(code, stval, 0, 0);
        }
        int code =
                switch (guest) {
                    case EXECUTE -> FETCH_FAULT;
                    case READ -> LOAD_FAULT;
                    case WRITE -> STORE_FAULT;
                };
        long htinst = 0;
        if (fault.during() == During.GUEST_WALK) {
            htinst = fault.access().canWrite() ? WRITE_ENTRY : READ_ENTRY;
        }
        return new RiscvGuestFault(code, stval, gpa.value() >>> 2, htinst);
    }

    /// What the registers say. Cause and height are not reported: a second walk finds them.
    ///
    /// @return the fault; its address is null when htval is 0
    /// @throws IllegalArgumentException for an scause that is none of the second stage's
    public NestedPageFaultInfo decode() {
        AccessKind guest =
                switch (cause) {
                    case FETCH_FAULT, FETCH_ACCESS_FAULT -> AccessKind.EXECUTE;
                    case LOAD_FAULT, LOAD_ACCESS_FAULT -> AccessKind.READ;
                    case STORE_FAULT, STORE_ACCESS_FAULT -> AccessKind.WRITE;
                    default ->
                            throw new IllegalArgumentException(
                                    "scause=" + cause + " is no fault of the second stage");
                };
        long entryAccess = htinst & ~NARROW;
        boolean writes = entryAccess == (WRITE_ENTRY & ~NARROW);
        boolean duringWalk = writes || entryAccess == (READ_ENTRY & ~NARROW);
        MmuFlags access = NestedPageFaultInfo.flags(guest);
        if (duringWalk) {
            access = writes ? NestedPageFaultInfo.flags(AccessKind.WRITE) : MmuFlags.R;
        }
        long low = duringWalk ? 0 : stval & 3;
        return new NestedPageFaultInfo(
                htval == 0 ? null : new GuestPhysAddr(htval << 2 | low),
                access,
                cause < FETCH_FAULT ? FaultCause.EXTERNAL : null,
                NestedPageFaultInfo.UNKNOWN_HEIGHT,
                duringWalk ? During.GUEST_WALK : During.FINAL_ACCESS,
                guest,
                new GuestVirtAddr(stval));
    }
}
