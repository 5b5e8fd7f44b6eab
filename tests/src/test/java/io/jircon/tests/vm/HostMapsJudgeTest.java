package io.jircon.tests.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.hal.unix.MinorFaults;
import io.jircon.hal.unix.UnixMmapHal;
import io.jircon.hal.unix.UnixMmapPageTable;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.Machine;
import io.jircon.vm.MapEntry;
import io.jircon.vm.PinnedPages;
import io.jircon.vm.VmAddressRegion;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmarFlags;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The kernel as the judge of `unix-mmap`: after random histories the lines of `/proc/self/maps`
/// for the whole window, its reserve included, are those that the region's own listing and the
/// frames of the memory objects ask for, and there are no others.
class HostMapsJudgeTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final int ARENA_PAGES = 48;
    private static final long LARGE_OFFSET = 2L << 20;
    private static final long LARGE_BYTES = 4L << 20;
    private static final int STEPS = 1_200;
    private static final VmarFlags OPEN = VmarFlags.CAN_MAP_RWX.with(VmarFlags.CAN_MAP_SPECIFIC);
    private static final VmarFlags[] PERMISSIONS = {
        VmarFlags.NONE,
        VmarFlags.PERM_READ,
        VmarFlags.READ_WRITE,
        VmarFlags.READ_EXECUTE,
        VmarFlags.READ_WRITE_EXECUTE
    };

    /// One line of the kernel's list.
    ///
    /// @param fileOffset -1 for the reserve, which has no file
    private record Line(long start, long end, String permission, long fileOffset) {
        boolean continuedBy(Line next) {
            boolean inFile = fileOffset >= 0 && next.fileOffset == fileOffset + (end - start);
            return next.start == end
                    && next.permission.equals(permission)
                    && (inFile || fileOffset < 0 && next.fileOffset < 0);
        }
    }

    private int mostLines;
    private boolean sawHint;

    /// Where accesses are held, the host's pages allow more than their entries do.
    private boolean held;

    @ParameterizedTest(name = "{0} huge-pages={1} faults={2} seed={3}")
    @CsvSource({
        "USER, off, efault, 1",
        "GUEST, off, efault, 2",
        "USER, hint, efault, 3",
        "USER, off, auto, 4",
        "GUEST, hint, auto, 5",
        "USER, off, minor, 6",
        "GUEST, hint, minor, 7"
    })
    @Tag("V-221")
    void kernelListsWhatTheRegionLists(
            AddressSpaceKind kind, String hugePages, String faults, long seed) {
        HalConfig config =
                HalConfig.DEFAULT
                        .withMemoryBytes(16L << 20)
                        .withOption("window", "32M")
                        .withOption("huge-pages", hugePages)
                        .withOption("faults", faults.equals("minor") ? MinorFaults.OPTION : faults);
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        var hal = (UnixMmapHal) Hals.create("unix-mmap", config);
        held = hal.faults().startsWith("userfaultfd");
        try (Machine machine = Machine.boot(hal)) {
            VmAddressRegion root = VmAddressRegion.newRoot(machine, kind);
            List<VmObject> objects = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                objects.add(VmObject.create(machine, (i + 1) * 8 * PAGE));
            }
            objects.add(VmObject.createContiguous(machine, 16 * PAGE, 0));
            objects.add(VmObject.createContiguous(machine, LARGE_BYTES, 21));
            VmAddressRegion arena =
                    root.allocate(OPEN.with(VmarFlags.align(21)), 0, LARGE_OFFSET + LARGE_BYTES);
            List<VmAddressRegion> regions = new ArrayList<>(List.of(arena));
            for (int step = 0; step < STEPS; step++) {
                step(random, arena, regions, objects);
                if (step % 12 == 0) {
                    judge(machine, root, objects, "step " + step);
                }
            }
            assertTrue(mostLines > 20, "at most " + mostLines + " lines");
            // Nor does it merge a page that it holds writes to with one that is writable.
            assertEquals(held || hugePages.equals("hint"), sawHint, "a line that ends at a hint");
            arena.destroy();
            mostLines = 0;
            judge(machine, root, objects, "at the end");
            assertEquals(1, mostLines);
            root.destroyAddressSpace();
            objects.forEach(VmObject::close);
        }
    }

    private static void step(
            RandomGenerator random,
            VmAddressRegion arena,
            List<VmAddressRegion> regions,
            List<VmObject> objects) {
        int page = random.nextInt(ARENA_PAGES);
        int count = 1 + random.nextInt(10);
        boolean large = random.nextInt(8) == 0;
        long offset = large ? LARGE_OFFSET : page * PAGE;
        long vaddr = arena.baseAddress() + offset;
        VmarFlags permissions = PERMISSIONS[random.nextInt(PERMISSIONS.length)];
        VmObject object = objects.get(large ? 4 : random.nextInt(4));
        long objectPages = object.sizeBytes() / PAGE;
        try {
            switch (random.nextInt(8)) {
                case 0, 1, 2 -> {
                    long first = large ? 0 : random.nextLong(objectPages);
                    long length =
                            large
                                    ? object.sizeBytes() - random.nextInt(3) * PAGE
                                    : Math.min(count, objectPages - first) * PAGE;
                    VmarFlags how = VmarFlags.SPECIFIC_OVERWRITE;
                    if (permissions != VmarFlags.NONE && random.nextBoolean()) {
                        arena.unmap(vaddr, length);
                        how = VmarFlags.SPECIFIC.with(VmarFlags.MAP_RANGE);
                    }
                    arena.map(permissions.with(how), offset, object, first * PAGE, length);
                }
                case 3 -> arena.unmap(vaddr, count * PAGE);
                case 4 -> arena.protect(permissions, vaddr, count * PAGE);
                case 5 -> {
                    if (!object.isContiguous()) {
                        object.decommit(random.nextLong(objectPages) * PAGE, PAGE);
                    }
                }
                case 6 -> {
                    if (regions.size() < 6) {
                        regions.add(
                                arena.allocate(
                                        OPEN.with(VmarFlags.SPECIFIC), offset, count * PAGE));
                    } else {
                        regions.remove(1 + random.nextInt(regions.size() - 1)).destroy();
                    }
                }
                default -> {
                    VmAddressRegion region = regions.get(random.nextInt(regions.size()));
                    region.map(permissions, 0, object, 0, PAGE);
                }
            }
        } catch (ZxException refused) {
            // What is refused changes nothing, which the judge then sees.
        }
    }

    /// Brings every page in that the listing allows, and compares.
    private void judge(Machine machine, VmAddressRegion root, List<VmObject> objects, String when) {
        Map<Long, Long> frames = new HashMap<>();
        for (VmObject object : objects) {
            object.commit(0, object.sizeBytes());
            try (PinnedPages pins = object.pin(0, object.sizeBytes())) {
                for (int page = 0; page < pins.pageCount(); page++) {
                    frames.put(object.koid() << 20 | page, pins.address(page));
                }
            }
        }
        var table = (UnixMmapPageTable) root.pageTable();
        long window = table.hostAddress(table.firstAddress());
        long windowEnd = window + (table.lastAddress() - table.firstAddress()) + 1;
        List<Line> pages = new ArrayList<>();
        long next = window;
        for (MapEntry entry : root.maps()) {
            boolean shown = entry.type() == MapEntry.Type.MAPPING && entry.permissions().canRead();
            for (long done = 0; shown && done < entry.sizeBytes(); done += PAGE) {
                long vaddr = entry.baseAddress() + done;
                bringIn(root, vaddr, entry.permissions());
                long page = (entry.vmoOffset() + done) / PAGE;
                long frame = frames.get(entry.vmoKoid() << 20 | page);
                long host = table.hostAddress(vaddr);
                reserve(pages, next, host);
                pages.add(
                        new Line(
                                host,
                                host + PAGE,
                                permission(entry.permissions()),
                                frame - machine.memory().base()));
                next = host + PAGE;
            }
        }
        reserve(pages, next, windowEnd);
        List<Line> expected = merged(pages);
        List<Line> lines = hostLines(window, windowEnd);
        // Where huge pages are wished for, the host does not merge across the wish.
        assertEquals(lines.size(), table.hostMappings(), when);
        assertEquals(expected, merged(lines), when);
        mostLines = Math.max(mostLines, lines.size());
        sawHint |= lines.size() > expected.size();
        root.checkInvariants();
    }

    private static void bringIn(VmAddressRegion root, long vaddr, MmuFlags permissions) {
        AccessKind access = permissions.canWrite() ? AccessKind.WRITE : AccessKind.READ;
        assertEquals(ZxStatus.OK, root.handlePageFault(vaddr, access));
    }

    private void reserve(List<Line> pages, long from, long to) {
        if (from < to) {
            pages.add(new Line(from, to, held ? "rw-p" : "---p", -1));
        }
    }

    private String permission(MmuFlags flags) {
        return "r"
                + (held || flags.canWrite() ? 'w' : '-')
                + (flags.canExecute() ? 'x' : '-')
                + "s";
    }

    private static List<Line> merged(List<Line> lines) {
        List<Line> merged = new ArrayList<>();
        for (Line line : lines) {
            Line last = merged.isEmpty() ? null : merged.getLast();
            if (last != null && last.continuedBy(line)) {
                merged.removeLast();
                merged.add(new Line(last.start, line.end, last.permission, last.fileOffset));
            } else {
                merged.add(line);
            }
        }
        return merged;
    }

    /// What the kernel lists of a range, clipped to it.
    private static List<Line> hostLines(long from, long to) {
        List<Line> lines = new ArrayList<>();
        try {
            for (String text : Files.readAllLines(Path.of("/proc/self/maps"))) {
                String[] words = text.split("\\s+", 6);
                String[] range = words[0].split("-", 2);
                long start = Long.parseUnsignedLong(range[0], 16);
                long end = Long.parseUnsignedLong(range[1], 16);
                if (Long.compareUnsigned(end, from) <= 0 || Long.compareUnsigned(start, to) >= 0) {
                    continue;
                }
                boolean isFile = !words[4].equals("0");
                lines.add(
                        new Line(
                                Math.max(start, from),
                                Math.min(end, to),
                                words[1],
                                isFile ? Long.parseLong(words[2], 16) : -1));
            }
        } catch (IOException unreadable) {
            throw new AssertionError(unreadable);
        }
        return lines;
    }
}
