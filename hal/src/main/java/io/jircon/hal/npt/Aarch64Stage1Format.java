package io.jircon.hal.npt;

import static io.jircon.hal.npt.FormatField.address;
import static io.jircon.hal.npt.FormatField.ignored;
import static io.jircon.hal.npt.FormatField.value;

import io.jircon.hal.MmuFlags;
import java.util.ArrayList;
import java.util.List;

/// AArch64's stage-1 descriptors of the EL1 and EL0 regime (Arm ARM for A-profile, D8.3), 4 KiB
/// granule. Memory types are indices into MAIR_EL1 = 0x44ff04: 0 Device-nGnRE, 1 Normal write-back,
/// 2 Normal non-cacheable.
///
/// @param physicalBits output size (TCR_EL1.IPS)
record Aarch64Stage1Format(int physicalBits) implements EntryCodec {
    static final BitField ATTR_INDEX = BitField.bits(4, 2);
    static final BitField USER = BitField.bit(6);
    static final BitField READ_ONLY = BitField.bit(7);
    static final BitField NOT_GLOBAL = BitField.bit(11);
    static final BitField PRIVILEGED_NEVER = BitField.bit(53);
    static final BitField USER_NEVER = BitField.bit(54);
    static final BitField SOFT_COMBINING = BitField.bit(55);
    static final BitField USER_NEVER_TABLE = BitField.bit(60);
    static final BitField PRIVILEGED_NEVER_TABLE = BitField.bit(59);
    static final BitField ACCESS_TABLE = BitField.bits(62, 61);

    static final int INDEX_DEVICE = 0;
    static final int INDEX_WRITE_BACK = 1;
    static final int INDEX_NON_CACHEABLE = 2;

    static PagingFormat create(int vaBits, FormatSpec.SignExtension half, int physicalBits) {
        if (vaBits < 25 || vaBits > 48) {
            throw new IllegalArgumentException("vaBits=" + vaBits + " is not in 25..48");
        }
        if (Aarch64.outputSizeCode(physicalBits) < 0) {
            throw new IllegalArgumentException("physicalBits=" + physicalBits + " has no IPS code");
        }
        var spec =
                new FormatSpec(
                        "VMSAv8-64 stage 1, " + vaBits + "-bit VA",
                        new Aarch64Stage1Format(physicalBits),
                        Aarch64.LEVEL_NAMES);
        Aarch64.describe(spec, physicalBits);
        spec.stage = 1;
        spec.rootHeight = (vaBits - 13) / 9;
        spec.addressBits = vaBits;
        spec.extension = half;
        spec.breakMask =
                Aarch64.TYPE_MASK
                        | Aarch64.OUTPUT_ADDRESS.mask()
                        | Aarch64.SHAREABILITY.mask()
                        | ATTR_INDEX.mask();
        boolean upper = half == FormatSpec.SignExtension.UPPER;
        var tcr = new TcrEl1(upper ? 0 : vaBits, upper ? vaBits : 0, physicalBits);
        spec.registers = (root, tag) -> List.of(new TtbrEl1(root, tag), tcr);
        return new PagingFormat(spec);
    }

    @Override
    public long leafAttributes(int height, int flagBits) {
        if ((flagBits & MmuFlags.READ_BIT) == 0) {
            return UNSUPPORTED;
        }
        boolean user = (flagBits & MmuFlags.USER_BIT) != 0;
        boolean execute = (flagBits & MmuFlags.EXECUTE_BIT) != 0;
        long raw = Aarch64.leafType(height) | Aarch64.ACCESS_FLAG.mask();
        raw |= user ? USER.mask() | NOT_GLOBAL.mask() : 0;
        raw |= (flagBits & MmuFlags.WRITE_BIT) == 0 ? READ_ONLY.mask() : 0;
        raw |= user && execute ? 0 : USER_NEVER.mask();
        raw |= !user && execute ? 0 : PRIVILEGED_NEVER.mask();
        return switch (flagBits & MmuFlags.MEMORY_TYPE_MASK) {
            case 0 ->
                    raw
                            | ATTR_INDEX.of(INDEX_WRITE_BACK)
                            | Aarch64.SHAREABILITY.of(Aarch64.INNER_SHAREABLE);
            case MmuFlags.DEVICE_BIT -> raw | ATTR_INDEX.of(INDEX_DEVICE);
            case MmuFlags.UNCACHED_BIT -> raw | ATTR_INDEX.of(INDEX_NON_CACHEABLE);
            case MmuFlags.WRITE_COMBINING_BIT ->
                    raw | ATTR_INDEX.of(INDEX_NON_CACHEABLE) | SOFT_COMBINING.mask();
            default -> UNSUPPORTED;
        };
    }

