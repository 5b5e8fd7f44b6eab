package io.jircon.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AccessWidth;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.AtomicAccess;
import io.jircon.hal.AtomicUpdate;
import io.jircon.hal.FaultCause;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageFault;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Atomic acts through the MMU: one step for everybody, with the rights of the page, and never on a
/// frame that was taken away.
abstract class HalAtomicRules extends HalMmuRules {
    private static final long WORD = 0x1122_3344_8899_aabbL;

    private final AtomicAccess access = new AtomicAccess();

    HalAtomicRules() {}

    /// If it fails: the act must go to the word's own bytes, once, and answer what was there.
    @Test
    @Tag("A-156")
    void required_everyAtomicActDoesWhatItSays() {
        long paddr = frame();
        map(seam, paddr, MmuFlags.RW);
        long o = 0x0f0f_0f0f_f0f0_f0f0L;
        assertAct(paddr, access.load(AccessWidth.QWORD), WORD, WORD);
        assertAct(paddr, access.store(AccessWidth.QWORD, o), null, o);
        for (AtomicUpdate update : AtomicUpdate.values()) {
            assertAct(paddr, access.update(update, AccessWidth.QWORD, o), WORD, of(update, o));
            long low = of(update, o) & 0xffff_ffffL;
            assertAct(
                    paddr,
                    access.update(update, AccessWidth.DWORD, o),
                    WORD & 0xffff_ffffL,
                    WORD & ~0xffff_ffffL | low);
        }
        assertAct(paddr, access.load(AccessWidth.DWORD), WORD & 0xffff_ffffL, WORD);
        long stored = WORD & ~0xffff_ffffL | o & 0xffff_ffffL;
        assertAct(paddr, access.store(AccessWidth.DWORD, o), null, stored);
        assertAct(paddr, access.compareAndExchange(AccessWidth.QWORD, WORD, o), WORD, o);
        assertAct(paddr, access.compareAndExchange(AccessWidth.QWORD, WORD + 1, o), WORD, WORD);
        long found = WORD & 0xffff_ffffL;
        assertAct(paddr, access.compareAndExchange(AccessWidth.DWORD, WORD, o), found, stored);
        assertAct(paddr, access.compareAndExchange(AccessWidth.DWORD, 1, o), found, WORD);
    }

    private static long of(AtomicUpdate update, long operand) {
        return switch (update) {
            case SET -> operand;
            case ADD -> WORD + operand;
            case AND -> WORD & operand;
            case OR -> WORD | operand;
            case XOR -> WORD ^ operand;
        };
    }

    /// @param before what the act must answer, or null when it finds nothing
    private void assertAct(long paddr, AtomicAccess act, @Nullable Long before, long after) {
        mark(paddr + 24, 0x55);
        mark(paddr + 32, WORD);
        mark(paddr + 40, 0x77);
        assertTrue(mmu.atomic(seam + 32, act), () -> "" + mmu.fault());
        if (before != null) {
            assertEquals(before, act.before(), "the word before");
        }
        assertEquals(after, hal.memory().readLong(paddr + 32), "the word after");
        assertEquals(0x55, hal.memory().readLong(paddr + 24), "the bytes in front");
        assertEquals(0x77, hal.memory().readLong(paddr + 40), "the bytes behind");
    }

    /// If it fails: the upper half of a page's last 8 bytes is a word like any other.
    @Test
    @Tag("A-156")
    void required_lastWordOfAPageIsAWord() {
        long paddr = frame();
        map(seam, paddr, MmuFlags.RW);
        long last = PAGE - 4;
        mark(paddr + PAGE - 8, WORD);
        assertTrue(mmu.atomic(seam + last, access.update(AtomicUpdate.ADD, AccessWidth.DWORD, 1)));
        assertEquals(WORD >>> 32, access.before());
        assertEquals(WORD + (1L << 32), hal.memory().readLong(paddr + PAGE - 8));
    }

    /// If it fails: a load needs READ; everything else, a failing exchange too, needs WRITE. A
    /// refused act changes nothing and says what it wanted.
    @Test
    @Tag("A-156")
    void required_atomicActsHaveTheRightsOfThePage() {
        long paddr = frame();
        mark(paddr, WORD);
        map(seam, paddr, MmuFlags.R);
        assertTrue(mmu.atomic(seam, access.load(AccessWidth.QWORD)));
        assertEquals(WORD, access.before());
        List<AtomicAccess> writes = new ArrayList<>();
        writes.add(new AtomicAccess().store(AccessWidth.DWORD, 1));
        writes.add(new AtomicAccess().compareAndExchange(AccessWidth.QWORD, WORD + 1, 1));
        writes.add(new AtomicAccess().compareAndExchange(AccessWidth.QWORD, WORD, 1));
        for (AtomicUpdate update : AtomicUpdate.values()) {
            writes.add(new AtomicAccess().update(update, AccessWidth.QWORD, 1));
        }
        for (AtomicAccess write : writes) {
            assertFalse(mmu.atomic(seam, write));
            assertEquals(new PageFault(seam, AccessKind.WRITE, FaultCause.PERMISSION), mmu.fault());
            assertEquals(WORD, hal.memory().readLong(paddr), "a refused act changed the word");
            assertEquals(0, write.before(), "a refused act found something");
        }
        assertFalse(mmu.atomic(seam + PAGE + 8, access.load(AccessWidth.DWORD)));
        assertEquals(
                new PageFault(seam + PAGE + 8, AccessKind.READ, FaultCause.NOT_PRESENT),
                mmu.fault());
        table.protect(seam, MmuFlags.RW);
        assertTrue(mmu.atomic(seam, writes.getFirst()));
    }

