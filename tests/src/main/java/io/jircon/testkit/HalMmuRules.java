package io.jircon.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageFault;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Access through the MMU: data, faults, and translations that must not outlive their entries.
abstract class HalMmuRules extends HalRangeRules {
    HalMmuRules() {}

    /// If it fails: the transfer must go page by page; frames are not in address order.
    @Test
    void required_bytesArriveAcrossPages() {
        long[] f = frames(3);
        table.mapPages(
                seam - PAGE, new long[] {f[2], f[0], f[1]}, 0, 3, MmuFlags.RWX, OnExisting.ERROR);
        try (Arena arena = Arena.ofConfined()) {
            long length = 2 * PAGE + 77;
            long at = seam - PAGE + 501;
            MemorySegment out = arena.allocate(length + 3);
            for (long i = 0; i < length; i++) {
                out.set(ValueLayout.JAVA_BYTE, 3 + i, (byte) (i * 31 + (i >> 8)));
            }
            assertEquals(length, mmu.store(at, out, 3, length), () -> "" + mmu.fault());
            MemorySegment in = arena.allocate(length + 5);
            assertEquals(length, mmu.load(at, in, 5, length));
            assertEquals(
                    -1, out.asSlice(3, length).mismatch(in.asSlice(5, length)), "bytes loaded");
            in.fill((byte) 0);
            assertEquals(length, mmu.fetch(at, in, 5, length));
            assertEquals(
                    -1, out.asSlice(3, length).mismatch(in.asSlice(5, length)), "bytes fetched");
            MemorySegment frame = hal.memory().slice(f[0], PAGE);
            assertEquals(
                    -1,
                    frame.mismatch(out.asSlice(3 + PAGE - 501, PAGE)),
                    "the middle page's bytes in its frame");
        }
    }

