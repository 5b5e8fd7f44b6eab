package io.jircon.vm;

import io.jircon.hal.MmuFlags;

/// How processors cache a memory object's pages (clause O-238). Every mapping of the object
/// inherits it.
@SuppressWarnings("ImmutableEnumChecker") // MmuFlags is a record of one int
public enum CachePolicy {
    /// Ordinary memory.
    CACHED(MmuFlags.NONE),
    /// Memory that is not cached.
    UNCACHED(MmuFlags.of(MmuFlags.UNCACHED_BIT)),
    /// Device registers: not cached, not reordered.
    UNCACHED_DEVICE(MmuFlags.of(MmuFlags.DEVICE_BIT)),
    /// Memory that is not cached, whose writes may be combined.
    WRITE_COMBINING(MmuFlags.of(MmuFlags.WRITE_COMBINING_BIT));

    private final MmuFlags memoryType;

    CachePolicy(MmuFlags memoryType) {
        this.memoryType = memoryType;
    }

    /// The number that stands for this policy in Zircon's interface.
    ///
    /// @return 0 to 3
    public int value() {
        return ordinal();
    }

    /// The memory-type part of a page-table entry.
    ///
    /// @return flags without access bits; none for CACHED
    public MmuFlags memoryType() {
        return memoryType;
    }

    /// The policy that stands for the memory type of some flags. DEVICE wins over the others
    /// (clause A-15).
    ///
    /// @param flags any flags
    /// @return never null
    public static CachePolicy of(MmuFlags flags) {
        if ((flags.bits() & MmuFlags.DEVICE_BIT) != 0) {
            return UNCACHED_DEVICE;
        }
        if ((flags.bits() & MmuFlags.UNCACHED_BIT) != 0) {
            return UNCACHED;
        }
        return (flags.bits() & MmuFlags.WRITE_COMBINING_BIT) != 0 ? WRITE_COMBINING : CACHED;
    }
}
