package io.jircon.kobject;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/// The handles of one process: numbers that stand for objects with rights (clauses K-48 to K-68).
///
/// A value is `mixer XOR (generation, index, 11)`: the two low bits are always set, and a slot that
/// is used again gives another value. The mixer is drawn from the kernel's seed: same seed, same
/// values.
///
/// Every operation that takes a handle fails, in this order, with BAD_HANDLE, WRONG_TYPE,
/// ACCESS_DENIED (clause K-54).
///
/// Locking: the table's lock comes before an object's state lock. Hooks and observers run with
/// neither.
public final class HandleTable {
    /// No handle.
    public static final int INVALID = 0;

    private static final int INDEX_BITS = 18;
    private static final int INDEX_MASK = (1 << INDEX_BITS) - 1;
    private static final int GENERATION_MASK = (1 << 12) - 1;
    private static final int FIRST_SLOTS = 16;

    private final Kernel kernel;
    private final int mixer;
    private final Object lock = new Object();

    @GuardedBy("lock")
    private @Nullable Handle[] slots = new Handle[FIRST_SLOTS];

    /// One more each time the slot is given up, so that stale values miss (clause K-51).
    @GuardedBy("lock")
    private short[] generations = new short[FIRST_SLOTS];

    /// Slots that were given up; taken first in, first out, to keep values apart for long.
    @GuardedBy("lock")
    private final java.util.ArrayDeque<Integer> free = new java.util.ArrayDeque<>();

    @GuardedBy("lock")
    private int used;

    @GuardedBy("lock")
    private int count;

    @GuardedBy("lock")
    private boolean closed;

    /// Makes an empty table. It takes a koid, so that two tables of a kernel mix differently
    /// (clause K-4).
    ///
    /// @param kernel the system
    public HandleTable(Kernel kernel) {
        this.kernel = kernel;
        this.mixer = new SplittableRandom(kernel.seed() ^ kernel.newKoid()).nextInt() & ~3;
    }

    /// Makes a handle.
    ///
    /// @param object the object it refers to, of this table's kernel
    /// @param rights its rights; SAME_RIGHTS has no meaning here
    /// @return the value; [#INVALID] when the table was emptied for good, and then the handle is
    ///   gone at once (clause K-67)
    /// @throws ZxException NO_MEMORY when the system has no handle left (clause K-53); INVALID_ARGS
    ///   when SAME_RIGHTS is among the rights (clause K-44) or the object belongs to another kernel
    public int add(KObjectBase object, int rights) {
        if ((rights & Rights.SAME_RIGHTS) != 0) {
            throw ZxException.of(
                    ZxStatus.INVALID_ARGS,
                    "K-44",
                    "rights",
                    Rights.toString(rights),
                    "must not hold SAME_RIGHTS");
        }
        if (object.kernel() != kernel) {
            throw ZxException.of(
                    ZxStatus.INVALID_ARGS,
                    "K-49",
                    "object",
                    "koid " + object.koid(),
                    "belongs to another kernel");
        }
        if (object.isDestroyed() && !object.canBeRevived()) {
            throw ZxException.of(
                    ZxStatus.BAD_STATE,
                    "K-15",
                    "object",
                    "koid " + object.koid(),
                    "is gone with its last handle");
        }
        kernel.takeHandle();
        object.addHandle();
        return place(new Handle(object, rights));
    }

    /// Finds a slot for a handle whose reference and place in the system's count exist already.
    private int place(Handle handle) {
        synchronized (lock) {
            if (!closed) {
                return placeLocked(handle);
            }
        }
        drop(handle);
        return INVALID;
    }

    @GuardedBy("lock")
    private int placeLocked(Handle handle) {
        Integer reused = free.pollFirst();
        int index = reused != null ? reused : used++;
        if (index == slots.length) {
            slots = Arrays.copyOf(slots, slots.length * 2);
            generations = Arrays.copyOf(generations, slots.length);
        }
        slots[index] = handle;
        count++;
        return valueLocked(index);
    }

    @GuardedBy("lock")
    private int valueLocked(int index) {
        int base = (generations[index] & GENERATION_MASK) << INDEX_BITS | index;
        return mixer ^ (base << 2 | 3);
    }

    /// Takes a handle out, or returns null when there is none with this value.
    @GuardedBy("lock")
    private @Nullable Handle removeLocked(int value) {
        Handle handle = findLocked(value);
        if (handle != null) {
            int index = (value ^ mixer) >>> 2 & INDEX_MASK;
            slots[index] = null;
            generations[index]++;
            free.addLast(index);
            count--;
        }
        return handle;
    }

