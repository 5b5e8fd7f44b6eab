package io.jircon.hal.unix;

import io.jircon.hal.PageSize;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// Which frames of a frame file are handed out, as of one flush, and the user's word beside it.
///
/// A file has room for two copies, and a flush writes the one that the flush before it did not: a
/// crash in the middle leaves the earlier one whole. A copy is little-endian:
///
/// ```
///   0       8            16     24         32    36     64
/// | magic | generation | root | runCount | crc | zero | paddr, frameCount of each run ...
/// ```
///
/// crc is the CRC-32C of the 32 bytes before it and of the runs. Copy n has the generations of
/// which n is the remainder by two.
final class FrameMap {
    private static final long MAGIC = 0x5041_4d4e_4f43_524aL; // "JRCONMAP" as bytes
    private static final int CHECKED_BYTES = 32;
    private static final int HEAD_BYTES = 64;
    private static final int RUN_BYTES = 16;
    private static final int BUFFER_BYTES = 1 << 16;

    private final long generation;
    private final long root;
    private final long[] runs;

    /// Makes a map.
    ///
    /// @param generation counts the flushes, from 1 on
    /// @param root the user's word
    /// @param runs physical address and frame count of each run, in turn, ascending; belongs to the
    ///   map from now on
    FrameMap(long generation, long root, long[] runs) {
        this.generation = generation;
        this.root = root;
        this.runs = runs;
    }

    long generation() {
        return generation;
    }

    long root() {
        return root;
    }

    long[] runs() {
        return runs;
    }

    /// Room for both copies of a memory whose every other frame is handed out; sparse.
    ///
    /// @param memoryBytes size of the memory
    /// @return a multiple of two pages
    static long roomBytes(long memoryBytes) {
        return 2 * copyBytes(memoryBytes);
    }

    private static long copyBytes(long memoryBytes) {
        long bytes = HEAD_BYTES + maxRuns(memoryBytes) * RUN_BYTES;
        return PageSize.SIZE_4K.alignDown(bytes + PageSize.BASE_BYTES - 1);
    }

    private static long maxRuns(long memoryBytes) {
        return ((memoryBytes >>> PageSize.BASE_SHIFT) + 1) / 2;
    }

    /// Writes the copy that this generation belongs to.
    ///
    /// @param channel the file
    /// @param room where the room for the copies begins
    /// @param memoryBytes size of the memory
    /// @throws IOException when the host cannot; the other copy is as it was
    void write(FileChannel channel, long room, long memoryBytes) throws IOException {
        long at = room + (generation & 1) * copyBytes(memoryBytes);
        ByteBuffer head = buffer(HEAD_BYTES);
        head.putLong(MAGIC).putLong(generation).putLong(root).putLong(runs.length / 2);
        var crc = new CRC32C();
        crc.update(head.slice(0, CHECKED_BYTES));
        ByteBuffer part = buffer(BUFFER_BYTES);
        long runsAt = at + HEAD_BYTES;
        for (int done = 0; done < runs.length; ) {
            part.clear();
            for (; done < runs.length && part.hasRemaining(); done++) {
                part.putLong(runs[done]);
            }
            part.flip();
            crc.update(part.duplicate());
            runsAt += writeFully(channel, part, runsAt);
        }
        head.putInt((int) crc.getValue()).rewind();
        writeFully(channel, head, at);
    }

    /// Reads the newest copy that is whole.
    ///
    /// @param channel the file
    /// @param room where the room for the copies begins
    /// @param memoryBytes size of the memory
    /// @return the map, or null when neither copy is whole
    /// @throws IOException when the host cannot
    static @Nullable FrameMap readNewest(FileChannel channel, long room, long memoryBytes)
            throws IOException {
        FrameMap even = read(channel, room, 0, memoryBytes);
        FrameMap odd = read(channel, room, 1, memoryBytes);
        if (even == null || odd == null) {
            return even == null ? odd : even;
        }
        return even.generation > odd.generation ? even : odd;
    }

    private static @Nullable FrameMap read(
            FileChannel channel, long room, int copy, long memoryBytes) throws IOException {
        long at = room + copy * copyBytes(memoryBytes);
        ByteBuffer head = buffer(HEAD_BYTES);
        readFully(channel, head, at);
        long generation = head.getLong(8);
        long runCount = head.getLong(24);
        if (head.getLong(0) != MAGIC
                || generation < 1
                || (generation & 1) != copy
                || runCount < 0
                || runCount > maxRuns(memoryBytes)) {
            return null;
        }
        var crc = new CRC32C();
        crc.update(head.slice(0, CHECKED_BYTES));
        long[] runs = new long[Math.toIntExact(2 * runCount)];
        ByteBuffer part = buffer(BUFFER_BYTES);
        long runsAt = at + HEAD_BYTES;
        for (int done = 0; done < runs.length; ) {
            part.clear().limit((int) Math.min(BUFFER_BYTES, 8L * (runs.length - done)));
            runsAt += readFully(channel, part, runsAt);
            crc.update(part.duplicate());
            while (part.hasRemaining()) {
                runs[done++] = part.getLong();
            }
        }
        boolean whole = head.getInt(CHECKED_BYTES) == (int) crc.getValue();
        return whole ? new FrameMap(generation, head.getLong(16), runs) : null;
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /// Writes all of a buffer, from its position on.
    ///
    /// @return how many bytes
    static long writeFully(FileChannel channel, ByteBuffer bytes, long at) throws IOException {
        long done = 0;
        while (bytes.hasRemaining()) {
            done += channel.write(bytes, at + done);
        }
        return done;
    }

    /// Fills the buffer up to its limit and makes it ready to be read.
    private static long readFully(FileChannel channel, ByteBuffer bytes, long at)
            throws IOException {
        long done = 0;
        while (bytes.hasRemaining()) {
            int got = channel.read(bytes, at + done);
            if (got < 0) {
                throw new EOFException("at " + (at + done));
            }
            done += got;
        }
        bytes.flip();
        return done;
    }
}
