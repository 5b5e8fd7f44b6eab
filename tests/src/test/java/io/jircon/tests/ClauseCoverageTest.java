package io.jircon.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Every clause of the contracts has a test with its tag, or a reason why it has none. The lists
/// are in `src/test/resources/clauses`; [ClauseList] says how to read them.
///
/// When this fails, either a test lost its tag, or gained one of a clause that the list knows
/// nothing of or has as impossible to test: then move the clause to a `tested` line.
class ClauseCoverageTest {
    private static final Path MODULE = Path.of("");
    private static final Path LISTS = Path.of("src/test/resources/clauses");

    @TempDir private Path temporary;

    static Stream<ClauseList> lists() throws IOException {
        try (Stream<Path> files = Files.list(LISTS)) {
            return files.sorted().map(ClauseList::read).toList().stream();
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("lists")
    void everyClauseHasATestOrAReason(ClauseList list) throws IOException {
        assertFalse(list.states().isEmpty());
        assertEquals(
                List.of(), list.disagreements(ClauseList.tagsOfAllModules(MODULE)), list.name());
    }

    @Test
    void aListIsReadAsItIsMeant() throws IOException {
        assertEquals(
                List.of(
                        "cannot read: maybe Z-9",
                        "listed twice: Z-2",
                        "a reason goes with `none` and `open`: none Z-6",
                        "no test has the tag Z-3",
                        "a test has the tag of Z-4, which cannot be tested",
                        "no test has the tag z.cc:Lost",
                        "not in the list, but the tag of a test: Z-7"),
                disagreements(
                        """
                        # A contract.
                        tested Z-1..Z-3
                        maybe Z-9
                        tested Z-2 z.cc:Lost
                        none Z-4: no such thing
                        open Z-5: later
                        none Z-6
                        """,
                        "Z-1",
                        "Z-2",
                        "Z-4",
                        "Z-5",
                        "Z-7",
                        "Y-1"));
    }

    private List<String> disagreements(String list, String... tags) throws IOException {
        Path file = Files.writeString(temporary.resolve("z.txt"), list);
        return ClauseList.read(file).disagreements(new TreeSet<>(List.of(tags)));
    }
}
