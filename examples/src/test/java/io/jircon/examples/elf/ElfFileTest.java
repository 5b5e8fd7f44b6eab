package io.jircon.examples.elf;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class ElfFileTest {
    private static final int FIRST_LOAD = 64;

    @TempDir private Path directory;

    private static ElfFile parse(ByteBuffer file) throws ElfFormatException {
        return ElfFile.parse(MemorySegment.ofBuffer(file).asReadOnly());
    }

    private static String refusal(ByteBuffer file) {
        return assertThrows(ElfFormatException.class, () -> parse(file)).getMessage();
    }

    private static String refusalOf(Consumer<ByteBuffer> damage) {
        ByteBuffer file = ElfBuilder.program().build();
        damage.accept(file);
        return refusal(file);
    }

    /// The two byte orders.
    enum Order {
        LITTLE(ByteOrder.LITTLE_ENDIAN),
        BIG(ByteOrder.BIG_ENDIAN);

        private final ByteOrder order;

        Order(ByteOrder order) {
            this.order = order;
        }
    }

    @ParameterizedTest
    @EnumSource
    void readsAProgramOfEitherByteOrder(Order order) throws IOException {
        ElfFile elf = parse(ElfBuilder.program().order(order.order).build());

        assertEquals("x86_64", elf.machine());
        assertEquals(order.order, elf.order());
        assertFalse(elf.positionIndependent());
        assertEquals(0x400010, elf.entry());
        assertEquals(2, elf.segments().size());
        assertEquals(
                new ElfSegment(0, 0x1000, 0x400000, 0xf00, 0xf00, 0x1000, true, false, true),
                elf.segments().get(0));
        assertEquals(
                new ElfSegment(1, 0x2000, 0x402000, 0x800, 0x2345, 0x1000, true, true, false),
                elf.segments().get(1));
    }

    @Test
    void contentsAreTheSegmentsBytesOfTheFile() throws IOException {
        ByteBuffer file = ElfBuilder.program().build();
        ElfFile elf = parse(file);

        byte[] expected = new byte[0x800];
        file.get(0x2000, expected);
        byte[] actual = elf.contents(elf.segments().get(1)).toArray(ValueLayout.JAVA_BYTE);
        assertArrayEquals(expected, actual);
    }

    @Test
    void sharedObjectIsPositionIndependent() throws IOException {
        ByteBuffer file = ElfBuilder.program().build();
        file.putShort(16, (short) 3);

        assertTrue(parse(file).positionIndependent());
    }

    @Test
    void unknownMachineIsNamedByItsNumber() throws IOException {
        ByteBuffer file = ElfBuilder.program().build();
        file.putShort(18, (short) 0xfffe);

        assertEquals("machine 65534", parse(file).machine());
    }

    @Test
    void segmentWithoutMemoryIsIgnored() throws IOException {
        ByteBuffer file = ElfBuilder.program().load(4, 0, 0x400000, 0, 0, 1).build();

        assertEquals(2, parse(file).segments().size());
    }

    @Test
    void segmentMayEndAtTheLastByteButOneOfTheAddressSpace() throws IOException {
        ElfFile elf = parse(new ElfBuilder().load(4, 0x1000, -0x1000, 0xfff, 0xfff, 0).build());

        assertEquals(-1, elf.segments().getFirst().end());
    }

    @Test
    void segmentMayEndAtTheLastByteOfTheFile() throws IOException {
        ElfFile elf = parse(new ElfBuilder().load(4, 0x1000, 0x1000, 0x2000, 0x2000, 0).build());

        assertEquals(0x2000, elf.contents(elf.segments().getFirst()).byteSize());
    }

    @Test
    void programHeaderCountMayStandInSectionZero() throws IOException {
        ByteBuffer file = ElfBuilder.program().build();
        file.putShort(56, (short) -1).putLong(40, 0x2f00).putInt(0x2f00 + 44, 2);

        assertEquals(2, parse(file).segments().size());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3})
    void fileShorterThanTheMagicIsNotElf(int size) {
        assertEquals(
                "not an ELF file (the first four bytes are not 7f E L F)",
                refusal(ElfBuilder.program().build().slice(0, size)));
    }

    @Test
    void textIsNotElf() {
        assertEquals(
                "not an ELF file (the first four bytes are not 7f E L F)",
                refusal(ByteBuffer.wrap("#!/bin/sh\n".repeat(20).getBytes())));
    }

    @ParameterizedTest
    @ValueSource(ints = {4, 16, 63})
    void fileShorterThanTheHeaderIsTruncated(int size) {
        assertEquals(
                "truncated: " + size + " bytes are less than a header of 64",
                refusal(ElfBuilder.program().build().slice(0, size)));
    }

    @Test
    void everyTruncationOfAProgramIsRefused() {
        ByteBuffer file = ElfBuilder.program().build();
        int needed = 0x2800;
        for (int size = 0; size < needed; size++) {
            refusal(file.slice(0, size));
        }
    }

    @Test
    void file32BitIsRefused() {
        assertEquals(
                "a 32-bit ELF file; only 64-bit ones are supported",
                refusalOf(file -> file.put(4, (byte) 1)));
    }

    @Test
    void unknownClassIsRefused() {
        assertEquals("EI_CLASS=3 is neither 1 nor 2", refusalOf(file -> file.put(4, (byte) 3)));
    }

    @Test
    void unknownByteOrderIsRefused() {
        assertEquals("EI_DATA=255 is neither 1 nor 2", refusalOf(file -> file.put(5, (byte) -1)));
    }

    @Test
    void unknownVersionsAreRefused() {
        assertEquals("EI_VERSION=0 is not 1", refusalOf(file -> file.put(6, (byte) 0)));
        assertEquals("e_version=2 is not 1", refusalOf(file -> file.putInt(20, 2)));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 4, 0xff00})
    void fileThatIsNoProgramIsRefused(int type) {
        assertEquals(
                "e_type=" + type + " is neither an executable (2) nor a shared object (3)",
                refusalOf(file -> file.putShort(16, (short) type)));
    }

    @Test
    void programHeadersOfAnotherSizeAreRefused() {
        assertEquals("e_phentsize=32 is not 56", refusalOf(file -> file.putShort(54, (short) 32)));
    }

    @Test
    void fileWithoutSegmentsIsRefused() {
        assertEquals("no segment is to be loaded (no PT_LOAD)", refusal(new ElfBuilder().build()));
    }

    @ParameterizedTest
    @ValueSource(longs = {0x3000, 0x2fff, -1, -112, Long.MIN_VALUE, Long.MAX_VALUE})
    void programHeadersOutsideTheFileAreRefused(long offset) {
        assertEquals(
                "truncated or corrupt: the program header table (offset 0x"
                        + Long.toHexString(offset)
                        + ", 112 bytes) leaves the file of 12288 bytes",
                refusalOf(file -> file.putLong(32, offset)));
    }

    @Test
    void countInAMissingSectionZeroIsRefused() {
        assertEquals(
                "e_phnum=0xffff refers to section 0, but e_shoff=0: there are no sections",
                refusalOf(file -> file.putShort(56, (short) -1)));
    }

    @Test
    void countOfFourBillionProgramHeadersIsRefused() {
        assertEquals(
                "truncated or corrupt: the program header table (offset 0x40, 240518168520 bytes)"
                        + " leaves the file of 12288 bytes",
                refusalOf(file ->
                        file.putShort(56, (short) -1).putLong(40, 0x2f00).putInt(0x2f00 + 44, -1)));
    }

    @ParameterizedTest
    @ValueSource(longs = {0x2001, 0x3001, -1, Long.MIN_VALUE})
    void segmentContentsOutsideTheFileAreRefused(long fileSize) {
        assertEquals(
                "truncated or corrupt: segment 0 (offset 0x1000, "
                        + Long.toUnsignedString(fileSize)
                        + " bytes) leaves the file of 12288 bytes",
                refusalOf(file -> file.putLong(FIRST_LOAD + 32, fileSize)));
    }

    @Test
    void segmentOffsetThatWrapsAroundIsRefused() {
        assertEquals(
                "truncated or corrupt: segment 0 (offset 0xfffffffffffff000, 3840 bytes) leaves the"
                        + " file of 12288 bytes",
                refusalOf(file -> file.putLong(FIRST_LOAD + 8, -0x1000)));
    }

    @Test
    void moreBytesInTheFileThanInMemoryAreRefused() {
        assertEquals(
                "segment 0: p_filesz=0xf00 is more than p_memsz=0xeff",
                refusalOf(file -> file.putLong(FIRST_LOAD + 40, 0xeff)));
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, -0x400000})
    void segmentThatWrapsAroundIsRefused(long memorySize) {
        assertEquals(
                "segment 0: p_vaddr=0x400000 plus p_memsz=0x"
                        + Long.toHexString(memorySize)
                        + " leaves the address space",
                refusalOf(file -> file.putLong(FIRST_LOAD + 40, memorySize)));
    }

    @Test
    void alignmentThatIsNoPowerOfTwoIsRefused() {
        assertEquals(
                "segment 0: p_align=0x1001 is not a power of two",
                refusalOf(file -> file.putLong(FIRST_LOAD + 48, 0x1001)));
    }

    @Test
    void addressThatDoesNotMatchTheOffsetIsRefused() {
        assertEquals(
                "segment 0: p_vaddr=0x400010 and p_offset=0x1000 differ modulo p_align=0x1000",
                refusalOf(file -> file.putLong(FIRST_LOAD + 16, 0x400010)));
    }

    @Test
    void largestAlignmentCounts() {
        assertEquals(
                "segment 0: p_vaddr=0x400000 and p_offset=0x1000 differ modulo"
                        + " p_align=0x8000000000000000",
                refusalOf(file -> file.putLong(FIRST_LOAD + 48, Long.MIN_VALUE)));
    }

    @Test
    void overlappingSegmentsAreRefused() {
        assertEquals(
                "segment 1 at 0x400000 does not lie after segment 0, which ends at 0x400f00",
                refusalOf(file -> file.putLong(FIRST_LOAD + 56 + 16, 0x400000)));
    }

    @Test
    void addressesAreComparedUnsigned() {
        assertEquals(
                "segment 1 at 0x402000 does not lie after segment 0, which ends at"
                        + " 0xffffffff80000f00",
                refusalOf(file -> file.putLong(FIRST_LOAD + 16, 0xffffffff80000000L)));
    }

    @Test
    void readTakesTheBytesOfAFile() throws IOException {
        ByteBuffer file = ElfBuilder.program().build();
        Path path = Files.write(directory.resolve("program"), file.array());
        try (Arena arena = Arena.ofConfined()) {
            ElfFile elf = ElfFile.read(path, arena);
            assertArrayEquals(file.array(), elf.bytes().toArray(ValueLayout.JAVA_BYTE));
            assertTrue(elf.bytes().isReadOnly());
        }
    }

    @Test
    void missingFileIsNamed() {
        Path path = directory.resolve("nothing");
        var thrown =
                assertThrows(NoSuchFileException.class, () -> ElfFile.read(path, Arena.ofAuto()));
        assertEquals(path.toString(), thrown.getFile());
    }

    @Test
    void directoryIsNoRegularFile() {
        var thrown = assertThrows(IOException.class, () -> ElfFile.read(directory, Arena.ofAuto()));
        assertEquals("not a regular file", thrown.getMessage());
    }

    /// Damages a good file at random places, biased to its headers, with values that sit at the
    /// edges; whatever comes of it is a program whose segments can be read, or a refusal.
    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4})
    void damagedFileIsReadOrRefused(long seed) {
        long[] edges = {0, 1, -1, Long.MIN_VALUE, Long.MAX_VALUE, 0x3000, 0x2fff, -0x1000, 64, 56};
        var random = new SplittableRandom(seed);
        int accepted = 0;
        int refused = 0;
        for (int round = 0; round < 20_000; round++) {
            var order = random.nextBoolean() ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN;
            ByteBuffer file = ElfBuilder.program().order(order).build();
            for (int n = random.nextInt(1, 5); n > 0; n--) {
                int at = random.nextInt(random.nextInt(10) == 0 ? 0x2ff8 : 64 + 2 * 56);
                switch (random.nextInt(4)) {
                    case 0 -> file.put(at, (byte) random.nextInt());
                    case 1 -> file.putShort(at & ~1, (short) random.nextInt());
                    case 2 -> file.putLong(at & ~7, edges[random.nextInt(edges.length)]);
                    default -> file.putLong(at & ~7, random.nextLong() >>> random.nextInt(64));
                }
            }
            int size = random.nextInt(8) == 0 ? random.nextInt(0x3001) : 0x3000;
            try {
                ElfFile elf = parse(file.slice(0, size).order(order));
                for (ElfSegment segment : elf.segments()) {
                    assertEquals(segment.fileSize(), elf.contents(segment).byteSize());
                    assertTrue(Long.compareUnsigned(segment.end(), segment.vaddr()) > 0);
                }
                accepted++;
            } catch (ElfFormatException expected) {
                refused++;
            }
        }
        assertTrue(accepted > 1_000 && refused > 1_000, accepted + " accepted, " + refused);
    }
}
