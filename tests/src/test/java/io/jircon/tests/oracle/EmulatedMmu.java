package io.jircon.tests.oracle;

import io.jircon.hal.PhysicalMemory;
import java.io.IOException;
import java.util.List;

/// A machine that nobody here wrote, asked how it translates.
abstract sealed class EmulatedMmu permits RiscvEmulator, Aarch64Emulator, BochsEmulator {
    /// The host's programs that this machine needs and that are not there.
    ///
    /// @return names of programs; empty when it can run
    final List<String> missingTools() {
        return java.util.stream.Stream.concat(program().tools().stream(), emulators().stream())
                .filter(tool -> HostTools.find(tool).isEmpty())
                .toList();
    }

    abstract GuestProgram program();

    abstract List<String> emulators();

    /// Asks. The memory is copied; the caller's stays as it is.
    ///
    /// @param memory physical memory that holds the tables and the frames
    /// @param probes what to ask
    /// @return an answer for each probe, in order
    /// @throws IOException when the emulator fails or does not finish
    abstract List<Answer> ask(PhysicalMemory memory, List<Probe> probes) throws IOException;

    static String tool(String name) throws IOException {
        return HostTools.find(name)
                .orElseThrow(() -> new IOException(name + " is not installed"))
                .toString();
    }
}
