package io.jircon.hal.unix;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AtomicAccess;
import io.jircon.hal.FaultCause;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuStats;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.PhysicalMemory;
import io.jircon.hal.WalkResult;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// A processor that is the host's own: bytes move with `process_vm_readv` and `process_vm_writev`
/// on this process, so that the host's page tables and protection decide, and a refusal comes back
/// as EFAULT instead of killing the JVM.
///
/// Where EFAULT does not say why, the table's shadow does. Fetches ask the shadow for EXECUTE
/// first, since the system calls know only reading and writing.
///
/// [#activity] is odd while a system call or an atomic act may touch a frame: a page table that
/// takes a frame away waits until it is even or has moved on. A call moves at most 1 MiB, so that
/// the wait is short.
///
/// Where the host holds accesses ([HeldFaults]), a call takes page by page: it is held before it
/// has a page and so uses no frame while it is, and whoever takes frames away passes it over. Calls
/// under the table's lock are made only where they cannot be held, or only for a page to be
/// entered, which takes no such lock.
///
/// Bytes go to and from a thread-confined native segment directly, and through a buffer otherwise:
/// an array has no fixed address, and another thread could free a shared segment under the call.
///
/// Not final, so that tests can hold up an atomic act.
public class UnixMmapMmu implements Mmu {
    private static final long BUFFER_BYTES = 64 << 10;
    private static final long DIRECT_BYTES = 1 << 20;

    /// Never started: asking whether it may access a segment tells confined ones from shared ones.
    private static final Thread NOBODY = new Thread(() -> {}, "jircon-nobody");

    private final UnixMmapHal hal;
    private final Posix posix;
    private final CallScratch scratch = new CallScratch();
    private final Arena arena = Arena.ofShared();
    private final MemorySegment buffer = arena.allocate(BUFFER_BYTES, PageSize.BASE_BYTES);
    private final AtomicLong activity = new AtomicLong();
    private final WalkResult walk = new WalkResult();

    private volatile @Nullable UnixMmapPageTable table;
    private volatile boolean closed;

    /// The thread that is in a call that may be held, by the host's number; 0 when none is. What
    /// the call is about is written before.
    private volatile int callingThread;

    private @Nullable TableFaults callFaults;
    private AccessKind callAccess = AccessKind.READ;
    private int timesHeld;
    private long pageHeld;

    /// Set and taken away by [HeldMarks], under its mutex.
    private volatile @Nullable HeldAccess held;

    private @Nullable Thread numberedThread;
    private int threadNumber;

    private long faultAddress;
    private AccessKind faultAccess = AccessKind.READ;
    private FaultCause faultCause = FaultCause.NOT_PRESENT;
    private long accesses;
    private long faults;

    UnixMmapMmu(UnixMmapHal hal, Posix posix) {
        this.hal = hal;
        this.posix = posix;
    }

    @Override
    public void activate(PageTableTrait next) {
        checkUsable();
        if (!(next instanceof UnixMmapPageTable own) || !own.isOf(hal)) {
            throw new PagingException(
                    PagingError.BAD_STATE, "table=" + next + " is of another machine");
        }
        if (own.isClosed()) {
            throw closedTable();
        }
        table = own;
    }

    @Override
    public long load(long vaddr, MemorySegment target, long targetOffset, long length) {
        return transfer(vaddr, target, targetOffset, length, AccessKind.READ);
    }

    @Override
    public long store(long vaddr, MemorySegment source, long sourceOffset, long length) {
        return transfer(vaddr, source, sourceOffset, length, AccessKind.WRITE);
    }

    @Override
    public long fetch(long vaddr, MemorySegment target, long targetOffset, long length) {
        return transfer(vaddr, target, targetOffset, length, AccessKind.EXECUTE);
    }

    private long transfer(
            long vaddr, MemorySegment own, long offset, long length, AccessKind access) {
        Objects.checkFromIndexSize(offset, length, own.byteSize());
        UnixMmapPageTable active = activeTable();
        boolean direct = isDirect(own, access);
        long most = direct ? DIRECT_BYTES : BUFFER_BYTES;
        long done = 0;
        while (done < length) {
            long at = vaddr + done;
            long want = Math.min(length - done, most);
            long moved;
            try {
                moved =
                        direct
                                ? move(active, at, own.address() + offset + done, want, access)
                                : moveBuffered(active, at, own, offset + done, want, access);
            } catch (PagingException gone) {
                if (done == 0 || !(closed || active.isClosed())) {
                    throw gone;
                }
                // An exception would not say how far the transfer came.
                moved = setFault(at, access, FaultCause.NOT_PRESENT);
            }
            if (moved == 0) {
                break;
            }
            done += moved;
        }
        return done;
    }

    private UnixMmapPageTable activeTable() {
        checkUsable();
        UnixMmapPageTable active = table;
        if (active == null) {
            throw new PagingException(PagingError.BAD_STATE, "no page table is active");
        }
        return active;
    }

