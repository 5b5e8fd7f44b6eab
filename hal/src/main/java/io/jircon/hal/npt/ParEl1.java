package io.jircon.hal.npt;

import io.jircon.hal.FaultCause;

/// AArch64's PAR_EL1, where an address translation instruction leaves its answer.
///
/// ```
///   F=0: 63 56     47   12  11 10 9 8 7    0
///      | ATTR |...|  PA   |  1 |  |NS| SH | 0 |
///   F=1:                    11    9   8   6  1  0
///      |                  |  1 | S |PTW | FST | 1 |
/// ```
///
/// @param raw the register's value
public record ParEl1(long raw) {
    private static final BitField FAILED = BitField.bit(0);
    private static final BitField STATUS = BitField.bits(6, 1);
    private static final BitField SHAREABILITY = BitField.bits(8, 7);
    private static final BitField STAGE1_WALK = BitField.bit(8);
    private static final BitField STAGE2 = BitField.bit(9);
    private static final BitField RES1 = BitField.bit(11);
    private static final BitField ADDRESS = BitField.bits(47, 12);
    private static final BitField ATTRIBUTES = BitField.bits(63, 56);

    /// The answer for an address that translates.
    ///
    /// @param paddr the physical address; the offset in the page is dropped
    /// @param attributes the memory type as a MAIR byte
    /// @param shareability 0 none, 2 outer, 3 inner
    /// @return the value
    public static ParEl1 of(long paddr, int attributes, int shareability) {
        return new ParEl1(
                (paddr & ADDRESS.mask())
                        | ATTRIBUTES.of(attributes)
                        | SHAREABILITY.of(shareability)
                        | RES1.mask());
    }

    /// The answer for a fault of stage 2.
    ///
    /// @param cause why
    /// @param height height of the entry, 0 to 3
    /// @param during whose access it was
    /// @return the value
    /// @throws IllegalArgumentException as [Aarch64Abort#statusCode]
    public static ParEl1 stage2Fault(
            FaultCause cause, int height, NestedPageFaultInfo.During during) {
        boolean duringWalk = during == NestedPageFaultInfo.During.GUEST_WALK;
        return new ParEl1(
                FAILED.mask()
                        | STATUS.of(Aarch64Abort.statusCode(cause, height))
                        | STAGE1_WALK.of(duringWalk ? 1 : 0)
                        | STAGE2.mask()
                        | RES1.mask());
    }

    /// Whether the translation failed (F).
    ///
    /// @return true when the status code counts and not the address
    public boolean isFault() {
        return FAILED.isSet(raw);
    }

    /// The page that the address translates to.
    ///
    /// @return a physical address
    public long pageAddress() {
        return raw & ADDRESS.mask();
    }

    /// The fault status code (FST).
    ///
    /// @return as in ESR_EL2
    public int statusCode() {
        return (int) STATUS.get(raw);
    }

    /// Whether stage 2 refused (S).
    ///
    /// @return false for a fault of stage 1
    public boolean isStage2() {
        return STAGE2.isSet(raw);
    }
}
