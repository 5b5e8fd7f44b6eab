package io.jircon.hal.npt;

import static io.jircon.hal.npt.FormatField.address;
import static io.jircon.hal.npt.FormatField.ignored;
import static io.jircon.hal.npt.FormatField.reserved;
import static io.jircon.hal.npt.FormatField.value;

import io.jircon.hal.MmuFlags;
import java.util.ArrayList;
import java.util.List;

/// x86-64's ordinary page tables with 4 or 5 levels (SDM volume 3A, "4-level paging and 5-level
/// paging"), EFER.NXE set. Memory types are indices into a PAT of WB, WT, UC-, UC, WB, WT, UC-, WC.
///
/// @param physicalBits MAXPHYADDR
record X86Format(int physicalBits) implements EntryCodec {
    static final BitField PRESENT = BitField.bit(0);
    static final BitField WRITE = BitField.bit(1);
    static final BitField USER = BitField.bit(2);
    static final BitField WRITE_THROUGH = BitField.bit(3);
    static final BitField CACHE_DISABLE = BitField.bit(4);
    static final BitField ACCESSED = BitField.bit(5);
    static final BitField DIRTY = BitField.bit(6);
    static final BitField PAGE_SIZE = BitField.bit(7);
    static final BitField PAT_SMALL = BitField.bit(7);
    static final BitField PAT_LARGE = BitField.bit(12);
    static final BitField EXECUTE_DISABLE = BitField.bit(63);

    static PagingFormat create(int levels, int physicalBits) {
        if (levels != 4 && levels != 5) {
            throw new IllegalArgumentException("levels=" + levels + " is neither 4 nor 5");
        }
        var spec =
                new FormatSpec(
                        "x86-64 " + levels + "-level",
                        new X86Format(physicalBits),
                        "PTE",
                        "PDE",
                        "PDPTE",
                        "PML4E",
                        "PML5E");
        spec.stage = 1;
        spec.rootHeight = levels - 1;
        spec.addressBits = levels == 5 ? 57 : 48;
        spec.extension = FormatSpec.SignExtension.TOP_BIT;
        spec.physicalBits = physicalBits;
        spec.addressMask = BitField.bits(physicalBits - 1, 12).mask();
        spec.presentMask = PRESENT.mask();
        spec.leafMask = PAGE_SIZE.mask();
        spec.pointerAttributes = PRESENT.mask() | WRITE.mask() | USER.mask();
        spec.accessedMask = ACCESSED.mask();
        spec.pointerAccessedMask = ACCESSED.mask();
        spec.dirtyMask = DIRTY.mask();
        spec.dirtyValue = DIRTY.mask();
        spec.accessedUpdate = FormatSpec.FlagUpdate.HARDWARE;
        spec.dirtyUpdate = FormatSpec.FlagUpdate.HARDWARE;
        spec.registers = (root, tag) -> List.of(new Cr3(root, tag & 0xfff));
        return new PagingFormat(spec);
    }

    private static BitField pat(int height) {
        return height == 0 ? PAT_SMALL : PAT_LARGE;
    }

    @Override
    public long leafAttributes(int height, int flagBits) {
        if ((flagBits & MmuFlags.READ_BIT) == 0) {
            return UNSUPPORTED;
        }
        long raw = PRESENT.mask();
        raw |= (flagBits & MmuFlags.WRITE_BIT) != 0 ? WRITE.mask() : 0;
        raw |= (flagBits & MmuFlags.USER_BIT) != 0 ? USER.mask() : 0;
        raw |= (flagBits & MmuFlags.EXECUTE_BIT) == 0 ? EXECUTE_DISABLE.mask() : 0;
        raw |= height > 0 ? PAGE_SIZE.mask() : 0;
        return switch (flagBits & MmuFlags.MEMORY_TYPE_MASK) {
            case 0 -> raw;
            case MmuFlags.UNCACHED_BIT -> raw | CACHE_DISABLE.mask();
            case MmuFlags.DEVICE_BIT -> raw | CACHE_DISABLE.mask() | WRITE_THROUGH.mask();
            case MmuFlags.WRITE_COMBINING_BIT ->
                    raw | CACHE_DISABLE.mask() | WRITE_THROUGH.mask() | pat(height).mask();
            default -> UNSUPPORTED;
        };
    }

