package io.jircon.hal.unix;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.hal.AccessKind;
import io.jircon.hal.PageSize;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.BooleanSupplier;

/// Which accesses of a machine the host holds, and the only way to have them go on.
///
/// An access that is held uses no frame, and changes of page tables do not wait for it. So it must
/// never count as held when it is not: its mark goes before it is woken, and it gets one only when
/// nobody can have woken it since its message was sent. No lock is held over a system call for
/// that, since a thread that is woken may take the processor of the one that wakes it, fault again
/// and need that lock. Instead readings and wakes know of each other: a message that is read while
/// its page is being woken may be of an access that has gone on already. It is dropped, and the
/// page woken once more; an access that is still held sends another message then.
///
/// Accesses at pages that only have to be entered (minor faults) are not marked: changes of page
/// tables wait for them, and what has them go on waits for no page table.
final class HeldMarks {
    /// Has an access go on whose page only has to be entered. Waits for no page table.
    record Entering(UnixMmapHal hal, long address, AccessKind access) implements Runnable {
        @Override
        public void run() {
            hal.enterHeld(address, access);
        }
    }

    private record Range(long address, long bytes) {
        boolean contains(long at) {
            return Long.compareUnsigned(at - address, bytes) < 0;
        }
    }

    private final FaultCalls calls;
    private final FaultDescriptor descriptor;
    private final UnixMmapHal hal;

    private final Object mutex = new Object();

    @GuardedBy("mutex")
    private final List<HeldAccess> marked = new ArrayList<>();

    /// What is being woken.
    @GuardedBy("mutex")
    private final List<Range> wakes = new ArrayList<>();

    /// For each reader that is reading, what was being woken meanwhile.
    @GuardedBy("mutex")
    private final List<List<Range>> readings = new ArrayList<>();

    @GuardedBy("mutex")
    private final Deque<CallScratch> scratches = new ArrayDeque<>();

    @GuardedBy("mutex")
    private long missingFaults;

    @GuardedBy("mutex")
    private long minorFaults;

    @GuardedBy("mutex")
    private long writeProtectFaults;

    HeldMarks(FaultCalls calls, FaultDescriptor descriptor, UnixMmapHal hal) {
        this.calls = calls;
        this.descriptor = descriptor;
        this.hal = hal;
    }

    /// How many accesses were held at pages without memory.
    long missingFaults() {
        synchronized (mutex) {
            return missingFaults;
        }
    }

    /// How many accesses were held at pages that only had to be entered.
    long minorFaults() {
        synchronized (mutex) {
            return minorFaults;
        }
    }

    /// How many writes were held at pages that are there.
    long writeProtectFaults() {
        synchronized (mutex) {
            return writeProtectFaults;
        }
    }

    /// Whether an access is still held. The answer is certain only while nobody can wake it.
    boolean isHeld(HeldAccess access) {
        synchronized (mutex) {
            return access.mmu().held() == access;
        }
    }

    /// Lets the accesses go on that are held in a range.
    ///
    /// @param address host address, page aligned
    /// @param bytes how much
    void goOn(long address, long bytes) {
        goOn(address, bytes, () -> false);
    }

    /// As [#goOn(long, long)], for who has a call that wakes them as well.
    ///
    /// @param ownWake makes the call and says whether they were woken
    void goOn(long address, long bytes, BooleanSupplier ownWake) {
        var range = new Range(address, bytes);
        CallScratch scratch = beginWake(range);
        try {
            if (!ownWake.getAsBoolean()) {
                descriptor.wake(scratch, address, bytes);
            }
        } finally {
            synchronized (mutex) {
                wakes.remove(range);
                scratches.push(scratch);
            }
        }
    }

    private CallScratch beginWake(Range range) {
        synchronized (mutex) {
            for (int i = marked.size() - 1; i >= 0; i--) {
                HeldAccess access = marked.get(i);
                if (range.contains(access.address())) {
                    access.mmu().setHeld(null);
                    marked.remove(i);
                }
            }
            wakes.add(range);
            for (List<Range> reading : readings) {
                reading.add(range);
            }
            return scratches.isEmpty() ? new CallScratch() : scratches.pop();
        }
    }

    /// Reads the messages that have come, and marks their accesses.
    ///
    /// @param messages what to read into
    /// @param tasks receives what is to be done about each
    void read(FaultMessages messages, List<Runnable> tasks) {
        List<Range> wakesMeanwhile;
        synchronized (mutex) {
            wakesMeanwhile = new ArrayList<>(wakes);
            readings.add(wakesMeanwhile);
        }
        messages.read(calls, descriptor.descriptor());
        List<Long> doubtful = new ArrayList<>(0);
        synchronized (mutex) {
            readings.removeIf(reading -> reading == wakesMeanwhile);
            for (int i = 0; i < messages.count(); i++) {
                long address = messages.address(i);
                if (!messages.isFault(i)) {
                    continue;
                }
                if (contains(wakesMeanwhile, address)) {
                    doubtful.add(address);
                } else {
                    tasks.add(mark(messages, i));
                }
            }
        }
        for (long address : doubtful) {
            goOn(address, PageSize.BASE_BYTES);
        }
    }

    private static boolean contains(List<Range> ranges, long address) {
        for (Range range : ranges) {
            if (range.contains(address)) {
                return true;
            }
        }
        return false;
    }

    @GuardedBy("mutex")
    private Runnable mark(FaultMessages messages, int index) {
        long address = messages.address(index);
        if (messages.isMinor(index)) {
            // Never marked: the host may have sent the message and then found the page entered.
            minorFaults++;
            AccessKind access = messages.isWrite(index) ? AccessKind.WRITE : AccessKind.READ;
            return new Entering(hal, address, access);
        }
        if (messages.isWriteProtect(index)) {
            writeProtectFaults++;
        } else {
            missingFaults++;
        }
        HeldAccess access = hal.accessOf(messages.thread(index), address);
        if (access == null) {
            return () -> hal.endForeignAccess(address);
        }
        access.mmu().setHeld(access);
        marked.add(access);
        return () -> access.faults().serve(access);
    }
}
