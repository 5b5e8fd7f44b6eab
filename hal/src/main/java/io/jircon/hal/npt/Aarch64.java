package io.jircon.hal.npt;

/// What AArch64's two stages have in common (Arm ARM for A-profile, chapter D8).
final class Aarch64 {
    static final BitField VALID = BitField.bit(0);
    static final BitField PAGE_OR_TABLE = BitField.bit(1);
    static final BitField SHAREABILITY = BitField.bits(9, 8);
    static final BitField ACCESS_FLAG = BitField.bit(10);
    static final BitField DIRTY_MODIFIER = BitField.bit(51);
    static final BitField OUTPUT_ADDRESS = BitField.bits(47, 12);

    static final int INNER_SHAREABLE = 3;

    /// Both bits of a page or table descriptor.
    static final long TYPE_MASK = VALID.mask() | PAGE_OR_TABLE.mask();

    static final String[] LEVEL_NAMES = {"level 3", "level 2", "level 1", "level 0"};

    private static final int[] OUTPUT_SIZES = {32, 36, 40, 42, 44, 48};

    private Aarch64() {}

    /// The code that PS and IPS fields use for an output size.
    ///
    /// @return the code, or -1 when there is none
    static int outputSizeCode(int bits) {
        for (int code = 0; code < OUTPUT_SIZES.length; code++) {
            if (OUTPUT_SIZES[code] == bits) {
                return code;
            }
        }
        return -1;
    }

    /// The output size of a PS or IPS field.
    ///
    /// @return a number of bits
    /// @throws IllegalArgumentException for a code that is not modelled
    static int outputSize(int code) {
        if (code < 0 || code >= OUTPUT_SIZES.length) {
            throw new IllegalArgumentException("PS=" + code + " is not in 0..5");
        }
        return OUTPUT_SIZES[code];
    }

    /// What both stages' descriptors share.
    static void describe(FormatSpec spec, int physicalBits) {
        spec.physicalBits = physicalBits;
        spec.addressMask = OUTPUT_ADDRESS.mask();
        spec.presentMask = VALID.mask();
        spec.typeMask = TYPE_MASK;
        spec.leafMask = PAGE_OR_TABLE.mask();
        spec.leafXor = PAGE_OR_TABLE.mask();
        spec.pointerAttributes = TYPE_MASK;
        if (physicalBits < 48) {
            spec.addressSizeMask = BitField.bits(47, physicalBits).mask();
        }
        spec.widthFault = io.jircon.hal.FaultCause.NOT_PRESENT; // a translation fault, level 0
        spec.accessedMask = ACCESS_FLAG.mask();
        spec.firstCheck = FormatSpec.LeafCheck.ACCESSED;
    }

    /// Type bits of a leaf at a height.
    static long leafType(int height) {
        return height == 0 ? TYPE_MASK : VALID.mask();
    }
}
