package io.jircon.kobject;

/// How a wait ended.
///
/// @param status OK, TIMED_OUT or CANCELED
/// @param observed the whole signal word at that moment (clauses K-80, K-81)
public record WaitResult(ZxStatus status, int observed) {}
