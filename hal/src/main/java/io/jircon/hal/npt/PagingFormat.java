package io.jircon.hal.npt;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.util.List;
import java.util.StringJoiner;

/// One architecture's page-table format as data: the shape of its tables and what the bits of an
/// entry mean. The table, the walker and the dumps are written once over it.
///
/// Heights count from the leaf tables up: height 0 is an entry covering 4 KiB, 1 one covering 2
/// MiB, and so on, whatever the architecture calls its levels. The root's index may be wider
/// (RISC-V x4, AArch64 concatenation) or narrower (AArch64) than the 9 bits of the other tables.
///
/// The package-private fields are what the inner loops work on: masks, and lookup tables indexed by
/// the few bits of an entry that count, gathered by [Long#compress(long, long)].
public final class PagingFormat {
    /// In a pointer to a table of base pages: a harvest that frees went by since the last sign of
    /// use. No format's hardware looks at the bit.
    static final long IDLE_TABLE = 1L << 9;

    private static final int FLAG_SETS = MmuFlags.ACCESS_MASK | MmuFlags.MEMORY_TYPE_MASK | 8;

    final int rootHeight;
    final int maxLeafHeight;
    final int[] shifts;
    final int[] indexMasks;
    final int addressShift;
    final long addressMask;
    final long presentMask;
    final long typeMask;
    final long leafXor;
    final long leafMask;
    final long pointerAttributes;
    final long addressSizeMask;
    final long accessedMask;
    final long pointerAccessedMask;
    final long dirtyMask;
    final long dirtyValue;
    final long softDirtyMask;
    final boolean setsAccessed;
    final boolean setsDirty;
    final boolean accessedFirst;
    final long breakMask;
    final FaultCause widthFault;
    final long[] leafReserved;
    final long[] pointerReserved;

    /// Attribute bits by height and flag set; 0 where the format cannot hold the set.
    final long[][] leafAttributes;

    private final FormatSpec spec;
    private final long[] leafKeys;
    private final byte[][] leafFlags;
    private final byte[][][] leafRights;
    private final long pointerKey;
    private final byte[][] pointerRights;

    PagingFormat(FormatSpec spec) {
        this.spec = spec;
        rootHeight = spec.rootHeight;
        maxLeafHeight = Math.min(spec.maxLeafHeight, rootHeight);
        shifts = spec.shifts.clone();
        addressShift = spec.addressShift;
        addressMask = spec.addressMask;
        presentMask = spec.presentMask;
        typeMask = spec.typeMask;
        leafMask = spec.leafMask;
        leafXor = spec.leafXor;
        pointerAttributes = spec.pointerAttributes;
        addressSizeMask = spec.addressSizeMask;
        accessedMask = spec.accessedMask;
        pointerAccessedMask = spec.pointerAccessedMask;
        dirtyMask = spec.dirtyMask;
        dirtyValue = spec.dirtyValue;
        softDirtyMask = spec.softDirtyMask;
        setsAccessed = spec.accessedUpdate == FormatSpec.FlagUpdate.HARDWARE;
        setsDirty = spec.dirtyUpdate == FormatSpec.FlagUpdate.HARDWARE;
        accessedFirst = spec.firstCheck == FormatSpec.LeafCheck.ACCESSED;
        breakMask = spec.breakMask;
        widthFault = spec.widthFault;

        int heights = rootHeight + 1;
        EntryCodec codec = spec.codec;
        indexMasks = new int[heights];
        leafReserved = new long[heights];
        pointerReserved = new long[heights];
        leafAttributes = new long[heights][FLAG_SETS + 1];
        leafKeys = new long[heights];
        leafFlags = new byte[heights][];
        leafRights = new byte[Privilege.values().length][heights][];
        for (int height = 0; height < heights; height++) {
            int top = height == rootHeight ? spec.addressBits : shifts[height + 1];
            indexMasks[height] = (1 << (top - shifts[height])) - 1;
            boolean canBeLeaf = height <= maxLeafHeight;
            boolean canBePointer = height > 0;
            if (canBePointer) {
                pointerReserved[height] = reserved(codec.pointerFields(height));
            }
            if (canBeLeaf) {
                leafReserved[height] = reserved(codec.leafFields(height));
                tabulateLeaves(codec, height);
            }
        }
        pointerKey = codec.pointerKey();
        pointerRights = new byte[Privilege.values().length][];
        for (Privilege privilege : Privilege.values()) {
            byte[] rights = new byte[1 << Long.bitCount(pointerKey)];
            for (int key = 0; key < rights.length; key++) {
                rights[key] = (byte) codec.pointerRights(Long.expand(key, pointerKey), privilege);
            }
            pointerRights[privilege.row] = rights;
        }
    }

