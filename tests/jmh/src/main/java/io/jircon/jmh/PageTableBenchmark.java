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
import io.jircon.hal.PhysicalMemory;
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

/// Range operations of a page table over 4,096 base pages; the score is the time of one page.
///
/// [#writeEntries] is the limit: a plain loop that writes as many 8-byte entries into the same
/// memory. [#rewriteEntries] is that of protect, which reads an entry before it writes it. Names
/// with `ThenUnmap` are two range operations; the others are one.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class PageTableBenchmark {
    private static final int PAGES = 4096;
    private static final long BYTES = PAGES * PageSize.BASE_BYTES;

    /// The kind of machine.
    @Param({"x86_64", "aarch64", "riscv64", "unix-file", "unix-mmap"})
    public String hal = "x86_64";

    private Hal machine;
    private PhysicalMemory memory;
    private PageTableTrait table;
    private PageTableTrait full;
    private PageTableTrait kept;
    private long vaddr;
    private long frames;
    private final long[] scattered = new long[PAGES];
    private boolean writable;

    /// Makes a machine, an empty table, a full one, and one with a page at the end of each 2 MiB.
    @Setup(Level.Trial)
    public void boot() {
        machine = Hals.create(hal, HalConfig.DEFAULT);
        memory = machine.memory();
        frames = machine.frames().allocateContiguous(PAGES, PageSize.SIZE_2M.shift());
        for (int i = 0; i < PAGES; i++) {
            scattered[i] = frames + (i * 1021L % PAGES) * PageSize.BASE_BYTES;
        }
        table = machine.newPageTable(AddressSpaceKind.USER);
        full = machine.newPageTable(AddressSpaceKind.USER);
        kept = machine.newPageTable(AddressSpaceKind.USER);
        vaddr = PageSize.SIZE_1G.alignDown(table.firstAddress()) + PageSize.SIZE_1G.bytes();
        full.mapRange(
                fullAddress(), frames, BYTES, MmuFlags.RW, HugePages.FORBIDDEN, OnExisting.ERROR);
        long slot = PageSize.SIZE_2M.bytes();
        for (long offset = slot; offset <= BYTES; offset += slot) {
            long last = keptAddress() + offset - PageSize.BASE_BYTES;
            kept.map(last, frames, PageSize.SIZE_4K, MmuFlags.RW);
        }
    }

    private long fullAddress() {
        return PageSize.SIZE_1G.alignDown(full.firstAddress()) + PageSize.SIZE_1G.bytes();
    }

    private long keptAddress() {
        return PageSize.SIZE_1G.alignDown(kept.firstAddress()) + PageSize.SIZE_1G.bytes();
    }

    /// Ends the machine.
    @TearDown(Level.Trial)
    public void shutDown() {
        table.close();
        full.close();
        kept.close();
        machine.close();
    }

    /// The limit: one 8-byte store for each page.
    @Benchmark
    @OperationsPerInvocation(PAGES)
    public void writeEntries() {
        for (int i = 0; i < PAGES; i++) {
            memory.writeLongRelease(frames + 8L * i, scattered[i] | 7);
        }
    }

    /// The limit of what changes entries: one 8-byte load and one store for each page.
    @Benchmark
    @OperationsPerInvocation(PAGES)
    public void rewriteEntries() {
        for (int i = 0; i < PAGES; i++) {
            long entry = frames + 8L * i;
            memory.writeLongRelease(entry, memory.readLongAcquire(entry) ^ 2);
        }
    }

    /// A contiguous range entered with base pages, then removed.
    @Benchmark
    @OperationsPerInvocation(PAGES)
    public void mapRangeThenUnmap() {
        table.mapRange(vaddr, frames, BYTES, MmuFlags.RW, HugePages.FORBIDDEN, OnExisting.ERROR);
        table.unmapRange(vaddr, BYTES);
    }

    /// All pages but one of each 2 MiB entered and removed, range by range; that one keeps the
    /// tables.
    @Benchmark
    @OperationsPerInvocation(PAGES)
    public void mapIntoTablesThenUnmap() {
        long slot = PageSize.SIZE_2M.bytes();
        long bytes = slot - PageSize.BASE_BYTES;
        for (long offset = 0; offset < BYTES; offset += slot) {
            long at = keptAddress() + offset;
            kept.mapRange(at, frames, bytes, MmuFlags.RW, HugePages.FORBIDDEN, OnExisting.ERROR);
            kept.unmapRange(at, bytes);
        }
    }

    /// A contiguous range entered with the largest leaves, then removed.
    @Benchmark
    @OperationsPerInvocation(PAGES)
    public void mapHugeThenUnmap() {
        table.mapRange(vaddr, frames, BYTES, MmuFlags.RW, HugePages.ALLOWED, OnExisting.ERROR);
        table.unmapRange(vaddr, BYTES);
    }

    /// Scattered frames entered, then removed.
    @Benchmark
    @OperationsPerInvocation(PAGES)
    public void mapPagesThenUnmap() {
        table.mapPages(vaddr, scattered, 0, PAGES, MmuFlags.RW, OnExisting.ERROR);
        table.unmapRange(vaddr, BYTES);
    }

    /// New flags for every page of a range.
    @Benchmark
    @OperationsPerInvocation(PAGES)
    public void protectRange() {
        writable = !writable;
        full.protectRange(fullAddress(), BYTES, writable ? MmuFlags.RW : MmuFlags.R);
    }
}