    /// The system calls know no atomic acts, and the window must not be touched by Java code: the
    /// act goes to the same frame where [UnixMmapHal#memory()] shows it. The shadow decides, and
    /// [#activity] makes whoever takes the page away wait.
    @Override
    public boolean atomic(long vaddr, AtomicAccess access) {
        access.checkAligned(vaddr);
        UnixMmapPageTable active = activeTable();
        long idle = begin(active);
        try {
            // One look at the shadow: right and frame belong together.
            boolean allowed = active.hardwareWalk(vaddr, access.kind(), walk);
            PhysicalMemory memory = hal.memory();
            if (!allowed || !memory.contains(walk.paddr, access.width().sizeBytes())) {
                fault(active, vaddr, access.kind(), allowed ? FaultCause.EXTERNAL : walk.cause);
                return false;
            }
            act(memory, walk.paddr, access);
            accesses++;
            return true;
        } finally {
            activity.set(idle + 2);
        }
    }

    void act(PhysicalMemory memory, long paddr, AtomicAccess access) {
        memory.atomic(paddr, access);
    }

    private static boolean isDirect(MemorySegment own, AccessKind access) {
        return own.isNative()
                && (access == AccessKind.WRITE || !own.isReadOnly())
                && own.isAccessibleBy(Thread.currentThread())
                && !own.isAccessibleBy(NOBODY)
                && own.scope().isAlive();
    }

    private long moveBuffered(
            UnixMmapPageTable active,
            long vaddr,
            MemorySegment own,
            long offset,
            long want,
            AccessKind access) {
        if (access == AccessKind.WRITE) {
            MemorySegment.copy(own, offset, buffer, 0, want);
            return move(active, vaddr, buffer.address(), want, access);
        }
        long moved = move(active, vaddr, buffer.address(), want, access);
        MemorySegment.copy(buffer, 0, own, offset, moved);
        return moved;
    }

    /// Moves bytes between the window and native memory of ours.
    ///
    /// @return how many, at least 1, or 0 with the fault registers set
    private long move(
            UnixMmapPageTable active, long vaddr, long local, long want, AccessKind access) {
        if (!active.inRange(vaddr)) {
            return fault(active, vaddr, access, FaultCause.ADDRESS_SIZE);
        }
        // Never past the window: behind it lies memory of somebody else.
        long left = active.lastAddress() - vaddr;
        long most = left >= 0 && left < want ? left + 1 : want;
        long inPage = bytesInPage(vaddr);
        long result = attempt(active, vaddr, local, most, access);
        if (result == -Errno.EFAULT && inPage < most && active.armedFaults() == null) {
            // What was refused may lie behind bytes that can be moved.
            result = attempt(active, vaddr, local, inPage, access);
            most = inPage;
        }
        if (result == -Errno.EFAULT) {
            FaultCause cause = active.shadow().refusal(vaddr, access);
            if (cause != null) {
                return fault(active, vaddr, access, cause);
            }
            result = attemptAlone(active, vaddr, local, Math.min(most, inPage), access);
            if (result == -Errno.EFAULT) {
                cause = active.shadow().refusal(vaddr, access);
                return fault(active, vaddr, access, cause == null ? FaultCause.EXTERNAL : cause);
            }
        }
        if (result < 0) {
            String call = access == AccessKind.WRITE ? "process_vm_writev" : "process_vm_readv";
            throw Posix.failure(
                    call + "(vaddr=0x" + Long.toHexString(vaddr) + ", bytes=" + most + ")", result);
        }
        accesses += pagesTouched(vaddr, result);
        return result;
    }

    /// The host said no where the shadow says yes: another thread is changing the page. Tries again
    /// when it is done and while nobody else can begin.
    private long attemptAlone(
            UnixMmapPageTable active, long vaddr, long local, long bytes, AccessKind access) {
        long[] result = {-Errno.EFAULT};
        active.holdStill(
                vaddr, access, () -> result[0] = attempt(active, vaddr, local, bytes, access));
        return result[0];
    }

    private long attempt(
            UnixMmapPageTable active, long vaddr, long local, long bytes, AccessKind access) {
        long idle = begin(active);
        try {
            long most = bytes;
            if (access == AccessKind.EXECUTE) {
                most = active.shadow().executableBytes(vaddr, bytes);
                if (most == 0) {
                    return -Errno.EFAULT;
                }
            }
            TableFaults faults = active.armedFaults();
            long host = active.hostAddress(vaddr);
            if (faults == null) {
                scratch.describe(local, host, most);
                return noted(active, vaddr, call(access));
            }
            most = Math.min(most, CallScratch.maxBytesFrom(host));
            scratch.describePages(local, host, most);
            return noted(active, vaddr, callThatMayBeHeld(faults, access));
        } finally {
            activity.set(idle + 2);
        }
    }

    /// Notes which pages a call accessed, before whoever waits for it sees that it ended.
    private static long noted(UnixMmapPageTable active, long vaddr, long result) {
        if (result > 0) {
            active.noteAccess(vaddr, pagesTouched(vaddr, result));
        }
        return result;
    }

    private long call(AccessKind access) {
        return access == AccessKind.WRITE
                ? posix.writeOwnMemory(scratch)
                : posix.readOwnMemory(scratch);
    }

