package io.jircon.kobject;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.EnumSet;
import java.util.Set;

/// A task: a name, a handle table, a life, and an address space that a subclass supplies (clauses
/// K-125 to K-145). This module knows no memory.
///
/// Death runs in one order (clause K-140): the handle table is emptied, then the address space
/// destroyed, then TERMINATED asserted. Whoever sees TERMINATED sees all of it done.
public abstract class ProcessBase extends KObjectBase {
    /// Return code of a killed process (clause K-146).
    public static final long KILLED = -1024;

    /// Where a process is in its life (clause K-136).
    public enum State {
        /// Made, not started.
        INITIAL,
        /// Started.
        RUNNING,
        /// On its way out.
        DYING,
        /// Gone; only the object is left.
        DEAD
    }

    private final HandleTable handles;
    private final Object lock = new Object();

    @GuardedBy("lock")
    private State state = State.INITIAL;

    @GuardedBy("lock")
    private long returnCode;

    /// Makes a process that is not started.
    ///
    /// @param kernel the system
    /// @param name its name, cut as by [#setName(String)]
    protected ProcessBase(Kernel kernel, String name) {
        super(kernel, ObjectType.PROCESS, name);
        handles = new HandleTable(kernel);
    }

    /// Ends the address space. Called once, after the handle table has been emptied.
    protected abstract void destroyAddressSpace();

    /// The process's handles.
    ///
    /// @return never null
    public final HandleTable handles() {
        return handles;
    }

    /// Where the process is in its life.
    ///
    /// @return never null
    public final State state() {
        synchronized (lock) {
            return state;
        }
    }

    /// What the process ended with (clauses K-39, K-138).
    ///
    /// @return 0 until it has ended
    public final long returnCode() {
        synchronized (lock) {
            return returnCode;
        }
    }

    /// Starts the process.
    ///
    /// @throws ZxException BAD_STATE when it was started or has ended (clause K-133)
    public final void start() {
        synchronized (lock) {
            if (state != State.INITIAL) {
                throw ZxException.of(
                        ZxStatus.BAD_STATE,
                        "K-133",
                        "process",
                        "koid " + koid(),
                        "is " + state + ", not INITIAL");
            }
            state = State.RUNNING;
        }
    }

    /// Ends a running process with a code of its own.
    ///
    /// @param code what [#returnCode()] tells from now on
    /// @throws ZxException BAD_STATE when it is not running
    public final void exit(long code) {
        if (!die(code, EnumSet.of(State.RUNNING))) {
            throw ZxException.of(
                    ZxStatus.BAD_STATE,
                    "K-138",
                    "process",
                    "koid " + koid(),
                    "is " + state() + ", not RUNNING");
        }
    }

    /// Ends the process; of a dead one nothing changes (clause K-138).
    public final void kill() {
        die(KILLED, EnumSet.of(State.INITIAL, State.RUNNING));
    }

    /// Ends the process if it is in one of some states, and finishes even when the address space
    /// cannot be destroyed.
    ///
    /// @return whether it was
    @CanIgnoreReturnValue
    private boolean die(long code, Set<State> from) {
        synchronized (lock) {
            if (!from.contains(state)) {
                return false;
            }
            state = State.DYING;
            returnCode = code;
        }
        try {
            handles.closeAll();
        } finally {
            try {
                destroyAddressSpace();
            } finally {
                synchronized (lock) {
                    state = State.DEAD;
                }
                changeSignals(0, Signals.TERMINATED);
                noteDestroyed();
            }
        }
        return true;
    }

    /// A process that was never started dies with its last handle (clause K-136); a running one
    /// does not care (clause K-137).
    @Override
    protected void onZeroHandles() {
        die(KILLED, EnumSet.of(State.INITIAL));
    }

    /// A dead process can still be found by its job (clause K-15).
    @Override
    final boolean canBeRevived() {
        return true;
    }
}
