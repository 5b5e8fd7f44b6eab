package io.jircon.hal.npt;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultCause;
import java.util.List;

/// The numbers that make a [PagingFormat], filled in by the architecture classes of this package.
/// Masks that are left 0 switch off what they describe.
final class FormatSpec {
    final String name;
    final EntryCodec codec;
    final String[] levelNames;

    /// log2 of what one entry covers, by height.
    int[] shifts = {12, 21, 30, 39, 48};

    /// Width of input addresses.
    int addressBits;

    /// Height of the root's entries.
    int rootHeight;

    /// Greatest height at which the architecture has leaves.
    int maxLeafHeight = 2;

    /// 1 or 2.
    int stage = 2;

    /// Whether bits above the width repeat the top bit (stage 1), rather than being 0.
    SignExtension extension = SignExtension.ZERO;

    /// Width of output addresses.
    int physicalBits = 48;

    /// The address field of every entry, and how far it is shifted right in place.
    long addressMask;

    int addressShift;

    /// An entry is present when one of these bits is set...
    long presentMask;

    /// ...and at height 0 and above maxLeafHeight all of these.
    long typeMask;

    /// Up to maxLeafHeight, a present entry is a leaf when one of these bits differs from leafXor.
    long leafMask;

    long leafXor;

    /// A pointer's bits without the address.
    long pointerAttributes;

    /// Address bits that the machine's width forbids and that make an ADDRESS_SIZE fault.
    long addressSizeMask;

    /// What an input address beyond the width causes.
    FaultCause widthFault = FaultCause.ADDRESS_SIZE;

    /// The accessed flag in leaves, and in pointers.
    long accessedMask;

    long pointerAccessedMask;

    /// A leaf is dirty when these bits have this value.
    long dirtyMask;

    long dirtyValue;

    /// Where a leaf that loses WRITE keeps that it was dirty, when dirtyMask cannot.
    long softDirtyMask;

    /// Whether the walker sets the accessed flag, and marks leaves dirty, by itself.
    FlagUpdate accessedUpdate = FlagUpdate.FAULT;

    FlagUpdate dirtyUpdate = FlagUpdate.FAULT;

    /// What the processor's own accesses to a guest's page tables want of this second stage.
    AccessKind guestEntryAccess = AccessKind.READ;

    /// The order of the last two checks of a walk.
    LeafCheck firstCheck = LeafCheck.PERMISSION;

    /// A valid entry in which one of these bits changes must be made invalid and flushed first.
    long breakMask;

    /// The registers that make a processor use a table of this format.
    Registers registers = (root, tag) -> List.of();

    FormatSpec(String name, EntryCodec codec, String... levelNames) {
        this.name = name;
        this.codec = codec;
        this.levelNames = levelNames;
    }

    /// Makes register values for a root and a tag.
    @FunctionalInterface
    interface Registers {
        List<RootRegister> of(long root, int tag);
    }

    /// What stands above the width of an input address.
    enum SignExtension {
        /// Zeros.
        ZERO,
        /// Copies of the top bit.
        TOP_BIT,
        /// Zeros (AArch64 TTBR0).
        LOWER,
        /// Ones (AArch64 TTBR1).
        UPPER
    }

    /// What happens at a clear accessed or dirty flag.
    enum FlagUpdate {
        /// A fault.
        FAULT,
        /// The walker sets it.
        HARDWARE
    }

    /// Which of a leaf's checks comes first.
    enum LeafCheck {
        /// Rights, then flags: RISC-V, x86.
        PERMISSION,
        /// Accessed flag, then rights: AArch64.
        ACCESSED
    }
}
