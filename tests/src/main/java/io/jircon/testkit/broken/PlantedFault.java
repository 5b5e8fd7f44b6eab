package io.jircon.testkit.broken;

/// The one thing that a [BrokenHal] does wrong.
public enum PlantedFault {
    /// Nothing: the wrapper itself must pass the kit.
    NONE,
    /// `unmapRange` does not reach the processors.
    STALE_AFTER_UNMAP_RANGE,
    /// `unmap` does not reach the processors.
    STALE_AFTER_UNMAP,
    /// `protect` does not reach the processors.
    STALE_AFTER_PROTECT,
    /// `protectRange` does not reach the processors.
    STALE_AFTER_PROTECT_RANGE,
    /// `writeProtectRange` does not reach the processors.
    STALE_AFTER_WRITE_PROTECT,
    /// `remap` does not reach the processors.
    STALE_AFTER_REMAP,
    /// `mapPages` with UPGRADE does not reach the processors.
    STALE_AFTER_UPGRADE,
    /// `harvestAccessed` does not reach the processors.
    STALE_AFTER_HARVEST,
    /// `harvestAccessed` leaves out the last page.
    HARVEST_MISSES_LAST,
    /// `harvestAccessed` does not forget what it tells.
    HARVEST_FORGETS_NOTHING,
    /// `harvestAccessed` forgets accesses of the page behind the range too.
    HARVEST_TAKES_NEIGHBOUR,
    /// `harvestAccessed` removes entries though told to keep them.
    HARVEST_FREES_UNASKED,
    /// `harvestAccessed` frees tables that were in use until now.
    HARVEST_FREES_AT_ONCE,
    /// `harvestAccessed` frees nothing.
    HARVEST_FREES_NEVER,
    /// `markAccessed` leaves out the last page.
    MARK_MISSES_LAST,
    /// New entries count as accessed.
    NEW_ENTRIES_ARE_ACCESSED,
    /// `protectRange` forgets that pages were accessed.
    PROTECT_FORGETS_ACCESS,
    /// `mapPages` that fails leaves the pages before the one that was in the way.
    MAP_PAGES_NOT_ATOMIC,
    /// `mapPages` with ERROR replaces what is there.
    ERROR_OVERWRITES,
    /// `mapPages` with SKIP replaces what is there.
    SKIP_OVERWRITES,
    /// `mapPages` with UPGRADE takes flags away from an entry of the same frame.
    UPGRADE_DOWNGRADES,
    /// Splitting a huge leaf loses WRITE in what is left of it.
    SPLIT_LOSES_WRITE,
    /// `unmapRange` stops at the first page without an entry.
    UNMAP_RANGE_STOPS_AT_HOLE,
    /// `unmapRange` takes the page behind the range too.
    UNMAP_RANGE_TAKES_NEIGHBOUR,
    /// `protectRange` leaves the last page out.
    PROTECT_RANGE_MISSES_LAST,
    /// `writeProtectRange` takes EXECUTE too.
    WRITE_PROTECT_TAKES_EXECUTE,
    /// A range that wraps around is taken for an empty one.
    WRAPPING_RANGE_IS_EMPTY,
    /// `query` forgets the offset inside the page.
    QUERY_FORGETS_OFFSET,
    /// `unmap` of an absent page is not refused.
    UNMAP_OF_ABSENT_PAGE_IS_FINE,
    /// `forEachLeaf` leaves out the last page.
    LEAVES_MISS_LAST,
    /// `close` of a page table keeps a frame.
    TABLE_FRAME_LEAKS,
    /// A page that could not be mapped for want of a frame keeps one that was taken for it.
    FAILED_MAP_LEAKS_FRAME,
    /// The fault register holds the page instead of the byte.
    FAULT_ADDRESS_IS_THE_PAGE,
    /// Every fault is said to be a READ.
    FAULT_ACCESS_IS_READ,
    /// Every fault is said to be NOT_PRESENT.
    FAULT_CAUSE_IS_NOT_PRESENT,
    /// A transfer that stops in the middle says that it moved nothing.
    PARTIAL_TRANSFER_COUNTS_ZERO,
    /// Stores ignore that WRITE is missing.
    STORE_IGNORES_WRITE,
    /// Fetches ask for READ instead of EXECUTE.
    FETCH_IGNORES_EXECUTE,
    /// An atomic update is a load and a store that others can come between.
    ATOMIC_UPDATE_IS_TWO_STEPS,
    /// Atomic acts ask for READ where they need WRITE.
    ATOMIC_IGNORES_WRITE,
    /// Atomic acts go to words that are not aligned, too.
    ATOMIC_IGNORES_ALIGNMENT,
    /// Atomic acts clear 4 bytes behind their word.
    ATOMIC_TAKES_ITS_NEIGHBOUR,
    /// Atomic acts are carried out twice.
    ATOMIC_ACT_HAPPENS_TWICE,
    /// Atomic acts keep a translation that the page table took back.
    ATOMIC_KEEPS_TRANSLATION,
    /// Atomic acts find their page before they begin, and so act after an unmap returned.
    ATOMIC_ACTS_LATE,
    /// Freeing a frame twice is not refused.
    DOUBLE_FREE_IS_FINE,
    /// A refused batch of frames keeps those it took.
    BATCH_NOT_ATOMIC
}
