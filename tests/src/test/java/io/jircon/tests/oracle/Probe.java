package io.jircon.tests.oracle;

import io.jircon.hal.AccessKind;

/// One question to an MMU: may this guest-physical address be accessed so, and where does it lead?
///
/// @param gpa guest-physical address, unsigned
/// @param access what to try
record Probe(long gpa, AccessKind access) {
    /// The letter by which the guest programs know the access.
    char letter() {
        return switch (access) {
            case READ -> 'r';
            case WRITE -> 'w';
            case EXECUTE -> 'x';
        };
    }

    @Override
    public String toString() {
        return Long.toHexString(gpa) + " " + letter();
    }
}
