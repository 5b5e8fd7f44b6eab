package io.jircon.hal.unix;

import io.jircon.hal.AccessKind;

/// An access that the host holds.
///
/// @param mmu whose
/// @param activity the processor's count for the access, odd
/// @param faults of the table that it goes through
/// @param page number in the table's window
/// @param address host address of the page
/// @param access what the access wants
/// @param times how often the access has been held at the page, this time included
record HeldAccess(
        UnixMmapMmu mmu,
        long activity,
        TableFaults faults,
        long page,
        long address,
        AccessKind access,
        int times) {}
