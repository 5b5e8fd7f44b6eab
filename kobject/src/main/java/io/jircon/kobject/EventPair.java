package io.jircon.kobject;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// One of two ends that see each other's death (clauses K-8, K-101, K-102).
public final class EventPair extends KObjectBase {
    /// The other end; set once, before either is handed out.
    private @Nullable EventPair peer;

    private volatile boolean gone;

    private EventPair(Kernel kernel) {
        super(kernel, ObjectType.EVENTPAIR);
    }

    /// Makes two ends.
    ///
    /// @param kernel the system
    /// @return one of them; the other is its [#peer()]
    public static EventPair create(Kernel kernel) {
        var first = new EventPair(kernel);
        var second = new EventPair(kernel);
        first.peer = second;
        second.peer = first;
        return first;
    }

    /// The other end, dead or alive.
    ///
    /// @return never null
    public EventPair peer() {
        return Objects.requireNonNull(peer, "peer");
    }

    @Override
    public long relatedKoid() {
        return peer().koid();
    }

    @Override
    protected int userSettableSignals() {
        return Signals.USER_ALL | Signals.SIGNALED;
    }

    void signalPeer(int clear, int set) {
        EventPair other = peer();
        if (other.gone) {
            throw ZxException.of(
                    ZxStatus.PEER_CLOSED,
                    "K-74",
                    "peer",
                    "koid " + other.koid(),
                    "has no handle left");
        }
        other.changeSignals(clear, set);
    }

    @Override
    protected void onZeroHandles() {
        gone = true;
        noteDestroyed();
        peer().changeSignals(0, Signals.PEER_CLOSED);
    }
}
