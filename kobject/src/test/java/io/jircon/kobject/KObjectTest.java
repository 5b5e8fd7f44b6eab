package io.jircon.kobject;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class KObjectTest {
    private final Kernel kernel = Kernel.create();

    private static final class Named extends ProcessBase {
        Named(Kernel kernel, String name) {
            super(kernel, name);
        }

        @Override
        protected void destroyAddressSpace() {}
    }

    @Test
    @Tag("K-1")
    @Tag("K-2")
    @Tag("K-3")
    void koidsStartAt1024AndNeverRepeat() {
        Set<Long> seen = new HashSet<>();
        for (int i = 0; i < 1000; i++) {
            long koid = new Event(kernel).koid();
            assertTrue(koid >= Kernel.FIRST_KOID, () -> "koid " + koid);
            assertTrue(seen.add(koid));
        }
    }

    @Test
    @Tag("K-5")
    void koidsFromManyThreadsAreDistinct() {
        Set<Long> seen = ConcurrentHashMap.newKeySet();
        IntStream.range(0, 20_000).parallel().forEach(i -> assertTrue(seen.add(kernel.newKoid())));
        assertEquals(20_000, seen.size());
    }

    @Test
    void twoKernelsShareNothing() {
        Kernel other = Kernel.create();
        var event = new Event(kernel);
        assertEquals(Map.of(), other.liveObjects());
        Expect.status(ZxStatus.INVALID_ARGS, () -> new HandleTable(other).add(event, Rights.BASIC));
    }

    @Test
    @Tag("K-6")
    @Tag("K-8")
    void endsOfAPairNameEachOther() {
        EventPair end = EventPair.create(kernel);
        assertEquals(end.peer().koid(), end.relatedKoid());
        assertEquals(end.koid(), end.peer().relatedKoid());
        assertEquals(Kernel.INVALID_KOID, new Event(kernel).relatedKoid());
    }

    @Test
    @Tag("K-7")
    void relatedKoidOutlivesThePeer() {
        var table = new HandleTable(kernel);
        EventPair end = EventPair.create(kernel);
        int handle = table.add(end.peer(), Rights.BASIC);
        long related = end.relatedKoid();
        table.close(handle);
        assertEquals(related, end.relatedKoid());
    }

    @Test
    @Tag("K-16")
    void typeIdsAreThoseOfTheContract() {
        assertEquals(1, ObjectType.PROCESS.id());
        assertEquals(3, ObjectType.VMO.id());
        assertEquals(18, ObjectType.VMAR.id());
        assertEquals(35, ObjectType.IOB_SHARED_REGION.id());
        assertEquals(
                ObjectType.values().length,
                java.util.Arrays.stream(ObjectType.values())
                        .mapToInt(ObjectType::id)
                        .distinct()
                        .count());
    }

    @Test
    @Tag("K-18")
    void waitableFollowsFromDefaultRights() {
        assertTrue(ObjectType.EVENT.isWaitable());
        assertTrue(ObjectType.VMO.isWaitable());
        assertFalse(ObjectType.VMAR.isWaitable());
        assertFalse(ObjectType.PORT.isWaitable());
    }

    @Test
    @Tag("K-46")
    void defaultRightsHaveTheContractsNumbers() {
        assertEquals(0xD003, ObjectType.EVENT.defaultRights());
        assertEquals(0xD0EF, ObjectType.VMO.defaultRights());
        assertEquals(0x208003, ObjectType.VMAR.defaultRights());
        assertEquals(0x6D3CF, ObjectType.PROCESS.defaultRights());
        assertEquals(0x7DFCF, ObjectType.JOB.defaultRights());
        assertEquals(0x1808002, ObjectType.PAGER.defaultRights());
    }

    @Test
    @Tag("K-19")
    @Tag("K-20")
    @Tag("zcore-T7")
    void aLongNameKeepsItsFirst31Bytes() {
        var process = new Named(kernel, "x".repeat(40));
        assertEquals("x".repeat(31), process.name());
    }

    @Test
    @Tag("K-20")
    void aCutCharacterDoesNotGrowTheName() {
        var process = new Named(kernel, "x".repeat(30) + "é");
        assertEquals("x".repeat(30), process.name());
        assertTrue(process.name().getBytes(StandardCharsets.UTF_8).length <= 31);
    }

    @Test
    @Tag("K-21")
    @Tag("K-22")
    void aNameEndsAtNulAndMayBeEmptyOrBlank() {
        var process = new Named(kernel, " a \0b");
        assertEquals(" a ", process.name());
        process.setName("");
        assertEquals("", process.name());
    }

    @Test
    @Tag("K-26")
    void anEventHasNoNameProperty() {
        var event = new Event(kernel);
        Expect.status(ZxStatus.WRONG_TYPE, event::name);
        Expect.status(ZxStatus.WRONG_TYPE, () -> event.setName("x"));
    }

    @Test
    @Tag("K-144")
    void liveObjectsReturnToNothing() {
        var table = new HandleTable(kernel);
        int handle = table.add(new Event(kernel), Rights.BASIC);
        assertEquals(1, kernel.liveObjects(ObjectType.EVENT));
        table.close(handle);
        assertEquals(Map.of(), kernel.liveObjects());
        assertEquals(0, kernel.handleCount());
    }

    @Test
    @Tag("K-153")
    void statusesHaveTheirNumbers() {
        assertEquals(-10, ZxStatus.INVALID_ARGS.value());
        assertEquals(-25, ZxStatus.NOT_FOUND.value());
        assertEquals(-502, ZxStatus.INTERNAL_INTR_KILLED.value());
        assertEquals(ZxStatus.BAD_STATE, ZxStatus.ofValue(-20));
        assertEquals(null, ZxStatus.ofValue(-5));
        for (ZxStatus status : ZxStatus.values()) {
            assertEquals(status, ZxStatus.ofValue(status.value()));
        }
    }

    @Test
    void anExceptionTellsStatusClauseAndFacts() {
        ZxException thrown =
                ZxException.of(ZxStatus.ALREADY_EXISTS, "V-71", "offset", "0x1000", "is taken");
        assertEquals("ALREADY_EXISTS (-26, V-71): offset=0x1000 is taken", thrown.getMessage());
        assertEquals("V-71", thrown.clause());
        assertThrows(
                IllegalArgumentException.class, () -> new ZxException(ZxStatus.OK, "", "nothing"));
    }

    @Test
    @Tag("K-41")
    @Tag("zcore/object:rights_conversion")
    void rightsPrintTheirNames() {
        assertEquals("NONE", Rights.toString(0));
        assertEquals("READ|WRITE", Rights.toString(Rights.IO));
        assertEquals("OP_CHILDREN|0x80000000", Rights.toString(1 << 21 | Rights.SAME_RIGHTS));
    }
}
