package io.jircon.hal;

import java.util.Optional;

/// An address that knows what it is an address of, so that one kind cannot be passed for another
/// (clauses ). For façades; the layers below pass bare `long`s.
///
/// Any 64-bit value is an address; order, arithmetic and text are unsigned. Arithmetic that leaves
/// 64 bits throws [ArithmeticException]; the `checked` forms answer empty instead. Nothing wraps.
///
/// @param <A> the kind of address
public sealed interface Address<A extends Address<A>> extends Comparable<A>
        permits GuestPhysAddr, GuestVirtAddr, HostPhysAddr, HostVirtAddr {
    /// The address as a number.
    ///
    /// @return unsigned
    long value();

    /// An address of the same kind with another value.
    ///
    /// @param value any value, unsigned
    /// @return the address
    A at(long value);

    /// The short name of the kind.
    ///
    /// @return `VA`, `PA`, `GVA` or `GPA`
    String prefix();

    /// The address some bytes further up.
    ///
    /// @param bytes how many, unsigned
    /// @return the sum
    /// @throws ArithmeticException when it passes 2^64 - 1
    default A add(long bytes) {
        return checkedAdd(bytes).orElseThrow(() -> overflow("+", bytes));
    }

    /// The address some bytes further up, if there is one.
    ///
    /// @param bytes how many, unsigned
    /// @return the sum, or empty when it passes 2^64 - 1
    default Optional<A> checkedAdd(long bytes) {
        long sum = value() + bytes;
        return Long.compareUnsigned(sum, value()) < 0 ? Optional.empty() : Optional.of(at(sum));
    }

    /// The address some bytes further down.
    ///
    /// @param bytes how many, unsigned
    /// @return the difference
    /// @throws ArithmeticException when it would be below 0
    default A sub(long bytes) {
        return checkedSub(bytes).orElseThrow(() -> overflow("-", bytes));
    }

    /// The address some bytes further down, if there is one.
    ///
    /// @param bytes how many, unsigned
    /// @return the difference, or empty when it would be below 0
    default Optional<A> checkedSub(long bytes) {
        return Long.compareUnsigned(bytes, value()) > 0
                ? Optional.empty()
                : Optional.of(at(value() - bytes));
    }

    /// How many bytes this lies above another address.
    ///
    /// @param lower the other address
    /// @return the distance, unsigned
    /// @throws ArithmeticException when the other address is the higher one
    default long subAddr(A lower) {
        if (Long.compareUnsigned(lower.value(), value()) > 0) {
            throw overflow("-", lower.value());
        }
        return value() - lower.value();
    }

    /// The address some bytes up or down.
    ///
    /// @param bytes how many, signed
    /// @return the sum
    /// @throws ArithmeticException when it leaves 0 .. 2^64 - 1
    default A offset(long bytes) {
        return bytes < 0 ? sub(-bytes) : add(bytes);
    }

    /// The signed distance from another address to this one.
    ///
    /// @param from the other address
    /// @return negative when this is the lower one; 0 when they are equal
    /// @throws ArithmeticException when the distance does not fit a signed long
    default long offsetFrom(A from) {
        long distance = value() - from.value();
        if (distance < 0 != Long.compareUnsigned(value(), from.value()) < 0) {
            throw overflow("-", from.value());
        }
        return distance;
    }

    /// The highest multiple that is not above this address.
    ///
    /// @param alignment a power of two, unsigned
    /// @return the multiple
    /// @throws IllegalArgumentException when the alignment is no power of two
    default A alignDown(long alignment) {
        return at(value() & -checkedAlignment(alignment));
    }

    /// The lowest multiple that is not below this address.
    ///
    /// @param alignment a power of two, unsigned
    /// @return the multiple
    /// @throws IllegalArgumentException when the alignment is no power of two
    /// @throws ArithmeticException when the multiple would be 2^64
    default A alignUp(long alignment) {
        return add(-value() & (checkedAlignment(alignment) - 1));
    }

    /// How far this address is above the highest multiple.
    ///
    /// @param alignment a power of two, unsigned
    /// @return 0 .. alignment - 1
    /// @throws IllegalArgumentException when the alignment is no power of two
    default long alignOffset(long alignment) {
        return value() & (checkedAlignment(alignment) - 1);
    }

    /// Whether this is a multiple.
    ///
    /// @param alignment a power of two, unsigned
    /// @return true when [#alignOffset(long)] is 0
    /// @throws IllegalArgumentException when the alignment is no power of two
    default boolean isAligned(long alignment) {
        return alignOffset(alignment) == 0;
    }

    @Override
    default int compareTo(A other) {
        return Long.compareUnsigned(value(), other.value());
    }

    /// Prefix, colon and lower-case hexadecimal digits.
    ///
    /// @return such as `GPA:0x1000`
    default String text() {
        return prefix() + ":0x" + Long.toHexString(value());
    }

    private ArithmeticException overflow(String operator, long operand) {
        return new ArithmeticException(
                text() + " " + operator + " 0x" + Long.toHexString(operand) + " leaves 64 bits");
    }

    private static long checkedAlignment(long alignment) {
        if (Long.bitCount(alignment) != 1) {
            throw new IllegalArgumentException(
                    "alignment=0x" + Long.toHexString(alignment) + " is not a power of two");
        }
        return alignment;
    }
}
