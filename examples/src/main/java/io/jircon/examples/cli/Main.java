package io.jircon.examples.cli;

import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// The command line's entry point.
@Command(
        name = "jircon",
        description = "Kernel objects, address-space regions and page tables to look at.",
        mixinStandardHelpOptions = true,
        version = "jircon 0.1.0",
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {HalsCommand.class, BootCommand.class, WalkCommand.class, ImageCommand.class})
public final class Main implements Runnable {
    /// All went well.
    static final int OK = 0;

    /// What was to be shown turned out not to hold.
    static final int FAILED = 1;

    /// The user asked for something that cannot be done.
    static final int USAGE = 2;

    @Spec private CommandSpec spec = CommandSpec.create();

    private Main() {}

    /// Runs a command and ends the process with its exit code.
    ///
    /// @param args what the user typed
    public static void main(String... args) {
        var out = new PrintWriter(System.out, false, StandardCharsets.UTF_8);
        var err = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
        int code = run(out, err, args);
        out.flush();
        System.exit(code);
    }

    /// Runs a command.
    ///
    /// @param out takes what the command prints
    /// @param err takes one line when it fails
    /// @param args what the user typed
    /// @return 0 when all went well; 1 when something that was to be shown does not hold; 2 when
    ///   what the user asked for cannot be done
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        return new CommandLine(new Main())
                .setOut(out)
                .setErr(err)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setParameterExceptionHandler((e, arguments) -> refuse(err, e))
                .setExecutionExceptionHandler((e, commandLine, result) -> explain(err, e))
                .execute(args);
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "no command given; try 'jircon --help'");
    }

    private static int explain(PrintWriter err, Exception e) throws Exception {
        return switch (e) {
            case UsageException usage -> refuse(err, usage);
            // The machine said no to what was asked, such as a file larger than its memory.
            case ZxException refused -> refuse(err, refused);
            case PagingException refused -> refuse(err, refused);
            default -> throw e;
        };
    }

    private static int refuse(PrintWriter err, Exception e) {
        String message = String.valueOf(e.getMessage());
        err.println("jircon: " + message.lines().findFirst().orElse("bad arguments"));
        return USAGE;
    }
}
