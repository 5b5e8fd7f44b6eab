package io.jircon.examples.cli;

import io.jircon.examples.program.LoadedProgram;
import io.jircon.hal.AccessKind;
import io.jircon.hal.HalProvider;
import io.jircon.hal.PageWalk;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.Machine;
import io.jircon.vm.UserMemory;
import java.io.PrintWriter;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// `jircon walk`: how an address of a loaded program, or of a guest, is translated, table by table.
@Command(
        name = "walk",
        description = {
            "Show how an address of a loaded program is translated, table by table;",
            "with --two-stage, an address of a guest through its own tables and the second stage."
        },
        mixinStandardHelpOptions = true)
final class WalkCommand implements Callable<Integer> {
    @Spec private CommandSpec spec = CommandSpec.create();

    @Parameters(
            index = "0",
            paramLabel = "ADDRESS",
            description =
                    "Virtual address as the program was linked, such as 0x401000; with"
                            + " --two-stage a guest-virtual address.")
    private String address = "";

    @Parameters(
            index = "1",
            arity = "0..1",
            paramLabel = "FILE",
            description = "An ELF64 program; none with --two-stage.")
    private @Nullable Path file;

    @Option(names = "--hal", required = true, paramLabel = "NAME", description = "The HAL.")
    private String hal = "";

    @ArgGroup(exclusive = false, heading = "A guest's address:%n")
    private @Nullable TwoStageOptions twoStage;

    @Override
    public Integer call() {
        long number = parse(address);
        if (twoStage != null) {
            if (file != null) {
                throw new UsageException("FILE=" + file + " has no place with --two-stage");
            }
            TwoStageReport.print(
                    spec.commandLine().getOut(), HalChoice.nested(hal), number, twoStage);
        } else if (file == null) {
            throw new UsageException("FILE is missing; only --two-stage goes without");
        } else {
            walkProgram(HalChoice.one(hal), file, number);
        }
        return Main.OK;
    }

    private void walkProgram(HalProvider provider, Path path, long linked) {
        try (Arena arena = Arena.ofConfined()) {
            Programs.Program program = Programs.read(path, arena);
            try (Machine machine = Programs.boot(provider, program);
                    LoadedProgram loaded =
                            Programs.load(machine, program, LoadedProgram.Paging.ON_DEMAND);
                    var memory = new UserMemory(loaded.root(), machine.hal().newMmu())) {
                walk(loaded, memory, linked, arena.allocate(1));
            }
        }
    }

    /// Touches the address as the program would, then asks the machine's walker what it did.
    private void walk(LoadedProgram loaded, UserMemory memory, long linked, MemorySegment octet) {
        PrintWriter out = spec.commandLine().getOut();
        long vaddr = linked + loaded.bias();
        if (vaddr != linked) {
            out.printf("0x%x was moved to 0x%x%n", linked, vaddr);
        }
        ZxStatus status = memory.access(AccessKind.READ, vaddr, octet);
        out.printf("read of 0x%x: %s%n", vaddr, status);
        PageWalk walk = loaded.pageTable().explain(vaddr, AccessKind.READ);
        for (PageWalk.Step step : walk.steps()) {
            out.printf("  %s%n", step);
        }
        out.printf("  %s%n", walk.mapping() != null ? walk.mapping() : walk.fault());
    }

    private static long parse(String text) {
        try {
            return text.startsWith("0x") || text.startsWith("0X")
                    ? Long.parseUnsignedLong(text.substring(2).replace("_", ""), 16)
                    : Long.parseUnsignedLong(text);
        } catch (NumberFormatException e) {
            throw new UsageException(
                    "address="
                            + text
                            + " is neither a decimal nor a 0x hexadecimal number of 64 bits",
                    e);
        }
    }
}
