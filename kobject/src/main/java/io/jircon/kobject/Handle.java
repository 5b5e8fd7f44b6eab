package io.jircon.kobject;

/// One reference to an object with its rights, in a table or in transit. Package-private: users
/// hold its number.
final class Handle {
    private final KObjectBase object;
    private final int rights;
    private volatile boolean closed;

    Handle(KObjectBase object, int rights) {
        this.object = object;
        this.rights = rights;
    }

    KObjectBase object() {
        return object;
    }

    int rights() {
        return rights;
    }

    boolean isClosed() {
        return closed;
    }

    /// Ends the waits that were started through this handle (clause K-61), then gives up the
    /// reference. A registration that races with this looks at [#isClosed()] after it is in the
    /// object's list.
    void close() {
        endWaits();
        object.removeHandle();
    }

    /// The handle goes, the reference stays: it moves into another handle (clauses K-59, K-65).
    void endWaits() {
        closed = true;
        object.cancelObservers(this);
    }
}
