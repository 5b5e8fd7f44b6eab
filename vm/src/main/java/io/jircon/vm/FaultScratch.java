package io.jircon.vm;

import io.jircon.hal.WalkResult;
import java.util.concurrent.atomic.AtomicReferenceArray;

/// What one fault in progress writes to, so that faults make no garbage. Serves one thread at a
/// time.
final class FaultScratch {
    final PageLookup lookup = new PageLookup();
    final PageRun run = new PageRun(FaultOp.FAULT_PAGES);
    final long[] frames = new long[FaultOp.FAULT_PAGES];
    final WalkResult walk = new WalkResult();
    final PageWait wait = new PageWait();

    /// How many pages the last try of a fault over several pages entered before it had to wait.
    long entered;

    /// The idle ones of an address space. A thread looks at one slot of its own choice, so that
    /// threads seldom meet; who finds it empty makes a new one.
    static final class Pool {
        private static final int SLOTS = 16;

        private final AtomicReferenceArray<FaultScratch> idle = new AtomicReferenceArray<>(SLOTS);

        FaultScratch take() {
            FaultScratch found = idle.getAndSet(slot(), null);
            return found == null ? new FaultScratch() : found;
        }

        void give(FaultScratch scratch) {
            idle.setRelease(slot(), scratch);
        }

        private static int slot() {
            return (int) Thread.currentThread().threadId() & (SLOTS - 1);
        }
    }
}
