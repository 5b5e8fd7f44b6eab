package io.jircon.hal.unix;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.hal.AccessKind;
import io.jircon.hal.PagingException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedTransferQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/// The accesses of one machine that the host holds until their faults are resolved.
///
/// Some reader threads wait for the host's messages, of which each wakes one of them. It marks the
/// access as held at its processor and serves it ([TableFaults#serve]), which saves the time that
/// another thread takes to wake. It does so only while another reader is left to wait: the last one
/// gives its accesses to threads that a pool has or makes for them, and takes no lock but the
/// mutex. So there is always a reader, and a serving thread for each held access, however long its
/// handler takes; and whatever a page table waits for under its lock gets on.
///
/// ## The mutex
///
/// An access that is held uses no frame, and changes of page tables do not wait for it. So it must
/// never count as held when it is not: all wakes are made under the mutex, with the mark taken away
/// first, and a message is read and its access marked in one hold of the mutex. A message that can
/// be read is of an access that nobody has woken.
final class HeldFaults implements AutoCloseable {
    /// An access that the host holds.
    ///
    /// @param mmu whose
    /// @param activity the processor's count for the access, odd
    /// @param faults of the table that it goes through
    /// @param page number in the table's window
    /// @param address host address of the page
    /// @param access what the access wants
    /// @param times how often the access has been held, this time included
    record Held(
            UnixMmapMmu mmu,
            long activity,
            TableFaults faults,
            long page,
            long address,
            AccessKind access,
            int times) {}

    /// Gives a task to an idle thread or to nobody, so that the pool grows; where no thread can be
    /// made, tasks are kept for those that there are.
    private static final class Handover extends LinkedTransferQueue<Runnable> {
        private static final long serialVersionUID = 1;

        @Override
        public boolean offer(Runnable task) {
            return tryTransfer(task);
        }

        void keep(Runnable task) {
            super.offer(task);
        }
    }

    /// One for each of as many threads as may well be held at once, and the one that waits.
    private static final int READERS = 1 + Math.min(4, Runtime.getRuntime().availableProcessors());

    private final FaultCalls calls;
    private final FaultDescriptor descriptor;
    private final UnixMmapHal hal;
    private final FaultEvents events;
    private final List<Thread> readers = new ArrayList<>();
    private final Handover handover = new Handover();
    private final ThreadPoolExecutor servers;

    private final Object mutex = new Object();

    @GuardedBy("mutex")
    private final List<Held> marked = new ArrayList<>();

    @GuardedBy("mutex")
    private final CallScratch wakeScratch = new CallScratch();

    /// How many readers wait for messages, or are about to.
    @GuardedBy("mutex")
    private int waiting;

    @GuardedBy("mutex")
    private long missingFaults;

    @GuardedBy("mutex")
    private long writeProtectFaults;

    private volatile boolean stopping;

    @GuardedBy("mutex")
    private boolean started;

    private HeldFaults(
            FaultCalls calls, FaultDescriptor descriptor, FaultEvents events, UnixMmapHal hal) {
        this.calls = calls;
        this.descriptor = descriptor;
        this.events = events;
        this.hal = hal;
        servers =
                new ThreadPoolExecutor(
                        1,
                        Integer.MAX_VALUE,
                        1,
                        TimeUnit.SECONDS,
                        handover,
                        Thread.ofPlatform().daemon().name("jircon-fault-", 0).factory());
        var makers = Thread.ofPlatform().daemon().name("jircon-faults-", 0);
        for (int i = 0; i < READERS; i++) {
            readers.add(makers.unstarted(this::readMessages));
        }
    }

    /// Makes the descriptors. There are no threads before [#start].
    ///
    /// @param frames the file that windows will show
    /// @throws PagingException NOT_SUPPORTED when the host refuses, with the call, the error and
    ///   what to do; NO_RESOURCES when there is no descriptor left
    static HeldFaults open(Posix posix, FaultCalls calls, int frames, UnixMmapHal hal) {
        FaultDescriptor descriptor = FaultDescriptor.open(posix, calls, frames);
        try {
            FaultEvents events = FaultEvents.open(posix, calls, descriptor);
            return new HeldFaults(calls, descriptor, events, hal);
        } catch (PagingException refused) {
            descriptor.close();
            throw refused;
        }
    }

