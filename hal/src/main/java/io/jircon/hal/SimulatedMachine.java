package io.jircon.hal;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/// The base of machines whose MMU is software: memory, frames, processors with a software TLB, the
/// bus that takes flush requests to them, and the tags of the open page tables. A subclass adds the
/// page-table format.
///
/// ```java
/// final class MyMachine extends SimulatedMachine {
///     MyMachine(HalConfig config) {
///         super("mine", config, 255);
///     }
///
///     @Override
///     protected PageTableTrait createPageTable(
///             AddressSpaceKind kind, int tag, TlbInvalidator invalidator) {
///         return new MyPageTable(memory(), frames(), kind, tag, invalidator);
///     }
///
///     @Override
///     public boolean canMapExecuteOnly() {
///         return true;
///     }
/// }
/// ```
///
/// What a page table of such a machine has to do: report every entry that it removes or weakens to
/// the invalidator, after the change and before it returns; and on close call
/// [TlbInvalidator#release(int)] before it frees its own frames.
///
/// Safe for use by many threads. The machine's own lock is never held while calling into a page
/// table or a processor, so it is a leaf.
public abstract class SimulatedMachine implements Hal {
    private static final SoftwareMmu[] NO_MMUS = {};

    private final String name;
    private final TlbConfig tlbConfig;
    private final PhysicalMemory memory;
    private final FrameAllocator frames;
    private final Runnable freeMemory;
    private final int tagCount;
    private final TlbInvalidator bus = new Bus();
    private final Object lock = new Object();

    @GuardedBy("lock")
    private final Map<Integer, PageTableTrait> tables = new HashMap<>();

    @GuardedBy("lock")
    private final BitSet tags = new BitSet();

    @GuardedBy("lock")
    private boolean closed;

    // Replaced as a whole under the lock; read without it by flushes.
    private volatile SoftwareMmu[] mmus = NO_MMUS;

    /// Makes a machine with lazily reserved memory.
    ///
    /// @param name the provider's name
    /// @param config base and size of the memory, TLB and frame wrapper; the options are the
    ///   subclass's
    /// @param tagCount how many tags there are: 1 .. tagCount, at least 1
    /// @throws PagingException NO_MEMORY when the host refuses to reserve the memory
    protected SimulatedMachine(String name, HalConfig config, int tagCount) {
        this(name, config, tagCount, LazyMemory.reserve(config.memoryBytes()));
    }

    private SimulatedMachine(String name, HalConfig config, int tagCount, LazyMemory ram) {
        this(name, config, tagCount, ram.segment(), allFree(config), ram::close);
    }

    /// Makes a machine over given memory.
    ///
    /// @param name the provider's name
    /// @param config base of the memory, TLB and frame wrapper; the options are the subclass's
    /// @param tagCount how many tags there are: 1 .. tagCount, at least 1
    /// @param segment the memory, of `config.memoryBytes()`; any thread must be allowed to use it
    /// @param allocator hands its frames out; the configured wrapper is put around it
    /// @param freeMemory gives the memory back; called once, on close or when this fails
    protected SimulatedMachine(
            String name,
            HalConfig config,
            int tagCount,
            MemorySegment segment,
            FrameAllocator allocator,
            Runnable freeMemory) {
        this.name = name;
        this.tlbConfig = config.tlb();
        this.tagCount = tagCount;
        this.freeMemory = freeMemory;
        try {
            if (tagCount < 1) {
                throw new IllegalArgumentException("tagCount=" + tagCount + " is less than 1");
            }
            this.memory = new PhysicalMemory(segment, config.memoryBase());
            this.frames =
                    Objects.requireNonNull(
                            config.frameWrapper().apply(allocator), "frameWrapper's result");
        } catch (RuntimeException | Error failed) {
            freeMemory.run();
            throw failed;
        }
    }

    private static FrameAllocator allFree(HalConfig config) {
        return new BuddyFrameAllocator(config.memoryBase(), config.memoryBytes());
    }

    /// Makes an empty page table in this machine's format. Called without a lock.
    ///
    /// @param kind what it is for
    /// @param tag the tag it keeps until it calls [TlbInvalidator#release(int)]
    /// @param invalidator where it sends its flush requests
    /// @return a table whose [PageTableTrait#tag()] is `tag`
    /// @throws PagingException NO_MEMORY when there is no frame for the root; NOT_SUPPORTED when
    ///   the machine has no such address spaces
    protected abstract PageTableTrait createPageTable(
            AddressSpaceKind kind, int tag, TlbInvalidator invalidator);

