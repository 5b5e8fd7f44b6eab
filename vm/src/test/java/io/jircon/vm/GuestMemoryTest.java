package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.NOT_FOUND;
import static io.jircon.kobject.ZxStatus.NOT_SUPPORTED;
import static io.jircon.kobject.ZxStatus.OK;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.mockito.AdditionalAnswers.delegatesTo;
import static org.mockito.ArgumentMatchers.any;
import static org.mockito.ArgumentMatchers.anyLong;
import static org.mockito.Mockito.doAnswer;
import static org.mockito.Mockito.mock;

import io.jircon.hal.AccessWidth;
import io.jircon.hal.AddrRange;
import io.jircon.hal.DeviceRange;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.Mmu;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// A device that comes while an access is under way: after the look whether there is one, and
/// before the processor moves the bytes.
class GuestMemoryTest {
    private static final long GPA = 0x20_0000;

    private final VmarFixture vm = new VmarFixture();
    private final MmioMap devices = new MmioMap(vm.root);
    private GuestMemory memory;

    /// A device whose every word is 7.
    private static final class Sevens implements MmioHandler {
        @Override
        public long read(long offset, AccessWidth width) {
            return 7;
        }

        @Override
        public void write(long offset, AccessWidth width, long value) {}
    }

    @BeforeEach
    void setUp() {
        Mmu inner = vm.hal.newMmu();
        Mmu late = mock(Mmu.class, delegatesTo(inner));
        doAnswer(
                        call -> {
                            addDevice();
                            MemorySegment target = call.getArgument(1);
                            return inner.load(
                                    call.getArgument(0),
                                    target,
                                    call.getArgument(2),
                                    call.getArgument(3));
                        })
                .when(late)
                .load(anyLong(), any(), anyLong(), anyLong());
        memory = new GuestMemory(vm.root, late, devices);
    }

    @AfterEach
    void tearDown() {
        memory.close();
        vm.close();
    }

    private void addDevice() {
        var start = new GuestPhysAddr(GPA);
        devices.add(
                new DeviceRange.Mmio(AddrRange.ofSize(start, PAGE)),
                EnumSet.allOf(AccessWidth.class),
                new Sevens());
    }

    /// NOT_SUPPORTED would mean that a word is not for devices.
    @Test
    @Tag("A-159")
    void aWordThatADeviceComesTooLateForFoundNothing() {
        refuses(NOT_FOUND, () -> memory.read(GPA, AccessWidth.DWORD));
        assertEquals(NOT_FOUND, memory.status());
        assertEquals(7, memory.read(GPA, AccessWidth.DWORD));
        assertEquals(OK, memory.status());
    }

    @Test
    @Tag("A-159")
    void bytesInBulkStopInFrontOfADeviceThatJustCame() {
        refuses(NOT_SUPPORTED, () -> memory.read(GPA, 4));
        assertEquals(NOT_SUPPORTED, memory.status());
        assertEquals(GPA, memory.refusedAt());
    }
}