    /// Starts the threads, before the first page table is armed; once they run, nothing.
    ///
    /// @throws OutOfMemoryError when the host gives no thread: nothing may be armed then
    void start() {
        synchronized (mutex) {
            if (!started) {
                servers.prestartCoreThread();
                startReaders();
                started = true;
            }
        }
    }

    /// One is enough.
    @GuardedBy("mutex")
    private void startReaders() {
        for (Thread reader : readers) {
            try {
                reader.start();
                waiting++;
            } catch (OutOfMemoryError noThread) {
                if (waiting == 0) {
                    throw noThread;
                }
                return;
            }
        }
    }

    FaultDescriptor descriptor() {
        return descriptor;
    }

    /// How many accesses were held at pages without memory.
    long missingFaults() {
        synchronized (mutex) {
            return missingFaults;
        }
    }

    /// How many writes were held at pages that are there.
    long writeProtectFaults() {
        synchronized (mutex) {
            return writeProtectFaults;
        }
    }

    /// The host's number of the calling thread.
    int threadNumber(CallScratch scratch) {
        return calls.threadNumber(scratch);
    }

    /// Runs a system call that may be held for a virtual thread. In the call it could not leave its
    /// carrier, and whoever has to resolve the fault may need that carrier.
    ///
    /// @return what the call answers
    long onPlatformThread(LongSupplier call) {
        var answer = new CompletableFuture<Long>();
        execute(() -> {
            try {
                answer.complete(call.getAsLong());
            } catch (RuntimeException | Error failed) {
                answer.completeExceptionally(failed);
            }
        });
        return answer.join();
    }

    /// Whether an access is still held. The answer is certain only while nobody can wake it.
    boolean isHeld(Held held) {
        synchronized (mutex) {
            return held.mmu.held() == held;
        }
    }

    /// Lets the accesses go on that are held in a range.
    ///
    /// @param address host address, page aligned
    /// @param bytes how much
    void goOn(long address, long bytes) {
        synchronized (mutex) {
            for (int i = marked.size() - 1; i >= 0; i--) {
                Held held = marked.get(i);
                if (Long.compareUnsigned(held.address - address, bytes) < 0) {
                    held.mmu.setHeld(null);
                    marked.remove(i);
                }
            }
            descriptor.wake(wakeScratch, address, bytes);
        }
    }

    private void readMessages() {
        var scratch = new CallScratch();
        List<Runnable> tasks = new ArrayList<>();
        while (!stopping) {
            events.await(scratch);
            boolean serves;
            synchronized (mutex) {
                while (descriptor.nextMessage(scratch)) {
                    tasks.add(taskFor(scratch));
                }
                serves = !tasks.isEmpty() && waiting > 1;
                waiting -= serves ? 1 : 0;
            }
            for (int others = serves ? 1 : 0; others < tasks.size(); others++) {
                execute(tasks.get(others));
            }
            if (serves) {
                serve(tasks.getFirst());
            }
            tasks.clear();
        }
    }

    /// Serves in a reader, which goes on reading whatever happens.
    private void serve(Runnable task) {
        try {
            task.run();
        } catch (Throwable failed) {
            Thread own = Thread.currentThread();
            own.getUncaughtExceptionHandler().uncaughtException(own, failed);
        }
        synchronized (mutex) {
            waiting++;
        }
    }

    @GuardedBy("mutex")
    private Runnable taskFor(CallScratch message) {
        long address = FaultDescriptor.messageAddress(message);
        if (FaultDescriptor.isWriteProtect(message)) {
            writeProtectFaults++;
        } else {
            missingFaults++;
        }
        Held held = hal.accessOf(FaultDescriptor.messageThread(message), address);
        if (held == null) {
            return () -> hal.endForeignAccess(address);
        }
        held.mmu.setHeld(held);
        marked.add(held);
        return () -> held.faults.serve(held);
    }

    private void execute(Runnable task) {
        try {
            servers.execute(task);
        } catch (OutOfMemoryError noThread) {
            handover.keep(task);
        }
    }

    /// Ends the threads and gives the descriptors back. Every page table of the machine has to be
    /// closed before. Closing twice is harmless.
    @Override
    public void close() {
        if (stopping) {
            return;
        }
        stopping = true;
        events.stop();
        servers.shutdown();
        boolean interrupted = false;
        while (true) {
            try {
                for (Thread reader : readers) {
                    reader.join();
                }
                if (servers.awaitTermination(1, TimeUnit.MINUTES)) {
                    break;
                }
            } catch (InterruptedException again) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        events.close();
        descriptor.close();
    }
}
