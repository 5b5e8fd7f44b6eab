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
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Accesses that the host holds until their faults are resolved. One that is held for ever cannot
/// be interrupted: a test that hangs is left behind and named.
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HeldFaultTest {
    private static final long PAGE = PageSize.BASE_BYTES;

    /// Refuses the next changes of protection.
    private static final class RefusingPosix extends Posix {
        final AtomicInteger refusals = new AtomicInteger();
        final AtomicInteger refused = new AtomicInteger();

        @Override
        int mprotect(CallScratch scratch, long address, long bytes, int protection) {
            if (refusals.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
                refused.incrementAndGet();
                return -Errno.ENOMEM;
            }
            return super.mprotect(scratch, address, bytes, protection);
        }
    }

    private final RefusingPosix posix = new RefusingPosix();
    private final UnixMmapHal hal =
            Userfaultfd.open(
                    posix, HalConfig.DEFAULT.withMemoryBytes(16L << 20).withOption("window", "4M"));
    private final HeldMarks held = hal.heldFaults().marks();
    private final UnixMmapPageTable table =
            (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER);
    private final long start = table.firstAddress();
    private final long base = hal.memory().base();
    private final Mmu mmu = hal.newMmu();
    private final AtomicInteger asked = new AtomicInteger();

    HeldFaultTest() {
        mmu.activate(table);
    }

    @AfterEach
    @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void everythingIsGivenBack() {
        hal.close();
    }

    private void handle(FaultHandler handler) {
        table.setFaultHandler((vaddr, access) -> {
            asked.incrementAndGet();
            return handler.resolve(vaddr, access);
        });
    }

    /// Enters the frame of the page's own number.
    private boolean enter(long vaddr, MmuFlags flags) {
        table.mapRange(
                vaddr,
                base + (vaddr - start),
                PAGE,
                flags,
                HugePages.FORBIDDEN,
                OnExisting.UPGRADE);
        return true;
    }

    private boolean refuse(long vaddr, AccessKind access) {
        return false;
    }

    private static MemorySegment heap(long bytes) {
        return MemorySegment.ofArray(new byte[(int) bytes]);
    }

    @Test
    void modeIsSaid() {
        assertEquals("userfaultfd: missing and write-protect faults", hal.faults());
    }

    @ParameterizedTest(name = "kind={0}")
    @EnumSource(
            value = AddressSpaceKind.class,
            names = {"USER", "GUEST"})
    void loadOfAPageThatIsNotThereIsHeldUntilItIs(AddressSpaceKind kind) {
        try (var own = (UnixMmapPageTable) hal.newPageTable(kind)) {
            long vaddr = own.firstAddress() + 3 * PAGE;
            List<String> seen = new ArrayList<>();
            own.setFaultHandler((at, access) -> {
                seen.add(access + " " + (at - vaddr));
                own.map(at, base + 5 * PAGE, PageSize.SIZE_4K, MmuFlags.RW);
                return true;
            });
            mmu.activate(own);
            hal.memory().writeLong(base + 5 * PAGE + 16, 77);
            MemorySegment target = heap(8);
            assertEquals(8, mmu.load(vaddr + 16, target, 0, 8));
            assertEquals(77, target.get(ValueLayout.JAVA_LONG_UNALIGNED, 0));
            assertEquals(List.of("READ 0"), seen);
            assertEquals(1, held.missingFaults());
            assertEquals(0, mmu.stats().faults());
        }
    }

    @Test
    void transferOverManyPagesIsHeldAtEachThatIsMissing() {
        handle((vaddr, access) -> enter(vaddr, MmuFlags.RW));
        enter(start + 2 * PAGE, MmuFlags.RW);
        MemorySegment source = heap(6 * PAGE);
        source.fill((byte) 9);
        assertEquals(6 * PAGE, mmu.store(start + 100, source, 0, 6 * PAGE));
        assertEquals(6, asked.get());
        assertEquals(6, held.missingFaults());
        assertEquals(0x0909090909090909L, hal.memory().readLong(base + 6 * PAGE + 88));
        MemorySegment back = heap(6 * PAGE);
        assertEquals(6 * PAGE, mmu.load(start + 100, back, 0, 6 * PAGE));
        assertEquals(-1, source.mismatch(back));
        assertEquals(6, asked.get());
    }

    @Test
    void storeToAReadOnlyPageIsAWriteProtectFaultAndCopiesIt() {
        hal.memory().writeLong(base, 5);
        enter(start, MmuFlags.R);
        handle((vaddr, access) -> {
            hal.memory().copy(base, base + 9 * PAGE, PAGE);
            table.remap(vaddr, base + 9 * PAGE, MmuFlags.RW);
            return true;
        });
        MemorySegment word = heap(8);
        assertEquals(8, mmu.load(start, word, 0, 8));
        assertEquals(0, asked.get());
        assertEquals(4, mmu.store(start + 8, word, 0, 4));
        assertEquals(1, held.writeProtectFaults());
        assertEquals(0, held.missingFaults());
        assertEquals(5, hal.memory().readLong(base + 9 * PAGE));
        assertEquals(5, hal.memory().readLong(base + 9 * PAGE + 8) & 0xFFFF_FFFFL);
        assertEquals(0, hal.memory().readLong(base + 8));
    }

    @Test
    void pageThatLosesAndGainsRightsHoldsWritesOnlyWhileItLacksThem() {
        handle(this::refuse);
        MemorySegment word = heap(8);
        for (MmuFlags flags :
                List.of(MmuFlags.RW, MmuFlags.R, MmuFlags.RX, MmuFlags.RWX, MmuFlags.RX)) {
            enter(start, MmuFlags.R);
            table.protect(start, flags);
            assertEquals(8, mmu.load(start, word, 0, 8), () -> flags.toString());
            assertEquals(flags.canWrite() ? 8 : 0, mmu.store(start, word, 0, 8), flags.toString());
        }
        assertEquals(3, held.writeProtectFaults());
        table.writeProtectRange(start, PAGE);
        assertEquals(0, mmu.store(start, word, 0, 8));
        table.unmap(start);
        assertEquals(0, mmu.load(start, word, 0, 8));
        assertEquals(4, held.writeProtectFaults());
        assertEquals(1, held.missingFaults());
        assertEquals(5, asked.get());
    }

    @Test
    void refusedAccessEndsAsItsPageFaultAndTheNextIsHeldAgain() {
        handle(this::refuse);
        enter(start + PAGE, MmuFlags.R);
        for (int i = 1; i <= 3; i++) {
            assertEquals(0, mmu.load(start, heap(8), 0, 8));
            assertEquals(
                    new PageFault(start, AccessKind.READ, FaultCause.NOT_PRESENT), mmu.fault());
            assertEquals(0, mmu.store(start + PAGE + 4, heap(8), 0, 8));
            assertEquals(
                    new PageFault(start + PAGE + 4, AccessKind.WRITE, FaultCause.PERMISSION),
                    mmu.fault());
            assertEquals(i, held.writeProtectFaults());
            assertEquals(i, held.missingFaults());
            assertEquals(2 * i, asked.get());
        }
        assertEquals(PAGE - 4, mmu.load(start + PAGE + 4, heap(PAGE), 0, PAGE));
        assertEquals(
                new PageFault(start + 2 * PAGE, AccessKind.READ, FaultCause.NOT_PRESENT),
                mmu.fault());
    }

    @Test
    void handlerThatThrowsRefuses() {
        handle((vaddr, access) -> {
            throw new AssertionError("on purpose");
        });
        assertEquals(0, mmu.load(start, heap(8), 0, 8));
        assertEquals(FaultCause.NOT_PRESENT, mmu.faultCause());
        assertEquals(1, asked.get());
    }

    @Test
    void handlerThatOnlySaysYesRefuses() {
        handle((vaddr, access) -> true);
        assertEquals(0, mmu.load(start, heap(8), 0, 8));
        assertEquals(FaultCause.NOT_PRESENT, mmu.faultCause());
        assertEquals(16, asked.get());
    }

    /// The page table has the last word. The access is then held at the next page, while the first
    /// is still being dealt with.
    @Test
    void accessThatTheTableAllowsGoesOnWhateverTheHandlerSays() {
        handle((vaddr, access) -> enter(vaddr, MmuFlags.RW) && access == AccessKind.WRITE);
        assertEquals(3 * PAGE, mmu.load(start, heap(3 * PAGE), 0, 3 * PAGE));
        assertEquals(3, asked.get());
    }

    @Test
    void frameOutsideTheMemoryIsAnExternalFault() {
        handle((vaddr, access) -> {
            table.map(vaddr, base + (64L << 20), PageSize.SIZE_4K, MmuFlags.RW);
            return true;
        });
        assertEquals(0, mmu.load(start, heap(1), 0, 1));
        assertEquals(new PageFault(start, AccessKind.READ, FaultCause.EXTERNAL), mmu.fault());
    }

    @Test
    void withoutAHandlerNothingIsHeld() {
        assertEquals(0, mmu.load(start, heap(8), 0, 8));
        handle((vaddr, access) -> enter(vaddr, MmuFlags.RW));
        assertEquals(8, mmu.load(start, heap(8), 0, 8));
        table.setFaultHandler(null);
        assertEquals(0, mmu.load(start + PAGE, heap(8), 0, 8));
        assertEquals(1, asked.get());
    }

    @Test
    void handlerThatComesLateArmsWhatIsThere() {
        enter(start + PAGE, MmuFlags.R);
        enter(start + 2 * PAGE, MmuFlags.RW);
        enter(start + 1023 * PAGE, MmuFlags.R);
        handle(this::refuse);
        assertEquals(0, mmu.load(start, heap(8), 0, 8));
        assertEquals(0, mmu.store(start + PAGE, heap(8), 0, 8));
        assertEquals(8, mmu.store(start + 2 * PAGE, heap(8), 0, 8));
        assertEquals(0, mmu.load(start + 500 * PAGE, heap(8), 0, 8));
        assertEquals(0, mmu.store(start + 1023 * PAGE, heap(8), 0, 8));
        assertEquals(4, asked.get());
    }

    /// A fetch is checked before the call; the host knows only reading.
    @Test
    void fetchFaultsBeforeItCouldBeHeld() {
        handle(this::refuse);
        assertEquals(0, mmu.fetch(start, heap(8), 0, 8));
        assertEquals(new PageFault(start, AccessKind.EXECUTE, FaultCause.NOT_PRESENT), mmu.fault());
        assertEquals(0, asked.get());
    }

    /// An access that waits in the host keeps no page-table operation waiting.
    @Test
    @Tag("V-285")
    void operationsDoNotWaitForAHeldAccess() throws Exception {
        var entered = new CountDownLatch(1);
        var mayGo = new CountDownLatch(1);
        handle((vaddr, access) -> {
            entered.countDown();
            await(mayGo);
            return enter(vaddr, MmuFlags.RW);
        });
        enter(start + PAGE, MmuFlags.RW);
        try (ExecutorService threads = Executors.newSingleThreadExecutor()) {
            Future<Long> load = threads.submit(() -> mmu.load(start, heap(8), 0, 8));
            await(entered);
            table.protect(start + PAGE, MmuFlags.R);
            table.unmap(start + PAGE);
            assertFalse(load.isDone());
            mayGo.countDown();
            assertEquals(8, load.get());
        }
    }

    /// Each needs a thread of its own, and one that reads the next.
    @Test
    void handlersMayBeHeldThemselves() {
        int depth = 3 * Runtime.getRuntime().availableProcessors() + 4;
        List<Mmu> mmus = new ArrayList<>();
        for (int i = 0; i < depth; i++) {
            mmus.add(hal.newMmu());
            mmus.get(i).activate(table);
        }
        handle((vaddr, access) -> {
            int next = (int) ((vaddr - start) / PAGE) + 1;
            return (next == depth || mmus.get(next).load(start + next * PAGE, heap(8), 0, 8) == 8)
                    && enter(vaddr, MmuFlags.RW);
        });
        assertEquals(8, mmus.get(0).load(start, heap(8), 0, 8));
        assertEquals(depth, asked.get());
        assertEquals(depth, held.missingFaults());
    }

    @Test
    void closingTheTableEndsTheAccessesThatAreHeld() throws Exception {
        var entered = new CountDownLatch(2);
        var mayGo = new CountDownLatch(1);
        handle((vaddr, access) -> {
            entered.countDown();
            await(mayGo);
            return enter(vaddr, MmuFlags.RW);
        });
        enter(start + PAGE, MmuFlags.R);
        Mmu other = hal.newMmu();
        other.activate(table);
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            Future<Long> load = threads.submit(() -> mmu.load(start, heap(8), 0, 8));
            Future<Long> store = threads.submit(() -> other.store(start + PAGE, heap(8), 0, 8));
            await(entered);
            table.close();
            for (Future<Long> each : List.of(load, store)) {
                var thrown = assertThrows(java.util.concurrent.ExecutionException.class, each::get);
                assertEquals(PagingError.BAD_STATE, ((PagingException) thrown.getCause()).error());
            }
        } finally {
            mayGo.countDown();
        }
    }

    /// Without room for another mapping a page cannot be refused alone, but the run it lies in can.
    @ParameterizedTest(name = "refusals={0}")
    @ValueSource(ints = {1, 2, 5})
    void refusalSucceedsWhereTheHostLacksRoom(int refusals) {
        handle((vaddr, access) -> {
            table.hostMappings(); // takes the lock: the page refused before is armed again
            posix.refusals.set(refusals);
            return false;
        });
        enter(start + 7 * PAGE, MmuFlags.R);
        assertEquals(0, mmu.load(start + 5 * PAGE, heap(8), 0, 8));
        assertEquals(FaultCause.NOT_PRESENT, mmu.faultCause());
        assertEquals(0, mmu.store(start + 7 * PAGE, heap(8), 0, 8));
        assertEquals(FaultCause.PERMISSION, mmu.faultCause());
        assertEquals(2 * refusals, posix.refused.get());
        assertEquals(2, asked.get());
        handle((vaddr, access) -> enter(vaddr, MmuFlags.RW));
        assertEquals(8, mmu.load(start + 4 * PAGE, heap(8), 0, 8));
        assertEquals(8, mmu.store(start + 7 * PAGE, heap(8), 0, 8));
        assertEquals(4, asked.get());
    }

    /// Where the host will not arm a page, accesses come back as without userfaultfd.
    @Test
    void pageThatCannotBeArmedFaultsByItself() {
        handle(this::refuse);
        enter(start, MmuFlags.RW);
        posix.refusals.set(1);
        table.unmap(start);
        assertEquals(1, posix.refused.get());
        assertEquals(0, mmu.load(start, heap(8), 0, 8));
        assertEquals(FaultCause.NOT_PRESENT, mmu.faultCause());
        enter(start, MmuFlags.RW);
        posix.refusals.set(1);
        table.remap(start, base + PAGE, MmuFlags.R);
        assertEquals(2, posix.refused.get());
        assertEquals(0, mmu.store(start, heap(8), 0, 8));
        assertEquals(FaultCause.PERMISSION, mmu.faultCause());
        assertEquals(8, mmu.load(start, heap(8), 0, 8));
        assertEquals(0, asked.get());
    }

    /// A debugger of this process, say.
    @Test
    void accessOfNoProcessorGetsWhatTheEntryAllows() {
        handle((vaddr, access) -> enter(vaddr, MmuFlags.RW));
        enter(start + PAGE, MmuFlags.R);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment own = arena.allocate(8);
            var scratch = new CallScratch();
            scratch.describe(own.address(), table.hostAddress(start), 8);
            assertEquals(-Errno.EFAULT, posix.readOwnMemory(scratch));
            scratch.describe(own.address(), table.hostAddress(start + PAGE), 8);
            assertEquals(-Errno.EFAULT, posix.writeOwnMemory(scratch));
        }
        assertEquals(0, asked.get());
        assertEquals(0, mmu.load(start, heap(8), 0, 8));
        enter(start, MmuFlags.RW);
        assertEquals(8, mmu.store(start, heap(8), 0, 8));
    }

    /// Virtual threads that wait in the host must leave their carriers to those that they wait for.
    @Test
    void virtualThreadsAreHeldWithoutTheirCarriers() throws Exception {
        int count = 4 * Runtime.getRuntime().availableProcessors();
        var lock = new ReentrantLock();
        var allHeld = new CountDownLatch(count);
        handle((vaddr, access) -> {
            allHeld.countDown();
            lock.lock(); // held by a virtual thread that needs a carrier to give it back
            try {
                return enter(vaddr, MmuFlags.RW);
            } finally {
                lock.unlock();
            }
        });
        List<Mmu> mmus = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Mmu next = hal.newMmu();
            next.activate(table);
            mmus.add(next);
        }
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var locked = new CountDownLatch(1);
            Future<?> owner =
                    threads.submit(() -> {
                        lock.lock();
                        try {
                            locked.countDown();
                            await(allHeld);
                        } finally {
                            lock.unlock();
                        }
                    });
            await(locked);
            List<Future<Long>> loads = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                long vaddr = start + i * PAGE;
                Mmu own = mmus.get(i);
                loads.add(threads.submit(() -> own.load(vaddr, heap(8), 0, 8)));
            }
            for (Future<Long> load : loads) {
                assertEquals(8, load.get());
            }
            owner.get();
        }
        assertEquals(count, asked.get());
    }

    @Test
    void closingGivesThreadsAndDescriptorsBack() {
        List<Long> descriptors = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            try (UnixMmapHal other = Userfaultfd.open(Posix.get(), HalConfig.DEFAULT);
                    Mmu processor = other.newMmu()) {
                var own = other.newPageTable(AddressSpaceKind.USER);
                own.setFaultHandler(this::refuse);
                processor.activate(own);
                assertEquals(0, processor.load(own.firstAddress(), heap(8), 0, 8));
                assertTrue(faultThreads() >= 2);
            }
            assertEquals(0, faultThreads()); // this test's own machine has no handler, so no thread
            descriptors.add(HostMaps.descriptors());
        }
        assertEquals(1, descriptors.stream().distinct().count(), descriptors.toString());
    }

    private static long faultThreads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("jircon-fault"))
                .count();
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException never) {
            throw new AssertionError(never);
        }
    }
}
