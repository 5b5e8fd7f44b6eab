package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.TlbInvalidator;
import io.jircon.hal.WalkResult;
import java.util.HashSet;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Random operations on a table, compared with a map from page to frame and flags. The window holds
/// a boundary of 1 GiB, so that all leaf sizes and all levels take part.
class UnixFileModelTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final MmuFlags[] FLAGS = {
        MmuFlags.R,
        MmuFlags.RW,
        MmuFlags.RX,
        MmuFlags.of(MmuFlags.EXECUTE_BIT),
        MmuFlags.of(MmuFlags.WRITE_BIT)
    };

    private record Page(long paddr, MmuFlags flags) {}

    private final Map<Long, Page> model = new TreeMap<>(Long::compareUnsigned);
    private final Set<Long> flushed = new HashSet<>();
    private boolean flushedAll;

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4, 5, 6})
    @Tag("zcore-H10")
    void behavesAsAMapOfPages(long seed) {
        var random = new Random(seed);
        long window = random.nextBoolean() ? 0xffff_ff02_4000_0000L : 0x4000_0000L;
        long start = window - 1024 * PAGE;
        AddressSpaceKind kind = window < 0 ? AddressSpaceKind.KERNEL : AddressSpaceKind.USER;
        var table = new UnixFilePageTable(kind, 7, new Recorder());
        for (int step = 0; step < 600; step++) {
            Map<Long, Page> before = new TreeMap<>(model);
            flushed.clear();
            flushedAll = false;
            step(random, table, start);
            before.forEach((vaddr, page) -> {
                if (weakened(page, model.get(vaddr)) && !flushedAll) {
                    assertEquals(true, flushed.contains(vaddr), "flush of a weakened page");
                }
            });
            compare(table, start);
        }
    }

    private void step(Random random, PageTableTrait table, long start) {
        boolean large = random.nextInt(3) == 0;
        long unit = large ? 512 : 1;
        long vaddr = start + random.nextInt(2048 / (int) unit) * unit * PAGE;
        long most = (start + 2048 * PAGE - vaddr) / PAGE;
        long count = Math.min(most, (1 + random.nextInt(large ? 3 : 600)) * unit);
        long paddr = (random.nextInt(8) * 512L + (large ? 0 : random.nextInt(3))) * PAGE;
        MmuFlags flags = FLAGS[random.nextInt(FLAGS.length)];
        switch (random.nextInt(8)) {
            case 0, 1, 2 -> {
                OnExisting existing = OnExisting.values()[random.nextInt(3)];
                HugePages huge = HugePages.values()[random.nextInt(2)];
                boolean conflict = conflict(vaddr, count);
                PagingException refused = null;
                try {
                    table.mapRange(vaddr, paddr, count * PAGE, flags, huge, existing);
                } catch (PagingException e) {
                    refused = e;
                }
                assertEquals(existing == OnExisting.ERROR && conflict, refused != null);
                if (refused == null) {
                    for (long i = 0; i < count; i++) {
                        enter(vaddr + i * PAGE, paddr + i * PAGE, flags, existing);
                    }
                }
            }
            case 3 -> {
                var paddrs = new long[(int) count];
                for (int i = 0; i < count; i++) {
                    paddrs[i] = random.nextInt(5000) * PAGE;
                }
                OnExisting existing = OnExisting.values()[random.nextInt(3)];
                boolean conflict = conflict(vaddr, count);
                PagingException refused = null;
                try {
                    table.mapPages(vaddr, paddrs, 0, (int) count, flags, existing);
                } catch (PagingException e) {
                    refused = e;
                }
                assertEquals(existing == OnExisting.ERROR && conflict, refused != null);
                if (refused == null) {
                    for (int i = 0; i < count; i++) {
                        enter(vaddr + i * PAGE, paddrs[i], flags, existing);
                    }
                }
            }
            case 4 -> {
                table.unmapRange(vaddr, count * PAGE);
                for (long i = 0; i < count; i++) {
                    model.remove(vaddr + i * PAGE);
                }
            }
            case 5 -> {
                table.protectRange(vaddr, count * PAGE, flags);
                for (long i = 0; i < count; i++) {
                    model.computeIfPresent(
                            vaddr + i * PAGE, (at, page) -> new Page(page.paddr, flags));
                }
            }
            case 6 -> {
                table.writeProtectRange(vaddr, count * PAGE);
                for (long i = 0; i < count; i++) {
                    model.computeIfPresent(
                            vaddr + i * PAGE,
                            (at, page) -> {
                                MmuFlags left = page.flags.without(MmuFlags.of(MmuFlags.WRITE_BIT));
                                return left.isNoAccess() ? null : new Page(page.paddr, left);
                            });
                }
            }
            default -> {
                PagingException refused = null;
                try {
                    PageSize size = table.unmap(vaddr).size();
                    for (long i = 0; i < size.bytes() / PAGE; i++) {
                        model.remove(size.alignDown(vaddr) + i * PAGE);
                    }
                } catch (PagingException e) {
                    assertEquals(PagingError.NOT_MAPPED, e.error());
                    refused = e;
                }
                assertEquals(false, refused != null && model.containsKey(vaddr));
            }
        }
    }

    private boolean conflict(long vaddr, long count) {
        for (long i = 0; i < count; i++) {
            if (model.containsKey(vaddr + i * PAGE)) {
                return true;
            }
        }
        return false;
    }

    private void enter(long vaddr, long paddr, MmuFlags flags, OnExisting existing) {
        Page old = model.get(vaddr);
        if (old == null) {
            model.put(vaddr, new Page(paddr, flags));
        } else if (existing == OnExisting.UPGRADE) {
            model.put(vaddr, new Page(paddr, old.paddr == paddr ? old.flags.with(flags) : flags));
        }
    }

    private static boolean weakened(Page before, @Nullable Page after) {
        return after == null || after.paddr != before.paddr || !after.flags.contains(before.flags);
    }

    private void compare(PageTableTrait table, long start) {
        var leaves = new TreeMap<Long, Page>(Long::compareUnsigned);
        table.forEachLeaf(
                start,
                2048 * PAGE,
                (vaddr, paddr, size, flags) -> {
                    for (long at = 0; at < size.bytes(); at += PAGE) {
                        leaves.put(vaddr + at, new Page(paddr + at, flags));
                    }
                });
        assertEquals(model, leaves);
        var result = new WalkResult();
        for (int i = 0; i < 2048; i += 7) {
            long vaddr = start + i * PAGE;
            Page page = model.get(vaddr);
            long expected = page == null ? PageTableTrait.NO_TRANSLATION : page.paddr + 5;
            assertEquals(expected, table.translate(vaddr + 5));
            for (AccessKind access : AccessKind.values()) {
                boolean allowed =
                        page != null && page.flags.contains(MmuFlags.of(access.requiredBits()));
                assertEquals(allowed, table.hardwareWalk(vaddr, access, result));
            }
        }
    }

    private final class Recorder implements TlbInvalidator {
        @Override
        public void flushPages(int tag, long[] vaddrs, byte[] shifts, int count) {
            assertEquals(7, tag);
            for (int i = 0; i < count; i++) {
                long size = 1L << shifts[i];
                for (long at = 0; at < size; at += PAGE) {
                    flushed.add((vaddrs[i] & -size) + at);
                }
            }
        }

        @Override
        public void flushAll(int tag) {
            flushedAll = true;
        }
    }

    @ParameterizedTest
    @ValueSource(strings = "unix-file")
    void theProviderIsFound(String name) {
        try (Hal hal = Hals.create(name, HalConfig.DEFAULT)) {
            assertEquals(name, hal.name());
        }
    }
}
