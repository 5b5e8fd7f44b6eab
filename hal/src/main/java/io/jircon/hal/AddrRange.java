package io.jircon.hal;

import java.util.Objects;
import java.util.Optional;

/// The addresses from a start up to, not including, an end (clauses ). It can be empty,
/// and cannot hold the last address of the space.
///
/// An empty range lies inside another one when its place does, the other's end included; it
/// overlaps another one when its place is strictly inside. Who does not want that asks [#isEmpty()]
/// first.
///
/// @param start the first address
/// @param end the address after the last one
/// @param <A> the kind of address
public record AddrRange<A extends Address<A>>(A start, A end) {
    /// Checks the order.
    ///
    /// @throws IllegalArgumentException when the end is below the start
    public AddrRange {
        if (start.compareTo(end) > 0) {
            throw new IllegalArgumentException("end=" + end + " is below start=" + start);
        }
    }

    /// A range by its size.
    ///
    /// @param start the first address
    /// @param sizeBytes how many bytes, unsigned
    /// @param <A> the kind of address
    /// @return the range
    /// @throws ArithmeticException when its end passes 2^64 - 1
    public static <A extends Address<A>> AddrRange<A> ofSize(A start, long sizeBytes) {
        return new AddrRange<>(start, start.add(sizeBytes));
    }

    /// A range by its size, if there is one.
    ///
    /// @param start the first address
    /// @param sizeBytes how many bytes, unsigned
    /// @param <A> the kind of address
    /// @return the range, or empty when its end passes 2^64 - 1
    public static <A extends Address<A>> Optional<AddrRange<A>> tryOfSize(A start, long sizeBytes) {
        return start.checkedAdd(sizeBytes).map(end -> new AddrRange<>(start, end));
    }

    /// How many bytes it holds.
    ///
    /// @return unsigned
    public long sizeBytes() {
        return end.value() - start.value();
    }

    /// Whether it holds nothing.
    ///
    /// @return true when start and end are the same
    public boolean isEmpty() {
        return start.value() == end.value();
    }

    /// Whether an address lies in it.
    ///
    /// @param address the address
    /// @return true from the start on, below the end
    public boolean contains(A address) {
        return Long.compareUnsigned(address.value() - start.value(), sizeBytes()) < 0;
    }

    /// Whether every byte of an access lies in it: the first and the last one (clause A-160).
    ///
    /// @param address address of the first byte
    /// @param width how wide the access is
    /// @return false also when the access would wrap around
    public boolean contains(A address, AccessWidth width) {
        long offset = address.value() - start.value();
        return contains(address)
                && Long.compareUnsigned(width.sizeBytes(), sizeBytes() - offset) <= 0;
    }

    /// Whether another range lies in this one.
    ///
    /// @param inner the other range
    /// @return true when no byte of it, nor its place when empty, is outside
    public boolean containsRange(AddrRange<A> inner) {
        return start.compareTo(inner.start) <= 0 && inner.end.compareTo(end) <= 0;
    }

    /// Whether this range lies in another one.
    ///
    /// @param outer the other range
    /// @return as [#containsRange]
    public boolean containedIn(AddrRange<A> outer) {
        return Objects.requireNonNull(outer, "outer").containsRange(this);
    }

    /// Whether two ranges overlap.
    ///
    /// @param other the other range
    /// @return true when each starts below the other's end
    public boolean overlaps(AddrRange<A> other) {
        return start.compareTo(other.end) < 0 && other.start.compareTo(end) < 0;
    }

    /// Such as `GPA:0x1000..GPA:0x2000`.
    @Override
    public String toString() {
        return start + ".." + end;
    }
}
