package io.jircon.examples.elf;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/// An ELF64 program that was checked as a whole: of any architecture and of either byte order, an
/// executable or a position-independent one.
///
/// Every offset, size and address in a file is taken as unsigned and as hostile; sums of them are
/// never formed before it is known that they do not wrap around.
///
/// @param bytes the whole file, read-only
/// @param machine the architecture's name
/// @param order the byte order of the file's words
/// @param positionIndependent whether the program may be loaded anywhere (`ET_DYN`)
/// @param entry virtual address where it starts, unsigned, as linked; 0 for a library
/// @param segments what is loaded, at least one, in ascending order, not overlapping
public record ElfFile(
        MemorySegment bytes,
        String machine,
        ByteOrder order,
        boolean positionIndependent,
        long entry,
        List<ElfSegment> segments) {

    /// The largest file that is read.
    public static final long MAX_BYTES = 1L << 30;

    private static final int HEADER_BYTES = 64;
    private static final int PROGRAM_HEADER_BYTES = 56;
    private static final int SECTION_HEADER_BYTES = 64;

    private static final int CLASS_32 = 1;
    private static final int CLASS_64 = 2;
    private static final int LITTLE_ENDIAN = 1;
    private static final int BIG_ENDIAN = 2;
    private static final int VERSION = 1;
    private static final int TYPE_EXECUTABLE = 2;
    private static final int TYPE_DYNAMIC = 3;
    private static final int TYPE_LOAD = 1;
    private static final int FLAG_EXECUTE = 1;
    private static final int FLAG_WRITE = 2;
    private static final int FLAG_READ = 4;

    /// `e_phnum` when the number does not fit: it then stands in `sh_info` of section 0.
    private static final int COUNT_ELSEWHERE = 0xffff;

    /// Copies the segments.
    ///
    /// @param bytes the whole file
    /// @param machine the architecture's name
    /// @param order the byte order
    /// @param positionIndependent whether it may be loaded anywhere
    /// @param entry where it starts
    /// @param segments what is loaded
    public ElfFile {
        segments = List.copyOf(segments);
    }

    /// Reads and checks a file.
    ///
    /// @param path the file
    /// @param arena owns the memory that its bytes are read into
    /// @return a program
    /// @throws ElfFormatException when it is not a program that can be loaded; the message says why
    /// @throws IOException when the file is missing, cannot be read, or is not a regular file
    public static ElfFile read(Path path, Arena arena) throws IOException {
        if (!Files.exists(path)) {
            throw new NoSuchFileException(path.toString(), null, "no such file");
        }
        if (!Files.isRegularFile(path)) {
            throw new IOException("not a regular file");
        }
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            if (channel.size() > MAX_BYTES) {
                throw new IOException(
                        "size=" + channel.size() + " is more than the limit of " + MAX_BYTES);
            }
            MemorySegment bytes = arena.allocate(channel.size(), 8);
            for (long done = 0; done < bytes.byteSize(); ) {
                int count = channel.read(bytes.asSlice(done).asByteBuffer());
                if (count < 0) {
                    throw new ElfFormatException("the file got shorter while it was read");
                }
                done += count;
            }
            return parse(bytes.asReadOnly());
        }
    }

    /// Checks a file that is in memory.
    ///
    /// @param bytes the whole file
    /// @return a program that keeps `bytes`
    /// @throws ElfFormatException when it is not a program that can be loaded; the message says why
    public static ElfFile parse(MemorySegment bytes) throws ElfFormatException {
        return new Parser(bytes).parse();
    }

    /// The parts of a segment that the file gives.
    ///
    /// @param segment one of [#segments()]
    /// @return its first `fileSize` bytes
    public MemorySegment contents(ElfSegment segment) {
        return bytes.asSlice(segment.offset(), segment.fileSize());
    }

    /// One pass over the headers. Fields keep the names of the specification.
    private static final class Parser {
        private final MemorySegment bytes;
        private final long size;
        private ByteOrder order = ByteOrder.LITTLE_ENDIAN;

        Parser(MemorySegment bytes) {
            this.bytes = bytes;
            this.size = bytes.byteSize();
        }

        ElfFile parse() throws ElfFormatException {
            checkIdentification();
            int type = half(16);
            if (type != TYPE_EXECUTABLE && type != TYPE_DYNAMIC) {
                throw new ElfFormatException(
                        "e_type=" + type + " is neither an executable (2) nor a shared object (3)");
            }
            int version = word(20);
            if (version != VERSION) {
                throw new ElfFormatException("e_version=" + version + " is not 1");
            }
            List<ElfSegment> segments = readSegments();
            if (segments.isEmpty()) {
                throw new ElfFormatException("no segment is to be loaded (no PT_LOAD)");
            }
            return new ElfFile(
                    bytes,
                    ElfMachine.name(half(18)),
                    order,
                    type == TYPE_DYNAMIC,
                    giant(24),
                    segments);
        }

        private void checkIdentification() throws ElfFormatException {
            if (size < 4
                    || octet(0) != 0x7f
                    || octet(1) != 'E'
                    || octet(2) != 'L'
                    || octet(3) != 'F') {
                throw new ElfFormatException(
                        "not an ELF file (the first four bytes are not 7f E L F)");
            }
            if (size < HEADER_BYTES) {
                throw new ElfFormatException(
                        "truncated: " + size + " bytes are less than a header of " + HEADER_BYTES);
            }
            int fileClass = octet(4);
            if (fileClass == CLASS_32) {
                throw new ElfFormatException("a 32-bit ELF file; only 64-bit ones are supported");
            }
            if (fileClass != CLASS_64) {
                throw new ElfFormatException("EI_CLASS=" + fileClass + " is neither 1 nor 2");
            }
            int encoding = octet(5);
            if (encoding != LITTLE_ENDIAN && encoding != BIG_ENDIAN) {
                throw new ElfFormatException("EI_DATA=" + encoding + " is neither 1 nor 2");
            }
            order = encoding == BIG_ENDIAN ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN;
            if (octet(6) != VERSION) {
                throw new ElfFormatException("EI_VERSION=" + octet(6) + " is not 1");
            }
        }

        private List<ElfSegment> readSegments() throws ElfFormatException {
            long count = programHeaderCount();
            long table = giant(32);
            int entrySize = half(54);
            if (count != 0 && entrySize != PROGRAM_HEADER_BYTES) {
                throw new ElfFormatException(
                        "e_phentsize=" + entrySize + " is not " + PROGRAM_HEADER_BYTES);
            }
            // count is below 2^32, so the product cannot overflow.
            requireInFile("the program header table", table, count * PROGRAM_HEADER_BYTES);
            var segments = new ArrayList<ElfSegment>();
            for (long i = 0; i < count; i++) {
                long header = table + i * PROGRAM_HEADER_BYTES;
                if (word(header) == TYPE_LOAD && giant(header + 40) != 0) {
                    ElfSegment segment = readSegment((int) i, header);
                    if (!segments.isEmpty()) {
                        requireOrder(segments.getLast(), segment);
                    }
                    segments.add(segment);
                }
            }
            return segments;
        }

        private long programHeaderCount() throws ElfFormatException {
            int count = half(56);
            if (count != COUNT_ELSEWHERE) {
                return count;
            }
            long sections = giant(40);
            if (sections == 0) {
                throw new ElfFormatException(
                        "e_phnum=0xffff refers to section 0, but e_shoff=0: there are no sections");
            }
            requireInFile("section header 0", sections, SECTION_HEADER_BYTES);
            return Integer.toUnsignedLong(word(sections + 44));
        }

        private ElfSegment readSegment(int index, long header) throws ElfFormatException {
            int flags = word(header + 4);
            var segment =
                    new ElfSegment(
                            index,
                            giant(header + 8),
                            giant(header + 16),
                            giant(header + 32),
                            giant(header + 40),
                            giant(header + 48),
                            (flags & FLAG_READ) != 0,
                            (flags & FLAG_WRITE) != 0,
                            (flags & FLAG_EXECUTE) != 0);
            String name = "segment " + index;
            requireInFile(name, segment.offset(), segment.fileSize());
            if (Long.compareUnsigned(segment.fileSize(), segment.memorySize()) > 0) {
                throw new ElfFormatException(
                        name
                                + ": p_filesz="
                                + hex(segment.fileSize())
                                + " is more than p_memsz="
                                + hex(segment.memorySize()));
            }
            if (Long.compareUnsigned(segment.memorySize(), -1L - segment.vaddr()) > 0) {
                throw new ElfFormatException(
                        name
                                + ": p_vaddr="
                                + hex(segment.vaddr())
                                + " plus p_memsz="
                                + hex(segment.memorySize())
                                + " leaves the address space");
            }
            requireAlignment(name, segment);
            return segment;
        }

        private static void requireAlignment(String name, ElfSegment segment)
                throws ElfFormatException {
            long alignment = segment.alignment();
            if ((alignment & (alignment - 1)) != 0) {
                throw new ElfFormatException(
                        name + ": p_align=" + hex(alignment) + " is not a power of two");
            }
            if (alignment != 0 && ((segment.vaddr() - segment.offset()) & (alignment - 1)) != 0) {
                throw new ElfFormatException(
                        name
                                + ": p_vaddr="
                                + hex(segment.vaddr())
                                + " and p_offset="
                                + hex(segment.offset())
                                + " differ modulo p_align="
                                + hex(alignment));
            }
        }

        private static void requireOrder(ElfSegment before, ElfSegment segment)
                throws ElfFormatException {
            if (Long.compareUnsigned(segment.vaddr(), before.end()) < 0) {
                throw new ElfFormatException(
                        "segment "
                                + segment.index()
                                + " at "
                                + hex(segment.vaddr())
                                + " does not lie after segment "
                                + before.index()
                                + ", which ends at "
                                + hex(before.end()));
            }
        }

        private void requireInFile(String what, long offset, long length)
                throws ElfFormatException {
            if (Long.compareUnsigned(offset, size) > 0
                    || Long.compareUnsigned(length, size - offset) > 0) {
                throw new ElfFormatException(
                        "truncated or corrupt: "
                                + what
                                + " (offset "
                                + hex(offset)
                                + ", "
                                + Long.toUnsignedString(length)
                                + " bytes) leaves the file of "
                                + size
                                + " bytes");
            }
        }

        private int octet(long offset) {
            return Byte.toUnsignedInt(bytes.get(ValueLayout.JAVA_BYTE, offset));
        }

        private int half(long offset) {
            return Short.toUnsignedInt(
                    bytes.get(ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(order), offset));
        }

        private int word(long offset) {
            return bytes.get(ValueLayout.JAVA_INT_UNALIGNED.withOrder(order), offset);
        }

        private long giant(long offset) {
            return bytes.get(ValueLayout.JAVA_LONG_UNALIGNED.withOrder(order), offset);
        }

        private static String hex(long value) {
            return "0x" + Long.toHexString(value);
        }
    }
}
