package io.jircon.vm;

import io.jircon.hal.MmuFlags;

/// The option word of the region operations: 32 bits, of which 16 to 23 mean nothing and 24 to 31
/// hold an alignment exponent (clauses V-1 and V-2).
///
/// Any word can be held, as any word can be passed; each operation refuses what it does not take.
/// Options are joined with [#with(VmarFlags)]:
///
/// ```java
/// VmarFlags options = VmarFlags.SPECIFIC.with(VmarFlags.READ_WRITE);
/// ```
///
/// @param bits the word
public record VmarFlags(int bits) {
    /// No option.
    public static final VmarFlags NONE = new VmarFlags(0);

    /// Pages readable (clause V-34).
    public static final VmarFlags PERM_READ = new VmarFlags(1);

    /// Pages writable; needs PERM_READ beside it (clause V-35).
    public static final VmarFlags PERM_WRITE = new VmarFlags(1 << 1);

    /// Pages executable; needs PERM_READ beside it (clause V-36).
    public static final VmarFlags PERM_EXECUTE = new VmarFlags(1 << 2);

    /// New region: place what is in it close together (clause V-39).
    public static final VmarFlags COMPACT = new VmarFlags(1 << 3);

    /// Place exactly at region base + offset (clause V-40).
    public static final VmarFlags SPECIFIC = new VmarFlags(1 << 4);

    /// Place exactly at region base + offset and replace the mappings there (clause V-41).
    public static final VmarFlags SPECIFIC_OVERWRITE = new VmarFlags(1 << 5);

    /// New region: SPECIFIC, SPECIFIC_OVERWRITE and OFFSET_IS_UPPER_LIMIT may be used in it (clause
    /// V-44).
    public static final VmarFlags CAN_MAP_SPECIFIC = new VmarFlags(1 << 6);

    /// New region: what is below it may be readable (clause V-45).
    public static final VmarFlags CAN_MAP_READ = new VmarFlags(1 << 7);

    /// New region: what is below it may be writable (clause V-45).
    public static final VmarFlags CAN_MAP_WRITE = new VmarFlags(1 << 8);

    /// New region: what is below it may be executable (clause V-45).
    public static final VmarFlags CAN_MAP_EXECUTE = new VmarFlags(1 << 9);

    /// Enter the pages that the memory object has (clause V-46).
    public static final VmarFlags MAP_RANGE = new VmarFlags(1 << 10);

    /// Refuse a resizable memory object (clause V-47).
    public static final VmarFlags REQUIRE_NON_RESIZABLE = new VmarFlags(1 << 11);

    /// Accesses may fault for good (clause V-48).
    public static final VmarFlags ALLOW_FAULTS = new VmarFlags(1 << 12);

    /// Place below region base + offset (clause V-42).
    public static final VmarFlags OFFSET_IS_UPPER_LIMIT = new VmarFlags(1 << 13);

    /// PERM_READ on a machine that cannot express execute-only, nothing elsewhere (clause V-38).
    public static final VmarFlags PERM_READ_IF_XOM_UNSUPPORTED = new VmarFlags(1 << 14);

    /// Accesses past the stream size fault (clause V-49).
    public static final VmarFlags FAULT_BEYOND_STREAM_SIZE = new VmarFlags(1 << 15);

    /// PERM_READ and PERM_WRITE.
    public static final VmarFlags READ_WRITE = PERM_READ.with(PERM_WRITE);

    /// PERM_READ and PERM_EXECUTE.
    public static final VmarFlags READ_EXECUTE = PERM_READ.with(PERM_EXECUTE);

    /// PERM_READ, PERM_WRITE and PERM_EXECUTE.
    public static final VmarFlags READ_WRITE_EXECUTE = READ_WRITE.with(PERM_EXECUTE);

    /// CAN_MAP_READ, CAN_MAP_WRITE and CAN_MAP_EXECUTE.
    public static final VmarFlags CAN_MAP_RWX =
            CAN_MAP_READ.with(CAN_MAP_WRITE).with(CAN_MAP_EXECUTE);

    /// The smallest valid alignment exponent: 2^10 bytes.
    public static final int MIN_ALIGN_SHIFT = 10;

    /// The largest valid alignment exponent: 2^32 bytes.
    public static final int MAX_ALIGN_SHIFT = 32;

    static final int PERM_MASK = READ_WRITE_EXECUTE.bits;
    static final int CAN_MAP_MASK = CAN_MAP_RWX.bits;
    static final int UNDEFINED_MASK = 0x00ff_0000;
    static final int ALIGN_MASK = 0xff00_0000;
    private static final int ALIGN_SHIFT = 24;

