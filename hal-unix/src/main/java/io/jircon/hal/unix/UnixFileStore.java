package io.jircon.hal.unix;

import io.jircon.hal.HalConfig;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Set;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// A frame file that outlives the machine: one header page, then the frames, then room for the two
/// copies of the [FrameMap].
///
/// ```
///   0      8        12      16          24           32      36             4096
/// | magic | version | zero | memoryBase | memoryBytes | crc  | zero ...      | frames ... | maps
/// ```
///
/// Little-endian; crc is the CRC-32C of the 32 bytes before it. The file is sparse, and locked
/// against other processes and machines while it is open. The lock is one of POSIX: other code of
/// this process that opens the file meanwhile, and closes it, takes it away.
///
/// While it is being made the file begins with another magic word; the header comes last. Whoever
/// finds that word and has the lock knows that the maker died, and makes the file anew. A temporary
/// name and a rename would do the same, but for a file that lies empty where the user put it, or
/// behind a link, or in a directory that may not be written.
///
/// Safe for use by many threads.
final class UnixFileStore implements AutoCloseable {
    static final int HEADER_BYTES = 4096;

    private static final long MAGIC = 0x4d52_464e_4f43_524aL; // "JRCONFRM" as bytes
    private static final long UNFINISHED = 0x5745_4e4e_4f43_524aL; // "JRCONNEW" as bytes
    private static final int VERSION = 2; // 1 had no maps
    private static final int CHECKED_BYTES = 32;

    private final Path file;
    private final FileChannel channel;
    private final Arena arena;
    private final MemorySegment segment;

    // As of the last flush. Replaced under the lock of this store.
    private volatile FrameMap map;

    private UnixFileStore(
            Path file, FileChannel channel, Arena arena, MemorySegment segment, FrameMap map) {
        this.file = file;
        this.channel = channel;
        this.arena = arena;
        this.segment = segment;
        this.map = map;
    }

    /// Opens a frame file, or makes it when there is none, it is empty, or its making was cut off.
    ///
    /// @param file its path
    /// @param config base and size of the memory; those of an existing file must be the same
    /// @return the store, which the caller closes
    /// @throws PagingException BAD_STATE when the file is in use, damaged, foreign, or of another
    ///   base or size: the message says which and the file is left alone; NO_MEMORY when the host
    ///   refuses the memory; SYSTEM for other errors of the host
    static UnixFileStore open(Path file, HalConfig config) {
        FileChannel channel = openLocked(file);
        var arena = Arena.ofShared();
        try {
            if (channel.size() == 0 || isUnfinished(channel)) {
                make(channel, config);
            } else {
                checkHeader(file, channel, config);
            }
            FrameMap map = FrameMap.readNewest(channel, mapRoom(config), config.memoryBytes());
            if (map == null) {
                throw refused(
                        file, "is damaged: neither copy of its allocation map has its checksum");
            }
            MemorySegment segment = map(file, channel, config.memoryBytes(), arena);
            return new UnixFileStore(file, channel, arena, segment, map);
        } catch (IOException failed) {
            abandon(arena, channel, failed);
            throw system(file, "cannot be read or written", failed);
        } catch (RuntimeException | Error failed) {
            abandon(arena, channel, failed);
            throw failed;
        }
    }

    MemorySegment segment() {
        return segment;
    }

    Path path() {
        return file;
    }

    /// The map as of the last flush, or as the file had it.
    FrameMap map() {
        return map;
    }

    /// Forces the frames to storage, then a new map.
    ///
    /// @param root the user's word
    /// @param runs as [FrameMap] has them; belongs to this store from now on
    /// @throws PagingException SYSTEM when the host cannot; BAD_STATE when the store is closed. The
    ///   map that the file had counts then
    synchronized void flush(long root, long[] runs) {
        if (!arena.scope().isAlive()) {
            throw new PagingException(PagingError.BAD_STATE, "the machine is closed");
        }
        var next = new FrameMap(map.generation() + 1, root, runs);
        try {
            segment.force();
            next.write(channel, HEADER_BYTES + segment.byteSize(), segment.byteSize());
            channel.force(/* metaData= */ true);
        } catch (IOException | UncheckedIOException failed) {
            throw system(file, "cannot flush", failed);
        }
        map = next;
    }

    @Override
    public synchronized void close() {
        if (!arena.scope().isAlive()) {
            return;
        }
        arena.close();
        try {
            channel.close();
        } catch (IOException failed) {
            throw new PagingException(PagingError.SYSTEM, "the frame file cannot close", failed);
        }
    }

    /// Opens a file and locks it, one caller at a time: POSIX drops all locks that a process has on
    /// a file as soon as the process closes any descriptor of it. So a file that is in use must not
    /// be opened, not even to find out that it is; the lock of the one who uses it would be gone.
    private static FileChannel openLocked(Path file) {
        synchronized (UnixFileStore.class) {
            if (isOpenHere(file)) {
                throw refused(file, "is in use by another machine of this process");
            }
            FileChannel channel;
            try {
                channel =
                        FileChannel.open(
                                file,
                                Set.of(
                                        StandardOpenOption.CREATE,
                                        StandardOpenOption.READ,
                                        StandardOpenOption.WRITE,
                                        StandardOpenOption.SPARSE));
            } catch (IOException failed) {
                throw system(file, "cannot be opened", failed);
            }
            try {
                lock(file, channel);
                return channel;
            } catch (IOException failed) {
                abandon(channel, failed);
                throw system(file, "cannot be locked", failed);
            } catch (RuntimeException | Error failed) {
                abandon(channel, failed);
                throw failed;
            }
        }
    }

