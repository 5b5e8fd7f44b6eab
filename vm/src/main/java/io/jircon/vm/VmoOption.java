package io.jircon.vm;

/// How a paged memory object is made (clause O-16).
public enum VmoOption {
    /// The size can be changed.
    RESIZABLE(1 << 1),
    /// The pages can be taken back while the object is unlocked (clause O-259).
    DISCARDABLE(1 << 2),
    /// Writes to clean pages ask the pager first; for pager-backed objects only.
    TRAP_DIRTY(1 << 3),
    /// As large as an object can be; the size given is the stream size (clause O-20).
    UNBOUNDED(1 << 4);

    private final int bit;

    VmoOption(int bit) {
        this.bit = bit;
    }

    /// The option's bit in Zircon's interface.
    ///
    /// @return a power of two
    public int bit() {
        return bit;
    }
}
