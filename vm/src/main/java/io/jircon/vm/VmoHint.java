package io.jircon.vm;

/// What a program expects of a range of pages (clause O-116).
public enum VmoHint {
    /// They will be needed: do not take them back.
    ALWAYS_NEED,
    /// They will not be needed soon.
    DONT_NEED
}
