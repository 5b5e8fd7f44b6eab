package io.jircon.examples.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.examples.elf.ElfBuilder;
import io.jircon.hal.HalProvider;
import io.jircon.hal.Hals;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class BootCommandTest {
    @TempDir private Path directory;
    private String program = "";

    @BeforeEach
    void writeProgram() throws IOException {
        program = write("program", ElfBuilder.program());
    }

    private String write(String name, ElfBuilder elf) throws IOException {
        return Files.write(directory.resolve(name), elf.build().array()).toString();
    }

    static Stream<String> usableHals() {
        return Hals.providers().stream()
                .filter(provider -> provider.unavailableReason().isEmpty())
                .map(HalProvider::name);
    }

    private static CommandLineRun succeed(String... args) {
        CommandLineRun run = CommandLineRun.of(args);
        assertEquals("", run.err());
        assertEquals(0, run.code());
        return run;
    }

    private static void assertShows(CommandLineRun run, String text) {
        assertTrue(run.out().contains(text), () -> "no '" + text + "' in\n" + run.out());
    }

    @ParameterizedTest
    @MethodSource("usableHals")
    void everyByteIsReadBackOnEveryHal(String hal) {
        CommandLineRun run = succeed("boot", program, "--hal", hal);

        // A page of text, and two of data and three of zeros behind it.
        assertShows(run, hal + ": " + program + ", x86_64, 2 segments");
        assertShows(run, "r-x segment 0, 1 of 1 pages committed");
        assertShows(run, "rw- segment 1, 1 of 3 pages committed");
        assertShows(run, "read 16384 bytes in 4 pages: equal to the file");
        assertShows(run, "programs: 1, HALs: 1; 4 pages, 16384 bytes");
    }

    @ParameterizedTest
    @MethodSource("usableHals")
    void everyFrameComesBackOnEveryHal(String hal) {
        CommandLineRun run = succeed("boot", program, "--hal", hal);

        assertTrue(
                run.out().lines().anyMatch(line -> line.matches("  destroyed: .* as before")),
                run.out());
    }

    @ParameterizedTest
    @MethodSource("usableHals")
    void populatedProgramTakesNoFaults(String hal) {
        CommandLineRun run = succeed("boot", program, "--hal", hal, "--populate");

        assertShows(run, "faults: 0 resolved");
        assertShows(run, "rw- segment 1, 3 of 3 pages committed");
    }

    @Test
    void allTakesEveryHal() {
        CommandLineRun run = succeed("boot", program);

        for (HalProvider provider : Hals.providers()) {
            assertShows(run, provider.name() + ": ");
        }
    }

    @Test
    void programOfAnotherByteOrderIsBootedToo() throws IOException {
        String big = write("big", ElfBuilder.program().order(ByteOrder.BIG_ENDIAN));

        assertShows(succeed("boot", big, "--hal", "riscv64"), "equal to the file");
    }

    @Test
    void programWithFixedAddressesGetsThem() {
        assertShows(succeed("boot", program, "--hal", "x86_64"), "at its own address 0x400000");
    }

    @Test
    void segmentsThatAllowMoreAreNotRefusedIt() throws IOException {
        String odd =
                write(
                        "odd",
                        new ElfBuilder()
                                .load(7, 0x1000, 0x400000, 0x10, 0x10, 0x1000)
                                .load(0, 0x1000, 0x401000, 0x10, 0x10, 0x1000)
                                .load(1, 0x1000, 0x402000, 0x10, 0x10, 0x1000)
                                .load(2, 0x1000, 0x403000, 0x10, 0x10, 0x1000));

        CommandLineRun run = succeed("boot", odd, "--hal", "aarch64");

        // At both ends: nothing of the first, three of the second, writes to the third, fetches
        // from the fourth; one fetch from the stack and two accesses to its guard.
        assertShows(run, "refused 13 accesses");
        assertShows(run, "rwx segment 0");
        assertShows(run, "--- segment 1");
        assertShows(run, "r-x segment 2");
        assertShows(run, "rw- segment 3");
    }

    @Test
    void missingFileIsRefused() {
        String missing = directory.resolve("nothing").toString();

        CommandLineRun.assertRefused(missing + ": no such file", "boot", missing);
    }

    @Test
    void directoryIsRefused() {
        CommandLineRun.assertRefused(
                directory + ": not a regular file", "boot", directory.toString());
    }

    @Test
    void textIsRefused() throws IOException {
        String text = Files.writeString(directory.resolve("text"), "hello").toString();

        CommandLineRun.assertRefused(
                text + ": not an ELF file (the first four bytes are not 7f E L F)", "boot", text);
    }

    @Test
    void truncatedProgramIsRefused() throws IOException {
        byte[] bytes = Files.readAllBytes(Path.of(program));
        Path file = Files.write(directory.resolve("cut"), Arrays.copyOf(bytes, 0x1800));
        String cut = file.toString();

        CommandLineRun.assertRefused(
                cut
                        + ": truncated or corrupt: segment 0 (offset 0x1000, 3840 bytes) leaves the"
                        + " file of 6144 bytes",
                "boot",
                cut);
    }

    @Test
    void oneBadFileAmongGoodOnesStopsBeforeAnythingIsPrinted() {
        String missing = directory.resolve("nothing").toString();

        CommandLineRun.assertRefused(
                missing + ": no such file", "boot", program, missing, "--hal", "riscv64");
    }

    @Test
    void programThatTakesMoreMemoryThanTheLimitIsRefused() throws IOException {
        String huge =
                write("huge", new ElfBuilder().load(6, 0x1000, 0x400000, 1, 1L << 40, 0x1000));

        CommandLineRun.assertRefused(
                huge
                        + ": its segments take 1099511627776 bytes, more than the limit of"
                        + " 4294967296",
                "boot",
                huge);
    }

    @Test
    void programThatSpansMoreThanTheAddressSpaceIsRefused() throws IOException {
        String wide =
                write(
                        "wide",
                        new ElfBuilder()
                                .load(4, 0x1000, 0x400000, 1, 1, 0x1000)
                                .load(4, 0x1000, 1L << 60, 1, 1, 0x1000));

        CommandLineRun run = CommandLineRun.of("boot", wide, "--hal", "riscv64");

        assertEquals(2, run.code());
        assertEquals(1, run.err().lines().count());
        assertFalse(run.err().contains("\tat "));
    }

    @Test
    void unknownHalIsRefused() {
        CommandLineRun run = CommandLineRun.of("boot", program, "--hal", "vax");

        assertEquals(2, run.code());
        assertTrue(run.err().startsWith("jircon: hal=vax is not one of aarch64, "), run.err());
        assertEquals(1, run.err().lines().count());
    }

    @Test
    void noFileIsRefused() {
        CommandLineRun.assertRefused("Missing required parameter: 'FILE'", "boot");
    }
}
