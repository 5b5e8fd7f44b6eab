package io.jircon.kobject;

/// Bits of an object's signal word (clauses K-69 to K-71). Bits 24 to 31 belong to users, bits 0 to
/// 22 to the object's type; bit 23 is reported by waits and never stored.
public final class Signals {
    /// No signal.
    public static final int NONE = 0;

    /// There is something to read.
    public static final int READABLE = 1;

    /// There is room to write.
    public static final int WRITABLE = 1 << 1;

    /// The other end is gone.
    public static final int PEER_CLOSED = 1 << 2;

    /// An event's own signal.
    public static final int SIGNALED = 1 << 3;

    /// A job, process or thread has ended.
    public static final int TERMINATED = 1 << 3;

    /// A timer has fired.
    public static final int TIMER_SIGNALED = 1 << 3;

    /// A memory object has no children.
    public static final int VMO_ZERO_CHILDREN = 1 << 3;

    /// A job has no child jobs.
    public static final int JOB_NO_JOBS = 1 << 4;

    /// A job has no processes.
    public static final int JOB_NO_PROCESSES = 1 << 5;

    /// A thread is running.
    public static final int THREAD_RUNNING = 1 << 4;

    /// A thread is suspended.
    public static final int THREAD_SUSPENDED = 1 << 5;

    /// The handle that was waited through has been closed; never stored.
    public static final int HANDLE_CLOSED = 1 << 23;

    /// The bits that users may set on any object.
    public static final int USER_ALL = 0xFF00_0000;

    private Signals() {}

    /// One of the eight user signals.
    ///
    /// @param number 0 to 7
    /// @return its bit
    /// @throws IllegalArgumentException when there is no such user signal
    public static int user(int number) {
        if (number < 0 || number > 7) {
            throw new IllegalArgumentException("number=" + number + " is not in 0..7");
        }
        return 1 << 24 + number;
    }
}
