package io.jircon.hal;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// Zeroed memory of any size that costs nothing until it is touched: a sparse file without a name,
/// mapped.
///
/// The file is gone from its directory at once where the host can delete open files, and when this
/// is closed elsewhere. Its blocks come from the file system of that directory: a host that runs
/// out of them in the middle of an access reports an [InternalError] there.
///
/// Any thread may use the memory.
public final class LazyMemory implements AutoCloseable {
    private final Arena arena;
    private final FileChannel channel;
    private final MemorySegment segment;

    private LazyMemory(Arena arena, FileChannel channel, MemorySegment segment) {
        this.arena = arena;
        this.channel = channel;
        this.segment = segment;
    }

    /// Reserves memory, backed by the host's directory for temporary files.
    ///
    /// @param sizeBytes how much, more than 0
    /// @return memory that the caller closes
    /// @throws IllegalArgumentException when the size is not more than 0
    /// @throws PagingException NO_MEMORY when the host refuses
    public static LazyMemory reserve(long sizeBytes) {
        return reserve(sizeBytes, Path.of(System.getProperty("java.io.tmpdir", ".")));
    }

    /// Reserves memory, backed by a directory of choice.
    ///
    /// @param sizeBytes how much, more than 0
    /// @param directory where the file is made; must exist
    /// @return memory that the caller closes
    /// @throws IllegalArgumentException when the size is not more than 0
    /// @throws PagingException NO_MEMORY when the host refuses
    public static LazyMemory reserve(long sizeBytes, Path directory) {
        if (sizeBytes <= 0) {
            throw new IllegalArgumentException("sizeBytes=" + sizeBytes + " is not more than 0");
        }
        Path file = directory.resolve("jircon-" + UUID.randomUUID() + ".ram");
        Arena arena = Arena.ofShared();
        @Nullable FileChannel channel = null;
        try {
            channel =
                    FileChannel.open(
                            file,
                            Set.of(
                                    StandardOpenOption.CREATE_NEW,
                                    StandardOpenOption.READ,
                                    StandardOpenOption.WRITE,
                                    StandardOpenOption.SPARSE,
                                    StandardOpenOption.DELETE_ON_CLOSE));
            MemorySegment segment =
                    channel.map(FileChannel.MapMode.READ_WRITE, 0, sizeBytes, arena);
            return new LazyMemory(arena, channel, segment);
        } catch (IOException | OutOfMemoryError refused) {
            arena.close();
            closeQuietly(channel, refused);
            throw new PagingException(
                    PagingError.NO_MEMORY,
                    "sizeBytes="
                            + sizeBytes
                            + " in directory="
                            + directory
                            + ": the host refuses: "
                            + refused
                            + "; look at vm.max_map_count, ulimit -v, the room of the directory's"
                            + " file system and the seccomp profile of the container",
                    refused);
        }
    }

    /// The memory.
    ///
    /// @return the whole of it, page aligned; dies with [#close()]
    public MemorySegment segment() {
        return segment;
    }

    /// Gives the memory and its blocks back. Closing twice is harmless.
    ///
    /// @throws PagingException SYSTEM when the host cannot close the file
    @Override
    public void close() {
        if (!arena.scope().isAlive()) {
            return;
        }
        arena.close();
        try {
            channel.close();
        } catch (IOException failed) {
            throw new PagingException(PagingError.SYSTEM, "closing the memory's file", failed);
        }
    }

    private static void closeQuietly(@Nullable FileChannel channel, Throwable first) {
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException second) {
            first.addSuppressed(second);
        }
    }
}
