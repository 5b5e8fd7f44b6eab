package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.BAD_HANDLE;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.kobject.ZxStatus.WRONG_TYPE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.jircon.hal.MmuFlags;
import io.jircon.kobject.HandleTable;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.Rights;
import io.jircon.kobject.Signals;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class VmarMapIobTest {
    private static final int R = VmarFlags.PERM_READ.bits();
    private static final int RW = VmarFlags.READ_WRITE.bits();

    private final VmarFixture vm = new VmarFixture();
    private final HandleTable handles = new HandleTable(vm.machine.kernel());
    private final VmarCalls calls = new VmarCalls(handles);
    private IoBuffer first;
    private int vmar;
    private int one;
    private int two;

    @BeforeEach
    void setUp() {
        vmar = handles.add(vm.root, VmarCalls.handleRights(vm.root));
        first =
                IoBuffer.create(
                        vm.machine,
                        List.of(
                                new IoBuffer.Region(2 * PAGE, MmuFlags.RW, MmuFlags.R),
                                new IoBuffer.Region(PAGE, MmuFlags.NONE, MmuFlags.RW)));
        one = handles.add(first, ObjectType.IOB.defaultRights());
        two = handles.add(first.peer(), ObjectType.IOB.defaultRights());
    }

    @AfterEach
    void tearDown() {
        handles.closeAll();
        assertEquals(0, vm.machine.kernel().liveObjects(ObjectType.IOB));
        vm.close();
        assertEquals(0, vm.machine.kernel().liveObjects(ObjectType.VMO));
    }

    @Test
    @Tag("V-122")
    void bothEndpointsShowTheSameMemory() {
        long mine = calls.mapIob(vmar, RW, 0, one, 0, 0, 2 * PAGE);
        long theirs = calls.mapIob(vmar, R, 0, two, 0, PAGE, PAGE);
        vm.poke(mine + PAGE, 42);
        assertEquals(42, vm.peek(theirs));
        assertEquals(2, first.regionCount());
        assertSame(first, first.peer().peer());
        assertEquals(first.koid(), first.peer().relatedKoid());
    }

    @Test
    @Tag("V-122")
    void eachEndpointHasItsOwnRights() {
        refuses(ACCESS_DENIED, "V-87", () -> calls.mapIob(vmar, RW, 0, two, 0, 0, PAGE));
        refuses(ACCESS_DENIED, "V-87", () -> calls.mapIob(vmar, R, 0, one, 1, 0, PAGE));
        long theirs = calls.mapIob(vmar, R, 0, two, 0, 0, PAGE);
        VmMapping mapping = Objects.requireNonNull(vm.root.findMapping(theirs));
        assertEquals(MmuFlags.R, mapping.maxPermissions());
        calls.mapIob(vmar, RW, 0, two, 1, 0, PAGE);
    }

    @Test
    @Tag("V-122")
    void aHandleMayHaveFewerRightsThanItsEndpoint() {
        int reader = handles.duplicate(one, Rights.READ | Rights.MAP);
        refuses(ACCESS_DENIED, "V-87", () -> calls.mapIob(vmar, RW, 0, reader, 0, 0, PAGE));
        calls.mapIob(vmar, R, 0, reader, 0, 0, PAGE);
        int noMap = handles.duplicate(one, Rights.READ | Rights.WRITE);
        refuses(ACCESS_DENIED, "V-83", () -> calls.mapIob(vmar, 1 << 7, 0, noMap, 0, 1, 0));
    }

    @Test
    @Tag("V-122")
    void theHandlesComeFirstAndThenTheIndex() {
        refuses(BAD_HANDLE, "K-54", () -> calls.mapIob(0, -1, 1, vmar, 9, 1, 0));
        refuses(WRONG_TYPE, "K-54", () -> calls.mapIob(one, -1, 1, 0, 9, 1, 0));
        refuses(BAD_HANDLE, "K-54", () -> calls.mapIob(vmar, -1, 1, 0, 9, 1, 0));
        refuses(WRONG_TYPE, "K-54", () -> calls.mapIob(vmar, -1, 1, vmar, 9, 1, 0));
        int noMap = handles.duplicate(one, Rights.READ);
        refuses(OUT_OF_RANGE, "V-122", () -> calls.mapIob(vmar, -1, 1, noMap, 2, 1, 0));
        refuses(OUT_OF_RANGE, "V-122", () -> calls.mapIob(vmar, R, 0, one, -1, 0, PAGE));
        refuses(ACCESS_DENIED, "V-83", () -> calls.mapIob(vmar, -1, 1, noMap, 1, 1, 0));
    }

    @Test
    @Tag("V-122")
    void theRowsOfMapFollow() {
        refuses(INVALID_ARGS, "V-95", () -> calls.mapIob(vmar, R, 0, one, 0, 1, PAGE));
        refuses(INVALID_ARGS, "V-100", () -> calls.mapIob(vmar, R, 0, one, 0, 0, 0));
        VmAddressRegion dead = vm.region(1);
        int grave = handles.add(dead, VmarCalls.handleRights(dead));
        dead.destroy();
        refuses(BAD_STATE, "V-99", () -> calls.mapIob(grave, R, 0, one, 0, 0, PAGE));
    }

    @Test
    @Tag("V-312")
    @Tag("V-122")
    void theLengthIsRoundedUp() {
        long at = calls.mapIob(vmar, R, 0, one, 0, 0, PAGE + 1);
        VmMapping mapping = Objects.requireNonNull(vm.root.findMapping(at));
        assertEquals(2 * PAGE, mapping.sizeBytes());
    }

    @Test
    @Tag("V-89")
    @Tag("V-122")
    void aRegionHasNoStreamSizeToFaultBeyond() {
        int options = R | VmarFlags.FAULT_BEYOND_STREAM_SIZE.bits();
        refuses(INVALID_ARGS, "V-88", () -> calls.mapIob(vmar, options, 0, one, 0, 0, PAGE));
        int allowed = options | VmarFlags.ALLOW_FAULTS.bits();
        refuses(INVALID_ARGS, "V-89", () -> calls.mapIob(vmar, allowed, 0, one, 0, 0, PAGE));
        int undefined = allowed | 1 << 16;
        refuses(INVALID_ARGS, "V-89", () -> calls.mapIob(vmar, undefined, 0, one, 0, 0, PAGE));
    }

    @Test
    @Tag("V-122")
    void closingAnEndpointTellsTheOtherAndLeavesTheMemory() {
        long mine = calls.mapIob(vmar, RW, 0, one, 0, 0, PAGE);
        handles.close(one);
        assertEquals(Signals.PEER_CLOSED, first.peer().signals());
        vm.poke(mine, 7);
        assertEquals(7, vm.peek(calls.mapIob(vmar, R, 0, two, 0, 0, PAGE)));
        vm.root.unmap(mine, PAGE);
        assertEquals(7, vm.peek(calls.mapIob(vmar, R, 0, two, 0, 0, PAGE)));
    }

    @Test
    @Tag("V-122")
    void aBufferThatCannotBeMadeLeavesNothing() {
        var tooBig = new IoBuffer.Region(-1, MmuFlags.R, MmuFlags.R);
        var executable = new IoBuffer.Region(PAGE, MmuFlags.RWX, MmuFlags.R);
        var fine = new IoBuffer.Region(PAGE, MmuFlags.R, MmuFlags.R);
        refuses(OUT_OF_RANGE, "O-17", () -> IoBuffer.create(vm.machine, List.of(fine, tooBig)));
        refuses(INVALID_ARGS, "V-122", () -> IoBuffer.create(vm.machine, List.of(executable)));
        refuses(
                INVALID_ARGS,
                "V-122",
                () -> IoBuffer.create(vm.machine, Collections.nCopies(65, fine)));
    }
}
