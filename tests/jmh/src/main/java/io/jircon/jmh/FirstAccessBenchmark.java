package io.jircon.jmh;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// The first access to a page of `unix-mmap`, from its fault to its data, in each mode:
///
/// - `efault`: the access comes back, the page is entered, the access is made again;
/// - `userfaultfd`: the host holds the access, and a thread of the machine has the page entered;
/// - `minor`: the page has its entry, and the host holds the access until it is told to go on.
///
/// [FirstAccessComparison] has the same from C beside it.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 4, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class FirstAccessBenchmark {
    private static final int PAGES = 1024;

    /// Option `faults` of the machine.
    @Param({"efault", "userfaultfd", "minor"})
    public String faults;

    private FirstAccesses pages;

    /// Makes the machine.
    @Setup
    public void open() {
        pages = new FirstAccesses(faults, PAGES);
    }

    /// Takes the pages away, which some milliseconds of accesses follow.
    @Setup(Level.Invocation)
    public void forget() {
        pages.forget();
    }

    /// Closes the machine.
    @TearDown
    public void close() {
        pages.close();
    }

    /// One page.
    @Benchmark
    @OperationsPerInvocation(PAGES)
    public void firstAccess() {
        pages.access();
    }
}
