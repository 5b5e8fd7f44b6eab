package io.jircon.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class HalConfigTest {
    private static final HalConfig DEFAULT = HalConfig.DEFAULT;

    @Test
    void baseAndSizeAreChecked() {
        refused(
                "NOT_ALIGNED: memoryBase=0x1000 is not a multiple of 0x200000",
                () -> DEFAULT.withMemoryBase(0x1000));
        refused(
                "NOT_ALIGNED: memoryBytes=0x10001 is not a multiple of 0x1000",
                () -> DEFAULT.withMemoryBytes(0x1_0001));
        refused(
                "OUT_OF_RANGE: memoryBytes=0xf000 is not in 16 pages .. 2^56",
                () -> DEFAULT.withMemoryBytes(0xf000));
        refused(
                "OUT_OF_RANGE: memoryBytes=0xfffffffffffff000 is not in 16 pages .. 2^56",
                () -> DEFAULT.withMemoryBytes(-0x1000));
        refused(
                "OUT_OF_RANGE: memoryBase=0xffffffffffe00000 plus memoryBytes=0x10000000 wraps"
                        + " around",
                () -> DEFAULT.withMemoryBase(-0x20_0000));
    }

    @Test
    void memoryMayEndAtTheTopOfThePhysicalSpace() {
        HalConfig config = DEFAULT.withMemoryBytes(2 << 20).withMemoryBase(-0x20_0000);
        assertEquals(-0x20_0000, config.memoryBase());
    }

    @Test
    void aNewValueKeepsTheRest() {
        HalConfig config =
                DEFAULT.withOption("a", "1")
                        .withOption("b", "2")
                        .withTlb(TlbConfig.OFF)
                        .withMemoryBytes(1 << 20);
        assertEquals(Map.of("a", "1", "b", "2"), config.options());
        assertEquals(TlbConfig.OFF, config.tlb());
        assertEquals(1 << 20, config.memoryBytes());
        assertEquals(DEFAULT.memoryBase(), config.memoryBase());
    }

    private static void refused(String message, Executable call) {
        assertEquals(message, assertThrows(PagingException.class, call).getMessage());
    }
}
