package io.jircon.hal.npt;

import static io.jircon.hal.npt.FormatField.address;
import static io.jircon.hal.npt.FormatField.ignored;
import static io.jircon.hal.npt.FormatField.reserved;
import static io.jircon.hal.npt.FormatField.value;

import io.jircon.hal.MmuFlags;
import java.util.ArrayList;
import java.util.List;

/// RISC-V's Sv39, Sv48, Sv57 and the G-stage forms Sv39x4, Sv48x4, Sv57x4, whose root has 2048
/// entries (privileged manual, chapters on supervisor-level translation, two-stage translation,
/// Svpbmt, Svade and Svadu).
///
/// ```
///   63 62  61 60      54 53             10  9    8  7 6 5 4 3 2 1 0
/// | N | PBMT | reserved |      PPN        |WC|USER|D|A|G|U|X|W|R|V|
/// ```
///
/// Of the two bits left to software (RSW) bit 8 keeps USER in the G-stage, where the hardware wants
/// U set in every leaf; bit 9 tells WRITE_COMBINING from UNCACHED, which are both PBMT = NC.
///
/// @param options what the processor can do and what is switched on
record RiscvFormat(RiscvOptions options) implements EntryCodec {
    static final BitField VALID = BitField.bit(0);
    static final BitField READ = BitField.bit(1);
    static final BitField WRITE = BitField.bit(2);
    static final BitField EXECUTE = BitField.bit(3);
    static final BitField USER = BitField.bit(4);
    static final BitField ACCESSED = BitField.bit(6);
    static final BitField DIRTY = BitField.bit(7);
    static final BitField SOFT_USER = BitField.bit(8);
    static final BitField SOFT_COMBINING = BitField.bit(9);
    static final BitField PPN = BitField.bits(53, 10);
    static final BitField PBMT = BitField.bits(62, 61);

    static final int PBMT_PMA = 0;
    static final int PBMT_NC = 1;
    static final int PBMT_IO = 2;

    static PagingFormat create(RiscvOptions options) {
        int levels = options.levels();
        boolean guest = options.stage() == 2;
        var spec =
                new FormatSpec(
                        "Sv" + (12 + 9 * levels) + (guest ? "x4" : ""),
                        new RiscvFormat(options),
                        "level 0",
                        "level 1",
                        "level 2",
                        "level 3",
                        "level 4");
        spec.stage = options.stage();
        spec.rootHeight = levels - 1;
        spec.addressBits = 12 + 9 * levels + (guest ? 2 : 0);
        spec.extension = guest ? FormatSpec.SignExtension.ZERO : FormatSpec.SignExtension.TOP_BIT;
        spec.maxLeafHeight = levels - 1;
        spec.physicalBits = 56;
        spec.addressMask = PPN.mask();
        spec.addressShift = 2;
        spec.presentMask = VALID.mask();
        spec.leafMask = READ.mask() | WRITE.mask() | EXECUTE.mask();
        spec.pointerAttributes = VALID.mask();
        spec.accessedMask = ACCESSED.mask();
        spec.dirtyMask = DIRTY.mask();
        spec.dirtyValue = DIRTY.mask();
        if (options.flags() == RiscvOptions.AccessedDirty.SVADU) {
            spec.accessedUpdate = FormatSpec.FlagUpdate.HARDWARE;
            spec.dirtyUpdate = FormatSpec.FlagUpdate.HARDWARE;
        }
        spec.registers =
                (root, tag) ->
                        List.of(guest ? new Hgatp(levels, tag, root) : new Satp(levels, tag, root));
        return new PagingFormat(spec);
    }

    private boolean isGuest() {
        return options.stage() == 2;
    }

