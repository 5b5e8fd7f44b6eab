package io.jircon.hal.npt;

/// A field of a 64-bit word: `width` bits from bit `shift` up.
///
/// A record, because the JIT folds the final components of a record in a `static final` to
/// constants.
///
/// @param shift number of the lowest bit, 0 to 63
/// @param width how many bits, 1 to 64 - shift
public record BitField(int shift, int width) {
    /// Checks that the field lies in a word.
    ///
    /// @throws IllegalArgumentException when it does not
    public BitField {
        if (shift < 0 || width < 1 || shift + width > Long.SIZE) {
            throw new IllegalArgumentException(
                    "shift=" + shift + " width=" + width + " leaves a 64-bit word");
        }
    }

    /// The field printed as `high:low` in a manual.
    ///
    /// @param high number of the highest bit
    /// @param low number of the lowest bit
    /// @return the field
    /// @throws IllegalArgumentException when it leaves the word or is empty
    public static BitField bits(int high, int low) {
        return new BitField(low, high - low + 1);
    }

    /// The field of one bit.
    ///
    /// @param number the bit's number
    /// @return the field
    public static BitField bit(int number) {
        return new BitField(number, 1);
    }

    /// The highest value the field can hold.
    ///
    /// @return as many ones as the field has bits, at bit 0
    public long maxValue() {
        return -1L >>> (Long.SIZE - width);
    }

    /// The field's bits in the word.
    ///
    /// @return as many ones as the field has bits, in place
    public long mask() {
        return maxValue() << shift;
    }

    /// Takes the field out of a word.
    ///
    /// @param word the word
    /// @return the field's value, unsigned
    public long get(long word) {
        return (word >>> shift) & maxValue();
    }

    /// Whether any bit of the field is set.
    ///
    /// @param word the word
    /// @return true when the field is not 0
    public boolean isSet(long word) {
        return (word & mask()) != 0;
    }

    /// A word with the field replaced.
    ///
    /// @param word the word
    /// @param value the field's new value
    /// @return the new word
    /// @throws IllegalArgumentException when the value does not fit
    public long set(long word, long value) {
        if ((value & ~maxValue()) != 0) {
            throw new IllegalArgumentException(
                    "value=0x" + Long.toHexString(value) + " does not fit field " + this);
        }
        return (word & ~mask()) | (value << shift);
    }

    /// A word with only this field set.
    ///
    /// @param value the field's value
    /// @return the word
    /// @throws IllegalArgumentException when the value does not fit
    public long of(long value) {
        return set(0, value);
    }

    /// `high:low` as manuals print it, or the number of a single bit.
    @Override
    public String toString() {
        return width == 1 ? Integer.toString(shift) : (shift + width - 1) + ":" + shift;
    }
}
