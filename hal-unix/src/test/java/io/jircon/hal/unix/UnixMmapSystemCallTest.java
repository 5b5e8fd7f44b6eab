package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessWidth;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.AtomicAccess;
import io.jircon.hal.AtomicUpdate;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.PhysicalMemory;
import io.jircon.hal.UnusedTables;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// How many system calls an operation makes, and what is left when the host refuses one.
class UnixMmapSystemCallTest {
    private static final long PAGE = PageSize.BASE_BYTES;

    /// Counts the calls that change mappings and refuses some.
    private static final class CountingPosix extends Posix {
        int calls;
        int refusedCall = -1;
        int refusals;
        int errno = Errno.ENOMEM;
        long transferError;
        volatile boolean holdsWrites;
        final CountDownLatch writing = new CountDownLatch(1);
        final CountDownLatch mayWrite = new CountDownLatch(1);

        private boolean refuses() {
            calls++;
            return refusals > 0 && calls >= refusedCall && refusals-- > 0;
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
            return refuses()
                    ? -errno
                    : super.mmap(
                            scratch, address, bytes, protection, flags, descriptor, fileOffset);
        }

        @Override
        int mprotect(CallScratch scratch, long address, long bytes, int protection) {
            return refuses() ? -errno : super.mprotect(scratch, address, bytes, protection);
        }

        @Override
        long writeOwnMemory(CallScratch scratch) {
            if (!holdsWrites) {
                return super.writeOwnMemory(scratch);
            }
            writing.countDown();
            try {
                mayWrite.await();
            } catch (InterruptedException never) {
                throw new AssertionError(never);
            }
            return super.writeOwnMemory(scratch);
        }

        @Override
        long readOwnMemory(CallScratch scratch) {
            return transferError == 0 ? super.readOwnMemory(scratch) : transferError;
        }
    }

    private final CountingPosix posix = new CountingPosix();
    private final UnixMmapHal hal =
            UnixMmapHal.open(
                    posix, HalConfig.DEFAULT.withMemoryBytes(8L << 20).withOption("window", "4M"));
    private final UnixMmapPageTable table =
            (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER);
    private final long start = table.firstAddress();
    private final long base = hal.memory().base();

    @AfterEach
    void close() {
        posix.refusals = 0;
        hal.close();
    }

    private int callsOf(Runnable operation) {
        posix.calls = 0;
        operation.run();
        return posix.calls;
    }

    private void mapScattered(int pages) {
        long[] frames = new long[pages];
        for (int i = 0; i < pages; i++) {
            frames[i] = base + 2 * i * PAGE;
        }
        table.mapPages(start, frames, 0, pages, MmuFlags.RW, OnExisting.ERROR);
    }

    @Test
    void runOfFramesIsOneCall() {
        long[] frames = new long[600];
        for (int i = 0; i < frames.length; i++) {
            frames[i] = base + (7 + i) * PAGE;
        }
        assertEquals(
                1,
                callsOf(() ->
                        table.mapPages(start, frames, 0, 600, MmuFlags.RW, OnExisting.ERROR)));
        assertEquals(1, callsOf(() -> table.protectRange(start, 600 * PAGE, MmuFlags.R)));
        assertEquals(1, callsOf(() -> table.unmapRange(start, 600 * PAGE)));
        assertEquals(
                1,
                callsOf(() ->
                        table.mapRange(
                                start,
                                base,
                                1024 * PAGE,
                                MmuFlags.RX,
                                HugePages.FORBIDDEN,
                                OnExisting.ERROR)));
    }

    @Test
    void scatteredFramesAreOneCallEachButProtectAndUnmapAreOneForAll() {
        assertEquals(50, callsOf(() -> mapScattered(50)));
        assertEquals(1, callsOf(() -> table.protectRange(start, 50 * PAGE, MmuFlags.R)));
        table.unmap(start + 20 * PAGE);
        assertEquals(1, callsOf(() -> table.unmapRange(start, 60 * PAGE)));
        assertEquals(0, callsOf(() -> table.unmapRange(start, 60 * PAGE)));
    }

