package io.jircon.tests.oracle;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// A guest program, assembled from its source when it is first needed.
enum GuestProgram {
    /// M-mode program for `qemu-system-riscv64`.
    RISCV64("riscv64-gstage.S", "riscv64-unknown-elf-", List.of("-march=rv64imac_zicsr")),
    /// EL2 program for `qemu-system-aarch64`.
    AARCH64("aarch64-stage2.S", "aarch64-linux-gnu-", List.of()),
    /// System ROM for Bochs.
    X86_64("x86_64-ept.asm", "", List.of());

    private final Path source;
    private final String prefix;
    private final List<String> flags;

    GuestProgram(String source, String prefix, List<String> flags) {
        this.source = Path.of("src", "test", "guests", source);
        this.prefix = prefix;
        this.flags = flags;
    }

    /// The host's programs that [#binary] runs.
    List<String> tools() {
        return this == X86_64
                ? List.of("nasm")
                : List.of(prefix + "as", prefix + "ld", prefix + "objcopy");
    }

    /// Assembles the program.
    ///
    /// @return the raw binary
    /// @throws IOException when a tool is missing or fails
    synchronized Path binary() throws IOException {
        Path directory = Files.createDirectories(Path.of("target", "guests"));
        Path binary = directory.resolve(source.getFileName() + ".bin").toAbsolutePath();
        if (Files.exists(binary)
                && Files.getLastModifiedTime(binary).compareTo(Files.getLastModifiedTime(source))
                        > 0) {
            return binary;
        }
        if (this == X86_64) {
            HostTools.run(List.of("nasm", "-f", "bin", "-o", binary.toString(), source.toString()));
            return binary;
        }
        String object = directory.resolve(source.getFileName() + ".o").toString();
        String linked = directory.resolve(source.getFileName() + ".elf").toString();
        var assemble = new java.util.ArrayList<>(List.of(prefix + "as"));
        assemble.addAll(flags);
        assemble.addAll(List.of("-o", object, source.toString()));
        HostTools.run(assemble);
        HostTools.run(List.of(prefix + "ld", "-Ttext=0", "-e", "0", "-o", linked, object));
        HostTools.run(
                List.of(
                        prefix + "objcopy",
                        "-O",
                        "binary",
                        "-j",
                        ".text",
                        linked,
                        binary.toString()));
        return binary;
    }
}
