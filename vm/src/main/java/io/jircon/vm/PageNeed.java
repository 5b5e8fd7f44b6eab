package io.jircon.vm;

/// What an operation waits for before it can go on.
///
/// @param command READ for pages that are not there, DIRTY for pages that are clean
/// @param first the first page, in the store
/// @param end the page behind the last
record PageNeed(PageRequest.Command command, long first, long end) {}
