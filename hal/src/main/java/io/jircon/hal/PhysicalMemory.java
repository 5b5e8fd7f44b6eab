package io.jircon.hal;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Objects;

/// A machine's physical memory: bytes from [#base()] on, little-endian words, over one off-heap
/// segment.
///
/// Plain reads and writes race as those of real memory do. Page-table entries go through the
/// acquire, release and compare-and-set forms, because a walker reads them without a lock (clause
///
public final class PhysicalMemory {
    private static final ValueLayout.OfLong WORD =
            ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle WORDS = WORD.varHandle();
    private static final MemorySegment ZERO_PAGE =
            MemorySegment.ofArray(new byte[(int) PageSize.BASE_BYTES]).asReadOnly();

    private final MemorySegment segment;
    private final long base;
    private final long sizeBytes;

    /// Lays physical addresses over a segment.
    ///
    /// @param segment the bytes, 8-byte aligned in native memory; must allow access from every
    ///   thread
    /// @param base physical address of its first byte, page aligned
    /// @throws PagingException NOT_ALIGNED when the base or the segment's size is not page aligned;
    ///   OUT_OF_RANGE when the range wraps around
    public PhysicalMemory(MemorySegment segment, long base) {
        Objects.requireNonNull(segment, "segment");
        if (!PageSize.SIZE_4K.isAligned(base)) {
            throw PagingException.notAligned("base", base, PageSize.SIZE_4K);
        }
        if (!PageSize.SIZE_4K.isAligned(segment.byteSize())) {
            throw PagingException.notAligned("size", segment.byteSize(), PageSize.SIZE_4K);
        }
        if (Long.compareUnsigned(base + segment.byteSize() - 1, base) < 0) {
            throw PagingException.outOfRange("base", base, "plus the size wraps around");
        }
        this.segment = segment;
        this.base = base;
        this.sizeBytes = segment.byteSize();
    }

    /// Physical address of the first byte.
    ///
    /// @return page aligned, unsigned
    public long base() {
        return base;
    }

    /// Size in bytes.
    ///
    /// @return a multiple of the base page
    public long sizeBytes() {
        return sizeBytes;
    }

    /// Whether a range lies in this memory.
    ///
    /// @param paddr physical address of the first byte, unsigned
    /// @param length how many bytes, unsigned
    /// @return true when every byte does
    public boolean contains(long paddr, long length) {
        long offset = paddr - base;
        return Long.compareUnsigned(offset, sizeBytes) <= 0
                && Long.compareUnsigned(length, sizeBytes - offset) <= 0;
    }

    /// Reads a word.
    ///
    /// @param paddr physical address, a multiple of 8
    /// @return the word
    /// @throws IndexOutOfBoundsException outside this memory
    public long readLong(long paddr) {
        return segment.get(WORD, paddr - base);
    }

    /// Writes a word.
    ///
    /// @param paddr physical address, a multiple of 8
    /// @param value the word
    /// @throws IndexOutOfBoundsException outside this memory
    public void writeLong(long paddr, long value) {
        segment.set(WORD, paddr - base, value);
    }

    /// Reads a word before anything that follows.
    ///
    /// @param paddr physical address, a multiple of 8
    /// @return the word
    /// @throws IndexOutOfBoundsException outside this memory
    public long readLongAcquire(long paddr) {
        return (long) WORDS.getAcquire(segment, paddr - base);
    }

    /// Writes a word after everything that went before.
    ///
    /// @param paddr physical address, a multiple of 8
    /// @param value the word
    /// @throws IndexOutOfBoundsException outside this memory
    public void writeLongRelease(long paddr, long value) {
        WORDS.setRelease(segment, paddr - base, value);
    }

    /// Replaces a word if it still has the value that was read.
    ///
    /// @param paddr physical address, a multiple of 8
    /// @param expected the value that was read
    /// @param value the new word
    /// @return whether it was replaced
    /// @throws IndexOutOfBoundsException outside this memory
    public boolean compareAndSetLong(long paddr, long expected, long value) {
        return WORDS.compareAndSet(segment, paddr - base, expected, value);
    }

    /// Carries out an atomic act on a word.
    ///
    /// @param paddr physical address of the word, a multiple of its width
    /// @param access what to do; holds the word that was there afterwards
    /// @throws IndexOutOfBoundsException outside this memory
    public void atomic(long paddr, AtomicAccess access) {
        access.perform(segment, paddr - base);
    }

    /// Copies bytes out.
    ///
    /// @param paddr physical address of the first byte
    /// @param target where they go
    /// @param targetOffset offset in `target`, in bytes
    /// @param length how many bytes
    /// @throws IndexOutOfBoundsException outside this memory or the target
    public void read(long paddr, MemorySegment target, long targetOffset, long length) {
        MemorySegment.copy(segment, paddr - base, target, targetOffset, length);
    }

    /// Copies bytes in.
    ///
    /// @param paddr physical address of the first byte
    /// @param source where they come from
    /// @param sourceOffset offset in `source`, in bytes
    /// @param length how many bytes
    /// @throws IndexOutOfBoundsException outside this memory or the source
    public void write(long paddr, MemorySegment source, long sourceOffset, long length) {
        MemorySegment.copy(source, sourceOffset, segment, paddr - base, length);
    }

    /// Sets bytes to zero.
    ///
    /// @param paddr physical address of the first byte
    /// @param length how many bytes
    /// @throws IndexOutOfBoundsException outside this memory
    public void zero(long paddr, long length) {
        if (length >= 0 && length <= PageSize.BASE_BYTES) {
            // A copy makes no view of the memory, so clearing a frame makes no garbage.
            MemorySegment.copy(ZERO_PAGE, 0, segment, paddr - base, length);
        } else {
            segment.asSlice(paddr - base, length).fill((byte) 0);
        }
    }

    /// Copies bytes inside this memory; the ranges may overlap.
    ///
    /// @param fromPaddr physical address of the first byte to read
    /// @param toPaddr physical address of the first byte to write
    /// @param length how many bytes
    /// @throws IndexOutOfBoundsException outside this memory
    public void copy(long fromPaddr, long toPaddr, long length) {
        MemorySegment.copy(segment, fromPaddr - base, segment, toPaddr - base, length);
    }

    /// The bytes themselves, for bulk access.
    ///
    /// @param paddr physical address of the first byte
    /// @param length how many bytes
    /// @return a view that lives as long as the machine
    /// @throws IndexOutOfBoundsException outside this memory
    public MemorySegment slice(long paddr, long length) {
        return segment.asSlice(paddr - base, length);
    }
}