    /// If it fails: the fault registers name the first byte that could not be moved, the access and
    /// the cause; the bytes before it have been moved, the rest of the target is untouched.
    @Test
    void required_transferStopsAtTheFirstBadByte() {
        map(seam, frame(), MmuFlags.RWX);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(64);
            buffer.fill((byte) 7);
            long at = seam + PAGE - 10;
            assertEquals(10, mmu.store(at, buffer, 0, 64));
            assertEquals(
                    new PageFault(seam + PAGE, AccessKind.WRITE, FaultCause.NOT_PRESENT),
                    mmu.fault());
            buffer.fill((byte) 1);
            assertEquals(10, mmu.load(at, buffer, 0, 64));
            assertEquals(7, buffer.get(ValueLayout.JAVA_BYTE, 9));
            assertEquals(1, buffer.get(ValueLayout.JAVA_BYTE, 10));
            assertEquals(
                    new PageFault(seam + PAGE, AccessKind.READ, FaultCause.NOT_PRESENT),
                    mmu.fault());
            assertEquals(10, mmu.fetch(at, buffer, 0, 64));
            assertEquals(
                    new PageFault(seam + PAGE, AccessKind.EXECUTE, FaultCause.NOT_PRESENT),
                    mmu.fault());
            assertEquals(0, mmu.load(seam + PAGE + 17, buffer, 0, 1));
            assertEquals(seam + PAGE + 17, mmu.faultAddress());
            assertEquals(0, mmu.load(seam - 3, buffer, 0, 8));
            assertEquals(seam - 3, mmu.faultAddress());
        }
    }

    /// If it fails: READ needs READ, WRITE needs READ and WRITE, fetch needs EXECUTE; a refused
    /// access has cause PERMISSION. Execute-only needs the HAL's fetch not to ask for READ.
    @Test
    @Tag("V-8")
    void required_everyFlagSetAllowsJustItsAccesses() {
        long paddr = frame();
        for (int bits = 1; bits < 8; bits++) {
            MmuFlags flags = MmuFlags.of(bits);
            if (!table.supports(flags)) {
                continue;
            }
            map(seam, paddr, flags);
            boolean reads = flags.canRead();
            assertEquals(reads, canLoad(seam + 16), () -> "load of " + flags);
            assertCauseUnless(reads, AccessKind.READ, flags);
            boolean writes = flags.canRead() && flags.canWrite();
            assertEquals(writes, canStore(seam + 16, 5), () -> "store to " + flags);
            assertCauseUnless(writes, AccessKind.WRITE, flags);
            boolean fetches = flags.canExecute();
            assertEquals(fetches, canFetch(seam + 16), () -> "fetch of " + flags);
            assertCauseUnless(fetches, AccessKind.EXECUTE, flags);
            table.unmap(seam);
        }
    }

    private void assertCauseUnless(boolean allowed, AccessKind access, MmuFlags flags) {
        if (!allowed) {
            assertEquals(
                    new PageFault(seam + 16, access, FaultCause.PERMISSION),
                    mmu.fault(),
                    () -> "fault of " + access + " with " + flags);
        }
    }

    /// If it fails: a refused store must leave the bytes alone.
    @Test
    void required_refusedStoreChangesNoByte() {
        long paddr = frame();
        mark(paddr, 0x1122334455667788L);
        map(seam, paddr, MmuFlags.R);
        assertFalse(canStore(seam, 1));
        assertEquals(0x1122334455667788L, hal.memory().readLong(paddr));
    }

    /// If it fails: a removal or weakening returned before every MMU dropped its translation. Check
    /// the flush request of the named operation, for each page of a range, and both MMUs.
    @Test
    @Tag("V-285")
    void required_noTranslationOutlivesItsEntry() {
        long[] f = frames(4);
        Mmu second = newMmu();
        second.activate(table);
        for (Change change : Change.values()) {
            for (int i = 0; i < 4; i++) {
                mark(f[i], 100 + i);
            }
            table.mapPages(seam, f, 0, 3, MmuFlags.RWX, OnExisting.ERROR);
            for (Mmu each : new Mmu[] {mmu, second}) {
                for (int i = 0; i < 3; i++) {
                    assertEquals(100 + i, load(each, seam + i * PAGE));
                    assertEquals(8, storeWord(each, seam + i * PAGE, 100 + i));
                    assertEquals(8, fetchWord(each, seam + i * PAGE));
                }
            }
            change.apply(table, seam, f);
            for (Mmu each : new Mmu[] {mmu, second}) {
                for (int i = 0; i < 3; i++) {
                    long at = seam + i * PAGE;
                    String text = change + ", page " + i + ", MMU " + (each == mmu ? 1 : 2);
                    boolean present = table.translate(at) != PageTableTrait.NO_TRANSLATION;
                    assertEquals(present ? 8 : 0, loadWord(each, at), "load: " + text);
                    if (present) {
                        MmuFlags flags = table.query(at).flags();
                        assertEquals(
                                hal.memory().readLong(table.translate(at)),
                                load(each, at),
                                "data: " + text);
                        assertEquals(
                                flags.canWrite() ? 8 : 0,
                                storeWord(each, at, 77),
                                "store: " + text);
                        assertEquals(
                                flags.canExecute() ? 8 : 0, fetchWord(each, at), "fetch: " + text);
                    }
                }
            }
            table.unmapRange(seam, 4 * PAGE);
        }
        if (has(HalFeature.HUGE_2M)) {
            long huge = run(512, 21);
            table.map(seam, huge, PageSize.SIZE_2M, MmuFlags.RW);
            for (int i = 0; i < 512; i += 73) {
                load(mmu, seam + i * PAGE);
                load(second, seam + i * PAGE);
            }
            table.unmapRange(seam + 73 * PAGE, PAGE);
            assertEquals(0, loadWord(mmu, seam + 73 * PAGE), "page cut out of a huge leaf");
            assertEquals(0, loadWord(second, seam + 73 * PAGE), "the same from another MMU");
            table.unmap(seam);
            assertEquals(0, loadWord(mmu, seam), "start of what is left");
        }
    }

    private static long loadWord(Mmu by, long vaddr) {
        return by.load(vaddr, MemorySegment.ofArray(new long[1]), 0, 8);
    }

    private static long storeWord(Mmu by, long vaddr, long value) {
        return by.store(vaddr, MemorySegment.ofArray(new long[] {value}), 0, 8);
    }

    private static long fetchWord(Mmu by, long vaddr) {
        return by.fetch(vaddr, MemorySegment.ofArray(new long[1]), 0, 8);
    }

    /// Ways to take or weaken the entries of pages 0, 1, 2 at `at`, which show f[0], f[1], f[2].
    private enum Change {
        UNMAP {
            @Override
            void apply(PageTableTrait t, long at, long[] f) {
                t.unmap(at + PAGE);
            }
        },
        UNMAP_RANGE {
            @Override
            void apply(PageTableTrait t, long at, long[] f) {
                t.unmapRange(at, 2 * PAGE);
            }
        },
        PROTECT {
            @Override
            void apply(PageTableTrait t, long at, long[] f) {
                t.protect(at + 2 * PAGE, MmuFlags.R);
            }
        },
        PROTECT_RANGE {
            @Override
            void apply(PageTableTrait t, long at, long[] f) {
                t.protectRange(at + PAGE, 2 * PAGE, MmuFlags.R);
            }
        },
        WRITE_PROTECT {
            @Override
            void apply(PageTableTrait t, long at, long[] f) {
                t.writeProtectRange(at, 3 * PAGE);
            }
        },
        REMAP {
            @Override
            void apply(PageTableTrait t, long at, long[] f) {
                t.remap(at, f[3], MmuFlags.R);
            }
        },
        UPGRADE {
            @Override
            void apply(PageTableTrait t, long at, long[] f) {
                t.mapPages(at + PAGE, f, 2, 2, MmuFlags.R, OnExisting.UPGRADE);
            }
        };

        abstract void apply(PageTableTrait t, long at, long[] f);
    }

    /// If it fails: an access under way kept a translation after the call that removed it returned.
    @Test
    @Tag("V-285")
    void required_concurrentReaderNeverSeesAFrameAfterItsUnmap() throws Exception {
        long[] f = frames(2);
        Mmu second = newMmu();
        second.activate(table);
        AtomicReference<String> wrong = new AtomicReference<>();
        Thread reader =
                new Thread(() -> {
                    long[] word = new long[1];
                    MemorySegment target = MemorySegment.ofArray(word);
                    while (!Thread.currentThread().isInterrupted()) {
                        if (second.load(seam, target, 0, 8) == 8 && word[0] == -1) {
                            wrong.set("read a frame after its page was unmapped");
                            return;
                        }
                    }
                });
        reader.start();
        try {
            for (int i = 0; i < 2_000 && reader.isAlive(); i++) {
                long paddr = f[i & 1];
                mark(paddr, 1);
                map(seam, paddr, MmuFlags.RW);
                load(seam);
                table.unmap(seam);
                mark(paddr, -1); // another owner's data from here on
            }
        } finally {
            reader.interrupt();
            reader.join();
        }
        assertEquals(null, wrong.get());
    }

    /// If it fails: activation, closed tables and foreign machines.
    @Test
    @Tag("A-169")
    void required_accessNeedsAnOpenActiveTable() {
        Mmu fresh = newMmu();
        assertRefused(PagingError.BAD_STATE, () -> loadWord(fresh, seam));
        PageTableTrait shortLived = newTable(AddressSpaceKind.USER);
        shortLived.map(seamOf(shortLived), frame(), PageSize.SIZE_4K, MmuFlags.RW);
        fresh.activate(shortLived);
        assertEquals(8, loadWord(fresh, seamOf(shortLived)));
        shortLived.close();
        assertRefused(PagingError.BAD_STATE, () -> loadWord(fresh, seam));
        assertRefused(PagingError.BAD_STATE, () -> fresh.activate(shortLived));
        fresh.activate(table);
        assertEquals(0, loadWord(fresh, seam));
    }

    /// If it fails: a transfer that loses its table on the way must end as at a fault and say how
    /// many bytes it moved; one that moved none must be refused.
    @Test
    void required_tableClosedDuringATransferEndsItWithWhatItMoved() throws Exception {
        long paddr = frame();
        hal.memory().slice(paddr, PAGE).fill((byte) -1);
        for (int round = 0; round < 20; round++) {
            PageTableTrait shortLived = newTable(AddressSpaceKind.USER);
            long at = seamOf(shortLived);
            for (int page = 0; page < 256; page++) {
                shortLived.map(at + page * PAGE, paddr, PageSize.SIZE_4K, MmuFlags.RW);
            }
            Mmu reader = newMmu();
            reader.activate(shortLived);
            var begun = new CountDownLatch(1);
            try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
                Future<?> reading = thread.submit(() -> loadUntilClosed(reader, at, begun));
                begun.await();
                shortLived.close();
                reading.get();
            }
            reader.close();
        }
    }

    private static void loadUntilClosed(Mmu by, long at, CountDownLatch begun) {
        MemorySegment target = MemorySegment.ofArray(new byte[256 * (int) PAGE]);
        MemorySegment expected = MemorySegment.ofArray(new byte[256 * (int) PAGE]);
        long moved = target.byteSize();
        while (moved == target.byteSize()) {
            target.fill((byte) 0);
            try {
                moved = by.load(at, target, 0, target.byteSize());
            } catch (PagingException refused) {
                assertEquals(PagingError.BAD_STATE, refused.error());
                moved = 0;
            }
            begun.countDown();
        }
        expected.asSlice(0, moved).fill((byte) -1);
        assertEquals(-1, expected.mismatch(target), "bytes other than the " + moved + " moved");
        if (moved != 0) {
            assertEquals(
                    new PageFault(at + moved, AccessKind.READ, FaultCause.NOT_PRESENT), by.fault());
        }
    }

    /// If it fails: a caller's buffer is checked like any Java array's, before anything moves.
    @Test
    void required_smallBufferIsRefused() {
        map(seam, frame(), MmuFlags.RWX);
        MemorySegment small = MemorySegment.ofArray(new byte[8]);
        assertThrows(IndexOutOfBoundsException.class, () -> mmu.load(seam, small, 4, 8));
        assertThrows(IndexOutOfBoundsException.class, () -> mmu.store(seam, small, 0, 9));
        assertThrows(IndexOutOfBoundsException.class, () -> mmu.fetch(seam, small, -1, 4));
        assertEquals(0, mmu.load(seam, small, 0, 0), "an empty transfer");
    }

    /// If it fails: what the table's walker says must be what the MMU does, for hits and faults.
    @Test
    void required_explainAgreesWithTheMmu() {
        map(seam, frame(), MmuFlags.R);
        var hit = table.explain(seam + 4, AccessKind.READ);
        assertEquals(table.query(seam + 4), hit.mapping());
        assertEquals(null, hit.fault());
        var refused = table.explain(seam + 4, AccessKind.WRITE);
        assertFalse(canStore(seam + 4, 1));
        assertEquals(mmu.fault(), refused.fault());
        var absent = table.explain(seam + PAGE, AccessKind.READ);
        assertFalse(canLoad(seam + PAGE));
        assertEquals(mmu.fault(), absent.fault());
        assertEquals(null, absent.mapping());
        assertTrue(!has(HalFeature.TABLES_IN_MEMORY) || !hit.steps().isEmpty(), "steps");
    }

    /// If it fails: faults are counted, and the registers start at their documented values.
    @Test
    void required_countersAndRegistersStartAtZero() {
        Mmu fresh = newMmu();
        assertEquals(new PageFault(0, AccessKind.READ, FaultCause.NOT_PRESENT), fresh.fault());
        assertEquals(0, fresh.stats().faults());
        fresh.activate(table);
        loadWord(fresh, seam);
        assertEquals(1, fresh.stats().faults());
        fresh.close();
        fresh.close();
    }
}
