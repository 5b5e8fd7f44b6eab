package io.jircon.examples.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.PrintWriter;
import java.io.StringWriter;

/// What one call of the command line did.
record CommandLineRun(int code, String out, String err) {
    static CommandLineRun of(String... args) {
        var out = new StringWriter();
        var err = new StringWriter();
        int code = Main.run(new PrintWriter(out), new PrintWriter(err), args);
        return new CommandLineRun(code, out.toString(), err.toString());
    }

    /// The call was refused: code 2, one line on standard error and nothing else.
    static void assertRefused(String message, String... args) {
        CommandLineRun run = of(args);
        assertEquals("jircon: " + message + System.lineSeparator(), run.err());
        assertEquals(2, run.code());
        assertEquals("", run.out());
    }
}
