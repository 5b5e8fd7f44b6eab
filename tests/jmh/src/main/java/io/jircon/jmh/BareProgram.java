package io.jircon.jmh;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/// A C program that is built with `/usr/bin/cc`, and gives lines of a name and a number. It lies in
/// a directory of its own until it is closed.
final class BareProgram implements AutoCloseable {
    private static final Path CC = Path.of("/usr/bin/cc");
    private static final long TEXT_BYTES = 4096;

    private final Path directory;
    private final Path source;
    private final Path program;
    private final Path library;

    private BareProgram(Path directory, String resource) {
        this.directory = directory;
        this.source = directory.resolve(resource);
        this.program = directory.resolve("program");
        this.library = directory.resolve("library.so");
    }

    /// Whether programs can be built here.
    static boolean canBeBuilt() {
        return Files.isExecutable(CC);
    }

    /// Builds one, as a program and as a library.
    ///
    /// @param resource its text, a resource of this package
    /// @return the program, which the caller closes
    /// @throws IOException when it cannot be built
    static BareProgram build(String resource) throws IOException, InterruptedException {
        var built = new BareProgram(Files.createTempDirectory("jircon-bare"), resource);
        try (InputStream text =
                Objects.requireNonNull(BareProgram.class.getResourceAsStream(resource))) {
            Files.copy(text, built.source);
            built.compile(built.program);
            built.compile(built.library, "-shared", "-fPIC");
            return built;
        } catch (IOException | InterruptedException | RuntimeException failed) {
            built.close();
            throw failed;
        }
    }

    private void compile(Path result, String... options) throws IOException, InterruptedException {
        String[] command = new String[options.length + 6];
        command[0] = CC.toString();
        command[1] = "-O2";
        command[2] = "-pthread";
        System.arraycopy(options, 0, command, 3, options.length);
        command[options.length + 3] = "-o";
        command[options.length + 4] = result.toString();
        command[options.length + 5] = source.toString();
        outputOf(command);
    }

    /// Runs it in a process of its own.
    ///
    /// @param arguments for the program
    /// @return what it printed, in order
    /// @throws IOException when it fails
    Map<String, Double> run(Object... arguments) throws IOException, InterruptedException {
        String[] command = new String[arguments.length + 1];
        command[0] = program.toString();
        for (int i = 0; i < arguments.length; i++) {
            command[i + 1] = arguments[i].toString();
        }
        return numbersIn(outputOf(command));
    }

    /// Calls its function `measure`, which takes four numbers and room for its text, in this
    /// process.
    ///
    /// @return what it wrote, in order
    @SuppressWarnings("restricted")
    Map<String, Double> runHere(long first, long second, long third, long fourth) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment function =
                    SymbolLookup.libraryLookup(library, arena).find("measure").orElseThrow();
            MemorySegment text = arena.allocate(TEXT_BYTES);
            int failed =
                    (int)
                            Linker.nativeLinker()
                                    .downcallHandle(
                                            function,
                                            FunctionDescriptor.of(
                                                    JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG,
                                                    JAVA_LONG, ADDRESS, JAVA_LONG))
                                    .invokeExact(first, second, third, fourth, text, TEXT_BYTES);
            if (failed != 0) {
                throw new AssertionError("measure returned " + failed);
            }
            return numbersIn(text.getString(0));
        } catch (Throwable failed) {
            throw new AssertionError(failed);
        }
    }

    private static Map<String, Double> numbersIn(String text) {
        Map<String, Double> numbers = new LinkedHashMap<>();
        for (String line : text.lines().toList()) {
            String[] words = line.split(" ");
            numbers.put(words[0], Double.parseDouble(words[1]));
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

    /// Removes it.
    @Override
    public void close() throws IOException {
        Files.deleteIfExists(library);
        Files.deleteIfExists(program);
        Files.deleteIfExists(source);
        Files.delete(directory);
    }
}
