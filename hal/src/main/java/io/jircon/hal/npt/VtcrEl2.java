package io.jircon.hal.npt;

/// AArch64's VTCR_EL2 for a 4 KiB granule: how stage 2 is walked. The tables themselves are taken
/// as write-back and inner shareable.
///
/// ```
///   31 | 22 21 20 19 18 16 15 14 13 12 11   10 9    8 7  6 5   0
/// |  1 | HD|HA|  |VS| PS  | TG0 | SH0 | ORGN0 | IRGN0 | SL0|T0SZ |
/// ```
///
/// @param ipaBits width of guest-physical addresses: 64 - T0SZ
/// @param startLevel level of the root: 0, 1 or 2
/// @param physicalBits output size: 32, 36, 40, 42, 44 or 48
/// @param setsAccess HA: the walker sets the access flag
/// @param setsDirty HD: the walker sets the dirty state
public record VtcrEl2(
        int ipaBits, int startLevel, int physicalBits, boolean setsAccess, boolean setsDirty)
        implements RootRegister {
    private static final BitField T0SZ = BitField.bits(5, 0);
    private static final BitField SL0 = BitField.bits(7, 6);
    private static final BitField IRGN0 = BitField.bits(9, 8);
    private static final BitField ORGN0 = BitField.bits(11, 10);
    private static final BitField SH0 = BitField.bits(13, 12);
    private static final BitField TG0 = BitField.bits(15, 14);
    private static final BitField PS = BitField.bits(18, 16);
    private static final BitField HA = BitField.bit(21);
    private static final BitField HD = BitField.bit(22);
    private static final BitField RES1 = BitField.bit(31);

    private static final int WRITE_BACK = 1;

    /// Checks the numbers.
    ///
    /// @throws IllegalArgumentException when one does not fit its field
    public VtcrEl2 {
        RootRegister.requireNumber("64 - ipaBits", Long.SIZE - ipaBits, T0SZ);
        if (startLevel < 0 || startLevel > 2) {
            throw new IllegalArgumentException("startLevel=" + startLevel + " is not in 0..2");
        }
        if (Aarch64.outputSizeCode(physicalBits) < 0) {
            throw new IllegalArgumentException("physicalBits=" + physicalBits + " has no PS code");
        }
    }

    /// Reads a value. VS and the HWU bits are dropped.
    ///
    /// @param raw the register's value
    /// @return what it says
    /// @throws IllegalArgumentException for another granule, start level 3 and 52-bit outputs
    public static VtcrEl2 decode(long raw) {
        if (TG0.get(raw) != 0) {
            throw new IllegalArgumentException("VTCR_EL2.TG0=" + TG0.get(raw) + " is not 4 KiB");
        }
        int startLevel = 2 - (int) SL0.get(raw);
        return new VtcrEl2(
                Long.SIZE - (int) T0SZ.get(raw),
                startLevel,
                Aarch64.outputSize((int) PS.get(raw)),
                HA.isSet(raw),
                HD.isSet(raw));
    }

    @Override
    public String register() {
        return "VTCR_EL2";
    }

    @Override
    public long encode() {
        return T0SZ.of(Long.SIZE - ipaBits)
                | SL0.of(2 - startLevel)
                | IRGN0.of(WRITE_BACK)
                | ORGN0.of(WRITE_BACK)
                | SH0.of(Aarch64.INNER_SHAREABLE)
                | PS.of(Aarch64.outputSizeCode(physicalBits))
                | HA.of(setsAccess ? 1 : 0)
                | HD.of(setsDirty ? 1 : 0)
                | RES1.mask();
    }

    /// The value and its fields.
    @Override
    public String toString() {
        return "VTCR_EL2=0x%x ipa=%d start=%d ps=%d ha=%d hd=%d"
                .formatted(
                        encode(),
                        ipaBits,
                        startLevel,
                        physicalBits,
                        setsAccess ? 1 : 0,
                        setsDirty ? 1 : 0);
    }
}
