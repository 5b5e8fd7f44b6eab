package io.jircon.vm;

/// Receives what [VmAddressRegion#harvestAccessed] finds.
@FunctionalInterface
public interface AccessedPages {
    /// Called for neighbouring pages that were accessed, with no lock held: by then they may be
    /// mapped elsewhere, or be gone.
    ///
    /// @param vaddr address of the first page, unsigned
    /// @param vmo the memory object that showed there
    /// @param vmoOffset offset of the first page in it, in bytes
    /// @param pageCount how many pages, at least 1
    void accessed(long vaddr, VmObject vmo, long vmoOffset, long pageCount);
}
