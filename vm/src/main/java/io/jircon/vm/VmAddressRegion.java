package io.jircon.vm;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingException;
import io.jircon.hal.UnusedTables;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A virtual memory address region, VMAR: a range of addresses of one address space that is
/// partitioned into sub-regions, mappings and gaps (clauses V-9 to V-21).
///
/// This is the interface inside the process: a caller that holds the object may do everything. The
/// system calls, which check a handle's rights first, are in [VmarCalls].
///
/// Addresses and sizes are unsigned bytes. Operations check their arguments in the order of the
/// contract, throw [io.jircon.kobject.ZxException] with the exact status and clause, and then have
/// changed nothing, except where an operation says otherwise. Safe for use by many threads:
/// allocate, map, unmap, protect and destroy are atomic with respect to each other in one address
/// space (clause V-276).
///
/// A region lives until it or an ancestor is destroyed, or unmapped as a whole, not until its last
/// handle is closed (clause V-23). A dead region has nothing below it and answers BAD_STATE.
public final class VmAddressRegion extends VmarLife {
    /// Base address of the kernel's root region.
    public static final long KERNEL_BASE = 0xffff_ff02_0000_0000L;

    /// Size of the kernel's root region in bytes: 512 GiB.
    public static final long KERNEL_SIZE_BYTES = 1L << 39;

    private static final VmarFlags ROOT_FLAGS =
            VmarFlags.CAN_MAP_RWX.with(VmarFlags.CAN_MAP_SPECIFIC);

    private final VmarFlags flags;

    private VmAddressRegion(
            VmAspace aspace,
            @Nullable VmAddressRegion parent,
            String name,
            long first,
            long last,
            VmarFlags flags) {
        super(aspace, parent, name, first, last);
        this.flags = flags;
    }

    // ---- making an address space

    /// Makes the root region of a new user address space.
    ///
    /// @param machine where; it must outlive the address space
    /// @return a region over the whole user range, to be ended by [#destroyAddressSpace()]
    /// @throws io.jircon.kobject.ZxException NO_MEMORY when there is no frame for a page table,
    ///   NO_RESOURCES when the machine has no tag left
    public static VmAddressRegion newRoot(Machine machine) {
        return newRoot(machine, AddressSpaceKind.USER);
    }

    /// Makes the root region of a new address space.
    ///
    /// @param machine where; it must outlive the address space
    /// @param kind what it is for; [AddressSpaceKind#KERNEL] is as [#newKernel]
    /// @return a region over the whole range of the kind, to be ended by [#destroyAddressSpace()]
    /// @throws io.jircon.kobject.ZxException NO_MEMORY, NO_RESOURCES as [#newRoot(Machine)];
    ///   NOT_SUPPORTED when the machine has no such address spaces
    public static VmAddressRegion newRoot(Machine machine, AddressSpaceKind kind) {
        PageTableTrait table;
        try {
            table = machine.hal().newPageTable(kind);
        } catch (PagingException e) {
            throw VmErrors.of(e, "V-9", "no page table for a " + kind + " address space");
        }
        long first = table.firstAddress();
        long last = table.lastAddress();
        if (kind == AddressSpaceKind.KERNEL) {
            long kernelLast = KERNEL_BASE + (KERNEL_SIZE_BYTES - 1);
            if (Ranges.isBelow(KERNEL_BASE, first) || Ranges.isBelow(last, kernelLast)) {
                table.close();
                throw VmErrors.notSupported(
                        "V-9",
                        "the machine's kernel range "
                                + Ranges.text(first, last)
                                + " lacks "
                                + Ranges.text(KERNEL_BASE, kernelLast));
            }
            first = KERNEL_BASE;
            last = kernelLast;
        }
        var aspace = new VmAspace(machine, kind, table);
        var root = new VmAddressRegion(aspace, null, "root", first, last, ROOT_FLAGS);
        aspace.setRoot(root);
        table.setFaultHandler(aspace.heldFaults());
        return root;
    }

    /// Makes the root region of a new kernel address space, at [#KERNEL_BASE].
    ///
    /// @param machine where; it must outlive the address space
    /// @return a region of [#KERNEL_SIZE_BYTES], to be ended by [#destroyAddressSpace()]
    /// @throws io.jircon.kobject.ZxException as [#newRoot(Machine, AddressSpaceKind)]
    public static VmAddressRegion newKernel(Machine machine) {
        return newRoot(machine, AddressSpaceKind.KERNEL);
    }

