package io.jircon.hal.unix;

import io.jircon.hal.PagingException;
import org.jspecify.annotations.Nullable;

/// How a machine notices page faults, and why so.
///
/// Of the kinds of faults that `userfaultfd` knows, minor faults have no use here. They would tell
/// which pages are accessed: at the price of a system call for each new mapping and each harvest,
/// and of a thread that is held for each page. [UnixMmapMmu] makes all accesses anyway, and notes
/// them ([AccessedMarks]) for a read of a word; and a pinned view must never be held.
///
/// @param held what holds accesses; null when they come back with EFAULT
/// @param text for people to read, as [UnixMmapHal#faults()] gives it
record FaultMode(@Nullable HeldFaults held, String text) {
    /// The values of option `faults`.
    enum Wish {
        /// Hold accesses where the host can.
        AUTO,
        /// Hold accesses, or make no machine.
        USERFAULTFD,
        /// Let accesses come back.
        EFAULT;

        /// Finds out what the host can do.
        ///
        /// @param frames the file that windows will show
        /// @throws PagingException only for USERFAULTFD, NOT_SUPPORTED when the host refuses and
        ///   NO_RESOURCES when no descriptor is left
        FaultMode open(Posix posix, FaultCalls calls, int frames, UnixMmapHal hal) {
            if (this == EFAULT) {
                return new FaultMode(null, "efault: option faults=efault");
            }
            try {
                HeldFaults held = HeldFaults.open(posix, calls, frames, hal);
                String without = held.descriptor().noWriteProtect();
                return new FaultMode(
                        held,
                        without.isEmpty()
                                ? "userfaultfd: missing and write-protect faults"
                                : "userfaultfd: missing faults; " + without);
            } catch (PagingException refused) {
                String reason = Posix.textOf(refused);
                if (this == USERFAULTFD) {
                    throw new PagingException(
                            refused.error(),
                            "option faults=userfaultfd: " + reason + "; or take faults=efault",
                            refused);
                }
                return new FaultMode(null, "efault: " + reason);
            }
        }
    }
}
