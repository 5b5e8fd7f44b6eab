package io.jircon.kobject;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class WaitTest {
    private static final int ALL = ObjectType.EVENT.defaultRights();
    private static final long PAST = 0;

    private final Kernel kernel = Kernel.builder().clock(() -> 1_000).build();
    private final HandleTable table = new HandleTable(kernel);
    private final Event event = new Event(kernel);
    private final int handle = table.add(event, ALL);

    /// Starts a call in a thread of its own and returns when that thread waits.
    private static <T> FutureTask<T> blocked(Callable<T> call) {
        var task = new FutureTask<>(call);
        var thread = new Thread(task, "waiter");
        thread.setDaemon(true);
        thread.start();
        while (thread.getState() != Thread.State.WAITING
                && thread.getState() != Thread.State.TERMINATED) {
            Thread.onSpinWait();
        }
        return task;
    }

    private static <T> T result(FutureTask<T> task) throws Exception {
        return task.get(30, TimeUnit.SECONDS);
    }

    @Test
    @Tag("K-78")
    @Tag("K-81")
    void anActiveSignalWinsOverAPastDeadline() throws Exception {
        table.signal(handle, 0, Signals.SIGNALED | Signals.user(0));
        assertEquals(
                new WaitResult(ZxStatus.OK, Signals.SIGNALED | Signals.user(0)),
                table.waitOne(handle, Signals.SIGNALED, PAST));
    }

    @Test
    @Tag("K-80")
    @Tag("K-82")
    void aPastDeadlinePollsAndShowsTheWholeWord() throws Exception {
        table.signal(handle, 0, Signals.user(3));
        assertEquals(
                new WaitResult(ZxStatus.TIMED_OUT, Signals.user(3)),
                table.waitOne(handle, Signals.SIGNALED, PAST));
        assertEquals(
                new WaitResult(ZxStatus.TIMED_OUT, Signals.user(3)),
                table.waitOne(handle, Signals.NONE, PAST));
    }

    @Test
    @Tag("K-76")
    @Tag("zcore-T1")
    @Tag("zcore/object:wait")
    void aStrobeWakesTheWaiterWithWhatWasSeenAtTheMatch() throws Exception {
        FutureTask<WaitResult> wait =
                blocked(() -> table.waitOne(handle, Signals.SIGNALED, Kernel.INFINITE));
        table.signal(handle, 0, Signals.SIGNALED);
        table.signal(handle, Signals.SIGNALED, 0);
        assertEquals(new WaitResult(ZxStatus.OK, Signals.SIGNALED), result(wait));
    }

    @Test
    @Tag("K-79")
    @Tag("K-61")
    @Tag("K-69")
    void closingTheHandleCancelsItsWaitAndNoOther() throws Exception {
        int twin = table.duplicate(handle, Rights.SAME_RIGHTS);
        FutureTask<WaitResult> first =
                blocked(() -> table.waitOne(handle, Signals.SIGNALED, Kernel.INFINITE));
        FutureTask<WaitResult> second =
                blocked(() -> table.waitOne(twin, Signals.SIGNALED, Kernel.INFINITE));
        table.close(handle);
        assertEquals(new WaitResult(ZxStatus.CANCELED, Signals.HANDLE_CLOSED), result(first));
        table.signal(twin, 0, Signals.SIGNALED);
        assertEquals(ZxStatus.OK, result(second).status());
        assertEquals(0, event.signals() & Signals.HANDLE_CLOSED);
    }

    @Test
    @Tag("K-65")
    void transferCancelsWaits() throws Exception {
        FutureTask<WaitResult> wait =
                blocked(() -> table.waitOne(handle, Signals.SIGNALED, Kernel.INFINITE));
        table.transfer(handle, new HandleTable(kernel));
        assertEquals(ZxStatus.CANCELED, result(wait).status());
    }

    @Test
    @Tag("K-73")
    void signalChecksInOrderAndChangesNothingOnFailure() {
        Expect.status(ZxStatus.BAD_HANDLE, () -> table.signal(5, 0, -1));
        int mute = table.duplicate(handle, Rights.WAIT);
        Expect.status(ZxStatus.ACCESS_DENIED, () -> table.signal(mute, 0, -1));
        Expect.status(
                ZxStatus.INVALID_ARGS,
                () -> table.signal(handle, 0, Signals.READABLE | Signals.user(1)));
        assertEquals(0, event.signals());
    }

    @Test
    @Tag("K-72")
    void aBitInBothSetsEndsSet() {
        table.signal(handle, Signals.SIGNALED, Signals.SIGNALED);
        assertEquals(Signals.SIGNALED, event.signals());
    }

    @Test
    @Tag("K-74")
    @Tag("K-102")
    void signalPeerReachesOnlyThePeer() {
        EventPair end = EventPair.create(kernel);
        int near = table.add(end, ObjectType.EVENTPAIR.defaultRights());
        int far = table.add(end.peer(), ObjectType.EVENTPAIR.defaultRights());
        table.signalPeer(near, 0, Signals.user(1));
        assertEquals(0, end.signals());
        assertEquals(Signals.user(1), end.peer().signals());
        Expect.status(ZxStatus.INVALID_ARGS, () -> table.signalPeer(near, 0, Signals.PEER_CLOSED));
        table.close(far);
        Expect.status(ZxStatus.PEER_CLOSED, () -> table.signalPeer(near, 0, Signals.user(2)));
        int unpaired = table.add(event, ObjectType.EVENTPAIR.defaultRights());
        Expect.status(ZxStatus.NOT_SUPPORTED, () -> table.signalPeer(unpaired, 0, Signals.user(2)));
    }

    @Test
    @Tag("K-101")
    @Tag("zcore/ipc:eventpair")
    void userSignalsOfTheSurvivorStay() {
        EventPair end = EventPair.create(kernel);
        int near = table.add(end, ObjectType.EVENTPAIR.defaultRights());
        int far = table.add(end.peer(), ObjectType.EVENTPAIR.defaultRights());
        table.signal(far, 0, Signals.user(4));
        table.close(near);
        assertEquals(Signals.user(4) | Signals.PEER_CLOSED, end.peer().signals());
    }

    @Test
    @Tag("K-85")
    @Tag("zcore-T6")
    void manyTakesAtMost64Items() {
        List<WaitItem> items = new ArrayList<>();
        for (int i = 0; i < 65; i++) {
            items.add(new WaitItem(handle, Signals.SIGNALED));
        }
        Expect.status(ZxStatus.OUT_OF_RANGE, () -> table.waitMany(items, PAST));
    }

    @Test
    @Tag("K-85")
    void noItemsTimeOut() throws Exception {
        assertEquals(ZxStatus.TIMED_OUT, table.waitMany(List.of(), PAST));
    }

    @Test
    @Tag("K-87")
    @Tag("zcore-T6")
    @Tag("zcore/object:wait_many")
    void everyWordIsWrittenAlsoOnTimeoutAndForRepeatedHandles() throws Exception {
        table.signal(handle, 0, Signals.user(0));
        var first = new WaitItem(handle, Signals.SIGNALED);
        var second = new WaitItem(handle, Signals.NONE);
        assertEquals(ZxStatus.TIMED_OUT, table.waitMany(List.of(first, second), PAST));
        assertEquals(Signals.user(0), first.observed());
        assertEquals(Signals.user(0), second.observed());
    }

    @Test
    @Tag("K-86")
    void theFirstBadItemDecides() {
        int mute = table.duplicate(handle, Rights.SIGNAL);
        Expect.status(
                ZxStatus.ACCESS_DENIED,
                () -> table.waitMany(List.of(new WaitItem(mute, 0), new WaitItem(3, 0)), PAST));
    }

    @Test
    @Tag("K-88")
    void aClosedHandleCancelsManyAndShowsWhich() throws Exception {
        int twin = table.duplicate(handle, Rights.SAME_RIGHTS);
        var first = new WaitItem(handle, Signals.SIGNALED);
        var second = new WaitItem(twin, Signals.SIGNALED);
        FutureTask<ZxStatus> wait =
                blocked(() -> table.waitMany(List.of(first, second), Kernel.INFINITE));
        table.close(twin);
        assertEquals(ZxStatus.CANCELED, result(wait));
        assertEquals(0, first.observed());
        assertEquals(Signals.HANDLE_CLOSED, second.observed());
    }

    @Test
    @Tag("K-77")
    @Tag("zcore-T1")
    void anObserverMayUseItsObjectAgain() {
        List<Integer> heard = new ArrayList<>();
        event.observe(
                Signals.SIGNALED,
                new Handle(event, ALL),
                new SignalObserver() {
                    @Override
                    public void onSignals(int observed) {
                        heard.add(observed);
                        event.changeSignals(Signals.SIGNALED, Signals.user(7));
                    }

                    @Override
                    public void onCanceled(int observed) {
                        heard.add(-1);
                    }
                });
        table.signal(handle, 0, Signals.SIGNALED);
        assertEquals(List.of(Signals.SIGNALED), heard);
        assertEquals(Signals.user(7), event.signals());
    }

    @Test
    @Tag("K-75")
    void anActiveBitThatIsSetAgainWakesNobody() throws Exception {
        table.signal(handle, 0, Signals.user(1));
        FutureTask<WaitResult> wait =
                blocked(() -> table.waitOne(handle, Signals.SIGNALED, Kernel.INFINITE));
        table.signal(handle, 0, Signals.user(1));
        table.signal(handle, Signals.user(1), 0);
        assertTrue(!wait.isDone());
        table.signal(handle, 0, Signals.SIGNALED);
        assertEquals(Signals.SIGNALED, result(wait).observed());
    }

    @Test
    @Tag("K-80")
    void theEarliestDeadlineOfAllPolls() throws Exception {
        assertEquals(
                ZxStatus.TIMED_OUT,
                table.waitOne(handle, Signals.SIGNALED, Long.MIN_VALUE).status());
    }

    @Test
    void anInterruptedWaitLeavesNothingBehind() throws Exception {
        Thread[] waiter = new Thread[1];
        FutureTask<WaitResult> wait =
                blocked(() -> {
                    waiter[0] = Thread.currentThread();
                    return table.waitOne(handle, Signals.SIGNALED, Kernel.INFINITE);
                });
        waiter[0].interrupt();
        var thrown = assertThrows(ExecutionException.class, () -> result(wait));
        assertEquals(InterruptedException.class, thrown.getCause().getClass());
        assertEquals(0, event.observerCount());
    }
}
