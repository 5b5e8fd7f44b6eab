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

    /// Told of an access that the machine held though the page table allows it (a minor fault): the
    /// first to a page since its entry was made, or since it was last told of
    /// ([PageTableTrait#harvestAccessed]). There is nothing to resolve, and the access goes on when
    /// this returns. Only machines that are asked to hold such accesses do, and they may miss one
    /// that the host resolves by itself.
    ///
    /// Called as [#resolve] is, but operations of the page table wait for the access meanwhile:
    /// this has to be quick, to leave the page table alone, and to take no lock that whoever uses
    /// the page table may hold. What is thrown is ignored.
    ///
    /// @param vaddr an address in the page, unsigned
    /// @param access WRITE, or READ for a fetch as well
    default void minorFault(long vaddr, AccessKind access) {}
}