    @Override
    public long leafKey(int height) {
        return ATTR_INDEX.mask()
                | USER.mask()
                | READ_ONLY.mask()
                | PRIVILEGED_NEVER.mask()
                | USER_NEVER.mask()
                | SOFT_COMBINING.mask();
    }

    @Override
    public int leafFlags(int height, long raw) {
        int flags = MmuFlags.READ_BIT;
        flags |= READ_ONLY.isSet(raw) ? 0 : MmuFlags.WRITE_BIT;
        boolean user = USER.isSet(raw);
        boolean executes = !(user ? USER_NEVER : PRIVILEGED_NEVER).isSet(raw);
        flags |= executes ? MmuFlags.EXECUTE_BIT : 0;
        flags |= user ? MmuFlags.USER_BIT : 0;
        return switch ((int) ATTR_INDEX.get(raw)) {
            case INDEX_DEVICE -> flags | MmuFlags.DEVICE_BIT;
            case INDEX_NON_CACHEABLE ->
                    flags
                            | (SOFT_COMBINING.isSet(raw)
                                    ? MmuFlags.WRITE_COMBINING_BIT
                                    : MmuFlags.UNCACHED_BIT);
            default -> flags;
        };
    }

    @Override
    public int leafRights(int height, long raw, Privilege privilege) {
        boolean write = !READ_ONLY.isSet(raw);
        boolean user = USER.isSet(raw);
        if (privilege == Privilege.USER) {
            int data = user ? MmuFlags.READ_BIT | (write ? MmuFlags.WRITE_BIT : 0) : 0;
            return data | (USER_NEVER.isSet(raw) ? 0 : MmuFlags.EXECUTE_BIT);
        }
        // EL1 never fetches from what EL0 can write.
        boolean executes = !PRIVILEGED_NEVER.isSet(raw) && !(user && write);
        return MmuFlags.READ_BIT
                | (write ? MmuFlags.WRITE_BIT : 0)
                | (executes ? MmuFlags.EXECUTE_BIT : 0);
    }

    @Override
    public long pointerKey() {
        return USER_NEVER_TABLE.mask() | PRIVILEGED_NEVER_TABLE.mask() | ACCESS_TABLE.mask();
    }

    @Override
    public int pointerRights(long raw, Privilege privilege) {
        long access = ACCESS_TABLE.get(raw);
        boolean user = privilege == Privilege.USER;
        int rights = MmuFlags.ACCESS_MASK;
        if ((user ? USER_NEVER_TABLE : PRIVILEGED_NEVER_TABLE).isSet(raw)) {
            rights &= ~MmuFlags.EXECUTE_BIT;
        }
        if ((access & 0b10) != 0) {
            rights &= ~MmuFlags.WRITE_BIT;
        }
        if (user && (access & 0b01) != 0) {
            rights &= ~(MmuFlags.READ_BIT | MmuFlags.WRITE_BIT);
        }
        return rights;
    }

    @Override
    public List<FormatField> leafFields(int height) {
        var fields = new ArrayList<FormatField>();
        fields.add(value("valid", 0));
        fields.add(value("type", 1));
        fields.add(value("AttrIndx", 4, 2));
        fields.add(ignored("NS", 5, 5));
        fields.add(value("AP", 7, 6));
        fields.add(value("SH", 9, 8));
        fields.add(value("AF", 10));
        fields.add(value("nG", 11));
        int low = 12 + 9 * height;
        if (height > 0) {
            fields.add(ignored("RES0", low - 1, 12));
        }
        fields.add(address("OA", 47, low));
        fields.add(ignored("RES0", 49, 48));
        fields.add(ignored("GP", 50, 50));
        fields.add(ignored("DBM", 51, 51));
        fields.add(ignored("Contiguous", 52, 52));
        fields.add(value("PXN", 53));
        fields.add(value("UXN", 54));
        fields.add(ignored("software", 58, 55));
        fields.add(ignored("PBHA", 63, 59));
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
                value("PXNTable", 59),
                value("UXNTable", 60),
                value("APTable", 62, 61),
                value("NSTable", 63));
    }
}
