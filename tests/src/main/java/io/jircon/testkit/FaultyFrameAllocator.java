package io.jircon.testkit;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.hal.FrameAllocator;
import io.jircon.hal.PagingException;

/// An allocator that has no memory at its k-th taking call, and counts the calls.
///
/// Put it between a machine and its frames with
/// [io.jircon.hal.HalConfig#withFrameWrapper(java.util.function.UnaryOperator)]. A call that takes
/// several frames counts once, and takes none when it fails. Giving back never fails on purpose.
public final class FaultyFrameAllocator implements FrameAllocator {
    private final FrameAllocator inner;

    @GuardedBy("this")
    private long untilFailure;

    @GuardedBy("this")
    private boolean failed;

    @GuardedBy("this")
    private long takeCalls;

    /// Makes one that never fails until told to.
    ///
    /// @param inner the allocator that does the work
    public FaultyFrameAllocator(FrameAllocator inner) {
        this.inner = inner;
    }

    /// Lets a later call fail, once.
    ///
    /// @param k which one, 1 for the next
    /// @throws IllegalArgumentException when k is less than 1
    public synchronized void failAt(long k) {
        if (k < 1) {
            throw new IllegalArgumentException("k=" + k + " is less than 1");
        }
        untilFailure = k;
        failed = false;
    }

    /// Stops failing.
    ///
    /// @return whether a call failed since [#failAt(long)]
    public synchronized boolean disarm() {
        untilFailure = 0;
        boolean answer = failed;
        failed = false;
        return answer;
    }

    /// How many taking calls there were.
    ///
    /// @return a count, the failed ones included
    public synchronized long takeCalls() {
        return takeCalls;
    }

    private synchronized void countTaking() {
        takeCalls++;
        if (untilFailure > 0 && --untilFailure == 0) {
            failed = true;
            throw PagingException.noMemory("call " + takeCalls + " fails on purpose");
        }
    }

    @Override
    public long allocate() {
        countTaking();
        return inner.allocate();
    }

    @Override
    public void allocate(long[] paddrs, int from, int count) {
        countTaking();
        inner.allocate(paddrs, from, count);
    }

    @Override
    public long allocateContiguous(long frameCount, int alignShift) {
        countTaking();
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
