package io.jircon.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Addresses of a table that ends at 2^64 - 1, and of one in the middle.
class TableBoundsTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final TableBounds UPPER = new TableBounds(-16 * PAGE, -1);
    private static final TableBounds LOWER = new TableBounds(0x1_0000, 0x1_ffff);

    @ParameterizedTest
    @ValueSource(longs = {0x1_0000, 0x1_8765, 0x1_ffff})
    void itsOwnAddressesAreIn(long vaddr) {
        assertTrue(LOWER.contains(vaddr));
        LOWER.checkAddress(vaddr);
        assertEquals(PageSize.SIZE_4K.alignDown(vaddr), LOWER.vaddrOf(LOWER.pageOf(vaddr)));
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 0xffff, 0x2_0000, -1, Long.MIN_VALUE})
    void othersAreOutOfRange(long vaddr) {
        assertFalse(LOWER.contains(vaddr));
        String message = assertRefused(PagingError.OUT_OF_RANGE, () -> LOWER.checkAddress(vaddr));
        assertTrue(message.contains("vaddr=0x" + Long.toHexString(vaddr)), message);
        assertTrue(message.contains("0x10000..0x1ffff"), message);
    }

    @ParameterizedTest
    @CsvSource({"0, 16", "15, 1", "15, 0", "16, 0", "4, 3"})
    void aRangeMayEndWhereTheTableEnds(long page, long pages) {
        UPPER.checkPageRange(UPPER.first() + page * PAGE, pages * PAGE);
        LOWER.checkPageRange(LOWER.first() + page * PAGE, pages * PAGE);
    }

    @ParameterizedTest
    @CsvSource({"0, 17", "15, 2", "16, 1", "-1, 1", "-1, 0", "17, 0", "1, -1"})
    void aRangeThatLeavesTheTableIsOutOfRange(long page, long pages) {
        for (TableBounds bounds : new TableBounds[] {LOWER, UPPER}) {
            long vaddr = bounds.first() + page * PAGE;
            assertRefused(
                    PagingError.OUT_OF_RANGE, () -> bounds.checkPageRange(vaddr, pages * PAGE));
        }
    }

    @Test
    void alignmentComesBeforeRange() {
        assertRefused(PagingError.NOT_ALIGNED, () -> LOWER.checkPageRange(1, PAGE));
        assertRefused(PagingError.NOT_ALIGNED, () -> LOWER.checkPageRange(0, 1));
        assertRefused(PagingError.NOT_ALIGNED, () -> LOWER.checkRun(0, 1, PAGE));
        assertRefused(PagingError.NOT_ALIGNED, () -> LOWER.checkNewFrame(0, 1));
        assertRefused(
                PagingError.NOT_ALIGNED, () -> LOWER.checkLeaf(0x1_0000, 0, PageSize.SIZE_2M));
        assertRefused(
                PagingError.NOT_ALIGNED, () -> LOWER.checkPages(0, new long[] {-PAGE, 1}, 0, 2));
    }

    @Test
    void framesHaveToFitAnEntry() {
        long limit = TableBounds.PADDR_LIMIT;
        long vaddr = LOWER.first();
        LOWER.checkRun(vaddr, limit - 2 * PAGE, 2 * PAGE);
        assertRefused(
                PagingError.OUT_OF_RANGE, () -> LOWER.checkRun(vaddr, limit - PAGE, 2 * PAGE));
        assertRefused(PagingError.OUT_OF_RANGE, () -> LOWER.checkNewFrame(vaddr, limit));
        assertRefused(PagingError.OUT_OF_RANGE, () -> LOWER.checkNewFrame(vaddr, -PAGE));
        long[] paddrs = {limit, 0, limit - PAGE, limit};
        LOWER.checkPages(vaddr, paddrs, 1, 2);
        assertRefused(PagingError.OUT_OF_RANGE, () -> LOWER.checkPages(vaddr, paddrs, 1, 3));
    }

    private static String assertRefused(PagingError expected, Executable call) {
        PagingException thrown = assertThrows(PagingException.class, call);
        assertEquals(expected, thrown.error(), thrown.getMessage());
        return thrown.getMessage();
    }
}
