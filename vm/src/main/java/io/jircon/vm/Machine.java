package io.jircon.vm;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.hal.FrameAllocator;
import io.jircon.hal.Hal;
import io.jircon.hal.PhysicalMemory;
import io.jircon.kobject.Kernel;
import java.util.Objects;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/// One kernel on one machine: where memory objects and address spaces are made.
///
/// Owns the zero frame that stands for every page nobody has written yet, the table of frames that
/// several memory objects share, and the source of randomness for address-space layouts. Two
/// machines share nothing. Safe for use by many threads.
public final class Machine implements AutoCloseable {
    /// How many bits of an address are random unless the builder says otherwise.
    public static final int DEFAULT_ENTROPY_BITS = 30;

    private final Kernel kernel;
    private final Hal hal;
    private final ShareCounts shareCounts;
    private final long zeroFrame;
    private final boolean layoutRandomised;
    private final int entropyBits;
    private final Object layoutLock = new Object();

    @GuardedBy("layoutLock")
    private final SplittableRandom layoutSource;

    @GuardedBy("layoutLock")
    private boolean closed;

    private Machine(Builder builder) {
        hal = builder.hal;
        kernel = builder.kernel == null ? Kernel.create() : builder.kernel;
        layoutRandomised = builder.layoutRandomised;
        entropyBits = builder.entropyBits;
        layoutSource = new SplittableRandom(builder.seed);
        shareCounts = new ShareCounts(hal.memory());
        zeroFrame = hal.frames().allocate();
        hal.memory().zero(zeroFrame, VmoMath.PAGE);
    }

    /// Starts a kernel of its own on a machine.
    ///
    /// @param hal an open machine; it belongs to the result from now on
    /// @return a machine to close
    /// @throws io.jircon.hal.PagingException NO_MEMORY when the machine has no frame left; it stays
    ///   open
    public static Machine boot(Hal hal) {
        return builder(hal).boot();
    }

    /// Starts a kernel on a machine.
    ///
    /// @param hal an open machine; it belongs to the result from now on
    /// @param kernel the kernel whose koids and counters the objects use
    /// @return a machine to close
    /// @throws io.jircon.hal.PagingException NO_MEMORY when the machine has no frame left; it stays
    ///   open
    public static Machine boot(Hal hal, Kernel kernel) {
        return builder(hal).kernel(kernel).boot();
    }

    /// Starts with the default settings: a kernel of its own, random layouts from seed 0.
    ///
    /// @param hal an open machine
    /// @return settings to change
    public static Builder builder(Hal hal) {
        return new Builder(hal);
    }

    /// The kernel.
    ///
    /// @return never null
    public Kernel kernel() {
        return kernel;
    }

    /// The machine under the kernel.
    ///
    /// @return never null
    public Hal hal() {
        return hal;
    }

    /// The machine's frames.
    ///
    /// @return never null
    public FrameAllocator frames() {
        return hal.frames();
    }

    /// The machine's memory.
    ///
    /// @return never null
    public PhysicalMemory memory() {
        return hal.memory();
    }

    /// Physical address of the frame of zeros that reads of untouched pages see (clause O-251).
    /// Nobody writes to it.
    ///
    /// @return page aligned, not 0
    public long zeroFrame() {
        return zeroFrame;
    }

    /// Whether places in an address space are chosen at random.
    ///
    /// @return true unless the builder said otherwise
    public boolean isLayoutRandomised() {
        return layoutRandomised;
    }

    /// How many bits of a chosen place are random at most.
    ///
    /// @return 0 to 52
    public int entropyBits() {
        return entropyBits;
    }

    /// A new source of randomness for one address space, so that its layout does not depend on what
    /// happens in others. The same seed and the same order of calls give the same sources.
    ///
    /// @return a source for one thread, or for use under one lock
    public SplittableRandom newLayoutSource() {
        synchronized (layoutLock) {
            return layoutSource.split();
        }
    }

    ShareCounts shareCounts() {
        return shareCounts;
    }

    /// Gives the zero frame back and closes the HAL. Close the memory objects and address spaces
    /// first. Closing twice is harmless.
    @Override
    public void close() {
        synchronized (layoutLock) {
            if (closed) {
                return;
            }
            closed = true;
        }
        hal.frames().free(zeroFrame);
        hal.close();
    }

    /// Settings of a machine.
    public static final class Builder {
        private final Hal hal;
        private @Nullable Kernel kernel;
        private long seed;
        private boolean layoutRandomised = true;
        private int entropyBits = DEFAULT_ENTROPY_BITS;

        private Builder(Hal hal) {
            this.hal = Objects.requireNonNull(hal, "hal");
        }

        /// Uses a kernel that exists.
        ///
        /// @param newKernel the kernel whose koids and counters the objects use
        /// @return this
        public Builder kernel(Kernel newKernel) {
            kernel = Objects.requireNonNull(newKernel, "kernel");
            return this;
        }

        /// Sets where the random layouts start from.
        ///
        /// @param newSeed any number; the same seed gives the same layouts
        /// @return this
        public Builder seed(long newSeed) {
            seed = newSeed;
            return this;
        }

        /// Places regions one after the other instead of at random (clause V-239).
        ///
        /// @return this
        public Builder fixedLayout() {
            layoutRandomised = false;
            return this;
        }

        /// Sets how many bits of a chosen place are random at most.
        ///
        /// @param bits 0 to 52
        /// @return this
        /// @throws IllegalArgumentException when it is out of range
        public Builder entropyBits(int bits) {
            if (bits < 0 || bits > 52) {
                throw new IllegalArgumentException("bits=" + bits + " is not in 0..52");
            }
            entropyBits = bits;
            return this;
        }

        /// Starts the kernel.
        ///
        /// @return a machine to close
        /// @throws io.jircon.hal.PagingException NO_MEMORY when the HAL has no frame left; it stays
        ///   open
        public Machine boot() {
            return new Machine(this);
        }
    }
}
