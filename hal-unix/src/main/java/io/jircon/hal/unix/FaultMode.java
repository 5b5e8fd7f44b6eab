package io.jircon.hal.unix;

import io.jircon.hal.PagingException;
import org.jspecify.annotations.Nullable;

/// How a machine notices page faults, and why so.
///
/// Of the kinds of faults that `userfaultfd` knows, minor faults are held on request only. They
/// tell which pages are accessed, for two system calls at each first access; [UnixMmapMmu] makes
/// all accesses anyway, and notes them ([AccessedMarks]) for a read of a word.
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
        /// Hold accesses, the first to each page included, or make no machine.
        MINOR,
        /// Let accesses come back.
        EFAULT;

        /// Finds out what the host can do.
        ///
        /// @param frames the file that windows will show
        /// @throws PagingException only for USERFAULTFD and MINOR, NOT_SUPPORTED when the host
        ///   refuses and NO_RESOURCES when no descriptor is left
        FaultMode open(Posix posix, FaultCalls calls, int frames, UnixMmapHal hal) {
            if (this == EFAULT) {
                return new FaultMode(null, "efault: option faults=efault");
            }
            try {
                boolean minor = this == MINOR;
                HeldFaults held = HeldFaults.open(posix, calls, frames, minor, hal);
                String without = held.descriptor().noWriteProtect();
                String kinds =
                        minor
                                ? "missing, minor and write-protect faults"
                                : without.isEmpty()
                                        ? "missing and write-protect faults"
                                        : "missing faults; " + without;
                return new FaultMode(held, "userfaultfd: " + kinds);
            } catch (PagingException refused) {
                String reason = Posix.textOf(refused);
                if (this != AUTO) {
                    String option = this == MINOR ? "minor" : "userfaultfd";
                    throw new PagingException(
                            refused.error(),
                            "option faults=" + option + ": " + reason + "; or take faults=efault",
                            refused);
                }
                return new FaultMode(null, "efault: " + reason);
            }
        }
    }
}
