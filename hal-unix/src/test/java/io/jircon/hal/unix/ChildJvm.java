package io.jircon.hal.unix;

import java.io.IOException;
import java.net.URI;
import java.net.URL;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/// Starts a class of these tests in a JVM of its own.
public final class ChildJvm {
    private ChildJvm() {}

    /// @return the process, its errors mixed into its output
    static Process start(Class<?> main, String... arguments) throws IOException {
        return start(List.of("-Xmx256m"), main, arguments);
    }

    /// @param options of the JVM
    /// @return the process, its errors mixed into its output
    static Process start(List<String> options, Class<?> main, String... arguments)
            throws IOException {
        String classPath =
                String.join(
                        System.getProperty("path.separator"),
                        place(main),
                        place(UnixMmapHal.class),
                        place(io.jircon.hal.Hal.class));
        return start(options, classPath, main, arguments);
    }

    /// @param options of the JVM
    /// @param classPath where the class and all that it uses is
    /// @return the process, its errors mixed into its output
    public static Process start(
            List<String> options, String classPath, Class<?> main, String... arguments)
            throws IOException {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "--enable-native-access=ALL-UNNAMED",
                                "-XX:-CreateCoredumpOnCrash",
                                "-XX:ErrorFile=/dev/stdout",
                                "-cp",
                                classPath));
        command.addAll(options);
        command.add(main.getName());
        command.addAll(List.of(arguments));
        var builder = new ProcessBuilder(command).redirectErrorStream(true);
        // All of malloc's memory in one place, for those who look at the process's mappings.
        builder.environment().put("MALLOC_ARENA_MAX", "1");
        return builder.start();
    }

    /// Where a class file lies: the code source does not say it for classes that the build patches
    /// into the module under test.
    private static String place(Class<?> type) {
        String file = type.getName().replace('.', '/') + ".class";
        URL found = Objects.requireNonNull(type.getResource("/" + file), file);
        String url = found.toString();
        if (url.startsWith("jar:")) {
            return Path.of(URI.create(url.substring(4, url.indexOf('!')))).toString();
        }
        return Path.of(URI.create(url.substring(0, url.length() - file.length()))).toString();
    }
}