    @Override
    public long leafAttributes(int height, int flagBits) {
        boolean read = (flagBits & MmuFlags.READ_BIT) != 0;
        boolean write = (flagBits & MmuFlags.WRITE_BIT) != 0;
        if (write && !read) {
            return UNSUPPORTED;
        }
        boolean user = (flagBits & MmuFlags.USER_BIT) != 0;
        long raw = VALID.mask();
        raw |= (long) (flagBits & MmuFlags.ACCESS_MASK) << READ.shift(); // R, W, X in order
        raw |= isGuest() || user ? USER.mask() : 0;
        raw |= isGuest() && user ? SOFT_USER.mask() : 0;
        if (options.flags() == RiscvOptions.AccessedDirty.PRESET) {
            raw |= ACCESSED.mask() | DIRTY.mask();
        }
        int type = flagBits & MmuFlags.MEMORY_TYPE_MASK;
        if (type != 0 && !options.svpbmt()) {
            return UNSUPPORTED;
        }
        return switch (type) {
            case 0 -> raw;
            case MmuFlags.DEVICE_BIT -> raw | PBMT.of(PBMT_IO);
            case MmuFlags.UNCACHED_BIT -> raw | PBMT.of(PBMT_NC);
            case MmuFlags.WRITE_COMBINING_BIT -> raw | PBMT.of(PBMT_NC) | SOFT_COMBINING.mask();
            default -> UNSUPPORTED;
        };
    }

    @Override
    public long leafKey(int height) {
        return READ.mask()
                | WRITE.mask()
                | EXECUTE.mask()
                | USER.mask()
                | SOFT_USER.mask()
                | SOFT_COMBINING.mask()
                | PBMT.mask();
    }

    @Override
    public int leafFlags(int height, long raw) {
        int flags = (int) (raw >>> READ.shift()) & MmuFlags.ACCESS_MASK;
        boolean bad = flags == 0 || (WRITE.isSet(raw) && !READ.isSet(raw));
        if (bad || (isGuest() && !USER.isSet(raw))) {
            return RESERVED;
        }
        flags |= (isGuest() ? SOFT_USER : USER).isSet(raw) ? MmuFlags.USER_BIT : 0;
        return switch ((int) PBMT.get(raw)) {
            case PBMT_PMA -> flags;
            case PBMT_NC ->
                    flags
                            | (SOFT_COMBINING.isSet(raw)
                                    ? MmuFlags.WRITE_COMBINING_BIT
                                    : MmuFlags.UNCACHED_BIT);
            case PBMT_IO -> flags | MmuFlags.DEVICE_BIT;
            default -> RESERVED;
        };
    }

    @Override
    public int leafRights(int height, long raw, Privilege privilege) {
        int rights = Math.max(leafFlags(height, raw), 0) & MmuFlags.ACCESS_MASK;
        if (isGuest()) {
            return rights;
        }
        if (USER.isSet(raw)) {
            return privilege == Privilege.USER ? rights : rights & ~MmuFlags.EXECUTE_BIT;
        }
        return privilege == Privilege.USER ? 0 : rights;
    }

    @Override
    public List<FormatField> leafFields(int height) {
        var fields = lowBits();
        fields.add(value("U", 4));
        fields.add(isGuest() ? ignored("G", 5, 5) : value("G", 5));
        fields.add(value("A", 6));
        fields.add(value("D", 7));
        fields.add(ignored("RSW", 9, 8));
        int low = 10 + 9 * height;
        if (height > 0) {
            fields.add(reserved(low - 1, 10));
        }
        fields.add(address("PPN", 53, low));
        fields.add(reserved(60, 54));
        fields.add(options.svpbmt() ? value("PBMT", 62, 61) : reserved(62, 61));
        fields.add(reserved(63, 63)); // N: Svnapot is not modelled
        return fields;
    }

    @Override
    public List<FormatField> pointerFields(int height) {
        var fields = lowBits();
        fields.add(reserved(4, 4));
        fields.add(ignored("G", 5, 5));
        fields.add(reserved(7, 6));
        fields.add(ignored("RSW", 9, 8));
        fields.add(address("PPN", 53, 10));
        fields.add(reserved(63, 54));
        return fields;
    }

    private static List<FormatField> lowBits() {
        return new ArrayList<>(List.of(value("V", 0), value("R", 1), value("W", 2), value("X", 3)));
    }
}
