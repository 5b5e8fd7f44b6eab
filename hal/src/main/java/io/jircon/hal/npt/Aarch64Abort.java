package io.jircon.hal.npt;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.GuestVirtAddr;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.npt.NestedPageFaultInfo.During;
import org.jspecify.annotations.Nullable;

/// What an abort that stage 2 sends to EL2 leaves in the registers (Arm ARM for A-profile: ESR_EL2,
/// FAR_EL2, HPFAR_EL2).
///
/// ```
///   ESR_EL2:  31 26  25 |  9   8    7     6   5   0
///           |  EC  | IL | EA  CM  S1PTW  WnR |  FSC  |
/// ```
///
/// @param esr the syndrome
/// @param far the guest-virtual address
/// @param hpfar bits 47:12 of the guest-physical address in bits 39:4; UNKNOWN for a permission
///   fault of the guest's own access
public record Aarch64Abort(long esr, long far, long hpfar) {
    /// Exception class of an instruction abort from a lower exception level.
    public static final int INSTRUCTION_ABORT = 0x20;

    /// Exception class of a data abort from a lower exception level.
    public static final int DATA_ABORT = 0x24;

    private static final BitField CLASS = BitField.bits(31, 26);
    private static final BitField LONG_INSTRUCTION = BitField.bit(25);
    private static final BitField STATUS = BitField.bits(5, 0);
    private static final BitField LEVEL = BitField.bits(1, 0);
    private static final BitField WRITE = BitField.bit(6);
    private static final BitField STAGE1_WALK = BitField.bit(7);
    private static final BitField FAULTING_IPA = BitField.bits(39, 4);

    private static final int ADDRESS_SIZE = 0b0000;
    private static final int TRANSLATION = 0b0001;
    private static final int ACCESS_FLAG = 0b0010;
    private static final int PERMISSION = 0b0011;
    private static final int EXTERNAL_ON_WALK = 0b0101;
    private static final int EXTERNAL = 0b010000;

    /// Fault status code of a fault, as ESR_EL2 and PAR_EL1 have it.
    ///
    /// @param cause why
    /// @param height height of the entry, 0 to 3
    /// @return FSC
    /// @throws IllegalArgumentException for MISCONFIGURED, which AArch64 does not report, and other
    ///   heights
    public static int statusCode(FaultCause cause, int height) {
        if (height < 0 || height > 3) {
            throw new IllegalArgumentException("height=" + height + " is not in 0..3");
        }
        int group =
                switch (cause) {
                    case ADDRESS_SIZE -> ADDRESS_SIZE;
                    case NOT_PRESENT -> TRANSLATION;
                    case ACCESS_FLAG -> ACCESS_FLAG;
                    case PERMISSION -> PERMISSION;
                    case EXTERNAL -> EXTERNAL_ON_WALK;
                    case MISCONFIGURED ->
                            throw new IllegalArgumentException(
                                    "cause=" + cause + " is not reported by AArch64");
                };
        return group << 2 | (3 - height);
    }

    /// What a processor reports for a fault.
    ///
    /// @param fault the fault, with its address, cause and height
    /// @return the registers; HPFAR_EL2 is 0 where it would be UNKNOWN
    /// @throws IllegalArgumentException when something is not known, or the cause is MISCONFIGURED
    public static Aarch64Abort encode(NestedPageFaultInfo fault) {
        GuestPhysAddr gpa = fault.gpa();
        FaultCause cause = fault.cause();
        if (gpa == null || cause == null) {
            throw new IllegalArgumentException("fault=" + fault + " lacks its address or cause");
        }
        boolean duringWalk = fault.during() == During.GUEST_WALK;
        AccessKind guest = fault.guestAccess();
        boolean fetch = guest == null ? fault.access().canExecute() : guest == AccessKind.EXECUTE;
        boolean write = guest == null ? fault.access().canWrite() : guest == AccessKind.WRITE;
        long esr =
                CLASS.of(fetch ? INSTRUCTION_ABORT : DATA_ABORT)
                        | LONG_INSTRUCTION.mask()
                        | STAGE1_WALK.of(duringWalk ? 1 : 0)
                        | WRITE.of(write ? 1 : 0)
                        | STATUS.of(statusCode(cause, fault.height()));
        GuestVirtAddr gva = fault.gva();
        long far = gva == null ? gpa.value() : gva.value(); // stage 1 off: VA and IPA are one
        boolean known = duringWalk || cause != FaultCause.PERMISSION;
        return new Aarch64Abort(
                esr,
                far,
                known ? FAULTING_IPA.of(gpa.value() >>> 12 & FAULTING_IPA.maxValue()) : 0);
    }

    /// Whether HPFAR_EL2 holds the address: not for a permission fault of the guest's own access.
    /// Software then translates FAR_EL2 by the guest's tables.
    ///
    /// @return true when the guest-physical address is known
    public boolean isAddressKnown() {
        return STAGE1_WALK.isSet(esr) || (STATUS.get(esr) >> 2) != PERMISSION;
    }

    /// What the registers say. During a guest's walk the address is that of the page, and a
    /// permission fault is taken for the walker's update of a descriptor.
    ///
    /// @return the fault
    /// @throws IllegalArgumentException for an exception class or fault status that is none of
    ///   stage 2's
    public NestedPageFaultInfo decode() {
        int kind = (int) CLASS.get(esr);
        if (kind != INSTRUCTION_ABORT && kind != DATA_ABORT) {
            throw new IllegalArgumentException(
                    "EC=0x" + Integer.toHexString(kind) + " is no abort");
        }
        AccessKind guest =
                kind == INSTRUCTION_ABORT
                        ? AccessKind.EXECUTE
                        : WRITE.isSet(esr) ? AccessKind.WRITE : AccessKind.READ;
        FaultCause cause = cause((int) STATUS.get(esr));
        boolean duringWalk = STAGE1_WALK.isSet(esr);
        MmuFlags access = NestedPageFaultInfo.flags(guest);
        if (duringWalk) {
            access =
                    cause == FaultCause.PERMISSION
                            ? NestedPageFaultInfo.flags(AccessKind.WRITE)
                            : MmuFlags.R;
        }
        return new NestedPageFaultInfo(
                address(duringWalk),
                access,
                cause,
                STATUS.get(esr) == EXTERNAL
                        ? NestedPageFaultInfo.UNKNOWN_HEIGHT
                        : 3 - (int) LEVEL.get(esr),
                duringWalk ? During.GUEST_WALK : During.FINAL_ACCESS,
                guest,
                new GuestVirtAddr(far));
    }

    private @Nullable GuestPhysAddr address(boolean duringWalk) {
        if (!isAddressKnown()) {
            return null;
        }
        long page = FAULTING_IPA.get(hpfar) << 12;
        return new GuestPhysAddr(duringWalk ? page : page | (far & 0xfff));
    }

    private static FaultCause cause(int status) {
        if (status == EXTERNAL) {
            return FaultCause.EXTERNAL;
        }
        return switch (status >> 2) {
            case ADDRESS_SIZE -> FaultCause.ADDRESS_SIZE;
            case TRANSLATION -> FaultCause.NOT_PRESENT;
            case ACCESS_FLAG -> FaultCause.ACCESS_FLAG;
            case PERMISSION -> FaultCause.PERMISSION;
            case EXTERNAL_ON_WALK -> FaultCause.EXTERNAL;
            default ->
                    throw new IllegalArgumentException(
                            "FSC=0x" + Integer.toHexString(status) + " is no fault of stage 2");
        };
    }
}
