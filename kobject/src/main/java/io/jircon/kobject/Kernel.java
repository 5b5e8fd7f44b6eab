package io.jircon.kobject;

import java.util.ArrayDeque;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// One system: it numbers its objects, tells the time, and counts what is alive. There is no global
/// state; two kernels in one JVM share nothing.
public final class Kernel {
    /// Koid of no object (clause K-2).
    public static final long INVALID_KOID = 0;

    /// Koid of the kernel itself (clause K-2).
    public static final long KERNEL_KOID = 1;

    /// The lowest koid that is generated (clause K-2).
    public static final long FIRST_KOID = 1024;

    /// A deadline that never comes (clause K-80).
    public static final long INFINITE = Long.MAX_VALUE;

    /// How many handles a system can have by default (clause K-53).
    public static final int DEFAULT_HANDLE_LIMIT = 1 << 18;

    /// Type ids are less than this (clause K-16).
    private static final int MAX_TYPE_IDS = 64;

    private final AtomicLong nextKoid = new AtomicLong(FIRST_KOID);
    private final AtomicLongArray liveObjects = new AtomicLongArray(MAX_TYPE_IDS);
    private final AtomicInteger handles = new AtomicInteger();

    /// What waits for its hook while a thread runs another one; none when it does not.
    @SuppressWarnings("ThreadLocalUsage") // one for each kernel: kernels share nothing
    private final ThreadLocal<@Nullable ArrayDeque<KObjectBase>> waitingHooks = new ThreadLocal<>();

    private final LongSupplier clock;
    private final long seed;
    private final int handleLimit;

    private Kernel(Builder builder) {
        this.clock = builder.clock;
        this.seed = builder.seed;
        this.handleLimit = builder.handleLimit;
    }

    /// Makes a kernel with seed 0, the host's monotonic clock and the default limits.
    ///
    /// @return a new system
    public static Kernel create() {
        return builder().build();
    }

    /// Starts to make a kernel with other settings.
    ///
    /// @return a builder with the settings of [#create()]
    public static Builder builder() {
        return new Builder();
    }

    /// A koid that was never handed out before (clauses K-1 to K-5).
    ///
    /// @return at least [#FIRST_KOID], in 63 bits
    public long newKoid() {
        return nextKoid.getAndIncrement();
    }

    /// Where every random choice of this system starts from: same seed, same layout.
    ///
    /// @return any number
    public long seed() {
        return seed;
    }

    /// The system's monotonic time.
    ///
    /// @return nanoseconds
    public long nowNanos() {
        return clock.getAsLong();
    }

    /// How many handles all tables together may hold (clause K-53).
    ///
    /// @return at least 1
    public int handleLimit() {
        return handleLimit;
    }

    /// How many objects of a type are alive: made, and not yet destroyed.
    ///
    /// @param type the type
    /// @return 0 or more
    public long liveObjects(ObjectType type) {
        return liveObjects.get(type.id());
    }

    /// How many objects are alive, by type; types without a live object are left out.
    ///
    /// @return a copy
    public Map<ObjectType, Long> liveObjects() {
        var counts = new EnumMap<ObjectType, Long>(ObjectType.class);
        for (ObjectType type : ObjectType.values()) {
            long count = liveObjects(type);
            if (count != 0) {
                counts.put(type, count);
            }
        }
        return counts;
    }

    /// How many handles exist, in every table and in transit.
    ///
    /// @return 0 or more
    public int handleCount() {
        return handles.get();
    }

    /// Counts one more handle.
    ///
    /// @throws ZxException NO_MEMORY when the system has none left (clause K-53)
    void takeHandle() {
        int before = handles.getAndUpdate(count -> count < handleLimit ? count + 1 : count);
        if (before >= handleLimit) {
            throw ZxException.of(
                    ZxStatus.NO_MEMORY,
                    "K-53",
                    "handles",
                    Integer.toString(before),
                    "is the limit of this system");
        }
    }

    void returnHandle() {
        handles.decrementAndGet();
    }

    /// Runs the hook of an object whose last handle was closed, and then the hooks of those whose
    /// last handle that closed in turn, one after the other: a chain of objects that hold each
    /// other takes no stack (clause K-13). All of them have run when the outermost close returns
    /// (clauses K-10, K-63).
    void runZeroHandlesHook(KObjectBase object) {
        ArrayDeque<KObjectBase> waiting = waitingHooks.get();
        if (waiting != null) {
            waiting.add(object);
            return;
        }
        waiting = new ArrayDeque<>();
        waitingHooks.set(waiting);
        RuntimeException first = null;
        try {
            for (KObjectBase next = object; next != null; next = waiting.poll()) {
                try {
                    next.onZeroHandles();
                } catch (RuntimeException e) {
                    first = first == null ? e : first; // the others still get theirs
                }
            }
        } finally {
            waitingHooks.remove();
        }
        if (first != null) {
            throw first;
        }
    }

    void countObject(ObjectType type, int change) {
        liveObjects.addAndGet(type.id(), change);
    }

    /// Settings of a kernel.
    public static final class Builder {
        private LongSupplier clock = sinceNow();
        private long seed;
        private int handleLimit = DEFAULT_HANDLE_LIMIT;

        private Builder() {}

        /// The host's monotonic time, counted from now: the host's own count may be negative.
        private static LongSupplier sinceNow() {
            long start = System.nanoTime();
            return () -> System.nanoTime() - start;
        }

        /// Sets the seed.
        ///
        /// @param newSeed any number
        /// @return this
        public Builder seed(long newSeed) {
            this.seed = newSeed;
            return this;
        }

        /// Sets the clock.
        ///
        /// @param nanos the monotonic time in nanoseconds
        /// @return this
        public Builder clock(LongSupplier nanos) {
            this.clock = nanos;
            return this;
        }

        /// Sets how many handles all tables together may hold.
        ///
        /// @param limit 1 to 262144
        /// @return this
        /// @throws IllegalArgumentException when the limit is out of its range
        public Builder handleLimit(int limit) {
            if (limit < 1 || limit > DEFAULT_HANDLE_LIMIT) {
                throw new IllegalArgumentException(
                        "limit=" + limit + " is not in 1.." + DEFAULT_HANDLE_LIMIT);
            }
            this.handleLimit = limit;
            return this;
        }

        /// Makes the kernel.
        ///
        /// @return a new system
        public Kernel build() {
            return new Kernel(this);
        }
    }
}
