package io.jircon.vm;

import static io.jircon.vm.VmoMath.hex;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AccessWidth;
import io.jircon.hal.AddrRange;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.DeviceRange;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.HostPhysAddr;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/// The guest-physical address space of a virtual machine (clauses ): a range of
/// guest-physical addresses, areas in it, and the nested page table that shows them; and devices.
///
/// Each area is a memory object mapped into the root region: a fixed host-physical range
/// ([CommitPolicy.Linear]), or frames from the machine ([CommitPolicy.Alloc]), all at once or each
/// with its first use. What regions can do beyond that - sharing an object between guests,
/// snapshots, listings - is reached through [#root()].
///
/// A call that is refused has changed nothing, also when it runs out of frames half way. Safe for
/// use by many threads; map, unmap, protect and clear exclude each other. Faults exclude nobody.
public final class AddrSpace implements AutoCloseable {
    private final Machine machine;
    private final VmAddressRegion root;
    private final GuestPhysAddr base;
    private final long sizeBytes;
    private final Object lock = new Object();

    private final GuestViews views;
    private final MmioMap devices;

    /// Changed with the lock held; looking for an area needs no more than the region's own lock.
    private final AllocatedAreas allocated;

    private AddrSpace(Machine machine, VmAddressRegion root, GuestPhysAddr base, long sizeBytes) {
        this.machine = machine;
        this.root = root;
        this.base = base;
        this.sizeBytes = sizeBytes;
        this.views = new GuestViews(machine, root);
        this.devices = new MmioMap(root);
        this.allocated = new AllocatedAreas(root);
    }

    /// When the frames of an area are taken.
    public enum Populate {
        /// All when the area is mapped, or the call fails.
        EAGERLY,
        /// Each with the first access to its page.
        ON_FAULT
    }

    /// Where an address leads, and how far from there.
    ///
    /// @param address host-physical address of the byte
    /// @param limitBytes how many bytes from there on lie in the same area and are physically
    ///   consecutive, at least 1
    public record Translation(HostPhysAddr address, long limitBytes) {}

    /// Makes an empty guest-physical address space (clause A-131).
    ///
    /// @param machine where; it must outlive the address space
    /// @param base its first address, page aligned
    /// @param sizeBytes its size, a positive multiple of the page size
    /// @return an address space to close
    /// @throws ZxException OUT_OF_RANGE when the range wraps or leaves what the machine's guests
    ///   can address; INVALID_ARGS when it is empty or not page aligned; NO_MEMORY when there is no
    ///   frame for a page table; NOT_SUPPORTED when the machine has no guests
    public static AddrSpace create(Machine machine, GuestPhysAddr base, long sizeBytes) {
        if (VmoMath.sumWraps(base.value(), sizeBytes)) {
            throw VmErrors.outOfRange(
                    "A-131", "base=" + base + " size=" + hex(sizeBytes) + " wraps");
        }
        if (sizeBytes == 0 || !VmoMath.isAligned(base.value() | sizeBytes)) {
            throw VmErrors.invalidArgs(
                    "A-131",
                    "base="
                            + base
                            + " size="
                            + hex(sizeBytes)
                            + " are no positive number of pages");
        }
        VmAddressRegion root = VmAddressRegion.newRoot(machine, AddressSpaceKind.GUEST);
        if (!root.containsRange(base.value(), sizeBytes)) {
            String room = Ranges.text(root.firstByte(), root.lastByte());
            root.destroyAddressSpace();
            throw VmErrors.outOfRange(
                    "A-131", "base=" + base + " size=" + hex(sizeBytes) + " leaves " + room);
        }
        return new AddrSpace(machine, root, base, sizeBytes);
    }

    // ---- what it is

    /// The first address.
    ///
    /// @return page aligned
    public GuestPhysAddr base() {
        return base;
    }

    /// The address after the last one.
    ///
    /// @return page aligned
    public GuestPhysAddr end() {
        return base.add(sizeBytes);
    }

    /// How many bytes it spans.
    ///
    /// @return a positive multiple of the page size
    public long sizeBytes() {
        return sizeBytes;
    }

