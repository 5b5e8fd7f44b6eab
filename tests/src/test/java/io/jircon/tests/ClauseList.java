package io.jircon.tests;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A list of things that tests are owed: the clauses of a contract, or another suite's tests. Each
/// has an id, which the tests that are paid for it carry as their tag.
///
/// A line of the list is one of
///
/// - `tested V-1..V-32`: every one of these ids is the tag of a test;
/// - `none V-33: reason`: nothing here could be tested, for that reason;
/// - `open V-34: what is missing`: tests are missing, in part or altogether;
/// - a comment after `#`, or nothing.
///
/// Ids are separated by spaces; `A-3..A-5` stands for three.
record ClauseList(String name, Map<String, State> states, List<String> mistakes) {
    /// What a list says of an id.
    enum State {
        TESTED,
        NONE,
        OPEN
    }

    private static final Pattern RUN =
            Pattern.compile("(?<prefix>.*?)(?<from>\\d+)\\.\\.\\k<prefix>(?<to>\\d+)");
    private static final Pattern TAG = Pattern.compile("@Tag\\(\"([^\"]+)\"\\)");

    static ClauseList read(Path file) {
        var list =
                new ClauseList(file.getFileName().toString(), new TreeMap<>(), new ArrayList<>());
        try {
            Files.readAllLines(file).forEach(list::add);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return list;
    }

    private void add(String text) {
        String line = text.replaceFirst("#.*", "").strip();
        if (line.isEmpty()) {
            return;
        }
        String[] halves = line.split(": ", 2);
        String[] words = halves[0].split(" +");
        State state = stateOf(words[0]);
        if (state == null) {
            mistakes.add("cannot read: " + line);
            return;
        }
        if ((halves.length == 2) == (state == State.TESTED)) {
            mistakes.add("a reason goes with `none` and `open`: " + line);
        }
        for (String run : List.of(words).subList(1, words.length)) {
            for (String id : idsOf(run)) {
                if (states.put(id, state) != null) {
                    mistakes.add("listed twice: " + id);
                }
            }
        }
    }

    private static @Nullable State stateOf(String word) {
        return switch (word) {
            case "tested" -> State.TESTED;
            case "none" -> State.NONE;
            case "open" -> State.OPEN;
            default -> null;
        };
    }

    private static List<String> idsOf(String text) {
        Matcher run = RUN.matcher(text);
        if (!run.matches()) {
            return List.of(text);
        }
        List<String> ids = new ArrayList<>();
        for (int n = Integer.parseInt(run.group("from"));
                n <= Integer.parseInt(run.group("to"));
                n++) {
            ids.add(run.group("prefix") + n);
        }
        return ids;
    }

    /// What the tests with these tags owe to the list, or the list to the tests.
    List<String> disagreements(TreeSet<String> tags) {
        List<String> found = new ArrayList<>(mistakes);
        states.forEach((id, state) -> {
            boolean hasTest = tags.contains(id);
            if (state == State.TESTED && !hasTest) {
                found.add("no test has the tag " + id);
            }
            if (state == State.NONE && hasTest) {
                found.add("a test has the tag of " + id + ", which cannot be tested");
            }
        });
        TreeSet<String> prefixes = new TreeSet<>();
        states.keySet().forEach(id -> prefixes.add(prefixOf(id)));
        for (String tag : tags) {
            if (prefixes.contains(prefixOf(tag)) && !states.containsKey(tag)) {
                found.add("not in the list, but the tag of a test: " + tag);
            }
        }
        return found;
    }

    /// `V-` of `V-31`, `vmar.cc:` of `vmar.cc:DestroyTest`.
    private static String prefixOf(String id) {
        return id.replaceFirst("(?<=[:-])[^:-]*$", "");
    }

    /// The tags in the sources of all modules next to one.
    static TreeSet<String> tagsOfAllModules(Path module) throws IOException {
        var tags = new TreeSet<String>();
        try (Stream<Path> modules = Files.list(module.toAbsolutePath().getParent())) {
            for (Path sources : modules.map(path -> path.resolve("src")).toList()) {
                if (Files.isDirectory(sources)) {
                    addTags(sources, tags);
                }
            }
        }
        return tags;
    }

    private static void addTags(Path sources, TreeSet<String> tags) throws IOException {
        try (Stream<Path> files = Files.walk(sources)) {
            for (Path file : files.filter(path -> path.toString().endsWith(".java")).toList()) {
                Matcher tag = TAG.matcher(Files.readString(file));
                while (tag.find()) {
                    tags.add(tag.group(1));
                }
            }
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