    @Test
    void whatTheHostNeedNotKnowIsNoCall() {
        mapScattered(3);
        MmuFlags user = MmuFlags.of(MmuFlags.RW.bits() | MmuFlags.USER_BIT);
        assertEquals(0, callsOf(() -> table.protectRange(start, 3 * PAGE, user)));
        assertEquals(user, table.query(start).flags());
    }

    /// Whichever call is refused, table, kernel and budget are as before.
    @Test
    void refusedCallTakesBackThoseBeforeIt() {
        long[] frames = new long[12];
        for (int i = 0; i < 12; i++) {
            frames[i] = base + (100 + 3 * i) * PAGE;
        }
        frames[1] = base + 2 * PAGE; // the frame that is there: gains a right by mprotect
        frames[2] = base + 4 * PAGE;
        assertEquals(
                11,
                refuseEachCallOf(() ->
                        table.mapPages(start, frames, 0, 12, MmuFlags.RWX, OnExisting.UPGRADE)));
        assertEquals(3, refuseEachCallOf(() -> table.protectRange(start, 12 * PAGE, MmuFlags.R)));
        assertEquals(3, refuseEachCallOf(() -> table.writeProtectRange(start, 12 * PAGE)));
        assertEquals(1, refuseEachCallOf(() -> table.unmapRange(start, 12 * PAGE)));
    }

    /// Runs an operation with its first call refused, then its second, and so on.
    ///
    /// @return how many calls it makes
    private int refuseEachCallOf(Runnable operation) {
        for (int refused = 1; ; refused++) {
            table.unmapRange(start, 12 * PAGE);
            mapScattered(12);
            table.unmapRange(start + 3 * PAGE, 2 * PAGE);
            table.protectRange(start + 8 * PAGE, PAGE, MmuFlags.R);
            List<Object> before = everything();
            posix.calls = 0;
            posix.refusedCall = refused;
            posix.refusals = 1;
            try {
                operation.run();
                posix.refusals = 0;
                return refused - 1;
            } catch (PagingException thrown) {
                assertEquals(PagingError.NO_RESOURCES, thrown.error());
                assertTrue(thrown.getMessage().contains("ENOMEM"), thrown.getMessage());
                assertEquals(before, everything(), "call " + refused);
            }
        }
    }

    /// Entries of two tables' worth of addresses go in one call. When that is refused they stay,
    /// what was told is told, and the next harvest tries again.
    @Test
    @Tag("V-289")
    void unusedEntriesStayWhenTheHostRefusesToRemoveThem() {
        long first = PageSize.SIZE_2M.alignDown(start + PageSize.SIZE_2M.bytes()) - 3 * PAGE;
        for (int i = 0; i < 6; i++) {
            table.map(first + i * PAGE, base + 2 * i * PAGE, PageSize.SIZE_4K, MmuFlags.RW);
        }
        var pages = new BitSet();
        assertEquals(
                0, callsOf(() -> table.harvestAccessed(first, 6 * PAGE, UnusedTables.FREE, pages)));
        List<Object> before = everything();
        posix.calls = 0;
        posix.refusedCall = 1;
        posix.refusals = 1;
        table.harvestAccessed(first, 6 * PAGE, UnusedTables.FREE, pages);
        assertEquals(0, posix.refusals);
        assertEquals(before, everything());
        assertEquals(
                1, callsOf(() -> table.harvestAccessed(first, 6 * PAGE, UnusedTables.FREE, pages)));
        assertEquals(1, table.hostMappings());
        assertTrue(pages.isEmpty());
    }

    @Test
    void policyErrorIsOfKindSystemAndSaysWhatToDo() {
        posix.calls = 0;
        posix.refusedCall = 1;
        posix.refusals = 1;
        posix.errno = Errno.EPERM;
        PagingException thrown = assertThrows(PagingException.class, () -> mapScattered(1));
        assertEquals(PagingError.SYSTEM, thrown.error());
        assertTrue(thrown.getMessage().contains("mmap"), thrown.getMessage());
        assertTrue(thrown.getMessage().contains("EPERM"), thrown.getMessage());
        assertTrue(thrown.getMessage().contains("seccomp"), thrown.getMessage());
    }

