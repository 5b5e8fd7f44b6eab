package io.jircon.hal.npt;

import static io.jircon.hal.npt.FormatField.address;
import static io.jircon.hal.npt.FormatField.ignored;
import static io.jircon.hal.npt.FormatField.reserved;
import static io.jircon.hal.npt.FormatField.value;

import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import java.util.ArrayList;
import java.util.List;

/// Intel's extended page tables (SDM volume 3C, "The extended page-table mechanism").
///
/// ```
///   63 62 ... 54 53 52 51     M M-1            12 11 10 9 8 7  6    5 4 3   2 1 0
/// | ignored    |WC|US|reserved | page or table    |ign   |D|A|PS|IPAT| type | X W R|
/// ```
///
/// The hardware has no user bit and knows device memory only as uncached memory. What it ignores
/// keeps the difference: bit 52 is USER, bit 53 tells UNCACHED from DEVICE.
///
/// @param options what the processor can do and what is switched on
record EptFormat(EptOptions options) implements EntryCodec {
    static final BitField READ = BitField.bit(0);
    static final BitField WRITE = BitField.bit(1);
    static final BitField EXECUTE = BitField.bit(2);
    static final BitField MEMORY_TYPE = BitField.bits(5, 3);
    static final BitField LEAF = BitField.bit(7);
    static final BitField ACCESSED = BitField.bit(8);
    static final BitField DIRTY = BitField.bit(9);
    static final BitField SOFT_USER = BitField.bit(52);
    static final BitField SOFT_UNCACHED = BitField.bit(53);

    static final int TYPE_UC = 0;
    static final int TYPE_WC = 1;
    static final int TYPE_WT = 4;
    static final int TYPE_WP = 5;
    static final int TYPE_WB = 6;

    private static final long RIGHTS = READ.mask() | WRITE.mask() | EXECUTE.mask();

    static PagingFormat create(EptOptions options) {
        var spec =
                new FormatSpec(
                        "EPT-" + options.levels(),
                        new EptFormat(options),
                        "PTE",
                        "PDE",
                        "PDPTE",
                        "PML4E",
                        "PML5E");
        spec.rootHeight = options.levels() - 1;
        spec.addressBits = options.levels() == 5 ? 57 : 48;
        spec.physicalBits = options.physicalBits();
        spec.addressMask = BitField.bits(options.physicalBits() - 1, 12).mask();
        spec.presentMask = RIGHTS;
        spec.leafMask = LEAF.mask();
        spec.pointerAttributes = RIGHTS;
        if (options.accessedDirty()) {
            spec.accessedMask = ACCESSED.mask();
            spec.pointerAccessedMask = ACCESSED.mask();
            spec.dirtyMask = DIRTY.mask();
            spec.dirtyValue = DIRTY.mask();
            spec.accessedUpdate = FormatSpec.FlagUpdate.HARDWARE;
            spec.dirtyUpdate = FormatSpec.FlagUpdate.HARDWARE;
            spec.guestEntryAccess = AccessKind.WRITE;
        }
        spec.registers =
                (root, tag) ->
                        List.of(
                                new Eptp(
                                        root,
                                        options.levels(),
                                        options.accessedDirty(),
                                        /* writeBack= */ true));
        return new PagingFormat(spec);
    }

    @Override
    public long leafAttributes(int height, int flagBits) {
        int access = flagBits & MmuFlags.ACCESS_MASK;
        if (!isLegal(access)) {
            return UNSUPPORTED;
        }
        long raw = access; // bits 2:0 are READ, WRITE, EXECUTE in both
        raw |= (flagBits & MmuFlags.USER_BIT) != 0 ? SOFT_USER.mask() : 0;
        raw |= height > 0 ? LEAF.mask() : 0;
        return switch (flagBits & MmuFlags.MEMORY_TYPE_MASK) {
            case 0 -> raw | MEMORY_TYPE.of(TYPE_WB);
            case MmuFlags.DEVICE_BIT -> raw | MEMORY_TYPE.of(TYPE_UC);
            case MmuFlags.UNCACHED_BIT -> raw | MEMORY_TYPE.of(TYPE_UC) | SOFT_UNCACHED.mask();
            case MmuFlags.WRITE_COMBINING_BIT -> raw | MEMORY_TYPE.of(TYPE_WC);
            default -> UNSUPPORTED;
        };
    }

    /// Neither writing nor, without the capability, executing goes without reading.
    private boolean isLegal(int access) {
        boolean read = (access & MmuFlags.READ_BIT) != 0;
        boolean write = (access & MmuFlags.WRITE_BIT) != 0;
        return read || (!write && options.executeOnly());
    }

    @Override
    public long leafKey(int height) {
        return RIGHTS | MEMORY_TYPE.mask() | SOFT_USER.mask() | SOFT_UNCACHED.mask();
    }

    @Override
    public int leafFlags(int height, long raw) {
        int flags = (int) (raw & RIGHTS);
        if (!isLegal(flags)) {
            return RESERVED;
        }
        flags |= SOFT_USER.isSet(raw) ? MmuFlags.USER_BIT : 0;
        return switch ((int) MEMORY_TYPE.get(raw)) {
            case TYPE_UC ->
                    flags
                            | (SOFT_UNCACHED.isSet(raw)
                                    ? MmuFlags.UNCACHED_BIT
                                    : MmuFlags.DEVICE_BIT);
            case TYPE_WC -> flags | MmuFlags.WRITE_COMBINING_BIT;
            case TYPE_WT, TYPE_WP, TYPE_WB -> flags;
            default -> RESERVED;
        };
    }

    @Override
    public long pointerKey() {
        return RIGHTS;
    }

    @Override
    public int pointerRights(long raw, Privilege privilege) {
        int access = (int) (raw & RIGHTS);
        return isLegal(access) ? access : RESERVED;
    }

    @Override
    public List<FormatField> leafFields(int height) {
        var fields = rights();
        fields.add(value("memory type", 5, 3));
        fields.add(value("IPAT", 6));
        fields.add(height > 0 ? value("PS", 7) : ignored("ignored", 7, 7));
        addAccessedDirty(fields);
        int low = 12 + 9 * height;
        fields.add(ignored("ignored", 11, 10));
        if (height > 0) {
            fields.add(reserved(low - 1, 12));
        }
        addAddress(fields, low);
        fields.add(ignored("USER", 52, 52));
        fields.add(ignored("UNCACHED", 53, 53));
        fields.add(ignored("ignored", 63, 54));
        return fields;
    }

    @Override
    public List<FormatField> pointerFields(int height) {
        var fields = rights();
        fields.add(reserved(7, 3));
        fields.add(options.accessedDirty() ? value("A", 8) : ignored("ignored", 8, 8));
        fields.add(ignored("ignored", 11, 9));
        addAddress(fields, 12);
        fields.add(ignored("ignored", 63, 52));
        return fields;
    }

    private static List<FormatField> rights() {
        return new ArrayList<>(List.of(value("R", 0), value("W", 1), value("X", 2)));
    }

    private void addAccessedDirty(List<FormatField> fields) {
        if (options.accessedDirty()) {
            fields.add(value("A", 8));
            fields.add(value("D", 9));
        } else {
            fields.add(ignored("ignored", 9, 8));
        }
    }

    private void addAddress(List<FormatField> fields, int low) {
        fields.add(address("address", options.physicalBits() - 1, low));
        if (options.physicalBits() < 52) {
            fields.add(reserved(51, options.physicalBits()));
        }
    }
}
