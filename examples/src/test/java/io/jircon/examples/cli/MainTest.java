package io.jircon.examples.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.HalProvider;
import io.jircon.hal.Hals;
import org.junit.jupiter.api.Test;

class MainTest {
    @Test
    void noCommandIsRefused() {
        CommandLineRun.assertRefused("no command given; try 'jircon --help'");
    }

    @Test
    void unknownCommandIsRefused() {
        CommandLineRun.assertRefused("Unmatched argument at index 0: 'nope'", "nope");
    }

    @Test
    void unknownOptionIsRefused() {
        CommandLineRun.assertRefused("Unknown option: '--nope'", "hals", "--nope");
    }

    @Test
    void helpNamesTheCommands() {
        CommandLineRun run = CommandLineRun.of("--help");

        assertEquals(0, run.code());
        assertTrue(run.out().contains("Usage: jircon"), run.out());
        assertTrue(run.out().contains("hals"), run.out());
        assertEquals("", run.err());
    }

    @Test
    void halsDescribesEveryProvider() {
        CommandLineRun run = CommandLineRun.of("hals");

        assertEquals(0, run.code());
        for (HalProvider provider : Hals.providers()) {
            String first = provider.name() + ": " + provider.description();
            assertTrue(run.out().contains(first), run.out());
        }
    }
}
