package io.jircon.hal.unix;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.LazyMemory;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.SimulatedMachine;
import io.jircon.hal.TlbInvalidator;
import java.lang.foreign.MemorySegment;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;

/// The portable machine: frames in a memory-mapped sparse file, page tables on the Java heap,
/// software MMU. Runs wherever Java does and needs no permission.
///
/// Options: `directory` is where a nameless file for the frames is made (default: the host's
/// directory for temporary files); `file` names a file that outlives the machine and is opened
/// again when it exists, see [UnixFileStore]. Only one of them.
public final class UnixFileHal extends SimulatedMachine {
    /// The provider's name.
    public static final String NAME = "unix-file";

    private static final String DIRECTORY = "directory";
    private static final String FILE = "file";
    private static final int TAGS = 0xffff;

    private final Frames frameFile;

    private UnixFileHal(HalConfig config, Frames frameFile) {
        super(NAME, config, TAGS, frameFile.segment(), frameFile.free());
        this.frameFile = frameFile;
    }

    /// Makes a machine.
    ///
    /// @param config base, size, TLB and the options above
    /// @return a machine that the caller closes
    /// @throws PagingException NOT_SUPPORTED for an unknown option or a bad path; NO_MEMORY when
    ///   the host refuses the memory; BAD_STATE, SYSTEM when the file of option `file` cannot be
    ///   used, the message says why
    public static UnixFileHal open(HalConfig config) {
        Map<String, String> options = config.options();
        for (String name : options.keySet()) {
            if (!Set.of(DIRECTORY, FILE).contains(name)) {
                throw notSupported("option=" + name + " is not one of directory, file");
            }
        }
        if (options.size() > 1) {
            throw notSupported("options directory and file exclude each other");
        }
        String file = options.get(FILE);
        if (file != null) {
            UnixFileStore store = UnixFileStore.open(path(FILE, file), config);
            return new UnixFileHal(config, new Frames(store.segment(), store::flush, store::close));
        }
        String directory = options.get(DIRECTORY);
        LazyMemory memory =
                directory == null
                        ? LazyMemory.reserve(config.memoryBytes())
                        : LazyMemory.reserve(config.memoryBytes(), path(DIRECTORY, directory));
        return new UnixFileHal(config, new Frames(memory.segment(), () -> {}, memory::close));
    }

    /// Brings every byte that was written before this call to the file's storage device. With a
    /// nameless file this does nothing.
    ///
    /// @throws PagingException SYSTEM when the host cannot; BAD_STATE after close
    public void flush() {
        if (!frameFile.segment.scope().isAlive()) {
            throw new PagingException(PagingError.BAD_STATE, "the machine is closed");
        }
        frameFile.flush.run();
    }

    @Override
    protected PageTableTrait createPageTable(
            AddressSpaceKind kind, int tag, TlbInvalidator invalidator) {
        return new UnixFilePageTable(kind, tag, invalidator);
    }

    @Override
    public boolean canMapExecuteOnly() {
        return true;
    }

    private static Path path(String option, String text) {
        try {
            return Path.of(text);
        } catch (InvalidPathException bad) {
            throw new PagingException(
                    PagingError.NOT_SUPPORTED, option + "=" + text + " is not a path", bad);
        }
    }

    private static PagingException notSupported(String message) {
        return new PagingException(PagingError.NOT_SUPPORTED, message);
    }

    private record Frames(MemorySegment segment, Runnable flush, Runnable free) {}
}