    @Override
    public final String name() {
        return name;
    }

    @Override
    public final PhysicalMemory memory() {
        return memory;
    }

    @Override
    public final FrameAllocator frames() {
        return frames;
    }

    @Override
    public final PageTableTrait newPageTable(AddressSpaceKind kind) {
        Objects.requireNonNull(kind, "kind");
        int tag;
        synchronized (lock) {
            checkOpenLocked();
            tag = takeTagLocked();
        }
        PageTableTrait table;
        try {
            table = createPageTable(kind, tag, bus);
        } catch (RuntimeException | Error failed) {
            synchronized (lock) {
                tags.clear(tag);
            }
            throw failed;
        }
        synchronized (lock) {
            if (!closed) {
                tables.put(tag, table);
                return table;
            }
        }
        table.close();
        throw machineClosed();
    }

    @Override
    public final Mmu newMmu() {
        synchronized (lock) {
            checkOpenLocked();
            SoftwareMmu mmu = new SoftwareMmu(this, tlbConfig);
            SoftwareMmu[] more = Arrays.copyOf(mmus, mmus.length + 1);
            more[mmus.length] = mmu;
            mmus = more;
            return mmu;
        }
    }

    /// Closes the page tables and processors that are left, then frees the memory.
    @Override
    public void close() {
        List<AutoCloseable> left;
        synchronized (lock) {
            if (closed) {
                return;
            }
            closed = true;
            left = new ArrayList<>(tables.values());
        }
        left.addAll(List.of(mmus));
        left.add(freeMemory::run);
        RuntimeException first = null;
        for (AutoCloseable each : left) {
            try {
                each.close();
            } catch (RuntimeException failed) {
                first = first == null ? failed : suppress(first, failed);
            } catch (Exception impossible) {
                throw new AssertionError(impossible);
            }
        }
        if (first != null) {
            throw first;
        }
    }

    /// Whether a table is one of this machine's and not closed.
    @SuppressWarnings("ReferenceEquality") // a table equal to ours would still not be ours
    boolean isOpen(PageTableTrait table) {
        synchronized (lock) {
            return tables.get(table.tag()) == table;
        }
    }

    /// Takes a closed processor off the bus.
    void forget(SoftwareMmu mmu) {
        synchronized (lock) {
            List<SoftwareMmu> rest = new ArrayList<>(List.of(mmus));
            rest.remove(mmu);
            mmus = rest.toArray(NO_MMUS);
        }
    }

    @GuardedBy("lock")
    private int takeTagLocked() {
        // The lowest free one: a table that forgets to flush on close soon meets its successor.
        int tag = tags.nextClearBit(1);
        if (tag > tagCount) {
            throw new PagingException(
                    PagingError.NO_RESOURCES, "all " + tagCount + " page-table tags are in use");
        }
        tags.set(tag);
        return tag;
    }

    @GuardedBy("lock")
    private void checkOpenLocked() {
        if (closed) {
            throw machineClosed();
        }
    }

    private static RuntimeException suppress(RuntimeException first, RuntimeException next) {
        first.addSuppressed(next);
        return first;
    }

    private static PagingException machineClosed() {
        return new PagingException(PagingError.BAD_STATE, "the machine is closed");
    }

    /// Reaches every processor of the machine.
    ///
    /// The fence orders the entry that the page table wrote before the read of the list: a
    /// processor that is not in the list yet will see that entry when it walks.
    private final class Bus implements TlbInvalidator {
        @Override
        public void flushPages(int tag, long[] vaddrs, byte[] shifts, int count) {
            VarHandle.fullFence();
            for (SoftwareMmu mmu : mmus) {
                mmu.flushPages(tag, vaddrs, shifts, count);
            }
        }

        @Override
        public void flushAll(int tag) {
            VarHandle.fullFence();
            for (SoftwareMmu mmu : mmus) {
                mmu.flushAll(tag);
            }
        }

        @Override
        public void release(int tag) {
            // Not open any more first: a processor that activates the table now is refused, one
            // that
            // did before is found below. The tag last: nothing is cached under it any more.
            synchronized (lock) {
                tables.remove(tag);
            }
            for (SoftwareMmu mmu : mmus) {
                mmu.release(tag);
            }
            synchronized (lock) {
                tags.clear(tag);
            }
        }
    }
}
