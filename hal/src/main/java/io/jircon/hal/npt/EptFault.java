package io.jircon.hal.npt;

import io.jircon.hal.FaultCause;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.GuestVirtAddr;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.npt.NestedPageFaultInfo.During;

/// What a VM exit for EPT leaves in the VMCS (SDM volume 3C, "Basic VM-exit information").
///
/// ```
///   16 | 15..9 |   8   |  7  | 6 | 5 4 3 | 2 1 0
/// |async|  ...  | final | gla | XU| X W R | X W R |
///                                  allowed  wanted
/// ```
///
/// @param exitReason 48 violation, 49 misconfiguration
/// @param qualification the exit qualification; 0 for a misconfiguration
/// @param guestPhysicalAddress the address that did not translate
/// @param guestLinearAddress meaningful when bit 7 of the qualification is set
public record EptFault(
        int exitReason, long qualification, long guestPhysicalAddress, long guestLinearAddress) {
    /// The exit reason of an access that the tables do not allow.
    public static final int VIOLATION = 48;

    /// The exit reason of an entry with a reserved encoding.
    public static final int MISCONFIGURATION = 49;

    private static final BitField WANTED = BitField.bits(2, 0);
    private static final BitField ALLOWED = BitField.bits(5, 3);
    private static final BitField LINEAR_VALID = BitField.bit(7);
    private static final BitField FINAL = BitField.bit(8);

    /// Checks the exit reason.
    ///
    /// @throws IllegalArgumentException when it is neither 48 nor 49
    public EptFault {
        if (exitReason != VIOLATION && exitReason != MISCONFIGURATION) {
            throw new IllegalArgumentException("exitReason=" + exitReason + " is not 48 or 49");
        }
    }

    /// What a processor reports for a fault. An address beyond the width is a violation.
    ///
    /// @param fault the fault
    /// @param allowed the AND of the rights of the entries used; none when one was not present
    /// @return exit reason and qualification
    /// @throws IllegalArgumentException for causes that EPT does not have, and without an address
    public static EptFault encode(NestedPageFaultInfo fault, MmuFlags allowed) {
        GuestPhysAddr gpa = fault.gpa();
        FaultCause cause = fault.cause();
        if (gpa == null || cause == null) {
            throw new IllegalArgumentException("fault=" + fault + " lacks its address or cause");
        }
        GuestVirtAddr gva = fault.gva();
        long linear = gva == null ? 0 : gva.value();
        return switch (cause) {
            case MISCONFIGURED -> new EptFault(MISCONFIGURATION, 0, gpa.value(), linear);
            case NOT_PRESENT, PERMISSION, ADDRESS_SIZE -> {
                long rights = cause == FaultCause.PERMISSION ? allowed.access().bits() : 0;
                boolean isFinal = fault.during() == During.FINAL_ACCESS;
                long qualification =
                        WANTED.of(fault.access().bits())
                                | ALLOWED.of(rights)
                                | LINEAR_VALID.of(gva == null ? 0 : 1)
                                | FINAL.of(gva != null && isFinal ? 1 : 0);
                yield new EptFault(VIOLATION, qualification, gpa.value(), linear);
            }
            case ACCESS_FLAG, EXTERNAL ->
                    throw new IllegalArgumentException("cause=" + cause + " does not exist in EPT");
        };
    }

    /// What the report says. The height is never reported; zero rights may also come from entries
    /// whose rights have nothing in common, so that a second walk decides.
    ///
    /// @return the fault; for a misconfiguration, which has no qualification, a READ
    public NestedPageFaultInfo decode() {
        var gpa = new GuestPhysAddr(guestPhysicalAddress);
        if (exitReason == MISCONFIGURATION) {
            return new NestedPageFaultInfo(
                    gpa,
                    MmuFlags.R,
                    FaultCause.MISCONFIGURED,
                    NestedPageFaultInfo.UNKNOWN_HEIGHT,
                    During.FINAL_ACCESS,
                    null,
                    null);
        }
        boolean linear = LINEAR_VALID.isSet(qualification);
        boolean duringWalk = linear && !FINAL.isSet(qualification);
        return new NestedPageFaultInfo(
                gpa,
                MmuFlags.of((int) WANTED.get(qualification)),
                ALLOWED.isSet(qualification) ? FaultCause.PERMISSION : FaultCause.NOT_PRESENT,
                NestedPageFaultInfo.UNKNOWN_HEIGHT,
                duringWalk ? During.GUEST_WALK : During.FINAL_ACCESS,
                null,
                linear ? new GuestVirtAddr(guestLinearAddress) : null);
    }
}
