package io.jircon.jmh;

import io.jircon.hal.AccessWidth;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.AtomicAccess;
import io.jircon.hal.AtomicUpdate;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.HugePages;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
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

/// Accesses to one word in each of 16 pages in turn, whose translations the TLB keeps; the score is
/// the time of one.
///
/// [#load] and [#store] move 8 bytes; beside them stand the atomic acts on words of 8 bytes.
/// `atomicLoad` and `atomicStore` do the same work as those two.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class MmuBenchmark {
    private static final int PAGES = 16;
    private static final int ACCESSES = 1024;

    /// The kind of machine.
    @Param({"x86_64", "aarch64", "riscv64", "unix-file", "unix-mmap"})
    public String hal = "x86_64";

    private Hal machine;
    private PageTableTrait table;
    private Mmu mmu;
    private long vaddr;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment word = arena.allocate(Long.BYTES, Long.BYTES);
    private final AtomicAccess load = new AtomicAccess().load(AccessWidth.QWORD);
    private final AtomicAccess store = new AtomicAccess().store(AccessWidth.QWORD, 5);
    private final AtomicAccess add =
            new AtomicAccess().update(AtomicUpdate.ADD, AccessWidth.QWORD, 1);
    private final AtomicAccess exchange =
            new AtomicAccess().compareAndExchange(AccessWidth.QWORD, 5, 5);

    /// Maps the pages.
    @Setup(Level.Trial)
    public void boot() {
        machine = Hals.create(hal, HalConfig.DEFAULT);
        table = machine.newPageTable(AddressSpaceKind.USER);
        mmu = machine.newMmu();
        mmu.activate(table);
        long frames = machine.frames().allocateContiguous(PAGES, PageSize.SIZE_4K.shift());
        long bytes = PAGES * PageSize.BASE_BYTES;
        machine.memory().zero(frames, bytes);
        vaddr = PageSize.SIZE_1G.alignDown(table.firstAddress()) + PageSize.SIZE_1G.bytes();
        table.mapRange(vaddr, frames, bytes, MmuFlags.RW, HugePages.FORBIDDEN, OnExisting.ERROR);
    }

    /// Ends the machine.
    @TearDown(Level.Trial)
    public void shutDown() {
        mmu.close();
        table.close();
        machine.close();
        arena.close();
    }

    private long address(int access) {
        // Another line of the cache in each page, as words of a program would have.
        return vaddr + (access % PAGES) * (PageSize.BASE_BYTES + 64);
    }

    private long atomic(AtomicAccess access) {
        long sum = 0;
        for (int i = 0; i < ACCESSES; i++) {
            sum += mmu.atomic(address(i), access) ? access.before() : 0;
        }
        return sum;
    }

    /// A load of 8 bytes.
    ///
    /// @return how many bytes were moved
    @Benchmark
    @OperationsPerInvocation(ACCESSES)
    public long load() {
        long sum = 0;
        for (int i = 0; i < ACCESSES; i++) {
            sum += mmu.load(address(i), word, 0, Long.BYTES);
        }
        return sum;
    }

    /// A store of 8 bytes.
    ///
    /// @return how many bytes were moved
    @Benchmark
    @OperationsPerInvocation(ACCESSES)
    public long store() {
        long sum = 0;
        for (int i = 0; i < ACCESSES; i++) {
            sum += mmu.store(address(i), word, 0, Long.BYTES);
        }
        return sum;
    }

    /// An atomic load.
    ///
    /// @return a checksum
    @Benchmark
    @OperationsPerInvocation(ACCESSES)
    public long atomicLoad() {
        return atomic(load);
    }

    /// An atomic store.
    ///
    /// @return a checksum
    @Benchmark
    @OperationsPerInvocation(ACCESSES)
    public long atomicStore() {
        return atomic(store);
    }

    /// An atomic addition.
    ///
    /// @return a checksum
    @Benchmark
    @OperationsPerInvocation(ACCESSES)
    public long atomicAdd() {
        return atomic(add);
    }

    /// An atomic comparison and exchange.
    ///
    /// @return a checksum
    @Benchmark
    @OperationsPerInvocation(ACCESSES)
    public long atomicCompareAndExchange() {
        return atomic(exchange);
    }
}
