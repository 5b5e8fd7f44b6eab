package io.jircon.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Runs in the module's directory, as Surefire does.
class ReadmeTest {
    private static final Path README = Path.of("../README.md");
    private static final Path SAMPLE = Path.of("src/main/java/io/jircon/examples/HelloPage.java");

    private static String between(String text, String start, String end) {
        int from = text.indexOf(start) + start.length();
        assertTrue(from >= start.length(), () -> "no '" + start + "'");
        int to = text.indexOf(end, from);
        assertTrue(to >= 0, () -> "no '" + end + "'");
        return text.substring(from, to);
    }

    @Test
    void sampleIsThatOfTheProgram() throws IOException {
        String shown = between(Files.readString(README), "```java\n", "```");
        String program =
                between(
                        Files.readString(SAMPLE),
                        "// README: from here\n",
                        "        // README: to here");

        assertEquals(program.indent(-8), shown);
    }

    @Test
    void sampleFaultsOnceAndEndsWithoutTheMapping() {
        var bytes = new ByteArrayOutputStream();
        HelloPage.run(new PrintStream(bytes, true, StandardCharsets.UTF_8));

        List<String> lines = bytes.toString(StandardCharsets.UTF_8).lines().toList();
        assertTrue(lines.getFirst().matches("WRITE at 0x[0-9a-f]+: NOT_PRESENT"), lines.getFirst());
        assertEquals(1 + 3 + 1, lines.size());
        assertEquals("NOT_FOUND", lines.getLast());
    }

    @Test
    void everyModuleOfTheBuildIsInTheTableOfRooms() throws IOException {
        String readme = Files.readString(README);
        between(Files.readString(Path.of("../pom.xml")), "<modules>", "</modules>")
                .lines()
                .map(String::strip)
                .filter(line -> line.startsWith("<module>"))
                .map(line -> between(line, "<module>", "</module>"))
                .forEach(module -> assertTrue(readme.contains("| `" + module + "` |"), module));
    }

    @Test
    void theStarterUsesThisVersion() throws IOException {
        String ours = between(Files.readString(Path.of("../pom.xml")), "<version>", "</version>");
        Files.readString(Path.of("starter/pom.xml"))
                .lines()
                .dropWhile(line -> !line.contains("<groupId>io.jircon<"))
                .takeWhile(line -> !line.contains("</dependencies>"))
                .filter(line -> line.contains("<version>"))
                .forEach(line -> assertEquals("<version>" + ours + "</version>", line.strip()));
    }
}