    /// Whether a range lies in this address space.
    ///
    /// @param gpa its first address
    /// @param length its length in bytes, unsigned; an empty range may lie at the end
    /// @return false also when the range wraps
    public boolean containsRange(GuestPhysAddr gpa, long length) {
        return VmoMath.isInside(gpa.value() - base.value(), length, sizeBytes);
    }

    /// The nested page table, for a processor to use. Only areas change it.
    ///
    /// @return closed after [#close()]
    public PageTableTrait pageTable() {
        return root.pageTable();
    }

    /// What a processor's root register points to.
    ///
    /// @return never changes
    public HostPhysAddr pageTableRoot() {
        return new HostPhysAddr(root.pageTable().rootAddress());
    }

    /// The root region that the areas are mapped in.
    ///
    /// @return dead after [#close()]
    public VmAddressRegion root() {
        return root;
    }

    // ---- areas

    /// Maps a host-physical range (clauses ), with huge leaves where they fit. The
    /// frames are the caller's: nothing here frees them.
    ///
    /// @param gpa first guest-physical address
    /// @param hpa first host-physical address; may lie above or below `gpa`
    /// @param length length in bytes
    /// @param flags READ, and what else of WRITE and EXECUTE; and the memory type
    /// @throws ZxException in this order: OUT_OF_RANGE when the guest-physical range leaves the
    ///   address space; INVALID_ARGS when an address or the length is not page aligned, when it is
    ///   0, or the flags lack READ; OUT_OF_RANGE when the host-physical range wraps; NOT_SUPPORTED
    ///   for flags that the format cannot express; ALREADY_EXISTS when an area is in the way;
    ///   OUT_OF_RANGE when the host-physical range is wider than the format; NO_MEMORY. BAD_STATE
    ///   after close comes after the first two
    public void mapLinear(GuestPhysAddr gpa, HostPhysAddr hpa, long length, MmuFlags flags) {
        checkRange("A-134", gpa, length);
        if (!VmoMath.isAligned(hpa.value())) {
            throw VmErrors.invalidArgs("A-134", "hpa=" + hpa + " is not page aligned");
        }
        checkNewArea("A-134", length, flags);
        if (VmoMath.sumWraps(hpa.value(), length - 1)) {
            throw VmErrors.outOfRange("A-119", "hpa=" + hpa + " length=" + hex(length) + " wraps");
        }
        requireSupported("A-134", flags);
        synchronized (lock) {
            requireFree("A-134", gpa, length);
            try (VmObject range =
                    VmObject.createPhysical(machine, hpa.value(), length, CachePolicy.of(flags))) {
                map(gpa, range, length, flags, VmarFlags.MAP_RANGE);
            }
        }
    }

    /// Maps memory of zeros (clauses ).
    ///
    /// @param gpa first guest-physical address
    /// @param length length in bytes
    /// @param flags READ, and what else of WRITE and EXECUTE; and the memory type
    /// @param populate when the frames are taken
    /// @throws ZxException in this order: OUT_OF_RANGE when the range leaves the address space;
    ///   INVALID_ARGS when address or length is not page aligned, when the length is 0, or the
    ///   flags lack READ; NOT_SUPPORTED for flags that the format cannot express; ALREADY_EXISTS
    ///   when an area is in the way; NO_MEMORY; BAD_STATE after close
    public void mapAlloc(GuestPhysAddr gpa, long length, MmuFlags flags, Populate populate) {
        checkRange("A-135", gpa, length);
        checkNewArea("A-135", length, flags);
        requireSupported("A-135", flags);
        boolean eager = populate == Populate.EAGERLY;
        synchronized (lock) {
            requireFree("A-135", gpa, length);
            try (VmObject pages = VmObject.create(machine, length, new CommitPolicy.Alloc(eager))) {
                pages.setCachePolicy(CachePolicy.of(flags));
                map(gpa, pages, length, flags, eager ? VmarFlags.MAP_RANGE : VmarFlags.NONE);
                allocated.add(pages);
            }
        }
    }

