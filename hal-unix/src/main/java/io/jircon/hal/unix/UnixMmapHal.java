package io.jircon.hal.unix;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.BuddyFrameAllocator;
import io.jircon.hal.FrameAllocator;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Mmu;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.PhysicalMemory;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.ObjLongConsumer;
import org.jspecify.annotations.Nullable;

/// The host's own MMU as a machine: frames in a file of the host, each page table a reserved window
/// of host addresses in which every entry is a real mapping of that file, processors that access it
/// through system calls.
///
/// A USER table's window holds its virtual addresses as they are. A GUEST table's addresses start
/// at 0, where the host maps nothing: address `a` lies at [UnixMmapPageTable#hostAddress]. There
/// are no KERNEL tables.
///
/// Options are those of [UnixMmapOptions]. Lock order: page table, its [TableEditor], machine,
/// mapping budget, and the mutex of [HeldMarks].
public final class UnixMmapHal implements Hal {
    /// The provider's name.
    public static final String NAME = "unix-mmap";

    /// Where windows are tried first: far from where the host puts things by itself, and the same
    /// in every run, so that addresses can be recognized.
    private static final long FIRST_WINDOW = 0x1000_0000_0000L;

    private static final int WINDOW_TRIES = 64;

    private final Posix posix;
    private final UnixMmapOptions options;
    private final FrameBacking backing;
    private final HostFrames hostFrames;
    private final String hugePages;
    private final MappingBudget budget;
    private final PhysicalMemory memory;
    private final FrameAllocator frames;
    private final @Nullable FrameFile frameFile;
    private final @Nullable HeldFaults heldFaults;
    private final String faults;

    /// Changed under the lock, read by page tables without it.
    private final List<UnixMmapMmu> mmus = new CopyOnWriteArrayList<>();

    private final Object lock = new Object();

    @GuardedBy("lock")
    private final Map<UnixMmapPageTable, Integer> tables = new HashMap<>();

    /// Bit n: the n-th place for a window is in use, and n + 1 is the tag of its table.
    @GuardedBy("lock")
    private final BitSet places = new BitSet();

    private volatile boolean closed;

    private UnixMmapHal(
            Posix posix,
            FaultCalls faultCalls,
            HalConfig config,
            UnixMmapOptions options,
            FrameBacking backing) {
        this.posix = posix;
        this.options = options;
        this.backing = backing;
        String noHuge = options.hugePages() ? backing.hintHugePages() : "off";
        this.hostFrames = backing.frames(config.memoryBase(), noHuge.isEmpty());
        HostProbe.check(posix, hostFrames);
        this.hugePages = noHuge.isEmpty() ? "hinted" : noHuge;
        this.memory = new PhysicalMemory(backing.segment(), config.memoryBase());
        var allocator = new BuddyFrameAllocator(memory);
        UnixFileStore store = backing.store();
        this.frameFile = store == null ? null : new FrameFile(store, allocator);
        this.frames = config.frameWrapper().apply(allocator);
        this.budget = new MappingBudget(options.maxMapCount());
        FaultMode mode = options.faults().open(posix, faultCalls, hostFrames.descriptor(), this);
        this.heldFaults = mode.held();
        this.faults = mode.text();
    }

    /// Makes a machine.
    ///
    /// @param config base, size and options; there is no software TLB to configure
    /// @return a machine that the caller closes
    /// @throws PagingException NOT_SUPPORTED when the host lacks or forbids what it takes, or for
    ///   an unknown or bad option; NO_MEMORY, NO_RESOURCES, SYSTEM when the host refuses; BAD_STATE
    ///   when the file of option `file` cannot be used; the message says what to do
    public static UnixMmapHal open(HalConfig config) {
        return open(Posix.get(), config);
    }

    static UnixMmapHal open(Posix posix, HalConfig config) {
        return open(posix, new FaultCalls(posix), config);
    }

