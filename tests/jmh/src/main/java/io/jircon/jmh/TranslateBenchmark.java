package io.jircon.jmh;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PageWalk;
import io.jircon.hal.PhysicalMemory;
import java.util.List;
import java.util.SplittableRandom;
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

/// Random queries of a table of 16,384 base pages spread over eight 1 GiB regions; the score is the
/// time of one query.
///
/// [#dependentLoads] is the limit: the same entries read in the same order, each address depending
/// on the word before.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class TranslateBenchmark {
    private static final int QUERIES = 4096;
    private static final int REGIONS = 8;
    private static final int PAGES_PER_REGION = 2048;

    /// The kind of machine; only those whose tables lie in simulated memory have loads to compare
    /// with.
    @Param({"x86_64", "aarch64", "riscv64"})
    public String hal = "x86_64";

    private Hal machine;
    private PhysicalMemory memory;
    private PageTableTrait table;
    private final long[] queries = new long[QUERIES];
    private long[] entryAddresses = {};
    private int depth;

    /// Not final and never anything but 0: keeps each load's address depending on the load before.
    private long zero;

    /// Fills the table and notes which entries each query reads.
    @Setup(Level.Trial)
    public void boot() {
        machine = Hals.create(hal, HalConfig.DEFAULT);
        memory = machine.memory();
        table = machine.newPageTable(AddressSpaceKind.USER);
        long bytes = PAGES_PER_REGION * PageSize.BASE_BYTES;
        long frames =
                machine.frames().allocateContiguous(PAGES_PER_REGION, PageSize.SIZE_2M.shift());
        for (long region = 1; region <= REGIONS; region++) {
            table.mapRange(
                    region << 30,
                    frames,
                    bytes,
                    MmuFlags.RW,
                    HugePages.FORBIDDEN,
                    OnExisting.ERROR);
        }
        var random = new SplittableRandom(1);
        for (int i = 0; i < QUERIES; i++) {
            queries[i] = (1 + random.nextLong(REGIONS) << 30) + random.nextLong(bytes);
            List<PageWalk.Step> steps = table.explain(queries[i], AccessKind.READ).steps();
            depth = steps.size();
            if (i == 0) {
                entryAddresses = new long[QUERIES * depth];
            }
            for (int step = 0; step < depth; step++) {
                entryAddresses[i * depth + step] = steps.get(step).entryAddress();
            }
        }
    }

    /// Ends the machine.
    @TearDown(Level.Trial)
    public void shutDown() {
        table.close();
        machine.close();
    }

    /// The limit: the walk's own loads.
    ///
    /// @return a checksum
    @Benchmark
    @OperationsPerInvocation(QUERIES)
    public long dependentLoads() {
        long sum = 0;
        for (int i = 0; i < QUERIES; i++) {
            long word = 0;
            for (int step = 0; step < depth; step++) {
                word = memory.readLongAcquire(entryAddresses[i * depth + step] + (word & zero));
            }
            sum += word;
        }
        return sum;
    }

    /// The public query without garbage.
    ///
    /// @return a checksum
    @Benchmark
    @OperationsPerInvocation(QUERIES)
    public long translate() {
        long sum = 0;
        for (int i = 0; i < QUERIES; i++) {
            sum += table.translate(queries[i]);
        }
        return sum;
    }

    /// The public query with a record as result.
    ///
    /// @return a checksum
    @Benchmark
    @OperationsPerInvocation(QUERIES)
    public long query() {
        long sum = 0;
        for (int i = 0; i < QUERIES; i++) {
            sum += table.query(queries[i]).paddr();
        }
        return sum;
    }
}
