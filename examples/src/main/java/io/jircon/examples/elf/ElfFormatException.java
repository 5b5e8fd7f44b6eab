package io.jircon.examples.elf;

import java.io.IOException;

/// A file is not an ELF64 program, or is damaged.
public final class ElfFormatException extends IOException {
    private static final long serialVersionUID = 1L;

    /// Makes an exception.
    ///
    /// @param message which field is wrong, its value, and the rule it breaks
    public ElfFormatException(String message) {
        super(message);
    }
}