    /// If it fails: a misaligned act is the caller's error, not a fault, whatever is mapped there.
    @Test
    @Tag("A-156")
    void required_misalignedAtomicActIsRefusedBeforeAnythingElse() {
        long paddr = frame();
        mark(paddr, WORD);
        map(seam, paddr, MmuFlags.RW);
        assertFalse(mmu.atomic(seam - 8, access.load(AccessWidth.QWORD)));
        PageFault before = mmu.fault();
        var add = new AtomicAccess().update(AtomicUpdate.ADD, AccessWidth.QWORD, 1);
        for (long off : new long[] {1, 2, 4, 7, PAGE - 4, PAGE + 3}) {
            assertRefused(PagingError.NOT_ALIGNED, () -> mmu.atomic(seam + off, add));
        }
        add.update(AtomicUpdate.ADD, AccessWidth.DWORD, 1);
        for (long off : new long[] {1, 2, 3, PAGE - 2}) {
            assertRefused(PagingError.NOT_ALIGNED, () -> mmu.atomic(seam + off, add));
        }
        assertEquals(before, mmu.fault(), "the fault registers");
        assertEquals(WORD, hal.memory().readLong(paddr));
        Mmu idle = newMmu();
        assertRefused(PagingError.NOT_ALIGNED, () -> idle.atomic(seam + 2, add));
        assertRefused(PagingError.BAD_STATE, () -> idle.atomic(seam, add));
    }

    /// If it fails: the act must be one step on the frame's memory, whichever processor and page
    /// table it comes by. A lock of the processor is not enough.
    @Test
    @Tag("A-156")
    void required_addsOfManyProcessorsAndTablesAllCount() throws Exception {
        long paddr = frame();
        mark(paddr, 0);
        PageTableTrait other = newTable(AddressSpaceKind.USER);
        table.map(seam, paddr, PageSize.SIZE_4K, MmuFlags.RW);
        other.map(seamOf(other) + PAGE, paddr, PageSize.SIZE_4K, MmuFlags.RW);
        int each = 20_000;
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            List<Future<?>> adders = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                boolean first = i % 2 == 0;
                Mmu by = newMmu();
                by.activate(first ? table : other);
                long at = first ? seam : seamOf(other) + PAGE;
                boolean byExchange = i == 3;
                adders.add(threads.submit(() -> add(by, at, each, byExchange)));
            }
            for (Future<?> adder : adders) {
                adder.get();
            }
        }
        assertEquals(4L * each, hal.memory().readLong(paddr));
    }

    private static void add(Mmu by, long at, int times, boolean byExchange) {
        var act = new AtomicAccess();
        if (!byExchange) {
            act.update(AtomicUpdate.ADD, AccessWidth.QWORD, 1);
            for (int n = 0; n < times; n++) {
                assertTrue(by.atomic(at, act), () -> "" + by.fault());
            }
            return;
        }
        // An exchange that fails was disturbed by an add of one of the three others.
        int left = times;
        for (int tries = 0; left > 0 && tries < 4 * times; tries++) {
            by.atomic(at, act.load(AccessWidth.QWORD));
            long seen = act.before();
            by.atomic(at, act.compareAndExchange(AccessWidth.QWORD, seen, seen + 1));
            left -= act.before() == seen ? 1 : 0;
        }
        assertEquals(0, left, "exchanges that found another word though nobody changed it");
    }

    /// If it fails: atomic acts must ask the same translation as loads and stores do, which a
    /// removal or weakening drops before it returns.
    @Test
    @Tag("V-285")
    void required_noAtomicActOutlivesItsEntry() {
        long[] f = frames(2);
        map(seam, f[0], MmuFlags.RW);
        access.update(AtomicUpdate.ADD, AccessWidth.QWORD, 1);
        mark(f[0], 10);
        mark(f[1], 20);
        assertTrue(mmu.atomic(seam, access));
        table.remap(seam, f[1], MmuFlags.RW);
        assertTrue(mmu.atomic(seam, access));
        assertEquals(20, access.before());
        table.protect(seam, MmuFlags.R);
        assertFalse(mmu.atomic(seam, access));
        table.protect(seam, MmuFlags.RW);
        assertTrue(mmu.atomic(seam, access));
        table.unmap(seam);
        assertFalse(mmu.atomic(seam, access));
        assertEquals(11, hal.memory().readLong(f[0]));
        assertEquals(22, hal.memory().readLong(f[1]));
    }

    /// If it fails: an act under way went on after the call that took its page away had returned.
    @Test
    @Tag("V-285")
    void required_frameIsQuietForAtomicActsOnceUnmapReturned() throws Exception {
        long[] f = frames(2);
        mark(f[0], -1);
        mark(f[1], -1);
        Mmu second = newMmu();
        second.activate(table);
        var stop = new AtomicBoolean();
        try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
            Future<?> adder =
                    thread.submit(() -> {
                        var add = new AtomicAccess();
                        add.update(AtomicUpdate.ADD, AccessWidth.QWORD, 1);
                        while (!stop.get()) {
                            second.atomic(seam, add);
                        }
                    });
            try {
                for (int i = 0; i < 4_000; i++) {
                    long paddr = f[i & 1];
                    // Another owner's word, since the unmap two rounds ago.
                    assertEquals(-1, hal.memory().readLong(paddr), "round " + i);
                    mark(paddr, 0);
                    map(seam, paddr, MmuFlags.RW);
                    access.load(AccessWidth.QWORD);
                    for (int look = 0; look < 20 && access.before() == 0; look++) {
                        assertTrue(mmu.atomic(seam, access));
                    }
                    table.unmap(seam);
                    mark(paddr, -1);
                }
            } finally {
                stop.set(true);
                adder.get();
            }
        }
    }
}
