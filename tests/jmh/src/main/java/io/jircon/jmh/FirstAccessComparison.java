package io.jircon.jmh;

import java.util.LinkedHashMap;
import java.util.Map;

/// The first access to a page of `unix-mmap`, from its fault to its data, beside the same from C
/// (`bare-faults.c`, built with `/usr/bin/cc`), which take turns in one run: the best mean of a
/// thousand pages counts. Run it with the class path of this module and
/// `--enable-native-access=ALL-UNNAMED`, where `userfaultfd` is allowed.
///
/// - `efault`: the access comes back, the page is entered, the access is made again;
/// - `userfaultfd`: the host holds the access; a thread that waits for such messages has the page
///   entered, and wakes the access;
/// - `minor`: the page has its entry, but nobody has accessed it: the host holds the access until
///   it is told to enter the page in its own table;
/// - `zeropage`: as `userfaultfd`, but the page is one of zeroes of the host's own, which one call
///   enters and wakes. It is no frame of a machine: the line says how little a held access can
///   take.
public final class FirstAccessComparison {
    private static final int PAGES = 1024;
    private static final int TURNS = 10;

    /// Of each turn.
    private static final int ROUNDS = 20;

    private FirstAccessComparison() {}

    /// Runs it.
    ///
    /// @param arguments none
    /// @throws Exception when the C program cannot be built or run
    public static void main(String[] arguments) throws Exception {
        var jircon = new Times();
        var c = new Times();
        try (var program = BareProgram.build("bare-faults.c")) {
            for (int turn = 0; turn < TURNS; turn++) {
                c.addAll(program.run(PAGES, ROUNDS));
                jircon.addAll(measure("efault"));
                jircon.addAll(measure("userfaultfd"));
                jircon.addAll(measure("minor"));
            }
        }
        jircon.print(Map.of("C", c));
    }

    private static Map<String, Double> measure(String faults) {
        var times = new Times();
        try (var pages = new FirstAccesses(faults, PAGES)) {
            for (int round = 0; round < ROUNDS; round++) {
                pages.forget();
                times.time(faults, pages::access);
            }
        }
        Map<String, Double> each = new LinkedHashMap<>();
        times.best().forEach((name, nanos) -> each.put(name, nanos / PAGES));
        return each;
    }
}
