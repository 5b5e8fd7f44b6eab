package io.jircon.vm;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxStatus;
import java.util.List;
import java.util.concurrent.locks.StampedLock;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// One address space: a page table, a tree of regions, and the lock of that tree.
///
/// The lock is held for writing by whatever changes a region (clause V-276) and for reading by
/// whatever looks at more than one thing. It is not reentrant: no method that takes it calls
/// another. A fault takes it only to find its mapping, and mostly does without: it looks
/// optimistically and checks afterwards that nothing changed. So faults in different memory objects
/// meet nowhere but in the page table.
final class VmAspace {
    /// The largest number of random bits in an address (clause V-241).
    static final int MAX_ENTROPY_BITS = 36;

    /// A lookup goes through this many regions before it asks for the lock.
    private static final int OPTIMISTIC_DEPTH = 64;

    final StampedLock lock = new StampedLock();

    private final Machine machine;
    private final AddressSpaceKind kind;
    private final PageTableTrait table;
    private final MmuFlags entryBase;
    private final RandomGenerator layoutSource;
    private final int entropyBits;
    private final FaultScratch.Pool scratches = new FaultScratch.Pool();
    private final AspaceFaults heldFaults = new AspaceFaults(this);

    /// How many regions and mappings have HIGH priority (clause V-274); guarded by the lock.
    private int highPriorityCount;

    /// The root region while the address space lives; written with the lock held.
    private volatile @Nullable VmAddressRegion root;

    VmAspace(Machine machine, AddressSpaceKind kind, PageTableTrait table) {
        this.machine = machine;
        this.kind = kind;
        this.table = table;
        this.layoutSource = machine.newLayoutSource();
        boolean randomised = kind == AddressSpaceKind.USER && machine.isLayoutRandomised();
        this.entropyBits = randomised ? Math.min(machine.entropyBits(), MAX_ENTROPY_BITS) : 0;
        this.entryBase =
                kind == AddressSpaceKind.USER ? MmuFlags.of(MmuFlags.USER_BIT) : MmuFlags.NONE;
    }

    Machine machine() {
        return machine;
    }

    AddressSpaceKind kind() {
        return kind;
    }

    PageTableTrait table() {
        return table;
    }

    /// What every entry carries beside permissions and memory type (clauses V-113 and V-209).
    MmuFlags entryBase() {
        return entryBase;
    }

    /// The random bits of a place in an ordinary region.
    int entropyBits() {
        return entropyBits;
    }

    /// Where random places come from; only with the lock held for writing.
    RandomGenerator layoutSource() {
        return layoutSource;
    }

    @Nullable VmAddressRegion root() {
        return root;
    }

    void setRoot(@Nullable VmAddressRegion newRoot) {
        root = newRoot;
    }

    /// Takes PERM_READ_IF_XOM_UNSUPPORTED for PERM_READ where the machine cannot express
    /// execute-only pages, before any other check (clause V-38).
    VmarFlags withReadForExecuteOnly(VmarFlags options) {
        return options.contains(VmarFlags.PERM_READ_IF_XOM_UNSUPPORTED)
                        && !machine.hal().canMapExecuteOnly()
                ? options.with(VmarFlags.PERM_READ)
                : options;
    }

    /// What is done about the accesses that the machine holds.
    AspaceFaults heldFaults() {
        return heldFaults;
    }

    // ---- priorities, with the lock held

    int highPriorityCount() {
        return highPriorityCount;
    }

    /// Counts a region or mapping that came.
    void addPriority(MemoryPriority priority) {
        assert lock.isWriteLocked();
        highPriorityCount += priority == MemoryPriority.HIGH ? 1 : 0;
    }

    /// Counts a region or mapping that went.
    void removePriority(MemoryPriority priority) {
        assert lock.isWriteLocked();
        highPriorityCount -= priority == MemoryPriority.HIGH ? 1 : 0;
    }

    // ---- faults

    /// Resolves a fault (clauses V-195 to V-205).
    ///
    /// @param maxPages 0 for a single-page fault, else the exact number of pages wanted
    ZxStatus fault(long vaddr, AccessKind access, long maxPages) {
        FaultScratch scratch = scratches.take();
        try {
            return fault(VmoMath.down(vaddr), access, maxPages, scratch);
        } finally {
            scratch.wait.close();
            scratches.give(scratch);
        }
    }

