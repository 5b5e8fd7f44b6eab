package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class MappedViewTest {
    private static final long PAGE = PageSize.BASE_BYTES;

    private final UnixMmapHal hal =
            UnixMmapHal.open(
                    HalConfig.DEFAULT.withMemoryBytes(8L << 20).withOption("window", "4M"));
    private final UnixMmapPageTable table =
            (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.GUEST);
    private final long base = hal.memory().base();

    @BeforeEach
    void fourPages() {
        table.mapRange(0, base, 4 * PAGE, MmuFlags.RW, HugePages.ALLOWED, OnExisting.ERROR);
    }

    @AfterEach
    void close() {
        hal.close();
    }

    private static void assertEnded(MappedView view) {
        assertFalse(view.isOpen());
        assertThrows(
                IllegalStateException.class, () -> view.segment().get(ValueLayout.JAVA_BYTE, 0));
    }

    @Test
    void viewIsTheMemoryItself() {
        try (MappedView view = table.pin(PAGE - 8, 16, AccessKind.WRITE)) {
            view.segment().set(ValueLayout.JAVA_LONG, 8, 77);
            assertEquals(77, hal.memory().readLong(base + PAGE));
            assertEquals(16, view.segment().byteSize());
        }
    }

    @Test
    void readViewIsReadOnly() {
        try (MappedView view = table.pin(0, PAGE, AccessKind.READ)) {
            assertEquals(0, view.segment().get(ValueLayout.JAVA_LONG, 0));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> view.segment().set(ValueLayout.JAVA_LONG, 0, 1));
        }
    }

    @Test
    void everyOperationThatPullsAPageAwayEndsTheView() {
        List<Runnable> operations =
                List.of(
                        () -> table.unmap(PAGE),
                        () -> table.unmapRange(0, 4 * PAGE),
                        () -> table.remap(PAGE, base + 9 * PAGE, MmuFlags.RW),
                        () -> table.protect(PAGE, MmuFlags.R),
                        () -> table.protectRange(0, 4 * PAGE, MmuFlags.RX),
                        () -> table.writeProtectRange(PAGE, PAGE),
                        () ->
                                table.mapRange(
                                        PAGE,
                                        base + 20 * PAGE,
                                        PAGE,
                                        MmuFlags.RW,
                                        HugePages.ALLOWED,
                                        OnExisting.UPGRADE));
        for (Runnable operation : operations) {
            table.unmapRange(0, 4 * PAGE);
            fourPages();
            MappedView touched = table.pin(PAGE, PAGE, AccessKind.WRITE);
            MappedView apart = table.pin(3 * PAGE, PAGE, AccessKind.READ);
            operation.run();
            assertEnded(touched);
            boolean gone = table.translate(3 * PAGE) == -1;
            assertEquals(!gone, apart.isOpen());
            touched.close();
            apart.close();
        }
    }

    @Test
    void readViewOutlivesTheLossOfWrite() {
        try (MappedView view = table.pin(0, PAGE, AccessKind.READ)) {
            table.writeProtectRange(0, PAGE);
            assertTrue(view.isOpen());
            assertEquals(0, view.segment().get(ValueLayout.JAVA_LONG, 0));
        }
    }

    @Test
    void closingTableOrMachineEndsTheView() {
        MappedView view = table.pin(0, PAGE, AccessKind.READ);
        hal.close();
        assertEnded(view);
        view.close();
        assertEquals(
                PagingError.BAD_STATE,
                assertThrows(PagingException.class, () -> table.pin(0, 1, AccessKind.READ))
                        .error());
    }

    @Test
    void onlyWhatIsThereAndAllowedCanBePinned() {
        table.protect(2 * PAGE, MmuFlags.R);
        table.map(8 * PAGE, base + (1L << 30), PageSize.SIZE_4K, MmuFlags.RW);
        assertRefused(PagingError.NOT_MAPPED, 3 * PAGE, 2 * PAGE, AccessKind.READ);
        assertRefused(PagingError.NOT_MAPPED, 8 * PAGE, 1, AccessKind.READ);
        assertRefused(PagingError.NOT_SUPPORTED, PAGE, 2 * PAGE, AccessKind.WRITE);
        assertRefused(PagingError.NOT_SUPPORTED, 0, PAGE, AccessKind.EXECUTE);
        assertRefused(PagingError.OUT_OF_RANGE, 0, 0, AccessKind.READ);
        assertRefused(PagingError.OUT_OF_RANGE, 0, -5, AccessKind.READ);
        assertRefused(PagingError.OUT_OF_RANGE, table.lastAddress(), 2, AccessKind.READ);
    }

    private void assertRefused(PagingError error, long vaddr, long bytes, AccessKind access) {
        assertEquals(
                error,
                assertThrows(PagingException.class, () -> table.pin(vaddr, bytes, access)).error());
    }

    @Test
    void viewsInUseByOtherThreadsEndWithoutHarm() throws Exception {
        var stop = new AtomicBoolean();
        var copies = new AtomicLong();
        try (var threads = Executors.newSingleThreadExecutor()) {
            Future<Long> reader =
                    threads.submit(() -> {
                        long ended = 0;
                        MemorySegment target = MemorySegment.ofArray(new byte[4096]);
                        while (!stop.get()) {
                            try (MappedView view = table.pin(0, PAGE, AccessKind.READ)) {
                                while (true) {
                                    MemorySegment.copy(view.segment(), 0, target, 0, PAGE);
                                    copies.incrementAndGet();
                                }
                            } catch (IllegalStateException viewEnded) {
                                ended++;
                            } catch (PagingException notThere) {
                                assertEquals(PagingError.NOT_MAPPED, notThere.error());
                            }
                        }
                        return ended;
                    });
            int rounds = 500;
            for (int i = 0; i < rounds; i++) {
                // A copy since the last unmap went through a view that nothing but the next unmap
                // ends.
                long before = copies.get();
                while (copies.get() == before && !reader.isDone()) {
                    Thread.onSpinWait();
                }
                table.unmapRange(0, 4 * PAGE);
                fourPages();
            }
            stop.set(true);
            table.unmapRange(0, 4 * PAGE);
            assertTrue(reader.get() >= rounds, "a view outlived its pages");
        }
    }
}
