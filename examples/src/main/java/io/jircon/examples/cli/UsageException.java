package io.jircon.examples.cli;

/// What the user asked for cannot be done: one line on standard error, exit code 2.
final class UsageException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /// Makes an exception.
    ///
    /// @param message what was wrong, on one line
    UsageException(String message) {
        super(message);
    }

    /// Makes an exception for a mistake that something else found.
    ///
    /// @param message what was wrong, on one line
    /// @param cause who found it
    UsageException(String message, Throwable cause) {
        super(message, cause);
    }
}