    private void tabulateLeaves(EntryCodec codec, int height) {
        for (int flags = 0; flags <= FLAG_SETS; flags++) {
            leafAttributes[height][flags] =
                    (flags & MmuFlags.ACCESS_MASK) == 0 ? 0 : codec.leafAttributes(height, flags);
        }
        long mask = codec.leafKey(height);
        leafKeys[height] = mask;
        byte[] flags = new byte[1 << Long.bitCount(mask)];
        for (int key = 0; key < flags.length; key++) {
            flags[key] = (byte) codec.leafFlags(height, Long.expand(key, mask));
        }
        leafFlags[height] = flags;
        for (Privilege privilege : Privilege.values()) {
            byte[] rights = new byte[flags.length];
            for (int key = 0; key < rights.length; key++) {
                rights[key] = (byte) codec.leafRights(height, Long.expand(key, mask), privilege);
            }
            leafRights[privilege.row][height] = rights;
        }
    }

    private static long reserved(List<FormatField> fields) {
        long mask = 0;
        for (FormatField field : fields) {
            if (field.role() == FormatField.Role.RESERVED) {
                mask |= field.bits().mask();
            }
        }
        return mask;
    }

    /// The format's name.
    ///
    /// @return such as `Sv39x4`
    public String name() {
        return spec.name;
    }

    /// Whether an entry of one format means the same in the other, at the same place of a table.
    boolean isSameAs(PagingFormat other) {
        return spec.codec.equals(other.spec.codec)
                && spec.name.equals(other.spec.name)
                && spec.extension == other.spec.extension;
    }

    /// Which stage of a two-stage translation it is for.
    ///
    /// @return 1 or 2
    public int stage() {
        return spec.stage;
    }

    /// How many levels of tables there are.
    ///
    /// @return 2 to 5
    public int levels() {
        return rootHeight + 1;
    }

    /// Width of the addresses that it translates.
    ///
    /// @return a number of bits
    public int addressBits() {
        return spec.addressBits;
    }

    /// Width of the addresses that it yields.
    ///
    /// @return a number of bits
    public int physicalBits() {
        return spec.physicalBits;
    }

    /// Number of entries of the root table.
    ///
    /// @return a power of two
    public int rootEntries() {
        return indexMasks[rootHeight] + 1;
    }

    /// Size and alignment of the root table's memory, whole frames.
    ///
    /// @return a power of two of bytes, at least a base page
    public int rootBytes() {
        return Math.max((int) PageSize.BASE_BYTES, rootEntries() * Long.BYTES);
    }

    /// The registers that make a processor use a table of this format.
    ///
    /// @param root physical address of the root table
    /// @param tag the table's VMID, ASID or PCID; not used by EPT
    /// @return such as VTTBR_EL2 and VTCR_EL2
    public List<RootRegister> rootRegisters(long root, int tag) {
        return spec.registers.of(root, tag);
    }

    /// What the processor's own reads of a guest's page tables want of this second stage: with
    /// EPT's accessed and dirty flags on they count as writes.
    ///
    /// @return READ or WRITE
    public AccessKind guestEntryAccess() {
        return spec.guestEntryAccess;
    }

    /// Whether the walker sets the accessed flag of the leaves it uses.
    ///
    /// @return true when [NestedPageTable#harvestAccessed] can be asked
    public boolean tracksAccessed() {
        return setsAccessed;
    }

    /// Whether the walker marks the leaves that are written through.
    ///
    /// @return true when [NestedPageTable#harvestDirty] can be asked
    public boolean tracksDirty() {
        return setsDirty;
    }

    /// Whether bits above the width must repeat the top bit, as in stage 1, rather than be 0.
    ///
    /// @return true for formats with a lower and an upper half
    public boolean isSignExtended() {
        return spec.extension == FormatSpec.SignExtension.TOP_BIT;
    }

    /// The lowest address the format translates.
    ///
    /// @return 0, or the start of the upper region of an AArch64 TTBR1 table
    public long lowestAddress() {
        return spec.extension == FormatSpec.SignExtension.UPPER ? -1L << spec.addressBits : 0;
    }

