package io.jircon.hal.npt;

/// AArch64's TCR_EL1 for 4 KiB granules: how stage 1 is walked. The tables themselves are taken as
/// write-back and inner shareable.
///
/// @param lowerBits width of the addresses that TTBR0_EL1 translates: 64 - T0SZ; 0 for none (EPD0)
/// @param upperBits width of the addresses that TTBR1_EL1 translates: 64 - T1SZ; 0 for none (EPD1)
/// @param physicalBits output size (IPS): 32, 36, 40, 42, 44 or 48
public record TcrEl1(int lowerBits, int upperBits, int physicalBits) implements RootRegister {
    private static final BitField T0SZ = BitField.bits(5, 0);
    private static final BitField EPD0 = BitField.bit(7);
    private static final BitField CACHE0 = BitField.bits(13, 8);
    private static final BitField TG0 = BitField.bits(15, 14);
    private static final BitField T1SZ = BitField.bits(21, 16);
    private static final BitField EPD1 = BitField.bit(23);
    private static final BitField CACHE1 = BitField.bits(29, 24);
    private static final BitField TG1 = BitField.bits(31, 30);
    private static final BitField IPS = BitField.bits(34, 32);

    /// SH inner shareable, ORGN and IRGN write-back.
    private static final int CACHED = 0b11_01_01;

    /// TG1 counts otherwise than TG0.
    private static final int TG1_4K = 0b10;

    /// Checks the numbers.
    ///
    /// @throws IllegalArgumentException when one does not fit its field
    public TcrEl1 {
        requireWidth("lowerBits", lowerBits);
        requireWidth("upperBits", upperBits);
        if (Aarch64.outputSizeCode(physicalBits) < 0) {
            throw new IllegalArgumentException("physicalBits=" + physicalBits + " has no IPS code");
        }
    }

    private static void requireWidth(String name, int bits) {
        if (bits != 0 && (bits < 25 || bits > 48)) {
            throw new IllegalArgumentException(name + "=" + bits + " is neither 0 nor in 25..48");
        }
    }

    /// Reads a value. The ASID controls and cacheability of the tables are dropped.
    ///
    /// @param raw the register's value
    /// @return what it says
    /// @throws IllegalArgumentException for other granules and widths
    public static TcrEl1 decode(long raw) {
        boolean lower = !EPD0.isSet(raw);
        boolean upper = !EPD1.isSet(raw);
        if ((lower && TG0.get(raw) != 0) || (upper && TG1.get(raw) != TG1_4K)) {
            throw new IllegalArgumentException(
                    "TCR_EL1.TG0=" + TG0.get(raw) + " TG1=" + TG1.get(raw) + " is not 4 KiB");
        }
        return new TcrEl1(
                lower ? Long.SIZE - (int) T0SZ.get(raw) : 0,
                upper ? Long.SIZE - (int) T1SZ.get(raw) : 0,
                Aarch64.outputSize((int) IPS.get(raw)));
    }

    @Override
    public String register() {
        return "TCR_EL1";
    }

    @Override
    public long encode() {
        long lower =
                lowerBits == 0 ? EPD0.mask() : T0SZ.of(Long.SIZE - lowerBits) | CACHE0.of(CACHED);
        long upper =
                upperBits == 0
                        ? EPD1.mask()
                        : T1SZ.of(Long.SIZE - upperBits) | CACHE1.of(CACHED) | TG1.of(TG1_4K);
        return lower | upper | IPS.of(Aarch64.outputSizeCode(physicalBits));
    }

    /// The value and its fields.
    @Override
    public String toString() {
        return "TCR_EL1=0x%x lower=%d upper=%d ips=%d"
                .formatted(encode(), lowerBits, upperBits, physicalBits);
    }
}
