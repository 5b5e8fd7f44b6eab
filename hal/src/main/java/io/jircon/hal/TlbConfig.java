package io.jircon.hal;

/// Size and replacement of a software TLB.
///
/// @param sets number of sets, a power of two; 0 switches the TLB off
/// @param ways entries per set, at least 1
/// @param replacement which entry of a full set makes room
/// @param seed start of the random source of [Replacement#RANDOM]
public record TlbConfig(int sets, int ways, Replacement replacement, long seed) {
    /// 64 sets of 4, least recently used.
    public static final TlbConfig DEFAULT = new TlbConfig(64, 4, Replacement.LRU, 0);

    /// No TLB: every access walks.
    public static final TlbConfig OFF = new TlbConfig(0, 1, Replacement.LRU, 0);

    /// Which entry of a full set makes room.
    public enum Replacement {
        /// The least recently used one.
        LRU,
        /// The one that was entered first.
        FIFO,
        /// Any, from a seeded source.
        RANDOM
    }

    /// Checks the numbers.
    ///
    /// @throws IllegalArgumentException when sets is negative or no power of two, or ways is less
    ///   than 1
    public TlbConfig {
        if (sets < 0 || (sets & (sets - 1)) != 0) {
            throw new IllegalArgumentException("sets=" + sets + " is neither 0 nor a power of two");
        }
        if (ways < 1) {
            throw new IllegalArgumentException("ways=" + ways + " is less than 1");
        }
    }
}