    // ---- what it is

    /// Address of the first byte.
    ///
    /// @return page aligned, unsigned; also after death (clause V-28)
    public long baseAddress() {
        return firstByte();
    }

    /// Length.
    ///
    /// @return bytes, a positive multiple of the base page; also after death
    public long sizeBytes() {
        return lastByte() - firstByte() + 1;
    }

    /// What may be done in the region: the CAN_MAP options it was made with, and COMPACT.
    ///
    /// @return never changes
    public VmarFlags flags() {
        return flags;
    }

    /// Whether it has not been destroyed. All that dies in one call dies at one moment.
    ///
    /// @return true until death
    public boolean isAlive() {
        long stamp = aspace().lock.tryOptimisticRead();
        boolean answer = isAliveNow();
        if (aspace().lock.validate(stamp)) {
            return answer;
        }
        stamp = aspace().lock.readLock();
        try {
            return isAliveNow();
        } finally {
            aspace().lock.unlockRead(stamp);
        }
    }

    /// What the address space is for.
    ///
    /// @return never null
    public AddressSpaceKind kind() {
        return aspace().kind();
    }

    /// The address space's page table, for a processor to activate. Only regions change it.
    ///
    /// @return closed once the address space is destroyed
    public PageTableTrait pageTable() {
        return aspace().table();
    }

    /// Base and length (clause V-28).
    ///
    /// @return also after death
    public VmarInfo info() {
        return new VmarInfo(firstByte(), sizeBytes());
    }

    /// Lists the region and everything below it, depth first, children by ascending address
    /// (clauses V-221 and V-225 to V-228). The listing shows one moment.
    ///
    /// @return entry 0 is this region, with depth 0
    /// @throws io.jircon.kobject.ZxException BAD_STATE when it is dead
    public List<MapEntry> maps() {
        return MapListing.ofRegion(this);
    }

    /// Lists the whole address space as one of a process (clause V-222).
    ///
    /// @param processKoid the process
    /// @return entry 0 is the address space, entry 1 the root region
    /// @throws io.jircon.kobject.ZxException BAD_STATE when the address space is gone
    public List<MapEntry> processMaps(long processKoid) {
        return MapListing.ofAddressSpace(aspace(), processKoid);
    }

    /// What the whole address space costs.
    ///
    /// @return bytes mapped, private and shared
    /// @throws io.jircon.kobject.ZxException BAD_STATE when the address space is gone
    public TaskStats taskStats() {
        return MapListing.statsOf(aspace());
    }

    // ---- operations

    /// Makes a sub-region (section 6 of the contract).
    ///
    /// @param options CAN_MAP options and COMPACT for the new region; SPECIFIC,
    ///   OFFSET_IS_UPPER_LIMIT and an alignment for its place
    /// @param offset with SPECIFIC the offset in this region, with OFFSET_IS_UPPER_LIMIT the offset
    ///   that it must end at or before, else 0
    /// @param sizeBytes its size, a multiple of the base page
    /// @return the new region
    /// @throws io.jircon.kobject.ZxException in this order: INVALID_ARGS for options or size;
    ///   BAD_STATE when this region is dead; INVALID_ARGS for size 0; ACCESS_DENIED when options
    ///   exceed this region's; INVALID_ARGS for the offset; ACCESS_DENIED without CAN_MAP_SPECIFIC;
    ///   INVALID_ARGS when it does not fit or is not aligned; ALREADY_EXISTS when the place is
    ///   taken; NO_RESOURCES when there is none
    public VmAddressRegion allocate(VmarFlags options, long offset, long sizeBytes) {
        return AllocateOp.run(this, options, offset, sizeBytes);
    }

    /// Makes a sub-region at an offset that may do all that this one may.
    ///
    /// @param offset offset in this region
    /// @param sizeBytes its size, a multiple of the base page
    /// @return the new region
    /// @throws io.jircon.kobject.ZxException as [#allocate] with SPECIFIC and this region's options
    public VmAddressRegion createChild(long offset, long sizeBytes) {
        return allocate(
                flags.without(VmarFlags.COMPACT).with(VmarFlags.SPECIFIC), offset, sizeBytes);
    }

