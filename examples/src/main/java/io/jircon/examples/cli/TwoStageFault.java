package io.jircon.examples.cli;

/// Where a two-stage walk is made to fail.
enum TwoStageFault {
    /// The guest's tables do not map the page: the guest gets the fault.
    GUEST,
    /// The second stage does not map the page that the guest's tables lead to.
    NESTED,
    /// The second stage does not map the guest's last table, so that its entry cannot be read.
    WALK
}