    private ZxStatus fault(long first, AccessKind access, long maxPages, FaultScratch scratch) {
        long page = first;
        long left = maxPages;
        VmObject asked = null;
        while (true) {
            MappingNode mapping = find(page);
            if (mapping == null) {
                return ZxStatus.NOT_FOUND;
            }
            if (asked != null && asked != mapping.vmo()) {
                scratch.wait.close(); // something else is mapped there now
            }
            scratch.entered = 0;
            ZxStatus status = FaultOp.run(mapping, page, access, left, scratch);
            if (status == ZxStatus.SHOULD_WAIT) {
                asked = mapping.vmo();
                ZxStatus answer = scratch.wait.awaitStatus();
                if (answer != ZxStatus.OK) {
                    return answer;
                }
                page += scratch.entered * VmoMath.PAGE;
                left -= scratch.entered;
            } else if (status != null) {
                return page == first ? status : ZxStatus.OK; // as where no page had to be awaited
            }
        }
    }

    /// The mapping that contains an address, or null.
    @Nullable MappingNode find(long vaddr) {
        long stamp = lock.tryOptimisticRead();
        if (stamp != 0) {
            MappingNode found = findOptimistic(vaddr);
            if (lock.validate(stamp)) {
                return found;
            }
        }
        stamp = lock.readLock();
        try {
            return findLocked(root, vaddr);
        } finally {
            lock.unlockRead(stamp);
        }
    }

    private @Nullable MappingNode findOptimistic(long vaddr) {
        VmAddressRegion region = root;
        for (int depth = 0; region != null && depth < OPTIMISTIC_DEPTH; depth++) {
            RegionNode node = region.children().findOptimistic(vaddr);
            if (!(node instanceof RegionSlot slot)) {
                return (MappingNode) node;
            }
            region = slot.region();
        }
        return region == null ? null : findDeep(vaddr);
    }

    /// So deep a tree is not for optimists: a torn read could lead down for ever.
    private @Nullable MappingNode findDeep(long vaddr) {
        long stamp = lock.readLock();
        try {
            return findLocked(root, vaddr);
        } finally {
            lock.unlockRead(stamp);
        }
    }

    static @Nullable MappingNode findLocked(@Nullable VmAddressRegion top, long vaddr) {
        VmAddressRegion region = top;
        while (region != null) {
            RegionNode node = region.children().find(vaddr);
            if (!(node instanceof RegionSlot slot)) {
                return (MappingNode) node;
            }
            region = slot.region();
        }
        return null;
    }

    // ---- entries

    /// Removes the entries of a part of a mapping. Where a huge leaf, or what the machine keeps for
    /// a run of pages, would have to be split and there is no room for that, the entries of the
    /// whole mapping go: they fault back in (clause V-285), and leaves never reach beyond their
    /// mapping.
    ///
    /// @throws PagingException when the machine refuses even that; nothing was removed
    void removeEntries(long from, long to, long mappingFirst, long mappingLast) {
        try {
            table.unmapRange(from, to - from + 1);
        } catch (PagingException e) {
            if (e.error() != PagingError.NO_MEMORY && e.error() != PagingError.NO_RESOURCES) {
                throw e;
            }
            table.unmapRange(mappingFirst, mappingLast - mappingFirst + 1);
        }
    }

    /// Removes the entries of a range that is about to be given up, after making sure that none are
    /// made there. On failure everything is as before.
    ///
    /// @param mappings all mappings that touch the range, in ascending order
    void removeEntries(long from, long to, List<MappingNode> mappings) {
        if (mappings.isEmpty()) {
            return;
        }
        MappingNode lowest = mappings.getFirst();
        MappingNode highest = mappings.getLast();
        mappings.forEach(MappingNode::freeze);
        try {
            removeEntries(
                    Ranges.max(from, lowest.first),
                    VmoMath.min(to, highest.last),
                    lowest.first,
                    highest.last);
        } catch (PagingException e) {
            mappings.forEach(MappingNode::thaw);
            throw e;
        }
    }
}
