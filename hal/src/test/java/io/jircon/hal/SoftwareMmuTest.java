package io.jircon.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class SoftwareMmuTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final long BASE = HalConfig.DEFAULT.memoryBase();
    private static final long VA = 0x40_0000;

    private final ToyMachine machine = new ToyMachine(HalConfig.DEFAULT);
    private final ToyMachine.Table table = machine.newTable();
    private final Mmu mmu = machine.newMmu();
    private final MemorySegment buffer = MemorySegment.ofArray(new byte[3 * (int) PAGE]);

    SoftwareMmuTest() {
        mmu.activate(table);
    }

    @AfterEach
    void closeMachine() {
        machine.close();
    }

    @Test
    void aTransferGoesPageByPageAndStopsAtTheFirstFault() {
        table.map(VA, BASE + 5 * PAGE, PageSize.SIZE_4K, MmuFlags.RW);
        table.map(VA + PAGE, BASE + 2 * PAGE, PageSize.SIZE_4K, MmuFlags.RW);
        buffer.fill((byte) 7);
        assertEquals(2 * PAGE - 1, mmu.store(VA + 1, buffer, 0, 3 * PAGE));
        assertEquals(
                new PageFault(VA + 2 * PAGE, AccessKind.WRITE, FaultCause.NOT_PRESENT),
                mmu.fault());
        assertEquals(
                7, machine.memory().slice(BASE + 6 * PAGE - 1, 1).get(ValueLayout.JAVA_BYTE, 0));
        assertEquals(0, machine.memory().slice(BASE + 5 * PAGE, 1).get(ValueLayout.JAVA_BYTE, 0));
        assertEquals(7, machine.memory().slice(BASE + 2 * PAGE, 1).get(ValueLayout.JAVA_BYTE, 0));
        assertEquals(new MmuStats(3, 0, 3, 3, 1, 0), mmu.stats());
    }

    @Test
    void aFaultInTheFirstByteMovesNothing() {
        table.map(VA, BASE, PageSize.SIZE_4K, MmuFlags.R);
        assertEquals(0, mmu.store(VA + 3, buffer, 0, 1));
        assertEquals(new PageFault(VA + 3, AccessKind.WRITE, FaultCause.PERMISSION), mmu.fault());
        assertEquals(0, mmu.fetch(VA, buffer, 0, 1));
        assertEquals(new PageFault(VA, AccessKind.EXECUTE, FaultCause.PERMISSION), mmu.fault());
    }

    @Test
    void aSecondAccessHitsTheTlb() {
        table.map(VA, BASE, PageSize.SIZE_4K, MmuFlags.RW);
        mmu.load(VA, buffer, 0, 8);
        mmu.load(VA + 8, buffer, 0, 8);
        mmu.store(VA + 16, buffer, 0, 8);
        assertEquals(new MmuStats(3, 2, 1, 1, 0, 0), mmu.stats());
    }

    @Test
    void aForgottenFlushShowsAsAStaleTranslation() {
        machine.forgetsFlushes = true;
        machine.memory().writeLong(BASE, 1);
        machine.memory().writeLong(BASE + PAGE, 2);
        table.map(VA, BASE, PageSize.SIZE_4K, MmuFlags.R);
        assertEquals(1, loadLong(VA));
        table.remap(VA, BASE + PAGE, MmuFlags.R);
        assertEquals(1, loadLong(VA));
        machine.forgetsFlushes = false;
        table.remap(VA, BASE + PAGE, MmuFlags.R);
        assertEquals(2, loadLong(VA));
    }

    @ParameterizedTest
    @EnumSource
    @Tag("V-285")
    @Tag("A-165")
    @Tag("zcore-H8")
    void aFlushReachesEveryProcessorAndEveryPartOfALeaf(PageSize size) {
        Mmu other = machine.newMmu();
        other.activate(table);
        long start = size.bytes() * 3;
        table.map(start, BASE, size, MmuFlags.R);
        for (Mmu each : new Mmu[] {mmu, other}) {
            assertEquals(8, each.load(start, buffer, 0, 8));
            assertEquals(8, each.load(start + PAGE - 8, buffer, 0, 8));
            assertEquals(1, each.stats().tlbHits());
        }
        table.unmap(start + 5);
        for (Mmu each : new Mmu[] {mmu, other}) {
            assertEquals(0, each.load(start, buffer, 0, 8));
            assertEquals(FaultCause.NOT_PRESENT, each.faultCause());
            assertEquals(1, each.stats().flushes());
        }
    }

    @Test
    void aFlushOfAHugeLeafDropsTheBasePagesInIt() {
        table.map(2L << 20, BASE, PageSize.SIZE_4K, MmuFlags.R);
        mmu.load(2L << 20, buffer, 0, 8);
        table.flush((2L << 20) + 9 * PAGE, PageSize.SIZE_2M);
        mmu.load(2L << 20, buffer, 0, 8);
        assertEquals(2, mmu.stats().tlbMisses());
    }

    @Test
    void aFlushOfABasePageDropsTheHugeLeafAroundIt() {
        table.map(2L << 20, BASE, PageSize.SIZE_2M, MmuFlags.R);
        mmu.load(2L << 20, buffer, 0, 8);
        table.flush((2L << 20) + 9 * PAGE, PageSize.SIZE_4K);
        mmu.load(2L << 20, buffer, 0, 8);
        assertEquals(2, mmu.stats().tlbMisses());
    }

    @Test
    void rightsThatGrewAreFoundWithoutAFlush() {
        table.map(VA, BASE, PageSize.SIZE_4K, MmuFlags.R);
        mmu.load(VA, buffer, 0, 8);
        table.grow(VA, MmuFlags.RW);
        assertEquals(8, mmu.store(VA, buffer, 0, 8));
    }

    @Test
    void aStoreAfterALoadWalksAgainToSetTheDirtyFlag() {
        machine.keepsDirty = true;
        table.map(VA, BASE, PageSize.SIZE_4K, MmuFlags.RW);
        mmu.load(VA, buffer, 0, 8);
        assertEquals(0, table.dirtied);
        mmu.store(VA, buffer, 0, 8);
        mmu.store(VA, buffer, 0, 8);
        mmu.load(VA, buffer, 0, 8);
        assertEquals(1, table.dirtied);
        assertEquals(2, mmu.stats().tlbMisses());
    }

    @Test
    @Tag("zcore-H8")
    void tablesDoNotSeeEachOthersTranslations() {
        ToyMachine.Table other = machine.newTable();
        machine.memory().writeLong(BASE, 1);
        machine.memory().writeLong(BASE + PAGE, 2);
        table.map(VA, BASE, PageSize.SIZE_4K, MmuFlags.R);
        other.map(VA, BASE + PAGE, PageSize.SIZE_4K, MmuFlags.R);
        assertEquals(1, loadLong(VA));
        mmu.activate(other);
        assertEquals(2, loadLong(VA));
        mmu.activate(table);
        assertEquals(1, loadLong(VA));
        assertEquals(1, mmu.stats().tlbHits());
    }

    @Test
    void aReusedTagDoesNotBringBackTheOldTranslations() {
        table.map(VA, BASE, PageSize.SIZE_4K, MmuFlags.R);
        mmu.load(VA, buffer, 0, 8);
        table.close();
        ToyMachine.Table next = machine.newTable();
        assertEquals(table.tag(), next.tag());
        mmu.activate(next);
        assertEquals(0, mmu.load(VA, buffer, 0, 8));
    }

    @Test
    void framesOutsideMemoryFaultAsExternal() {
        table.map(VA, BASE - PAGE, PageSize.SIZE_4K, MmuFlags.R);
        assertEquals(0, mmu.load(VA, buffer, 0, 8));
        assertEquals(new PageFault(VA, AccessKind.READ, FaultCause.EXTERNAL), mmu.fault());
    }

    @Test
    void anAccessGoesOnAtZeroAfterTheTopOfTheSpace() {
        table.map(-PAGE, BASE, PageSize.SIZE_4K, MmuFlags.RW);
        assertEquals(4, mmu.load(-4, buffer, 0, 8));
        assertEquals(new PageFault(0, AccessKind.READ, FaultCause.NOT_PRESENT), mmu.fault());
    }

    @Test
    void withoutATlbEveryAccessWalks() {
        try (var bare = new ToyMachine(HalConfig.DEFAULT.withTlb(TlbConfig.OFF))) {
            ToyMachine.Table own = bare.newTable();
            Mmu cpu = bare.newMmu();
            cpu.activate(own);
            own.map(VA, BASE, PageSize.SIZE_4K, MmuFlags.R);
            cpu.load(VA, buffer, 0, 8);
            cpu.load(VA, buffer, 0, 8);
            assertEquals(new MmuStats(2, 0, 2, 2, 0, 0), cpu.stats());
        }
    }

    @Test
    void misuseIsBadState() {
        Mmu idle = machine.newMmu();
        assertBadState(() -> idle.load(VA, buffer, 0, 8));
        assertBadState(() -> idle.load(VA, buffer, 0, 0));
        try (var foreign = new ToyMachine(HalConfig.DEFAULT)) {
            ToyMachine.Table foreignTable = foreign.newTable();
            assertBadState(() -> idle.activate(foreignTable));
        }
        idle.close();
        idle.close();
        assertBadState(() -> idle.activate(table));
        table.close();
        assertBadState(() -> mmu.load(VA, buffer, 0, 8));
        assertBadState(() -> mmu.activate(table));
        assertThrows(IndexOutOfBoundsException.class, () -> mmu.load(VA, buffer, 3 * PAGE - 1, 2));
    }

    @Test
    void aTableClosedDuringATransferIsAFaultBehindTheBytesThatWereMoved() {
        table.map(VA, BASE, PageSize.SIZE_4K, MmuFlags.RW);
        table.map(VA + PAGE, BASE + PAGE, PageSize.SIZE_4K, MmuFlags.RW);
        machine.inWalk = table::close;
        buffer.fill((byte) 7);
        assertEquals(PAGE - 8, mmu.store(VA + 8, buffer, 0, 2 * PAGE));
        assertEquals(
                new PageFault(VA + PAGE, AccessKind.WRITE, FaultCause.NOT_PRESENT), mmu.fault());
        assertEquals(0, machine.memory().readLong(BASE + PAGE));
        assertEquals(new MmuStats(2, 0, 1, 1, 1, 1), mmu.stats());
        assertBadState(() -> mmu.store(VA + PAGE, buffer, 0, 1));
    }

    private long loadLong(long vaddr) {
        assertEquals(8, mmu.load(vaddr, buffer, 0, 8));
        return buffer.get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
    }

    private static void assertBadState(Executable call) {
        assertEquals(PagingError.BAD_STATE, assertThrows(PagingException.class, call).error());
    }
}
