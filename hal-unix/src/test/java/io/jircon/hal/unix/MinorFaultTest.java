package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.FaultHandler;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HugePages;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageFault;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.UnusedTables;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Accesses that the host holds though the page's entry allows them: the first to each page.
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class MinorFaultTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final int PAGES = 64;
    private static final HalConfig CONFIG =
            HalConfig.DEFAULT.withMemoryBytes(PAGES * PAGE).withOption("window", "1M");

    /// Answers no to every fault.
    private final class Told implements FaultHandler {
        @Override
        public boolean resolve(long vaddr, AccessKind access) {
            asked.add(access + " " + (vaddr - start) / PAGE);
            return false;
        }

        @Override
        public void minorFault(long vaddr, AccessKind access) {
            told.add(access + " " + (vaddr - start) / PAGE);
        }
    }

    private final WatchedCalls calls = new WatchedCalls();
    private final UnixMmapHal hal = Userfaultfd.openMinor(Posix.get(), calls, CONFIG);
    private final HeldMarks held = hal.heldFaults().marks();
    private final UnixMmapPageTable table =
            (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER);
    private final long start = table.firstAddress();
    private final long base = hal.memory().base();
    private final Mmu mmu = hal.newMmu();
    private final List<String> asked = new CopyOnWriteArrayList<>();
    private final List<String> told = new CopyOnWriteArrayList<>();

    MinorFaultTest() {
        // The host holds no access to a frame that nobody has ever used.
        for (int page = 0; page < PAGES; page++) {
            hal.memory().writeLong(base + page * PAGE, 100 + page);
        }
        mmu.activate(table);
        table.setFaultHandler(new Told());
    }

    @AfterEach
    @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void everythingIsGivenBack() {
        hal.close();
    }

    /// Each page shows the frame of its own number.
    private void map(int page, int count, MmuFlags flags) {
        table.mapRange(
                start + page * PAGE,
                base + page * PAGE,
                count * PAGE,
                flags,
                HugePages.ALLOWED,
                OnExisting.ERROR);
    }

    private long load(int page) {
        MemorySegment word = MemorySegment.ofArray(new byte[8]);
        assertEquals(8, mmu.load(start + page * PAGE, word, 0, 8));
        return word.get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
    }

    private long store(int page, long value) {
        table.hostMappings(); // takes the lock: a page refused before is armed again
        MemorySegment word = MemorySegment.ofArray(new byte[8]);
        word.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, value);
        return mmu.store(start + page * PAGE, word, 0, 8);
    }

    private void harvest(int page, int count) {
        table.harvestAccessed(start + page * PAGE, count * PAGE, UnusedTables.KEEP, new BitSet());
    }

    private long frame(int page) {
        return hal.memory().readLong(base + page * PAGE);
    }

    @Test
    void modeIsSaid() {
        assertEquals("userfaultfd: missing, minor and write-protect faults", hal.faults());
    }

    @Test
    void firstAccessToEachPageIsHeldAndTold() {
        map(0, 4, MmuFlags.RW);
        assertEquals(101, load(1));
        assertEquals(101, load(1));
        assertEquals(8, store(2, 7));
        assertEquals(7, load(2));
        assertEquals(List.of("READ 1", "WRITE 2"), told);
        MemorySegment all = MemorySegment.ofArray(new byte[(int) (4 * PAGE)]);
        assertEquals(4 * PAGE, mmu.load(start, all, 0, 4 * PAGE));
        assertEquals(7, all.get(ValueLayout.JAVA_LONG_UNALIGNED, 2 * PAGE));
        assertEquals(List.of("READ 1", "WRITE 2", "READ 0", "READ 3"), told);
        assertEquals(4, held.minorFaults());
        assertEquals(0, held.missingFaults());
        assertEquals(List.of(), asked);
        assertEquals(0, mmu.stats().faults());
    }

    @Test
    void fetchIsToldAsTheReadThatItIsToTheHost() {
        map(3, 1, MmuFlags.RX);
        MemorySegment word = MemorySegment.ofArray(new byte[8]);
        assertEquals(8, mmu.fetch(start + 3 * PAGE, word, 0, 8));
        assertEquals(103, word.get(ValueLayout.JAVA_LONG_UNALIGNED, 0));
        assertEquals(List.of("READ 3"), told);
    }

    @Test
    void accessAfterAHarvestIsHeldAgain() {
        map(0, 8, MmuFlags.RW);
        for (int page = 0; page < 8; page++) {
            load(page);
        }
        told.clear();
        harvest(2, 3);
        for (int page = 0; page < 8; page++) {
            assertEquals(100 + page, load(page));
        }
        assertEquals(List.of("READ 2", "READ 3", "READ 4"), told);
        harvest(0, 8);
        assertEquals(8, store(5, 55));
        assertEquals("WRITE 5", told.getLast());
        assertEquals(55, frame(5));
    }

    @Test
    void newEntryOfAPageIsHeldAnew() {
        map(0, 1, MmuFlags.RW);
        load(0);
        table.remap(start, base + 9 * PAGE, MmuFlags.RW);
        assertEquals(109, load(0));
        table.unmap(start);
        map(0, 1, MmuFlags.R);
        assertEquals(100, load(0));
        assertEquals(List.of("READ 0", "READ 0", "READ 0"), told);
    }

    /// To the host a page that may only be read is writable and write-protected: entering it must
    /// not lift that.
    @Test
    void readOnlyPageStaysSoWhenItIsEntered() {
        map(0, 4, MmuFlags.R);
        assertEquals(0, store(0, 1));
        assertEquals(new PageFault(start, AccessKind.WRITE, FaultCause.PERMISSION), mmu.fault());
        assertEquals(101, load(1));
        assertEquals(0, store(1, 1));
        harvest(0, 4);
        assertEquals(0, store(1, 1));
        assertEquals(101, load(1));
        assertEquals(0, store(1, 1));
        assertEquals(List.of("WRITE 0", "WRITE 1", "WRITE 1", "WRITE 1"), asked);
        assertEquals(100, frame(0));
        assertEquals(101, frame(1));
    }

    @Test
    void pageThatLosesWriteIsNotWrittenAnyMore() {
        map(0, 4, MmuFlags.RW);
        assertEquals(8, store(0, 1));
        table.protectRange(start, 4 * PAGE, MmuFlags.R);
        for (int page = 0; page < 4; page++) {
            assertEquals(0, store(page, 2));
        }
        table.protectRange(start, 4 * PAGE, MmuFlags.RW);
        assertEquals(8, store(3, 3));
        table.writeProtectRange(start, 4 * PAGE);
        assertEquals(0, store(3, 4));
        assertEquals(List.of(1L, 101L, 102L, 3L), List.of(frame(0), frame(1), frame(2), frame(3)));
    }

    @Test
    void writeFaultIsResolvedAsWithoutMinorFaults() {
        table.setFaultHandler((vaddr, access) -> {
            hal.memory().copy(base, base + 9 * PAGE, PAGE);
            table.remap(vaddr, base + 9 * PAGE, MmuFlags.RW);
            return true;
        });
        map(0, 1, MmuFlags.R);
        assertEquals(8, store(0, 5));
        assertEquals(1, held.writeProtectFaults());
        assertEquals(100, frame(0));
        assertEquals(5, frame(9));
    }

    @Test
    void missingPageIsAskedFor() {
        table.setFaultHandler((vaddr, access) -> {
            map(6, 1, MmuFlags.RW);
            return true;
        });
        assertEquals(106, load(6));
        assertEquals(1, held.missingFaults());
        assertEquals(1, held.minorFaults());
    }

    @Test
    void whatTheHandlerThrowsHarmsNobody() {
        table.setFaultHandler(
                new FaultHandler() {
                    @Override
                    public boolean resolve(long vaddr, AccessKind access) {
                        return false;
                    }

                    @Override
                    public void minorFault(long vaddr, AccessKind access) {
                        throw new AssertionError("on purpose");
                    }
                });
        map(0, 1, MmuFlags.RW);
        assertEquals(100, load(0));
        table.setFaultHandler(null);
        map(1, 1, MmuFlags.RW);
        assertEquals(101, load(1));
    }

    @Test
    void accessWaitsUntilTheHostHasMemoryToEnterItsPage() {
        map(0, 1, MmuFlags.RW);
        calls.refusals.set(3);
        assertEquals(100, load(0));
        assertEquals(4, held.minorFaults());
    }

    /// Whoever has the threads may wait for a table that waits for this access.
    @Test
    void accessGoesOnThoughAllThreadsAreTaken() throws Exception {
        calls.threads.set(1);
        var asked = new CountDownLatch(HeldFaults.READERS);
        var mayGo = new CountDownLatch(1);
        try (UnixMmapHal busy = Userfaultfd.openMinor(Posix.get(), calls, CONFIG);
                ExecutorService threads = Executors.newCachedThreadPool()) {
            var own = (UnixMmapPageTable) busy.newPageTable(AddressSpaceKind.USER);
            long first = own.firstAddress();
            busy.memory().writeLong(base, 100);
            own.map(first, base, PageSize.SIZE_4K, MmuFlags.RW);
            own.setFaultHandler((vaddr, access) -> {
                asked.countDown();
                try {
                    mayGo.await();
                } catch (InterruptedException ended) {
                    Thread.currentThread().interrupt();
                }
                return false;
            });
            for (int i = 1; i <= HeldFaults.READERS; i++) {
                long missing = first + i * PAGE;
                Mmu each = busy.newMmu();
                each.activate(own);
                threads.execute(() -> each.load(missing, MemorySegment.ofArray(new byte[8]), 0, 8));
                while (asked.getCount() > HeldFaults.READERS - i) {
                    Thread.onSpinWait(); // each has its own reader then, the last one the server
                }
            }
            try {
                Mmu last = busy.newMmu();
                last.activate(own);
                Future<Long> load =
                        threads.submit(
                                () -> last.load(first, MemorySegment.ofArray(new byte[8]), 0, 8));
                assertEquals(8, load.get(20, TimeUnit.SECONDS));
            } finally {
                mayGo.countDown();
            }
        }
    }

    /// The access is not over: what takes its page away waits until it is.
    @Test
    void operationThatTakesThePageWaitsForTheAccess() throws Exception {
        var slow = new SlowHandler();
        table.setFaultHandler(slow);
        map(0, 1, MmuFlags.RW);
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            Future<Long> load =
                    threads.submit(() -> mmu.load(start, MemorySegment.ofArray(new byte[8]), 0, 8));
            slow.told.await();
            Future<?> unmap = threads.submit(() -> table.unmap(start));
            while (table.translate(start) != -1) {
                Thread.onSpinWait();
            }
            assertFalse(unmap.isDone());
            slow.mayGo.countDown();
            unmap.get();
            assertEquals(0, load.get());
        }
        assertEquals(FaultCause.NOT_PRESENT, mmu.faultCause());
    }

    /// Entered with the right that the page had, it would stay writable.
    @Test
    void pageDoesNotLoseWriteWhileItIsEntered() throws Exception {
        map(0, 1, MmuFlags.RW);
        var protector = new Thread(() -> table.protect(start, MmuFlags.R));
        calls.onceEntering.set(() -> {
            protector.start();
            while (protector.getState() != Thread.State.BLOCKED && calls.writeProtects.get() == 0) {
                Thread.onSpinWait();
            }
        });
        assertEquals(100, load(0));
        protector.join();
        assertEquals(1, calls.writeProtects.get());
        assertEquals(0, store(0, 1));
        assertEquals(100, frame(0));
    }

    /// They would be held again and again, and each time woken for nothing.
    @Test
    void accessesAreNotWokenWhileTheTableChanges() throws Exception {
        map(0, 1, MmuFlags.RW);
        Mmu other = hal.newMmu();
        other.activate(table);
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            List<Future<Long>> loads = new ArrayList<>();
            calls.onceProtecting.set(() -> {
                for (Mmu each : List.of(mmu, other)) {
                    loads.add(
                            threads.submit(() ->
                                    each.load(start, MemorySegment.ofArray(new byte[8]), 0, 8)));
                }
                while (calls.messages.get() < 2
                        || (calls.messages.get() == 2 && waitingServers() < 2)) {
                    Thread.onSpinWait();
                }
            });
            map(1, 1, MmuFlags.R);
            for (Future<Long> load : loads) {
                assertEquals(8, load.get());
            }
        }
        assertEquals(2, calls.messages.get());
    }

    private static long waitingServers() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("jircon-fault"))
                .filter(thread -> thread.getState() == Thread.State.BLOCKED)
                .count();
    }

    /// Java code must not be held.
    @Test
    void viewIsNeverHeld() {
        map(0, 3, MmuFlags.RW);
        table.map(start + 3 * PAGE, base + 20 * PAGE, PageSize.SIZE_4K, MmuFlags.RW);
        long before = hal.hostMappings();
        try (MappedView view = table.pin(start + 8, 4 * PAGE - 8, AccessKind.WRITE)) {
            assertEquals(before + 2, hal.hostMappings());
            MemorySegment bytes = view.segment();
            assertEquals(102, bytes.get(ValueLayout.JAVA_LONG, 2 * PAGE - 8));
            assertEquals(120, bytes.get(ValueLayout.JAVA_LONG, 3 * PAGE - 8));
            bytes.set(ValueLayout.JAVA_LONG, PAGE - 8, 11);
            assertEquals(11, frame(1));
            assertEquals(0, held.minorFaults());
            table.unmap(start + 3 * PAGE);
            assertFalse(view.isOpen());
            assertThrows(IllegalStateException.class, () -> bytes.get(ValueLayout.JAVA_LONG, 0));
        }
        assertEquals(before - 1, hal.hostMappings());
    }

    @Test
    void viewsAreGivenBack() {
        map(0, 3, MmuFlags.RW);
        long before = hal.hostMappings();
        int lines = HostMaps.count();
        for (int i = 0; i < 100; i++) {
            try (MappedView view = table.pin(start, 3 * PAGE, AccessKind.READ)) {
                assertEquals(100, view.segment().get(ValueLayout.JAVA_LONG, 0));
            }
        }
        assertEquals(before, hal.hostMappings());
        assertTrue(HostMaps.count() < lines + 50, "mappings of views are left");
    }

    @Test
    void viewThatTheBudgetHasNoRoomForIsRefused() {
        long room = 2 + HostMaps.count() + 80;
        try (UnixMmapHal small =
                        Userfaultfd.openMinor(
                                Posix.get(),
                                calls,
                                HalConfig.DEFAULT
                                        .withMemoryBytes(4 << 20)
                                        .withOption("window", "4M")
                                        .withOption("max-map-count", Long.toString(room)));
                var own = (UnixMmapPageTable) small.newPageTable(AddressSpaceKind.USER)) {
            long first = own.firstAddress();
            long memory = small.memory().base();
            int pages = 0;
            var refused = new PagingException[1];
            while (refused[0] == null) {
                own.map(
                        first + pages * PAGE,
                        memory + 2 * pages * PAGE,
                        PageSize.SIZE_4K,
                        MmuFlags.RW);
                pages++;
                try {
                    own.pin(first, pages * PAGE, AccessKind.READ).close();
                } catch (PagingException noRoom) {
                    refused[0] = noRoom;
                }
            }
            assertEquals(PagingError.NO_RESOURCES, refused[0].error());
            assertTrue(
                    refused[0]
                            .getMessage()
                            .contains("needs " + (pages + 1) + " more host mappings"),
                    refused[0].getMessage());
            assertEquals(pages + 1, small.hostMappings());
        }
    }
}
