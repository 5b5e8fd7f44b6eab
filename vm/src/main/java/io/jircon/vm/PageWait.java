package io.jircon.vm;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.Objects;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/// One operation that may have to wait for pages. It asks with the lock of the memory object held,
/// waits without any lock, and then starts again:
///
/// ```java
/// try (var wait = new PageWait()) {
///     do {
///         // with the lock: do what can be done, and ask for what is missing
///     } while (wait.await());
/// }
/// ```
///
/// Serves one thread at a time, one operation after the other.
final class PageWait implements AutoCloseable {
    private final Object lock = new Object();

    /// Whom the operation asked; null before it asked anybody. An operation asks one source only.
    private @Nullable PageSource source;

    /// What it relies on, from the first time it asked until it is done.
    private PageSource.@Nullable Request request;

    /// What it waits for; written and read with the family's lock held.
    private @Nullable PageNeed need;

    /// Whether it asked and did not wait yet; the operation's own, as the next.
    private boolean asked;

    private boolean waited;

    @GuardedBy("lock")
    private @Nullable ZxStatus outcome;

    PageWait() {}

    /// Runs an operation as soon as no page that it needs is missing.
    ///
    /// @param len how many bytes; a COMMIT that waited does what is left when the object shrank
    ///   meanwhile (clause O-82)
    /// @param op called with the lock held and the length; makes the checks too
    /// @throws ZxException as [#await()]; what the operation throws
    static void whenReady(VmObject vmo, PageAccess access, long offset, long len, LongConsumer op) {
        try (var wait = new PageWait()) {
            do {
                vmo.lock().lock();
                try {
                    long left = len;
                    if (access == PageAccess.COMMIT && wait.hasWaited()) {
                        if (Long.compareUnsigned(offset, vmo.sizeBytes()) >= 0) {
                            return;
                        }
                        left = VmoMath.min(len, vmo.sizeBytes() - offset);
                    }
                    if (!vmo.mustWait(wait, access, offset, left)) {
                        op.accept(left);
                    }
                } finally {
                    vmo.lock().unlock();
                }
            } while (wait.await());
        }
    }

    /// Whether the operation waited already, so that it has begun.
    boolean hasWaited() {
        return waited;
    }

    /// Called by the source, with the family's lock held.
    void start(PageSource from, PageSource.Request covering, PageNeed wanted) {
        if (source != null && source != from) {
            throw new AssertionError("one operation asks two sources");
        }
        if (request != null && request != covering) {
            from.leave(this, request);
        }
        source = from;
        request = covering;
        need = wanted;
        asked = true;
        synchronized (lock) {
            outcome = null;
        }
    }

    /// Whether it waits for a page of `[first, end)`; called by the source.
    boolean isFor(PageRequest.Command command, long first, long end) {
        return need != null
                && need.command() == command
                && need.first() >= first
                && need.first() < end;
    }

    /// Called by the source, with the family's lock held.
    void wake(ZxStatus status) {
        synchronized (lock) {
            outcome = status;
            lock.notifyAll();
        }
    }

    /// Waits for what was asked; with no lock held.
    ///
    /// @return true when the operation is to start again; false when it asked for nothing since
    /// @throws ZxException what the pager answered; BAD_STATE when there is none any more; CANCELED
    ///   when the thread is interrupted, which it stays
    boolean await() {
        if (!asked) {
            return false;
        }
        PageNeed wanted = Objects.requireNonNull(need, "need");
        ZxStatus status = awaitStatus();
        if (status != ZxStatus.OK) {
            throw new ZxException(
                    status,
                    status == ZxStatus.CANCELED ? "O-278" : "O-284",
                    "%s of offset=%s len=%s was not answered with pages"
                            .formatted(
                                    wanted.command(),
                                    VmoMath.hex(wanted.first() << VmoMath.SHIFT),
                                    VmoMath.hex((wanted.end() - wanted.first()) << VmoMath.SHIFT)));
        }
        return true;
    }

    /// As [#await()], for those who were told to wait.
    ///
    /// @return OK when the operation is to start again
    ZxStatus awaitStatus() {
        if (source != null && source.family().lock.isHeldByCurrentThread()) {
            throw new AssertionError("waits with the lock of what it waits for");
        }
        asked = false;
        waited = true;
        synchronized (lock) {
            while (outcome == null) {
                try {
                    lock.wait();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    return ZxStatus.CANCELED;
                }
            }
            return outcome;
        }
    }

    /// Ends the operation: what nobody relies on any more is withdrawn. It can be used for another.
    @Override
    public void close() {
        PageSource from = source;
        PageSource.Request held = request;
        asked = false;
        waited = false;
        if (from == null || held == null) {
            return;
        }
        from.family().lock.lock();
        try {
            from.leave(this, held);
            need = null;
        } finally {
            from.family().lock.unlock();
        }
        source = null;
        request = null;
    }
}
