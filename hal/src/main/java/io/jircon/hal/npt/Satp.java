package io.jircon.hal.npt;

/// RISC-V's satp and vsatp: mode, ASID and root of the first stage.
///
/// ```
///   63  60 59       44    43           0
/// | MODE  |  ASID   |     PPN      |
/// ```
///
/// @param levels 3, 4 or 5: MODE 8, 9 or 10
/// @param asid 0 to 65535
/// @param root physical address of the root table, a multiple of 4 KiB
public record Satp(int levels, int asid, long root) implements RootRegister {
    private static final BitField MODE = BitField.bits(63, 60);
    private static final BitField ID = BitField.bits(59, 44);
    private static final BitField PPN = BitField.bits(43, 0);

    /// MODE of the three-level form; each level more is one more.
    private static final int MODE_SV39 = 8;

    /// Checks the numbers.
    ///
    /// @throws IllegalArgumentException when one does not fit its field
    public Satp {
        if (levels < 3 || levels > 5) {
            throw new IllegalArgumentException("levels=" + levels + " is not in 3..5");
        }
        RootRegister.requireNumber("asid", asid, ID);
        RootRegister.requireAddress("root", root, BitField.bits(55, 12));
    }

    /// Reads a value.
    ///
    /// @param raw the register's value
    /// @return what it says
    /// @throws IllegalArgumentException for Bare and reserved modes
    public static Satp decode(long raw) {
        RootRegister.requireZero("satp", raw, ~(MODE.mask() | ID.mask() | PPN.mask()));
        int mode = (int) MODE.get(raw);
        if (mode < MODE_SV39 || mode > MODE_SV39 + 2) {
            throw new IllegalArgumentException("satp MODE=" + mode + " is not in 8..10");
        }
        return new Satp(mode - MODE_SV39 + 3, (int) ID.get(raw), PPN.get(raw) << 12);
    }

    @Override
    public String register() {
        return "satp";
    }

    /// The MODE field.
    ///
    /// @return 8, 9 or 10
    public int mode() {
        return MODE_SV39 + levels - 3;
    }

    @Override
    public long encode() {
        return MODE.of(mode()) | ID.of(asid) | PPN.of(root >>> 12);
    }

    /// The value and its fields.
    @Override
    public String toString() {
        return "satp=0x%x mode=%d asid=%d root=0x%x".formatted(encode(), mode(), asid, root);
    }
}