    @Test
    void refusedTransferCallIsAnErrorNotAFault() {
        mapScattered(1);
        posix.transferError = -Errno.ENOSYS;
        try (var mmu = hal.newMmu()) {
            mmu.activate(table);
            PagingException thrown =
                    assertThrows(
                            PagingException.class,
                            () -> mmu.load(start, MemorySegment.ofArray(new byte[1]), 0, 1));
            assertEquals(PagingError.SYSTEM, thrown.error());
            assertTrue(thrown.getMessage().contains("process_vm_readv"), thrown.getMessage());
            assertTrue(thrown.getMessage().contains("ENOSYS"), thrown.getMessage());
        }
    }

    /// The store is held up inside its system call: unmap has to wait for it.
    @Test
    @Tag("V-285")
    void unmapReturnsOnlyWhenNoAccessIsUnderWay() throws Exception {
        mapScattered(1);
        var mmu = hal.newMmu();
        mmu.activate(table);
        posix.holdsWrites = true;
        var writer =
                Thread.ofPlatform()
                        .start(() -> mmu.store(start, MemorySegment.ofArray(new byte[8]), 0, 8));
        posix.writing.await();
        var unmapper = Thread.ofPlatform().start(() -> table.unmapRange(start, PAGE));
        while (unmapper.isAlive() && unmapper.getState() != Thread.State.TIMED_WAITING) {
            Thread.onSpinWait();
        }
        boolean waited = unmapper.isAlive();
        assertEquals(-1, table.translate(start));
        posix.mayWrite.countDown();
        writer.join();
        unmapper.join();
        assertTrue(waited, "unmap did not wait for the store");
    }

    /// The same for an atomic act, which is no system call.
    @Test
    @Tag("V-285")
    void unmapReturnsOnlyWhenNoAtomicActIsUnderWay() throws Exception {
        mapScattered(1);
        var acting = new CountDownLatch(1);
        var mayAct = new CountDownLatch(1);
        var held =
                new UnixMmapMmu(hal, posix) {
                    @Override
                    void act(PhysicalMemory memory, long paddr, AtomicAccess access) {
                        acting.countDown();
                        try {
                            mayAct.await();
                        } catch (InterruptedException impossible) {
                            throw new AssertionError(impossible);
                        }
                        super.act(memory, paddr, access);
                    }
                };
        var mmu = hal.enlist(held);
        mmu.activate(table);
        var add = new AtomicAccess().update(AtomicUpdate.ADD, AccessWidth.DWORD, 1);
        var adder = Thread.ofPlatform().start(() -> mmu.atomic(start, add));
        acting.await();
        var unmapper = Thread.ofPlatform().start(() -> table.unmapRange(start, PAGE));
        while (unmapper.isAlive() && unmapper.getState() != Thread.State.TIMED_WAITING) {
            Thread.onSpinWait();
        }
        boolean waited = unmapper.isAlive();
        assertEquals(-1, table.translate(start));
        mayAct.countDown();
        adder.join();
        unmapper.join();
        assertTrue(waited, "unmap did not wait for the atomic act");
    }

    @Test
    void tableThatCannotBeTakenBackOnlyCloses() {
        posix.calls = 0;
        posix.refusedCall = 3;
        posix.refusals = 100;
        assertThrows(PagingException.class, () -> mapScattered(5));
        assertEquals(
                PagingError.BAD_STATE,
                assertThrows(PagingException.class, () -> table.unmapRange(start, PAGE)).error());
        posix.refusals = 0;
        table.close();
        assertEquals(0, hal.hostMappings());
    }

    private List<Object> everything() {
        List<Object> all = new ArrayList<>(HostMaps.within(start, start + 1024 * PAGE));
        all.add(table.hostMappings());
        all.add(hal.hostMappings());
        table.forEachLeaf(
                start,
                1024 * PAGE,
                (vaddr, paddr, size, flags) -> all.add(List.of(vaddr, paddr, flags)));
        return all;
    }
}