    @GuardedBy("lock")
    private @Nullable Handle findLocked(int value) {
        int plain = value ^ mixer;
        int index = plain >>> 2 & INDEX_MASK;
        boolean inTable = (plain & 3) == 3 && index < used;
        return inTable && valueLocked(index) == value ? slots[index] : null;
    }

    private Handle find(int value) {
        synchronized (lock) {
            Handle handle = findLocked(value);
            if (handle != null) {
                return handle;
            }
        }
        throw badHandle(value);
    }

    private static ZxException badHandle(int value) {
        return ZxException.of(
                ZxStatus.BAD_HANDLE,
                "K-54",
                "handle",
                "0x" + Integer.toHexString(value),
                "is not a live handle of this table");
    }

    private void drop(Handle handle) {
        kernel.returnHandle();
        handle.close();
    }

    /// The object behind a handle.
    ///
    /// @param <T> the class of object wanted
    /// @param value the handle
    /// @param type the class of object wanted
    /// @param rights the rights needed
    /// @return the object
    /// @throws ZxException BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED, in this order
    public <T extends KernelObject> T get(int value, Class<T> type, int rights) {
        Handle handle = find(value);
        if (!type.isInstance(handle.object())) {
            throw ZxException.of(
                    ZxStatus.WRONG_TYPE,
                    "K-54",
                    "handle",
                    "0x" + Integer.toHexString(value),
                    "is of type " + handle.object().type() + ", not " + type.getSimpleName());
        }
        requireRights(value, handle, rights);
        return type.cast(handle.object());
    }

    private static void requireRights(int value, Handle handle, int rights) {
        if (!Rights.contains(handle.rights(), rights)) {
            throw ZxException.of(
                    ZxStatus.ACCESS_DENIED,
                    "K-54",
                    "handle",
                    "0x" + Integer.toHexString(value),
                    "lacks " + Rights.toString(rights & ~handle.rights()));
        }
    }

    /// The rights of a handle.
    ///
    /// @param value the handle
    /// @return a set of [Rights]
    /// @throws ZxException BAD_HANDLE
    public int rights(int value) {
        return find(value).rights();
    }

    /// Whether a value is a live handle; needs no right (clause K-32).
    ///
    /// @param value any number
    /// @return true when it is
    public boolean isValid(int value) {
        synchronized (lock) {
            return findLocked(value) != null;
        }
    }

    /// What a handle is; needs no right (clause K-33).
    ///
    /// @param value the handle
    /// @return koid, rights, type, related koid
    /// @throws ZxException BAD_HANDLE
    public HandleInfo info(int value) {
        Handle handle = find(value);
        KObjectBase object = handle.object();
        return new HandleInfo(object.koid(), handle.rights(), object.type(), object.relatedKoid());
    }

    /// Makes a second handle to the same object (clause K-57).
    ///
    /// @param value the handle; needs DUPLICATE
    /// @param rights a subset of its rights, or SAME_RIGHTS
    /// @return the new value; the old one stays
    /// @throws ZxException BAD_HANDLE, ACCESS_DENIED, INVALID_ARGS when the rights are no subset,
    ///   NO_MEMORY
    public int duplicate(int value, int rights) {
        synchronized (lock) {
            Handle handle = findLocked(value);
            if (handle == null) {
                throw badHandle(value);
            }
            requireRights(value, handle, Rights.DUPLICATE);
            if (!isSubset(handle, rights)) {
                throw noSubset("K-57", handle, rights);
            }
            kernel.takeHandle();
            // The source is in the table, so the count cannot be 0 here.
            handle.object().addHandle();
            return placeLocked(new Handle(handle.object(), kept(handle, rights)));
        }
    }

    private static boolean isSubset(Handle handle, int rights) {
        return Rights.contains(handle.rights(), kept(handle, rights));
    }

    private static int kept(Handle handle, int rights) {
        return rights == Rights.SAME_RIGHTS ? handle.rights() : rights;
    }

    private static ZxException noSubset(String clause, Handle handle, int rights) {
        return ZxException.of(
                ZxStatus.INVALID_ARGS,
                clause,
                "rights",
                Rights.toString(rights),
                "is no subset of the handle's rights " + Rights.toString(handle.rights()));
    }

