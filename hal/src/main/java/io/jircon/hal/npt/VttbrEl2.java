package io.jircon.hal.npt;

/// AArch64's VTTBR_EL2: root of the stage-2 table and VMID. CnP (bit 0) is kept clear.
///
/// @param root physical address of the root, a multiple of its own size
/// @param vmid 0 to 255, or to 65535 with VTCR_EL2.VS
public record VttbrEl2(long root, int vmid) implements RootRegister {
    private static final BitField VMID = BitField.bits(63, 48);
    private static final BitField BADDR = BitField.bits(47, 1);

    /// Checks the numbers.
    ///
    /// @throws IllegalArgumentException when one does not fit its field
    public VttbrEl2 {
        RootRegister.requireAddress("root", root, BADDR);
        RootRegister.requireNumber("vmid", vmid, VMID);
    }

    /// Reads a value; CnP is dropped.
    ///
    /// @param raw the register's value
    /// @return what it says
    public static VttbrEl2 decode(long raw) {
        return new VttbrEl2(raw & BADDR.mask(), (int) VMID.get(raw));
    }

    @Override
    public String register() {
        return "VTTBR_EL2";
    }

    @Override
    public long encode() {
        return root | VMID.of(vmid);
    }

    /// The value and its fields.
    @Override
    public String toString() {
        return "VTTBR_EL2=0x%x root=0x%x vmid=%d".formatted(encode(), root, vmid);
    }
}
