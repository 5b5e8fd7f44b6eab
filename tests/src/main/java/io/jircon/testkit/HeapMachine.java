package io.jircon.testkit;

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

/// A machine of a few frames, with EPT page tables, whose memory is an array: for tools that make
/// one for every run, tell nobody when they are done with it, and leave it to the garbage
/// collector. Closing it is possible, not necessary.
public final class HeapMachine extends SimulatedMachine {
    private final int frameCount;

    /// Makes an open machine.
    ///
    /// @param frameCount how many frames it has, at least 1
    public HeapMachine(int frameCount) {
        this(frameCount, HalConfig.DEFAULT.withMemoryBytes(frameCount * PageSize.BASE_BYTES));
    }

    private HeapMachine(int frameCount, HalConfig config) {
        super(
                "heap",
                config,
                3,
                MemorySegment.ofArray(
                        new long[(int) (frameCount * PageSize.BASE_BYTES / Long.BYTES)]),
                new BuddyFrameAllocator(config.memoryBase(), config.memoryBytes()),
                () -> {});
        this.frameCount = frameCount;
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

    /// Ends the kernel on this machine, and with it the machine, and checks that nothing is held
    /// any more. Close the memory objects and address spaces first.
    ///
    /// @param machine the kernel that was started on this machine
    /// @throws IllegalStateException when a frame or a kernel object is missing
    public void requireAllBack(Machine machine) {
        machine.close();
        long free = frames().freeFrames();
        if (free != frameCount || !machine.kernel().liveObjects().equals(Map.of())) {
            throw new IllegalStateException(
                    "free frames=%d of %d live objects=%s"
                            .formatted(free, frameCount, machine.kernel().liveObjects()));
        }
    }
}
