package io.jircon.kobject;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Predicate;

/// The part of an object that is the same for all of them.
///
/// What users see of an object's end hangs on its handles and on [#noteDestroyed()], never on the
/// garbage collector (clause K-9).
public abstract class KObjectBase implements KernelObject {
    /// How many bytes of a name are kept (clause K-19).
    public static final int MAX_NAME_BYTES = 31;

    private final Kernel kernel;
    private final ObjectType type;
    private final long koid;
    private final AtomicBoolean destroyed = new AtomicBoolean();
    private final Object lock = new Object();

    @GuardedBy("lock")
    private String name;

    @GuardedBy("lock")
    private int signals;

    @GuardedBy("lock")
    private int handleCount;

    @GuardedBy("lock")
    private final List<Observation> observers = new ArrayList<>();

    /// Makes an object: it gets a koid and is counted as alive.
    ///
    /// @param kernel the system
    /// @param type the type, not NONE
    /// @throws IllegalArgumentException when the type is NONE
    protected KObjectBase(Kernel kernel, ObjectType type) {
        this(kernel, type, "");
    }

    /// Makes an object with a name.
    ///
    /// @param kernel the system
    /// @param type the type, not NONE
    /// @param name its name, also of types whose name is no property; cut as by [#setName(String)]
    /// @throws IllegalArgumentException when the type is NONE
    protected KObjectBase(Kernel kernel, ObjectType type, String name) {
        if (type == ObjectType.NONE) {
            throw new IllegalArgumentException("type=NONE is no type of object");
        }
        this.kernel = Objects.requireNonNull(kernel, "kernel");
        this.type = type;
        this.name = truncated(name);
        this.koid = kernel.newKoid();
        kernel.countObject(type, 1);
    }

    @Override
    public final Kernel kernel() {
        return kernel;
    }

    @Override
    public final long koid() {
        return koid;
    }

    @Override
    public final ObjectType type() {
        return type;
    }

    @Override
    public long relatedKoid() {
        return Kernel.INVALID_KOID;
    }

    @Override
    public final String name() {
        checkNamed();
        return internalName();
    }

    @Override
    public final void setName(String newName) {
        checkNamed();
        setInternalName(newName);
    }

    private void checkNamed() {
        if (!type.isNamed()) {
            throw new ZxException(
                    ZxStatus.WRONG_TYPE,
                    "K-26",
                    "type=" + type + " koid=" + koid + " has no name property");
        }
    }

    /// The name, also of types whose name is no property.
    ///
    /// @return at most 31 bytes in UTF-8
    protected final String internalName() {
        synchronized (lock) {
            return name;
        }
    }

    /// Sets the name, also of types whose name is no property; cut as by [#setName(String)].
    ///
    /// @param newName the new name
    protected final void setInternalName(String newName) {
        String kept = truncated(newName);
        synchronized (lock) {
            name = kept;
        }
    }

    /// Bytes are cut, not characters: a character that loses its tail decodes to the replacement
    /// character, which is then dropped so that the result keeps within the limit.
    private static String truncated(String newName) {
        int nul = newName.indexOf('\0');
        String text = nul < 0 ? newName : newName.substring(0, nul);
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        if (bytes.length <= MAX_NAME_BYTES) {
            return text;
        }
        int end = MAX_NAME_BYTES;
        while (end > 0 && (bytes[end] & 0xC0) == 0x80) {
            end--;
        }
        return new String(Arrays.copyOf(bytes, end), StandardCharsets.UTF_8);
    }

    @Override
    public final int signals() {
        synchronized (lock) {
            return signals;
        }
    }

    /// Clears some signals and sets others, in one step; a bit in both sets ends set (clause K-72).
    /// Observers hear of bits that went from inactive to active, after the state lock was given up
    /// (clauses K-75, K-77).
    ///
    /// @param clear bits to clear
    /// @param set bits to set
    protected final void changeSignals(int clear, int set) {
        List<Observation> matched = List.of();
        int observed;
        synchronized (lock) {
            int before = signals;
            signals = (signals & ~clear) | set;
            observed = signals;
            int risen = observed & ~before;
            if (risen != 0) {
                matched = takeLocked(observation -> (observation.signals & risen) != 0);
            }
        }
        for (Observation observation : matched) {
            observation.observer.onSignals(observed);
        }
    }

    /// Which signals users may set (clause K-71).
    ///
    /// @return the eight user signals, unless a type adds to them
    protected int userSettableSignals() {
        return Signals.USER_ALL;
    }

    final void requireSettable(String clause, int clear, int set) {
        int foreign = (clear | set) & ~userSettableSignals();
        if (foreign != 0) {
            throw ZxException.of(
                    ZxStatus.INVALID_ARGS,
                    clause,
                    "signals",
                    "0x" + Integer.toHexString(clear | set),
                    "holds bits 0x" + Integer.toHexString(foreign) + " that users may not change");
        }
    }

    /// Tells an observer once when a wanted signal is active: now, if one is already.
    final void observe(int wanted, Handle handle, SignalObserver observer) {
        int observed;
        synchronized (lock) {
            observed = signals;
            if ((observed & wanted) == 0) {
                observers.add(new Observation(wanted, handle, observer));
            }
        }
        if ((observed & wanted) != 0) {
            observer.onSignals(observed);
        } else if (handle.isClosed()) {
            cancelObservers(handle);
        }
    }

    /// Takes an observer out, if it is still there.
    ///
    /// @return the signals at this moment
    final int forget(SignalObserver observer) {
        synchronized (lock) {
            observers.removeIf(observation -> observation.observer == observer);
            return signals;
        }
    }

    /// How many observers wait for a signal.
    final int observerCount() {
        synchronized (lock) {
            return observers.size();
        }
    }

    final void cancelObservers(Handle handle) {
        List<Observation> canceled;
        int observed;
        synchronized (lock) {
            canceled = takeLocked(observation -> observation.handle == handle);
            observed = signals | Signals.HANDLE_CLOSED;
        }
        for (Observation observation : canceled) {
            observation.observer.onCanceled(observed);
        }
    }

    @GuardedBy("lock")
    private List<Observation> takeLocked(Predicate<Observation> which) {
        if (observers.isEmpty()) {
            return List.of();
        }
        List<Observation> taken = observers.stream().filter(which).toList();
        observers.removeAll(taken);
        return taken;
    }

    /// Who wants to hear of which signals, and through which handle it was asked.
    private record Observation(int signals, Handle handle, SignalObserver observer) {}

    @Override
    public final int handleCount() {
        synchronized (lock) {
            return handleCount;
        }
    }

    /// Called when the last handle has been closed, before the closing call returns; may be called
    /// again if the object gets a handle once more (clauses K-10, K-15). Does nothing here.
    protected void onZeroHandles() {}

    final void addHandle() {
        synchronized (lock) {
            handleCount++;
        }
    }

    final void removeHandle() {
        boolean last;
        synchronized (lock) {
            last = --handleCount == 0;
        }
        if (last) {
            kernel.runZeroHandlesHook(this);
        }
    }

    /// Whether [#noteDestroyed()] was called.
    ///
    /// @return true from then on
    final boolean isDestroyed() {
        return destroyed.get();
    }

    /// Whether a handle may be made although the object is no longer alive (clause K-15).
    ///
    /// @return false, unless a type outlives its end as tasks do
    boolean canBeRevived() {
        return false;
    }

    /// Notes that the object is no longer alive; calling it again does nothing.
    protected final void noteDestroyed() {
        if (destroyed.compareAndSet(false, true)) {
            kernel.countObject(type, -1);
        }
    }
}
