package io.jircon.vm;

import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.mockito.AdditionalAnswers.delegatesTo;
import static org.mockito.Mockito.doAnswer;
import static org.mockito.Mockito.mock;

import io.jircon.hal.FrameAllocator;
import io.jircon.kobject.ZxStatus;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A fault that is stopped in the middle, where it takes a frame for its page, holds up nothing
/// that has to do with other memory objects (clause V-279): while it stands, the rest goes on.
@Timeout(120)
class FaultsApartTest {
    private final AtomicBoolean isGateShut = new AtomicBoolean();
    private final CountDownLatch stopped = new CountDownLatch(1);
    private final CountDownLatch gate = new CountDownLatch(1);
    private final VmarFixture vm = new VmarFixture(this::gated);
    private final ExecutorService threads = Executors.newCachedThreadPool();

    private final long slowAt = vm.root.map(RW, 0, vm.vmo(1), 0, PAGE);
    private final long quickAt = vm.root.map(RW, 0, vm.vmo(2), 0, 2 * PAGE);
    private Future<ZxStatus> slow;

    /// An allocator at which one call, the next after the gate was shut, waits for the gate.
    private FrameAllocator gated(FrameAllocator inner) {
        FrameAllocator frames = mock(FrameAllocator.class, delegatesTo(inner));
        doAnswer(
                        call -> {
                            if (isGateShut.compareAndSet(true, false)) {
                                stopped.countDown();
                                gate.await();
                            }
                            return inner.allocate();
                        })
                .when(frames)
                .allocate();
        return frames;
    }

    @BeforeEach
    void stopAFault() throws InterruptedException {
        isGateShut.set(true);
        slow = threads.submit(() -> vm.write(slowAt));
        stopped.await();
    }

    @AfterEach
    void letItGo() throws Exception {
        gate.countDown();
        assertEquals(ZxStatus.OK, slow.get(60, TimeUnit.SECONDS));
        threads.close();
        vm.close();
    }

    /// What a call answers while the fault stands.
    private <T> T meanwhile(Callable<T> call) throws Exception {
        T answer = threads.submit(call).get(30, TimeUnit.SECONDS);
        assertFalse(slow.isDone(), "the fault stood all the time");
        return answer;
    }

    @Test
    @Tag("V-279")
    void aFaultInAnotherMappingComesThrough() throws Exception {
        assertEquals(ZxStatus.OK, meanwhile(() -> vm.write(quickAt)));
        assertEquals("10", vm.entries(quickAt, 2));
        assertEquals("0", vm.entries(slowAt, 1));
    }

    @Test
    @Tag("V-279")
    void soDoChangesOfTheAddressSpace() throws Exception {
        VmObject third = vm.vmo(1);
        long thirdAt = meanwhile(() -> vm.root.map(RW, 0, third, 0, PAGE));
        assertEquals(ZxStatus.OK, meanwhile(() -> vm.write(thirdAt)));
        meanwhile(() -> {
            vm.root.protect(R, thirdAt, PAGE);
            vm.root.unmap(quickAt, PAGE);
            vm.region(1).destroy();
            return "";
        });
        assertTrue(meanwhile(vm.root::isAlive));
    }
}