    private long callThatMayBeHeld(TableFaults faults, AccessKind access) {
        return Thread.currentThread().isVirtual()
                ? faults.held().onPlatformThread(() -> callOnPlatformThread(faults, access))
                : callOnPlatformThread(faults, access);
    }

    private long callOnPlatformThread(TableFaults faults, AccessKind access) {
        Thread thread = Thread.currentThread();
        if (thread != numberedThread) {
            threadNumber = faults.held().threadNumber(scratch);
            numberedThread = thread;
        }
        callFaults = faults;
        callAccess = access;
        timesHeld = 0;
        pageHeld = -1;
        callingThread = threadNumber;
        long result = call(access);
        callingThread = 0;
        // Whether the page may be executed was asked before the call was held: ask again.
        return access == AccessKind.EXECUTE && timesHeld > 0 ? -Errno.EFAULT : result;
    }

    /// The access under way as one that the host holds.
    ///
    /// @param thread the host's number of the thread that is held
    /// @param address host address of the page it is held at
    /// @return null when it is another processor's
    @Nullable HeldAccess asHeld(int thread, long address) {
        if (callingThread != thread) {
            return null;
        }
        TableFaults faults = Objects.requireNonNull(callFaults);
        long page = faults.pageAt(address);
        timesHeld = page == pageHeld ? timesHeld + 1 : 1;
        pageHeld = page;
        return new HeldAccess(this, activity.get(), faults, page, address, callAccess, timesHeld);
    }

    /// What the host holds of this processor now.
    @Nullable HeldAccess held() {
        return held;
    }

    /// Only for [HeldMarks], under its mutex.
    void setHeld(@Nullable HeldAccess next) {
        held = next;
    }

    /// Begins an access that the page tables' changes wait for.
    ///
    /// @return what [#activity] is to be set to afterwards, less 2
    private long begin(UnixMmapPageTable active) {
        long idle = activity.get() & ~1L;
        if (!activity.compareAndSet(idle, idle + 1)) {
            throw new PagingException(
                    PagingError.BAD_STATE, "another thread is using this MMU, it serves one");
        }
        // With the fence in awaitAccesses: that sees the odd value, or all that is read from here
        // on, shadow included, is what it made true.
        VarHandle.fullFence();
        if (closed || active.isClosed()) {
            activity.set(idle + 2);
            throw closed
                    ? new PagingException(PagingError.BAD_STATE, "the MMU is closed")
                    : closedTable();
        }
        return idle;
    }

    /// Waits until no access through a table that began before this call is under way, but for one
    /// that is held: that uses no frame, and what it goes on with is the table as it is then.
    void awaitIdle(UnixMmapPageTable of) {
        long seen = activity.get();
        if (table == of) {
            awaitIdle(seen);
        }
    }

    /// Waits until an access has ended or is held.
    ///
    /// @param seen [#activity] during the access
    void awaitIdle(long seen) {
        awaitChange(seen, /* orHeld= */ true);
    }

    private void awaitChange(long seen, boolean orHeld) {
        if ((seen & 1) == 0) {
            return;
        }
        for (int spins = 0; activity.get() == seen && !(orHeld && isHeldIn(seen)); spins++) {
            if (spins < 200) {
                Thread.onSpinWait();
            } else {
                LockSupport.parkNanos(1000);
            }
        }
    }

    private boolean isHeldIn(long seen) {
        HeldAccess now = held;
        return now != null && now.activity() == seen;
    }

    private long fault(UnixMmapPageTable active, long vaddr, AccessKind access, FaultCause cause) {
        if (active.isClosed()) {
            throw closedTable();
        }
        return setFault(vaddr, access, cause);
    }

    private long setFault(long vaddr, AccessKind access, FaultCause cause) {
        faultAddress = vaddr;
        faultAccess = access;
        faultCause = cause;
        faults++;
        accesses++;
        return 0;
    }

    private static long bytesInPage(long vaddr) {
        return PageSize.BASE_BYTES - (vaddr & (PageSize.BASE_BYTES - 1));
    }

    private static long pagesTouched(long vaddr, long bytes) {
        return ((vaddr + bytes - 1) >>> PageSize.BASE_SHIFT) - (vaddr >>> PageSize.BASE_SHIFT) + 1;
    }

    @Override
    public long faultAddress() {
        return faultAddress;
    }

    @Override
    public AccessKind faultAccess() {
        return faultAccess;
    }

    @Override
    public FaultCause faultCause() {
        return faultCause;
    }

    /// The host's TLB does not tell: only accesses and faults are counted.
    @Override
    public MmuStats stats() {
        return new MmuStats(accesses, 0, 0, 0, faults, 0);
    }

    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        awaitChange(activity.get(), /* orHeld= */ false);
        hal.forget(this);
        arena.close();
    }

    private void checkUsable() {
        if (closed || hal.isClosed()) {
            throw new PagingException(
                    PagingError.BAD_STATE, closed ? "the MMU is closed" : "the machine is closed");
        }
    }

    private static PagingException closedTable() {
        return new PagingException(PagingError.BAD_STATE, "the active page table is closed");
    }
}
