package io.jircon.vm;

/// What kind of child to make of a memory object: one of the first five, and extras (clauses O-129
/// to O-131).
public enum VmoChildOption {
    /// A copy as of now; neither side sees what the other writes.
    SNAPSHOT(1),
    /// A window on the parent's own pages.
    SLICE(1 << 3),
    /// A copy of which each page is fixed no later than its first write; a full snapshot where no
    /// pager is involved (clause O-156).
    SNAPSHOT_AT_LEAST_ON_WRITE(1 << 4),
    /// The same object under another koid.
    REFERENCE(1 << 6),
    /// A copy as of now of what differs from the pager's content, which it follows for the rest; a
    /// full snapshot where no pager is involved (clauses O-156 and O-163).
    SNAPSHOT_MODIFIED(1 << 7),
    /// Extra: the child's size can be changed.
    RESIZABLE(1 << 2),
    /// Extra: the child's handle has no WRITE right.
    NO_WRITE(1 << 5);

    private final int bit;

    VmoChildOption(int bit) {
        this.bit = bit;
    }

    /// The option's bit in Zircon's interface.
    ///
    /// @return a power of two
    public int bit() {
        return bit;
    }

    /// The bits of some options.
    ///
    /// @param options which
    /// @return their union
    public static int bits(VmoChildOption... options) {
        int bits = 0;
        for (VmoChildOption option : options) {
            bits |= option.bit;
        }
        return bits;
    }
}
