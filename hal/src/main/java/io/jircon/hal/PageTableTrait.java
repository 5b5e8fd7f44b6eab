package io.jircon.hal;

import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/// One address space's page table: which frame each page shows, and with what rights.
///
/// Addresses and sizes are unsigned 64-bit byte counts. Every operation is atomic for the others on
/// the same table: an implementation guards itself with a lock that is a leaf of the lock order.
/// The machine's own walker takes no lock. A call that fails leaves the table as it was.
///
/// When a call returns, no TLB of the machine holds a translation that the call removed or weakened
/// (clause V-285); a frame that an entry named may be freed from then on.
///
/// Flags without READ, WRITE or EXECUTE, or that [#supports(MmuFlags)] refuses, are NOT_SUPPORTED
/// everywhere. A range that wraps around or leaves [#firstAddress()]..[#lastAddress()] is
/// OUT_OF_RANGE; a physical address beyond the machine's width is OUT_OF_RANGE. A closed table
/// answers BAD_STATE. Checks come in the order: closed, alignment, range, flags, then what is
/// mapped, then memory.
public interface PageTableTrait extends AutoCloseable {
    /// What [#translate(long)] answers for an address without an entry. No page starts there.
    long NO_TRANSLATION = -1L;

    /// The lowest virtual address this table can map.
    ///
    /// @return a page-aligned address
    long firstAddress();

    /// The highest virtual address this table can map, inclusive: the space may end at 2^64 - 1.
    ///
    /// @return the last byte of a page
    long lastAddress();

    /// Physical address of the root table, constant for the table's life; 0 where the HAL keeps no
    /// table in memory.
    ///
    /// @return an unsigned physical address
    long rootAddress();

    /// The tag (ASID, VMID) that a TLB keeps this table's translations under; unique among the
    /// machine's open tables.
    ///
    /// @return a non-negative number
    int tag();

    /// Whether an entry can carry exactly these flags and give them back.
    ///
    /// @param flags the flags
    /// @return true when map and protect take them
    boolean supports(MmuFlags flags);

    /// Whether a leaf can have this size.
    ///
    /// @param size the size
    /// @return true for 4 KiB, and for what else the format has
    boolean supports(PageSize size);

    /// Enters one leaf.
    ///
    /// @param vaddr virtual address, a multiple of `size`
    /// @param paddr physical address, a multiple of `size`
    /// @param size the leaf's size
    /// @param flags what it allows
    /// @throws PagingException NOT_ALIGNED, OUT_OF_RANGE, NOT_SUPPORTED; ALREADY_MAPPED when the
    ///   page, or for a huge leaf a page in it, has an entry; MAPPED_TO_HUGE_PAGE when a larger
    ///   leaf covers it; NO_MEMORY
    void map(long vaddr, long paddr, PageSize size, MmuFlags flags);

    /// Replaces frame and flags of the leaf that holds an address.
    ///
    /// @param vaddr any address in the leaf
    /// @param paddr the new physical address, a multiple of the leaf's size
    /// @param flags the new flags
    /// @return the leaf's size
    /// @throws PagingException NOT_MAPPED, NOT_ALIGNED, OUT_OF_RANGE, NOT_SUPPORTED
    PageSize remap(long vaddr, long paddr, MmuFlags flags);

    /// Replaces the flags of the leaf that holds an address.
    ///
    /// @param vaddr any address in the leaf
    /// @param flags the new flags
    /// @return the leaf's size
    /// @throws PagingException NOT_MAPPED, OUT_OF_RANGE, NOT_SUPPORTED
    PageSize protect(long vaddr, MmuFlags flags);

    /// Removes the leaf that holds an address, whatever its size.
    ///
    /// @param vaddr any address in the leaf
    /// @return what the leaf held; the physical address is that of its start
    /// @throws PagingException NOT_MAPPED, OUT_OF_RANGE
    PageMapping unmap(long vaddr);

    /// What an address translates to.
    ///
    /// @param vaddr any address
    /// @return the physical address including the offset in the leaf, the flags and the leaf's size
    /// @throws PagingException NOT_MAPPED, also for an address outside the table's range
    PageMapping query(long vaddr);

