package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Held accesses whose messages are served when their page table is closed, or of no use any more.
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class LateMessageTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final HalConfig CONFIG =
            HalConfig.DEFAULT.withMemoryBytes(16 * PAGE).withOption("window", "1M");

    /// The next table of that place has other rights to the same address.
    @Test
    void pageOfAClosedTableIsNotEntered() throws Exception {
        var calls = new WatchedCalls();
        var slow = new SlowHandler();
        try (UnixMmapHal hal = Userfaultfd.openMinor(Posix.get(), calls, CONFIG);
                ExecutorService threads = Executors.newSingleThreadExecutor()) {
            long frame = hal.memory().base();
            hal.memory().writeLong(frame, 100);
            var table = (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER);
            long start = table.firstAddress();
            table.setFaultHandler(slow);
            table.map(start, frame, PageSize.SIZE_4K, MmuFlags.RW);
            Mmu mmu = hal.newMmu();
            mmu.activate(table);
            Mmu other = hal.newMmu();
            other.activate(table);
            Future<Long> held = threads.submit(() -> load(mmu, start));
            slow.told.await();
            assertEquals(8, load(other, start)); // has both go on
            assertEquals(8, held.get());
            table.close();

            var next = (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER);
            assertEquals(start, next.firstAddress());
            next.setFaultHandler((vaddr, access) -> false);
            next.map(start, frame, PageSize.SIZE_4K, MmuFlags.R);
            int wakes = calls.wakes.get();
            slow.mayGo.countDown();
            while (calls.wakes.get() == wakes) {
                Thread.onSpinWait();
            }
            mmu.activate(next);
            assertEquals(0, mmu.store(start, MemorySegment.ofArray(new byte[8]), 0, 8));
            assertEquals(FaultCause.PERMISSION, mmu.faultCause());
            assertEquals(100, hal.memory().readLong(frame));
        }
    }

    private static long load(Mmu mmu, long vaddr) {
        return mmu.load(vaddr, MemorySegment.ofArray(new byte[8]), 0, 8);
    }

    /// Notes whose rights change, and does something before the first window is shut.
    private static final class WatchedPosix extends Posix {
        final AtomicReference<Runnable> onceShutting = new AtomicReference<>(() -> {});
        final AtomicLong window = new AtomicLong();
        final List<String> sinceReleased = new ArrayList<>();
        boolean released;

        @Override
        synchronized int mprotect(CallScratch scratch, long address, long bytes, int protection) {
            if (protection == PROT_NONE && bytes == 1 << 20) {
                onceShutting.getAndSet(() -> {}).run();
            }
            if (released && address >= window.get() && address < window.get() + (1 << 20)) {
                sinceReleased.add("mprotect of page " + (address - window.get()) / PAGE);
            }
            return super.mprotect(scratch, address, bytes, protection);
        }

        @Override
        synchronized int munmap(CallScratch scratch, long address, long bytes) {
            released |= address == window.get();
            return super.munmap(scratch, address, bytes);
        }
    }

    /// Who knows what lies there by then.
    @Test
    void addressesOfAClosedTableAreLeftAlone() throws Exception {
        var posix = new WatchedPosix();
        try (Arena arena = Arena.ofShared();
                ExecutorService threads = Executors.newSingleThreadExecutor()) {
            long local = arena.allocate(8).address();
            try (UnixMmapHal hal = Userfaultfd.open(posix, CONFIG)) {
                var table = (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER);
                long address = table.hostAddress(table.firstAddress());
                table.setFaultHandler((vaddr, access) -> false);
                posix.window.set(address);
                var answer = new AtomicReference<Future<Long>>();
                posix.onceShutting.set(() -> {
                    answer.set(
                            threads.submit(() -> {
                                var scratch = new CallScratch();
                                scratch.describe(local, address + PAGE, 8);
                                return posix.readOwnMemory(scratch);
                            }));
                    while (!waitsToEndForeign()) {
                        Thread.onSpinWait();
                    }
                });
                table.close();
                assertEquals(-Errno.EFAULT, answer.get().get());
            }
        }
        assertEquals(List.of(), posix.sinceReleased);
    }

    private static boolean waitsToEndForeign() {
        return Thread.getAllStackTraces().entrySet().stream()
                .anyMatch(thread ->
                        thread.getKey().getState() == Thread.State.WAITING
                                && List.of(thread.getValue()).stream()
                                        .anyMatch(frame ->
                                                frame.getMethodName().equals("endForeign")));
    }

    /// Maps one page, then no more.
    private static final class RefusingPosix extends Posix {
        private int left = Integer.MAX_VALUE;

        void allow(int calls) {
            left = calls;
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
            return left-- > 0
                    ? super.mmap(scratch, address, bytes, protection, flags, descriptor, fileOffset)
                    : -Errno.ENOMEM;
        }
    }

    /// The host shows a page that has no entry, and could not be told to hide it.
    @Test
    void pageThatATableCouldNotTakeBackHoldsNobody() {
        var posix = new RefusingPosix();
        try (UnixMmapHal hal = Userfaultfd.openMinor(posix, new FaultCalls(posix), CONFIG)) {
            long frame = hal.memory().base();
            hal.memory().writeLong(frame, 100);
            var table = (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER);
            long start = table.firstAddress();
            table.setFaultHandler((vaddr, access) -> false);
            Mmu mmu = hal.newMmu();
            mmu.activate(table);
            posix.allow(1);
            long[] apart = {frame, frame + 2 * PAGE};
            assertThrows(
                    PagingException.class,
                    () -> table.mapPages(start, apart, 0, 2, MmuFlags.RW, OnExisting.ERROR));
            posix.allow(Integer.MAX_VALUE);
            PagingException broken = assertThrows(PagingException.class, () -> table.query(start));
            assertEquals(PagingError.BAD_STATE, broken.error());
            assertEquals(8, load(mmu, start));
            table.close();
            assertEquals(0, hal.hostMappings());
        }
    }
}
