package io.jircon.hal;

/// What a page-table entry allows and what kind of memory it names, independent of any
/// architecture.
///
/// The six low bits are those of axaddrspace's mapping flags (clause A-13); WRITE_COMBINING
/// completes Zircon's four cache policies (clause V-288). Instances are interned: [#of(int)] never
/// allocates.
///
/// @param bits the set, one bit per flag; only the bits named here may be set
public record MmuFlags(int bits) {
    /// Readable.
    public static final int READ_BIT = 1;

    /// Writable.
    public static final int WRITE_BIT = 1 << 1;

    /// Executable.
    public static final int EXECUTE_BIT = 1 << 2;

    /// Reachable from user mode. Second-stage formats have no such notion and ignore it.
    public static final int USER_BIT = 1 << 3;

    /// Device memory: not cached, not reordered. Wins over UNCACHED.
    public static final int DEVICE_BIT = 1 << 4;

    /// Normal memory that is not cached.
    public static final int UNCACHED_BIT = 1 << 5;

    /// Normal memory, not cached, whose writes may be combined.
    public static final int WRITE_COMBINING_BIT = 1 << 6;

    /// The three access bits.
    public static final int ACCESS_MASK = READ_BIT | WRITE_BIT | EXECUTE_BIT;

    /// The three memory-type bits; none of them means cached normal memory.
    public static final int MEMORY_TYPE_MASK = DEVICE_BIT | UNCACHED_BIT | WRITE_COMBINING_BIT;

    private static final int ALL = ACCESS_MASK | USER_BIT | MEMORY_TYPE_MASK;
    private static final MmuFlags[] INTERNED = new MmuFlags[ALL + 1];

    static {
        for (int bits = 0; bits <= ALL; bits++) {
            INTERNED[bits] = new MmuFlags(bits);
        }
    }

    /// No access.
    public static final MmuFlags NONE = of(0);

    /// READ.
    public static final MmuFlags R = of(READ_BIT);

    /// READ and WRITE.
    public static final MmuFlags RW = of(READ_BIT | WRITE_BIT);

    /// READ and EXECUTE.
    public static final MmuFlags RX = of(READ_BIT | EXECUTE_BIT);

    /// READ, WRITE and EXECUTE.
    public static final MmuFlags RWX = of(ACCESS_MASK);

    /// Checks that only known bits are set.
    ///
    /// @throws IllegalArgumentException when an unknown bit is set
    public MmuFlags {
        if ((bits & ~ALL) != 0) {
            throw new IllegalArgumentException(
                    "bits=0x"
                            + Integer.toHexString(bits)
                            + " has bits outside 0x"
                            + Integer.toHexString(ALL));
        }
    }

    /// The interned instance for a set of bits.
    ///
    /// @param bits the set
    /// @return the one instance that stands for it
    /// @throws IllegalArgumentException when an unknown bit is set
    public static MmuFlags of(int bits) {
        if ((bits & ~ALL) != 0) {
            return new MmuFlags(bits); // throws, with the message of the canonical constructor
        }
        return INTERNED[bits];
    }

    /// These flags and those of `other`.
    ///
    /// @param other the flags to add
    /// @return the union, interned
    public MmuFlags with(MmuFlags other) {
        return of(bits | other.bits);
    }

    /// These flags less those of `other`.
    ///
    /// @param other the flags to take away
    /// @return the difference, interned
    public MmuFlags without(MmuFlags other) {
        return of(bits & ~other.bits);
    }

    /// Only the READ, WRITE and EXECUTE bits.
    ///
    /// @return the access part, interned
    public MmuFlags access() {
        return of(bits & ACCESS_MASK);
    }

    /// Whether every flag of `other` is among these.
    ///
    /// @param other the flags looked for
    /// @return true when `other` is a subset
    public boolean contains(MmuFlags other) {
        return (other.bits & ~bits) == 0;
    }

    /// Whether reads are allowed.
    ///
    /// @return true when READ is set
    public boolean canRead() {
        return (bits & READ_BIT) != 0;
    }

    /// Whether writes are allowed.
    ///
    /// @return true when WRITE is set
    public boolean canWrite() {
        return (bits & WRITE_BIT) != 0;
    }

    /// Whether instruction fetches are allowed.
    ///
    /// @return true when EXECUTE is set
    public boolean canExecute() {
        return (bits & EXECUTE_BIT) != 0;
    }

    /// Whether none of READ, WRITE and EXECUTE is set; an entry with such flags does not exist.
    ///
    /// @return true when no access is allowed
    public boolean isNoAccess() {
        return (bits & ACCESS_MASK) == 0;
    }

    /// `rwx` with a dash for what is missing, then `u` for USER and `dev`, `uc`, `wc` for the
    /// memory type.
    @Override
    public String toString() {
        var text = new StringBuilder(10);
        text.append(canRead() ? 'r' : '-')
                .append(canWrite() ? 'w' : '-')
                .append(canExecute() ? 'x' : '-');
        if ((bits & USER_BIT) != 0) {
            text.append('u');
        }
        if ((bits & DEVICE_BIT) != 0) {
            text.append(" dev");
        }
        if ((bits & UNCACHED_BIT) != 0) {
            text.append(" uc");
        }
        if ((bits & WRITE_COMBINING_BIT) != 0) {
            text.append(" wc");
        }
        return text.toString();
    }
}
