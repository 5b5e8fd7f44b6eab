package io.jircon.tests.lincheck;

import static io.jircon.testkit.CallResult.outcome;
import static io.jircon.testkit.CallResult.status;

import io.jircon.hal.BuddyFrameAllocator;
import io.jircon.hal.PageSize;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The frame allocator is one thing to all its users: no frame is had twice, none gets lost, and
/// the count is right at every moment.
@Param(name = "frame", gen = IntGen.class, conf = "0:7")
@Param(name = "count", gen = IntGen.class, conf = "1:4")
@Tag("A-167")
public final class FrameAllocatorLincheckTest {
    private static final long BASE = 0x8000_0000L;
    private static final int FRAMES = 8;

    private final BuddyFrameAllocator frames =
            new BuddyFrameAllocator(BASE, FRAMES * PageSize.BASE_BYTES);

    @Operation
    public String allocate() {
        return outcome(frames::allocate);
    }

    @Operation
    public String allocateMany(@Param(name = "count") int count) {
        long[] found = new long[count];
        String status = status(() -> frames.allocate(found, 0, count));
        return status + java.util.Arrays.toString(found);
    }

    @Operation
    public String allocateRun(@Param(name = "count") int count) {
        return outcome(() -> frames.allocateContiguous(count, PageSize.BASE_SHIFT));
    }

    @Operation
    public String free(@Param(name = "frame") int frame) {
        return status(() -> frames.free(paddr(frame)));
    }

    @Operation
    public String freeTwo(@Param(name = "frame") int one, @Param(name = "frame") int other) {
        return status(() -> frames.free(new long[] {paddr(one), paddr(other)}, 0, 2));
    }

    @Operation
    public String freeRun(@Param(name = "frame") int frame, @Param(name = "count") int count) {
        return status(() -> frames.freeContiguous(paddr(frame), count));
    }

    @Operation
    public boolean isAllocated(@Param(name = "frame") int frame) {
        return frames.isAllocated(paddr(frame));
    }

    @Operation
    public long freeFrames() {
        return frames.freeFrames();
    }

    private static long paddr(int frame) {
        return BASE + frame * PageSize.BASE_BYTES;
    }

    @Test
    void threadsSeeOneAllocator() {
        Linearizability.stress(FrameAllocatorLincheckTest.class, 3, 4);
    }

    @Test
    void threadsSeeOneAllocatorWhereverTheyAreStopped() {
        Linearizability.modelCheck(FrameAllocatorLincheckTest.class, 2, 3);
    }
}
