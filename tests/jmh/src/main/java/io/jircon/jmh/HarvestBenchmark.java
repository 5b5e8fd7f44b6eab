package io.jircon.jmh;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.UnusedTables;
import java.util.BitSet;
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

/// Harvests of accessed pages over 4,096 base pages, on machines whose processor notes accesses;
/// the score is the time of one page. [#protectRange] is for comparison: it visits the same entries
/// and changes each.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class HarvestBenchmark {
    private static final int PAGES = 4096;
    private static final long BYTES = PAGES * PageSize.BASE_BYTES;

    /// The machine, with the option that has its processor note accesses.
    @Param({"x86_64 ad=on", "aarch64 ad=hardware", "riscv64 ad=svadu", "unix-file", "unix-mmap"})
    public String hal = "x86_64 ad=on";

    private final BitSet pages = new BitSet(PAGES);
    private Hal machine;
    private PageTableTrait table;
    private long vaddr;
    private boolean writable;

    /// Makes a machine and a full table.
    @Setup(Level.Trial)
    public void boot() {
        String[] words = hal.split("[ =]");
        machine =
                Hals.create(
                        words[0],
                        words.length == 1
                                ? HalConfig.DEFAULT
                                : HalConfig.DEFAULT.withOption(words[1], words[2]));
        long frames = machine.frames().allocateContiguous(PAGES, PageSize.SIZE_2M.shift());
        table = machine.newPageTable(AddressSpaceKind.USER);
        vaddr = PageSize.SIZE_1G.alignDown(table.firstAddress()) + PageSize.SIZE_1G.bytes();
        table.mapRange(vaddr, frames, BYTES, MmuFlags.RW, HugePages.FORBIDDEN, OnExisting.ERROR);
    }

    /// Ends the machine.
    @TearDown(Level.Trial)
    public void shutDown() {
        table.close();
        machine.close();
    }

    /// A look at pages that nobody accessed.
    ///
    /// @return the pages told, none
    @Benchmark
    @OperationsPerInvocation(PAGES)
    public BitSet harvestIdlePages() {
        table.harvestAccessed(vaddr, BYTES, UnusedTables.KEEP, pages);
        return pages;
    }

    /// Every page marked, and then told and forgotten.
    ///
    /// @return the pages told, all
    @Benchmark
    @OperationsPerInvocation(PAGES)
    public BitSet markThenHarvest() {
        table.markAccessed(vaddr, BYTES);
        table.harvestAccessed(vaddr, BYTES, UnusedTables.KEEP, pages);
        return pages;
    }

    /// New flags for every page.
    @Benchmark
    @OperationsPerInvocation(PAGES)
    public void protectRange() {
        writable = !writable;
        table.protectRange(vaddr, BYTES, writable ? MmuFlags.RW : MmuFlags.R);
    }
}