    /// Maps a part of a memory object, with all permissions that this region allows as the most it
    /// can be given later.
    ///
    /// @param options PERM options; placement options; and the rest of clauses V-34 to V-49
    /// @param regionOffset as the offset of [#allocate]
    /// @param vmo the memory object
    /// @param vmoOffset offset in it, page aligned; may lie beyond its end
    /// @param len length in bytes, rounded up to whole pages; may reach beyond its end
    /// @return address of the first byte
    /// @throws io.jircon.kobject.ZxException as [#map(VmarFlags, long, VmObject, long, long,
    ///   MmuFlags)]
    public long map(VmarFlags options, long regionOffset, VmObject vmo, long vmoOffset, long len) {
        return map(options, regionOffset, vmo, vmoOffset, len, mappable());
    }

    /// Maps a part of a memory object (section 7 of the contract). No page is taken and no
    /// page-table entry made, except with MAP_RANGE for the pages that are there.
    ///
    /// @param options PERM options; placement options; and the rest of clauses V-34 to V-49
    /// @param regionOffset as the offset of [#allocate]
    /// @param vmo the memory object
    /// @param vmoOffset offset in it, page aligned; may lie beyond its end
    /// @param len length in bytes, rounded up to whole pages; may reach beyond its end
    /// @param maxPermissions what the mapping may be given now or later (clause V-107); cut to what
    ///   this region allows
    /// @return address of the first byte
    /// @throws io.jircon.kobject.ZxException in this order: NOT_SUPPORTED for
    ///   FAULT_BEYOND_STREAM_SIZE on a physical or contiguous object; INVALID_ARGS for options that
    ///   contradict each other; ACCESS_DENIED when permissions exceed `maxPermissions`;
    ///   INVALID_ARGS, NOT_SUPPORTED for options that are undefined or not for this object;
    ///   ACCESS_DENIED when permissions exceed this region's; INVALID_ARGS for `vmoOffset`;
    ///   OUT_OF_RANGE when a sum passes 2^64 or the end of a physical object; BAD_STATE when this
    ///   region is dead; INVALID_ARGS for length 0; then as [#allocate]; INVALID_ARGS when
    ///   SPECIFIC_OVERWRITE meets a sub-region; BAD_HANDLE when the memory object is gone (clause
    ///   O-5); NO_MEMORY
    public long map(
            VmarFlags options,
            long regionOffset,
            VmObject vmo,
            long vmoOffset,
            long len,
            MmuFlags maxPermissions) {
        return new MapOp(this, options, regionOffset, vmo, vmoOffset, len, maxPermissions).run();
    }

    /// Removes mappings, parts of mappings, and whole sub-regions (section 9 of the contract).
    /// Nothing need be mapped in the range.
    ///
    /// @param vaddr first byte, page aligned
    /// @param len length in bytes, rounded up to whole pages
    /// @throws io.jircon.kobject.ZxException in this order: INVALID_ARGS for an unaligned address
    ///   or a length of 0 pages; BAD_STATE when this region is dead; INVALID_ARGS when the range is
    ///   not inside it, or cuts a sub-region
    public void unmap(long vaddr, long len) {
        RegionChanges.unmap(this, vaddr, len, /* mayTouchRegions= */ true);
    }

    /// Changes the permissions of mappings (section 10 of the contract), in sub-regions only to
    /// take some away. Access that is taken away is gone when the call returns.
    ///
    /// @param options PERM options, or none, or PERM_READ_IF_XOM_UNSUPPORTED
    /// @param vaddr first byte, page aligned
    /// @param len length in bytes, rounded up to whole pages
    /// @throws io.jircon.kobject.ZxException in this order: INVALID_ARGS for permissions without
    ///   PERM_READ, an unaligned address, other options, a length of 0 pages; BAD_STATE when this
    ///   region is dead; INVALID_ARGS when the range is not inside it; then by the first offending
    ///   address NOT_FOUND where nothing is mapped, ACCESS_DENIED where a mapping may not have the
    ///   permissions
    public void protect(VmarFlags options, long vaddr, long len) {
        ProtectOp.run(this, options, vaddr, len, /* mayTouchRegions= */ true);
    }

    /// Ends the region and everything below it (section 11 of the contract). Its range becomes a
    /// gap of the parent.
    ///
    /// @throws io.jircon.kobject.ZxException NOT_SUPPORTED for the root of a living address space;
    ///   BAD_STATE when it is dead already
    public void destroy() {
        RegionChanges.destroy(this);
    }

