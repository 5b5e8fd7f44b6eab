package io.jircon.vm;

import io.jircon.hal.FrameAllocator;
import io.jircon.hal.PagingException;

/// An allocator that can be told to have no memory at its k-th call.
final class FailingFrames implements FrameAllocator {
    private final FrameAllocator inner;
    private int callsUntilFailure;
    private boolean failed;

    FailingFrames(FrameAllocator inner) {
        this.inner = inner;
    }

    /// The k-th call from now on fails, once.
    void failAt(int k) {
        callsUntilFailure = k;
        failed = false;
    }

    /// Whether a call has failed since [#failAt], which is then off.
    boolean disarm() {
        callsUntilFailure = 0;
        return failed;
    }

    private void count() {
        if (callsUntilFailure > 0 && --callsUntilFailure == 0) {
            failed = true;
            throw PagingException.noMemory("on purpose");
        }
    }

    @Override
    public synchronized long allocate() {
        count();
        return inner.allocate();
    }

    @Override
    public synchronized void allocate(long[] paddrs, int from, int count) {
        count();
        inner.allocate(paddrs, from, count);
    }

    @Override
    public synchronized long allocateContiguous(long frameCount, int alignShift) {
        count();
        return inner.allocateContiguous(frameCount, alignShift);
    }

    @Override
    public void free(long paddr) {
        inner.free(paddr);
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
