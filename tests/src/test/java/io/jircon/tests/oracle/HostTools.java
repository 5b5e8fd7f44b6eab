package io.jircon.tests.oracle;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// Programs of the host that the oracles need: assemblers and emulators.
final class HostTools {
    private static final long TIMEOUT_SECONDS = 600;

    private HostTools() {}

    /// The path of a program: the system property `jircon.tool.NAME`, the directory that the
    /// emulators' installer fills, or the search path.
    static Optional<Path> find(String name) {
        String chosen = System.getProperty("jircon.tool." + name);
        if (chosen != null) {
            return Optional.of(Path.of(chosen)).filter(Files::isExecutable);
        }
        Path newer =
                Path.of(
                        System.getProperty("user.home"),
                        ".cache",
                        "jircon",
                        "emulators",
                        "usr",
                        "bin",
                        name);
        if (Files.isExecutable(newer)) {
            return Optional.of(newer);
        }
        for (String directory : System.getenv("PATH").split(File.pathSeparator)) {
            Path candidate = Path.of(directory, name);
            if (Files.isExecutable(candidate)) {
                return Optional.of(candidate);
            }
        }
        return Optional.empty();
    }

    /// Runs a program to its end.
    ///
    /// @return what it printed
    /// @throws IOException when it cannot be started, fails, or takes too long; the message holds
    ///   its output
    static String run(List<String> command) throws IOException {
        Path output = Files.createTempFile("jircon-tool", ".out");
        try {
            Process process =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(output.toFile())
                            .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
                            .start();
            boolean ended = process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS);
            if (!ended) {
                process.destroyForcibly();
            }
            String text = Files.readString(output, StandardCharsets.ISO_8859_1);
            if (!ended || process.exitValue() != 0) {
                throw new IOException(
                        command.getFirst()
                                + (ended
                                        ? " exited with " + process.exitValue()
                                        : " did not end in time")
                                + ":\n"
                                + text.lines().limit(40).reduce("", (a, b) -> a + b + "\n"));
            }
            return text;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while running " + command.getFirst(), e);
        } finally {
            Files.delete(output);
        }
    }
}
