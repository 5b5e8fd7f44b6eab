package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Random histories on a small window beside a naive map from page to entry: the table's answers
/// and the kernel's own list of mappings must both agree with the map after every operation.
class UnixMmapModelTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final int PAGES = 24;
    private static final int STEPS = 1_500;
    private static final MmuFlags[] FLAGS = {
        MmuFlags.R,
        MmuFlags.RW,
        MmuFlags.RX,
        MmuFlags.RWX,
        MmuFlags.of(MmuFlags.READ_BIT | MmuFlags.USER_BIT),
        MmuFlags.of(MmuFlags.READ_BIT | MmuFlags.WRITE_BIT | MmuFlags.DEVICE_BIT)
    };

    private record Entry(long paddr, MmuFlags flags) {}

    private final Map<Long, Entry> model = new TreeMap<>();

    @ParameterizedTest(name = "kind={0}")
    @EnumSource(
            value = AddressSpaceKind.class,
            names = {"USER", "GUEST"})
    @Tag("V-283")
    @Tag("V-287")
    @Tag("zcore-H10")
    @Tag("zcore/libos:map_unmap")
    void smallWindowFollowsTheModelAndTheKernelAgrees(AddressSpaceKind kind) {
        for (long seed = 1; seed <= 4; seed++) {
            run(kind, seed, PAGES, STEPS, 1);
        }
    }

    /// Pages beyond one 2 MiB slot of the shadow, in long runs.
    @ParameterizedTest(name = "seed={0}")
    @ValueSource(longs = {11, 12, 13})
    void runsAcrossSlotsFollowTheModelAndTheKernelAgrees(long seed) {
        run(AddressSpaceKind.USER, seed, 1_300, 250, 400);
    }

    private void run(AddressSpaceKind kind, long seed, int pages, int steps, int scale) {
        model.clear();
        HalConfig config =
                HalConfig.DEFAULT
                        .withMemoryBytes(2L * pages * PAGE)
                        .withOption("window", Long.toString(pages * PAGE));
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        try (var hal = UnixMmapHal.open(config);
                var table = (UnixMmapPageTable) hal.newPageTable(kind)) {
            for (int step = 0; step < steps; step++) {
                String what = "seed=" + seed + " step=" + step;
                step(hal, table, random, pages, scale);
                verify(hal, table, pages, what);
            }
        }
    }

    private void step(
            UnixMmapHal hal,
            UnixMmapPageTable table,
            RandomGenerator random,
            int pages,
            int scale) {
        int page = random.nextInt(pages);
        int count = 1 + random.nextInt(Math.min(pages - page, 6 * scale));
        long vaddr = table.firstAddress() + page * PAGE;
        // Some runs start before the end of the memory and go on behind it.
        long paddr = hal.memory().base() + random.nextInt(2 * pages) * PAGE;
        MmuFlags flags = FLAGS[random.nextInt(FLAGS.length)];
        OnExisting existing = OnExisting.values()[random.nextInt(3)];
        switch (random.nextInt(9)) {
            case 0, 1 -> {
                long[] frames = new long[count];
                for (int i = 0; i < count; i++) {
                    frames[i] = paddr + i * PAGE;
                }
                enter(
                        vaddr,
                        frames,
                        flags,
                        existing,
                        () ->
                                table.mapRange(
                                        vaddr,
                                        paddr,
                                        count * PAGE,
                                        flags,
                                        HugePages.ALLOWED,
                                        existing));
            }
            case 2, 3 -> {
                long[] frames = new long[count];
                for (int i = 0; i < count; i++) {
                    boolean goesOn = i > 0 && random.nextInt(3) > 0;
                    frames[i] =
                            goesOn
                                    ? frames[i - 1] + PAGE
                                    : hal.memory().base() + random.nextInt(2 * pages) * PAGE;
                }
                enter(
                        vaddr,
                        frames,
                        flags,
                        existing,
                        () -> table.mapPages(vaddr, frames, 0, count, flags, existing));
            }
            case 4 -> {
                table.unmapRange(vaddr, count * PAGE);
                forPages(vaddr, count, at -> model.remove(at));
            }
            case 5 -> {
                table.protectRange(vaddr, count * PAGE, flags);
                forPages(
                        vaddr,
                        count,
                        at -> model.computeIfPresent(at, (k, e) -> new Entry(e.paddr, flags)));
            }
            case 6 -> {
                table.writeProtectRange(vaddr, count * PAGE);
                forPages(
                        vaddr,
                        count,
                        at ->
                                model.computeIfPresent(
                                        at,
                                        (k, e) ->
                                                new Entry(
                                                        e.paddr,
                                                        MmuFlags.of(
                                                                e.flags.bits()
                                                                        & ~MmuFlags.WRITE_BIT))));
            }
            case 7 -> singlePage(table, random, vaddr, paddr, flags);
            default ->
                    enter(
                            vaddr,
                            new long[] {paddr},
                            flags,
                            OnExisting.ERROR,
                            () -> table.map(vaddr, paddr, PageSize.SIZE_4K, flags));
        }
    }

    private void enter(
            long vaddr, long[] frames, MmuFlags flags, OnExisting existing, Runnable call) {
        Map<Long, Entry> wanted = new HashMap<>();
        boolean refused = false;
        for (int i = 0; i < frames.length; i++) {
            long at = vaddr + i * PAGE;
            Entry old = model.get(at);
            var fresh = new Entry(frames[i], flags);
            if (old == null) {
                wanted.put(at, fresh);
            } else if (existing == OnExisting.ERROR) {
                refused = true;
            } else if (existing == OnExisting.UPGRADE && old.paddr != fresh.paddr) {
                wanted.put(at, fresh);
            } else if (existing == OnExisting.UPGRADE) {
                int gained = flags.bits() & (MmuFlags.ACCESS_MASK | MmuFlags.USER_BIT);
                wanted.put(at, new Entry(old.paddr, MmuFlags.of(old.flags.bits() | gained)));
            }
        }
        try {
            call.run();
            assertEquals(false, refused, "a page that is taken was not noticed");
            model.putAll(wanted);
        } catch (PagingException thrown) {
            assertEquals(PagingError.ALREADY_MAPPED, thrown.error());
            assertEquals(true, refused, "nothing was in the way");
        }
    }

    private void singlePage(
            UnixMmapPageTable table,
            RandomGenerator random,
            long vaddr,
            long paddr,
            MmuFlags flags) {
        Entry old = model.get(vaddr);
        try {
            switch (random.nextInt(3)) {
                case 0 -> {
                    table.remap(vaddr + 5, paddr, flags);
                    model.put(vaddr, new Entry(paddr, flags));
                }
                case 1 -> {
                    table.protect(vaddr + PAGE - 1, flags);
                    model.computeIfPresent(vaddr, (k, e) -> new Entry(e.paddr, flags));
                }
                default -> {
                    table.unmap(vaddr + 1);
                    model.remove(vaddr);
                }
            }
            assertEquals(true, old != null, "no entry was there");
        } catch (PagingException thrown) {
            assertEquals(PagingError.NOT_MAPPED, thrown.error());
            assertEquals(null, old);
        }
    }

    private static void forPages(long vaddr, int count, java.util.function.LongConsumer action) {
        for (int i = 0; i < count; i++) {
            action.accept(vaddr + i * PAGE);
        }
    }

    private void verify(UnixMmapHal hal, UnixMmapPageTable table, int pages, String what) {
        Map<Long, Entry> seen = new TreeMap<>();
        table.forEachLeaf(
                table.firstAddress(),
                pages * PAGE,
                (vaddr, paddr, size, flags) -> seen.put(vaddr, new Entry(paddr, flags)));
        assertEquals(model, seen, what);
        for (int page = 0; page < pages; page++) {
            long vaddr = table.firstAddress() + page * PAGE;
            Entry entry = model.get(vaddr);
            assertEquals(entry == null ? -1 : entry.paddr + 7, table.translate(vaddr + 7), what);
            assertEquals(
                    entry != null && entry.flags.canWrite(),
                    table.explain(vaddr, AccessKind.WRITE).fault() == null,
                    what);
        }
        long host = table.hostAddress(table.firstAddress());
        List<HostMaps.Line> lines = HostMaps.within(host, host + pages * PAGE);
        assertEquals(expectedLines(hal, table, host, pages), lines, what);
        assertEquals(lines.size(), table.hostMappings(), what);
        assertEquals(lines.size(), hal.hostMappings(), what);
    }

    /// The lines that the kernel should show, neighbours merged as it merges them.
    private List<HostMaps.Line> expectedLines(
            UnixMmapHal hal, UnixMmapPageTable table, long host, int pages) {
        List<HostMaps.Line> lines = new ArrayList<>();
        for (int page = 0; page < pages; page++) {
            Entry entry = model.get(table.firstAddress() + page * PAGE);
            long start = host + page * PAGE;
            boolean shown = entry != null && hal.memory().contains(entry.paddr, PAGE);
            var line =
                    shown
                            ? new HostMaps.Line(
                                    start,
                                    start + PAGE,
                                    permission(entry.flags),
                                    entry.paddr - hal.memory().base(),
                                    true)
                            : new HostMaps.Line(start, start + PAGE, "---p", 0, false);
            HostMaps.Line last = lines.isEmpty() ? null : lines.getLast();
            boolean merges =
                    last != null
                            && last.permission().equals(line.permission())
                            && last.isFile() == line.isFile()
                            && (!line.isFile()
                                    || last.fileOffset() + (last.end() - last.start())
                                            == line.fileOffset());
            if (merges) {
                lines.set(
                        lines.size() - 1,
                        new HostMaps.Line(
                                last.start(),
                                line.end(),
                                last.permission(),
                                last.fileOffset(),
                                last.isFile()));
            } else {
                lines.add(line);
            }
        }
        return lines;
    }

    private static String permission(MmuFlags flags) {
        return "r" + (flags.canWrite() ? 'w' : '-') + (flags.canExecute() ? 'x' : '-') + "s";
    }
}
