package io.jircon.examples.image;

import io.jircon.hal.AccessKind;

/// A question to an MMU: what becomes of an access.
///
/// @param gpa guest-physical address, unsigned
/// @param access what the access wants
record Probe(long gpa, AccessKind access) {
    /// The letter of an access in the files.
    char letter() {
        return switch (access) {
            case READ -> 'r';
            case WRITE -> 'w';
            case EXECUTE -> 'x';
        };
    }

    /// `10000 r`.
    @Override
    public String toString() {
        return Long.toHexString(gpa) + " " + letter();
    }
}
