package io.jircon.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.mockito.Mockito.spy;
import static org.mockito.Mockito.verify;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class SimulatedMachineTest {
    @Test
    void theWrapperStandsBeforeTheAllocator() {
        var calls = new AtomicInteger();
        HalConfig config =
                HalConfig.DEFAULT.withFrameWrapper(frames -> {
                    calls.incrementAndGet();
                    return spy(frames);
                });
        try (var machine = new ToyMachine(config)) {
            FrameAllocator frames = machine.frames();
            frames.allocate();
            verify(frames).allocate();
            assertSame(frames, machine.frames());
        }
        assertEquals(1, calls.get());
    }

    @Test
    void tagsAreUniqueAndRunOut() {
        try (var machine = new ToyMachine(HalConfig.DEFAULT, 2)) {
            ToyMachine.Table first = machine.newTable();
            ToyMachine.Table second = machine.newTable();
            assertNotEquals(first.tag(), second.tag());
            assertError(PagingError.NO_RESOURCES, machine::newTable);
            first.close();
            assertEquals(first.tag(), machine.newTable().tag());
        }
    }

    @Test
    void aTableThatCannotBeMadeGivesItsTagBack() {
        try (var machine = new ToyMachine(HalConfig.DEFAULT, 1)) {
            machine.failsToMakeTables = true;
            assertError(PagingError.NO_MEMORY, machine::newTable);
            machine.failsToMakeTables = false;
            assertEquals(1, machine.newTable().tag());
        }
    }

    @Test
    void whatIsLeftOpenAtCloseAnswersBadState() {
        var machine = new ToyMachine(HalConfig.DEFAULT);
        ToyMachine.Table table = machine.newTable();
        Mmu mmu = machine.newMmu();
        mmu.activate(table);
        MemorySegment buffer = MemorySegment.ofArray(new byte[8]);
        machine.close();
        machine.close();
        assertError(PagingError.BAD_STATE, () -> mmu.load(0, buffer, 0, 8));
        assertError(PagingError.BAD_STATE, machine::newTable);
        assertError(PagingError.BAD_STATE, machine::newMmu);
        assertThrows(
                IllegalStateException.class,
                () -> machine.memory().readLong(HalConfig.DEFAULT.memoryBase()));
        table.close();
        mmu.close();
    }

    @Test
    void aFailedStartGivesTheMemoryBack() {
        var freed = new AtomicInteger();
        HalConfig config =
                HalConfig.DEFAULT.withFrameWrapper(frames -> {
                    throw new IllegalStateException("no wrapper");
                });
        assertThrows(IllegalStateException.class, () -> new Bare(config, freed));
        assertEquals(1, freed.get());
    }

    private static void assertError(PagingError error, Executable call) {
        assertEquals(error, assertThrows(PagingException.class, call).error());
    }

    private static final class Bare extends SimulatedMachine {
        Bare(HalConfig config, AtomicInteger freed) {
            super(
                    "bare",
                    config,
                    1,
                    MemorySegment.ofArray(new long[1024]),
                    new BuddyFrameAllocator(config.memoryBase(), 2 * PageSize.BASE_BYTES),
                    freed::incrementAndGet);
        }

        @Override
        protected PageTableTrait createPageTable(
                AddressSpaceKind kind, int tag, TlbInvalidator invalidator) {
            throw new UnsupportedOperationException();
        }

        @Override
        public boolean canMapExecuteOnly() {
            return false;
        }
    }
}
