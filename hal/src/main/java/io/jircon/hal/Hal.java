package io.jircon.hal;

/// One machine: its physical memory, its frames, page tables for it, and processors that use them.
/// Two machines share nothing.
public interface Hal extends AutoCloseable {
    /// The name of the provider it came from.
    ///
    /// @return such as `x86_64`
    String name();

    /// The machine's memory.
    ///
    /// @return never null
    PhysicalMemory memory();

    /// The machine's frames. Page tables take theirs from here too.
    ///
    /// @return never null
    FrameAllocator frames();

    /// Makes an empty page table.
    ///
    /// @param kind what it is for
    /// @return a table that the caller closes
    /// @throws PagingException NO_MEMORY when there is no frame for the root; NO_RESOURCES when
    ///   there is no tag or window left; NOT_SUPPORTED when the machine has no such address spaces;
    ///   BAD_STATE after close
    PageTableTrait newPageTable(AddressSpaceKind kind);

    /// Makes a processor.
    ///
    /// @return an MMU with no page table active, which the caller closes
    /// @throws PagingException BAD_STATE after close
    Mmu newMmu();

    /// Whether pages can be executable without being readable (clause V-8).
    ///
    /// @return true when flags with EXECUTE alone are supported
    boolean canMapExecuteOnly();

    /// Ends the machine: its memory is gone. Close its page tables and processors first; those left
    /// open answer BAD_STATE. Closing twice is harmless.
    @Override
    void close();
}
