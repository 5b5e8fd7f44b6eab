package io.jircon.tests.oracle;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Assumptions;

/// Whether the emulators are there, and what is said where they are not.
final class Emulators {
    private Emulators() {}

    /// Ends the calling test class where a tool is missing: as aborted with the list of what is
    /// missing, or, where the system property `jircon.oracles` is `required`, as failed.
    static void require() {
        Set<String> missing = new LinkedHashSet<>();
        for (EmulatedMmu emulator :
                List.of(
                        new RiscvEmulator(0, false, false),
                        new Aarch64Emulator(0, 0, false, "max"),
                        new BochsEmulator(0))) {
            missing.addAll(emulator.missingTools());
        }
        if (missing.isEmpty()) {
            return;
        }
        String message =
                "the page tables were NOT shown to independent MMUs: "
                        + String.join(", ", missing)
                        + " not found; tests/src/test/guests/install-emulators installs them";
        if ("required".equals(System.getProperty("jircon.oracles"))) {
            throw new AssertionError(message);
        }
        Assumptions.abort(message);
    }
}
