package io.jircon.hal.npt;

/// What a RISC-V processor's translation can do and what is switched on.
///
/// @param stage 1 for Sv39, Sv48, Sv57; 2 for the G-stage forms with a 16 KiB root
/// @param levels 3 (Sv39), 4 (Sv48) or 5 (Sv57)
/// @param flags who sets the accessed and dirty flags
/// @param svpbmt whether entries carry a memory type; without it the platform's attributes decide
///   and no flags but those of plain memory are supported
public record RiscvOptions(int stage, int levels, AccessedDirty flags, boolean svpbmt) {
    /// Sv39x4, flags preset, Svpbmt.
    public static final RiscvOptions GUEST = new RiscvOptions(2, 3, AccessedDirty.PRESET, true);

    /// Sv48, flags preset, Svpbmt.
    public static final RiscvOptions SUPERVISOR =
            new RiscvOptions(1, 4, AccessedDirty.PRESET, true);

    /// Who sets the accessed and dirty flags of a leaf.
    public enum AccessedDirty {
        /// The page table, when it enters a leaf; a walker finding one clear faults.
        PRESET,
        /// Software, after the fault that a clear flag causes.
        SVADE,
        /// The walker.
        SVADU
    }

    /// Checks the numbers.
    ///
    /// @throws IllegalArgumentException when one is out of its range
    public RiscvOptions {
        if (stage != 1 && stage != 2) {
            throw new IllegalArgumentException("stage=" + stage + " is neither 1 nor 2");
        }
        if (levels < 3 || levels > 5) {
            throw new IllegalArgumentException("levels=" + levels + " is not in 3..5");
        }
    }

    /// The same with another depth.
    ///
    /// @param count 3 to 5
    /// @return a new value
    public RiscvOptions withLevels(int count) {
        return new RiscvOptions(stage, count, flags, svpbmt);
    }

    /// The same with another treatment of the accessed and dirty flags.
    ///
    /// @param who who sets them
    /// @return a new value
    public RiscvOptions withFlags(AccessedDirty who) {
        return new RiscvOptions(stage, levels, who, svpbmt);
    }

    /// The same with memory types in entries or without.
    ///
    /// @param on whether the processor has them
    /// @return a new value
    public RiscvOptions withSvpbmt(boolean on) {
        return new RiscvOptions(stage, levels, flags, on);
    }

    /// The format these options make.
    ///
    /// @return never null
    public PagingFormat format() {
        return RiscvFormat.create(this);
    }
}
