package io.jircon.jmh;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.LinkedHashMap;
import java.util.Map;

/// The best time of each of some operations: of the clock for short ones, and of the processor for
/// those that are long enough to be interrupted on a busy machine.
final class Times {
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private final Map<String, Double> best = new LinkedHashMap<>();

    /// Runs an operation once.
    void time(String name, Runnable operation) {
        long begin = System.nanoTime();
        operation.run();
        best.merge(name, (double) (System.nanoTime() - begin), Math::min);
    }

    /// Runs an operation once that takes a millisecond or more.
    void timeLong(String name, Runnable operation) {
        long begin = THREADS.getCurrentThreadCpuTime();
        operation.run();
        double nanos = THREADS.getCurrentThreadCpuTime() - begin;
        best.merge(name, nanos, Math::min);
    }

    /// Nanoseconds by operation, in the order in which the operations first came.
    Map<String, Double> best() {
        return best;
    }

    /// Prints the operations beside what they are compared with.
    ///
    /// @param bareName what the comparison is: C, or downcalls
    /// @param bare nanoseconds by operation; those that are not there have nothing to be compared
    void print(String bareName, Map<String, Double> bare) {
        System.out.printf("%-28s %14s %14s %7s%n", "operation", "Java ns", bareName, "ratio");
        best.forEach((name, nanos) -> {
            Double other = bare.get(name);
            System.out.printf(
                    "%-28s %14.0f %14s %7s%n",
                    name,
                    nanos,
                    other == null ? "-" : String.format("%.0f", other),
                    other == null ? "-" : String.format("%.2f", nanos / other));
        });
    }
}
