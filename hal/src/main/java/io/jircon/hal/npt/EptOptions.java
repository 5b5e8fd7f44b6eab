package io.jircon.hal.npt;

/// What an x86-64 processor's extended page tables can do, and what the EPTP switches on.
///
/// @param levels 4 (48-bit guest-physical addresses) or 5 (57 bits)
/// @param accessedDirty whether the processor keeps accessed and dirty flags (EPTP bit 6)
/// @param executeOnly whether leaves may be executable without being readable (capability bit 0)
/// @param physicalBits MAXPHYADDR, 32 to 52
public record EptOptions(int levels, boolean accessedDirty, boolean executeOnly, int physicalBits) {
    /// 4 levels, no accessed and dirty flags, execute-only leaves, 46-bit physical addresses.
    public static final EptOptions DEFAULT = new EptOptions(4, false, true, 46);

    /// Checks the numbers.
    ///
    /// @throws IllegalArgumentException when one is out of its range
    public EptOptions {
        if (levels != 4 && levels != 5) {
            throw new IllegalArgumentException("levels=" + levels + " is neither 4 nor 5");
        }
        if (physicalBits < 32 || physicalBits > 52) {
            throw new IllegalArgumentException(
                    "physicalBits=" + physicalBits + " is not in 32..52");
        }
    }

    /// The same with another depth.
    ///
    /// @param count 4 or 5
    /// @return a new value
    public EptOptions withLevels(int count) {
        return new EptOptions(count, accessedDirty, executeOnly, physicalBits);
    }

    /// The same with accessed and dirty flags on or off.
    ///
    /// @param on whether the processor keeps them
    /// @return a new value
    public EptOptions withAccessedDirty(boolean on) {
        return new EptOptions(levels, on, executeOnly, physicalBits);
    }

    /// The same with execute-only leaves or without.
    ///
    /// @param on whether the processor has them
    /// @return a new value
    public EptOptions withExecuteOnly(boolean on) {
        return new EptOptions(levels, accessedDirty, on, physicalBits);
    }

    /// The same with another MAXPHYADDR.
    ///
    /// @param bits 32 to 52
    /// @return a new value
    public EptOptions withPhysicalBits(int bits) {
        return new EptOptions(levels, accessedDirty, executeOnly, bits);
    }

    /// The format these options make.
    ///
    /// @return never null
    public PagingFormat format() {
        return EptFormat.create(this);
    }
}
