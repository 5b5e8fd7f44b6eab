package io.jircon.hal.npt;

/// AArch64's TTBR0_EL1 or TTBR1_EL1: root of a stage-1 table and ASID. CnP (bit 0) is kept clear.
///
/// @param root physical address of the root, a multiple of its own size
/// @param asid 0 to 255, or to 65535 with TCR_EL1.AS
public record TtbrEl1(long root, int asid) implements RootRegister {
    private static final BitField ASID = BitField.bits(63, 48);
    private static final BitField BADDR = BitField.bits(47, 1);

    /// Checks the numbers.
    ///
    /// @throws IllegalArgumentException when one does not fit its field
    public TtbrEl1 {
        RootRegister.requireAddress("root", root, BADDR);
        RootRegister.requireNumber("asid", asid, ASID);
    }

    /// Reads a value; CnP is dropped.
    ///
    /// @param raw the register's value
    /// @return what it says
    public static TtbrEl1 decode(long raw) {
        return new TtbrEl1(raw & BADDR.mask(), (int) ASID.get(raw));
    }

    @Override
    public String register() {
        return "TTBR_EL1";
    }

    @Override
    public long encode() {
        return root | ASID.of(asid);
    }

    /// The value and its fields.
    @Override
    public String toString() {
        return "TTBR_EL1=0x%x root=0x%x asid=%d".formatted(encode(), root, asid);
    }
}
