package io.jircon.hal;

/// The number of an I/O port (clause A-158).
///
/// @param number 0 .. 0xffff
public record Port(int number) implements Comparable<Port> {
    /// The highest number.
    public static final int MAX = 0xffff;

    /// Checks the number.
    ///
    /// @throws IllegalArgumentException when it is not in 0 .. 0xffff
    public Port {
        if (number < 0 || number > MAX) {
            throw new IllegalArgumentException("number=" + number + " is not in 0..0xffff");
        }
    }

    @Override
    public int compareTo(Port other) {
        return Integer.compare(number, other.number);
    }

    /// Such as `Port(0x3f8)`.
    @Override
    public String toString() {
        return "Port(0x" + Integer.toHexString(number) + ")";
    }
}
