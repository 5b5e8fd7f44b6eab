package io.jircon.hal.npt;

import static io.jircon.hal.npt.FormatField.address;
import static io.jircon.hal.npt.FormatField.ignored;
import static io.jircon.hal.npt.FormatField.value;

import io.jircon.hal.MmuFlags;
import io.jircon.hal.npt.Aarch64Stage2Options.AccessFlag;
import java.util.ArrayList;
import java.util.List;

/// AArch64's stage-2 descriptors (Arm ARM for A-profile, D8.3 and VTCR_EL2), 4 KiB granule.
///
/// ```
///   63  59 58 57 56 55 54 53  52   51  50 48 47     12 11 10 9 8 7  6 5     2 1    0
/// |       |SD|WC|US|  | XN  |Cont|DBM|      | address  |  |AF| SH |S2AP|MemAttr|type|valid|
/// ```
///
/// Software's bits keep what the hardware has no place for: 56 is USER, 57 tells WRITE_COMBINING
/// from UNCACHED (both Normal non-cacheable), 58 that a leaf which lost WRITE was dirty.
///
/// @param options what the processor can do and what is switched on
record Aarch64Stage2Format(Aarch64Stage2Options options) implements EntryCodec {
    static final BitField MEM_ATTR = BitField.bits(5, 2);
    static final BitField READ = BitField.bit(6);
    static final BitField WRITE = BitField.bit(7);
    static final BitField EXECUTE_NEVER = BitField.bits(54, 53);
    static final BitField SOFT_USER = BitField.bit(56);
    static final BitField SOFT_COMBINING = BitField.bit(57);
    static final BitField SOFT_DIRTY = BitField.bit(58);

    static final int DEVICE_NGNRE = 0b0001;
    static final int NORMAL_NON_CACHEABLE = 0b0101;
    static final int NORMAL_WRITE_BACK = 0b1111;

    /// With HCR_EL2.FWB: write-back whatever stage 1 says.
    static final int FORCED_WRITE_BACK = 0b0110;

    static PagingFormat create(Aarch64Stage2Options options) {
        var spec =
                new FormatSpec(
                        "VMSAv8-64 stage 2, " + options.ipaBits() + "-bit IPA",
                        new Aarch64Stage2Format(options),
                        Aarch64.LEVEL_NAMES);
        Aarch64.describe(spec, options.physicalBits());
        spec.rootHeight = 3 - options.startLevel();
        spec.addressBits = options.ipaBits();
        if (options.flags().compareTo(AccessFlag.HARDWARE) >= 0) {
            spec.accessedUpdate = FormatSpec.FlagUpdate.HARDWARE;
        }
        if (options.flags() == AccessFlag.HARDWARE_DIRTY) {
            spec.dirtyMask = WRITE.mask();
            spec.dirtyValue = WRITE.mask();
            spec.softDirtyMask = SOFT_DIRTY.mask();
            spec.dirtyUpdate = FormatSpec.FlagUpdate.HARDWARE;
        }
        spec.breakMask =
                Aarch64.TYPE_MASK
                        | Aarch64.OUTPUT_ADDRESS.mask()
                        | Aarch64.SHAREABILITY.mask()
                        | MEM_ATTR.mask();
        boolean setsAccess = options.flags().compareTo(AccessFlag.HARDWARE) >= 0;
        boolean setsDirty = options.flags() == AccessFlag.HARDWARE_DIRTY;
        var vtcr =
                new VtcrEl2(
                        options.ipaBits(),
                        options.startLevel(),
                        options.physicalBits(),
                        setsAccess,
                        setsDirty);
        spec.registers = (root, tag) -> List.of(new VttbrEl2(root, tag), vtcr);
        return new PagingFormat(spec);
    }

    private boolean hardwareDirty() {
        return options.flags() == AccessFlag.HARDWARE_DIRTY;
    }

