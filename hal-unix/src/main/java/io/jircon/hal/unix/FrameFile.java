package io.jircon.hal.unix;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.hal.BuddyFrameAllocator;
import io.jircon.hal.PagingException;
import java.nio.file.Path;

/// The file of a machine whose frames outlive it: option `file` of `unix-file` and `unix-mmap`,
/// which read each other's files.
///
/// [#flush] keeps what the frames hold, which of them are handed out, and one word of the user's,
/// the root. A machine that opens the file finds the frames of the last flush handed out again; the
/// root says where in them the user's data begin. Closing a machine does not flush.
///
/// A crash between two flushes, or in the middle of one, leaves the map and the root of the one
/// before. The frames have no such second copy: a frame holds what was written to it until the
/// crash. Who needs his data as of the flush writes to fresh frames, sets the root to them,
/// flushes, and only then frees the old ones. A crash while the file is made leaves one that the
/// next machine makes anew.
///
/// Safe for use by many threads. Frames that others take or free during a flush may or may not be
/// in its map.
public final class FrameFile {
    private final UnixFileStore store;
    private final BuddyFrameAllocator frames;

    @GuardedBy("this")
    private long root;

    /// Hands the frames out that the file says are in use.
    ///
    /// @param frames all free
    /// @throws PagingException BAD_STATE when the file names frames that there are not
    FrameFile(UnixFileStore store, BuddyFrameAllocator frames) {
        this.store = store;
        this.frames = frames;
        FrameMap map = store.map();
        synchronized (this) {
            this.root = map.root();
        }
        long[] runs = map.runs();
        try {
            for (int run = 0; run < runs.length; run += 2) {
                frames.allocateAt(runs[run], runs[run + 1]);
            }
        } catch (PagingException | IllegalArgumentException foreign) {
            throw store.refused("is damaged: its allocation map is not of this memory", foreign);
        }
    }

    /// Where the file lies.
    ///
    /// @return the path that option `file` gave
    public Path path() {
        return store.path();
    }

    /// The user's word.
    ///
    /// @return what [#setRoot] was given last, or else what the file held; 0 in a new file
    public synchronized long root() {
        return root;
    }

    /// Changes the user's word, such as to the physical address of the frame from which his data
    /// can be reached. The next [#flush] brings it to the file.
    ///
    /// @param word any value
    public synchronized void setRoot(long word) {
        root = word;
    }

    /// The number of the last flush.
    ///
    /// @return 1 for a new file, and one more after each flush; a crash in the middle of a flush
    ///   undoes that one
    public long generation() {
        return store.map().generation();
    }

    /// Brings the bytes of the frames, then the map of those that are handed out, and the root, to
    /// the storage device.
    ///
    /// @throws PagingException SYSTEM when the host cannot: the map and the root of the flush
    ///   before are still in the file; BAD_STATE after the machine was closed
    public synchronized void flush() {
        store.flush(root, frames.allocatedRuns());
    }
}
