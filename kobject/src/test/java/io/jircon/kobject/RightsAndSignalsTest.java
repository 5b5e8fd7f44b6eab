package io.jircon.kobject;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What handles allow, bit by bit and call by call, and what the bits of signal words are.
class RightsAndSignalsTest {
    private static final int ALL_RIGHTS = (1 << 25) - 1;

    private final AtomicLong clock = new AtomicLong(1_000);
    private final Kernel kernel = Kernel.builder().clock(clock::get).build();
    private final HandleTable table = new HandleTable(kernel);

    private final class Task extends ProcessBase {
        Task() {
            super(kernel, "task");
        }

        @Override
        protected void destroyAddressSpace() {}
    }

    // ---- rights

    @Test
    @Tag("K-42")
    void groupsHaveTheContractsNumbers() {
        assertEquals(0xC003, Rights.BASIC);
        assertEquals(0x000C, Rights.IO);
        assertEquals(0x00C0, Rights.PROPERTY);
        assertEquals(0x0C00, Rights.POLICY);
    }

    @Test
    @Tag("K-27")
    void objectsWithoutANameComeWithoutTheRightToAskForOne() {
        for (ObjectType type :
                List.of(
                        ObjectType.EVENT,
                        ObjectType.EVENTPAIR,
                        ObjectType.PORT,
                        ObjectType.VMAR,
                        ObjectType.CHANNEL,
                        ObjectType.FIFO,
                        ObjectType.TIMER)) {
            assertEquals(0, type.defaultRights() & Rights.PROPERTY, type::toString);
        }
    }

    @Test
    @Tag("K-25")
    void fourTypesHaveNames() {
        assertEquals(
                Set.of(ObjectType.PROCESS, ObjectType.THREAD, ObjectType.JOB, ObjectType.VMO),
                Set.copyOf(
                        Arrays.stream(ObjectType.values()).filter(ObjectType::isNamed).toList()));
    }

    /// Calls on a handle, with the one right that each needs.
    private Map<IntConsumer, Integer> calls() {
        var calls = new LinkedHashMap<IntConsumer, Integer>();
        calls.put(handle -> await(handle, 0), Rights.WAIT);
        calls.put(
                handle -> {
                    var item = new WaitItem(handle, Signals.NONE);
                    uninterrupted(() -> table.waitMany(List.of(item), 0));
                },
                Rights.WAIT);
        calls.put(handle -> table.signal(handle, 0, Signals.user(0)), Rights.SIGNAL);
        calls.put(handle -> table.signalPeer(handle, 0, Signals.user(0)), Rights.SIGNAL_PEER);
        calls.put(handle -> table.duplicate(handle, Rights.SAME_RIGHTS), Rights.DUPLICATE);
        calls.put(handle -> table.transfer(handle, new HandleTable(kernel)), Rights.TRANSFER);
        calls.put(handle -> table.replace(handle, Rights.SAME_RIGHTS), Rights.NONE);
        calls.put(table::close, Rights.NONE);
        calls.put(table::info, Rights.NONE);
        calls.put(table::rights, Rights.NONE);
        return calls;
    }

    @Test
    @Tag("K-45")
    @Tag("K-47")
    void eachCallNeedsItsOwnRightAndNoOther() {
        EventPair end = EventPair.create(kernel);
        table.add(end, Rights.NONE); // keeps the end alive
        table.add(end.peer(), Rights.NONE);
        calls().forEach((call, right) -> {
            call.accept(table.add(end, right));
            call.accept(table.add(end, ALL_RIGHTS));
            if (right != Rights.NONE) {
                int lacking = table.add(end, ALL_RIGHTS & ~right);
                Expect.status(ZxStatus.ACCESS_DENIED, () -> call.accept(lacking));
                assertTrue(table.isValid(lacking));
            }
        });
    }

    @Test
    @Tag("K-17")
    @Tag("K-32")
    @Tag("K-33")
    @Tag("zcore-T7")
    @Tag("zcore/object:handle_info")
    void whatAHandleIsMayBeAskedWithoutARight() {
        EventPair end = EventPair.create(kernel);
        for (KObjectBase object : List.of(new Event(kernel), end, new Task())) {
            int handle = table.add(object, Rights.NONE);
            assertTrue(table.isValid(handle));
            assertEquals(
                    new HandleInfo(object.koid(), Rights.NONE, object.type(), object.relatedKoid()),
                    table.info(handle));
            table.close(handle);
            assertFalse(table.isValid(handle));
            Expect.status(ZxStatus.BAD_HANDLE, () -> table.info(handle));
        }
        assertFalse(table.isValid(HandleTable.INVALID));
    }

