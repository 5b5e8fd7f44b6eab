package io.jircon.examples.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.hal.AddrRange;
import io.jircon.hal.DeviceRange;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.AddrSpace;
import io.jircon.vm.GuestMemory;
import io.jircon.vm.Machine;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TinyGuestTest {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final PrintStream out = new PrintStream(bytes, true, StandardCharsets.US_ASCII);

    /// One exit for the page of the text, two for each byte that is printed. (unix-mmap's guests
    /// have other addresses.)
    @ParameterizedTest
    @ValueSource(strings = {"x86_64", "aarch64", "riscv64", "unix-file"})
    @Tag("A-149")
    void theGuestPrintsFromItsMemory(String hal) {
        TinyGuest.run(hal, out);
        assertEquals(
                List.of("hello from the guest", "exits: 43"),
                bytes.toString(StandardCharsets.US_ASCII).lines().toList());
    }

    @Test
    void thePortTakesBytesAndKeepsItsStatus() {
        var base = new GuestPhysAddr(0x1000);
        try (Machine machine = Machine.boot(Hals.create("riscv64", HalConfig.DEFAULT));
                AddrSpace space = AddrSpace.create(machine, base, 0x1000)) {
            space.addMmio(
                    new DeviceRange.Mmio(AddrRange.ofSize(base, Uart.SIZE_BYTES)), new Uart(out));
            try (GuestMemory memory = space.memory()) {
                memory.writeByte(0x1000, (byte) 'x');
                memory.writeByte(0x1003, (byte) 3);
                assertEquals(Uart.TRANSMIT_EMPTY, memory.readByte(0x1005));
                assertEquals(0, memory.readByte(0x1000));
                refused(ZxStatus.IO_REFUSED, () -> memory.writeByte(0x1005, (byte) 0));
                refused(ZxStatus.INVALID_ARGS, () -> memory.writeInt(0x1000, 0));
            }
        }
        assertEquals("x", bytes.toString(StandardCharsets.US_ASCII));
    }

    private static void refused(ZxStatus status, Runnable call) {
        assertEquals(status, assertThrows(ZxException.class, call::run).status());
    }
}
