package io.jircon.hal.npt;

/// What an AArch64 processor's second stage can do, and what VTCR_EL2 and HCR_EL2 switch on. 4 KiB
/// granule.
///
/// @param ipaBits width of guest-physical addresses, 32 to 48 bits
/// @param startLevel level of the root: 0, 1 or 2; with start level 1 and 2 up to 16 tables are
///   concatenated as the width demands
/// @param physicalBits output size (VTCR_EL2.PS): 32, 36, 40, 42, 44 or 48
/// @param flags who sets the access flag and the dirty state
/// @param xnx whether FEAT_XNX splits execute permission by exception level
/// @param forceWriteBack whether HCR_EL2.FWB changes the meaning of MemAttr
public record Aarch64Stage2Options(
        int ipaBits,
        int startLevel,
        int physicalBits,
        AccessFlag flags,
        boolean xnx,
        boolean forceWriteBack) {
    /// 40-bit addresses in and out, start level 1 (two concatenated root tables), access flag
    /// preset, no FEAT_XNX, no FWB.
    public static final Aarch64Stage2Options DEFAULT =
            new Aarch64Stage2Options(40, 1, 40, AccessFlag.PRESET, false, false);

    /// Who sets the access flag of a leaf, and marks it dirty.
    public enum AccessFlag {
        /// The page table, when it enters a leaf; a walker finding it clear faults.
        PRESET,
        /// Software, after the fault that a clear flag causes.
        FAULT,
        /// The walker sets the access flag (VTCR_EL2.HA).
        HARDWARE,
        /// The walker sets the access flag and the dirty state (VTCR_EL2.HA and HD).
        HARDWARE_DIRTY
    }

    /// Checks the numbers.
    ///
    /// @throws IllegalArgumentException when width and start level do not go together or another
    ///   number is out of its range
    public Aarch64Stage2Options {
        if (ipaBits < 32 || ipaBits > 48) {
            throw new IllegalArgumentException("ipaBits=" + ipaBits + " is not in 32..48");
        }
        if (startLevel < 0 || startLevel > 2) {
            throw new IllegalArgumentException("startLevel=" + startLevel + " is not in 0..2");
        }
        int low = 39 - 9 * startLevel; // log2 of what one root entry covers
        int high = startLevel == 0 ? 48 : low + 9 + 4;
        if (ipaBits <= low || ipaBits > high) {
            throw new IllegalArgumentException(
                    "ipaBits="
                            + ipaBits
                            + " is not in "
                            + (low + 1)
                            + ".."
                            + high
                            + ", which start level "
                            + startLevel
                            + " allows");
        }
        if (Aarch64.outputSizeCode(physicalBits) < 0) {
            throw new IllegalArgumentException(
                    "physicalBits=" + physicalBits + " is not one of 32, 36, 40, 42, 44, 48");
        }
    }

    /// The same with another width, and the greatest of start levels 0 and 1 that reaches it.
    ///
    /// @param bits 32 to 48
    /// @return a new value
    public Aarch64Stage2Options withIpaBits(int bits) {
        int level = bits <= 43 ? 1 : 0;
        return new Aarch64Stage2Options(bits, level, physicalBits, flags, xnx, forceWriteBack);
    }

    /// The same with another start level.
    ///
    /// @param level 0, 1 or 2
    /// @return a new value
    public Aarch64Stage2Options withStartLevel(int level) {
        return new Aarch64Stage2Options(ipaBits, level, physicalBits, flags, xnx, forceWriteBack);
    }

    /// The same with another output size.
    ///
    /// @param bits 32, 36, 40, 42, 44 or 48
    /// @return a new value
    public Aarch64Stage2Options withPhysicalBits(int bits) {
        return new Aarch64Stage2Options(ipaBits, startLevel, bits, flags, xnx, forceWriteBack);
    }

    /// The same with another treatment of the access flag.
    ///
    /// @param who who sets it
    /// @return a new value
    public Aarch64Stage2Options withFlags(AccessFlag who) {
        return new Aarch64Stage2Options(
                ipaBits, startLevel, physicalBits, who, xnx, forceWriteBack);
    }

    /// The same with FEAT_XNX or without.
    ///
    /// @param on whether the processor has it
    /// @return a new value
    public Aarch64Stage2Options withXnx(boolean on) {
        return new Aarch64Stage2Options(
                ipaBits, startLevel, physicalBits, flags, on, forceWriteBack);
    }

    /// The same with HCR_EL2.FWB set or clear.
    ///
    /// @param on its value
    /// @return a new value
    public Aarch64Stage2Options withForceWriteBack(boolean on) {
        return new Aarch64Stage2Options(ipaBits, startLevel, physicalBits, flags, xnx, on);
    }

    /// The format these options make.
    ///
    /// @return never null
    public PagingFormat format() {
        return Aarch64Stage2Format.create(this);
    }
}
