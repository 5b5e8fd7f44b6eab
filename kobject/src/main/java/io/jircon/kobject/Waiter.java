package io.jircon.kobject;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import org.jspecify.annotations.Nullable;

/// One thread that waits for one or more objects. What it saw is kept at the moment of the match,
/// so that a signal that is set and cleared again still wakes it (clause K-76).
final class Waiter {
    /// Longest sleep before the kernel's clock is looked at again: it may be one that tests turn.
    private static final long MAX_SLEEP_MILLIS = 1000;

    private final Kernel kernel;
    private final Object lock = new Object();

    @GuardedBy("lock")
    private @Nullable ZxStatus outcome;

    Waiter(Kernel kernel) {
        this.kernel = kernel;
    }

    /// One object that this thread waits for.
    final class Entry implements SignalObserver {
        private final Handle handle;

        @GuardedBy("lock")
        private boolean seen;

        @GuardedBy("lock")
        private int observed;

        private Entry(Handle handle) {
            this.handle = handle;
        }

        @Override
        public void onSignals(int word) {
            end(word, ZxStatus.OK);
        }

        @Override
        public void onCanceled(int word) {
            end(word, ZxStatus.CANCELED);
        }

        /// Takes this entry out of its object and tells what it saw.
        int finish() {
            int now = handle.object().forget(this);
            synchronized (lock) {
                return seen ? observed : now;
            }
        }

        private void end(int word, ZxStatus status) {
            synchronized (lock) {
                seen = true;
                observed = word;
                // A close decides over a match that came before the thread ran (clause K-88).
                if (outcome == null || status == ZxStatus.CANCELED) {
                    outcome = status;
                }
                lock.notifyAll();
            }
        }
    }

    Entry register(Handle handle, int signals) {
        var entry = new Entry(handle);
        handle.object().observe(signals, handle, entry);
        return entry;
    }

    ZxStatus await(long deadlineNanos) throws InterruptedException {
        synchronized (lock) {
            while (outcome == null) {
                long now = kernel.nowNanos();
                if (deadlineNanos == Kernel.INFINITE) {
                    lock.wait();
                } else if (deadlineNanos <= now) { // before subtracting: any deadline is legal
                    return ZxStatus.TIMED_OUT;
                } else {
                    long left = Math.max(deadlineNanos - now, 1);
                    lock.wait(Math.min(left / 1_000_000 + 1, MAX_SLEEP_MILLIS));
                }
            }
            return outcome;
        }
    }
}