    @Test
    @Tag("K-14")
    @Tag("zcore-T6")
    void handlesAreCountedOverAllTables() {
        var event = new Event(kernel);
        var other = new HandleTable(kernel);
        int here = table.add(event, Rights.BASIC);
        int there = other.add(event, Rights.BASIC);
        assertEquals(2, event.handleCount());
        table.transfer(here, other);
        assertEquals(2, event.handleCount());
        other.close(there);
        assertEquals(1, event.handleCount());
    }

    @Test
    @Tag("K-23")
    void equalNamesAreTwoObjects() {
        var one = new Task();
        var two = new Task();
        two.setName(one.name());
        assertTrue(one.koid() != two.koid());
        one.kill();
        assertEquals(ProcessBase.State.INITIAL, two.state());
        assertEquals("task", two.name());
    }

    // ---- signals

    @Test
    @Tag("K-70")
    void signalsHaveTheirBits() {
        assertEquals(1, Signals.READABLE);
        assertEquals(1 << 1, Signals.WRITABLE);
        assertEquals(1 << 2, Signals.PEER_CLOSED);
        assertEquals(1 << 3, Signals.SIGNALED);
        assertEquals(1 << 3, Signals.TERMINATED);
        assertEquals(1 << 3, Signals.VMO_ZERO_CHILDREN);
        assertEquals(1 << 4, Signals.JOB_NO_JOBS);
        assertEquals(1 << 5, Signals.JOB_NO_PROCESSES);
        assertEquals(1 << 4, Signals.THREAD_RUNNING);
        assertEquals(1 << 5, Signals.THREAD_SUSPENDED);
        assertEquals(1 << 23, Signals.HANDLE_CLOSED);
        assertEquals(1 << 24, Signals.user(0));
        assertEquals(1 << 31, Signals.user(7));
    }

    @Test
    @Tag("K-69")
    @Tag("K-100")
    @Tag("zcore/ipc:event")
    @Tag("zcore/ipc:eventpair")
    void newObjectsHaveNoSignal() {
        EventPair end = EventPair.create(kernel);
        for (KObjectBase object : List.of(new Event(kernel), end, end.peer(), new Task())) {
            assertEquals(Signals.NONE, object.signals());
        }
    }

    @Test
    @Tag("K-69")
    @Tag("K-71")
    @Tag("zcore/object:user_signal_check")
    void usersSetTheirEightBitsAndOfEventsTheirOwn() {
        requireSettable(new Event(kernel), Signals.USER_ALL | Signals.SIGNALED);
        requireSettable(EventPair.create(kernel), Signals.USER_ALL | Signals.SIGNALED);
        requireSettable(new Task(), Signals.USER_ALL);
    }

    private void requireSettable(KObjectBase object, int settable) {
        int handle = table.add(object, object.type().defaultRights());
        for (int number = 0; number < Integer.SIZE; number++) {
            int bit = 1 << number;
            if ((settable & bit) != 0) {
                table.signal(handle, 0, bit);
                assertEquals(bit, object.signals());
                table.signal(handle, bit, 0);
            } else {
                Expect.status(ZxStatus.INVALID_ARGS, () -> table.signal(handle, 0, bit));
                Expect.status(ZxStatus.INVALID_ARGS, () -> table.signal(handle, bit, 0));
            }
            assertEquals(Signals.NONE, object.signals());
        }
    }

    @Test
    @Timeout(60)
    @Tag("K-83")
    void deadlinesAreMomentsOfTheKernelsClock() throws Exception {
        int handle = table.add(new Event(kernel), Rights.BASIC);
        assertEquals(ZxStatus.TIMED_OUT, await(handle, 1_000).status());
        var waiter = Thread.ofPlatform().daemon().start(() -> await(handle, 2_000));
        while (waiter.getState() != Thread.State.TIMED_WAITING) {
            Thread.onSpinWait();
        }
        clock.set(1_999);
        assertTrue(waiter.isAlive());
        clock.set(2_000);
        waiter.join();
        assertEquals(ZxStatus.TIMED_OUT, await(handle, 1_999).status());
    }

    private WaitResult await(int handle, long deadline) {
        return uninterrupted(() -> table.waitOne(handle, Signals.SIGNALED, deadline));
    }

    private interface Blocking<T> {
        T call() throws InterruptedException;
    }

    private static <T> T uninterrupted(Blocking<T> call) {
        try {
            return call.call();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
