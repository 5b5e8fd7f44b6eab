package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Messages of held accesses that are read while pages are woken.
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HeldMarksTest {
    private static final long PAGE = PageSize.BASE_BYTES;

    private final WatchedCalls calls = new WatchedCalls();
    private final UnixMmapHal hal =
            Userfaultfd.open(
                    Posix.get(),
                    calls,
                    HalConfig.DEFAULT.withMemoryBytes(16 * PAGE).withOption("window", "1M"));
    private final HeldMarks marks = hal.heldFaults().marks();
    private final UnixMmapPageTable table =
            (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER);
    private final long start = table.firstAddress();
    private final Mmu mmu = hal.newMmu();
    private final AtomicInteger asked = new AtomicInteger();

    HeldMarksTest() {
        mmu.activate(table);
        table.setFaultHandler((vaddr, access) -> {
            asked.incrementAndGet();
            table.map(vaddr, hal.memory().base(), PageSize.SIZE_4K, MmuFlags.RW);
            return true;
        });
    }

    @AfterEach
    @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void everythingIsGivenBack() {
        hal.close();
    }

    private long load() {
        return mmu.load(start, MemorySegment.ofArray(new byte[8]), 0, 8);
    }

    /// The access has gone on when its message is looked at: it must not count as held.
    @Test
    void accessThatIsWokenBeforeItIsMarkedIsNotMarked() {
        calls.onceRead.set(() -> marks.goOn(table.hostAddress(start), PAGE));
        assertEquals(8, load());
        assertEquals(1, marks.missingFaults());
        assertEquals(1, asked.get());
        assertTrue(calls.messages.get() >= 2, () -> calls.messages + " messages");
    }

    @Test
    void accessIsMarkedThoughAnotherPageIsWoken() {
        calls.onceRead.set(() -> marks.goOn(table.hostAddress(start + PAGE), PAGE));
        assertEquals(8, load());
        assertEquals(1, marks.missingFaults());
        assertEquals(1, calls.messages.get());
    }

    /// Nobody knows whether the host did that wake before the access was held or after.
    @Test
    void accessIsNotMarkedWhileAWakeOfItsPageIsUnderWay() throws Exception {
        var waking = new CountDownLatch(1);
        calls.onceWaking.set(() -> {
            waking.countDown();
            while (calls.messages.get() < 3) {
                Thread.onSpinWait();
            }
            assertEquals(0, marks.missingFaults());
        });
        try (ExecutorService threads = Executors.newSingleThreadExecutor()) {
            Future<?> wake = threads.submit(() -> marks.goOn(table.hostAddress(start), 2 * PAGE));
            waking.await();
            assertEquals(8, load());
            wake.get();
        }
        assertEquals(1, marks.missingFaults());
        assertEquals(1, asked.get());
        assertTrue(calls.messages.get() > 3, () -> calls.messages + " messages");
    }
}
