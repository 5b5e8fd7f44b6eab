package io.jircon.hal;

/// Resolves the page faults of one page table, for a machine that can hold an access until its
/// fault is resolved: the access then goes on where it stopped, and whoever made it sees no fault.
///
/// @see PageTableTrait#setFaultHandler
@FunctionalInterface
public interface FaultHandler {
    /// Resolves one fault. Called on a thread of the machine's, without a lock of its; several
    /// calls may run at once, for the same page too.
    ///
    /// @param vaddr an address in the page that was missed, unsigned
    /// @param access what the access wants
    /// @return true when the page table was made to allow the access; false to let the access end
    ///   and report the page fault, unless the table allows it by then. What is thrown counts as
    ///   false
    boolean resolve(long vaddr, AccessKind access);
}
