package io.jircon.testkit;

/// What a HAL may have or lack. A suite declares its HAL's features; the kit holds the HAL to the
/// declaration in both directions.
public enum HalFeature {
    /// Page tables of [io.jircon.hal.AddressSpaceKind#KERNEL].
    KERNEL_SPACES,
    /// Page tables of [io.jircon.hal.AddressSpaceKind#GUEST].
    GUEST_SPACES,
    /// Leaves of 2 MiB.
    HUGE_2M,
    /// Leaves of 1 GiB.
    HUGE_1G,
    /// Pages that are executable and not readable.
    EXECUTE_ONLY,
    /// Page tables that take frames of the machine.
    TABLES_IN_MEMORY,
    /// Page tables that tell which pages were accessed
    /// ([io.jircon.hal.PageTableTrait#tracksAccessed()]).
    ACCESSED_STATE
}
