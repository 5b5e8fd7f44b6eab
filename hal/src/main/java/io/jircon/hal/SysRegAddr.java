package io.jircon.hal;

/// The number of a system register, in its architecture's own encoding (clause A-158).
///
/// @param value unsigned
public record SysRegAddr(long value) implements Comparable<SysRegAddr> {
    @Override
    public int compareTo(SysRegAddr other) {
        return Long.compareUnsigned(value, other.value);
    }

    /// Such as `SysRegAddr(0x1b)`.
    @Override
    public String toString() {
        return "SysRegAddr(0x" + Long.toHexString(value) + ")";
    }
}