    /// Puts a handle with other rights in the place of one, in one step (clauses K-58, K-59). The
    /// old value is invalid afterwards, also when the rights are refused; the object never sees its
    /// count at zero when they are not.
    ///
    /// @param value the handle; needs no right
    /// @param rights a subset of its rights, or SAME_RIGHTS
    /// @return the new value
    /// @throws ZxException BAD_HANDLE; INVALID_ARGS when the rights are no subset, and then the
    ///   handle is closed
    public int replace(int value, int rights) {
        Handle old;
        int replacement;
        synchronized (lock) {
            old = removeLocked(value);
            if (old == null) {
                throw badHandle(value);
            }
            // One step: who counts or looks finds the old handle or the new one.
            replacement =
                    isSubset(old, rights)
                            ? placeLocked(new Handle(old.object(), kept(old, rights)))
                            : INVALID;
        }
        if (replacement == INVALID) {
            drop(old);
            throw noSubset("K-58", old, rights);
        }
        old.endWaits();
        return replacement;
    }

    /// Closes a handle (clauses K-60, K-61, K-63): when this returns, every effect of it has
    /// happened.
    ///
    /// @param value the handle, or [#INVALID] for nothing
    /// @throws ZxException BAD_HANDLE
    public void close(int value) {
        if (value == INVALID) {
            return;
        }
        Handle handle;
        synchronized (lock) {
            handle = removeLocked(value);
        }
        if (handle == null) {
            throw badHandle(value);
        }
        drop(handle);
    }

    /// Closes every handle it can and does not stop at a bad one (clause K-62).
    ///
    /// @param values handles; [#INVALID] is skipped
    /// @throws ZxException BAD_HANDLE after the others were closed, when one was no live handle or
    ///   was named twice
    public void closeMany(int... values) {
        ZxException first = null;
        for (int value : values) {
            try {
                close(value);
            } catch (ZxException e) {
                first = first == null ? e : first;
            }
        }
        if (first != null) {
            throw first;
        }
    }

    /// Moves a handle into another table of the same kernel: there it has a new value and the same
    /// rights (clause K-64). In between it is in neither, as in a message that is under way. Waits
    /// through it end (clause K-65).
    ///
    /// @param value the handle; needs TRANSFER
    /// @param target where it goes
    /// @return the value in `target`; [#INVALID] when that table was emptied for good
    /// @throws ZxException BAD_HANDLE, ACCESS_DENIED; INVALID_ARGS when the target belongs to
    ///   another kernel
    public int transfer(int value, HandleTable target) {
        if (target.kernel != kernel) {
            throw ZxException.of(
                    ZxStatus.INVALID_ARGS,
                    "K-64",
                    "target",
                    "the table",
                    "belongs to another kernel");
        }
        Handle handle;
        synchronized (lock) {
            handle = findLocked(value);
            if (handle == null) {
                throw badHandle(value);
            }
            requireRights(value, handle, Rights.TRANSFER);
            removeLocked(value);
        }
        handle.endWaits();
        return target.place(new Handle(handle.object(), handle.rights()));
    }

    /// Closes every handle and refuses new ones from now on (clause K-67). The second call does
    /// nothing.
    public void closeAll() {
        List<Handle> all = new ArrayList<>();
        synchronized (lock) {
            closed = true;
            for (int i = 0; i < used; i++) {
                Handle handle = slots[i];
                if (handle != null) {
                    all.add(handle);
                    slots[i] = null;
                }
            }
            count = 0;
            free.clear();
            used = 0;
        }
        all.forEach(this::drop);
    }

    /// How many handles the table holds.
    ///
    /// @return 0 or more
    public int count() {
        synchronized (lock) {
            return count;
        }
    }

    /// How many handles there are to each type of object, at one moment (clause K-68).
    ///
    /// @return types without a handle are left out
    public Map<ObjectType, Integer> countByType() {
        var counts = new EnumMap<ObjectType, Integer>(ObjectType.class);
        synchronized (lock) {
            for (int i = 0; i < used; i++) {
                Handle handle = slots[i];
                if (handle != null) {
                    counts.merge(handle.object().type(), 1, Integer::sum);
                }
            }
        }
        return counts;
    }

