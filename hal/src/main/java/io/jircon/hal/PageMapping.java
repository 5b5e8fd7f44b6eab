package io.jircon.hal;

/// What a page table holds for one address.
///
/// @param paddr the physical address, unsigned; for a query it includes the offset inside the leaf,
///   for an unmap it is the start of the leaf
/// @param flags what the entry allows, decoded
/// @param size the size of the leaf
public record PageMapping(long paddr, MmuFlags flags, PageSize size) {
    /// `0x8002a123 rw-u in SIZE_4K`.
    @Override
    public String toString() {
        return "0x%x %s in %s".formatted(paddr, flags, size);
    }
}
