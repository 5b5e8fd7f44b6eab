package io.jircon.kobject;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HandleTableTest {
    private static final int ALL = ObjectType.EVENT.defaultRights();

    private final Kernel kernel = Kernel.create();
    private final HandleTable table = new HandleTable(kernel);
    private final Event event = new Event(kernel);

    @Test
    @Tag("K-48")
    @Tag("zcore/task:process_handle")
    void valuesHaveTheirTwoLowBitsSetAndAreNotZero() {
        for (int i = 0; i < 100; i++) {
            int handle = table.add(event, ALL);
            assertEquals(3, handle & 3);
            assertNotEquals(HandleTable.INVALID, handle);
            assertTrue(table.isValid(handle));
            assertFalse(table.isValid(handle & ~3));
        }
    }

    @Test
    @Tag("K-49")
    void aValueMeansNothingInAnotherTable() {
        int handle = table.add(event, ALL);
        var other = new HandleTable(kernel);
        Expect.status(ZxStatus.BAD_HANDLE, () -> other.get(handle, Event.class, 0));
    }

    @Test
    @Tag("K-51")
    @Tag("K-52")
    @Tag("zcore-T3")
    void aClosedValueDoesNotComeBackFor255Uses() {
        new HandleTable(kernel).add(event, ALL); // keeps the event alive
        Set<Integer> seen = new HashSet<>();
        for (int i = 0; i < 256; i++) {
            int handle = table.add(event, ALL);
            assertTrue(seen.add(handle), "use " + i);
            table.close(handle);
            Expect.status(ZxStatus.BAD_HANDLE, () -> table.get(handle, Event.class, 0));
        }
    }

    @Test
    @Tag("K-50")
    void sameSeedSameValues() {
        int first = new HandleTable(Kernel.builder().seed(7).build()).count();
        assertEquals(0, first);
        Kernel one = Kernel.builder().seed(7).build();
        Kernel two = Kernel.builder().seed(7).build();
        Kernel other = Kernel.builder().seed(8).build();
        int a = new HandleTable(one).add(new Event(one), ALL);
        int b = new HandleTable(two).add(new Event(two), ALL);
        int c = new HandleTable(other).add(new Event(other), ALL);
        assertEquals(a, b);
        assertNotEquals(a, c);
    }

    @Test
    @Tag("K-54")
    @Tag("zcore-T2")
    void badHandleThenWrongTypeThenAccessDenied() {
        int handle = table.add(event, Rights.NONE);
        Expect.status(ZxStatus.BAD_HANDLE, () -> table.get(0, EventPair.class, Rights.WAIT));
        Expect.status(ZxStatus.WRONG_TYPE, () -> table.get(handle, EventPair.class, Rights.WAIT));
        ZxException denied =
                Expect.status(
                        ZxStatus.ACCESS_DENIED, () -> table.get(handle, Event.class, Rights.WAIT));
        assertTrue(String.valueOf(denied.getMessage()).contains("lacks WAIT"), denied.getMessage());
        assertSame(event, table.get(handle, Event.class, Rights.NONE));
    }

    @Test
    @Tag("K-44")
    void sameRightsIsNeverStored() {
        Expect.status(ZxStatus.INVALID_ARGS, () -> table.add(event, Rights.SAME_RIGHTS));
        int handle = table.add(event, ALL);
        assertEquals(ALL, table.rights(table.duplicate(handle, Rights.SAME_RIGHTS)));
        Expect.status(
                ZxStatus.INVALID_ARGS,
                () -> table.duplicate(handle, Rights.SAME_RIGHTS | Rights.WAIT));
    }

    @Test
    @Tag("K-57")
    @Tag("K-14")
    @Tag("K-43")
    @Tag("zcore/task:process_handle_duplicate")
    void duplicateTakesAnySubsetAndLeavesTheSource() {
        int handle = table.add(event, ALL);
        int equal = table.duplicate(handle, ALL);
        int none = table.duplicate(handle, Rights.NONE);
        assertEquals(ALL, table.rights(equal));
        assertEquals(Rights.NONE, table.rights(none));
        assertEquals(3, event.handleCount());
        Expect.status(ZxStatus.INVALID_ARGS, () -> table.duplicate(handle, ALL | Rights.WRITE));
        Expect.status(ZxStatus.ACCESS_DENIED, () -> table.duplicate(none, ALL | Rights.WRITE));
        assertEquals(3, event.handleCount());
    }

    @Test
    @Tag("K-58")
    void replaceGivesANewValueAndTheOldOneDies() {
        int handle = table.add(event, ALL);
        int replaced = table.replace(handle, Rights.WAIT);
        assertEquals(Rights.WAIT, table.rights(replaced));
        assertFalse(table.isValid(handle));
    }

    @Test
    @Tag("K-58")
    @Tag("zcore-T3")
    void aRefusedReplaceConsumesTheSource() {
        int handle = table.add(event, Rights.WAIT);
        Expect.status(
                ZxStatus.INVALID_ARGS, () -> table.replace(handle, Rights.WAIT | Rights.SIGNAL));
        assertFalse(table.isValid(handle));
        assertEquals(0, event.handleCount());
    }

    @Test
    @Tag("K-59")
    void replaceNeverShowsAZeroCount() {
        EventPair end = EventPair.create(kernel);
        int handle = table.add(end, ObjectType.EVENTPAIR.defaultRights());
        table.replace(handle, Rights.SAME_RIGHTS);
        assertEquals(0, end.peer().signals() & Signals.PEER_CLOSED);
    }

    @Test
    @Tag("K-60")
    void closeOfNothingIsFineAndOfAStrangerIsNot() {
        table.close(HandleTable.INVALID);
        int handle = table.add(event, ALL);
        table.close(handle);
        Expect.status(ZxStatus.BAD_HANDLE, () -> table.close(handle));
    }

    @Test
    @Tag("K-62")
    @Tag("zcore-T3")
    void closeManyClosesTheRest() {
        int first = table.add(event, ALL);
        int second = table.add(event, ALL);
        Expect.status(ZxStatus.BAD_HANDLE, () -> table.closeMany(first, 0, first, 77, second));
        assertFalse(table.isValid(second));
        assertEquals(0, table.count());
    }

    @Test
    @Tag("K-10")
    @Tag("K-63")
    @Tag("K-9")
    void effectsOfTheLastCloseAreVisibleWhenItReturns() {
        EventPair end = EventPair.create(kernel);
        int handle = table.add(end, Rights.BASIC);
        int twin = table.duplicate(handle, Rights.SAME_RIGHTS);
        table.close(handle);
        assertEquals(0, end.peer().signals() & Signals.PEER_CLOSED);
        table.close(twin);
        assertEquals(Signals.PEER_CLOSED, end.peer().signals() & Signals.PEER_CLOSED);
    }

    @Test
    @Tag("K-64")
    @Tag("K-43")
    void transferMovesTheHandleWithItsRights() {
        var other = new HandleTable(kernel);
        int handle = table.add(event, Rights.TRANSFER | Rights.WAIT);
        int moved = table.transfer(handle, other);
        assertFalse(table.isValid(handle));
        assertEquals(
                new HandleInfo(event.koid(), Rights.TRANSFER | Rights.WAIT, ObjectType.EVENT, 0),
                other.info(moved));
        assertEquals(1, event.handleCount());
        int fixed = table.add(event, Rights.WAIT);
        Expect.status(ZxStatus.ACCESS_DENIED, () -> table.transfer(fixed, other));
        assertTrue(table.isValid(fixed));
    }

    @Test
    @Tag("K-53")
    void theSystemsLimitIsKeptAndGivenBack() {
        Kernel small = Kernel.builder().handleLimit(2).build();
        var one = new HandleTable(small);
        var two = new HandleTable(small);
        var object = new Event(small);
        int first = one.add(object, ALL);
        two.add(object, ALL);
        Expect.status(ZxStatus.NO_MEMORY, () -> one.add(object, ALL));
        Expect.status(ZxStatus.NO_MEMORY, () -> one.duplicate(first, ALL));
        assertEquals(2, object.handleCount());
        one.close(first);
        assertTrue(two.isValid(two.add(object, ALL)));
    }

    @Test
    @Tag("K-67")
    void anEmptiedTableDestroysWhatIsAdded() {
        EventPair end = EventPair.create(kernel);
        table.add(event, ALL);
        table.closeAll();
        assertEquals(0, event.handleCount());
        assertEquals(HandleTable.INVALID, table.add(end, ALL));
        assertEquals(Signals.PEER_CLOSED, end.peer().signals() & Signals.PEER_CLOSED);
        assertEquals(0, kernel.handleCount());
    }

    @Test
    @Tag("K-68")
    void countsByType() {
        table.add(event, ALL);
        table.add(event, ALL);
        table.add(EventPair.create(kernel), ALL);
        assertEquals(Map.of(ObjectType.EVENT, 2, ObjectType.EVENTPAIR, 1), table.countByType());
    }

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4})
    void agreesWithAPlainMap(long seed) {
        var random = new SplittableRandom(seed);
        new HandleTable(kernel).add(event, ALL); // keeps the event alive
        Map<Integer, Integer> model = new HashMap<>();
        for (int step = 0; step < 5000; step++) {
            Integer[] known = model.keySet().toArray(Integer[]::new);
            int some =
                    known.length == 0 || random.nextInt(10) == 0
                            ? random.nextInt()
                            : known[random.nextInt(known.length)];
            int rights = random.nextInt(1 << 16);
            Integer held = model.get(some);
            switch (random.nextInt(4)) {
                case 0 -> model.put(table.add(event, rights), rights);
                case 1 -> {
                    if (held == null) {
                        Expect.status(ZxStatus.BAD_HANDLE, () -> table.duplicate(some, rights));
                    } else if ((held & Rights.DUPLICATE) == 0) {
                        Expect.status(ZxStatus.ACCESS_DENIED, () -> table.duplicate(some, rights));
                    } else {
                        model.put(table.duplicate(some, rights & held), rights & held);
                    }
                }
                case 2 -> {
                    if (held == null) {
                        Expect.status(ZxStatus.BAD_HANDLE, () -> table.replace(some, rights));
                    } else {
                        model.remove(some);
                        model.put(table.replace(some, rights & held), rights & held);
                    }
                }
                default -> {
                    if (model.remove(some) == null) {
                        Expect.status(ZxStatus.BAD_HANDLE, () -> table.close(some));
                    } else {
                        table.close(some);
                    }
                }
            }
            assertEquals(model.size(), table.count());
            assertEquals(model.size() + 1, event.handleCount());
        }
        model.forEach((handle, rights) -> assertEquals(rights, table.rights(handle)));
    }
}
