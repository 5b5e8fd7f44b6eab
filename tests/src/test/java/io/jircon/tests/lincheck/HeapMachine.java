package io.jircon.tests.lincheck;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.BuddyFrameAllocator;
import io.jircon.hal.HalConfig;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.SimulatedMachine;
import io.jircon.hal.TlbInvalidator;
import io.jircon.hal.npt.EptOptions;
import io.jircon.hal.npt.NestedPageTable;
import io.jircon.vm.Machine;
import java.lang.foreign.MemorySegment;
import java.util.Map;

/// A machine of a few frames whose memory is an array: Lincheck makes one for every run, tells
/// nobody when it is done with one, and leaves it to the garbage collector.
final class HeapMachine extends SimulatedMachine {
    static final int FRAMES = 48;

    HeapMachine() {
        this(HalConfig.DEFAULT.withMemoryBytes(FRAMES * PageSize.BASE_BYTES));
    }

    private HeapMachine(HalConfig config) {
        super(
                "heap",
                config,
                3,
                MemorySegment.ofArray(new long[(int) (FRAMES * PageSize.BASE_BYTES / Long.BYTES)]),
                new BuddyFrameAllocator(config.memoryBase(), config.memoryBytes()),
                () -> {});
    }

    @Override
    protected PageTableTrait createPageTable(
            AddressSpaceKind kind, int tag, TlbInvalidator invalidator) {
        return new NestedPageTable(
                EptOptions.DEFAULT.format(), memory(), frames(), invalidator, tag);
    }

    @Override
    public boolean canMapExecuteOnly() {
        return true;
    }

    /// Ends a machine and checks that it holds nothing any more.
    ///
    /// @throws IllegalStateException when a frame or a kernel object is missing
    void requireAllBack(Machine machine) {
        machine.close();
        long free = frames().freeFrames();
        if (free != FRAMES || !machine.kernel().liveObjects().equals(Map.of())) {
            throw new IllegalStateException(
                    "free frames=%d live objects=%s"
                            .formatted(free, machine.kernel().liveObjects()));
        }
    }
}
