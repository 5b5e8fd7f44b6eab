package io.jircon.hal;

/// Why the MMU refused an access. The kinds are those that the three nested formats can tell apart.
public enum FaultCause {
    /// No translation: an entry on the way is not present.
    NOT_PRESENT,
    /// A translation exists but does not allow this kind of access.
    PERMISSION,
    /// The accessed (or dirty) flag is clear and the hardware does not set it.
    ACCESS_FLAG,
    /// An entry holds a reserved or contradictory encoding.
    MISCONFIGURED,
    /// The address, or one that an entry holds, is wider than the machine's.
    ADDRESS_SIZE,
    /// The table or the frame lies outside physical memory.
    EXTERNAL
}
