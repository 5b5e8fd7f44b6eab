package io.jircon.examples.elf;

import java.util.Map;

/// Names of the architectures in an ELF header's `e_machine`.
final class ElfMachine {
    private static final Map<Integer, String> NAMES =
            Map.ofEntries(
                    Map.entry(8, "mips"),
                    Map.entry(15, "parisc"),
                    Map.entry(21, "ppc64"),
                    Map.entry(22, "s390x"),
                    Map.entry(43, "sparcv9"),
                    Map.entry(50, "ia64"),
                    Map.entry(62, "x86_64"),
                    Map.entry(183, "aarch64"),
                    Map.entry(243, "riscv"),
                    Map.entry(247, "bpf"),
                    Map.entry(258, "loongarch"),
                    Map.entry(0x9026, "alpha"));

    private ElfMachine() {}

    /// The name of an architecture.
    ///
    /// @param number `e_machine`
    /// @return a lower-case name, or the number where it has none here
    static String name(int number) {
        return NAMES.getOrDefault(number, "machine " + number);
    }
}
