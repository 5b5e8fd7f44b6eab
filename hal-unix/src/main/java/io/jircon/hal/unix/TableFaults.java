package io.jircon.hal.unix;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultHandler;
import io.jircon.hal.PageSize;
import io.jircon.hal.TableBounds;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// The faults of one page table whose accesses the host holds: each is resolved by the table's
/// handler and goes on, or is refused and ends with EFAULT, after which the processor reports the
/// page fault as it does without `userfaultfd`.
///
/// Every access that is held is served once, by a thread of [HeldFaults], and that alone lets it go
/// on; a change of the table need not. Serving takes the table's lock when the handler is done.
final class TableFaults {
    /// How often a fault is resolved while its access does not get through: another thread takes
    /// the page away again and again, or handler and table do not agree. Then the access ends with
    /// its fault, and the caller's own loop decides.
    private static final int MAX_TIMES = 16;

    private static final long PAUSE_NANOS = 1_000_000;

    private final HeldFaults held;
    private final ReentrantLock lock;
    private final TableBounds bounds;
    private final TableShadow shadow;
    private final HostWindow window;
    private final HostFrames frames;
    private final TableEditor editor;

    private volatile @Nullable FaultHandler handler;
    private volatile boolean armed;

    /// Makes what a table needs; nothing is held before [#setHandler].
    ///
    /// @param held the machine's
    /// @param lock the table's, which guards its window
    TableFaults(
            HeldFaults held,
            ReentrantLock lock,
            TableBounds bounds,
            TableShadow shadow,
            HostWindow window,
            HostFrames frames,
            TableEditor editor) {
        this.held = held;
        this.lock = lock;
        this.bounds = bounds;
        this.shadow = shadow;
        this.window = window;
        this.frames = frames;
        this.editor = editor;
    }

    /// Whether accesses through the table may be held.
    boolean isArmed() {
        return armed;
    }

    HeldFaults held() {
        return held;
    }

    /// Sets who resolves the faults. With the lock held.
    ///
    /// @param awaitAccesses waits for the accesses under way, which do not know yet that they may
    ///   be held
    void setHandler(@Nullable FaultHandler next, Runnable awaitAccesses) {
        handler = next;
        if (next == null || armed) {
            return;
        }
        try {
            held.start();
        } catch (OutOfMemoryError noThread) {
            return; // accesses come back with EFAULT, and the next handler tries again
        }
        armed = true;
        awaitAccesses.run();
        window.arm(held.descriptor());
        PageRuns runs = shadow.runs();
        long pages = window.sizeBytes() >>> PageSize.BASE_SHIFT;
        for (long page = 0; page < pages; ) {
            long hostPage = frames.hostPage(runs.get(page));
            long end = page + runs.runLength(page, pages - page);
            while (end < pages && continues(hostPage, frames.hostPage(runs.get(end)), end - page)) {
                end += runs.runLength(end, pages - end);
            }
            window.rearm(page, end - page, hostPage);
            page = end;
        }
    }

    private static boolean continues(long first, long next, long distance) {
        return first == HostFrames.NO_HOST_PAGE
                ? next == HostFrames.NO_HOST_PAGE
                : next == ShadowEntry.advance(first, distance);
    }

    /// The number of a page in the window.
    ///
    /// @param address a host address
    /// @return -1 for an address of another window
    long pageAt(long address) {
        long offset = address - window.address();
        return Long.compareUnsigned(offset, window.sizeBytes()) < 0
                ? offset >>> PageSize.BASE_SHIFT
                : -1;
    }

    /// Whether the entry and the host's page of an address allow an access. With the lock held,
    /// such an access ends in data and is not held.
    boolean allows(long vaddr, AccessKind access) {
        return shadow.refusal(vaddr, access) == null
                && frames.hostPage(shadow.runs().get(bounds.pageOf(vaddr)))
                        != HostFrames.NO_HOST_PAGE;
    }

    /// Resolves the fault of an access that is held, and lets it go on or end.
    void serve(HeldAccess access) {
        // Another thread may take the page away before it is looked at: then once more.
        for (int times = access.times(); times <= MAX_TIMES && resolve(access); times++) {
            if (goOn(access)) {
                return;
            }
        }
        while (!goOnOrEnd(access)) {
            LockSupport.parkNanos(PAUSE_NANOS);
        }
    }

