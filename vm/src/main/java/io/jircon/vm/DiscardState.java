package io.jircon.vm;

/// Whether the contents of a discardable object may be taken back, or were (clause O-259). Guarded
/// by the family's lock.
final class DiscardState {
    private enum State {
        /// Never locked: never taken back.
        UNSET,
        /// Locked.
        UNRECLAIMABLE,
        /// Unlocked: may be taken back at any time.
        RECLAIMABLE,
        /// Taken back.
        DISCARDED
    }

    private State state = State.UNSET;
    private long locks;

    boolean isDiscarded() {
        return state == State.DISCARDED;
    }

    /// Locks once more.
    ///
    /// @return whether the contents had been discarded
    boolean lock() {
        boolean discarded = isDiscarded();
        state = State.UNRECLAIMABLE;
        locks++;
        return discarded;
    }

    /// Locks once more unless the contents were discarded.
    ///
    /// @return whether it locked
    boolean tryLock() {
        if (isDiscarded()) {
            return false;
        }
        lock();
        return true;
    }

    void unlock() {
        if (locks == 0) {
            throw VmErrors.badState("O-112", "locks=0: there is no lock to take back");
        }
        locks--;
        if (locks == 0) {
            state = State.RECLAIMABLE;
        }
    }

    boolean isReclaimable() {
        return state == State.RECLAIMABLE;
    }

    /// Notes that the contents, which are reclaimable, were taken back.
    void noteDiscarded() {
        state = State.DISCARDED;
    }
}
