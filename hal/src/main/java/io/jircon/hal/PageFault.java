package io.jircon.hal;

/// A refused access, as the MMU reports it.
///
/// @param address the first virtual address (unsigned) that could not be accessed
/// @param access what the access wanted
/// @param cause why it was refused
public record PageFault(long address, AccessKind access, FaultCause cause) {
    /// `WRITE at 0x1234: PERMISSION`.
    @Override
    public String toString() {
        return access + " at 0x" + Long.toHexString(address) + ": " + cause;
    }
}
