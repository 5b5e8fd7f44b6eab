package io.jircon.hal;

/// How wide a device access is, in x86 names (clause A-157). Ordered by size.
public enum AccessWidth {
    /// 1 byte.
    BYTE,
    /// 2 bytes.
    WORD,
    /// 4 bytes.
    DWORD,
    /// 8 bytes.
    QWORD;

    /// The width of a number of bytes.
    ///
    /// @param sizeBytes 1, 2, 4 or 8
    /// @return the width
    /// @throws IllegalArgumentException for another number
    public static AccessWidth ofBytes(long sizeBytes) {
        for (AccessWidth width : values()) {
            if (width.sizeBytes() == sizeBytes) {
                return width;
            }
        }
        throw new IllegalArgumentException("sizeBytes=" + sizeBytes + " is not 1, 2, 4 or 8");
    }

    /// The size in bytes.
    ///
    /// @return 1, 2, 4 or 8
    public int sizeBytes() {
        return 1 << ordinal();
    }

    /// The size in bits.
    ///
    /// @return 8, 16, 32 or 64
    public int bits() {
        return Byte.SIZE * sizeBytes();
    }
}