    private void map(
            GuestPhysAddr gpa, VmObject vmo, long length, MmuFlags flags, VmarFlags extra) {
        root.map(
                VmarFlags.perms(flags).with(VmarFlags.SPECIFIC).with(extra),
                gpa.value() - root.baseAddress(),
                vmo,
                0,
                length);
    }

    /// Removes areas, parts of areas and whole devices (clause A-136); what lies between them does
    /// not matter. Frames that [#mapAlloc] took are given back.
    ///
    /// @param gpa first guest-physical address, page aligned
    /// @param length length in bytes, a multiple of the page size; 0 does nothing
    /// @throws ZxException OUT_OF_RANGE when the range leaves the address space; INVALID_ARGS when
    ///   it is not page aligned, or cuts a device or a sub-region that was made in [#root()];
    ///   BAD_STATE after close
    public void unmap(GuestPhysAddr gpa, long length) {
        checkRange("A-136", gpa, length);
        if (length != 0) {
            synchronized (lock) {
                devices.requireWhole("A-136", gpa.value(), gpa.value() + (length - 1));
                allocated.unmap(gpa.value(), length);
                devices.prune();
            }
        }
    }

    /// Removes every area and device (clause A-137). The range and the page table stay.
    ///
    /// @throws ZxException BAD_STATE after close
    public void clear() {
        synchronized (lock) {
            allocated.unmap(base.value(), sizeBytes);
            devices.prune();
        }
    }

    /// Changes the rights of areas and parts of areas (clause A-144); their memory type stays.
    ///
    /// @param gpa first guest-physical address, page aligned
    /// @param length length in bytes, a multiple of the page size; 0 does nothing
    /// @param flags READ, and what else of WRITE and EXECUTE; no memory type
    /// @throws ZxException OUT_OF_RANGE when the range leaves the address space; INVALID_ARGS when
    ///   it is not page aligned, or the flags lack READ or hold a memory type; NOT_FOUND when a
    ///   part of the range is in no area; BAD_STATE after close
    public void protect(GuestPhysAddr gpa, long length, MmuFlags flags) {
        checkRange("A-144", gpa, length);
        requireReadable("A-144", flags);
        if ((flags.bits() & MmuFlags.MEMORY_TYPE_MASK) != 0) {
            throw VmErrors.invalidArgs(
                    "A-144",
                    "flags=" + flags + ": the memory type is fixed when an area is mapped");
        }
        if (length != 0) {
            synchronized (lock) {
                root.protect(VmarFlags.perms(flags), gpa.value(), length);
            }
        }
    }

    /// Finds room for an area: the lowest place from a hint on (clauses ).
    ///
    /// @param hint where to start looking
    /// @param length wanted length in bytes, a positive multiple of the alignment
    /// @param alignment wanted alignment of the place, a power of two, at least a page
    /// @return the place, or empty when there is none above the hint
    /// @throws ZxException INVALID_ARGS for length or alignment
    public Optional<GuestPhysAddr> findFreeArea(GuestPhysAddr hint, long length, long alignment) {
        if (Long.bitCount(alignment) != 1
                || !VmoMath.isAligned(alignment)
                || length == 0
                || (length & (alignment - 1)) != 0) {
            throw VmErrors.invalidArgs(
                    "A-29",
                    "length=" + hex(length) + " is no positive multiple of " + hex(alignment));
        }
        GuestPhysAddr start = hint.compareTo(base) < 0 ? base : hint;
        Optional<GuestPhysAddr> place = alignedUp(start, alignment);
        while (place.isPresent() && containsRange(place.get(), length)) {
            long first = place.get().value();
            RegionNode inTheWay = allocated.firstAreaIn(first, first + (length - 1));
            if (inTheWay == null) {
                return place;
            }
            place = alignedUp(new GuestPhysAddr(inTheWay.last), alignment, /* above= */ 1);
        }
        return Optional.empty();
    }

    private static Optional<GuestPhysAddr> alignedUp(GuestPhysAddr address, long alignment) {
        return alignedUp(address, alignment, 0);
    }

    private static Optional<GuestPhysAddr> alignedUp(
            GuestPhysAddr address, long alignment, long above) {
        return address.checkedAdd(above)
                .flatMap(at -> at.checkedAdd(-at.value() & (alignment - 1)));
    }

