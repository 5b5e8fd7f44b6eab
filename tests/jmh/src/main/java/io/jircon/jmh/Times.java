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
        add(name, System.nanoTime() - begin);
    }

    /// Runs an operation once that takes a millisecond or more.
    void timeLong(String name, Runnable operation) {
        long begin = THREADS.getCurrentThreadCpuTime();
        operation.run();
        add(name, THREADS.getCurrentThreadCpuTime() - begin);
    }

    /// Takes times that somebody else measured.
    ///
    /// @param nanos by operation
    void addAll(Map<String, Double> nanos) {
        nanos.forEach(this::add);
    }

    /// Takes a time that the caller measured: where an operation takes less than a microsecond, a
    /// call through an interface to get to it would count.
    void add(String name, double nanos) {
        best.merge(name, nanos, Math::min);
    }

    /// Nanoseconds by operation, in the order in which the operations first came.
    Map<String, Double> best() {
        return best;
    }

    /// Prints the operations beside what they are compared with: all times in nanoseconds, then how
    /// many times as long as each of the others ours take.
    ///
    /// @param others by what they are; operations that are not there have nothing to be compared
    void print(Map<String, Times> others) {
        var head = new StringBuilder(String.format("%-26s %11s", "nanoseconds", "Jircon"));
        others.keySet().forEach(name -> head.append(String.format(" %11s", name)));
        others.keySet().forEach(name -> head.append(String.format(" %11s", "/ " + name)));
        System.out.println(head);
        best.forEach((operation, nanos) -> {
            var line = new StringBuilder(String.format("%-26s %11.0f", operation, nanos));
            var ratios = new StringBuilder();
            for (Times each : others.values()) {
                Double other = each.best.get(operation);
                line.append(
                        String.format(" %11s", other == null ? "-" : String.format("%.0f", other)));
                ratios.append(
                        String.format(
                                " %11s",
                                other == null ? "-" : String.format("%.2f", nanos / other)));
            }
            System.out.println(line.append(ratios));
        });
    }
}
