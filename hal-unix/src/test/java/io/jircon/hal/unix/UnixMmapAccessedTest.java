package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HugePages;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.UnusedTables;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Which pages were accessed, where it matters that accesses are calls of the host and views: what
/// every HAL does is in the conformance kit.
@Tag("V-289")
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class UnixMmapAccessedTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final long HUGE = PageSize.SIZE_2M.bytes();
    private static final UnusedTables KEEP = UnusedTables.KEEP;
    private static final UnusedTables FREE = UnusedTables.FREE;

    /// No multiple of 2 MiB: the second table starts between two borders.
    private static final HalConfig CONFIG =
            HalConfig.DEFAULT.withMemoryBytes(16L << 20).withOption("window", "5M");

    private UnixMmapHal hal = UnixMmapHal.open(CONFIG.withOption("faults", "efault"));
    private UnixMmapPageTable table = newTable();
    private Mmu mmu = newMmu();

    @AfterEach
    @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void everythingIsGivenBack() {
        hal.close();
    }

    private void holdAccesses() {
        hal.close();
        hal = Userfaultfd.open(Posix.get(), CONFIG);
        table = newTable();
        mmu = newMmu();
    }

    private UnixMmapPageTable newTable() {
        return (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER);
    }

    private Mmu newMmu() {
        Mmu made = hal.newMmu();
        made.activate(table);
        return made;
    }

    private long page(long index) {
        return table.firstAddress() + index * PAGE;
    }

    private void enter(long index, long count, MmuFlags flags) {
        long paddr = hal.memory().base() + index * PAGE;
        table.mapRange(
                page(index), paddr, count * PAGE, flags, HugePages.FORBIDDEN, OnExisting.ERROR);
    }

    /// Accessed pages of the first ones of the table.
    private String harvest(UnusedTables unused, long count) {
        var pages = new BitSet();
        table.harvestAccessed(page(0), count * PAGE, unused, pages);
        return pages.toString();
    }

    private String harvest() {
        return harvest(KEEP, 1024);
    }

    /// The host moves what it can before it refuses; and a confined native segment goes another way
    /// than an array.
    @Test
    void onlyWhatATransferMovedIsTold() {
        enter(0, 3, MmuFlags.RW);
        enter(3, 1, MmuFlags.R);
        enter(5, 1, MmuFlags.RWX);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment confined = arena.allocate(6 * PAGE);
            MemorySegment array = MemorySegment.ofArray(new byte[(int) (6 * PAGE)]);
            for (MemorySegment own : new MemorySegment[] {confined, array}) {
                assertEquals(2 * PAGE, mmu.store(page(1), own, 0, 4 * PAGE));
                assertEquals("{1, 2}", harvest());
                assertEquals(4 * PAGE - 1, mmu.load(page(0) + 1, own, 0, 6 * PAGE));
                assertEquals("{0, 1, 2, 3}", harvest());
                assertEquals(0, mmu.store(page(3), own, 0, 1));
                assertEquals(0, mmu.load(page(4), own, 0, 1));
                assertEquals(0, mmu.fetch(page(2), own, 0, 1));
                assertEquals("{}", harvest());
                assertEquals(1, mmu.fetch(page(5), own, 0, 1));
                assertEquals(1, mmu.load(page(6) - 1, own, 0, 1));
                assertEquals(2, mmu.load(page(1) - 1, own, 0, 2));
                assertEquals("{0, 1, 5}", harvest());
            }
        }
    }

    @Test
    void anotherFrameIsNotAccessedAndARefusedChangeForgetsNothing() {
        enter(0, 2, MmuFlags.RW);
        table.markAccessed(page(0), 2 * PAGE);
        table.remap(page(0), hal.memory().base() + 9 * PAGE, MmuFlags.RW);
        table.remap(page(1), hal.memory().base() + PAGE, MmuFlags.RX);
        assertEquals("{1}", harvest());
        table.markAccessed(page(0), 2 * PAGE);
        PagingException refused =
                assertThrows(
                        PagingException.class,
                        () -> table.remap(page(0), hal.memory().base() + 1, MmuFlags.RW));
        assertEquals(PagingError.NOT_ALIGNED, refused.error());
        assertThrows(PagingException.class, () -> enter(0, 1, MmuFlags.RW));
        assertEquals("{0, 1}", harvest());
    }

    /// Each table's own 2 MiB of addresses, wherever the window begins.
    @Test
    void tablesBeginWhereTheBoundariesSay() {
        for (int window = 0; window < 3; window++) {
            table = newTable();
            mmu.activate(table);
            long border = table.nextPageTableBoundary(table.firstAddress());
            long below = (border - table.firstAddress()) / PAGE;
            enter(below - 1, 2, MmuFlags.RW);
            enter(below + HUGE / PAGE - 1, 1, MmuFlags.RW);
            MemorySegment word = MemorySegment.ofArray(new byte[1]);
            for (int round = 0; round < 2; round++) {
                assertEquals(1, mmu.load(border + HUGE - PAGE, word, 0, 1));
                harvest(FREE, below + HUGE / PAGE + 1);
            }
            assertEquals(-1, table.translate(border - PAGE), "of a table nobody used");
            assertTrue(table.translate(border) != -1, "shares a table with a page in use");
        }
    }

    /// Nobody notes what Java code does through a view.
    @Test
    void pagesOfAnOpenViewAreAccessed() {
        enter(0, 4, MmuFlags.RW);
        try (MappedView view = table.pin(page(1), 2 * PAGE, AccessKind.WRITE)) {
            for (int round = 0; round < 4; round++) {
                assertEquals("{1, 2}", harvest(FREE, 1024));
            }
            assertTrue(view.isOpen());
            view.segment().set(ValueLayout.JAVA_BYTE, 0, (byte) 1);
        }
        assertEquals("{1, 2}", harvest(FREE, 1024), "it may have been used since the last harvest");
        assertEquals("{}", harvest(FREE, 1024));
        assertEquals(-1, table.translate(page(1)));
    }

    /// Page 0 is touched, and goes while the access is held at page 1.
    @Test
    void whatWentWhileAnAccessWasHeldIsNotTold() {
        holdAccesses();
        enter(0, 1, MmuFlags.RW);
        table.setFaultHandler((vaddr, access) -> {
            table.unmap(page(0));
            enter(1, 1, MmuFlags.RW);
            return true;
        });
        MemorySegment target = MemorySegment.ofArray(new byte[(int) (2 * PAGE)]);
        assertEquals(2 * PAGE, mmu.load(page(0), target, 0, 2 * PAGE));
        assertEquals("{1}", harvest(KEEP, 1024));
        enter(0, 1, MmuFlags.RW);
        assertEquals("{}", harvest(KEEP, 1024), "a new entry");
    }

    @Test
    void accessesThatAreHeldAreTold() {
        holdAccesses();
        enter(2, 1, MmuFlags.R);
        table.setFaultHandler((vaddr, access) -> {
            long index = (vaddr - page(0)) / PAGE;
            if (index == 2) {
                table.protect(vaddr, MmuFlags.RW);
            } else if (index < 4) {
                enter(index, 1, MmuFlags.RW);
            }
            return index < 4;
        });
        MemorySegment source = MemorySegment.ofArray(new byte[(int) (5 * PAGE)]);
        assertEquals(3 * PAGE, mmu.store(page(1), source, 0, 4 * PAGE));
        assertEquals("{1, 2, 3}", harvest());
        assertEquals(1, mmu.load(page(2), source, 0, 1));
        assertEquals("{2}", harvest(FREE, 1024));
        assertEquals("{}", harvest(FREE, 1024));
        assertFalse(table.translate(page(2)) != -1);
        assertEquals(1, mmu.load(page(1), source, 0, 1), "comes back by its fault");
        assertEquals("{1}", harvest());
    }
}
