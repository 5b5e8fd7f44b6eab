package io.jircon.examples.cli;

import io.jircon.examples.image.MachineImage;
import io.jircon.examples.image.RandomGuest;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HalProvider;
import io.jircon.hal.PagingException;
import io.jircon.hal.npt.NestedPageTable;
import io.jircon.vm.Machine;
import io.jircon.vm.VmAddressRegion;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/// `jircon image`: a random guest's memory and page tables as files, with questions and answers for
/// another MMU.
@Command(
        name = "image",
        description =
                "Write a random guest's memory, with probes and the answers of our own walker.",
        mixinStandardHelpOptions = true)
final class ImageCommand implements Callable<Integer> {
    /// Largest count of leaves; more take a machine that is larger than a file should be.
    private static final int MAX_PAGES = 100_000;

    private static final long MEMORY_BYTES = 64L << 20;
    private static final long BYTES_PER_PAGE = 3 * 4096;

    @Spec private CommandSpec spec = CommandSpec.create();

    @Option(
            names = "--hal",
            required = true,
            paramLabel = "NAME",
            description = "x86_64, aarch64 or riscv64.")
    private String hal = "";

    @Option(names = "--levels", paramLabel = "N", description = "Levels of the page table.")
    private @Nullable Integer levels;

    @Option(
            names = "--seed",
            required = true,
            paramLabel = "N",
            description = "The same seed gives the same image.")
    private long seed;

    @Option(
            names = "--pages",
            required = true,
            paramLabel = "N",
            description = "How many leaves the page table has at least.")
    private int pages;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "DIR",
            description = "Where the files go; made if it is not there.")
    private Path directory = Path.of("");

    @Override
    public Integer call() {
        HalProvider provider = HalChoice.nested(hal);
        if (pages < 1 || pages > MAX_PAGES) {
            throw new UsageException("pages=" + pages + " is not in 1.." + MAX_PAGES);
        }
        var random = new SplittableRandom(seed);
        try (Machine machine = Machine.boot(create(provider))) {
            VmAddressRegion root = RandomGuest.create(machine, random.split(), pages);
            try {
                Files.createDirectories(directory);
                var table = (NestedPageTable) root.pageTable();
                MachineImage.Summary summary =
                        new MachineImage(machine.memory(), table).write(directory, random);
                spec.commandLine()
                        .getOut()
                        .printf(
                                "%s: leaves %s in %d table frames; %d probes, %d of them allowed%n",
                                directory,
                                summary.leaves(),
                                table.tableFrames(),
                                summary.probes(),
                                summary.allowed());
            } finally {
                root.destroyAddressSpace();
            }
        } catch (IOException e) {
            throw new UsageException("out=" + directory + " cannot be written: " + e, e);
        }
        return Main.OK;
    }

    private Hal create(HalProvider provider) {
        long memory = MEMORY_BYTES + (pages * BYTES_PER_PAGE & -(2L << 20));
        HalConfig config = HalConfig.DEFAULT.withMemoryBytes(memory);
        if (levels != null) {
            config = config.withOption("levels", levels.toString());
            if (hal.equals("aarch64") && levels > 3) {
                // Emulators let a walk start at level 0 only where output addresses are as wide.
                config = config.withOption("physicalBits", "48");
            }
        }
        try {
            return provider.create(config);
        } catch (PagingException e) {
            throw new UsageException(String.valueOf(e.getMessage()), e);
        }
    }
}
