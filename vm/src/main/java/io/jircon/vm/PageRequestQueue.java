package io.jircon.vm;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.ArrayDeque;
import java.util.Iterator;
import org.jspecify.annotations.Nullable;

/// Where a pager hears what is asked of it. One queue may serve several memory objects, of several
/// pagers too; keys tell them apart (clause O-271). A request that is no longer needed before
/// anybody took it is withdrawn (clause O-276). Safe for use by many threads.
///
/// ```java
/// PageRequest request = queue.take();
/// pager.supplyPages(vmo, request.offset(), request.length(), aux, 0);
/// ```
public final class PageRequestQueue {
    private final Object lock = new Object();

    @GuardedBy("lock")
    private final ArrayDeque<PageRequest> requests = new ArrayDeque<>();

    /// Makes an empty queue.
    public PageRequestQueue() {}

    /// Takes the oldest request, after waiting for one.
    ///
    /// @return never null
    /// @throws InterruptedException when the thread is interrupted
    public PageRequest take() throws InterruptedException {
        synchronized (lock) {
            while (requests.isEmpty()) {
                lock.wait();
            }
            return requests.remove();
        }
    }

    /// Takes the oldest request, if there is one.
    ///
    /// @return null when there is none
    public @Nullable PageRequest poll() {
        synchronized (lock) {
            return requests.poll();
        }
    }

    void add(PageRequest request) {
        synchronized (lock) {
            requests.add(request);
            lock.notifyAll();
        }
    }

    /// Takes a request back unless somebody took it; an equal one is another.
    @SuppressWarnings("ReferenceEquality")
    void withdraw(PageRequest request) {
        synchronized (lock) {
            for (Iterator<PageRequest> each = requests.iterator(); each.hasNext(); ) {
                if (each.next() == request) {
                    each.remove();
                    return;
                }
            }
        }
    }
}
