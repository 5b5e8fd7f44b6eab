package io.jircon.hal;

/// What an atomic read-modify-write does to a word; the word before is always the answer.
public enum AtomicUpdate {
    /// The operand takes the word's place.
    SET,
    /// Adds the operand; the sum wraps.
    ADD,
    /// Keeps the bits that the operand has too.
    AND,
    /// Sets the operand's bits.
    OR,
    /// Turns the operand's bits around.
    XOR
}