    /// CAN_MAP_READ is PERM_READ moved up by this much, and so on; PERM_READ is
    /// [MmuFlags#READ_BIT], and so on.
    private static final int CAN_MAP_SHIFT = 7;

    private static final String[] NAMES = {
        "PERM_READ",
        "PERM_WRITE",
        "PERM_EXECUTE",
        "COMPACT",
        "SPECIFIC",
        "SPECIFIC_OVERWRITE",
        "CAN_MAP_SPECIFIC",
        "CAN_MAP_READ",
        "CAN_MAP_WRITE",
        "CAN_MAP_EXECUTE",
        "MAP_RANGE",
        "REQUIRE_NON_RESIZABLE",
        "ALLOW_FAULTS",
        "OFFSET_IS_UPPER_LIMIT",
        "PERM_READ_IF_XOM_UNSUPPORTED",
        "FAULT_BEYOND_STREAM_SIZE"
    };

    /// The options that ask for an alignment of 2^`shift` bytes, `ALIGN_1KB` to `ALIGN_4GB` being
    /// 10 to 32.
    ///
    /// @param shift the exponent, 0 to 255; an operation refuses what is not 0 or 10 to 32
    /// @return the alignment field alone
    /// @throws IllegalArgumentException when the exponent does not fit the field
    public static VmarFlags align(int shift) {
        if (shift < 0 || shift > 0xff) {
            throw new IllegalArgumentException("shift=" + shift + " does not fit 8 bits");
        }
        return new VmarFlags(shift << ALIGN_SHIFT);
    }

    /// The PERM options for a set of access rights.
    ///
    /// @param access READ, WRITE and EXECUTE are looked at, the rest is ignored
    /// @return the options
    public static VmarFlags perms(MmuFlags access) {
        return new VmarFlags(access.access().bits());
    }

    /// The CAN_MAP options for a set of access rights.
    ///
    /// @param access READ, WRITE and EXECUTE are looked at, the rest is ignored
    /// @return the options
    public static VmarFlags canMap(MmuFlags access) {
        return new VmarFlags(access.access().bits() << CAN_MAP_SHIFT);
    }

    /// These options and those of `other`.
    ///
    /// @param other the options to add
    /// @return the union
    public VmarFlags with(VmarFlags other) {
        return new VmarFlags(bits | other.bits);
    }

    /// These options less those of `other`.
    ///
    /// @param other the options to take away
    /// @return the difference
    public VmarFlags without(VmarFlags other) {
        return new VmarFlags(bits & ~other.bits);
    }

    /// Whether every option of `other` is given.
    ///
    /// @param other the options looked for
    /// @return true when `other` is a subset
    public boolean contains(VmarFlags other) {
        return (other.bits & ~bits) == 0;
    }

    /// The access rights that the PERM options name.
    ///
    /// @return a subset of READ, WRITE and EXECUTE
    public MmuFlags permissions() {
        return MmuFlags.of(bits & PERM_MASK);
    }

    /// The access rights that the CAN_MAP options name.
    ///
    /// @return a subset of READ, WRITE and EXECUTE
    public MmuFlags mappablePermissions() {
        return MmuFlags.of((bits & CAN_MAP_MASK) >>> CAN_MAP_SHIFT);
    }

    /// The alignment exponent.
    ///
    /// @return 0 to 255, 0 for none
    public int alignShift() {
        return bits >>> ALIGN_SHIFT;
    }

    boolean hasAny(int mask) {
        return (bits & mask) != 0;
    }

    /// Whether the bits that mean nothing are clear and the exponent is one of those allowed.
    boolean isWellFormed() {
        int shift = alignShift();
        return (bits & UNDEFINED_MASK) == 0
                && (shift == 0 || (shift >= MIN_ALIGN_SHIFT && shift <= MAX_ALIGN_SHIFT));
    }

    /// The names of the options, joined by `|`, then what has no name.
    @Override
    public String toString() {
        if (bits == 0) {
            return "NONE";
        }
        var text = new StringBuilder();
        for (int bit = 0; bit < NAMES.length; bit++) {
            if ((bits & (1 << bit)) != 0) {
                append(text, NAMES[bit]);
            }
        }
        if ((bits & UNDEFINED_MASK) != 0) {
            append(text, "0x" + Integer.toHexString(bits & UNDEFINED_MASK));
        }
        if (alignShift() != 0) {
            append(text, "ALIGN_2^" + alignShift());
        }
        return text.toString();
    }

    private static void append(StringBuilder text, String part) {
        if (!text.isEmpty()) {
            text.append('|');
        }
        text.append(part);
    }
}
