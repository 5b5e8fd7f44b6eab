package io.jircon.hal;

/// What an access to memory wants to do. A write implies a read of the same page, as a fetch does.
public enum AccessKind {
    /// A data load.
    READ(MmuFlags.READ_BIT),
    /// A data store; needs READ and WRITE.
    WRITE(MmuFlags.READ_BIT | MmuFlags.WRITE_BIT),
    /// An instruction fetch; needs EXECUTE, and READ where the machine cannot express execute-only.
    EXECUTE(MmuFlags.EXECUTE_BIT);

    private final int requiredBits;

    AccessKind(int requiredBits) {
        this.requiredBits = requiredBits;
    }

    /// The [MmuFlags] bits a translation must carry for this access to pass the machine's own
    /// check.
    ///
    /// @return a subset of the READ, WRITE and EXECUTE bits
    public int requiredBits() {
        return requiredBits;
    }
}
