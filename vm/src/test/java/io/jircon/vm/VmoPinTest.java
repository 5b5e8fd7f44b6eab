package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.ObjectType;
import io.jircon.kobject.ZxStatus;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class VmoPinTest extends VmoFixture {
    @Test
    @Tag("O-122")
    @Tag("vmo.cc:PinTests")
    @Tag("zcore-O10")
    void everyRangeIsCheckedAgainstTheObjectNamed() {
        VmObject normal = paged(6);
        VmObject contiguous = keep(VmObject.createContiguous(machine, 6 * PAGE, 0));
        VmObject physical = keep(VmObject.createPhysical(machine, 0x10000, 6 * PAGE));
        for (VmObject whole : new VmObject[] {normal, contiguous, physical}) {
            VmObject window = slice(whole, 1, 4);
            VmObject inner = slice(window, 1, 2);
            for (VmObject vmo : new VmObject[] {whole, window, inner}) {
                long size = vmo.sizeBytes();
                for (long start = 0; start <= 7 * PAGE; start += PAGE) {
                    for (long end = start + PAGE; end <= 8 * PAGE; end += PAGE) {
                        long from = start;
                        long len = end - start;
                        if (start >= size || end > size) {
                            refused(ZxStatus.OUT_OF_RANGE, () -> vmo.pin(from, len));
                        } else {
                            vmo.pin(from, len).close();
                        }
                    }
                }
            }
        }
        refused(ZxStatus.INVALID_ARGS, () -> normal.pin(1, PAGE));
        refused(ZxStatus.INVALID_ARGS, () -> normal.pin(0, 1));
        refused(ZxStatus.INVALID_ARGS, () -> normal.pin(0, 0));
        refused(ZxStatus.OUT_OF_RANGE, () -> normal.pin(-PAGE, 2 * PAGE));
    }

    @Test
    @Tag("O-123")
    @Tag("vmo-clone2.cc:PinClonePages")
    void pinningMakesSharedPagesPrivate() {
        VmObject original = written(4);
        VmObject copy = snapshot(original, 0, 4);
        try (PinnedPages ours = original.pin(0, 4 * PAGE);
                PinnedPages theirs = copy.pin(0, 4 * PAGE)) {
            for (int i = 0; i < 4; i++) {
                for (int j = 0; j < 4; j++) {
                    assertNotEquals(ours.address(i), theirs.address(j));
                }
                assertEquals(i + 1, at(original, i));
                assertEquals(i + 1, at(copy, i));
            }
        }
    }

    @Test
    @Tag("O-28")
    @Tag("O-97")
    @Tag("O-125")
    @Tag("O-66")
    void pinnedPagesStayWhereTheyAre() {
        VmObject vmo = written(2, VmoOption.RESIZABLE);
        try (PinnedPages pinned = vmo.pin(0, 2 * PAGE)) {
            vmo.zero(0, 2 * PAGE);
            vmo.setStreamSize(PAGE);
            refused(ZxStatus.BAD_STATE, () -> vmo.setSize(PAGE));
            refused(ZxStatus.BAD_STATE, () -> vmo.decommit(0, PAGE));
            refused(ZxStatus.BAD_STATE, () -> vmo.setCachePolicy(CachePolicy.UNCACHED));
            refused(ZxStatus.BAD_STATE, () -> vmo.createSnapshot(0, PAGE));
            put(vmo, 1, 9);
            assertEquals(9, machine.memory().readLong(pinned.address(1)));
            assertEquals(2 * PAGE, vmo.info().committedBytes());
        }
        vmo.setSize(PAGE);
        vmo.decommit(0, PAGE);
    }

    @Test
    @Tag("O-126")
    void pinsNestUpToALimit() {
        VmObject vmo = paged(1);
        PinnedPages[] pins = new PinnedPages[PinTable.MAX_PINS];
        for (int i = 0; i < pins.length; i++) {
            pins[i] = vmo.pin(0, PAGE);
        }
        refused(ZxStatus.UNAVAILABLE, () -> vmo.pin(0, PAGE));
        for (PinnedPages pin : pins) {
            refused(ZxStatus.BAD_STATE, () -> vmo.decommit(0, PAGE));
            pin.close();
            pin.close();
        }
        vmo.decommit(0, PAGE);
    }

    @Test
    @Tag("O-89")
    @Tag("vmo-slice.cc:Pin")
    void pinThroughASliceHoldsTheParentsPages() {
        VmObject vmo = written(2);
        VmObject window = slice(vmo, 1, 1);
        try (PinnedPages pinned = window.pin(0, PAGE)) {
            assertEquals(0, pinned.offset());
            assertEquals(1, pinned.pageCount());
            assertThrows(IndexOutOfBoundsException.class, () -> pinned.address(1));
            refused(ZxStatus.BAD_STATE, () -> vmo.decommit(PAGE, PAGE));
            vmo.decommit(0, PAGE);
        }
        vmo.decommit(PAGE, PAGE);
    }

    @Test
    @Tag("O-128")
    void pinKeepsTheFramesOfAClosedObject() {
        VmObject vmo = written(1);
        PinnedPages pinned = vmo.pin(0, PAGE);
        vmo.close();
        assertEquals(1, machine.kernel().liveObjects(ObjectType.VMO));
        assertTrue(machine.frames().isAllocated(pinned.address(0)));
        pinned.close();
        assertEquals(0, machine.kernel().liveObjects(ObjectType.VMO));
    }

    @Test
    @Tag("O-260")
    void pinnedContentsAreNotDiscarded() {
        VmObject vmo = written(1, VmoOption.DISCARDABLE);
        vmo.lockContents();
        vmo.unlockContents();
        try (PinnedPages pinned = vmo.pin(0, PAGE)) {
            assertEquals(0, vmo.reclaim());
            assertTrue(machine.frames().isAllocated(pinned.address(0)));
        }
        assertEquals(1, vmo.reclaim());
        refused(ZxStatus.NOT_FOUND, () -> vmo.pin(0, PAGE));
    }

    @Test
    @Tag("O-83")
    void committedContentsMayBeDiscarded() {
        VmObject vmo = paged(2, VmoOption.DISCARDABLE);
        vmo.lockContents();
        vmo.commit(0, 2 * PAGE);
        vmo.unlockContents();
        assertEquals(2, vmo.reclaim());
        refused(ZxStatus.NOT_FOUND, () -> vmo.commit(0, PAGE));
    }
}
