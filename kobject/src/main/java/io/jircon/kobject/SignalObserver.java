package io.jircon.kobject;

/// Told once when an object's signals match, or when the handle it was registered through is
/// closed. Called without any lock held, so it may use every object (clause K-77); it must not
/// throw.
interface SignalObserver {
    /// A wanted signal is active.
    ///
    /// @param observed the whole signal word at the moment of the match (clause K-81)
    void onSignals(int observed);

    /// The handle was closed first.
    ///
    /// @param observed the signal word with [Signals#HANDLE_CLOSED]
    void onCanceled(int observed);
}