    /// Sets and clears signals of an object (clause K-73).
    ///
    /// @param value the handle; needs SIGNAL
    /// @param clear bits to clear
    /// @param set bits to set; a bit in both ends set
    /// @throws ZxException BAD_HANDLE, ACCESS_DENIED, NOT_SUPPORTED when the type is not waitable,
    ///   INVALID_ARGS when a bit is not the user's to change
    public void signal(int value, int clear, int set) {
        Handle handle = find(value);
        requireRights(value, handle, Rights.SIGNAL);
        KObjectBase object = handle.object();
        requireWaitable("K-73", object);
        object.requireSettable("K-73", clear, set);
        object.changeSignals(clear, set);
    }

    /// Sets and clears signals of an object's peer (clause K-74).
    ///
    /// @param value the handle; needs SIGNAL_PEER
    /// @param clear bits to clear
    /// @param set bits to set; a bit in both ends set
    /// @throws ZxException BAD_HANDLE, ACCESS_DENIED, NOT_SUPPORTED when the type has no peer,
    ///   INVALID_ARGS when a bit is not the user's to change, PEER_CLOSED
    public void signalPeer(int value, int clear, int set) {
        Handle handle = find(value);
        requireRights(value, handle, Rights.SIGNAL_PEER);
        if (!(handle.object() instanceof EventPair end)) {
            throw ZxException.of(
                    ZxStatus.NOT_SUPPORTED,
                    "K-74",
                    "handle",
                    "0x" + Integer.toHexString(value),
                    "has no peer");
        }
        end.requireSettable("K-74", clear, set);
        end.signalPeer(clear, set);
    }

    private static void requireWaitable(String clause, KObjectBase object) {
        if (!object.type().isWaitable()) {
            throw ZxException.of(
                    ZxStatus.NOT_SUPPORTED,
                    clause,
                    "type",
                    object.type().toString(),
                    "is not waitable");
        }
    }

    /// Waits until one of the wanted signals is active, the deadline passes or the handle is closed
    /// (clauses K-78 to K-82).
    ///
    /// @param value the handle; needs WAIT
    /// @param signals the wanted signals; none never matches
    /// @param deadlineNanos time on the kernel's clock; one that has passed polls;
    ///   [Kernel#INFINITE] never comes
    /// @return OK, TIMED_OUT or CANCELED with the signal word
    /// @throws ZxException BAD_HANDLE, ACCESS_DENIED, NOT_SUPPORTED when the type is not waitable
    /// @throws InterruptedException when the thread is interrupted
    public WaitResult waitOne(int value, int signals, long deadlineNanos)
            throws InterruptedException {
        var waiter = new Waiter(kernel);
        Waiter.Entry entry = waiter.register(waitable(value), signals);
        ZxStatus status;
        int observed;
        try {
            status = waiter.await(deadlineNanos);
        } finally {
            observed = entry.finish();
        }
        return new WaitResult(status, observed);
    }

    /// Waits for the first of many (clauses K-85 to K-88). Every item's observed word is written,
    /// however the wait ends.
    ///
    /// @param items at most [WaitItem#MAX_ITEMS]; none sleeps until the deadline
    /// @param deadlineNanos time on the kernel's clock
    /// @return OK, TIMED_OUT or CANCELED
    /// @throws ZxException OUT_OF_RANGE for too many items; for the first bad item BAD_HANDLE,
    ///   ACCESS_DENIED or NOT_SUPPORTED
    /// @throws InterruptedException when the thread is interrupted
    public ZxStatus waitMany(List<WaitItem> items, long deadlineNanos) throws InterruptedException {
        if (items.size() > WaitItem.MAX_ITEMS) {
            throw ZxException.of(
                    ZxStatus.OUT_OF_RANGE,
                    "K-85",
                    "items",
                    Integer.toString(items.size()),
                    "is more than " + WaitItem.MAX_ITEMS);
        }
        List<Handle> handles = new ArrayList<>();
        for (WaitItem item : items) {
            handles.add(waitable(item.handle()));
        }
        var waiter = new Waiter(kernel);
        List<Waiter.Entry> entries = new ArrayList<>();
        for (int i = 0; i < items.size(); i++) {
            entries.add(waiter.register(handles.get(i), items.get(i).signals()));
        }
        ZxStatus status = ZxStatus.TIMED_OUT;
        try {
            status = waiter.await(deadlineNanos);
        } finally {
            for (int i = 0; i < items.size(); i++) {
                items.get(i).setObserved(entries.get(i).finish());
            }
        }
        return status;
    }

    private Handle waitable(int value) {
        Handle handle = find(value);
        requireRights(value, handle, Rights.WAIT);
        requireWaitable("K-78", handle.object());
        return handle;
    }
}
