package io.jircon.jmh;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/// A C program that is built with `/usr/bin/cc`, and prints lines of a name and a number.
final class BareProgram {
    private static final Path CC = Path.of("/usr/bin/cc");

    private BareProgram() {}

    /// Whether programs can be built here.
    static boolean canBeBuilt() {
        return Files.isExecutable(CC);
    }

    /// Builds and runs one.
    ///
    /// @param resource its text, a resource of this package
    /// @param arguments for the program
    /// @return what it printed, in order
    /// @throws IOException when it cannot be built or fails
    static Map<String, Double> run(String resource, Object... arguments)
            throws IOException, InterruptedException {
        Path directory = Files.createTempDirectory("jircon-bare");
        Path source = directory.resolve(resource);
        Path program = directory.resolve("program");
        try (InputStream text =
                Objects.requireNonNull(BareProgram.class.getResourceAsStream(resource))) {
            Files.copy(text, source);
        }
        Map<String, Double> numbers = new LinkedHashMap<>();
        try {
            outputOf(CC.toString(), "-O2", "-o", program.toString(), source.toString());
            String[] command = new String[arguments.length + 1];
            command[0] = program.toString();
            for (int i = 0; i < arguments.length; i++) {
                command[i + 1] = arguments[i].toString();
            }
            for (String line : outputOf(command).lines().toList()) {
                String[] words = line.split(" ");
                numbers.put(words[0], Double.parseDouble(words[1]));
            }
        } finally {
            Files.deleteIfExists(program);
            Files.delete(source);
            Files.delete(directory);
        }
        return numbers;
    }

    private static String outputOf(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes());
        if (process.waitFor() != 0) {
            throw new IOException(String.join(" ", command) + ": " + output);
        }
        return output;
    }
}
