package io.jircon.hal.npt;

/// x86-64's CR3 with CR4.PCIDE set: root table and process-context identifier. Whether there are 4
/// or 5 levels stands in CR4.LA57.
///
/// @param root physical address of the root table
/// @param pcid 0 to 4095
public record Cr3(long root, int pcid) implements RootRegister {
    private static final BitField PCID = BitField.bits(11, 0);
    private static final BitField ADDRESS = BitField.bits(51, 12);

    /// Checks the numbers.
    ///
    /// @throws IllegalArgumentException when one does not fit its field
    public Cr3 {
        RootRegister.requireAddress("root", root, ADDRESS);
        RootRegister.requireNumber("pcid", pcid, PCID);
    }

    /// Reads a value.
    ///
    /// @param raw the register's value
    /// @return what it says
    /// @throws IllegalArgumentException for reserved bits
    public static Cr3 decode(long raw) {
        RootRegister.requireZero("CR3", raw, ~(PCID.mask() | ADDRESS.mask()));
        return new Cr3(raw & ADDRESS.mask(), (int) PCID.get(raw));
    }

    @Override
    public String register() {
        return "CR3";
    }

    @Override
    public long encode() {
        return root | PCID.of(pcid);
    }

    /// The value and its fields.
    @Override
    public String toString() {
        return "CR3=0x%x root=0x%x pcid=%d".formatted(encode(), root, pcid);
    }
}
