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
/// A reader thread takes the host's messages, marks each access as held at its processor, and gives
/// it to a thread that serves it ([TableFaults#serve]). The reader takes no lock but the mutex, and
/// there is a serving thread for each held access; so whatever a page table waits for under its
/// lock gets on.
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

    private final Posix posix;
    private final FaultCalls calls;
    private final FaultDescriptor descriptor;
    private final UnixMmapHal hal;
    private final int stopDescriptor;
    private final Thread reader;
    private final Handover handover = new Handover();
    private final ThreadPoolExecutor servers;

    private final Object mutex = new Object();

    @GuardedBy("mutex")
    private final List<Held> marked = new ArrayList<>();

    @GuardedBy("mutex")
    private final CallScratch wakeScratch = new CallScratch();

    @GuardedBy("mutex")
    private long missingFaults;

    @GuardedBy("mutex")
    private long writeProtectFaults;

    private volatile boolean stopping;

    @GuardedBy("mutex")
    private boolean started;

    private HeldFaults(
            Posix posix,
            FaultCalls calls,
            FaultDescriptor descriptor,
            int stopDescriptor,
            UnixMmapHal hal) {
        this.posix = posix;
        this.calls = calls;
        this.descriptor = descriptor;
        this.stopDescriptor = stopDescriptor;
        this.hal = hal;
        servers =
                new ThreadPoolExecutor(
                        1,
                        Integer.MAX_VALUE,
                        1,
                        TimeUnit.SECONDS,
                        handover,
                        Thread.ofPlatform().daemon().name("jircon-fault-", 0).factory());
        reader = Thread.ofPlatform().daemon().name("jircon-faults").unstarted(this::readMessages);
    }

    /// Makes the descriptors. There are no threads before [#start].
    ///
    /// @param frames the file that windows will show
    /// @throws PagingException NOT_SUPPORTED when the host refuses, with the call, the error and
    ///   what to do; NO_RESOURCES when there is no descriptor left
    static HeldFaults open(Posix posix, FaultCalls calls, int frames, UnixMmapHal hal) {
        FaultDescriptor descriptor = FaultDescriptor.open(posix, calls, frames);
        int stop = calls.eventfd(new CallScratch());
        if (stop < 0) {
            descriptor.close();
            throw Posix.failure("eventfd(0, EFD_CLOEXEC)", stop);
        }
        return new HeldFaults(posix, calls, descriptor, stop, hal);
    }

    /// Starts the threads, before the first page table is armed; once they run, nothing.
    ///
    /// @throws OutOfMemoryError when the host gives no thread: nothing may be armed then
    void start() {
        synchronized (mutex) {
            if (!started) {
                servers.prestartCoreThread();
                reader.start();
                started = true;
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
            calls.awaitReadable(scratch, descriptor.descriptor(), stopDescriptor);
            synchronized (mutex) {
                while (descriptor.nextMessage(scratch)) {
                    tasks.add(taskFor(scratch));
                }
            }
            tasks.forEach(this::execute);
            tasks.clear();
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
        calls.signal(new CallScratch(), stopDescriptor);
        servers.shutdown();
        boolean interrupted = false;
        while (true) {
            try {
                reader.join();
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
        closeDescriptors();
    }

    private void closeDescriptors() {
        descriptor.close();
        posix.close(new CallScratch(), stopDescriptor);
    }
}
