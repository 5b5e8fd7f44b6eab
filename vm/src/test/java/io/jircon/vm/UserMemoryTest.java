package io.jircon.vm;

import static io.jircon.hal.AccessWidth.DWORD;
import static io.jircon.hal.AccessWidth.QWORD;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.mockito.AdditionalAnswers.delegatesTo;
import static org.mockito.ArgumentMatchers.any;
import static org.mockito.ArgumentMatchers.anyLong;
import static org.mockito.Mockito.doAnswer;
import static org.mockito.Mockito.mock;
import static org.mockito.Mockito.times;
import static org.mockito.Mockito.verify;
import static org.mockito.Mockito.when;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AccessWidth;
import io.jircon.hal.AtomicAccess;
import io.jircon.hal.AtomicUpdate;
import io.jircon.hal.FaultCause;
import io.jircon.hal.Mmu;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
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
        refuses(ZxStatus.ACCESS_DENIED, () -> memory.fetch(data, MemorySegment.ofArray(code)));
        refuses(ZxStatus.ACCESS_DENIED, () -> memory.writeByte(text, (byte) 0));
        assertEquals(text, memory.refusedAt());
        refuses(ZxStatus.NOT_FOUND, () -> memory.readByte(0x1000_0000L));
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
    @Tag("zcore-V28")
    void aTransferGoesOnInTheNextMappingAsFarAsItMay() {
        VmAddressRegion region = vm.region(4);
        long at = VmarFixture.mapAt(region, 0, VmarFixture.RW, vm.vmo(1), 0, 1);
        VmarFixture.mapAt(region, 1, VmarFixture.RW, vm.vmo(1), 0, 1);
        VmarFixture.mapAt(region, 2, VmarFixture.R, vm.vmo(1), 0, 1);
        VmarFixture.mapAt(region, 3, VmarFlags.NONE, vm.vmo(1), 0, 1);
        byte[] bytes = new byte[2 * (int) PAGE];
        java.util.Arrays.fill(bytes, (byte) 3);
        memory.write(at, bytes);
        assertArrayEquals(bytes, memory.read(at, bytes.length));
        MemorySegment all = MemorySegment.ofArray(new byte[4 * (int) PAGE]);
        assertEquals(3 * PAGE, memory.transfer(AccessKind.READ, at, all, 0, 4 * PAGE));
        assertEquals(ZxStatus.ACCESS_DENIED, memory.status());
        assertEquals(2 * PAGE, memory.transfer(AccessKind.WRITE, at, all, 0, 4 * PAGE));
        assertEquals(ZxStatus.ACCESS_DENIED, memory.status());
    }

    @Test
    @Tag("V-206")
    void aRefusedAccessCarriesTheStatusOfItsFault() {
        long at = vm.root.map(VmarFixture.R, 0, vm.vmo(1), 0, 2 * PAGE);
        MemorySegment one = MemorySegment.ofArray(new byte[1]);
        assertEquals(ZxStatus.OK, memory.access(AccessKind.READ, at, one));
        assertEquals(ZxStatus.ACCESS_DENIED, memory.access(AccessKind.WRITE, at, one));
        assertEquals(ZxStatus.OUT_OF_RANGE, memory.access(AccessKind.READ, at + PAGE, one));
        vm.root.unmap(at, 2 * PAGE);
        assertEquals(ZxStatus.NOT_FOUND, memory.access(AccessKind.READ, at, one));
        ZxException e = assertThrows(ZxException.class, () -> memory.readByte(at));
        assertEquals("V-206", e.clause());
    }

    @Test
    @Tag("V-31")
    void deadAddressSpaceIsBadState() {
        VmAddressRegion other = VmAddressRegion.newRoot(vm.machine);
        try (var there = new UserMemory(other, vm.hal.newMmu())) {
            other.destroyAddressSpace();
            refuses(ZxStatus.BAD_STATE, () -> there.readByte(0x20_0000L));
        }
    }

    @Test
    @Tag("V-31")
    void closedProcessorIsBadState() {
        long at = vm.root.map(VmarFixture.RW, 0, vm.vmo(1), 0, PAGE);
        var there = new UserMemory(vm.root, vm.hal.newMmu());
        there.close();
        refuses(ZxStatus.BAD_STATE, () -> there.readByte(at));
        refuses(ZxStatus.BAD_STATE, () -> there.loadAcquire(at, AccessWidth.DWORD));
        assertEquals(at, there.refusedAt());
    }

    /// The processor as it is when the table goes between the look whether the space lives and the
    /// access itself.
    @Test
    @Tag("V-31")
    void spaceThatDiesBeforeTheFirstByteIsBadState() {
        VmAddressRegion other = VmAddressRegion.newRoot(vm.machine);
        Mmu inner = vm.hal.newMmu();
        Mmu late = mock(Mmu.class, delegatesTo(inner));
        doAnswer(
                        call -> {
                            other.destroyAddressSpace();
                            return inner.load(0x20_0000, call.getArgument(1), 0, 8);
                        })
                .when(late)
                .load(anyLong(), any(), anyLong(), anyLong());
        try (var there = new UserMemory(other, late)) {
            assertEquals(
                    0,
                    there.transfer(
                            AccessKind.READ, 0x20_0000, MemorySegment.ofArray(new byte[8]), 0, 8));
            assertEquals(ZxStatus.BAD_STATE, there.status());
            assertEquals(0x20_0000, there.refusedAt());
        }
    }

    /// Whenever the address space dies, a transfer has moved as many bytes as it says.
    @Test
    @Tag("V-31")
    @Tag("A-154")
    void spaceThatDiesDuringATransferIsBadStateBehindTheBytesThatWereMoved() throws Exception {
        int pages = 256;
        VmObject vmo = vm.vmo(pages);
        for (int page = 0; page < pages; page++) {
            vmo.write(page * PAGE + PAGE / 2, new byte[] {1});
        }
        MemorySegment all = MemorySegment.ofArray(vmo.read(0, pages * (int) PAGE));
        for (int round = 0; round < 20; round++) {
            VmAddressRegion other = VmAddressRegion.newRoot(vm.machine);
            long at = other.map(VmarFixture.R, 0, vmo, 0, pages * PAGE);
            var begun = new CountDownLatch(1);
            try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
                Future<?> reading =
                        thread.submit(() -> {
                            try (var there = new UserMemory(other, vm.hal.newMmu())) {
                                readUntilDead(there, at, all, begun);
                            }
                        });
                begun.await();
                other.destroyAddressSpace();
                reading.get();
            }
        }
    }

    private static void readUntilDead(
            UserMemory there, long at, MemorySegment all, CountDownLatch begun) {
        MemorySegment target = MemorySegment.ofArray(new byte[(int) all.byteSize()]);
        long length = all.byteSize();
        long moved = length;
        while (moved == length) {
            target.fill((byte) 0x55);
            moved = there.transfer(AccessKind.READ, at, target, 0, length);
            begun.countDown();
        }
        assertEquals(ZxStatus.BAD_STATE, there.status());
        assertEquals(at + moved, there.refusedAt());
        assertEquals(-1, all.asSlice(0, moved).mismatch(target.asSlice(0, moved)));
        MemorySegment rest = MemorySegment.ofArray(new byte[(int) (length - moved)]);
        rest.fill((byte) 0x55);
        assertEquals(-1, rest.mismatch(target.asSlice(moved)), "bytes behind those that moved");
    }

    // ---- atomic words

    @Test
    @Tag("A-156")
    void atomicActsFaultPagesInAndAnswerTheWordBefore() {
        VmObject vmo = vm.vmo(2);
        long at = vm.root.map(VmarFixture.RW, 0, vmo, 0, 2 * PAGE) + PAGE - 8;
        assertEquals(0, memory.getAndUpdate(at, QWORD, AtomicUpdate.ADD, -2));
        assertEquals(1, memory.faultsResolved());
        assertEquals(-2, memory.loadAcquire(at, QWORD));
        assertEquals(0xffff_fffeL, memory.loadAcquire(at, DWORD));
        assertEquals(0xffff_ffffL, memory.getAndUpdate(at + 4, DWORD, AtomicUpdate.XOR, 0xf0));
        assertEquals(0xffff_ff0f_ffff_fffeL, memory.readLong(at));
        assertEquals(0xffff_ff0f_ffff_fffeL, memory.getAndUpdate(at, QWORD, AtomicUpdate.AND, 6));
        assertEquals(6, memory.getAndUpdate(at, QWORD, AtomicUpdate.OR, 1));
        assertEquals(7, memory.getAndUpdate(at, QWORD, AtomicUpdate.SET, 40));
        assertEquals(40, memory.compareAndExchange(at, QWORD, 41, 1));
        assertEquals(40, memory.compareAndExchange(at, QWORD, 40, 42));
        memory.storeRelease(at + 4, DWORD, 7L << 32 | 9);
        assertEquals(9L << 32 | 42, memory.readLong(at));
        assertEquals(0, memory.loadAcquire(at + 8, QWORD));
        assertEquals(ZxStatus.OK, memory.status());
    }

    @Test
    @Tag("A-156")
    void unalignedAtomicWordIsInvalidArgsWhateverIsThere() {
        long at = vm.root.map(VmarFixture.RW, 0, vm.vmo(1), 0, PAGE);
        for (long off : new long[] {1, 2, 4, 7, PAGE - 4, PAGE + 4}) {
            ZxException e =
                    refuses(ZxStatus.INVALID_ARGS, () -> memory.loadAcquire(at + off, QWORD));
            assertEquals(
                    "INVALID_ARGS (-10, A-156): atomic READ of vaddr=0x"
                            + Long.toHexString(at + off)
                            + " width=QWORD is not a multiple of the width",
                    e.getMessage());
            assertEquals(at + off, memory.refusedAt());
        }
        refuses(ZxStatus.INVALID_ARGS, () -> memory.storeRelease(at + 2, DWORD, 1));
        refuses(
                ZxStatus.INVALID_ARGS,
                () -> memory.getAndUpdate(at + 1, DWORD, AtomicUpdate.ADD, 1));
        refuses(ZxStatus.INVALID_ARGS, () -> memory.compareAndExchange(-7, QWORD, 0, 1));
        assertEquals(0, memory.faultsResolved());
        assertThrows(
                IllegalArgumentException.class, () -> memory.loadAcquire(at, AccessWidth.WORD));
        assertEquals(0, memory.readLong(at));
    }

    @Test
    @Tag("A-156")
    @Tag("V-196")
    void atomicActsHaveTheRightsOfTheMapping() {
        VmObject vmo = vm.vmo(1);
        long at = vm.root.map(VmarFixture.R, 0, vmo, 0, 3 * PAGE);
        assertEquals(0, memory.loadAcquire(at, QWORD));
        refuses(ZxStatus.ACCESS_DENIED, () -> memory.storeRelease(at + 8, QWORD, 1));
        assertEquals(at + 8, memory.refusedAt());
        refuses(ZxStatus.ACCESS_DENIED, () -> memory.compareAndExchange(at, QWORD, 1, 1));
        refuses(ZxStatus.OUT_OF_RANGE, () -> memory.loadAcquire(at + PAGE, QWORD));
        refuses(ZxStatus.NOT_FOUND, () -> memory.loadAcquire(at + 3 * PAGE, QWORD));
        var add = new AtomicAccess().update(AtomicUpdate.ADD, DWORD, 1);
        assertEquals(ZxStatus.ACCESS_DENIED, memory.atomic(at, add));
        assertEquals(ZxStatus.ACCESS_DENIED, memory.status());
        assertEquals(0, vmo.read(0, 1)[0]);
    }

    @Test
    @Tag("A-156")
    void atomicStoreToASharedSnapshotGoesToItsOwnCopy() {
        VmObject parent = vm.vmo(1);
        parent.write(0, new byte[] {5});
        VmObject child = vm.closing(parent.createChild(Set.of(VmoChildOption.SNAPSHOT), 0, PAGE));
        long at = vm.root.map(VmarFixture.RW, 0, child, 0, PAGE);
        assertEquals(5, memory.loadAcquire(at, QWORD));
        assertEquals(5, memory.getAndUpdate(at, QWORD, AtomicUpdate.ADD, 1));
        assertEquals(5, parent.read(0, 1)[0]);
        assertEquals(6, child.read(0, 1)[0]);
    }

    @Test
    @Tag("A-156")
    void countersOfTwoSpacesInOneFrameLoseNothing() throws Exception {
        VmObject vmo = vm.vmo(1);
        long here = vm.root.map(VmarFixture.RW, 0, vmo, 0, PAGE);
        VmAddressRegion other = VmAddressRegion.newRoot(vm.machine);
        long there = other.map(VmarFixture.RW, 0, vmo, 0, PAGE);
        int each = 5_000;
        try (var second = new UserMemory(other, vm.hal.newMmu());
                ExecutorService thread = Executors.newSingleThreadExecutor()) {
            Future<?> adding = thread.submit(() -> add(second, there, each));
            add(memory, here, each);
            adding.get();
        }
        assertEquals(2L * each, memory.loadAcquire(here, QWORD));
        other.destroyAddressSpace();
    }

    private static void add(UserMemory to, long at, int times) {
        for (int i = 0; i < times; i++) {
            to.getAndUpdate(at, QWORD, AtomicUpdate.ADD, 1);
        }
    }

    @Test
    @Tag("V-201")
    void atomicFaultThatHelpsNothingIsNotTriedForEver() {
        long at = vm.root.map(VmarFixture.R, 0, vm.vmo(1), 0, PAGE);
        Mmu stubborn = mock(Mmu.class);
        when(stubborn.faultAddress()).thenReturn(at);
        when(stubborn.faultAccess()).thenReturn(AccessKind.READ);
        when(stubborn.faultCause()).thenReturn(FaultCause.NOT_PRESENT);
        try (var there = new UserMemory(vm.root, stubborn)) {
            refuses(ZxStatus.UNAVAILABLE, () -> there.loadAcquire(at, QWORD));
        }
        verify(stubborn, times(UserMemory.MAX_TRIES)).atomic(anyLong(), any());
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
            refuses(ZxStatus.UNAVAILABLE, () -> there.readByte(at));
        }
        verify(stubborn, times(UserMemory.MAX_TRIES)).load(anyLong(), any(), anyLong(), anyLong());
    }

    @Test
    @Tag("A-155")
    void rangeThatPassesTheEndOfTheSpaceMovesNothing() {
        refuses(ZxStatus.OUT_OF_RANGE, () -> memory.read(-4, 8));
        refuses(ZxStatus.OUT_OF_RANGE, () -> memory.write(-1, new byte[2]));
        refuses(ZxStatus.NOT_FOUND, () -> memory.read(-4, 4));
    }
}
