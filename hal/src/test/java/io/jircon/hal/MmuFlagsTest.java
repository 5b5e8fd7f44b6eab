package io.jircon.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class MmuFlagsTest {
    private static final MmuFlags DEVICE = MmuFlags.of(MmuFlags.DEVICE_BIT);

    @Test
    @Tag("A-13")
    void theSixLowBitsAreThoseOfAxaddrspace() {
        assertEquals(0x01, MmuFlags.READ_BIT);
        assertEquals(0x02, MmuFlags.WRITE_BIT);
        assertEquals(0x04, MmuFlags.EXECUTE_BIT);
        assertEquals(0x08, MmuFlags.USER_BIT);
        assertEquals(0x10, MmuFlags.DEVICE_BIT);
        assertEquals(0x20, MmuFlags.UNCACHED_BIT);
        assertEquals(0x07, MmuFlags.RWX.bits());
    }

    @Test
    @Tag("A-13")
    void onlyFlagsWithoutReadWriteAndExecuteAreNoAccess() {
        for (int bits = 0; bits < 1 << 7; bits++) {
            MmuFlags flags = MmuFlags.of(bits);
            assertEquals(bits % 8 == 0, flags.isNoAccess(), flags::toString);
            assertEquals(bits % 8, flags.access().bits(), flags::toString);
        }
    }

    @Test
    @Tag("A-13")
    void otherBitsAreRefused() {
        for (int bits : new int[] {0x80, -1, Integer.MIN_VALUE}) {
            assertThrows(IllegalArgumentException.class, () -> MmuFlags.of(bits));
        }
        var thrown = assertThrows(IllegalArgumentException.class, () -> MmuFlags.of(0x81));
        assertEquals("bits=0x81 has bits outside 0x7f", thrown.getMessage());
    }

    @Test
    void setsAreJoinedCutAndCompared() {
        assertSame(MmuFlags.RWX, MmuFlags.RW.with(MmuFlags.RX));
        assertSame(MmuFlags.of(MmuFlags.WRITE_BIT), MmuFlags.RW.without(MmuFlags.RX));
        assertTrue(MmuFlags.RWX.contains(MmuFlags.RX));
        assertFalse(MmuFlags.RX.contains(MmuFlags.RW));
        assertEquals("r--", MmuFlags.R.toString());
        assertEquals("-w-u dev", MmuFlags.of(0x1a).toString());
        assertEquals("--x uc wc", MmuFlags.of(0x64).toString());
        assertEquals("rwx dev", MmuFlags.RWX.with(DEVICE).toString());
    }
}
