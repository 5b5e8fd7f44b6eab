package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The option `huge-pages`: which mappings the kernel lists with `hg`, the flag of the hint.
class UnixMmapHugePageTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final long HUGE = PageSize.SIZE_2M.bytes();
    private static final HalConfig PLAIN =
            HalConfig.DEFAULT.withMemoryBytes(16L << 20).withOption("window", "16M");
    private static final HalConfig HINTED = PLAIN.withOption("huge-pages", "hint");

    /// Counts the hints, and refuses them all or those from some on.
    private static final class HintingPosix extends Posix {
        int hints;
        int granted = Integer.MAX_VALUE;
        int mmaps;
        int mprotects;

        @Override
        int madvise(CallScratch scratch, long address, long bytes, int advice) {
            if (advice != MADV_HUGEPAGE) {
                return super.madvise(scratch, address, bytes, advice);
            }
            return hints++ < granted
                    ? super.madvise(scratch, address, bytes, advice)
                    : -Errno.EINVAL;
        }

        @Override
        long mmap(
                CallScratch scratch,
                long address,
                long bytes,
                int protection,
                int flags,
                int descriptor,
                long fileOffset) {
            mmaps++;
            return super.mmap(scratch, address, bytes, protection, flags, descriptor, fileOffset);
        }

        @Override
        int mprotect(CallScratch scratch, long address, long bytes, int protection) {
            mprotects++;
            return super.mprotect(scratch, address, bytes, protection);
        }
    }

    private static void mapRun(UnixMmapPageTable table, long vaddr, long paddr, long bytes) {
        table.mapRange(vaddr, paddr, bytes, MmuFlags.RW, HugePages.ALLOWED, OnExisting.ERROR);
    }

    private static boolean isHinted(UnixMmapPageTable table, long vaddr) {
        return HostMaps.flagsAt(table.hostAddress(vaddr)).contains("hg");
    }

    /// The pages of 1 MiB steps that are hinted, as letters.
    private static String hintsOf(UnixMmapPageTable table) {
        var text = new StringBuilder();
        for (long at = 0; at < 16L << 20; at += 1 << 20) {
            text.append(isHinted(table, table.firstAddress() + at) ? 'H' : '.');
        }
        return text.toString();
    }

    /// As the kernel does not merge a hinted mapping with another, both must count the same.
    private static void assertCounted(UnixMmapPageTable table) {
        long host = table.hostAddress(table.firstAddress());
        assertEquals(HostMaps.within(host, host + (16L << 20)).size(), table.hostMappings());
    }

    @Test
    void wholeHugePagesOfARunAreHintedAndItsEndsAreNot() {
        try (var hal = UnixMmapHal.open(HINTED);
                var table = (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER)) {
            long start = table.firstAddress();
            long base = hal.memory().base();
            assertEquals("hinted", hal.hugePages());
            assertEquals(
                    true, HostMaps.flagsAt(hal.memory().slice(base, 1).address()).contains("hg"));
            mapRun(table, start + (1 << 20), base + (1 << 20), 6L << 20);
            assertEquals("..HHHH..........", hintsOf(table));
            assertEquals(5, table.hostMappings());
            assertCounted(table);
            mapRun(table, start + 8 * (1 << 20), base + (8 << 20) + PAGE, 6L << 20);
            mapRun(table, start + 15 * (1 << 20), base + (15 << 20), 1 << 20);
            assertEquals("..HHHH..........", hintsOf(table));
            assertCounted(table);
        }
    }

    @Test
    void guestRunsAndScatteredFramesInARowAreHintedAsWell() {
        try (var hal = UnixMmapHal.open(HINTED);
                var table = (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.GUEST)) {
            long[] frames = new long[1024];
            for (int i = 0; i < frames.length; i++) {
                frames[i] = hal.memory().base() + HUGE + i * PAGE;
            }
            table.mapPages(HUGE, frames, 0, 1024, MmuFlags.R, OnExisting.ERROR);
            assertEquals("..HHHH..........", hintsOf(table));
            assertEquals(3, table.hostMappings());
            assertCounted(table);
        }
    }

    @Test
    void withoutTheOptionNothingIsHinted() {
        var posix = new HintingPosix();
        try (var hal = UnixMmapHal.open(posix, PLAIN);
                var table = (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER)) {
            mapRun(table, table.firstAddress(), hal.memory().base(), 8L << 20);
            assertEquals("off", hal.hugePages());
            assertEquals("................", hintsOf(table));
            assertEquals(0, posix.hints);
        }
    }

    @Test
    void changesKeepTheHintWhereTheFrameStays() {
        var posix = new HintingPosix();
        try (var hal = UnixMmapHal.open(posix, HINTED);
                var table = (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER)) {
            long start = table.firstAddress();
            long base = hal.memory().base();
            mapRun(table, start, base, 5L << 20);
            assertEquals("HHHH............", hintsOf(table));
            posix.mmaps = 0;
            posix.mprotects = 0;
            table.protectRange(start + (1 << 20), 4L << 20, MmuFlags.R);
            assertEquals(0, posix.mmaps);
            assertEquals(1, posix.mprotects);
            table.protect(start, MmuFlags.RX);
            assertEquals(2, posix.mprotects);
            assertEquals("HHHH............", hintsOf(table));
            assertCounted(table);
            table.remap(start + (1 << 20), base + (9 << 20), MmuFlags.R);
            table.remap(start + 2 * (1 << 20), base + (2 << 20), MmuFlags.R);
            assertEquals("H..H............", hintsOf(table));
            assertCounted(table);
            table.unmapRange(start, 3L << 20);
            mapRun(table, start + PAGE, base + PAGE, (3L << 20) - PAGE);
            assertEquals("...H............", hintsOf(table));
            assertCounted(table);
            table.unmapRange(start, 16L << 20);
            assertEquals(1, table.hostMappings());
            assertCounted(table);
        }
    }

    @Test
    void refusedHintFallsBackAndSaysWhy() {
        var posix = new HintingPosix();
        posix.granted = 0;
        try (var hal = UnixMmapHal.open(posix, HINTED);
                var table = (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER)) {
            assertEquals(
                    "not hinted: SYSTEM: madvise(frames, bytes=16777216, MADV_HUGEPAGE) = EINVAL;"
                            + " the kernel may have been built without transparent huge pages",
                    hal.hugePages());
            mapRun(table, table.firstAddress(), hal.memory().base(), 8L << 20);
            assertEquals(1, posix.hints);
            assertEquals(2, table.hostMappings());
            assertEquals("................", hintsOf(table));
            assertCounted(table);
        }
    }

    /// The mapping itself stands; a mapping too many is counted, never one too few.
    @Test
    void hintThatIsRefusedLaterCostsNothingButTheHint() {
        var posix = new HintingPosix();
        posix.granted = 1;
        try (var hal = UnixMmapHal.open(posix, HINTED);
                var table = (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER)) {
            long start = table.firstAddress();
            mapRun(table, start, hal.memory().base(), 5L << 20);
            assertEquals(2, posix.hints);
            assertEquals(hal.memory().base() + HUGE, table.translate(start + HUGE));
            assertEquals("................", hintsOf(table));
            assertEquals(3, table.hostMappings());
            table.unmapRange(start, 16L << 20);
            assertEquals(1, table.hostMappings());
            assertCounted(table);
        }
    }

    @Test
    void namedFileIsNotHintedAndSaysWhy(@TempDir Path directory) {
        HalConfig config = HINTED.withOption("file", directory.resolve("frames").toString());
        try (var hal = UnixMmapHal.open(config)) {
            assertEquals(
                    "not hinted: a named file's frames lie one page off from where huge pages"
                            + " begin",
                    hal.hugePages());
        }
    }

    @Test
    void otherValuesOfTheOptionAreRefused() {
        PagingException refused =
                assertThrows(
                        PagingException.class,
                        () -> UnixMmapHal.open(PLAIN.withOption("huge-pages", "reserved")));
        assertEquals(PagingError.NOT_SUPPORTED, refused.error());
        assertEquals(
                "NOT_SUPPORTED: huge-pages=reserved is neither off nor hint", refused.getMessage());
    }
}