    static UnixMmapHal open(Posix posix, FaultCalls faultCalls, HalConfig config) {
        UnixMmapOptions options = UnixMmapOptions.of(config);
        FrameBacking backing = options.openBacking(posix, config);
        try {
            return new UnixMmapHal(posix, faultCalls, config, options, backing);
        } catch (RuntimeException | Error failed) {
            backing.close();
            throw failed;
        }
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public PhysicalMemory memory() {
        return memory;
    }

    @Override
    public FrameAllocator frames() {
        return frames;
    }

    @Override
    public PageTableTrait newPageTable(AddressSpaceKind kind) {
        if (kind == AddressSpaceKind.KERNEL) {
            throw new PagingException(
                    PagingError.NOT_SUPPORTED,
                    "kind=KERNEL: the host keeps its upper half to itself");
        }
        synchronized (lock) {
            checkOpen();
            int place = places.nextClearBit(0);
            budget.take(/* peak= */ 1, /* change= */ 1, /* shrinking= */ false);
            try {
                HostWindow window = reserveWindow(place);
                long first = kind == AddressSpaceKind.GUEST ? 0 : window.address();
                var table = new UnixMmapPageTable(this, window, first, place + 1);
                places.set(place);
                tables.put(table, place);
                return table;
            } catch (RuntimeException | Error failed) {
                budget.giveBack(1);
                throw failed;
            }
        }
    }

    /// Tries the places in order, since other machines of the process may hold some; then leaves it
    /// to the host.
    private HostWindow reserveWindow(int firstPlace) {
        long bytes = options.windowBytes();
        for (int attempt = 0; attempt < WINDOW_TRIES; attempt++) {
            long address = FIRST_WINDOW + (firstPlace + attempt) * bytes;
            HostWindow window = HostWindow.reserveAt(posix, hostFrames, address, bytes);
            if (window != null) {
                return window;
            }
        }
        return HostWindow.reserveAnywhere(posix, hostFrames, bytes);
    }

    @Override
    public Mmu newMmu() {
        return enlist(new UnixMmapMmu(this, posix));
    }

    /// Lets page tables know a processor that they have to wait for.
    Mmu enlist(UnixMmapMmu mmu) {
        synchronized (lock) {
            checkOpen();
            mmus.add(mmu);
            return mmu;
        }
    }

    /// False: the host cannot express it in a way that every access path respects.
    @Override
    public boolean canMapExecuteOnly() {
        return false;
    }

    /// Whether the host's mappings carry the execute permission. Where its policy forbids that (a
    /// mount without execution), fetches are checked in software only.
    ///
    /// @return true when they do
    public boolean mapsExecutable() {
        return hostFrames.executable();
    }

    /// What became of the option `huge-pages`. A hint is a wish: `enabled` and `shmem_enabled` in
    /// `/sys/kernel/mm/transparent_hugepage` say whether the host grants it (`advise` does).
    ///
    /// @return `off`, `hinted`, or `not hinted: ` with the reason
    public String hugePages() {
        return hugePages;
    }

    /// How page faults of address spaces are noticed: `userfaultfd` when the host holds an access
    /// until its fault is resolved ([PageTableTrait#setFaultHandler]), `efault` when the access
    /// comes back and whoever made it resolves the fault and tries again.
    ///
    /// @return one of the words, a colon, and the kinds of faults or the reason
    public String faults() {
        return faults;
    }

    /// How many mappings of the host the machine's windows consist of.
    ///
    /// @return one for each page table, and one for each border in it
    public long hostMappings() {
        return budget.used();
    }

    /// The file that the frames outlive the machine in.
    ///
    /// @return empty without option `file`
    public Optional<FrameFile> frameFile() {
        return Optional.ofNullable(frameFile);
    }

    /// Does [FrameFile#flush]; with nameless frames nothing.
    ///
    /// @throws PagingException SYSTEM when the host cannot; BAD_STATE after close
    public void flush() {
        checkOpen();
        if (frameFile != null) {
            frameFile.flush();
        }
    }

    /// Closes the page tables and processors that are still open, then gives the memory back.
    ///
    /// @throws PagingException BAD_STATE when a native call is using memory of the machine; closing
    ///   can be tried again. SYSTEM when the host refuses to take addresses back; all else is given
    ///   back
    @Override
    public void close() {
        closed = true;
        List<UnixMmapPageTable> open;
        synchronized (lock) {
            open = new ArrayList<>(tables.keySet());
        }
        @Nullable PagingException refused = null;
        for (UnixMmapPageTable table : open) {
            refused = closing(table::close, refused);
        }
        synchronized (lock) {
            if (refused != null && !tables.isEmpty()) {
                throw refused;
            }
        }
        mmus.forEach(UnixMmapMmu::close);
        if (heldFaults != null) {
            heldFaults.close();
        }
        synchronized (lock) {
            refused = closing(backing::close, refused);
        }
        if (refused != null) {
            throw refused;
        }
    }

    private static @Nullable PagingException closing(
            Runnable close, @Nullable PagingException before) {
        try {
            close.run();
            return before;
        } catch (PagingException refused) {
            if (before == null) {
                return refused;
            }
            before.addSuppressed(refused);
            return before;
        }
    }

    boolean isClosed() {
        return closed;
    }

    HostFrames hostFrames() {
        return hostFrames;
    }

    MappingBudget budget() {
        return budget;
    }

    /// What holds accesses.
    ///
    /// @return null where the host does not
    @Nullable HeldFaults heldFaults() {
        return heldFaults;
    }

    /// Whether the host holds the first access to each page that has an entry.
    boolean holdsMinor() {
        return heldFaults != null && heldFaults.descriptor().holdsMinor();
    }

    /// The access that a thread of the host is held in.
    ///
    /// @param thread the host's number of it
    /// @param address host address of the page
    /// @return null when the thread is in none of this machine's accesses
    @Nullable HeldAccess accessOf(int thread, long address) {
        for (UnixMmapMmu mmu : mmus) {
            HeldAccess access = mmu.asHeld(thread, address);
            if (access != null) {
                return access;
            }
        }
        return null;
    }

    /// Ends an access that is none of this machine's.
    ///
    /// @param address host address of the page that it is held at
    void endForeignAccess(long address) {
        atPage(address, TableFaults::endForeign);
    }

    /// Has an access go on that is held at a page which only has to be entered.
    ///
    /// @param address host address of the page
    void enterHeld(long address, AccessKind access) {
        atPage(address, (faults, page) -> faults.enterHeld(page, access));
    }

    private void atPage(long address, ObjLongConsumer<TableFaults> action) {
        List<UnixMmapPageTable> open;
        synchronized (lock) {
            open = List.copyOf(tables.keySet());
        }
        for (UnixMmapPageTable table : open) {
            TableFaults own = table.faults();
            if (own != null && own.pageAt(address) >= 0) {
                action.accept(own, own.pageAt(address));
            }
        }
    }

    /// Waits for the accesses under way that may use what a table no longer allows.
    void awaitAccesses(UnixMmapPageTable table) {
        // The shadow is written without one, and an access that is not seen must see it.
        VarHandle.fullFence();
        for (UnixMmapMmu mmu : mmus) {
            mmu.awaitIdle(table);
        }
    }

    void forget(UnixMmapMmu mmu) {
        mmus.remove(mmu);
    }

    void forget(UnixMmapPageTable table) {
        synchronized (lock) {
            Integer place = tables.remove(table);
            if (place != null) {
                places.clear(place);
            }
        }
    }

    private void checkOpen() {
        if (closed) {
            throw new PagingException(PagingError.BAD_STATE, "the machine is closed");
        }
    }
}
