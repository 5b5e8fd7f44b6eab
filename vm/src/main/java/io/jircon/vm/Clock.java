package io.jircon.vm;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.kobject.KObjectBase;
import io.jircon.kobject.ObjectType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/// A clock that somebody sets: the kernel's monotonic time plus an offset. A mappable one publishes
/// the offset on a page that [VmarCalls#mapClock] shows to programs, so that they read the clock
/// without a call (clauses V-120 and V-121).
///
/// ```
/// byte      0            8         16                         4096
///           | generation | offset  | zeros                       |
/// ```
///
/// Both words are little-endian. The generation is 0 until the clock is set for the first time, odd
/// while the offset is being changed, and grows by 2 with each change: a reader takes the offset
/// between two looks at the same even generation. The offset is in nanoseconds, signed.
///
/// Closing it, or its last handle, ends the clock; what is mapped stays (clause V-25). Safe for use
/// by many threads.
public final class Clock extends KObjectBase implements AutoCloseable {
    /// How long a mapping of a clock must be: what is published, in whole pages.
    public static final long MAPPED_SIZE_BYTES = VmoMath.PAGE;

    private static final ValueLayout.OfLong WORD =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final long OFFSET_AT = Long.BYTES;

    private final @Nullable VmObject page;
    private final Object lock = new Object();

    @GuardedBy("lock")
    private long generation;

    @GuardedBy("lock")
    private long offsetNanos;

    @GuardedBy("lock")
    private boolean closed;

    private Clock(Machine machine, @Nullable VmObject page) {
        super(machine.kernel(), ObjectType.CLOCK);
        this.page = page;
        if (page != null) {
            page.setName("kernel-clock");
            page.belongTo(this);
        }
    }

    /// Makes a clock that cannot be mapped.
    ///
    /// @param machine where
    /// @return a clock to close, not set yet
    public static Clock create(Machine machine) {
        return new Clock(machine, null);
    }

    /// Makes a clock that can be mapped.
    ///
    /// @param machine where
    /// @return a clock to close, not set yet
    /// @throws io.jircon.kobject.ZxException NO_MEMORY when there is no frame for its page
    public static Clock createMappable(Machine machine) {
        return new Clock(
                machine, VmObject.create(machine, MAPPED_SIZE_BYTES, new CommitPolicy.Alloc(true)));
    }

    /// Whether it was made to be mapped.
    ///
    /// @return never changes
    public boolean isMappable() {
        return page != null;
    }

    /// What it shows now.
    ///
    /// @return nanoseconds; 0 before it is set
    public long readNanos() {
        synchronized (lock) {
            return generation == 0 ? 0 : kernel().nowNanos() + offsetNanos;
        }
    }

    /// Sets it. It goes on from there with the monotonic time.
    ///
    /// @param nanos what it shows at this moment
    public void setNanos(long nanos) {
        synchronized (lock) {
            offsetNanos = nanos - kernel().nowNanos();
            publish(0, generation + 1);
            publish(OFFSET_AT, offsetNanos);
            generation += 2;
            publish(0, generation);
        }
    }

    @GuardedBy("lock")
    private void publish(long at, long value) {
        if (page != null && !closed) {
            var word = MemorySegment.ofArray(new byte[Long.BYTES]);
            word.set(WORD, 0, value);
            page.write(at, word);
        }
    }

    /// What a mapping shows, or null when the clock is not mappable.
    @Nullable VmObject page() {
        return page;
    }

    /// Ends the clock; what is mapped shows it as it was set last. Closing twice is harmless.
    @Override
    public void close() {
        synchronized (lock) {
            closed = true;
            if (page != null) {
                page.close();
            }
        }
        noteDestroyed();
    }

    @Override
    protected void onZeroHandles() {
        close();
    }
}
