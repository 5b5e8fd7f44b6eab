package io.jircon.hal.npt;

/// The value of a processor's register that tells where a page table is and how it is to be walked.
/// A record per register; each has a static `decode(long)` that refuses values the register cannot
/// hold.
public sealed interface RootRegister
        permits Cr3, Eptp, Hgatp, Satp, TcrEl1, TtbrEl1, VtcrEl2, VttbrEl2 {
    /// The register's name in its manual.
    ///
    /// @return such as `VTCR_EL2`
    String register();

    /// The value as the register holds it.
    ///
    /// @return 64 bits
    long encode();

    /// Requires that a field can hold a value.
    private static void require(String name, long value, BitField field) {
        if ((value & ~field.maxValue()) != 0) {
            throw new IllegalArgumentException(
                    name + "=0x" + Long.toHexString(value) + " does not fit bits " + field);
        }
    }

    /// Requires that an address can stand in an address field.
    ///
    /// @param name the argument's name
    /// @param address the address
    /// @param field the field, whose bits stand for the same bits of the address
    static void requireAddress(String name, long address, BitField field) {
        if ((address & ~field.mask()) != 0) {
            throw new IllegalArgumentException(
                    name + "=0x" + Long.toHexString(address) + " is not in bits " + field);
        }
    }

    /// Requires that bits are 0.
    ///
    /// @param register the register
    /// @param raw its value
    /// @param reserved the bits
    static void requireZero(String register, long raw, long reserved) {
        if ((raw & reserved) != 0) {
            throw new IllegalArgumentException(
                    register
                            + "=0x"
                            + Long.toHexString(raw)
                            + " has reserved bits 0x"
                            + Long.toHexString(raw & reserved));
        }
    }

    /// Requires that a field can hold a number.
    ///
    /// @param name the argument's name
    /// @param value the number
    /// @param field the field
    static void requireNumber(String name, int value, BitField field) {
        require(name, value, field);
    }
}