    /// The physical address of a byte, without garbage.
    ///
    /// @param vaddr any address
    /// @return the physical address including the offset, or [#NO_TRANSLATION]
    long translate(long vaddr);

    /// Enters a physically contiguous range.
    ///
    /// @param vaddr virtual address of the first page, page aligned
    /// @param paddr physical address of the first page, page aligned
    /// @param sizeBytes length, a multiple of the base page; 0 does nothing
    /// @param flags what every leaf allows
    /// @param huge whether leaves larger than a base page may be used
    /// @param existing what to do with pages that have an entry
    /// @throws PagingException NOT_ALIGNED, OUT_OF_RANGE, NOT_SUPPORTED; ALREADY_MAPPED,
    ///   MAPPED_TO_HUGE_PAGE (only with [OnExisting#ERROR]); NO_MEMORY; NO_RESOURCES
    void mapRange(
            long vaddr,
            long paddr,
            long sizeBytes,
            MmuFlags flags,
            HugePages huge,
            OnExisting existing);

    /// Enters a run of base pages whose frames lie anywhere.
    ///
    /// @param vaddr virtual address of the first page, page aligned
    /// @param paddrs physical addresses of the pages, page aligned
    /// @param from index of the first one to use
    /// @param count how many pages; 0 does nothing
    /// @param flags what every entry allows
    /// @param existing what to do with pages that have an entry; with UPGRADE a huge leaf in the
    ///   way is split
    /// @throws PagingException as [#mapRange]
    /// @throws IndexOutOfBoundsException when `from` and `count` leave the array
    void mapPages(
            long vaddr, long[] paddrs, int from, int count, MmuFlags flags, OnExisting existing);

    /// Removes every entry of a range. Pages without an entry are fine; a huge leaf partly inside
    /// is split.
    ///
    /// @param vaddr virtual address, page aligned
    /// @param sizeBytes length, a multiple of the base page; 0 does nothing
    /// @throws PagingException NOT_ALIGNED, OUT_OF_RANGE; NO_MEMORY when a huge leaf cannot be
    ///   split
    void unmapRange(long vaddr, long sizeBytes);

    /// Gives every entry of a range new flags. Pages without an entry are skipped; a huge leaf
    /// partly inside is split.
    ///
    /// @param vaddr virtual address, page aligned
    /// @param sizeBytes length, a multiple of the base page; 0 does nothing
    /// @param flags the new flags
    /// @throws PagingException NOT_ALIGNED, OUT_OF_RANGE, NOT_SUPPORTED; NO_MEMORY when a huge leaf
    ///   cannot be split
    void protectRange(long vaddr, long sizeBytes, MmuFlags flags);

    /// Takes WRITE from every entry of a range and leaves the rest of its flags: what a snapshot
    /// and a dirty log need. An entry that only allowed writes is removed. Pages without an entry
    /// are skipped; a huge leaf partly inside is split.
    ///
    /// @param vaddr virtual address, page aligned
    /// @param sizeBytes length, a multiple of the base page; 0 does nothing
    /// @throws PagingException NOT_ALIGNED, OUT_OF_RANGE; NO_MEMORY when a huge leaf cannot be
    ///   split
    void writeProtectRange(long vaddr, long sizeBytes);

    /// Whether the machine notes which pages are accessed.
    ///
    /// @return true when [#harvestAccessed] and [#markAccessed] can be asked
    default boolean tracksAccessed() {
        return false;
    }

