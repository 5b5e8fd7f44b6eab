package io.jircon.hal.unix;

import io.jircon.hal.PageSize;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// The native words that a system call needs beside its arguments: where errno is kept, a local and
/// some remote `struct iovec`, or another struct of up to 32 bytes in their place. Made once and
/// used again, so that a call makes no garbage; serves one thread at a time. The garbage collector
/// frees it, so that no order of closing can pull it away from a call.
///
/// ```
///  0          16          24         32          40         48
///  | errno ... | local base | local len | remote base | remote len | ... of more pages
/// ```
final class CallScratch {
    private static final long LOCAL_OFFSET = 16;
    private static final long IOVEC_BYTES = 16;
    private static final long REMOTE_OFFSET = LOCAL_OFFSET + IOVEC_BYTES;

    /// How many pages one call reaches when it takes them one by one.
    static final int MAX_PAGES = 64;

    private static final long TOTAL_BYTES = REMOTE_OFFSET + MAX_PAGES * IOVEC_BYTES;

    private final MemorySegment all;
    final MemorySegment state;
    final MemorySegment local;
    final MemorySegment remote;

    /// The place of the first two `struct iovec`.
    final MemorySegment struct;

    /// How many remote ones there are.
    long remoteCount = 1;

    CallScratch() {
        all = Arena.ofAuto().allocate(TOTAL_BYTES, 16);
        state = all.asSlice(0, LOCAL_OFFSET);
        local = all.asSlice(LOCAL_OFFSET, IOVEC_BYTES);
        remote = all.asSlice(REMOTE_OFFSET, MAX_PAGES * IOVEC_BYTES);
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
        set(LOCAL_OFFSET, localAddress, length);
        set(REMOTE_OFFSET, remoteAddress, length);
        remoteCount = 1;
    }

    /// Describes one transfer page by page: the system takes the next one only when it is done with
    /// the one before.
    ///
    /// @param localAddress host address of our own buffer
    /// @param remoteAddress host address of the range that may fault
    /// @param length bytes, in at most [#MAX_PAGES] pages
    void describePages(long localAddress, long remoteAddress, long length) {
        set(LOCAL_OFFSET, localAddress, length);
        int pages = 0;
        for (long done = 0; done < length; pages++) {
            long at = remoteAddress + done;
            long bytes = Math.min(length - done, PageSize.BASE_BYTES - offsetInPage(at));
            set(REMOTE_OFFSET + pages * IOVEC_BYTES, at, bytes);
            done += bytes;
        }
        remoteCount = pages;
    }

    /// The most that [#describePages] takes from an address on.
    static long maxBytesFrom(long address) {
        return MAX_PAGES * PageSize.BASE_BYTES - offsetInPage(address);
    }

    private static long offsetInPage(long address) {
        return address & (PageSize.BASE_BYTES - 1);
    }

    private void set(long offset, long address, long length) {
        all.set(ValueLayout.JAVA_LONG, offset, address);
        all.set(ValueLayout.JAVA_LONG, offset + 8, length);
    }
}