    /// Whether this process has a file open, as far as the host says so (Linux does).
    private static boolean isOpenHere(Path file) {
        Path descriptors = Path.of("/proc/self/fd");
        Object key = keyOf(file);
        if (key == null || !Files.isDirectory(descriptors)) {
            return false;
        }
        try (DirectoryStream<Path> all = Files.newDirectoryStream(descriptors)) {
            for (Path each : all) {
                if (key.equals(keyOf(each))) {
                    return true;
                }
            }
        } catch (IOException | DirectoryIteratorException unreadable) {
            return false; // the lock is asked then
        }
        return false;
    }

    private static @Nullable Object keyOf(Path file) {
        try {
            return Files.readAttributes(file, BasicFileAttributes.class).fileKey();
        } catch (IOException gone) {
            return null;
        }
    }

    private static void lock(Path file, FileChannel channel) throws IOException {
        try {
            if (channel.tryLock() == null) {
                throw refused(file, "is in use by another process");
            }
        } catch (OverlappingFileLockException taken) {
            throw refused(file, "is in use by another machine of this process");
        }
    }

    private static MemorySegment map(Path file, FileChannel channel, long bytes, Arena arena) {
        try {
            return channel.map(FileChannel.MapMode.READ_WRITE, HEADER_BYTES, bytes, arena);
        } catch (IOException | OutOfMemoryError failed) {
            throw new PagingException(
                    PagingError.NO_MEMORY,
                    "file="
                            + file
                            + " cannot be mapped with memoryBytes="
                            + bytes
                            + ": "
                            + failed.getMessage()
                            + "; look at vm.max_map_count, ulimit -v, the memory limit of the"
                            + " container and its seccomp profile",
                    failed);
        }
    }

    private static boolean isUnfinished(FileChannel channel) throws IOException {
        ByteBuffer word = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        return channel.read(word, 0) == Long.BYTES && word.getLong(0) == UNFINISHED;
    }

    private static void make(FileChannel channel, HalConfig config) throws IOException {
        ByteBuffer word = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        channel.truncate(0);
        FrameMap.writeFully(channel, word.putLong(0, UNFINISHED), 0);
        channel.force(/* metaData= */ true);
        // A file with a good header then always has all its frames and a map.
        FrameMap.writeFully(channel, ByteBuffer.allocate(1), fileBytes(config) - 1);
        var allFree = new FrameMap(1, 0, new long[0]);
        allFree.write(channel, mapRoom(config), config.memoryBytes());
        channel.force(/* metaData= */ true);
        ByteBuffer header = ByteBuffer.allocate(HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        header.putLong(MAGIC).putInt(VERSION).putInt(0);
        header.putLong(config.memoryBase()).putLong(config.memoryBytes());
        header.putInt(crc(header)).rewind();
        FrameMap.writeFully(channel, header, 0);
        channel.force(/* metaData= */ true);
    }

    private static void checkHeader(Path file, FileChannel channel, HalConfig config)
            throws IOException {
        ByteBuffer header = ByteBuffer.allocate(HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        while (header.hasRemaining() && channel.read(header, header.position()) > 0) {}
        if (header.position() < HEADER_BYTES || header.getLong(0) != MAGIC) {
            throw refused(file, "is not a frame file");
        }
        if (header.getInt(CHECKED_BYTES) != crc(header)) {
            throw refused(file, "is damaged: the header's checksum is wrong");
        }
        if (header.getInt(8) != VERSION) {
            throw refused(file, "has version=" + header.getInt(8) + ", known is " + VERSION);
        }
        long base = header.getLong(16);
        long bytes = header.getLong(24);
        if (base != config.memoryBase() || bytes != config.memoryBytes()) {
            throw refused(
                    file,
                    String.format(
                            "holds memoryBase=0x%x memoryBytes=%d, wanted are 0x%x and %d",
                            base, bytes, config.memoryBase(), config.memoryBytes()));
        }
        if (channel.size() != fileBytes(config)) {
            throw refused(
                    file,
                    "is damaged: its length=" + channel.size() + " is not " + fileBytes(config));
        }
    }

    /// How long the file of a machine is.
    static long fileBytes(HalConfig config) {
        return mapRoom(config) + FrameMap.roomBytes(config.memoryBytes());
    }

    private static long mapRoom(HalConfig config) {
        return HEADER_BYTES + config.memoryBytes();
    }

    private static int crc(ByteBuffer header) {
        var crc = new CRC32C();
        crc.update(header.slice(0, CHECKED_BYTES));
        return (int) crc.getValue();
    }

    private static void abandon(Arena arena, FileChannel channel, Throwable first) {
        arena.close();
        abandon(channel, first);
    }

    private static void abandon(FileChannel channel, Throwable first) {
        try {
            channel.close();
        } catch (IOException second) {
            first.addSuppressed(second);
        }
    }

    /// The exception for a file that turns out to be no good after it was opened.
    PagingException refused(String why, Throwable cause) {
        return new PagingException(PagingError.BAD_STATE, "file=" + file + " " + why, cause);
    }

    private static PagingException refused(Path file, String why) {
        return new PagingException(PagingError.BAD_STATE, "file=" + file + " " + why);
    }

    private static PagingException system(Path file, String what, Exception cause) {
        String reason = cause instanceof FileSystemException host ? host.getReason() : null;
        return new PagingException(
                PagingError.SYSTEM,
                "file="
                        + file
                        + " "
                        + what
                        + ": "
                        + (reason == null ? cause : reason)
                        + "; look at its directory, permissions and the room of its file system",
                cause);
    }
}
