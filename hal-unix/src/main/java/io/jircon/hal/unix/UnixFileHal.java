package io.jircon.hal.unix;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.BuddyFrameAllocator;
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
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The portable machine: frames in a memory-mapped sparse file, page tables on the Java heap,
/// software MMU. Runs wherever Java does and needs no permission.
///
/// Options: `directory` is where a nameless file for the frames is made (default: the host's
/// directory for temporary files); `file` names a file that outlives the machine and is opened
/// again when it exists, see [FrameFile]. Only one of them.
public final class UnixFileHal extends SimulatedMachine {
    /// The provider's name.
    public static final String NAME = "unix-file";

    private static final String DIRECTORY = "directory";
    private static final String FILE = "file";
    private static final int TAGS = 0xffff;

    private final Frames parts;

    private UnixFileHal(HalConfig config, Frames parts) {
        super(NAME, config, TAGS, parts.segment, parts.allocator, parts.free);
        this.parts = parts;
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
            return new UnixFileHal(config, Frames.of(path(FILE, file), config));
        }
        String directory = options.get(DIRECTORY);
        LazyMemory memory =
                directory == null
                        ? LazyMemory.reserve(config.memoryBytes())
                        : LazyMemory.reserve(config.memoryBytes(), path(DIRECTORY, directory));
        var allocator = new BuddyFrameAllocator(config.memoryBase(), config.memoryBytes());
        return new UnixFileHal(
                config, new Frames(memory.segment(), allocator, null, memory::close));
    }

    /// The file that the frames outlive the machine in.
    ///
    /// @return empty without option `file`
    public Optional<FrameFile> frameFile() {
        return Optional.ofNullable(parts.file);
    }

    /// Does [FrameFile#flush]; with nameless frames nothing.
    ///
    /// @throws PagingException SYSTEM when the host cannot; BAD_STATE after close
    public void flush() {
        if (!parts.segment.scope().isAlive()) {
            throw new PagingException(PagingError.BAD_STATE, "the machine is closed");
        }
        if (parts.file != null) {
            parts.file.flush();
        }
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

    /// Where the frames lie, who hands them out, and what gives them back.
    ///
    /// @param file null for a nameless one
    private record Frames(
            MemorySegment segment,
            BuddyFrameAllocator allocator,
            @Nullable FrameFile file,
            Runnable free) {
        static Frames of(Path path, HalConfig config) {
            UnixFileStore store = UnixFileStore.open(path, config);
            try {
                var allocator = new BuddyFrameAllocator(config.memoryBase(), config.memoryBytes());
                var file = new FrameFile(store, allocator);
                return new Frames(store.segment(), allocator, file, store::close);
            } catch (RuntimeException | Error failed) {
                store.close();
                throw failed;
            }
        }
    }
}
