package io.jircon.vm;

import io.jircon.hal.AccessWidth;
import java.util.EnumSet;
import java.util.Set;

/// The registers of a device in a guest's address space: what loads and stores there do instead of
/// reaching memory.
///
/// Called by the thread that accesses, with no lock held, so that it may do what it likes: access
/// the guest's memory, even through the same [GuestMemory], add and remove devices, wait. Several
/// processors may call at once; a device that minds locks itself. What it throws reaches whoever
/// accessed: a [io.jircon.kobject.ZxException] is how a device refuses.
///
/// ```java
/// /// Counts stores; loads answer how many there were.
/// final class Counter implements MmioHandler {
///     private final AtomicLong count = new AtomicLong();
///
///     public long read(long offset, AccessWidth width) {
///         return count.get();
///     }
///
///     public void write(long offset, AccessWidth width, long value) {
///         count.incrementAndGet();
///     }
/// }
/// ```
public interface MmioHandler {
    /// The widths of access that the device takes; others are refused before they reach it. Asked
    /// once, when the device is added.
    ///
    /// @return at least one; all of them unless a device says otherwise
    default Set<AccessWidth> widths() {
        return EnumSet.allOf(AccessWidth.class);
    }

    /// A load.
    ///
    /// @param offset of the first byte, from the device's first address on; all bytes of the access
    ///   lie in the device, but need not be aligned
    /// @param width how wide, one of [#widths()]
    /// @return the value; what the width leaves out is cut off
    long read(long offset, AccessWidth width);

    /// A store.
    ///
    /// @param offset as for [#read]
    /// @param width how wide, one of [#widths()]
    /// @param value the value; what the width leaves out is 0
    void write(long offset, AccessWidth width, long value);
}
