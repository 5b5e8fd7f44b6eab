package io.jircon.vm;

/// What a pager can ask about one of its memory objects (clause O-302).
///
/// @param isModified whether it was written, zeroed or resized since it was made, or since a pager
///   reset this (clause O-300)
public record PagerVmoStats(boolean isModified) {}
