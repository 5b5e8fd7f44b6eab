package io.jircon.vm;

/// What an operation does to pages, by which it follows what it has to wait for (clauses O-273 and
/// O-288).
enum PageAccess {
    /// Looks at them.
    READ,
    /// Gives them frames.
    COMMIT,
    /// Changes them, some at a time.
    WRITE,
    /// Makes all of them ready to be changed.
    PIN,
    /// Zeroes them; only those that stay in part are needed.
    ZERO
}
