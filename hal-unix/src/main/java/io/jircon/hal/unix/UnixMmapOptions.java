package io.jircon.hal.unix;

import io.jircon.hal.HalConfig;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// The options of `unix-mmap`.
///
/// | name | value | default |
/// | --- | --- | --- |
/// | `window` | bytes of addresses of each page table; `K`, `M`, `G`, `T` may follow | 64G |
/// | `max-map-count` | mappings that the process may have | what `vm.max_map_count` says |
/// | `directory` | where a nameless file for the frames is made | in memory (memfd) |
/// | `file` | a frame file that outlives the machine and is opened again when it exists | none |
/// | `huge-pages` | `hint`: ask the host to back runs that fill whole huge pages with such | off |
/// | `faults` | `userfaultfd`: hold accesses until their faults are resolved; `minor`: as that, and hold the first access to each page that has an entry; `efault`: let them come back; `auto`: `userfaultfd` where the host can, else `efault` | auto |
///
/// Reserved huge pages (a memfd of kind hugetlb) are no option: the host maps those only whole and
/// refuses each 4 KiB piece of one with EINVAL, and 4 KiB is what a page is here.
///
/// @param windowBytes size of a window
/// @param maxMapCount limit for [MappingBudget]
/// @param directory null for a memfd
/// @param file null for nameless frames
/// @param hugePages whether to ask for huge pages
/// @param faults how page faults are to be noticed
record UnixMmapOptions(
        long windowBytes,
        long maxMapCount,
        @Nullable Path directory,
        @Nullable Path file,
        boolean hugePages,
        FaultMode.Wish faults) {
    private static final String WINDOW = "window";
    private static final String MAX_MAP_COUNT = "max-map-count";
    private static final String DIRECTORY = "directory";
    private static final String FILE = "file";
    private static final String HUGE_PAGES = "huge-pages";
    private static final String FAULTS = "faults";
    private static final Set<String> KNOWN =
            Set.of(WINDOW, MAX_MAP_COUNT, DIRECTORY, FILE, HUGE_PAGES, FAULTS);

    private static final long DEFAULT_WINDOW = 64L << 30;
    private static final long MAX_WINDOW = 1L << 46;
    private static final long MIN_MAP_COUNT = 64;

    /// Reads them.
    ///
    /// @throws PagingException NOT_SUPPORTED for a name or value that cannot be
    static UnixMmapOptions of(HalConfig config) {
        Map<String, String> given = config.options();
        for (String name : given.keySet()) {
            if (!KNOWN.contains(name)) {
                throw notSupported(
                        "option="
                                + name
                                + " is not one of "
                                + String.join(", ", new TreeSet<>(KNOWN)));
            }
        }
        if (given.containsKey(DIRECTORY) && given.containsKey(FILE)) {
            throw notSupported("options directory and file exclude each other");
        }
        long window = bytes(WINDOW, given.get(WINDOW), DEFAULT_WINDOW);
        if (window < PageSize.BASE_BYTES
                || window > MAX_WINDOW
                || !PageSize.SIZE_4K.isAligned(window)) {
            throw notSupported(
                    WINDOW + "=" + window + " is no multiple of 4096 in 4096 .. " + MAX_WINDOW);
        }
        long host = MappingBudget.hostLimit();
        long limit = bytes(MAX_MAP_COUNT, given.get(MAX_MAP_COUNT), host);
        if (limit < MIN_MAP_COUNT || limit > host) {
            throw notSupported(
                    MAX_MAP_COUNT
                            + "="
                            + limit
                            + " is not in "
                            + MIN_MAP_COUNT
                            + " .. vm.max_map_count="
                            + host);
        }
        String huge = given.getOrDefault(HUGE_PAGES, "off");
        if (!huge.equals("off") && !huge.equals("hint")) {
            throw notSupported(HUGE_PAGES + "=" + huge + " is neither off nor hint");
        }
        return new UnixMmapOptions(
                window,
                limit,
                path(DIRECTORY, given.get(DIRECTORY)),
                path(FILE, given.get(FILE)),
                huge.equals("hint"),
                faults(given.getOrDefault(FAULTS, "auto")));
    }

    private static FaultMode.Wish faults(String text) {
        return switch (text) {
            case "auto" -> FaultMode.Wish.AUTO;
            case "userfaultfd" -> FaultMode.Wish.USERFAULTFD;
            case "minor" -> FaultMode.Wish.MINOR;
            case "efault" -> FaultMode.Wish.EFAULT;
            default ->
                    throw notSupported(
                            FAULTS + "=" + text + " is none of auto, userfaultfd, minor, efault");
        };
    }

    /// Opens the file that the options name.
    ///
    /// @throws PagingException as [FrameBacking]'s factories
    FrameBacking openBacking(Posix posix, HalConfig config) {
        if (file != null) {
            return FrameBacking.persistent(posix, file, config);
        }
        return directory == null
                ? FrameBacking.memory(posix, config.memoryBytes())
                : FrameBacking.inDirectory(posix, directory, config);
    }

    private static long bytes(String option, @Nullable String text, long otherwise) {
        if (text == null) {
            return otherwise;
        }
        int unit = text.isEmpty() ? -1 : "KMGT".indexOf(text.charAt(text.length() - 1));
        String digits = unit < 0 ? text : text.substring(0, text.length() - 1);
        try {
            return Math.multiplyExact(Long.parseLong(digits), 1L << (10 * (unit + 1)));
        } catch (NumberFormatException | ArithmeticException bad) {
            throw new PagingException(
                    PagingError.NOT_SUPPORTED, option + "=" + text + " is not a size", bad);
        }
    }

    private static @Nullable Path path(String option, @Nullable String text) {
        try {
            return text == null ? null : Path.of(text);
        } catch (InvalidPathException bad) {
            throw new PagingException(
                    PagingError.NOT_SUPPORTED, option + "=" + text + " is not a path", bad);
        }
    }

    private static PagingException notSupported(String message) {
        return new PagingException(PagingError.NOT_SUPPORTED, message);
    }
}
