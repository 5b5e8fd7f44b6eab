package io.jircon.hal.unix;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/// Calls about held accesses that are counted, that something is done once before, and that can be
/// refused.
final class WatchedCalls extends FaultCalls {
    private static final long MESSAGE_BYTES = 32;
    private static final Runnable NOTHING = () -> {};

    /// How many messages were read.
    final AtomicInteger messages = new AtomicInteger();

    /// How many runs were write-protected.
    final AtomicInteger writeProtects = new AtomicInteger();

    /// How often accesses were woken, or their page was to be entered.
    final AtomicInteger wakes = new AtomicInteger();

    /// How often entering a page will still be refused, for lack of memory.
    final AtomicInteger refusals = new AtomicInteger();

    /// How many threads the host will still give.
    final AtomicInteger threads = new AtomicInteger(Integer.MAX_VALUE);

    /// Done when messages were read, before their accesses are marked.
    final AtomicReference<Runnable> onceRead = new AtomicReference<>(NOTHING);

    final AtomicReference<Runnable> onceWaking = new AtomicReference<>(NOTHING);
    final AtomicReference<Runnable> onceEntering = new AtomicReference<>(NOTHING);
    final AtomicReference<Runnable> onceProtecting = new AtomicReference<>(NOTHING);

    WatchedCalls() {
        super(Posix.get());
    }

    @Override
    ThreadFactory serverThreads() {
        ThreadFactory factory = super.serverThreads();
        return task -> {
            if (threads.getAndDecrement() <= 0) {
                throw new OutOfMemoryError("on purpose");
            }
            return factory.newThread(task);
        };
    }

    @Override
    long read(CallScratch scratch, int descriptor, MemorySegment target) {
        long got = super.read(scratch, descriptor, target);
        if (got > 0) {
            messages.addAndGet((int) (got / MESSAGE_BYTES));
            onceRead.getAndSet(NOTHING).run();
        }
        return got;
    }

    @Override
    int ioctl(CallScratch scratch, int descriptor, long request, long... words) {
        if (request == IOCTL_WRITEPROTECT) {
            onceProtecting.getAndSet(NOTHING).run();
        } else if (request == IOCTL_WAKE) {
            onceWaking.getAndSet(NOTHING).run();
        } else if (request == IOCTL_CONTINUE) {
            onceEntering.getAndSet(NOTHING).run();
            if (refusals.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
                return -Errno.ENOMEM;
            }
        }
        int result = super.ioctl(scratch, descriptor, request, words);
        if (request == IOCTL_WRITEPROTECT) {
            writeProtects.incrementAndGet();
        } else if (request == IOCTL_WAKE || request == IOCTL_CONTINUE) {
            wakes.incrementAndGet();
        }
        return result;
    }
}
