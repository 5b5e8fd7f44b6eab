package io.jircon.examples.program;

import io.jircon.examples.elf.ElfFile;
import io.jircon.examples.elf.ElfFormatException;
import io.jircon.examples.elf.ElfSegment;
import io.jircon.hal.PageSize;
import java.util.ArrayList;
import java.util.List;

/// Which pages a program's segments take, at the addresses it was linked for. Addresses and sizes
/// are unsigned bytes.
///
/// @param base address of the first page of the first segment
/// @param sizeBytes from there to the end of the last page of the last segment
/// @param alignment what `base` has to stay a multiple of when the program is moved: a power of
///   two, at least a page
/// @param parts one for each segment, ascending, no two on the same page
public record ImageLayout(long base, long sizeBytes, long alignment, List<Part> parts) {
    /// The largest alignment a region can be given.
    private static final long MAX_ALIGNMENT = 1L << 32;

    /// The pages of one segment.
    ///
    /// @param segment what lies in them
    /// @param base address of the first page, as linked
    /// @param sizeBytes their size, a positive multiple of a page
    public record Part(ElfSegment segment, long base, long sizeBytes) {
        /// How many bytes lie before the segment in its first page.
        ///
        /// @return less than a page
        public long headBytes() {
            return segment.vaddr() - base;
        }
    }

    /// Copies the parts.
    ///
    /// @param base address of the first page
    /// @param sizeBytes total span
    /// @param alignment what the base has to stay a multiple of
    /// @param parts one for each segment
    public ImageLayout {
        parts = List.copyOf(parts);
    }

    /// Lays a program out.
    ///
    /// @param elf a checked program
    /// @return where its segments go
    /// @throws ElfFormatException when two segments share a page, so that the page would need both
    ///   permissions; when a segment ends in the last page there is; when an alignment is more than
    ///   4 GiB
    public static ImageLayout of(ElfFile elf) throws ElfFormatException {
        var parts = new ArrayList<Part>();
        long alignment = PageSize.BASE_BYTES;
        for (ElfSegment segment : elf.segments()) {
            Part part = pagesOf(segment);
            if (!parts.isEmpty()) {
                Part before = parts.getLast();
                if (Long.compareUnsigned(part.base, before.base + before.sizeBytes) < 0) {
                    throw new ElfFormatException(
                            "segments "
                                    + before.segment.index()
                                    + " and "
                                    + segment.index()
                                    + " share the page at 0x"
                                    + Long.toHexString(part.base));
                }
            }
            if (Long.compareUnsigned(segment.alignment(), MAX_ALIGNMENT) > 0) {
                throw new ElfFormatException(
                        "segment "
                                + segment.index()
                                + ": p_align=0x"
                                + Long.toHexString(segment.alignment())
                                + " is more than 4 GiB");
            }
            alignment = Math.max(alignment, segment.alignment());
            parts.add(part);
        }
        long base = parts.getFirst().base;
        Part last = parts.getLast();
        return new ImageLayout(base, last.base + last.sizeBytes - base, alignment, parts);
    }

    private static Part pagesOf(ElfSegment segment) throws ElfFormatException {
        long base = PageSize.SIZE_4K.alignDown(segment.vaddr());
        long end = PageSize.SIZE_4K.alignDown(segment.end() - 1) + PageSize.BASE_BYTES;
        if (end == 0) {
            throw new ElfFormatException(
                    "segment "
                            + segment.index()
                            + " ends at 0x"
                            + Long.toHexString(segment.end())
                            + ", in the last page of the address space");
        }
        return new Part(segment, base, end - base);
    }

    /// How many bytes the pages of all segments have, without the gaps between them.
    ///
    /// @return unsigned; cannot wrap around, because the parts do not overlap
    public long memoryBytes() {
        long sum = 0;
        for (Part part : parts) {
            sum += part.sizeBytes;
        }
        return sum;
    }

    /// log2 of the alignment.
    ///
    /// @return 12 to 32
    public int alignmentShift() {
        return Long.numberOfTrailingZeros(alignment);
    }
}
