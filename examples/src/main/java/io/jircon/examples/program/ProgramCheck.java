package io.jircon.examples.program;

import io.jircon.examples.elf.ElfSegment;
import io.jircon.hal.AccessKind;
import io.jircon.hal.PageSize;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.UserMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Reads a loaded program back through the MMU, compares every byte with the file, and tries what
/// must be refused.
public final class ProgramCheck {
    private static final long CHUNK_BYTES = 64 << 10;

    private final LoadedProgram program;
    private final UserMemory memory;
    private long pagesRead;
    private long bytesCompared;
    private int refusals;

    private ProgramCheck(LoadedProgram program, UserMemory memory) {
        this.program = program;
        this.memory = memory;
    }

    /// What was looked at, and found to be as it must.
    ///
    /// @param pages how many pages were read
    /// @param bytes how many bytes of them were compared
    /// @param refusals how many accesses were tried that had to be refused, and were
    public record Outcome(long pages, long bytes, int refusals) {}

    /// Something is not as it must be.
    public static final class MismatchException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        /// Makes an exception.
        ///
        /// @param message what was expected where, and what was found
        public MismatchException(String message) {
            super(message);
        }
    }

    /// Checks everything.
    ///
    /// @param program what was loaded
    /// @param memory runs in the program's address space
    /// @return what was looked at
    /// @throws MismatchException at the first thing that is not as it must be
    public static Outcome run(LoadedProgram program, UserMemory memory) {
        var check = new ProgramCheck(program, memory);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(CHUNK_BYTES);
            for (LoadedProgram.Placed placed : program.segments()) {
                check.compare(placed, buffer);
            }
            MemorySegment octet = buffer.asSlice(0, 1);
            for (LoadedProgram.Placed placed : program.segments()) {
                check.tryWhatIsForbidden(placed, octet);
            }
            check.useStack(buffer);
        }
        return new Outcome(check.pagesRead, check.bytesCompared, check.refusals);
    }

    /// Every byte of the segment's pages: zeros before the segment, the file's bytes, zeros to the
    /// end of the last page.
    private void compare(LoadedProgram.Placed placed, MemorySegment buffer) {
        if (!placed.flags().canRead()) {
            return; // no access at all: tryWhatIsForbidden looks at it
        }
        ImageLayout.Part part = placed.part();
        MemorySegment file = program.elf().contents(part.segment());
        for (long done = 0; done < part.sizeBytes(); done += CHUNK_BYTES) {
            long length = Math.min(CHUNK_BYTES, part.sizeBytes() - done);
            MemorySegment read = buffer.asSlice(0, length);
            ZxStatus status = memory.access(AccessKind.READ, placed.base() + done, read);
            if (status != ZxStatus.OK) {
                throw new MismatchException(
                        "a read at 0x%x was refused: %s".formatted(memory.refusedAt(), status));
            }
            requireEqual(placed.base(), read, done, file, part.headBytes());
            pagesRead += length / PageSize.BASE_BYTES;
            bytesCompared += length;
        }
    }

    private static void requireEqual(
            long base, MemorySegment read, long readFrom, MemorySegment file, long head) {
        long fileStart = Math.clamp(head - readFrom, 0, read.byteSize());
        long fileEnd = Math.clamp(head + file.byteSize() - readFrom, 0, read.byteSize());
        requireZero(base + readFrom, read, 0, fileStart);
        if (fileStart < fileEnd) {
            long from = readFrom + fileStart - head;
            long different =
                    MemorySegment.mismatch(
                            read, fileStart, fileEnd, file, from, from + fileEnd - fileStart);
            if (different >= 0) {
                throw new MismatchException(
                        "the byte at 0x%x is not that of the file"
                                .formatted(base + readFrom + fileStart + different));
            }
        }
        requireZero(base + readFrom, read, fileEnd, read.byteSize());
    }

    private static void requireZero(long vaddr, MemorySegment read, long from, long to) {
        for (long i = from; i < to; i++) {
            if (read.get(ValueLayout.JAVA_BYTE, i) != 0) {
                throw new MismatchException("the byte at 0x%x is not zero".formatted(vaddr + i));
            }
        }
    }

    private void tryWhatIsForbidden(LoadedProgram.Placed placed, MemorySegment octet) {
        ElfSegment segment = placed.part().segment();
        for (long vaddr : new long[] {placed.base(), placed.end() - 1}) {
            if (!segment.writable()) {
                requireRefused(AccessKind.WRITE, vaddr, octet, ZxStatus.ACCESS_DENIED);
            }
            if (!segment.executable()) {
                requireRefused(AccessKind.EXECUTE, vaddr, octet, ZxStatus.ACCESS_DENIED);
            }
            if (!placed.flags().canRead()) {
                requireRefused(AccessKind.READ, vaddr, octet, ZxStatus.ACCESS_DENIED);
            }
        }
    }

    /// The stack takes a pattern and gives it back; below it is the guard.
    private void useStack(MemorySegment buffer) {
        long top = program.stackEnd();
        MemorySegment pattern = buffer.asSlice(0, 2 * PageSize.BASE_BYTES);
        for (long i = 0; i < pattern.byteSize(); i++) {
            pattern.set(ValueLayout.JAVA_BYTE, i, (byte) (i * 31));
        }
        MemorySegment back = buffer.asSlice(pattern.byteSize(), pattern.byteSize());
        long vaddr = top - pattern.byteSize();
        requireAllowed(memory.access(AccessKind.WRITE, vaddr, pattern));
        requireAllowed(memory.access(AccessKind.READ, vaddr, back));
        if (pattern.mismatch(back) >= 0) {
            throw new MismatchException("the stack does not give back what was written to it");
        }
        MemorySegment octet = buffer.asSlice(0, 1);
        requireRefused(AccessKind.EXECUTE, vaddr, octet, ZxStatus.ACCESS_DENIED);
        long guard = program.stackBase() - 1;
        requireRefused(AccessKind.READ, guard, octet, ZxStatus.NOT_FOUND);
        requireRefused(AccessKind.WRITE, guard, octet, ZxStatus.NOT_FOUND);
    }

    private void requireAllowed(ZxStatus status) {
        if (status != ZxStatus.OK) {
            throw new MismatchException(
                    "an access at 0x%x was refused: %s".formatted(memory.refusedAt(), status));
        }
    }

    private void requireRefused(
            AccessKind access, long vaddr, MemorySegment octet, ZxStatus expected) {
        ZxStatus status = memory.access(access, vaddr, octet);
        if (status != expected) {
            throw new MismatchException(
                    "%s at 0x%x answered %s, not %s".formatted(access, vaddr, status, expected));
        }
        refusals++;
    }
}
