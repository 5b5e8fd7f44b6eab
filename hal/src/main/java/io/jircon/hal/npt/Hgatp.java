package io.jircon.hal.npt;

/// RISC-V's hgatp: mode, VMID and root of the G-stage.
///
/// ```
///   63  60 59 58 57  44    43           0
/// | MODE  |  VMID   |     PPN      |
/// ```
///
/// @param levels 3, 4 or 5: MODE 8, 9 or 10
/// @param vmid 0 to 16383
/// @param root physical address of the root table, a multiple of 16 KiB
public record Hgatp(int levels, int vmid, long root) implements RootRegister {
    private static final BitField MODE = BitField.bits(63, 60);
    private static final BitField ID = BitField.bits(57, 44);
    private static final BitField PPN = BitField.bits(43, 0);

    /// MODE of the three-level form; each level more is one more.
    private static final int MODE_SV39 = 8;

    /// Checks the numbers.
    ///
    /// @throws IllegalArgumentException when one does not fit its field
    public Hgatp {
        if (levels < 3 || levels > 5) {
            throw new IllegalArgumentException("levels=" + levels + " is not in 3..5");
        }
        RootRegister.requireNumber("vmid", vmid, ID);
        RootRegister.requireAddress("root", root, BitField.bits(55, 14));
    }

    /// Reads a value.
    ///
    /// @param raw the register's value
    /// @return what it says
    /// @throws IllegalArgumentException for Bare and reserved modes, and for reserved bits
    public static Hgatp decode(long raw) {
        RootRegister.requireZero("hgatp", raw, ~(MODE.mask() | ID.mask() | PPN.mask()));
        int mode = (int) MODE.get(raw);
        if (mode < MODE_SV39 || mode > MODE_SV39 + 2) {
            throw new IllegalArgumentException("hgatp MODE=" + mode + " is not in 8..10");
        }
        return new Hgatp(mode - MODE_SV39 + 3, (int) ID.get(raw), PPN.get(raw) << 12);
    }

    @Override
    public String register() {
        return "hgatp";
    }

    /// The MODE field.
    ///
    /// @return 8, 9 or 10
    public int mode() {
        return MODE_SV39 + levels - 3;
    }

    @Override
    public long encode() {
        return MODE.of(mode()) | ID.of(vmid) | PPN.of(root >>> 12);
    }

    /// The value and its fields.
    @Override
    public String toString() {
        return "hgatp=0x%x mode=%d vmid=%d root=0x%x".formatted(encode(), mode(), vmid, root);
    }
}
