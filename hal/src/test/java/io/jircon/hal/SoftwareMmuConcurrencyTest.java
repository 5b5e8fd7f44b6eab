package io.jircon.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class SoftwareMmuConcurrencyTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final long VA = 0x40_0000;

    /// Once remap has returned, the old frame belongs to someone else: whatever is written there by
    /// its new owner stays, and a processor never reads it.
    @Test
    @Tag("V-285")
    void afterAFlushNoProcessorTouchesTheOldFrame() throws Exception {
        try (var machine = new ToyMachine(HalConfig.DEFAULT);
                ToyMachine.Table table = machine.newTable();
                ExecutorService threads = Executors.newFixedThreadPool(3)) {
            PhysicalMemory memory = machine.memory();
            long current = machine.frames().allocate();
            long other = machine.frames().allocate();
            memory.slice(current, PAGE).fill((byte) 1);
            memory.slice(other, PAGE).fill((byte) 2);
            table.map(VA, current, PageSize.SIZE_4K, MmuFlags.RW);
            var stop = new AtomicBoolean();
            List<Future<Long>> accesses = new ArrayList<>();
            for (int t = 0; t < 2; t++) {
                boolean stores = t == 0;
                accesses.add(threads.submit(() -> access(machine, table, stores, stop)));
            }
            for (int i = 0; i < 5_000; i++) {
                memory.slice(other, PAGE).fill((byte) 1);
                table.remap(VA, other, MmuFlags.RW);
                // The frame just replaced is ours now.
                memory.slice(current, PAGE).fill((byte) 2);
                for (int look = 0; look < 3; look++) {
                    MemorySegment ours = memory.slice(current, PAGE);
                    assertEquals(2, ours.get(ValueLayout.JAVA_BYTE, look));
                    assertEquals(2, ours.get(ValueLayout.JAVA_BYTE, PAGE - 1 - look));
                }
                long swap = current;
                current = other;
                other = swap;
            }
            stop.set(true);
            for (Future<Long> each : accesses) {
                assertTrue(each.get() > 0);
            }
        }
    }

    private static long access(
            ToyMachine machine, ToyMachine.Table table, boolean stores, AtomicBoolean stop) {
        MemorySegment buffer = MemorySegment.ofArray(new byte[(int) PAGE]);
        long count = 0;
        try (Mmu mmu = machine.newMmu()) {
            mmu.activate(table);
            do {
                buffer.fill((byte) 1);
                long moved =
                        stores ? mmu.store(VA, buffer, 0, PAGE) : mmu.load(VA, buffer, 0, PAGE);
                assertEquals(PAGE, moved);
                for (long i = 0; i < PAGE; i++) {
                    assertEquals(1, buffer.get(ValueLayout.JAVA_BYTE, i));
                }
                count++;
            } while (!stop.get());
        }
        return count;
    }
}