    // ---- devices

    /// Puts a device into the address space: words that [#memory()] accesses in its range go to a
    /// handler (clauses ). Its pages stay without entries, so that a
    /// guest's own access faults; nothing can be mapped there. Devices may share a page.
    ///
    /// @param range its addresses; need not be page aligned
    /// @param handler its registers
    /// @throws ZxException in this order: OUT_OF_RANGE when the range leaves the address space;
    ///   INVALID_ARGS when it is empty or the handler takes no width; BAD_STATE after close;
    ///   ALREADY_EXISTS when another device has an address of the range, or an area a page of it
    public void addMmio(DeviceRange.Mmio range, MmioHandler handler) {
        AddrRange<GuestPhysAddr> addresses = range.range();
        Set<AccessWidth> widths = Set.copyOf(handler.widths());
        if (!containsRange(addresses.start(), addresses.sizeBytes())) {
            throw VmErrors.outOfRange("A-159", "range=" + range + " leaves " + this);
        }
        if (addresses.isEmpty() || widths.isEmpty()) {
            throw VmErrors.invalidArgs(
                    "A-159", "range=" + range + " with widths=" + widths + " is no device");
        }
        root.requireAlive("A-159");
        synchronized (lock) {
            devices.add(range, widths, handler);
        }
    }

    /// Removes a device. A call of its handler that began before may still be under way.
    ///
    /// @param range as it was added
    /// @throws ZxException BAD_STATE after close; NOT_FOUND when no device has exactly this range
    public void removeMmio(DeviceRange.Mmio range) {
        root.requireAlive("A-159");
        synchronized (lock) {
            devices.remove(range);
        }
    }

    /// The device at an address: whether an access that a processor could not finish was one for a
    /// device (clause A-149).
    ///
    /// @param gpa any guest-physical address
    /// @return its range, or empty
    public Optional<DeviceRange.Mmio> mmioAt(GuestPhysAddr gpa) {
        return Optional.ofNullable(devices.firstIn(gpa.value(), gpa.value()))
                .map(MmioDevice::range);
    }

    // ---- translation

    /// Where an address leads now (clause A-139).
    ///
    /// @param gpa any guest-physical address
    /// @return the host-physical address; empty outside the address space, and where no page has
    ///   been entered
    public Optional<HostPhysAddr> translate(GuestPhysAddr gpa) {
        if (!containsRange(gpa, 1)) {
            return Optional.empty();
        }
        PageMapping leaf = views.leafAt(gpa.value());
        return leaf == null ? Optional.empty() : Optional.of(new HostPhysAddr(leaf.paddr()));
    }

    /// Where an address leads now, and how many bytes from there on can be had in one piece (clause
    ///
    ///
    /// @param gpa any guest-physical address
    /// @return empty as [#translate]
    public Optional<Translation> translateAndGetLimit(GuestPhysAddr gpa) {
        return containsRange(gpa, 1) ? views.limit(gpa.value()) : Optional.empty();
    }

    /// The host memory behind a range, as views (clauses ). Pages that come with
    /// their first use are taken now. Neighbouring pieces that are consecutive in memory are one.
    ///
    /// The views show the frames that the range has now. They stay valid as memory of the machine,
    /// but show the guest no longer once the range is unmapped, its pages are given back, or a page
    /// is copied because a snapshot shares it: who cannot exclude that uses [#memory()].
    ///
    /// @param gpa first guest-physical address
    /// @param length how many bytes
    /// @param access READ or EXECUTE for read-only views, WRITE for writable ones
    /// @return empty when a byte of the range is in no area, does not allow the access, is no
    ///   memory of this machine, or no frame is left for it; no views for length 0
    public Optional<List<MemorySegment>> translatedByteBuffer(
            GuestPhysAddr gpa, long length, AccessKind access) {
        return containsRange(gpa, length)
                ? views.buffer(gpa.value(), length, access)
                : Optional.empty();
    }

    // ---- faults and access