    @Override
    public long leafAttributes(int height, int flagBits) {
        boolean write = (flagBits & MmuFlags.WRITE_BIT) != 0;
        boolean read = (flagBits & MmuFlags.READ_BIT) != 0;
        if (write && !read) {
            return UNSUPPORTED; // the hardware could, but a store needs READ too (AccessKind)
        }
        long raw = Aarch64.leafType(height);
        raw |= read ? READ.mask() : 0;
        if (write) {
            raw |= hardwareDirty() ? Aarch64.DIRTY_MODIFIER.mask() : WRITE.mask();
        }
        raw |= (flagBits & MmuFlags.EXECUTE_BIT) == 0 ? EXECUTE_NEVER.of(0b10) : 0;
        raw |= (flagBits & MmuFlags.USER_BIT) != 0 ? SOFT_USER.mask() : 0;
        raw |= options.flags() == AccessFlag.PRESET ? Aarch64.ACCESS_FLAG.mask() : 0;
        boolean forced = options.forceWriteBack();
        return switch (flagBits & MmuFlags.MEMORY_TYPE_MASK) {
            case 0 ->
                    raw
                            | MEM_ATTR.of(forced ? FORCED_WRITE_BACK : NORMAL_WRITE_BACK)
                            | Aarch64.SHAREABILITY.of(Aarch64.INNER_SHAREABLE);
            case MmuFlags.DEVICE_BIT -> raw | MEM_ATTR.of(DEVICE_NGNRE);
            case MmuFlags.UNCACHED_BIT -> raw | MEM_ATTR.of(NORMAL_NON_CACHEABLE);
            case MmuFlags.WRITE_COMBINING_BIT ->
                    raw | MEM_ATTR.of(NORMAL_NON_CACHEABLE) | SOFT_COMBINING.mask();
            default -> UNSUPPORTED;
        };
    }

    @Override
    public long leafKey(int height) {
        return MEM_ATTR.mask()
                | READ.mask()
                | WRITE.mask()
                | Aarch64.DIRTY_MODIFIER.mask()
                | EXECUTE_NEVER.mask()
                | SOFT_USER.mask()
                | SOFT_COMBINING.mask();
    }

    @Override
    public int leafFlags(int height, long raw) {
        boolean write = WRITE.isSet(raw) || (hardwareDirty() && Aarch64.DIRTY_MODIFIER.isSet(raw));
        int flags = READ.isSet(raw) ? MmuFlags.READ_BIT : 0;
        flags |= write ? MmuFlags.WRITE_BIT : 0;
        flags |= executes(raw) ? MmuFlags.EXECUTE_BIT : 0;
        flags |= SOFT_USER.isSet(raw) ? MmuFlags.USER_BIT : 0;
        int type = (int) MEM_ATTR.get(raw);
        boolean device = (options.forceWriteBack() ? type & 0b0111 : type) < 0b0100;
        if (device) {
            return flags | MmuFlags.DEVICE_BIT;
        }
        boolean uncached =
                options.forceWriteBack() ? (type & 0b0111) == 0b0101 : type == NORMAL_NON_CACHEABLE;
        if (uncached) {
            flags |=
                    SOFT_COMBINING.isSet(raw)
                            ? MmuFlags.WRITE_COMBINING_BIT
                            : MmuFlags.UNCACHED_BIT;
        }
        return flags;
    }

    /// Whether EL1 may fetch: XN[1] alone without FEAT_XNX; with it 00 both, 11 EL1 only.
    private boolean executes(long raw) {
        long never = EXECUTE_NEVER.get(raw);
        return options.xnx() ? never == 0b00 || never == 0b11 : (never & 0b10) == 0;
    }

    @Override
    public int leafRights(int height, long raw, Privilege privilege) {
        int rights = leafFlags(height, raw) & MmuFlags.ACCESS_MASK;
        if (privilege == Privilege.USER && options.xnx()) {
            long never = EXECUTE_NEVER.get(raw);
            boolean executes = never == 0b00 || never == 0b01;
            return (rights & ~MmuFlags.EXECUTE_BIT) | (executes ? MmuFlags.EXECUTE_BIT : 0);
        }
        return rights;
    }

    @Override
    public List<FormatField> leafFields(int height) {
        var fields = new ArrayList<FormatField>();
        fields.add(value("valid", 0));
        fields.add(value("type", 1));
        fields.add(value("MemAttr", 5, 2));
        fields.add(value("S2AP", 7, 6));
        fields.add(value("SH", 9, 8));
        fields.add(value("AF", 10));
        fields.add(ignored("FnXS", 11, 11));
        int low = 12 + 9 * height;
        if (height > 0) {
            fields.add(ignored("RES0", low - 1, 12));
        }
        fields.add(address("OA", 47, low));
        fields.add(ignored("RES0", 50, 48));
        fields.add(hardwareDirty() ? value("DBM", 51) : ignored("DBM", 51, 51));
        fields.add(ignored("Contiguous", 52, 52));
        fields.add(value("XN", 54, 53));
        fields.add(ignored("NS", 55, 55));
        fields.add(ignored("software", 58, 56));
        fields.add(ignored("PBHA", 62, 59));
        fields.add(ignored("RES0", 63, 63));
        return fields;
    }

    @Override
    public List<FormatField> pointerFields(int height) {
        return List.of(
                value("valid", 0),
                value("type", 1),
                ignored("ignored", 11, 2),
                address("next table", 47, 12),
                ignored("RES0", 50, 48),
                ignored("ignored", 58, 51),
                ignored("RES0", 63, 59));
    }
}
