package io.jircon.hal.unix;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultHandler;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;

/// Holds up the first minor fault that it is told of until it may go; resolves no fault.
final class SlowHandler implements FaultHandler {
    final CountDownLatch told = new CountDownLatch(1);
    final CountDownLatch mayGo = new CountDownLatch(1);
    private final AtomicBoolean isFirst = new AtomicBoolean(true);

    @Override
    public boolean resolve(long vaddr, AccessKind access) {
        return false;
    }

    @Override
    public void minorFault(long vaddr, AccessKind access) {
        if (isFirst.getAndSet(false)) {
            told.countDown();
            try {
                mayGo.await();
            } catch (InterruptedException ended) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
