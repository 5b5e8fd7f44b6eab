package io.jircon.vm;

import java.util.EnumSet;
import java.util.Set;

/// How a paged memory object is made (clause O-16).
public enum VmoOption {
    /// The size can be changed.
    RESIZABLE(1 << 1),
    /// The pages can be taken back while the object is unlocked (clause O-259).
    DISCARDABLE(1 << 2),
    /// Writes to clean pages ask the pager first; for pager-backed objects only.
    TRAP_DIRTY(1 << 3),
    /// As large as an object can be; the size given is the stream size (clause O-20).
    UNBOUNDED(1 << 4);

    private final int bit;

    VmoOption(int bit) {
        this.bit = bit;
    }

    /// The options that some bits stand for.
    ///
    /// @param sizeBytes the size that goes with them: what is wrong with that comes before unknown
    ///   bits (clause O-17), and is left to the maker of the object
    /// @throws io.jircon.kobject.ZxException INVALID_ARGS for an unknown bit
    static VmoOption[] ofBits(int bits, long sizeBytes) {
        int unknown = bits;
        Set<VmoOption> known = EnumSet.noneOf(VmoOption.class);
        for (VmoOption option : values()) {
            if ((bits & option.bit) != 0) {
                known.add(option);
                unknown &= ~option.bit;
            }
        }
        boolean unbounded = known.contains(UNBOUNDED);
        boolean contradicts = unbounded && known.contains(RESIZABLE);
        boolean wraps = !unbounded && VmoMath.upWraps(sizeBytes);
        if (unknown != 0 && !contradicts && !wraps) {
            throw VmErrors.invalidArgs(
                    "O-17",
                    "options=" + VmoMath.hex(bits) + " have unknown bits " + VmoMath.hex(unknown));
        }
        return known.toArray(VmoOption[]::new);
    }

    /// The option's bit in Zircon's interface.
    ///
    /// @return a power of two
    public int bit() {
        return bit;
    }
}
