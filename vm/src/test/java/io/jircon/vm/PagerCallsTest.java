package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.BAD_HANDLE;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NOT_SUPPORTED;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.kobject.ZxStatus.WRONG_TYPE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.HandleTable;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.Rights;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class PagerCallsTest extends VmoFixture {
    private static final int WRITEBACK_BEGIN = PagerOp.WRITEBACK_BEGIN.value();

    private final HandleTable handles = new HandleTable(machine.kernel());
    private final VmoCalls vmos = new VmoCalls(machine, handles);
    private final PagerCalls calls = new PagerCalls(machine, handles);
    private final PageRequestQueue queue = new PageRequestQueue();
    private final int pager = calls.create(0);
    private final int file = calls.createVmo(pager, 0, queue, 1, 2 * PAGE);

    @AfterEach
    void closeHandles() {
        handles.closeAll();
        assertEquals(0, machine.kernel().liveObjects(ObjectType.PAGER));
    }

    /// Another handle to the pager.
    private int pagerWith(int rights) {
        return handles.add(handles.get(pager, Pager.class, Rights.NONE), rights);
    }

    private int with(int vmo, int rights) {
        return handles.duplicate(vmo, rights);
    }

    private void supply(int vmo, long offset) {
        int aux = vmos.create(PAGE, 0);
        vmos.write(aux, 0, MemorySegment.ofArray(new byte[] {5}));
        calls.supplyPages(pager, vmo, offset, PAGE, aux, 0);
    }

    @Test
    @Tag("O-268")
    @Tag("O-269")
    @Tag("O-30")
    @Tag("pager.cc:InvalidPagerCreate")
    void handlesHaveTheDefaultRights() {
        refused(INVALID_ARGS, () -> calls.create(1));
        assertEquals(0x1808002, handles.rights(pager));
        assertEquals(ObjectType.VMO.defaultRights(), handles.rights(file));
        int resizable = calls.createVmo(pager, VmoOption.RESIZABLE.bit(), queue, 2, PAGE);
        assertEquals(ObjectType.VMO.defaultRights() | Rights.RESIZE, handles.rights(resizable));
        int trapping = calls.createVmo(pager, VmoOption.TRAP_DIRTY.bit(), queue, 3, PAGE);
        calls.opRange(pager, PagerOp.DIRTY.value(), trapping, 0, 0, 0);
    }

    @Test
    @Tag("O-269")
    @Tag("pager.cc:InvalidPagerCreateVmo")
    void createVmoChecksInOrder() {
        int resizable = VmoOption.RESIZABLE.bit();
        refused(BAD_HANDLE, () -> calls.createVmo(0, -1, queue, 1, -1));
        refused(WRONG_TYPE, () -> calls.createVmo(file, -1, queue, 1, -1));
        int weak = pagerWith(Rights.MANAGE_VMO);
        refused(ACCESS_DENIED, () -> calls.createVmo(weak, -1, queue, 1, -1));
        refused(INVALID_ARGS, () -> calls.createVmo(pager, -1, queue, 1, -1));
        refused(OUT_OF_RANGE, () -> calls.createVmo(pager, resizable | 1, queue, 1, -1));
        refused(INVALID_ARGS, () -> calls.createVmo(pager, resizable | 1, queue, 1, -PAGE));
        refused(
                INVALID_ARGS,
                () -> calls.createVmo(pager, VmoOption.DISCARDABLE.bit(), queue, 1, 0));
        handles.get(pager, Pager.class, Rights.NONE).close();
        refused(BAD_STATE, () -> calls.createVmo(pager, -1, queue, 1, -1));
    }

    @Test
    @Tag("O-279")
    @Tag("pager.cc:InvalidPagerSupplyPages")
    void supplyLooksAtItsHandlesFromLeftToRightAndAtTheGiverLast() {
        int plain = vmos.create(PAGE, 0);
        refused(INVALID_ARGS, () -> calls.supplyPages(0, 0, 1, PAGE, 0, 0));
        refused(BAD_HANDLE, () -> calls.supplyPages(0, file, 0, PAGE, plain, 0));
        int weak = pagerWith(Rights.ATTACH_VMO);
        refused(ACCESS_DENIED, () -> calls.supplyPages(weak, 0, 0, PAGE, plain, 0));
        refused(BAD_HANDLE, () -> calls.supplyPages(pager, 0, 0, PAGE, plain, 0));
        int readable = with(file, Rights.READ);
        refused(ACCESS_DENIED, () -> calls.supplyPages(pager, readable, 0, PAGE, 0, 0));
        refused(INVALID_ARGS, () -> calls.supplyPages(pager, plain, 0, PAGE, 0, 0));
        refused(BAD_HANDLE, () -> calls.supplyPages(pager, file, 0, PAGE, 0, 0));
        int giver = with(plain, Rights.READ);
        refused(ACCESS_DENIED, () -> calls.supplyPages(pager, file, 0, PAGE, giver, 0));
        refused(OUT_OF_RANGE, () -> calls.supplyPages(pager, file, 2 * PAGE, PAGE, plain, 0));
        supply(file, PAGE);
        var octet = MemorySegment.ofArray(new byte[1]);
        vmos.read(file, PAGE, octet);
        assertEquals(5, octet.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 0));
    }

    @Test
    @Tag("O-283")
    @Tag("pager-writeback.cc:InvalidPagerOpRange")
    void operationsCheckTheirHandlesThenTheirNumber() {
        int plain = vmos.create(PAGE, 0);
        refused(INVALID_ARGS, () -> calls.opRange(0, 9, 0, 1, PAGE, 0));
        refused(BAD_HANDLE, () -> calls.opRange(0, 9, file, 0, PAGE, 0));
        int weak = pagerWith(Rights.ATTACH_VMO);
        refused(ACCESS_DENIED, () -> calls.opRange(weak, 9, file, 0, PAGE, 0));
        int readable = with(file, Rights.READ);
        refused(ACCESS_DENIED, () -> calls.opRange(pager, 9, readable, 0, PAGE, 0));
        refused(INVALID_ARGS, () -> calls.opRange(pager, 9, plain, 0, PAGE, 0));
        for (int op : new int[] {0, 5, -1, 9}) {
            refused(NOT_SUPPORTED, () -> calls.opRange(pager, op, file, 0, 9 * PAGE, 7));
        }
        refused(INVALID_ARGS, () -> calls.opRange(pager, WRITEBACK_BEGIN, file, 0, 9 * PAGE, 7));
        refused(OUT_OF_RANGE, () -> calls.opRange(pager, WRITEBACK_BEGIN, file, 0, 9 * PAGE, 0));
    }

    @Test
    @Tag("O-303")
    @Tag("pager.cc:InvalidPagerDetachVmo")
    void detachNeedsBothRightsOfThePager() {
        int attaching = pagerWith(Rights.ATTACH_VMO);
        int managing = pagerWith(Rights.MANAGE_VMO);
        int readable = with(file, Rights.READ);
        int plain = vmos.create(PAGE, 0);
        refused(ACCESS_DENIED, () -> calls.detachVmo(attaching, file));
        refused(ACCESS_DENIED, () -> calls.detachVmo(managing, file));
        refused(ACCESS_DENIED, () -> calls.detachVmo(pager, readable));
        refused(INVALID_ARGS, () -> calls.detachVmo(pager, plain));
        calls.detachVmo(pager, file);
        assertEquals(new PageRequest(1, PageRequest.Command.COMPLETE, 0, 0), queue.poll());
    }

    @Test
    @Tag("O-301")
    @Tag("O-302")
    @Tag("pager-writeback.cc:InvalidQuery")
    void questionsNeedReadingAndManaging() {
        int attaching = pagerWith(Rights.ATTACH_VMO);
        int writable = with(file, Rights.WRITE);
        int plain = vmos.create(PAGE, 0);
        refused(ACCESS_DENIED, () -> calls.queryDirtyRanges(attaching, file, 0, 9 * PAGE));
        refused(ACCESS_DENIED, () -> calls.queryDirtyRanges(pager, writable, 0, 9 * PAGE));
        refused(OUT_OF_RANGE, () -> calls.queryDirtyRanges(pager, file, 0, 9 * PAGE));
        refused(ACCESS_DENIED, () -> calls.queryVmoStats(attaching, file, 2));
        refused(ACCESS_DENIED, () -> calls.queryVmoStats(pager, writable, 2));
        refused(INVALID_ARGS, () -> calls.queryVmoStats(pager, plain, 0));
        refused(INVALID_ARGS, () -> calls.queryVmoStats(pager, file, 2));
        supply(file, 0);
        vmos.write(file, 0, MemorySegment.ofArray(new byte[] {1}));
        assertEquals(
                List.of(new DirtyRange(0, PAGE, DirtyRange.Contents.PAGES)),
                calls.queryDirtyRanges(pager, file, 0, 2 * PAGE));
        assertTrue(calls.queryVmoStats(pager, file, 0).isModified());
        assertTrue(calls.queryVmoStats(pager, file, PagerCalls.RESET_VMO_STATS).isModified());
        assertFalse(calls.queryVmoStats(pager, file, 0).isModified());
    }

    @Test
    @Tag("O-306")
    void lastHandleEndsThePager() {
        handles.close(pager);
        refused(BAD_STATE, () -> vmos.read(file, 0, MemorySegment.ofArray(new byte[1])));
        assertEquals(0, machine.kernel().liveObjects(ObjectType.PAGER));
    }
}
