package io.jircon.hal.unix;

import io.jircon.hal.PagingException;

/// What the readers of [HeldFaults] wait for: messages of a [FaultDescriptor], each of which wakes
/// one of them, and the end, which wakes all.
///
/// A reader that was woken reads until there is no message left: it hears only of those that come
/// after it began to wait. `poll(2)` would wake every reader for each message.
final class FaultEvents {
    private final Posix posix;
    private final FaultCalls calls;
    private final int stop;
    private final int epoll;

    private FaultEvents(Posix posix, FaultCalls calls, int stop, int epoll) {
        this.posix = posix;
        this.calls = calls;
        this.stop = stop;
        this.epoll = epoll;
    }

    /// Makes the descriptors.
    ///
    /// @param messages stays the caller's
    /// @throws PagingException NO_RESOURCES when no descriptor is left, SYSTEM when the host
    ///   refuses for another reason; nothing was made then
    static FaultEvents open(Posix posix, FaultCalls calls, FaultDescriptor messages) {
        var scratch = new CallScratch();
        int stop = calls.eventfd(scratch);
        if (stop < 0) {
            throw Posix.failure("eventfd(0, EFD_CLOEXEC)", stop);
        }
        int epoll = calls.epoll(scratch);
        if (epoll < 0) {
            posix.close(scratch, stop);
            throw Posix.failure("epoll_create1(EPOLL_CLOEXEC)", epoll);
        }
        var events = new FaultEvents(posix, calls, stop, epoll);
        int onChange = FaultCalls.EPOLLIN | FaultCalls.EPOLLET;
        int watched = calls.watch(scratch, epoll, messages.descriptor(), onChange);
        if (watched == 0) {
            watched = calls.watch(scratch, epoll, stop, FaultCalls.EPOLLIN);
        }
        if (watched < 0) {
            events.close();
            throw Posix.failure("epoll_ctl(EPOLL_CTL_ADD)", watched);
        }
        return events;
    }

    /// Waits for a message or the end; may return without one.
    void await(CallScratch scratch) {
        calls.awaitEvent(scratch, epoll);
    }

    /// Has every [#await] return, from now on.
    void stop() {
        calls.signal(new CallScratch(), stop);
    }

    /// Gives the descriptors back; nobody may wait any more.
    void close() {
        var scratch = new CallScratch();
        posix.close(scratch, epoll);
        posix.close(scratch, stop);
    }
}
