package io.jircon.examples.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.hal.npt.NestedPageTable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MachineImageTest {
    private static final HalConfig SMALL = HalConfig.DEFAULT.withMemoryBytes(4 << 20);

    @TempDir private Path directory;

    private static NestedPageTable guestTable(Hal hal) {
        return (NestedPageTable) hal.newPageTable(AddressSpaceKind.GUEST);
    }

    private MachineImage.Summary write(Hal hal, NestedPageTable table) throws IOException {
        return new MachineImage(hal.memory(), table).write(directory, new SplittableRandom(1));
    }

    private List<String> lines(String file) throws IOException {
        return Files.readAllLines(directory.resolve(file));
    }

    @Test
    void answersNameThePhysicalAddress() throws IOException {
        try (Hal hal = Hals.create("riscv64", SMALL);
                NestedPageTable table = guestTable(hal)) {
            long frame = hal.frames().allocate();
            table.map(0x5000, frame, PageSize.SIZE_4K, MmuFlags.RX);

            MachineImage.Summary summary = write(hal, table);

            List<String> answers = lines("expected.txt");
            assertTrue(answers.contains("5000 r ok " + Long.toHexString(frame)));
            assertTrue(answers.contains("5000 w fault"));
            assertTrue(answers.contains("5000 x ok " + Long.toHexString(frame)));
            assertTrue(answers.contains("4000 r fault"));
            assertTrue(answers.contains("6000 r fault"));
            assertEquals(
                    new MachineImage.Summary(Map.of(PageSize.SIZE_4K, 1), answers.size(), 2),
                    summary);
        }
    }

    @Test
    void everyQuestionHasItsAnswerInTheSameLine() throws IOException {
        try (Hal hal = Hals.create("x86_64", SMALL);
                NestedPageTable table = guestTable(hal)) {
            table.map(1L << 30, 1L << 40, PageSize.SIZE_1G, MmuFlags.RW);
            write(hal, table);

            List<String> questions = lines("probes.txt");
            List<String> answers = lines("expected.txt");
            assertEquals(questions.size(), answers.size());
            for (int i = 0; i < questions.size(); i++) {
                assertTrue(answers.get(i).startsWith(questions.get(i) + " "));
            }
        }
    }

    @Test
    void codeThatMightRunIsNotProbed() throws IOException {
        try (Hal hal = Hals.create("riscv64", SMALL);
                NestedPageTable table = guestTable(hal)) {
            long frame = hal.frames().allocate();
            hal.memory().writeLong(frame + 8, 0x13); // nop
            table.map(0x5000, frame, PageSize.SIZE_4K, MmuFlags.RX);

            write(hal, table);

            assertFalse(lines("probes.txt").contains("5000 x"));
            assertTrue(lines("probes.txt").contains("5000 r"));
        }
    }

    @Test
    void imageIsTheMemory() throws IOException {
        try (Hal hal = Hals.create("aarch64", SMALL);
                NestedPageTable table = guestTable(hal)) {
            table.map(0, hal.frames().allocate(), PageSize.SIZE_4K, MmuFlags.RW);

            write(hal, table);

            byte[] image = Files.readAllBytes(directory.resolve("image.bin"));
            assertEquals(hal.memory().sizeBytes(), image.length);
            ByteBuffer words = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
            for (int offset = 0; offset < image.length; offset += 8) {
                long expected = hal.memory().readLong(hal.memory().base() + offset);
                if (words.getLong(offset) != expected) {
                    assertEquals(expected, words.getLong(offset), "word at " + offset);
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "riscv64, 3, mode=8",
        "riscv64, 4, mode=9",
        "aarch64, 3, vtcr=80023558",
        "aarch64, 4, vtcr=80023590",
    })
    void metaHoldsTheControlRegister(String name, String levels, String register)
            throws IOException {
        try (Hal hal = Hals.create(name, SMALL.withOption("levels", levels));
                NestedPageTable table = guestTable(hal)) {
            write(hal, table);

            String root = "root=" + Long.toHexString(table.rootAddress());
            assertEquals(List.of("base=80000000", root, register), lines("meta.txt"));
        }
    }

    @Test
    void eptPointerHoldsTheRoot() throws IOException {
        try (Hal hal = Hals.create("x86_64", SMALL);
                NestedPageTable table = guestTable(hal)) {
            write(hal, table);

            String pointer = "eptp=" + Long.toHexString(table.rootAddress() + 0x1e);
            assertEquals(pointer, lines("meta.txt").getLast());
        }
    }
}
