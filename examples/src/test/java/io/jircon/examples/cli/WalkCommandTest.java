package io.jircon.examples.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.examples.elf.ElfBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WalkCommandTest {
    @TempDir private Path directory;
    private String program = "";

    @BeforeEach
    void writeProgram() throws IOException {
        byte[] bytes = ElfBuilder.program().build().array();
        program = Files.write(directory.resolve("program"), bytes).toString();
    }

    private List<String> walk(String address, String hal) {
        CommandLineRun run = CommandLineRun.of("walk", address, program, "--hal", hal);
        assertEquals("", run.err());
        assertEquals(0, run.code());
        return run.out().lines().toList();
    }

    @Test
    void showsEveryTableOnTheWay() {
        List<String> lines = walk("0x400123", "riscv64");

        assertEquals("read of 0x400123: OK", lines.getFirst());
        assertTrue(lines.get(1).matches("  level 2\\[0] at 0x[0-9a-f]+ = 0x[0-9a-f]{16}: V=1 .*"));
        assertTrue(lines.get(2).matches("  level 1\\[2] at 0x[0-9a-f]+ = 0x[0-9a-f]{16}: V=1 .*"));
        assertTrue(lines.get(3).matches("  level 0\\[0] at 0x[0-9a-f]+ = .*: V=1 R=1 X=1 .*"));
        assertTrue(lines.get(4).matches("  0x[0-9a-f]+123 r-xu in SIZE_4K"), lines.get(4));
        assertEquals(5, lines.size());
    }

    @Test
    void theDepthIsThatOfTheFormat() {
        assertEquals(1 + 4 + 1, walk("0x402000", "x86_64").size());
        assertEquals(1 + 3 + 1, walk("0x402000", "aarch64").size());
    }

    @Test
    void addressThatIsNotMappedEndsInAFault() {
        List<String> lines = walk("0x7000000", "x86_64");

        assertEquals("read of 0x7000000: NOT_FOUND", lines.getFirst());
        assertEquals("  READ at 0x7000000: NOT_PRESENT", lines.getLast());
    }

    @Test
    void addressMayBeDecimal() {
        assertEquals("read of 0x400000: OK", walk("4194304", "aarch64").getFirst());
    }

    @Test
    void addressThatIsNoNumberIsRefused() {
        CommandLineRun.assertRefused(
                "address=0xyz is neither a decimal nor a 0x hexadecimal number of 64 bits",
                "walk",
                "0xyz",
                program,
                "--hal",
                "riscv64");
    }

    @Test
    void allIsNoHalHere() {
        CommandLineRun run = CommandLineRun.of("walk", "0", program, "--hal", "all");

        assertEquals(2, run.code());
        assertTrue(run.err().startsWith("jircon: hal=all is not one of "), run.err());
    }

    @Test
    void missingHalIsRefused() {
        CommandLineRun.assertRefused(
                "Missing required option: '--hal=NAME'", "walk", "0x400000", program);
    }
}
