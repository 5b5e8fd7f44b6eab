package io.jircon.hal.unix;

import io.jircon.hal.HalConfig;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// The file that holds a machine's frames, open as a descriptor to map from and mapped once as a
/// whole for [io.jircon.hal.PhysicalMemory].
///
/// Three kinds: a memfd; a file without a name in a directory of choice; a [UnixFileStore], which
/// outlives the machine. All are sparse.
final class FrameBacking implements AutoCloseable {
    private static final String NAME = "jircon-frames";

    private final Posix posix;
    private final CallScratch scratch = new CallScratch();
    private final int descriptor;
    private final MemorySegment segment;
    private final @Nullable Arena arena; // null where the store maps the frames
    private final @Nullable UnixFileStore store;

    private FrameBacking(
            Posix posix,
            int descriptor,
            MemorySegment segment,
            @Nullable Arena arena,
            @Nullable UnixFileStore store) {
        this.posix = posix;
        this.descriptor = descriptor;
        this.segment = segment;
        this.arena = arena;
        this.store = store;
    }

    /// Makes a file that lives in memory.
    ///
    /// @throws PagingException NOT_SUPPORTED when the host's policy forbids it; NO_MEMORY,
    ///   NO_RESOURCES, SYSTEM when the host refuses
    static FrameBacking memory(Posix posix, long bytes) {
        int descriptor = posix.memfdCreate(new CallScratch(), NAME, Posix.MFD_CLOEXEC);
        if (descriptor < 0) {
            throw Posix.unavailable("memfd_create(" + NAME + ")", descriptor);
        }
        return nameless(posix, descriptor, bytes);
    }

    /// Makes a file without a name.
    ///
    /// @param directory must exist, on a file system that has nameless files
    /// @throws PagingException NO_MEMORY, NO_RESOURCES, SYSTEM when the host refuses
    static FrameBacking inDirectory(Posix posix, Path directory, HalConfig config) {
        int flags = Posix.O_TMPFILE | Posix.O_RDWR | Posix.O_CLOEXEC;
        int descriptor = posix.open(new CallScratch(), directory.toString(), flags, 0600);
        if (descriptor < 0) {
            throw Posix.failure("open(" + directory + ", O_TMPFILE)", descriptor);
        }
        return nameless(posix, descriptor, config.memoryBytes());
    }

    /// Opens or makes a file that outlives the machine.
    ///
    /// @throws PagingException as [UnixFileStore#open]
    static FrameBacking persistent(Posix posix, Path file, HalConfig config) {
        UnixFileStore store = UnixFileStore.open(file, config);
        int descriptor =
                posix.open(new CallScratch(), file.toString(), Posix.O_RDWR | Posix.O_CLOEXEC, 0);
        if (descriptor < 0) {
            store.close();
            throw Posix.failure("open(" + file + ")", descriptor);
        }
        return new FrameBacking(posix, descriptor, store.segment(), null, store);
    }

    private static FrameBacking nameless(Posix posix, int descriptor, long bytes) {
        var scratch = new CallScratch();
        int sized = posix.ftruncate(scratch, descriptor, bytes);
        long address = sized;
        if (sized == 0) {
            address =
                    posix.mmap(
                            scratch,
                            0,
                            bytes,
                            Posix.PROT_READ | Posix.PROT_WRITE,
                            Posix.MAP_SHARED | Posix.MAP_NORESERVE,
                            descriptor,
                            0);
        }
        if (address < 0) {
            posix.close(scratch, descriptor);
            throw Posix.failure(
                    (sized < 0 ? "ftruncate" : "mmap") + "(frames, bytes=" + bytes + ")", address);
        }
        var arena = Arena.ofShared();
        MemorySegment segment = Posix.segment(address, bytes, arena, () -> {});
        return new FrameBacking(posix, descriptor, segment, arena, null);
    }

    /// Asks the host to back the frames with huge pages.
    ///
    /// @return empty when it was asked, or why it was not
    String hintHugePages() {
        if (store != null) {
            return "not hinted: a named file's frames lie one page off from where huge pages begin";
        }
        long bytes = segment.byteSize();
        int result = posix.madvise(scratch, segment.address(), bytes, Posix.MADV_HUGEPAGE);
        if (result < 0) {
            String call = "madvise(frames, bytes=" + bytes + ", MADV_HUGEPAGE)";
            return "not hinted: " + Posix.failure(call, result).getMessage();
        }
        return "";
    }

    /// The frames as pages to map.
    ///
    /// @param base physical address of the first frame
    /// @param huge whether to ask for huge pages where they are mapped
    /// @throws PagingException NO_MEMORY, SYSTEM when the host refuses to map one
    HostFrames frames(long base, boolean huge) {
        return new HostFrames(
                descriptor,
                base,
                segment.byteSize(),
                store == null ? 0 : UnixFileStore.HEADER_BYTES,
                mayExecute(),
                huge);
    }

    /// The frames as memory.
    MemorySegment segment() {
        return segment;
    }

    /// The file that outlives the machine.
    ///
    /// @return null when the frames lie in a nameless one
    @Nullable UnixFileStore store() {
        return store;
    }

    /// Gives the memory and the descriptor back.
    ///
    /// @throws PagingException BAD_STATE when a native call is using the memory: nothing was done;
    ///   SYSTEM when the host refuses to take a part back: the rest is given back
    @Override
    public void close() {
        if (!segment.scope().isAlive()) {
            return;
        }
        int unmapped = 0;
        try {
            if (store != null) {
                store.close();
            } else if (arena != null) {
                arena.close();
                unmapped = posix.munmap(scratch, segment.address(), segment.byteSize());
            }
        } catch (IllegalStateException inUse) {
            throw new PagingException(
                    PagingError.BAD_STATE, "a native call is using the machine's memory", inUse);
        }
        int closed = posix.close(scratch, descriptor);
        if (unmapped < 0 || closed < 0) {
            throw unmapped < 0
                    ? Posix.failure("munmap(frames)", unmapped)
                    : Posix.failure("close(frames)", closed);
        }
    }

    /// A mount without execution or a security policy may refuse executable pages.
    private boolean mayExecute() {
        int protection = Posix.PROT_READ | Posix.PROT_EXEC;
        long address =
                posix.mmap(
                        scratch,
                        0,
                        PageSize.BASE_BYTES,
                        protection,
                        Posix.MAP_SHARED,
                        descriptor,
                        0);
        if (address == -Errno.EPERM || address == -Errno.EACCES) {
            return false;
        }
        if (address < 0) {
            throw Posix.failure("mmap(a page of frames, PROT_READ|PROT_EXEC)", address);
        }
        posix.munmap(scratch, address, PageSize.BASE_BYTES);
        return true;
    }
}