    /// Whether the format translates an address: its bits above the width are what they must be.
    ///
    /// @param address any address
    /// @return false when a walk ends before the first entry is read
    public boolean isCanonical(long address) {
        int bits = spec.addressBits;
        return switch (spec.extension) {
            case ZERO, LOWER -> address >>> bits == 0;
            case UPPER -> address >> bits == -1;
            case TOP_BIT -> address << (Long.SIZE - bits) >> (Long.SIZE - bits) == address;
        };
    }

    /// Whether a leaf can carry these flags and give them back.
    ///
    /// @param flags the flags
    /// @return false also for flags without READ, WRITE and EXECUTE
    public boolean supports(MmuFlags flags) {
        return leafAttributes[0][flags.bits()] != 0;
    }

    /// Whether there are leaves of this size.
    ///
    /// @param size the size
    /// @return true for 4 KiB
    public boolean supports(PageSize size) {
        return heightOf(size) >= 0;
    }

    /// Makes a leaf.
    ///
    /// @param paddr physical address, a multiple of the size
    /// @param flags what it allows
    /// @param size its size
    /// @return the entry
    /// @throws IllegalArgumentException when the format has no such leaf
    public long encodeLeaf(long paddr, MmuFlags flags, PageSize size) {
        int height = heightOf(size);
        if (height < 0 || !supports(flags)) {
            throw new IllegalArgumentException(
                    "flags=" + flags + " size=" + size + " cannot be a leaf of " + name());
        }
        if (!size.isAligned(paddr) || isBeyondPhysical(paddr)) {
            throw new IllegalArgumentException(
                    "paddr=0x"
                            + Long.toHexString(paddr)
                            + " is no multiple of "
                            + size
                            + " below 2^"
                            + physicalBits());
        }
        return leafAttributes[height][flags.bits()] | addressField(paddr);
    }

    /// Makes a pointer to a table.
    ///
    /// @param table physical address of the table
    /// @return the entry
    public long encodePointer(long table) {
        return pointerAttributes | addressField(table);
    }

    /// What an entry is, for dumps and tests.
    ///
    /// @param height its height
    /// @param raw the entry
    /// @return absent, table, leaf, or bad when the architecture reserves the encoding
    public PageTableEntry decode(int height, long raw) {
        if (!isPresent(height, raw)) {
            return PageTableEntry.Absent.INSTANCE;
        }
        if (!isLeaf(height, raw)) {
            boolean bad =
                    (raw & pointerReserved[height]) != 0
                            || pointerRights(raw, Privilege.SUPERVISOR) < 0;
            return bad ? new PageTableEntry.Bad(raw) : new PageTableEntry.Table(address(raw));
        }
        int flags = flagBits(height, raw);
        if ((raw & leafReserved[height]) != 0 || flags < 0) {
            return new PageTableEntry.Bad(raw);
        }
        return new PageTableEntry.Leaf(
                leafAddress(height, raw), MmuFlags.of(flags), shifts[height]);
    }

    /// What the architecture calls the level of a height.
    ///
    /// @param height the height
    /// @return such as `PDE` or `level 2`
    public String levelName(int height) {
        return spec.levelNames[height];
    }

    /// The fields of an entry, from bit 0 up.
    ///
    /// @param height its height
    /// @param raw the entry, which decides whether it is a leaf
    /// @return fields that cover the word without overlap
    public List<FormatField> fields(int height, long raw) {
        return isLeaf(height, raw)
                ? spec.codec.leafFields(height)
                : spec.codec.pointerFields(height);
    }

    /// An entry's fields that are not 0, in the manual's names.
    ///
    /// @param height its height
    /// @param raw the entry
    /// @return such as `R=1 W=1 memory type=6 address=0x80000000`
    public String describe(int height, long raw) {
        if (!isPresent(height, raw)) {
            return "not present";
        }
        var text = new StringJoiner(" ");
        for (FormatField field : fields(height, raw)) {
            long value = field.bits().get(raw);
            if (field.role() == FormatField.Role.ADDRESS) {
                long inPlace = raw & field.bits().mask();
                text.add(field.name() + "=0x" + Long.toHexString(inPlace << addressShift));
            } else if (value != 0) {
                text.add(field.name() + "=" + (value < 10 ? "" : "0x") + Long.toHexString(value));
            }
        }
        return text.toString();
    }

    /// Index of an address's entry in the table at a height.
    ///
    /// @param height the table's height
    /// @param address the address
    /// @return an index
    public int index(int height, long address) {
        return (int) (address >>> shifts[height]) & indexMasks[height];
    }

