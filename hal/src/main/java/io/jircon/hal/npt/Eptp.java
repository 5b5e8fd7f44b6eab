package io.jircon.hal.npt;

/// Intel's extended-page-table pointer, a field of the VMCS.
///
/// ```
///   63     M M-1          12 11  8 7   6   5 4 3  2 1 0
/// | reserved | address      | res |SSS| A/D |len-1| type |
/// ```
///
/// @param root physical address of the root table
/// @param levels 4 or 5
/// @param accessedDirty whether the processor keeps accessed and dirty flags
/// @param writeBack whether the processor's own accesses to the tables are write-back (type 6)
///   rather than uncacheable (type 0)
public record Eptp(long root, int levels, boolean accessedDirty, boolean writeBack)
        implements RootRegister {
    private static final BitField MEMORY_TYPE = BitField.bits(2, 0);
    private static final BitField WALK_LENGTH = BitField.bits(5, 3);
    private static final BitField ACCESSED_DIRTY = BitField.bit(6);
    private static final BitField ADDRESS = BitField.bits(51, 12);

    /// Checks the numbers.
    ///
    /// @throws IllegalArgumentException when one does not fit its field
    public Eptp {
        RootRegister.requireAddress("root", root, ADDRESS);
        if (levels != 4 && levels != 5) {
            throw new IllegalArgumentException("levels=" + levels + " is neither 4 nor 5");
        }
    }

    /// Reads a value; VM entry fails for those refused here.
    ///
    /// @param raw the field's value
    /// @return what it says
    /// @throws IllegalArgumentException for reserved encodings, and for supervisor shadow-stack
    ///   control (bit 7), which is not modelled
    public static Eptp decode(long raw) {
        long known =
                MEMORY_TYPE.mask() | WALK_LENGTH.mask() | ACCESSED_DIRTY.mask() | ADDRESS.mask();
        RootRegister.requireZero("EPTP", raw, ~known);
        long type = MEMORY_TYPE.get(raw);
        if (type != EptFormat.TYPE_UC && type != EptFormat.TYPE_WB) {
            throw new IllegalArgumentException("EPTP memory type=" + type + " is neither 0 nor 6");
        }
        return new Eptp(
                raw & ADDRESS.mask(),
                (int) WALK_LENGTH.get(raw) + 1,
                ACCESSED_DIRTY.isSet(raw),
                type == EptFormat.TYPE_WB);
    }

    @Override
    public String register() {
        return "EPTP";
    }

    @Override
    public long encode() {
        return root
                | MEMORY_TYPE.of(writeBack ? EptFormat.TYPE_WB : EptFormat.TYPE_UC)
                | WALK_LENGTH.of(levels - 1)
                | ACCESSED_DIRTY.of(accessedDirty ? 1 : 0);
    }

    /// The value and its fields.
    @Override
    public String toString() {
        return "EPTP=0x%x root=0x%x levels=%d a/d=%s type=%s"
                .formatted(
                        encode(),
                        root,
                        levels,
                        accessedDirty ? "on" : "off",
                        writeBack ? "WB" : "UC");
    }
}
