package io.jircon.tests.oracle;

import io.jircon.hal.PhysicalMemory;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// An emulator's RAM as a sparse host file that both sides map.
final class GuestMemory implements AutoCloseable {
    /// The guest program, its parameters and its records take the last 64 MiB.
    static final long PROGRAM_AREA_BYTES = 64L << 20;

    static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int PAGE = 4096;

    private final Path file;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment bytes;
    private final long base;

    GuestMemory(long base, long sizeBytes) throws IOException {
        this.base = base;
        this.file = Files.createTempFile(fastDirectory(), "jircon-guest", ".ram");
        try (FileChannel channel =
                FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            bytes = channel.map(FileChannel.MapMode.READ_WRITE, 0, sizeBytes, arena);
        }
    }

    /// A directory that is memory where the host has one: the files are large, sparse and
    /// short-lived.
    static Path fastDirectory() {
        Path shm = Path.of("/dev/shm");
        return Files.isWritable(shm) ? shm : Path.of(System.getProperty("java.io.tmpdir"));
    }

    Path file() {
        return file;
    }

    /// Physical address of the area that belongs to the guest program.
    long programArea() {
        return base + bytes.byteSize() - PROGRAM_AREA_BYTES;
    }

    MemorySegment slice(long paddr, long length) {
        return bytes.asSlice(paddr - base, length);
    }

    long word(long paddr) {
        return bytes.get(WORD, paddr - base);
    }

    void setWord(long paddr, long value) {
        bytes.set(WORD, paddr - base, value);
    }

    /// Copies a machine's memory in, page by page, and stamps it.
    ///
    /// @throws IllegalArgumentException when it does not fit below the program area
    void load(PhysicalMemory memory) {
        if (Long.compareUnsigned(memory.base(), base) < 0
                || memory.base() + memory.sizeBytes() > programArea()) {
            throw new IllegalArgumentException(
                    "memory at 0x%x of 0x%x bytes does not fit into RAM 0x%x..0x%x"
                            .formatted(memory.base(), memory.sizeBytes(), base, programArea()));
        }
        copyStamped(memory, slice(memory.base(), memory.sizeBytes()));
    }

    /// Copies physical memory and writes each page's own address into its first word where that is
    /// zero, so that a load tells which frame it came from. A page-aligned address is a not-present
    /// entry in all three formats: a stamped table translates as before.
    static void copyStamped(PhysicalMemory memory, MemorySegment target) {
        MemorySegment source = memory.slice(memory.base(), memory.sizeBytes());
        MemorySegment zeros = MemorySegment.ofArray(new byte[PAGE]);
        for (long offset = 0; offset < memory.sizeBytes(); offset += PAGE) {
            if (source.asSlice(offset, PAGE).mismatch(zeros) >= 0) {
                MemorySegment.copy(source, offset, target, offset, PAGE);
            }
            if (target.get(WORD, offset) == 0) {
                target.set(WORD, offset, memory.base() + offset);
            }
        }
    }

    @Override
    public void close() throws IOException {
        arena.close();
        Files.delete(file);
    }
}
