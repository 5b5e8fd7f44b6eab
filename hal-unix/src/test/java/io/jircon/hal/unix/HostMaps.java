package io.jircon.hal.unix;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/// What the kernel says is mapped: the judge of everything in this module.
final class HostMaps {
    private HostMaps() {}

    /// One line of `/proc/self/maps`, or the part of it that lies in the range asked for.
    ///
    /// @param fileOffset 0 for memory without a file
    record Line(long start, long end, String permission, long fileOffset, boolean isFile) {}

    static List<Line> within(long from, long to) {
        List<Line> lines = new ArrayList<>();
        for (String text : read()) {
            String[] words = text.split("\\s+", 6);
            String[] range = words[0].split("-", 2);
            long start = Long.parseUnsignedLong(range[0], 16);
            long end = Long.parseUnsignedLong(range[1], 16);
            if (end <= from || to <= start) {
                continue;
            }
            boolean isFile = !words[4].equals("0");
            long skipped = Math.max(0, from - start);
            lines.add(
                    new Line(
                            start + skipped,
                            Math.min(end, to),
                            words[1],
                            isFile ? Long.parseLong(words[2], 16) + skipped : 0,
                            isFile));
        }
        return lines;
    }

    /// The flags that the kernel shows for the mapping of an address, such as `rd wr sh`.
    static Set<String> flagsAt(long address) {
        boolean inside = false;
        for (String line : lines("smaps")) {
            if (line.matches("[0-9a-f]+-[0-9a-f]+ .*")) {
                String[] range = line.substring(0, line.indexOf(' ')).split("-", 2);
                inside =
                        Long.compareUnsigned(Long.parseUnsignedLong(range[0], 16), address) <= 0
                                && Long.compareUnsigned(
                                                address, Long.parseUnsignedLong(range[1], 16))
                                        < 0;
            } else if (inside && line.startsWith("VmFlags:")) {
                return Set.of(line.substring(8).strip().split(" "));
            }
        }
        throw new AssertionError("nothing is mapped at 0x" + Long.toHexString(address));
    }

    static int count() {
        return read().size();
    }

    /// How many mappings show a file.
    static long of(Path file) {
        return read().stream().filter(line -> line.endsWith(file.toString())).count();
    }

    /// How many mappings are frames or lie where windows are reserved first.
    static long windows() {
        return read().stream()
                .filter(line ->
                        line.contains("jircon-frames")
                                || line.startsWith("10000")
                                        && line.indexOf('-') == 12
                                        && line.contains("---p"))
                .count();
    }

    /// A stretch of addresses that show one thing, whatever its parts allow: one line of the
    /// kernel's list, joined with the next ones as long as they show the same.
    ///
    /// @param name the file, the kernel's word such as `[stack]`, or empty for anonymous memory
    record Mapped(long start, long end, String name) {
        /// All of the process's.
        static List<Mapped> now() {
            List<Mapped> all = new ArrayList<>();
            for (String text : read()) {
                String[] words = text.split("\\s+", 6);
                String[] range = words[0].split("-", 2);
                long start = Long.parseUnsignedLong(range[0], 16);
                long end = Long.parseUnsignedLong(range[1], 16);
                String name = words.length < 6 ? "" : words[5];
                Mapped last = all.isEmpty() ? null : all.getLast();
                if (last != null && last.end == start && last.name.equals(name)) {
                    all.set(all.size() - 1, new Mapped(last.start, end, name));
                } else {
                    all.add(new Mapped(start, end, name));
                }
            }
            return all;
        }

        @Override
        public String toString() {
            return String.format("%x-%x %s", start, end, name);
        }
    }

    /// What the descriptors of the process show, the one that lists them included.
    static List<String> openFiles() {
        try (var entries = Files.list(Path.of("/proc/self/fd"))) {
            return entries.map(HostMaps::shown).sorted().toList();
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    private static String shown(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString();
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    static long descriptors() {
        try (var entries = Files.list(Path.of("/proc/self/fd"))) {
            return entries.count();
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    private static List<String> read() {
        return lines("maps");
    }

    private static List<String> lines(String name) {
        try {
            return Files.readAllLines(Path.of("/proc/self", name));
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }
}
