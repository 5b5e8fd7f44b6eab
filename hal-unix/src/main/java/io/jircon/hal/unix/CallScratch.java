package io.jircon.hal.unix;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// The native words that a system call needs beside its arguments: where errno is kept, and two
/// `struct iovec`, or another struct of up to 32 bytes in their place. Made once and used again, so
/// that a call makes no garbage; serves one thread at a time. The garbage collector frees it, so
/// that no order of closing can pull it away from a call.
///
/// ```
///  0          16          24         32          40         48
///  | errno ... | local base | local len | remote base | remote len |
/// ```
final class CallScratch {
    private static final long LOCAL_OFFSET = 16;
    private static final long IOVEC_BYTES = 16;
    private static final long REMOTE_OFFSET = LOCAL_OFFSET + IOVEC_BYTES;
    private static final long TOTAL_BYTES = REMOTE_OFFSET + IOVEC_BYTES;

    private final MemorySegment all;
    final MemorySegment state;
    final MemorySegment local;
    final MemorySegment remote;

    /// The place of both `struct iovec`.
    final MemorySegment struct;

    CallScratch() {
        all = Arena.ofAuto().allocate(TOTAL_BYTES, 16);
        state = all.asSlice(0, LOCAL_OFFSET);
        local = all.asSlice(LOCAL_OFFSET, IOVEC_BYTES);
        remote = all.asSlice(REMOTE_OFFSET, IOVEC_BYTES);
        struct = all.asSlice(LOCAL_OFFSET, 2 * IOVEC_BYTES);
    }

    /// The error of the last call that failed.
    ///
    /// @return a positive number
    int errno() {
        return all.get(ValueLayout.JAVA_INT, 0);
    }

    /// Describes one transfer.
    ///
    /// @param localAddress host address of our own buffer
    /// @param remoteAddress host address of the range that may fault
    /// @param length bytes
    void describe(long localAddress, long remoteAddress, long length) {
        all.set(ValueLayout.JAVA_LONG, LOCAL_OFFSET, localAddress);
        all.set(ValueLayout.JAVA_LONG, LOCAL_OFFSET + 8, length);
        all.set(ValueLayout.JAVA_LONG, REMOTE_OFFSET, remoteAddress);
        all.set(ValueLayout.JAVA_LONG, REMOTE_OFFSET + 8, length);
    }
}