    /// Does something to the memory behind a range (section 12 of the contract). Not atomic: the
    /// mappings before the one that fails stay processed.
    ///
    /// @param op what to do
    /// @param vaddr first byte, page aligned
    /// @param len length in bytes, rounded up to whole pages
    /// @throws io.jircon.kobject.ZxException in this order: INVALID_ARGS for a length of 0 pages or
    ///   an unaligned address; OUT_OF_RANGE when the range is not inside this region; BAD_STATE
    ///   when it is dead; then mapping by mapping BAD_STATE for a gap before it, INVALID_ARGS when
    ///   it is in a sub-region and the operation may not go there, OUT_OF_RANGE beyond the stream
    ///   size, ACCESS_DENIED for want of permission, and what the memory object answers
    public void opRange(VmarOp op, long vaddr, long len) {
        Objects.requireNonNull(op, "op");
        RangeOp.run(this, op, vaddr, len, /* mayTouchRegions= */ true);
    }

    /// Tells which pages of a range were accessed by a processor since that was last asked, and
    /// forgets it (clause V-289): what page replacement by age needs. Pages without an entry in the
    /// page table are not told; making an entry is no access, using it is.
    ///
    /// With [UnusedTables#FREE], page tables that were not used since the last call that frees are
    /// given back, unless something in the address space has HIGH priority. The memory objects keep
    /// their pages, which are entered again by faults.
    ///
    /// Not atomic: the range is worked on in parts, and what was told stays told.
    ///
    /// @param unused what to do with tables that nobody uses
    /// @param vaddr first byte, page aligned
    /// @param len length in bytes, rounded up to whole pages; there may be gaps
    /// @param receiver called for each run of accessed pages of one mapping, by ascending address,
    ///   without a lock
    /// @throws io.jircon.kobject.ZxException in this order: INVALID_ARGS for a length of 0 pages or
    ///   an unaligned address; OUT_OF_RANGE when the range is not inside this region; BAD_STATE
    ///   when it is dead or dies meanwhile; NOT_SUPPORTED when the machine does not note accesses
    ///   ([PageTableTrait#tracksAccessed()])
    public void harvestAccessed(UnusedTables unused, long vaddr, long len, AccessedPages receiver) {
        Objects.requireNonNull(unused, "unused");
        Objects.requireNonNull(receiver, "receiver");
        HarvestOp.run(this, unused, vaddr, len, receiver);
    }

    // ---- memory priority

    /// Sets how dearly the memory of this region and of everything below it is wanted (section 20
    /// of the contract). What is made here later inherits it; a sub-region can be set differently
    /// afterwards. With HIGH, pages that exist are entered, as far as there is memory for tables.
    ///
    /// @param wanted the priority
    /// @throws io.jircon.kobject.ZxException BAD_STATE when this region is dead
    public void setMemoryPriority(MemoryPriority wanted) {
        PriorityOp.run(this, Objects.requireNonNull(wanted, "wanted"));
    }

    /// How dearly the memory of this region is wanted.
    ///
    /// @return DEFAULT unless it or an ancestor was set; after death the last one
    public MemoryPriority memoryPriority() {
        return priority();
    }

    /// How many regions and mappings of the whole address space have HIGH priority (clause V-274).
    ///
    /// @return 0 or more; 0 once the address space is gone
    public int highPriorityCount() {
        long stamp = aspace().lock.readLock();
        try {
            return aspace().highPriorityCount();
        } finally {
            aspace().lock.unlockRead(stamp);
        }
    }

    // ---- faults

    /// Resolves a page fault: enters the page that was missed, and up to 15 pages behind it that
    /// are there already (section 13 of the contract).
    ///
    /// @param vaddr any address, unsigned
    /// @param access what the access wanted
    /// @return OK when the access can be tried again; NOT_FOUND when nothing is mapped there,
    ///   ACCESS_DENIED when the permissions do not allow it, OUT_OF_RANGE beyond the end of the
    ///   memory object, NO_MEMORY, or what the memory object answers; for a page that a pager has,
    ///   after waiting for it with no lock held (clause V-204), what the pager answers, and
    ///   CANCELED when the thread is interrupted
    public ZxStatus handlePageFault(long vaddr, AccessKind access) {
        return containsRange(vaddr, 1) && isAliveNow()
                ? aspace().fault(vaddr, access, 0)
                : ZxStatus.NOT_FOUND;
    }

