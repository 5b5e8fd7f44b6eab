package io.jircon.kobject;

/// The simplest thing to wait for: signals that users set (clause K-100).
public final class Event extends KObjectBase {
    /// Makes an event with no signal set.
    ///
    /// @param kernel the system
    public Event(Kernel kernel) {
        super(kernel, ObjectType.EVENT);
    }

    @Override
    protected int userSettableSignals() {
        return Signals.USER_ALL | Signals.SIGNALED;
    }

    @Override
    protected void onZeroHandles() {
        noteDestroyed();
    }
}
