package io.jircon.hal;

import java.lang.foreign.MemorySegment;

/// One processor's view of virtual memory: it translates through the active page table, moves
/// bytes, and keeps what went wrong last in its fault registers, as real processors do. Serves one
/// thread at a time.
///
/// A transfer stops at the first byte that cannot be accessed; the bytes before it have been moved.
/// Nothing is thrown and nothing is allocated for a fault. A page table that is closed when a
/// transfer has moved bytes through it already is a fault too, NOT_PRESENT, so that the caller
/// learns how many.
public interface Mmu extends AutoCloseable {
    /// Makes a page table the one that accesses go through.
    ///
    /// @param table an open page table of the same machine
    /// @throws PagingException BAD_STATE when the table is closed or of another machine
    void activate(PageTableTrait table);

    /// Loads bytes.
    ///
    /// @param vaddr virtual address of the first byte, unsigned
    /// @param target where they go
    /// @param targetOffset offset in `target`, in bytes
    /// @param length how many bytes
    /// @return how many were moved; less than `length` means a fault, described by the fault
    ///   registers
    /// @throws IndexOutOfBoundsException when the target is too small
    /// @throws PagingException BAD_STATE when no table is active or it was closed
    long load(long vaddr, MemorySegment target, long targetOffset, long length);

    /// Stores bytes.
    ///
    /// @param vaddr virtual address of the first byte, unsigned
    /// @param source where they come from
    /// @param sourceOffset offset in `source`, in bytes
    /// @param length how many bytes
    /// @return how many were moved; less than `length` means a fault, described by the fault
    ///   registers
    /// @throws IndexOutOfBoundsException when the source is too small
    /// @throws PagingException BAD_STATE when no table is active or it was closed
    long store(long vaddr, MemorySegment source, long sourceOffset, long length);

    /// Fetches instruction bytes: as [#load], with EXECUTE instead of READ.
    ///
    /// @param vaddr virtual address of the first byte, unsigned
    /// @param target where they go
    /// @param targetOffset offset in `target`, in bytes
    /// @param length how many bytes
    /// @return how many were moved; less than `length` means a fault, described by the fault
    ///   registers
    /// @throws IndexOutOfBoundsException when the target is too small
    /// @throws PagingException BAD_STATE when no table is active or it was closed
    long fetch(long vaddr, MemorySegment target, long targetOffset, long length);

    /// Carries out an atomic act on a word. Translation, permission check and act cannot be
    /// separated: a page-table operation that takes the page or a needed right away returns only
    /// when no act by the old translation is under way.
    ///
    /// @param vaddr virtual address of the word, unsigned, a multiple of its width
    /// @param access what to do; holds the word that was there when this returns true
    /// @return whether it was done; false means a fault, described by the fault registers, and
    ///   nothing has changed
    /// @throws PagingException NOT_ALIGNED, before anything else; BAD_STATE when no table is active
    ///   or it was closed
    boolean atomic(long vaddr, AtomicAccess access);

    /// The address of the last fault.
    ///
    /// @return the first byte that could not be accessed; 0 before the first fault
    long faultAddress();

    /// The access of the last fault.
    ///
    /// @return what was wanted; READ before the first fault
    AccessKind faultAccess();

    /// The cause of the last fault.
    ///
    /// @return why it was refused; NOT_PRESENT before the first fault
    FaultCause faultCause();

    /// The last fault as one value.
    ///
    /// @return the three registers together
    default PageFault fault() {
        return new PageFault(faultAddress(), faultAccess(), faultCause());
    }

    /// What this processor counted so far.
    ///
    /// @return a copy of the counters
    MmuStats stats();

    /// Gives up the processor: its TLB is dropped. Closing twice is harmless.
    @Override
    void close();
}