    /// How many accesses to the address space its machine held though the page table allowed them
    /// ([io.jircon.hal.FaultHandler#minorFault]): the first to each entry, those that a fault on a
    /// neighbouring page made included, and the first after it was told of as accessed
    /// ([#harvestAccessed]). Only a machine that was asked to hold such accesses does.
    ///
    /// @return since the address space was made, also after its death; 0 on other machines
    public long minorFaults() {
        return aspace().heldFaults().minorFaults();
    }

    /// Resolves faults for a number of pages at once, cut to the mapping, to the pages with the
    /// permissions of the first, and to the end of the memory object; no others are entered (clause
    /// V-203). When frames run out behind the first page, the rest is left to later faults.
    ///
    /// @param vaddr any address in the first page, unsigned
    /// @param access what the access wants
    /// @param pageCount how many pages, at least 1; 1 is as [#handlePageFault(long, AccessKind)]
    /// @return as [#handlePageFault(long, AccessKind)]
    public ZxStatus handlePageFault(long vaddr, AccessKind access, long pageCount) {
        if (pageCount <= 0) {
            throw new IllegalArgumentException("pageCount=" + pageCount + " is not positive");
        }
        return containsRange(vaddr, 1) && isAliveNow()
                ? aspace().fault(vaddr, access, pageCount == 1 ? 0 : pageCount)
                : ZxStatus.NOT_FOUND;
    }

    /// The mapping at an address, here or in a sub-region.
    ///
    /// @param vaddr any address, unsigned
    /// @return null when nothing is mapped there
    public @Nullable VmMapping findMapping(long vaddr) {
        return containsRange(vaddr, 1) && isAliveNow() ? aspace().find(vaddr) : null;
    }

    /// Reads memory as a debugger does (clauses V-234 to V-236): permissions do not matter, and no
    /// entry is made.
    ///
    /// @param vaddr first byte, unsigned, anywhere in the address space
    /// @param target where the bytes go, 1 byte to 64 MiB
    /// @return how many bytes were read; less than asked for where the mapping or its memory object
    ///   ends
    /// @throws io.jircon.kobject.ZxException in this order: INVALID_ARGS for the size; BAD_STATE
    ///   when the address space is gone; NOT_FOUND when nothing is mapped there; OUT_OF_RANGE past
    ///   the end of the memory object; NOT_SUPPORTED for a device
    public long readMemory(long vaddr, MemorySegment target) {
        return DebugAccess.read(aspace(), vaddr, target);
    }

    /// Writes memory as a debugger does (clauses V-234 to V-237). A mapping that may never be
    /// written shows a private copy from then on; its memory object is not changed.
    ///
    /// @param vaddr first byte, unsigned, anywhere in the address space
    /// @param source the bytes, 1 byte to 64 MiB
    /// @return how many bytes were written, as [#readMemory]
    /// @throws io.jircon.kobject.ZxException as [#readMemory]; NO_MEMORY
    public long writeMemory(long vaddr, MemorySegment source) {
        return DebugAccess.write(aspace(), vaddr, source);
    }

    /// Ends the address space that this region is in (clause V-31): all its regions die, its page
    /// table and the frames that nobody else has are given back. Ending it twice is harmless.
    public void destroyAddressSpace() {
        RegionChanges.destroyAddressSpace(aspace());
    }

    /// The name: `root`, or `useralloc` for what allocate made (clause V-6). Regions have no name
    /// property; listings show this one.
    ///
    /// @return never changes
    public String regionName() {
        return internalName();
    }

    /// Checks the whole address space: the tree of regions, and every page-table entry against the
    /// memory objects. For tests, while nothing else changes it; takes time and memory by the size
    /// of the address space.
    ///
    /// @throws AssertionError naming the first thing that is wrong
    public void checkInvariants() {
        VmInvariants.check(aspace());
    }

    @Override
    public String toString() {
        return "region " + koid() + " " + Ranges.text(firstByte(), lastByte());
    }

    // ---- for the operations

    /// The permissions that mappings here may have (clause V-45).
    MmuFlags mappable() {
        return flags.mappablePermissions();
    }

    /// Adds a sub-region where there is room.
    VmAddressRegion addChild(long childFirst, long childLast, VmarFlags childFlags) {
        var child =
                new VmAddressRegion(aspace(), this, "useralloc", childFirst, childLast, childFlags);
        adopt(child);
        return child;
    }
}
