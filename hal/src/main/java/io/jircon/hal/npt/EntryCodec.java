package io.jircon.hal.npt;

import java.util.List;

/// What the bits of one architecture's entries mean, in the manual's words. Slow and clear: a
/// [PagingFormat] asks it for every combination once and works from tables afterwards.
///
/// Heights count from the leaf tables up: 0 is an entry covering 4 KiB.
interface EntryCodec {
    /// The answer for an encoding that the manual reserves.
    int RESERVED = -1;

    /// The answer of [#leafAttributes] for flags that the format cannot hold.
    long UNSUPPORTED = 0;

    /// A leaf's bits without the address.
    ///
    /// @param height the leaf's height
    /// @param flagBits bits of [io.jircon.hal.MmuFlags]
    /// @return the bits, or [#UNSUPPORTED]
    long leafAttributes(int height, int flagBits);

    /// The bits that [#leafFlags] and [#leafRights] look at.
    ///
    /// @param height the leaf's height
    /// @return a mask of few bits
    long leafKey(int height);

    /// What a leaf says.
    ///
    /// @param height the leaf's height
    /// @param raw the entry; only the bits of [#leafKey] may be looked at
    /// @return bits of [io.jircon.hal.MmuFlags], or [#RESERVED]
    int leafFlags(int height, long raw);

    /// What a leaf lets an access do.
    ///
    /// @param height the leaf's height
    /// @param raw the entry; only the bits of [#leafKey] may be looked at
    /// @param privilege who makes the access
    /// @return access bits of [io.jircon.hal.MmuFlags]
    default int leafRights(int height, long raw, Privilege privilege) {
        return Math.max(leafFlags(height, raw), 0) & io.jircon.hal.MmuFlags.ACCESS_MASK;
    }

    /// The bits that [#pointerRights] looks at; 0 when pointers restrict nothing.
    ///
    /// @return a mask of few bits
    default long pointerKey() {
        return 0;
    }

    /// What a pointer to a table lets the leaves below it do.
    ///
    /// @param raw the entry; only the bits of [#pointerKey] may be looked at
    /// @param privilege who makes the access
    /// @return access bits of [io.jircon.hal.MmuFlags], or [#RESERVED]
    default int pointerRights(long raw, Privilege privilege) {
        return io.jircon.hal.MmuFlags.ACCESS_MASK;
    }

    /// The fields of a leaf, from bit 0 up, covering the whole word.
    ///
    /// @param height the leaf's height
    /// @return the lines of the manual's table
    List<FormatField> leafFields(int height);

    /// The fields of a pointer to a table, from bit 0 up, covering the whole word.
    ///
    /// @param height the pointer's height
    /// @return the lines of the manual's table
    List<FormatField> pointerFields(int height);
}
