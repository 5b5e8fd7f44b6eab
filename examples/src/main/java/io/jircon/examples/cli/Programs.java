package io.jircon.examples.cli;

import io.jircon.examples.elf.ElfFile;
import io.jircon.examples.elf.ElfFormatException;
import io.jircon.examples.program.ImageLayout;
import io.jircon.examples.program.LoadedProgram;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HalProvider;
import io.jircon.vm.Machine;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/// What the commands that load programs have in common.
final class Programs {
    /// The most memory that a program may take, in bytes.
    private static final long MAX_MEMORY_BYTES = 4L << 30;

    private Programs() {}

    /// A file that was checked.
    ///
    /// @param path where it is
    /// @param elf what is in it
    /// @param layout where its segments go
    record Program(Path path, ElfFile elf, ImageLayout layout) {}

    /// Reads a program.
    ///
    /// @param path the file
    /// @param arena owns its bytes
    /// @return a checked program
    /// @throws UsageException when it cannot be read or is not a program
    static Program read(Path path, Arena arena) {
        try {
            ElfFile elf = ElfFile.read(path, arena);
            ImageLayout layout = ImageLayout.of(elf);
            if (Long.compareUnsigned(layout.memoryBytes(), MAX_MEMORY_BYTES) > 0) {
                throw new ElfFormatException(
                        "its segments take "
                                + Long.toUnsignedString(layout.memoryBytes())
                                + " bytes, more than the limit of "
                                + MAX_MEMORY_BYTES);
            }
            return new Program(path, elf, layout);
        } catch (NoSuchFileException e) {
            throw new UsageException(path + ": no such file", e);
        } catch (AccessDeniedException e) {
            throw new UsageException(path + ": may not be read", e);
        } catch (IOException e) {
            throw new UsageException(path + ": " + e.getMessage(), e);
        }
    }

    /// Makes a machine with room for a program, its page tables and its stack.
    ///
    /// @param provider the kind of machine
    /// @param program what is to be loaded
    /// @return a machine to close
    static Machine boot(HalProvider provider, Program program) {
        long memory = HalConfig.DEFAULT.memoryBytes() + program.layout().memoryBytes();
        long aligned = (memory + (2 << 20) - 1) & -(2L << 20);
        return Machine.boot(provider.create(HalConfig.DEFAULT.withMemoryBytes(aligned)));
    }

    /// Loads a program.
    ///
    /// @param machine where
    /// @param program what
    /// @param paging when pages are entered
    /// @return a program to close
    static LoadedProgram load(Machine machine, Program program, LoadedProgram.Paging paging) {
        String name = String.valueOf(program.path().getFileName());
        return LoadedProgram.load(machine, name, program.elf(), program.layout(), paging);
    }
}
