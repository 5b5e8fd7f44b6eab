package io.jircon.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class PageSizeTest {
    @Test
    @Tag("A-7")
    @Tag("A-46")
    void thereAreThreeSizesAndAllButTheSmallestAreHuge() {
        assertEquals(
                List.of(0x1000L, 0x20_0000L, 0x4000_0000L),
                Arrays.stream(PageSize.values()).map(PageSize::bytes).toList());
        assertEquals(
                List.of(false, true, true),
                Arrays.stream(PageSize.values()).map(PageSize::isHuge).toList());
        assertEquals(PageSize.SIZE_4K.bytes(), PageSize.BASE_BYTES);
        assertEquals(PageSize.SIZE_4K.shift(), PageSize.BASE_SHIFT);
    }

    @Test
    void addressesAreUnsigned() {
        for (PageSize size : PageSize.values()) {
            assertTrue(size.isAligned(0));
            assertTrue(size.isAligned(-size.bytes()));
            assertFalse(size.isAligned(size.bytes() / 2));
            assertFalse(size.isAligned(-1));
            assertEquals(-size.bytes(), size.alignDown(-1));
            assertEquals(size.bytes(), size.alignDown(2 * size.bytes() - 1));
        }
    }
}
