package io.jircon.examples.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TwoStageWalkCommandTest {
    private static final String GVA = "0x403123";
    private static final int LINES_BESIDE_READS = 1 + 1 + 1 + 3;

    private static List<String> walk(String hal, String... options) {
        var args = new ArrayList<>(List.of("walk", "--two-stage", GVA, "--hal", hal));
        args.addAll(List.of(options));
        CommandLineRun run = CommandLineRun.of(args.toArray(String[]::new));
        assertEquals("", run.err());
        assertEquals(0, run.code());
        return run.out().lines().toList();
    }

    @ParameterizedTest
    @CsvSource({
        "riscv64, 3, 3, 15",
        "riscv64, 3, 4, 19",
        "riscv64, 4, 3, 19",
        "riscv64, 4, 4, 24",
        "riscv64, 5, 3, 23",
        "riscv64, 5, 5, 35",
        "aarch64, 3, 3, 15",
        "aarch64, 4, 3, 19",
        "aarch64, 3, 4, 19",
        "aarch64, 4, 4, 24",
        "x86_64, 4, 4, 24",
        "x86_64, 5, 4, 29",
        "x86_64, 4, 5, 29",
        "x86_64, 5, 5, 35",
    })
    void asManyReadsAsTheFormulaSays(String hal, int n, int m, int reads) {
        List<String> lines = walk(hal, "--guest-levels", "" + n, "--levels", "" + m);

        assertEquals(reads + LINES_BESIDE_READS, lines.size());
        String last = lines.get(reads);
        assertTrue(last.startsWith("%4d  stage 2 of GPA 0x".formatted(reads)), last);
        assertEquals(
                "%d entries read, %d of stage 1 and %d of stage 2; (%d + 1)(%d + 1) - 1 = %d"
                        .formatted(reads, n, reads - n, n, m, reads),
                lines.get(reads + 2));
    }

    @Test
    void everyReadIsNumberedAndDecoded() {
        List<String> lines = walk("riscv64");

        assertEquals("read of GVA 0x403123: stage 1 Sv39, stage 2 Sv39x4", lines.getFirst());
        String hex = "0x[0-9a-f]+";
        String word = "0x[0-9a-f]{16}: V=1 .*";
        int number = 1;
        for (int[] guest : new int[][] {{2, 0}, {1, 2}, {0, 3}, {}}) {
            for (int level = 2; level >= 0; level--) {
                String line = lines.get(number);
                String expected =
                        "%4d  stage 2 of GPA %s: level %d\\[\\d+] at HPA %s = %s"
                                .formatted(number, hex, level, hex, word);
                assertTrue(line.matches(expected), line);
                number++;
            }
            if (guest.length > 0) {
                String line = lines.get(number);
                String expected =
                        "%4d  stage 1 level %d\\[%d] at GPA %s, HPA %s = %s"
                                .formatted(number, guest[0], guest[1], hex, hex, word);
                assertTrue(line.matches(expected), line);
                number++;
            }
        }
        String end = "GVA 0x403123 -> GPA 0x400[0-9a-f]+123 -> HPA 0x8[0-9a-f]+123";
        assertTrue(lines.get(number).matches(end), lines.get(number));
    }

    @Test
    void theAddressOfEachGuestEntryIsWhatWasTranslatedBeforeIt() {
        List<String> lines = walk("x86_64");
        for (int k = 1; k <= 4; k++) {
            String entry = lines.get(5 * k);
            String gpa = entry.substring(entry.indexOf("GPA "), entry.indexOf(','));
            for (int i = 1; i <= 4; i++) {
                String before = lines.get(5 * k - i);
                assertTrue(before.contains("stage 2 of " + gpa + ": "), before);
            }
        }
    }

    @Test
    void tellsWhatCachesWouldHaveSaved() {
        // The upper levels of the second stage, read for the first of 4 addresses, serve all; a
        // second walk also finds the guest's own.
        List<String> saved = walk("riscv64").subList(18, 21);

        for (int i = 0; i < 3; i++) {
            assertEquals(
                    "a page-walk cache of "
                            + List.of(4, 16, 64).get(i)
                            + " pointers saves 6 of them, and 10 of the same walk again",
                    saved.get(i));
        }
        List<String> deep = walk("x86_64", "--levels", "5");
        assertEquals(
                "a page-walk cache of 4 pointers saves 4 of them, and 8 of the same walk again",
                deep.get(deep.size() - 3));
        assertEquals(
                "a page-walk cache of 64 pointers saves 20 of them, and 28 of the same walk again",
                deep.getLast());
    }

    @ParameterizedTest
    @CsvSource({"riscv64, 12, level 0", "aarch64, 12, level 3", "x86_64, 20, PTE"})
    void faultOfTheGuestEndsAtItsLastTable(String hal, int reads, String level) {
        List<String> lines = walk(hal, "--fault", "guest");

        assertEquals(reads + LINES_BESIDE_READS, lines.size());
        assertTrue(lines.get(reads).contains("stage 1 " + level), lines.get(reads));
        assertTrue(lines.get(reads).endsWith(": not present"), lines.get(reads));
        assertEquals("stage 1 fault, for the guest: NOT_PRESENT at " + level, lines.get(reads + 1));
        assertTrue(lines.get(reads + 2).contains("; without the fault ("), lines.get(reads + 2));
    }

    @ParameterizedTest
    @CsvSource({
        "riscv64, nested, 15, level 0, FINAL_ACCESS",
        "aarch64, nested, 15, level 3, FINAL_ACCESS",
        "x86_64, nested, 24, PTE, FINAL_ACCESS",
        "riscv64, walk, 11, level 0, GUEST_WALK",
        "aarch64, walk, 11, level 3, GUEST_WALK",
        "x86_64, WALK, 19, PTE, GUEST_WALK",
    })
    void faultOfTheSecondStageSaysDuringWhat(
            String hal, String fault, int reads, String level, String during) {
        List<String> lines = walk(hal, "--fault", fault);

        assertEquals(reads + LINES_BESIDE_READS, lines.size());
        String end =
                "stage 2 fault, for the hypervisor: NOT_PRESENT at %s, GPA:0x400[0-9a-f]+, %s"
                        .formatted(level, during);
        assertTrue(lines.get(reads + 1).matches(end), lines.get(reads + 1));
    }

    @ParameterizedTest
    @ValueSource(strings = {"unix-file", "unix-mmap"})
    void halWithoutNestedTablesIsRefused(String hal) {
        CommandLineRun run = CommandLineRun.of("walk", "--two-stage", GVA, "--hal", hal);

        assertEquals(2, run.code());
        assertEquals("", run.out());
        assertEquals(1, run.err().lines().count());
        assertTrue(run.err().startsWith("jircon: hal=" + hal + " "), run.err());
    }

    @ParameterizedTest
    @CsvSource({
        "riscv64, 7, levels=7 is not in 3..5",
        "x86_64, 3, levels=3 is neither 4 nor 5",
        "aarch64, 5, levels=5 is neither 3 nor 4",
    })
    void depthThatTheGuestCannotHaveIsRefused(String hal, String levels, String message) {
        CommandLineRun.assertRefused(
                "guest-" + message,
                "walk",
                "--two-stage",
                GVA,
                "--hal",
                hal,
                "--guest-levels",
                levels);
    }

    @Test
    void depthThatTheSecondStageCannotHaveIsRefused() {
        CommandLineRun.assertRefused(
                "NOT_SUPPORTED: riscv64: levels=7 is not in 3..5",
                "walk",
                "--two-stage",
                GVA,
                "--hal",
                "riscv64",
                "--levels",
                "7");
    }

    @Test
    void addressThatTheGuestCannotHaveIsRefused() {
        CommandLineRun.assertRefused(
                "address=0x8000000000 is none of VMSAv8-64 stage 1, 39-bit VA",
                "walk",
                "--two-stage",
                "0x8000000000",
                "--hal",
                "aarch64");
    }

    @Test
    void lastPageOfTheLowerHalfAndFirstOfTheUpperAreTheGuests() {
        for (String address : List.of("0x7fffffffffff", "0xffff800000000000", "0")) {
            CommandLineRun run =
                    CommandLineRun.of("walk", "--two-stage", address, "--hal", "x86_64");

            assertEquals("", run.err());
            assertTrue(run.out().contains(" -> HPA 0x"), run.out());
            assertFalse(run.out().contains("fault"), run.out());
        }
    }

    @Test
    void programHasNoPlaceInIt() {
        CommandLineRun.assertRefused(
                "FILE=x has no place with --two-stage",
                "walk",
                "--two-stage",
                GVA,
                "x",
                "--hal",
                "riscv64");
    }

    @Test
    void withoutItAProgramMustBeNamed() {
        CommandLineRun.assertRefused(
                "FILE is missing; only --two-stage goes without", "walk", GVA, "--hal", "riscv64");
    }

    @Test
    void itsOptionsAloneAreRefused() {
        CommandLineRun.assertRefused(
                "Error: Missing required argument(s): --two-stage",
                "walk",
                GVA,
                "x",
                "--hal",
                "riscv64",
                "--fault",
                "guest");
    }
}
