package io.jircon.hal;

/// The sizes a leaf entry can have.
public enum PageSize {
    /// 4 KiB, the base page of every format.
    SIZE_4K(12),
    /// 2 MiB.
    SIZE_2M(21),
    /// 1 GiB.
    SIZE_1G(30);

    /// The base page size in bytes.
    public static final long BASE_BYTES = 1L << 12;

    /// log2 of the base page size.
    public static final int BASE_SHIFT = 12;

    private final int shift;

    PageSize(int shift) {
        this.shift = shift;
    }

    /// log2 of the size.
    ///
    /// @return 12, 21 or 30
    public int shift() {
        return shift;
    }

    /// The size in bytes.
    ///
    /// @return a power of two
    public long bytes() {
        return 1L << shift;
    }

    /// Whether this is larger than a base page.
    ///
    /// @return true for 2 MiB and 1 GiB
    public boolean isHuge() {
        return this != SIZE_4K;
    }

    /// Whether an address or size is a multiple of this size.
    ///
    /// @param value an unsigned 64-bit address or size
    /// @return true when the low bits are zero
    public boolean isAligned(long value) {
        return (value & (bytes() - 1)) == 0;
    }

    /// The start of the page of this size that holds an address.
    ///
    /// @param address an unsigned 64-bit address
    /// @return the address with the low bits cleared
    public long alignDown(long address) {
        return address & -bytes();
    }
}
