package io.jircon.examples.cli;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// The options of `jircon walk --two-stage`.
final class TwoStageOptions {
    @Option(
            names = "--two-stage",
            required = true,
            description = "Walk a guest's tables over the HAL's second stage.")
    boolean isOn;

    @Option(
            names = "--guest-levels",
            paramLabel = "N",
            description = "Levels of the guest's own tables; as many as --levels where not given.")
    @Nullable Integer guestLevels;

    @Option(
            names = "--levels",
            paramLabel = "N",
            description = "Levels of the second stage; the HAL's default where not given.")
    @Nullable Integer levels;

    @Option(
            names = "--fault",
            paramLabel = "WHERE",
            description =
                    "Make the walk fail: GUEST, the guest has not mapped the page; NESTED, the"
                            + " second stage has not mapped the guest's page; WALK, nor the guest's"
                            + " last table.")
    @Nullable TwoStageFault fault;

    /// Made by picocli.
    TwoStageOptions() {}
}
