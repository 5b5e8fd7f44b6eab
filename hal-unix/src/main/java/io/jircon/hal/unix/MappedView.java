package io.jircon.hal.unix;

import io.jircon.hal.AccessKind;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/// Plain memory access to a range of a [UnixMmapPageTable] that is there and allowed for as long as
/// the view lives; see [UnixMmapPageTable#pin]. Any thread may use it.
public final class MappedView implements AutoCloseable {
    private static final long PATIENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(500);
    private static final long PAUSE_NANOS = TimeUnit.MICROSECONDS.toNanos(20);

    private final Arena arena = Arena.ofShared();
    private final MemorySegment segment;

    /// Opens a view.
    ///
    /// @param hostAddress of the first byte
    /// @param sizeBytes its length
    /// @param access READ or WRITE
    /// @param atEnd is run once, when nobody can use the view any more
    MappedView(long hostAddress, long sizeBytes, AccessKind access, Runnable atEnd) {
        MemorySegment whole = Posix.segment(hostAddress, sizeBytes, arena, atEnd);
        segment = access == AccessKind.WRITE ? whole : whole.asReadOnly();
    }

    /// The bytes.
    ///
    /// @return a segment of the length asked for; read-only unless the view was opened for WRITE.
    ///   Its methods throw [IllegalStateException] when the view has ended
    public MemorySegment segment() {
        return segment;
    }

    /// Whether the view can still be used.
    ///
    /// @return false after close, and after an operation on the table ended it
    public boolean isOpen() {
        return arena.scope().isAlive();
    }

    /// Ends the view. Closing twice is harmless.
    ///
    /// @throws IllegalStateException when a native call that was given the segment is under way
    @Override
    public void close() {
        synchronized (arena) {
            if (isOpen()) {
                arena.close();
            }
        }
    }

    /// Ends the view; waits a moment for native calls that use it.
    ///
    /// @return false when one still does
    boolean end() {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (true) {
            try {
                close();
                return true;
            } catch (IllegalStateException inUse) {
                if (System.nanoTime() - deadline > 0) {
                    return false;
                }
                LockSupport.parkNanos(PAUSE_NANOS);
            }
        }
    }
}