    /// Tells the handler of an access that is held though the page's entry allows it, or an entry
    /// that was there a moment ago, and lets it go on. Takes no lock of the table's.
    void enterHeld(long page, AccessKind access) {
        FaultHandler told = handler;
        try {
            if (told != null) {
                told.minorFault(bounds.vaddrOf(page), access);
            }
        } catch (Throwable whatever) {
            // As in resolve: nobody would see it here, and the access must go on.
        }
        editor.enterHeld(page, held);
    }

    private boolean resolve(HeldAccess access) {
        FaultHandler asked = handler;
        if (asked == null || shadow.isClosed()) {
            return false;
        }
        try {
            return asked.resolve(bounds.vaddrOf(access.page()), access.access());
        } catch (Throwable whatever) {
            // The access ends in its fault. Whoever resolves that in its own thread sees what is
            // thrown there; nobody would see it here, and the access would be held for ever.
            return false;
        }
    }

    /// Lets an access go on that its entry allows, whoever entered that.
    ///
    /// @return whether it is no longer held
    private boolean goOn(HeldAccess access) {
        lock.lock();
        try {
            if (!held.marks().isHeld(access)) {
                return true; // another access of the page had it go on
            }
            if (!allows(bounds.vaddrOf(access.page()), access.access())) {
                return false;
            }
        } finally {
            lock.unlock();
        }
        // Without the lock: the host may have this thread wait for the one that it wakes, whose
        // next fault needs the lock. When the page is gone by now the access is held once more.
        held.marks().goOn(access.address(), PageSize.BASE_BYTES);
        return true;
    }

    /// Ends the hold.
    ///
    /// @return false when the host has no room for what it takes: try again
    private boolean goOnOrEnd(HeldAccess access) {
        if (goOn(access)) {
            return true;
        }
        lock.lock();
        try {
            return !held.marks().isHeld(access)
                    || refuse(access.page(), () -> access.mmu().awaitIdle(access.activity()));
        } finally {
            lock.unlock();
        }
    }

    /// Has the accesses of a page end with EFAULT: takes from the host's page what its entry does
    /// not allow, lets them try again, and arms the page anew.
    ///
    /// @param awaitEnd waits until the access has left the page: it ended, or is held at another
    private boolean refuse(long page, Runnable awaitEnd) {
        long hostPage = frames.hostPage(shadow.runs().get(page));
        long first = page;
        long count = 1;
        if (window.disarm(first, count, hostPage) < 0) {
            // To change one page the host has to split a mapping. It need not for a whole one.
            first = firstOfRun(page);
            count = endOfRun(page) - first;
            hostPage = frames.hostPage(shadow.runs().get(first));
            if (window.disarm(first, count, hostPage) < 0) {
                return false;
            }
        }
        held.marks().goOn(window.addressOf(page), PageSize.BASE_BYTES);
        awaitEnd.run();
        if (!shadow.isClosed()) {
            window.rearm(first, count, hostPage);
        }
        return true;
    }

    private long firstOfRun(long page) {
        long first = page;
        while (first > 0 && continues(hostPageAt(first - 1), hostPageAt(first), 1)) {
            first--;
        }
        return first;
    }

    private long endOfRun(long page) {
        long end = page + 1;
        long pages = window.sizeBytes() >>> PageSize.BASE_SHIFT;
        while (end < pages && continues(hostPageAt(end - 1), hostPageAt(end), 1)) {
            end++;
        }
        return end;
    }

    private long hostPageAt(long page) {
        return frames.hostPage(shadow.runs().get(page));
    }

    /// Ends an access of a thread that is none of the machine's processors' (a debugger's): it gets
    /// what the page's entry allows. When it ends cannot be known, so the page stays unarmed.
    void endForeign(long page) {
        lock.lock();
        try {
            // A closed table has shut its addresses, and may have given them back.
            if (!shadow.isClosed() || editor.isBroken()) {
                window.disarm(page, 1, hostPageAt(page));
            }
            held.marks().goOn(window.addressOf(page), PageSize.BASE_BYTES);
        } finally {
            lock.unlock();
        }
    }

    /// Has all accesses that are held end, of a table that is closed. With the lock held.
    ///
    /// @param broken the window may have holes that others use: its pages are shut one by one, as
    ///   their accesses are served
    void close(boolean broken) {
        handler = null;
        if (armed) {
            if (!broken) {
                window.shut();
            }
            held.marks().goOn(window.address(), window.sizeBytes());
        }
    }
}
