package io.jircon.hal.npt;

/// One named field of an entry format: what a manual's table of bits has in a line.
///
/// @param name the manual's name
/// @param bits where it lies
/// @param role what the hardware does with it
public record FormatField(String name, BitField bits, Role role) {
    /// What the hardware does with a field.
    public enum Role {
        /// It has a meaning.
        VALUE,
        /// It holds an address.
        ADDRESS,
        /// It must be 0; anything else makes the entry invalid.
        RESERVED,
        /// The hardware does not look at it.
        IGNORED
    }

    static FormatField value(String name, int high, int low) {
        return new FormatField(name, BitField.bits(high, low), Role.VALUE);
    }

    static FormatField value(String name, int bit) {
        return value(name, bit, bit);
    }

    static FormatField address(String name, int high, int low) {
        return new FormatField(name, BitField.bits(high, low), Role.ADDRESS);
    }

    static FormatField reserved(int high, int low) {
        return new FormatField("reserved", BitField.bits(high, low), Role.RESERVED);
    }

    static FormatField ignored(String name, int high, int low) {
        return new FormatField(name, BitField.bits(high, low), Role.IGNORED);
    }
}
