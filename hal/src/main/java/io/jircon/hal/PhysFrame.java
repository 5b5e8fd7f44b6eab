package io.jircon.hal;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// The owner of one frame: closing it gives the frame back, once (clauses ).
///
/// For frames that live as long as a block of code or another object: control structures, bitmaps.
/// Page tables and memory objects keep plain addresses.
///
/// Closing may happen on any thread; the bytes are shared memory.
public final class PhysFrame implements AutoCloseable {
    // Only changes from a frame's address to one of these; 0 is no frame's address (clause A-19).
    private static final long CLOSED = 0;
    private static final long UNINITIALIZED = -1;

    private final @Nullable Hal hal;
    private final AtomicLong paddr;

    private PhysFrame(@Nullable Hal hal, long paddr) {
        this.hal = hal;
        this.paddr = new AtomicLong(paddr);
    }

    /// Takes a frame; its content is whatever was there.
    ///
    /// @param hal the machine
    /// @return the owner
    /// @throws PagingException NO_MEMORY
    public static PhysFrame alloc(Hal hal) {
        return new PhysFrame(hal, hal.frames().allocate());
    }

    /// Takes a frame and zeroes it.
    ///
    /// @param hal the machine
    /// @return the owner
    /// @throws PagingException NO_MEMORY
    public static PhysFrame allocZero(Hal hal) {
        PhysFrame frame = alloc(hal);
        frame.fill((byte) 0);
        return frame;
    }

    /// A placeholder that owns nothing: closing it does nothing, asking it for anything fails.
    ///
    /// @return a new placeholder
    public static PhysFrame uninit() {
        return new PhysFrame(null, UNINITIALIZED);
    }

    /// The frame's physical address.
    ///
    /// @return page aligned, unsigned, never 0
    /// @throws IllegalStateException after close, and on a placeholder
    public long paddr() {
        long address = paddr.get();
        if (address == CLOSED) {
            throw new IllegalStateException("closed PhysFrame");
        }
        if (address == UNINITIALIZED) {
            throw new IllegalStateException("uninitialized PhysFrame");
        }
        return address;
    }

    /// Sets all 4096 bytes.
    ///
    /// @param value the value of each byte
    /// @throws IllegalStateException after close, and on a placeholder
    public void fill(byte value) {
        bytes().fill(value);
    }

    /// The frame's bytes. The view does not know when the frame is closed: do not keep it.
    ///
    /// @return 4096 bytes
    /// @throws IllegalStateException after close, and on a placeholder
    public MemorySegment bytes() {
        long address = paddr();
        return machine().memory().slice(address, PageSize.BASE_BYTES);
    }

    /// Gives the frame back. Closing twice is harmless.
    @Override
    public void close() {
        long address = paddr.get();
        if (address != UNINITIALIZED && address != CLOSED && paddr.compareAndSet(address, CLOSED)) {
            machine().frames().free(address);
        }
    }

    /// `PhysFrame(PA:0x1000)`, or what became of it.
    @Override
    public String toString() {
        long address = paddr.get();
        return "PhysFrame("
                + (address == CLOSED
                        ? "closed"
                        : address == UNINITIALIZED
                                ? "uninitialized"
                                : "PA:" + PagingException.hex(address))
                + ")";
    }

    private Hal machine() {
        if (hal == null) {
            throw new IllegalStateException("uninitialized PhysFrame");
        }
        return hal;
    }
}
