package io.jircon.examples.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ImageCommandTest {
    @TempDir private Path directory;

    private String image(String name, String hal, String... more) {
        String[] args = {
            "image", "--hal", hal, "--pages", "300", "--out", directory.resolve(name).toString()
        };
        String[] all = Arrays.copyOf(args, args.length + more.length);
        System.arraycopy(more, 0, all, args.length, more.length);
        CommandLineRun run = CommandLineRun.of(all);
        assertEquals("", run.err());
        assertEquals(0, run.code());
        return run.out();
    }

    private List<String> lines(String name, String file) throws IOException {
        return Files.readAllLines(directory.resolve(name).resolve(file));
    }

    @ParameterizedTest
    @ValueSource(strings = {"x86_64", "aarch64", "riscv64"})
    void hasLeavesOfEverySizeAndAllKindsOfAnswers(String hal) throws IOException {
        String out = image("a", hal, "--seed", "5");

        assertTrue(out.matches("(?s).*SIZE_4K=\\d+, SIZE_2M=\\d+, SIZE_1G=\\d+.*"), out);
        List<String> answers = lines("a", "expected.txt");
        for (String kind :
                List.of(" r ok ", " w ok ", " x ok ", " r fault", " w fault", " x fault")) {
            assertTrue(answers.stream().anyMatch(line -> line.contains(kind)), kind);
        }
    }

    @Test
    void sameSeedGivesTheSameFiles() throws IOException {
        image("a", "riscv64", "--seed", "7");
        image("b", "riscv64", "--seed", "7");

        for (String file : List.of("image.bin", "meta.txt", "probes.txt", "expected.txt")) {
            assertEquals(
                    -1,
                    Files.mismatch(
                            directory.resolve("a").resolve(file),
                            directory.resolve("b").resolve(file)),
                    file);
        }
    }

    @Test
    void anotherSeedGivesOtherQuestions() throws IOException {
        image("a", "riscv64", "--seed", "7");
        image("b", "riscv64", "--seed", "8");

        assertNotEquals(lines("a", "probes.txt"), lines("b", "probes.txt"));
    }

    @ParameterizedTest
    @CsvSource({"riscv64, 4, mode=9", "aarch64, 4, vtcr=80053590"})
    void levelsChooseTheFormat(String hal, String levels, String register) throws IOException {
        image("a", hal, "--seed", "1", "--levels", levels);

        assertEquals(register, lines("a", "meta.txt").getLast());
    }

    private void assertRefused(String message, String... args) {
        CommandLineRun.assertRefused(message, args);
    }

    @Test
    void levelsThatTheFormatLacksAreRefused() {
        CommandLineRun run =
                CommandLineRun.of(
                        "image",
                        "--hal",
                        "riscv64",
                        "--seed",
                        "1",
                        "--pages",
                        "1",
                        "--levels",
                        "7",
                        "--out",
                        directory.toString());

        assertEquals(2, run.code());
        assertEquals(1, run.err().lines().count());
        assertTrue(run.err().contains("levels=7"), run.err());
    }

    @Test
    void halWithoutTablesInMemoryIsRefused() {
        assertRefused(
                "hal=unix-file has no page tables in memory; choose one of"
                        + " [aarch64, riscv64, x86_64]",
                "image",
                "--hal",
                "unix-file",
                "--seed",
                "1",
                "--pages",
                "1",
                "--out",
                "x");
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "-1", "100001"})
    void pagesOutOfRangeAreRefused(String pages) {
        assertRefused(
                "pages=" + pages + " is not in 1..100000",
                "image",
                "--hal",
                "riscv64",
                "--seed",
                "1",
                "--pages=" + pages,
                "--out",
                "x");
    }

    @Test
    void seedThatIsNoNumberIsRefused() {
        assertRefused(
                "Invalid value for option '--seed': 'x' is not a long",
                "image",
                "--hal",
                "riscv64",
                "--seed",
                "x",
                "--pages",
                "1",
                "--out",
                "x");
    }

    @Test
    void directoryThatCannotBeMadeIsRefused() throws IOException {
        Path file = Files.writeString(directory.resolve("file"), "");

        CommandLineRun run =
                CommandLineRun.of(
                        "image",
                        "--hal",
                        "riscv64",
                        "--seed",
                        "1",
                        "--pages",
                        "1",
                        "--out",
                        file.toString());

        assertEquals(2, run.code());
        assertEquals(1, run.err().lines().count());
        assertTrue(run.err().startsWith("jircon: out=" + file + " cannot be written"), run.err());
    }
}
