package io.jircon.hal.unix;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.hal.PagingException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedTransferQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;

/// Serves the accesses of one machine that the host holds until their faults are resolved
/// ([HeldMarks]).
///
/// Some reader threads wait for the host's messages, of which each wakes one of them. It marks the
/// access as held at its processor and serves it ([TableFaults#serve]), which saves the time that
/// another thread takes to wake. It does so only while another reader is left to wait: the last one
/// gives its accesses to threads that a pool has or makes for them, and waits for nobody. So there
/// is always a reader, and a serving thread for each held access, however long its handler takes;
/// and whatever a page table waits for under its lock gets on.
final class HeldFaults implements AutoCloseable {
    /// Gives a task to an idle thread or to nobody, so that the pool grows; where no thread can be
    /// made, tasks are kept for those that there are; but for one that a page table may wait for.
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

    /// One for each of as many accesses as may well be held at once, one that waits, and one that
    /// has not got the processor back which it gave to the access that it woke.
    static final int READERS = 2 + Math.min(3, Runtime.getRuntime().availableProcessors());

    private final FaultCalls calls;
    private final FaultDescriptor descriptor;
    private final HeldMarks marks;
    private final FaultEvents events;
    private final List<Thread> readers = new ArrayList<>();
    private final Handover handover = new Handover();
    private final ThreadPoolExecutor servers;

    /// How many readers wait for messages, or are about to.
    private final AtomicInteger waiting = new AtomicInteger();

    private volatile boolean stopping;

    @GuardedBy("readers")
    private boolean started;

    private HeldFaults(
            FaultCalls calls, FaultDescriptor descriptor, FaultEvents events, UnixMmapHal hal) {
        this.calls = calls;
        this.descriptor = descriptor;
        this.events = events;
        this.marks = new HeldMarks(calls, descriptor, hal);
        servers =
                new ThreadPoolExecutor(
                        1, Integer.MAX_VALUE, 1, TimeUnit.SECONDS, handover, calls.serverThreads());
        var makers = Thread.ofPlatform().daemon().name("jircon-faults-", 0);
        for (int i = 0; i < READERS; i++) {
            readers.add(makers.unstarted(this::readMessages));
        }
    }

    /// Makes the descriptors. There are no threads before [#start].
    ///
    /// @param frames the file that windows will show
    /// @param minor whether the first access to each page has to be held as well
    /// @throws PagingException NOT_SUPPORTED when the host refuses, with the call, the error and
    ///   what to do; NO_RESOURCES when there is no descriptor left
    static HeldFaults open(
            Posix posix, FaultCalls calls, int frames, boolean minor, UnixMmapHal hal) {
        FaultDescriptor descriptor = FaultDescriptor.open(posix, calls, frames, minor);
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
        synchronized (readers) {
            if (!started) {
                servers.prestartCoreThread();
                startReaders();
                started = true;
            }
        }
    }

    /// One is enough.
    @GuardedBy("readers")
    private void startReaders() {
        for (Thread reader : readers) {
            try {
                reader.start();
                waiting.incrementAndGet();
            } catch (OutOfMemoryError noThread) {
                if (waiting.get() == 0) {
                    throw noThread;
                }
                return;
            }
        }
    }

    FaultDescriptor descriptor() {
        return descriptor;
    }

    HeldMarks marks() {
        return marks;
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

    private void readMessages() {
        var messages = new FaultMessages();
        List<Runnable> tasks = new ArrayList<>();
        while (!stopping) {
            events.await(messages.scratch());
            do {
                marks.read(messages, tasks);
            } while (messages.mayHaveLeftSome());
            boolean serves = !tasks.isEmpty() && anotherWaits();
            for (int others = serves ? 1 : 0; others < tasks.size(); others++) {
                execute(tasks.get(others));
            }
            if (serves) {
                serve(tasks.getFirst());
            }
            tasks.clear();
        }
    }

    /// Whether a reader may leave its place since another one waits; it has left then.
    private boolean anotherWaits() {
        return waiting.getAndUpdate(readers -> Math.max(1, readers - 1)) > 1;
    }

    /// Serves in a reader, which goes on reading whatever happens.
    private void serve(Runnable task) {
        run(task);
        waiting.incrementAndGet();
    }

    private static void run(Runnable task) {
        try {
            task.run();
        } catch (Throwable failed) {
            Thread own = Thread.currentThread();
            own.getUncaughtExceptionHandler().uncaughtException(own, failed);
        }
    }

    private void execute(Runnable task) {
        try {
            servers.execute(task);
        } catch (OutOfMemoryError noThread) {
            if (task instanceof HeldMarks.Entering) {
                // A page table may wait for that access, and whoever has the threads for that
                // table.
                run(task);
            } else {
                handover.keep(task);
            }
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