    /// Says which pages of a range were accessed since that was last asked, and forgets it (clause
    /// V-289). An access is one by a machine's processor that was allowed. A new entry is not
    /// accessed, nor is one that gets another frame; other changes of an entry keep what was.
    ///
    /// With [UnusedTables#FREE] it also frees tables of base pages that are not in use, entries and
    /// all; whoever wants those back resolves the fault. What else the machine noted about these
    /// entries, such as that they were written, is lost. Tables with an entry outside the range
    /// stay, and entries made since the last harvest that frees; huge leaves are never removed.
    ///
    /// Takes no frames. An access at the very moment at which its entry is removed may go untold.
    ///
    /// @param vaddr virtual address, page aligned
    /// @param sizeBytes length, a multiple of the base page, below 2^43; 0 does nothing
    /// @param unused what to do with tables that are not in use
    /// @param pages receives a set bit for each accessed base page, counted from `vaddr`; no bit is
    ///   cleared. For a huge leaf all of its pages in the range; one partly inside the range stays
    ///   accessed
    /// @throws PagingException NOT_SUPPORTED where [#tracksAccessed()] is false, before the
    ///   arguments are looked at; NOT_ALIGNED, OUT_OF_RANGE
    default void harvestAccessed(long vaddr, long sizeBytes, UnusedTables unused, BitSet pages) {
        throw PagingException.accessedNotTracked();
    }

    /// Notes every entry of a range as accessed, as if a processor had done so: whole leaves, also
    /// where a huge one is partly inside. Pages without an entry are skipped.
    ///
    /// @param vaddr virtual address, page aligned
    /// @param sizeBytes length, a multiple of the base page; 0 does nothing
    /// @throws PagingException NOT_SUPPORTED where [#tracksAccessed()] is false, before the
    ///   arguments are looked at; NOT_ALIGNED, OUT_OF_RANGE
    default void markAccessed(long vaddr, long sizeBytes) {
        throw PagingException.accessedNotTracked();
    }

    /// Where the next table of base pages begins: a long harvest that is cut at such addresses
    /// holds the lock for a short time and sees each table whole.
    ///
    /// @param vaddr any address
    /// @return the first address above `vaddr` whose page has its entry in another table, page
    ///   aligned; 0 at the end of the 64-bit space
    default long nextPageTableBoundary(long vaddr) {
        return PageSize.SIZE_2M.alignDown(vaddr) + PageSize.SIZE_2M.bytes();
    }

    /// Calls back for every leaf that intersects a range, in ascending order, from a state of the
    /// table at one moment.
    ///
    /// @param vaddr virtual address, page aligned
    /// @param sizeBytes length, a multiple of the base page
    /// @param visitor called without the table's lock
    /// @throws PagingException NOT_ALIGNED, OUT_OF_RANGE
    void forEachLeaf(long vaddr, long sizeBytes, LeafVisitor visitor);

    /// Walks as the machine's MMU does: no lock, entries read from memory one by one, accessed and
    /// dirty flags set where the format does so. Makes no garbage. A closed table answers
    /// NOT_PRESENT: a processor may still be walking it when it is closed.
    ///
    /// @param vaddr the address
    /// @param access what for
    /// @param result receives the outcome
    /// @return true when the access is allowed
    boolean hardwareWalk(long vaddr, AccessKind access, WalkResult result);

    /// The walk of [#hardwareWalk] as a record to print; sets no flags.
    ///
    /// @param vaddr the address
    /// @param access what for
    /// @return the steps and the outcome
    PageWalk explain(long vaddr, AccessKind access);

    /// Says who resolves this table's page faults. A machine that can hold an access until its
    /// fault is resolved then does so. It need not, and most cannot: whoever makes an access has to
    /// expect that it ends in a fault, to resolve that and to try again.
    ///
    /// Costs nothing where accesses are not held. Closing the table forgets the handler.
    ///
    /// @param handler called for each access that is held; null ends accesses with their fault
    /// @throws PagingException BAD_STATE when the table is closed, where accesses are held
    default void setFaultHandler(@Nullable FaultHandler handler) {}

    /// How many frames the tables themselves take, the root included; 0 where the HAL keeps no
    /// table in memory.
    ///
    /// @return a count of base pages
    long tableFrames();

    /// Frees the tables, never the frames they map, and drops every cached translation. Closing
    /// twice is harmless.
    @Override
    void close();

    /// Receives the leaves of [#forEachLeaf].
    @FunctionalInterface
    interface LeafVisitor {
        /// Called for one leaf.
        ///
        /// @param vaddr start of the leaf
        /// @param paddr physical address of its start
        /// @param size its size
        /// @param flags what it allows
        void leaf(long vaddr, long paddr, PageSize size, MmuFlags flags);
    }
}
