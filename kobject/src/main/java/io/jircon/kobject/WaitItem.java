package io.jircon.kobject;

/// One object to wait for among many, and what was seen of it.
public final class WaitItem {
    /// How many items one wait takes at most (clause K-85).
    public static final int MAX_ITEMS = 64;

    private final int handle;
    private final int signals;
    private volatile int observed;

    /// Names an object and the signals that are wanted.
    ///
    /// @param handle a handle in the table that waits
    /// @param signals a set of [Signals]
    public WaitItem(int handle, int signals) {
        this.handle = handle;
        this.signals = signals;
    }

    /// The handle.
    ///
    /// @return as given
    public int handle() {
        return handle;
    }

    /// The wanted signals.
    ///
    /// @return as given
    public int signals() {
        return signals;
    }

    /// The object's signal word when the wait ended, whatever ended it (clause K-87).
    ///
    /// @return 0 before the first wait
    public int observed() {
        return observed;
    }

    void setObserved(int word) {
        observed = word;
    }
}
