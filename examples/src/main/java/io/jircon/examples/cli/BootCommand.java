package io.jircon.examples.cli;

import io.jircon.examples.program.LoadedProgram;
import io.jircon.examples.program.ProgramCheck;
import io.jircon.hal.HalProvider;
import io.jircon.hal.MmuStats;
import io.jircon.hal.PageSize;
import io.jircon.kobject.ProcessBase;
import io.jircon.vm.Machine;
import io.jircon.vm.MapEntry;
import io.jircon.vm.UserMemory;
import java.io.PrintWriter;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// `jircon boot`: loads programs into address spaces, reads every byte back through the MMU and
/// compares it with the file, shows what it took, and proves that everything is given back.
@Command(
        name = "boot",
        description =
                "Map ELF64 programs into address spaces, page by page through faults, and compare"
                        + " every byte with the file.",
        mixinStandardHelpOptions = true)
final class BootCommand implements Callable<Integer> {
    @Spec private CommandSpec spec = CommandSpec.create();

    @Parameters(
            arity = "1..*",
            paramLabel = "FILE",
            description = "ELF64 programs, of any machine.")
    private List<Path> files = List.of();

    @Option(
            names = "--hal",
            defaultValue = HalChoice.ALL,
            paramLabel = "NAME|all",
            description = "The HAL; 'all' takes every one that is usable here.")
    private String hal = HalChoice.ALL;

    @Option(
            names = "--populate",
            description = "Enter all pages while loading, so that no access faults.")
    private boolean populate;

    private long pages;
    private long bytes;

    @Override
    public Integer call() {
        List<HalProvider> providers = HalChoice.named(hal);
        PrintWriter out = spec.commandLine().getOut();
        try (Arena arena = Arena.ofConfined()) {
            // All files are read before anything is printed, so that a bad one is all there is to
            // see.
            var programs = new ArrayList<Programs.Program>();
            for (Path file : files) {
                programs.add(Programs.read(file, arena));
            }
            int used = 0;
            for (HalProvider provider : providers) {
                Optional<String> reason = provider.unavailableReason();
                if (reason.isPresent()) {
                    out.printf("%s: not usable here: %s%n%n", provider.name(), reason.get());
                    continue;
                }
                used++;
                for (Programs.Program program : programs) {
                    boot(out, provider, program);
                }
            }
            out.printf(
                    "programs: %d, HALs: %d; %d pages, %d bytes read through the MMU and equal to the"
                            + " files%n",
                    programs.size(), used, pages, bytes);
            return Main.OK;
        } catch (ProgramCheck.MismatchException e) {
            out.flush();
            spec.commandLine().getErr().println("jircon: " + e.getMessage());
            return Main.FAILED;
        }
    }

    private void boot(PrintWriter out, HalProvider provider, Programs.Program program) {
        try (Machine machine = Programs.boot(provider, program)) {
            long freeBefore = machine.frames().freeFrames();
            var paging = populate ? LoadedProgram.Paging.POPULATE : LoadedProgram.Paging.ON_DEMAND;
            try (LoadedProgram loaded = Programs.load(machine, program, paging);
                    var memory = new UserMemory(loaded.root(), machine.hal().newMmu())) {
                out.printf(
                        "%s: %s, %s, %d segments, %s 0x%x%n",
                        provider.name(),
                        program.path(),
                        program.elf().machine(),
                        loaded.segments().size(),
                        loaded.bias() == 0 ? "at its own address" : "moved to",
                        loaded.image().baseAddress());
                ProgramCheck.Outcome outcome = ProgramCheck.run(loaded, memory);
                printRegions(out, loaded);
                printCosts(out, loaded, memory, outcome);
                pages += outcome.pages();
                bytes += outcome.bytes();
            }
            long freeAfter = machine.frames().freeFrames();
            if (freeAfter != freeBefore) {
                throw new ProgramCheck.MismatchException(
                        provider.name()
                                + ": "
                                + (freeBefore - freeAfter)
                                + " frames did not come back");
            }
            out.printf(
                    "  destroyed: %d of %d frames free, as before%n%n",
                    freeAfter, machine.frames().totalFrames());
        }
    }

    private static void printRegions(PrintWriter out, LoadedProgram loaded) {
        ProcessBase process = loaded.process();
        out.printf("  process %s, koid %d%n", process.name(), process.koid());
        for (MapEntry entry : loaded.root().maps()) {
            String indent = "  ".repeat(entry.depth() + 1);
            long last = entry.baseAddress() + (entry.sizeBytes() - 1);
            switch (entry.type()) {
                case MAPPING ->
                        out.printf(
                                "%s%016x-%016x %s %s, %d of %d pages committed%n",
                                indent,
                                entry.baseAddress(),
                                last,
                                entry.permissions(),
                                entry.name(),
                                entry.committedBytes() / PageSize.BASE_BYTES,
                                entry.sizeBytes() / PageSize.BASE_BYTES);
                case VMAR, ASPACE, NONE ->
                        out.printf(
                                "%s%016x-%016x region %s%n",
                                indent, entry.baseAddress(), last, purpose(loaded, entry));
            }
        }
    }

    private static String purpose(LoadedProgram loaded, MapEntry region) {
        if (region.depth() == 0) {
            return region.name();
        }
        return region.baseAddress() == loaded.image().baseAddress() ? "image" : "guard and stack";
    }

    private static void printCosts(
            PrintWriter out,
            LoadedProgram loaded,
            UserMemory memory,
            ProgramCheck.Outcome outcome) {
        MmuStats stats = memory.stats();
        out.printf(
                "  read %d bytes in %d pages: equal to the file; refused %d accesses that must be%n",
                outcome.bytes(), outcome.pages(), outcome.refusals());
        out.printf(
                "  faults: %d resolved, %d refused; page tables: %d frames; TLB: %d hits, %d misses%n",
                memory.faultsResolved(),
                stats.faults() - memory.faultsResolved(),
                loaded.pageTable().tableFrames(),
                stats.tlbHits(),
                stats.tlbMisses());
    }
}