    /// Resolves a guest's fault (clauses ).
    ///
    /// @param gpa any guest-physical address
    /// @param access what the guest wanted
    /// @return true when the access can be tried again. False when the address is in no area, the
    ///   area does not allow the access, or no frame is left; and false when the page of a linear
    ///   or an eagerly populated area allowed the access all along, for then there is nothing to
    ///   resolve (clauses)
    public boolean handlePageFault(GuestPhysAddr gpa, AccessKind access) {
        VmMapping area = containsRange(gpa, 1) ? root.findMapping(gpa.value()) : null;
        if (area == null) {
            return false;
        }
        if (isPopulated(area.vmo().policy())) {
            PageMapping leaf = views.leafAt(gpa.value());
            if (leaf != null && GuestViews.allows(leaf.flags(), access)) {
                return false;
            }
        }
        return root.handlePageFault(gpa.value(), access) == ZxStatus.OK;
    }

    private static boolean isPopulated(CommitPolicy policy) {
        return switch (policy) {
            case CommitPolicy.Linear linear -> true;
            case CommitPolicy.Contiguous contiguous -> true;
            case CommitPolicy.Alloc alloc -> alloc.populate();
            case CommitPolicy.CopyOnWrite copy -> false;
            case CommitPolicy.PagerBacked pager -> false;
        };
    }

    /// The guest's memory and devices for a device model (clauses ): reads and writes
    /// that cross pages and areas, with the rights of each area, by a processor of its own.
    ///
    /// @return an accessor for one thread at a time, to close
    /// @throws ZxException BAD_STATE after close; NO_RESOURCES when the machine has no processor
    ///   left
    public GuestMemory memory() {
        root.requireAlive("A-151");
        Mmu processor = null;
        try {
            processor = machine.hal().newMmu();
            return new GuestMemory(root, processor, devices);
        } catch (PagingException e) {
            if (processor != null) {
                processor.close();
            }
            throw VmErrors.of(e, "A-151", "no processor for " + this);
        }
    }

    /// Removes every area and frees the page table (clause A-138). Views of it are invalid then.
    /// Closing twice is harmless.
    @Override
    public void close() {
        synchronized (lock) {
            root.destroyAddressSpace();
            allocated.clear();
            devices.prune();
        }
    }

    /// The range, and the address of the page table (clause A-146).
    @Override
    public String toString() {
        return "AddrSpace " + base + ".." + end() + " root " + pageTableRoot();
    }

    // ---- checks

    private void checkRange(String clause, GuestPhysAddr gpa, long length) {
        Objects.requireNonNull(gpa, "gpa");
        if (!containsRange(gpa, length)) {
            throw VmErrors.outOfRange(
                    clause, "gpa=" + gpa + " length=" + hex(length) + " leaves " + this);
        }
        if (!VmoMath.isAligned(gpa.value() | length)) {
            throw VmErrors.invalidArgs(
                    clause, "gpa=" + gpa + " length=" + hex(length) + " are not page aligned");
        }
    }

    private static void requireReadable(String clause, MmuFlags flags) {
        if (!flags.canRead()) {
            throw VmErrors.invalidArgs(clause, "flags=" + flags + " lack READ");
        }
    }

    private void checkNewArea(String clause, long length, MmuFlags flags) {
        if (length == 0) {
            throw VmErrors.invalidArgs(clause, "length=0 makes no area");
        }
        requireReadable(clause, flags);
        root.requireAlive(clause);
    }

    private void requireSupported(String clause, MmuFlags flags) {
        MmuFlags entry = flags.access().with(CachePolicy.of(flags).memoryType());
        if (!root.pageTable().supports(entry)) {
            throw VmErrors.notSupported(clause, "flags=" + flags + " are not for this machine");
        }
    }

    private void requireFree(String clause, GuestPhysAddr gpa, long length) {
        RegionNode inTheWay = allocated.firstAreaIn(gpa.value(), gpa.value() + (length - 1));
        if (inTheWay != null) {
            throw new ZxException(
                    ZxStatus.ALREADY_EXISTS,
                    clause,
                    "gpa=" + gpa + " length=" + hex(length) + " overlaps " + inTheWay);
        }
    }
}
