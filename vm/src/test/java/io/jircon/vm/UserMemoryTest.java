package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.mockito.ArgumentMatchers.any;
import static org.mockito.ArgumentMatchers.anyLong;
import static org.mockito.Mockito.mock;
import static org.mockito.Mockito.times;
import static org.mockito.Mockito.verify;
import static org.mockito.Mockito.when;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.Mmu;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class UserMemoryTest {
    private static final long PAGE = VmarFixture.PAGE;

    private final VmarFixture vm = new VmarFixture();
    private final UserMemory memory = new UserMemory(vm.root, vm.hal.newMmu());

    @AfterEach
    void close() {
        memory.close();
        vm.close();
    }

    @Test
    @Tag("V-199")
    @Tag("V-200")
    void bytesAndWordsComeBackAcrossPages() {
        VmObject vmo = vm.vmo(3);
        long at = vm.root.map(VmarFixture.RW, 0, vmo, 0, 3 * PAGE);
        byte[] bytes = new byte[2 * (int) PAGE];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (i * 7);
        }
        assertArrayEquals(new byte[(int) PAGE], memory.read(at + 2 * PAGE, (int) PAGE));
        assertEquals(0, vmo.info().committedBytes());
        memory.write(at + 100, bytes);
        assertArrayEquals(bytes, memory.read(at + 100, bytes.length));
        assertArrayEquals(bytes, vmo.read(100, bytes.length));
        memory.writeShort(at + PAGE - 1, (short) 0x1234);
        assertEquals(0x34, memory.readByte(at + PAGE - 1));
        assertEquals(0x12, memory.readByte(at + PAGE));
        assertEquals(0x1234, memory.readShort(at + PAGE - 1));
        memory.writeInt(at + 3, 0x89ab_cdef);
        memory.writeByte(at + 3, (byte) 1);
        assertEquals(0x89ab_cd01, memory.readInt(at + 3));
        memory.writeLong(at + 2 * PAGE - 3, -2L);
        assertEquals(-2L, memory.readLong(at + 2 * PAGE - 3));
    }

    @Test
    @Tag("V-196")
    void rightsDecideAndFetchNeedsExecute() {
        VmObject vmo = vm.vmo(1);
        vmo.write(0, new byte[] {1, 2, 3, 4});
        long data = vm.root.map(VmarFixture.R, 0, vmo, 0, PAGE);
        long text = vm.root.map(VmarFlags.READ_EXECUTE, 0, vmo, 0, PAGE);
        byte[] code = new byte[4];
        memory.fetch(text, MemorySegment.ofArray(code));
        assertArrayEquals(new byte[] {1, 2, 3, 4}, code);
        refused(ZxStatus.ACCESS_DENIED, () -> memory.fetch(data, MemorySegment.ofArray(code)));
        refused(ZxStatus.ACCESS_DENIED, () -> memory.writeByte(text, (byte) 0));
        assertEquals(text, memory.refusedAt());
        refused(ZxStatus.NOT_FOUND, () -> memory.readByte(0x1000_0000L));
    }

    @Test
    @Tag("O-250")
    void transferTellsHowFarItCame() {
        VmObject vmo = vm.vmo(1);
        long at = vm.root.map(VmarFixture.RW, 0, vmo, 0, 2 * PAGE);
        MemorySegment buffer = MemorySegment.ofArray(new byte[64]);
        assertEquals(16, memory.transfer(AccessKind.WRITE, at + PAGE - 16, buffer, 0, 64));
        assertEquals(ZxStatus.OUT_OF_RANGE, memory.status());
        assertEquals(at + PAGE, memory.refusedAt());
        assertEquals(16, memory.transfer(AccessKind.READ, at + PAGE - 16, buffer, 48, 16));
        assertEquals(ZxStatus.OK, memory.status());
        assertEquals(0, memory.transfer(AccessKind.READ, 0, buffer, 64, 0));
        assertThrows(
                IndexOutOfBoundsException.class,
                () -> memory.transfer(AccessKind.READ, at, buffer, 1, 64));
    }

    @Test
    @Tag("V-31")
    void deadAddressSpaceIsBadState() {
        VmAddressRegion other = VmAddressRegion.newRoot(vm.machine);
        try (var there = new UserMemory(other, vm.hal.newMmu())) {
            other.destroyAddressSpace();
            refused(ZxStatus.BAD_STATE, () -> there.readByte(0x20_0000L));
        }
    }

    @Test
    @Tag("V-201")
    void faultThatHelpsNothingIsNotTriedForEver() {
        long at = vm.root.map(VmarFixture.R, 0, vm.vmo(1), 0, PAGE);
        Mmu stubborn = mock(Mmu.class);
        when(stubborn.faultAddress()).thenReturn(at);
        when(stubborn.faultAccess()).thenReturn(AccessKind.READ);
        when(stubborn.faultCause()).thenReturn(FaultCause.NOT_PRESENT);
        try (var there = new UserMemory(vm.root, stubborn)) {
            refused(ZxStatus.UNAVAILABLE, () -> there.readByte(at));
        }
        verify(stubborn, times(UserMemory.MAX_TRIES)).load(anyLong(), any(), anyLong(), anyLong());
    }

    @Test
    void rangeThatPassesTheEndOfTheSpaceMovesNothing() {
        refused(ZxStatus.OUT_OF_RANGE, () -> memory.read(-4, 8));
        refused(ZxStatus.OUT_OF_RANGE, () -> memory.write(-1, new byte[2]));
        refused(ZxStatus.NOT_FOUND, () -> memory.read(-4, 4));
    }

    private static void refused(ZxStatus status, org.junit.jupiter.api.function.Executable call) {
        assertEquals(status, assertThrows(ZxException.class, call).status());
    }
}