    @Override
    public long leafKey(int height) {
        return WRITE.mask()
                | USER.mask()
                | WRITE_THROUGH.mask()
                | CACHE_DISABLE.mask()
                | pat(height).mask()
                | EXECUTE_DISABLE.mask();
    }

    @Override
    public int leafFlags(int height, long raw) {
        int flags = MmuFlags.READ_BIT;
        flags |= WRITE.isSet(raw) ? MmuFlags.WRITE_BIT : 0;
        flags |= USER.isSet(raw) ? MmuFlags.USER_BIT : 0;
        flags |= EXECUTE_DISABLE.isSet(raw) ? 0 : MmuFlags.EXECUTE_BIT;
        if (!CACHE_DISABLE.isSet(raw)) {
            return flags;
        }
        if (!WRITE_THROUGH.isSet(raw)) {
            return flags | MmuFlags.UNCACHED_BIT;
        }
        return flags
                | (pat(height).isSet(raw) ? MmuFlags.WRITE_COMBINING_BIT : MmuFlags.DEVICE_BIT);
    }

    @Override
    public int leafRights(int height, long raw, Privilege privilege) {
        boolean hidden = privilege == Privilege.USER && !USER.isSet(raw);
        return hidden ? 0 : leafFlags(height, raw) & MmuFlags.ACCESS_MASK;
    }

    @Override
    public long pointerKey() {
        return WRITE.mask() | USER.mask() | EXECUTE_DISABLE.mask();
    }

    @Override
    public int pointerRights(long raw, Privilege privilege) {
        if (privilege == Privilege.USER && !USER.isSet(raw)) {
            return 0;
        }
        return MmuFlags.READ_BIT
                | (WRITE.isSet(raw) ? MmuFlags.WRITE_BIT : 0)
                | (EXECUTE_DISABLE.isSet(raw) ? 0 : MmuFlags.EXECUTE_BIT);
    }

    @Override
    public List<FormatField> leafFields(int height) {
        var fields = lowBits();
        fields.add(value("D", 6));
        fields.add(value(height > 0 ? "PS" : "PAT", 7));
        fields.add(value("G", 8));
        fields.add(ignored("ignored", 11, 9));
        int low = 12 + 9 * height;
        if (height > 0) {
            fields.add(value("PAT", 12));
            fields.add(reserved(low - 1, 13));
        }
        addAddress(fields, low);
        fields.add(ignored("ignored", 58, 52));
        fields.add(ignored("PKEY", 62, 59));
        fields.add(value("XD", 63));
        return fields;
    }

    @Override
    public List<FormatField> pointerFields(int height) {
        var fields = lowBits();
        fields.add(ignored("ignored", 6, 6));
        fields.add(height > 2 ? reserved(7, 7) : value("PS", 7));
        fields.add(ignored("ignored", 11, 8));
        addAddress(fields, 12);
        fields.add(ignored("ignored", 62, 52));
        fields.add(value("XD", 63));
        return fields;
    }

    private static List<FormatField> lowBits() {
        return new ArrayList<>(
                List.of(
                        value("P", 0),
                        value("R/W", 1),
                        value("U/S", 2),
                        value("PWT", 3),
                        value("PCD", 4),
                        value("A", 5)));
    }

    private void addAddress(List<FormatField> fields, int low) {
        fields.add(address("address", physicalBits - 1, low));
        if (physicalBits < 52) {
            fields.add(reserved(51, physicalBits));
        }
    }
}
