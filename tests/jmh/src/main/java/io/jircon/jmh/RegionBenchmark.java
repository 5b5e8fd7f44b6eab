package io.jircon.jmh;

import io.jircon.hal.AccessKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.Machine;
import io.jircon.vm.VmAddressRegion;
import io.jircon.vm.VmMapping;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmarFlags;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// Region operations in an address space that has so many mappings already, each of one page, with
/// a gap of one page behind it.
///
/// [#bareLookupAndEntry] is what a fault cannot do without: a lookup in a sorted map of the same
/// size, and the entry. Placement is at random, with the default entropy; [#mapAndUnmapFirstFit] in
/// a compact region of the same content.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class RegionBenchmark {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final int HOT = 256;
    private static final MmuFlags ENTRY = MmuFlags.RW.with(MmuFlags.of(MmuFlags.USER_BIT));

    /// How many mappings there are.
    @Param({"100", "1000", "10000", "100000", "1000000"})
    public int mappings = 100;

    private Machine machine;
    private VmAddressRegion root;
    private VmAddressRegion region;
    private VmAddressRegion compact;
    private VmObject vmo;
    private long frame;
    private final long[] hot = new long[HOT];
    private final long[] one = new long[1];
    private final TreeMap<Long, Long> bare = new TreeMap<>();
    private final SplittableRandom random = new SplittableRandom(1);
    private int turn;

    /// Makes the mappings.
    @Setup(Level.Trial)
    public void map() {
        machine = Machine.builder(Hals.create("x86_64", HalConfig.DEFAULT)).boot();
        root = VmAddressRegion.newRoot(machine);
        vmo = VmObject.create(machine, 2 * PAGE);
        vmo.write(0, new byte[(int) PAGE]);
        VmarFlags options = VmarFlags.CAN_MAP_RWX.with(VmarFlags.CAN_MAP_SPECIFIC);
        long size = (2L * mappings + 2) * PAGE;
        region = root.allocate(options, 0, size);
        compact = root.allocate(options.with(VmarFlags.COMPACT), 0, size);
        VmarFlags at = VmarFlags.READ_WRITE.with(VmarFlags.SPECIFIC);
        for (int i = 0; i < mappings; i++) {
            long vaddr = region.map(at, 2L * i * PAGE, vmo, 0, PAGE);
            compact.map(at, 2L * i * PAGE, vmo, 0, PAGE);
            bare.put(vaddr, vaddr);
            hot[i % HOT] = vaddr;
        }
        for (int i = 0; i < HOT; i++) {
            hot[i] = region.baseAddress() + 2L * random.nextInt(mappings) * PAGE;
        }
        faultAll();
        frame = root.pageTable().translate(hot[0]);
        one[0] = frame;
    }

    private void faultAll() {
        for (long vaddr : hot) {
            if (root.handlePageFault(vaddr, AccessKind.WRITE) != ZxStatus.OK) {
                throw new IllegalStateException();
            }
        }
    }

    /// Gives everything back.
    @TearDown(Level.Trial)
    public void end() {
        root.destroyAddressSpace();
        vmo.close();
        machine.close();
    }

    private long next() {
        turn = (turn + 1) % HOT;
        return hot[turn];
    }

    /// Finds the mapping at an address.
    ///
    /// @return the mapping
    @Benchmark
    public VmMapping find() {
        return root.findMapping(next());
    }

    /// Resolves a fault in a page whose entry is there already.
    ///
    /// @return OK
    @Benchmark
    public ZxStatus fault() {
        return root.handlePageFault(next(), AccessKind.WRITE);
    }

    /// Looks an address up in a sorted map and writes an entry: the least a fault can cost.
    ///
    /// @return what was found
    @Benchmark
    public Object bareLookupAndEntry() {
        long vaddr = next();
        Object found = bare.floorEntry(vaddr);
        root.pageTable().mapPages(vaddr, one, 0, 1, ENTRY, OnExisting.UPGRADE);
        return found;
    }

    /// Maps a page at a random place and unmaps it.
    ///
    /// @return where it was
    @Benchmark
    public long mapAndUnmap() {
        long vaddr = region.map(VmarFlags.READ_WRITE, 0, vmo, 0, PAGE);
        region.unmap(vaddr, PAGE);
        return vaddr;
    }

    /// Maps a page at the first free place and unmaps it.
    ///
    /// @return where it was
    @Benchmark
    public long mapAndUnmapFirstFit() {
        long vaddr = compact.map(VmarFlags.READ_WRITE, 0, vmo, 0, PAGE);
        compact.unmap(vaddr, PAGE);
        return vaddr;
    }

    /// Makes a region at a random place and destroys it.
    ///
    /// @return where it was
    @Benchmark
    public long allocateAndDestroy() {
        VmAddressRegion child = region.allocate(VmarFlags.CAN_MAP_READ, 0, PAGE);
        child.destroy();
        return child.baseAddress();
    }

    /// Takes write from a mapping and gives it back.
    @Benchmark
    public void protectTwice() {
        long vaddr = next();
        region.protect(VmarFlags.PERM_READ, vaddr, PAGE);
        region.protect(VmarFlags.READ_WRITE, vaddr, PAGE);
    }
}