    /// The name.
    @Override
    public String toString() {
        return name();
    }

    /// Height of the leaves of a size; -1 when there are none.
    int heightOf(PageSize size) {
        for (int height = 0; height <= maxLeafHeight; height++) {
            if (shifts[height] == size.shift()) {
                return height;
            }
        }
        return -1;
    }

    /// Size of a leaf at a height.
    ///
    /// @throws PagingException NOT_SUPPORTED when there is no [PageSize] for it
    PageSize pageSize(int height) {
        return switch (shifts[height]) {
            case 12 -> PageSize.SIZE_4K;
            case 21 -> PageSize.SIZE_2M;
            case 30 -> PageSize.SIZE_1G;
            default ->
                    throw new PagingException(
                            PagingError.NOT_SUPPORTED,
                            "a leaf of 2^" + shifts[height] + " bytes was put in by hand");
        };
    }

    /// Greatest height at which software may enter leaves: those that have a [PageSize].
    int maxSoftwareLeafHeight() {
        return Math.min(maxLeafHeight, 2);
    }

    boolean isBeyondPhysical(long paddr) {
        return physicalBits() < Long.SIZE && paddr >>> physicalBits() != 0;
    }

    boolean isPresent(int height, long raw) {
        return (raw & presentMask) != 0 && (typeMask == 0 || hasType(height, raw));
    }

    /// Whether the type bits allow what the height demands: a page at 0, a table above the leaves.
    private boolean hasType(int height, long raw) {
        return (height != 0 && height <= maxLeafHeight) || (raw & typeMask) == typeMask;
    }

    /// Whether a present entry ends the walk.
    boolean isLeaf(int height, long raw) {
        return height == 0 || (height <= maxLeafHeight && ((raw ^ leafXor) & leafMask) != 0);
    }

    /// The address field of any entry.
    long address(long raw) {
        return (raw & addressMask) << addressShift;
    }

    /// The address field of a leaf: bits below the leaf's size are not part of it.
    long leafAddress(int height, long raw) {
        return address(raw) & -1L << shifts[height];
    }

    long addressField(long paddr) {
        return paddr >>> addressShift;
    }

    /// [MmuFlags] bits of a leaf, or negative for a reserved encoding.
    int flagBits(int height, long raw) {
        return leafFlags[height][(int) Long.compress(raw, leafKeys[height])];
    }

    /// Access bits that a leaf grants.
    int rights(int height, long raw, Privilege privilege) {
        return leafRights[privilege.row][height][(int) Long.compress(raw, leafKeys[height])];
    }

    /// Access bits that a pointer leaves, or negative for a reserved encoding.
    int pointerRights(long raw, Privilege privilege) {
        return pointerKey == 0
                ? MmuFlags.ACCESS_MASK
                : pointerRights[privilege.row][(int) Long.compress(raw, pointerKey)];
    }

    boolean isDirty(long raw) {
        return (raw & softDirtyMask) != 0 || (dirtyMask != 0 && (raw & dirtyMask) == dirtyValue);
    }

    /// A leaf like `raw` with other flags: its accessed and dirty state is kept.
    ///
    /// @param attributes the attribute bits of the new flags at the new entry's height
    /// @param address the new entry's address field, in place
    long withAttributes(long raw, long attributes, long address, boolean canWrite) {
        long merged = (attributes & ~accessedMask) | (raw & accessedMask) | address;
        if (dirtyMask == 0) {
            return merged;
        }
        if (softDirtyMask == 0) {
            return (merged & ~dirtyMask) | (raw & dirtyMask);
        }
        if (!isDirty(raw)) {
            return merged;
        }
        return canWrite ? (merged & ~dirtyMask) | dirtyValue : merged | softDirtyMask;
    }

    /// A leaf in a given state.
    long leaf(int height, long address, int flags, boolean accessed, boolean dirty) {
        long raw = leafAttributes[height][flags] & ~accessedMask | addressField(address);
        raw |= accessed ? accessedMask : 0;
        if (dirtyMask == 0) {
            return raw;
        }
        boolean canWrite = (flags & MmuFlags.WRITE_BIT) != 0;
        if (dirty && softDirtyMask != 0 && !canWrite) {
            return raw | softDirtyMask;
        }
        long clean = dirtyMask & ~dirtyValue;
        return raw & ~dirtyMask | (dirty ? dirtyValue : clean);
    }
}
