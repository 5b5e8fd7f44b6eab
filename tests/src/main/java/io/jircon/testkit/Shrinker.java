package io.jircon.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/// Makes a failing sequence short by dropping parts of it.
public final class Shrinker {
    private Shrinker() {}

    /// Drops halves, quarters and so on down to single elements, as long as what is left still
    /// fails.
    ///
    /// @param failing a sequence for which `stillFails` is true
    /// @param stillFails whether a shorter sequence fails too; must always give the same answer for
    ///   the same sequence
    /// @param <T> what the sequence is made of
    /// @return a sequence that fails and of which no single element can be dropped
    public static <T> List<T> shrink(List<T> failing, Predicate<List<T>> stillFails) {
        List<T> best = List.copyOf(failing);
        for (int part = Math.max(1, best.size() / 2); ; part = Math.max(1, part / 2)) {
            boolean dropped = false;
            for (int from = 0; from < best.size(); ) {
                List<T> rest = new ArrayList<>(best.subList(0, from));
                rest.addAll(best.subList(Math.min(best.size(), from + part), best.size()));
                if (stillFails.test(rest)) {
                    best = List.copyOf(rest);
                    dropped = true;
                } else {
                    from += part;
                }
            }
            if (part == 1 && !dropped) {
                return best;
            }
        }
    }
}
