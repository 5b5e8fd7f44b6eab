package io.jircon.testkit.broken;

import io.jircon.hal.FrameAllocator;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;

/// The frames of a [BrokenHal].
final class BrokenFrames implements FrameAllocator {
    private final FrameAllocator inner;
    private final PlantedFault fault;

    BrokenFrames(FrameAllocator inner, PlantedFault fault) {
        this.inner = inner;
        this.fault = fault;
    }

    @Override
    public long allocate() {
        return inner.allocate();
    }

    @Override
    public void allocate(long[] paddrs, int from, int count) {
        try {
            inner.allocate(paddrs, from, count);
        } catch (PagingException refused) {
            if (fault == PlantedFault.BATCH_NOT_ATOMIC && inner.freeFrames() > 0) {
                inner.allocate();
            }
            throw refused;
        }
    }

    @Override
    public long allocateContiguous(long frameCount, int alignShift) {
        return inner.allocateContiguous(frameCount, alignShift);
    }

    @Override
    public void free(long paddr) {
        try {
            inner.free(paddr);
        } catch (PagingException refused) {
            if (fault != PlantedFault.DOUBLE_FREE_IS_FINE
                    || refused.error() != PagingError.BAD_FRAME) {
                throw refused;
            }
        }
    }

    @Override
    public void free(long[] paddrs, int from, int count) {
        inner.free(paddrs, from, count);
    }

    @Override
    public void freeContiguous(long paddr, long frameCount) {
        inner.freeContiguous(paddr, frameCount);
    }

    @Override
    public boolean isAllocated(long paddr) {
        return inner.isAllocated(paddr);
    }

    @Override
    public long freeFrames() {
        return inner.freeFrames();
    }

    @Override
    public long totalFrames() {
        return inner.totalFrames();
    }
}
