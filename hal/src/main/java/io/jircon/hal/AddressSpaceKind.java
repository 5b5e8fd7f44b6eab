package io.jircon.hal;

/// What a page table is for. A HAL may choose another format, width or range of addresses for each.
public enum AddressSpaceKind {
    /// A process's own addresses. The range never contains page 0 (clause V-20).
    USER,
    /// The kernel's addresses, in the upper half of the 64-bit space; not every HAL has them.
    KERNEL,
    /// Guest-physical addresses, starting at 0.
    GUEST
}
