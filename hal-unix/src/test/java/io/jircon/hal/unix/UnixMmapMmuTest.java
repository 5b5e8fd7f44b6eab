package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AccessWidth;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.AtomicAccess;
import io.jircon.hal.AtomicUpdate;
import io.jircon.hal.FaultCause;
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
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class UnixMmapMmuTest {
    private static final long PAGE = PageSize.BASE_BYTES;

    private final UnixMmapHal hal =
            UnixMmapHal.open(
                    HalConfig.DEFAULT.withMemoryBytes(16L << 20).withOption("window", "4M"));
    private final long base = hal.memory().base();
    private UnixMmapPageTable table;
    private Mmu mmu;
    private long start;

    @BeforeEach
    void machine() {
        table = (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER);
        start = table.firstAddress();
        mmu = hal.newMmu();
        mmu.activate(table);
    }

    @AfterEach
    void everythingIsGivenBack() {
        hal.close();
    }

    private void map(long page, long frame, long count, MmuFlags flags) {
        table.mapRange(
                start + page * PAGE,
                base + frame * PAGE,
                count * PAGE,
                flags,
                HugePages.ALLOWED,
                OnExisting.ERROR);
    }

    private static MemorySegment heap(long bytes) {
        return MemorySegment.ofArray(new byte[(int) bytes]);
    }

    @ParameterizedTest(name = "kind={0}")
    @EnumSource(
            value = AddressSpaceKind.class,
            names = {"USER", "GUEST"})
    void storedBytesAreInTheFrameAndComeBack(AddressSpaceKind kind) {
        try (var own = hal.newPageTable(kind)) {
            mmu.activate(own);
            long vaddr = own.firstAddress() + 3 * PAGE;
            own.map(vaddr, base + 5 * PAGE, PageSize.SIZE_4K, MmuFlags.RW);
            MemorySegment word = heap(8);
            word.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, 0x1122334455667788L);
            assertEquals(8, mmu.store(vaddr + 16, word, 0, 8));
            assertEquals(0x1122334455667788L, hal.memory().readLong(base + 5 * PAGE + 16));
            MemorySegment back = heap(8);
            assertEquals(8, mmu.load(vaddr + 16, back, 0, 8));
            assertEquals(-1, word.mismatch(back));
        }
    }

    @Test
    void transferStopsAtTheFirstByteThatIsNotMapped() {
        map(0, 0, 3, MmuFlags.RW);
        MemorySegment target = heap(5 * PAGE);
        assertEquals(3 * PAGE - 100, mmu.load(start + 100, target, 0, 5 * PAGE));
        assertEquals(
                new PageFault(start + 3 * PAGE, AccessKind.READ, FaultCause.NOT_PRESENT),
                mmu.fault());
    }

    @Test
    void storeStopsAtTheFirstReadOnlyByte() {
        map(0, 0, 2, MmuFlags.RW);
        map(2, 2, 1, MmuFlags.R);
        MemorySegment source = heap(3 * PAGE);
        source.fill((byte) 7);
        assertEquals(2 * PAGE - 8, mmu.store(start + 8, source, 0, 3 * PAGE));
        assertEquals(
                new PageFault(start + 2 * PAGE, AccessKind.WRITE, FaultCause.PERMISSION),
                mmu.fault());
        assertEquals(0x0707070707070707L, hal.memory().readLong(base + 2 * PAGE - 8));
        assertEquals(0, hal.memory().readLong(base + 2 * PAGE));
    }

    @Test
    void fetchNeedsExecute() {
        map(0, 0, 1, MmuFlags.RX);
        map(1, 1, 1, MmuFlags.RW);
        MemorySegment target = heap(2 * PAGE);
        assertEquals(PAGE, mmu.fetch(start, target, 0, 2 * PAGE));
        assertEquals(
                new PageFault(start + PAGE, AccessKind.EXECUTE, FaultCause.PERMISSION),
                mmu.fault());
        assertEquals(0, mmu.fetch(start + 2 * PAGE, target, 0, 1));
        assertEquals(FaultCause.NOT_PRESENT, mmu.faultCause());
    }

    @Test
    void addressesOutsideTheWindowFault() {
        map(1023, 0, 1, MmuFlags.RW); // the window's last page
        MemorySegment target = heap(2 * PAGE);
        assertEquals(PAGE, mmu.load(start + 1023 * PAGE, target, 0, 2 * PAGE));
        assertEquals(
                new PageFault(start + 1024 * PAGE, AccessKind.READ, FaultCause.ADDRESS_SIZE),
                mmu.fault());
        assertEquals(0, mmu.load(start - 1, target, 0, 1));
        assertEquals(FaultCause.ADDRESS_SIZE, mmu.faultCause());
        assertEquals(0, mmu.load(target.address(), target, 0, 1));
        assertEquals(0, mmu.load(-1L, target, 0, 1));
    }

    @Test
    void frameOutsideTheMemoryIsAnExternalFault() {
        table.map(start, base + (64L << 20), PageSize.SIZE_4K, MmuFlags.RW);
        assertEquals(0, mmu.load(start, heap(1), 0, 1));
        assertEquals(new PageFault(start, AccessKind.READ, FaultCause.EXTERNAL), mmu.fault());
    }

    @Test
    @Tag("A-156")
    void atomicActsStayInTheWindowAndInTheMemory() {
        var add = new AtomicAccess().update(AtomicUpdate.ADD, AccessWidth.QWORD, 5);
        map(1023, 3, 1, MmuFlags.RW); // the window's last page
        assertTrue(mmu.atomic(start + 1024 * PAGE - 8, add));
        assertEquals(5, hal.memory().readLong(base + 4 * PAGE - 8));
        assertFalse(mmu.atomic(start + 1024 * PAGE, add));
        assertEquals(
                new PageFault(start + 1024 * PAGE, AccessKind.WRITE, FaultCause.ADDRESS_SIZE),
                mmu.fault());
        table.map(start, base + (64L << 20), PageSize.SIZE_4K, MmuFlags.RW);
        assertFalse(mmu.atomic(start, add));
        assertEquals(new PageFault(start, AccessKind.WRITE, FaultCause.EXTERNAL), mmu.fault());
        table.close();
        assertBadState(() -> mmu.atomic(start, add));
        assertEquals(3, mmu.stats().accesses());
        assertEquals(2, mmu.stats().faults());
    }

    @Test
    void everyKindOfSegmentCanBeUsed() {
        map(0, 0, 600, MmuFlags.RW);
        long bytes = 600 * PAGE - 24;
        try (Arena confined = Arena.ofConfined();
                Arena shared = Arena.ofShared()) {
            MemorySegment[] kinds = {
                heap(bytes),
                confined.allocate(bytes),
                shared.allocate(bytes),
                Arena.ofAuto().allocate(bytes)
            };
            for (int i = 0; i < kinds.length; i++) {
                MemorySegment source = kinds[i];
                MemorySegment target = kinds[(i + 1) % kinds.length];
                for (long at = 0; at < bytes; at += 8) {
                    source.set(ValueLayout.JAVA_LONG_UNALIGNED, at, at * (i + 3));
                }
                assertEquals(bytes, mmu.store(start + 8, source.asReadOnly(), 0, bytes));
                assertEquals(bytes, mmu.load(start + 8, target, 0, bytes));
                assertEquals(-1, source.mismatch(target), "kind " + i);
            }
        }
    }

    @Test
    void statisticsCountPagesAndFaults() {
        map(0, 0, 2, MmuFlags.R);
        mmu.load(start + PAGE - 4, heap(8), 0, 8);
        mmu.load(start + 5 * PAGE, heap(8), 0, 8);
        assertEquals(3, mmu.stats().accesses());
        assertEquals(1, mmu.stats().faults());
    }

    @Test
    void closedTableAndForeignTableAreBadState() {
        map(0, 0, 1, MmuFlags.RW);
        table.close();
        assertBadState(() -> mmu.load(start, heap(1), 0, 1));
        assertBadState(() -> mmu.activate(table));
        try (var other = UnixMmapHal.open(HalConfig.DEFAULT);
                var foreign = other.newPageTable(AddressSpaceKind.USER)) {
            assertBadState(() -> mmu.activate(foreign));
        }
        assertBadState(() -> hal.newMmu().load(start, heap(1), 0, 1));
        mmu.close();
        mmu.close();
        assertBadState(() -> mmu.load(start, heap(1), 0, 1));
    }

    private static void assertBadState(org.junit.jupiter.api.function.Executable call) {
        assertEquals(PagingError.BAD_STATE, assertThrows(PagingException.class, call).error());
    }

    /// A reader must see the page's own data or a fault, whatever another thread does (V-280).
    @Test
    @Tag("V-280")
    void readerNeverSeesAnotherMappingsData() throws Exception {
        hal.memory().slice(base, PAGE).fill((byte) 1);
        hal.memory().slice(base + PAGE, PAGE).fill((byte) 2);
        var stop = new AtomicBoolean();
        var begin = new CyclicBarrier(2);
        Callable<long[]> reader =
                () -> {
                    MemorySegment target = heap(64);
                    long[] seen = new long[3];
                    begin.await();
                    while (!stop.get()) {
                        long got = mmu.load(start, target, 0, 64);
                        seen[got == 0 ? 0 : target.get(ValueLayout.JAVA_BYTE, 63)]++;
                    }
                    return seen;
                };
        try (var threads = Executors.newSingleThreadExecutor()) {
            Future<long[]> running = threads.submit(reader);
            begin.await();
            for (int i = 0; i < 20_000; i++) {
                map(0, 0, 1, MmuFlags.RW);
                // Page 1 of the window shows other data all the time.
                table.mapRange(
                        start + PAGE,
                        base + PAGE,
                        PAGE,
                        MmuFlags.R,
                        HugePages.ALLOWED,
                        OnExisting.SKIP);
                table.unmapRange(start, PAGE);
            }
            stop.set(true);
            long[] seen = running.get();
            assertEquals(0, seen[2]);
            assertTrue(seen[0] > 0, "the reader never met an unmapped page");
        }
    }

    /// When unmap has returned, no store that was under way can reach the frame.
    @Test
    @Tag("V-285")
    void frameIsQuietOnceUnmapReturned() throws Exception {
        var stop = new AtomicBoolean();
        try (var threads = Executors.newSingleThreadExecutor()) {
            Future<?> writer =
                    threads.submit(() -> {
                        MemorySegment ones = heap(64 * PAGE);
                        ones.fill((byte) 1);
                        while (!stop.get()) {
                            mmu.store(start, ones, 0, 64 * PAGE);
                        }
                    });
            for (int i = 0; i < 2_000; i++) {
                map(0, 0, 64, MmuFlags.RW);
                table.unmapRange(start, 64 * PAGE);
                hal.memory().zero(base, 64 * PAGE);
                for (long page = 0; page < 64; page++) {
                    assertEquals(0, hal.memory().readLong(base + page * PAGE + PAGE - 8));
                }
            }
            stop.set(true);
            writer.get();
        }
    }

    @Test
    void twoThreadsOnOneMmuAreRefusedOrServedButNeverMixedUp() throws Exception {
        map(0, 0, 64, MmuFlags.RW);
        try (var threads = Executors.newFixedThreadPool(2)) {
            Callable<Long> user =
                    () -> {
                        long refused = 0;
                        try (Arena arena = Arena.ofConfined()) {
                            MemorySegment own = arena.allocate(64 * PAGE);
                            for (int i = 0; i < 5_000; i++) {
                                try {
                                    mmu.load(start, own, 0, (i & 63) * PAGE + 1);
                                } catch (PagingException refusal) {
                                    assertEquals(PagingError.BAD_STATE, refusal.error());
                                    refused++;
                                }
                            }
                        }
                        return refused;
                    };
            Future<Long> first = threads.submit(user);
            Future<Long> second = threads.submit(user);
            assertTrue(first.get() + second.get() < 10_000, "nobody was served");
        }
    }
}
