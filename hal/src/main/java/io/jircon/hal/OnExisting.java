package io.jircon.hal;

/// What a range form does with a page that already has an entry (clause V-283).
public enum OnExisting {
    /// Fail with ALREADY_MAPPED (or MAPPED_TO_HUGE_PAGE); none of the given pages is entered.
    ERROR,
    /// Leave the existing entry as it is and enter the rest.
    SKIP,
    /// Replace an entry that names another frame, with the new flags; an entry of the same frame
    /// gains flags but does not lose any.
    UPGRADE
}
