package io.jircon.vm;

/// The stream size of a memory object: one record, which references share with what they refer to
/// (clause O-67). Written under the family lock.
final class StreamSize {
    /// Unsigned.
    volatile long bytes;

    StreamSize(long bytes) {
        this.bytes = bytes;
    }
}
