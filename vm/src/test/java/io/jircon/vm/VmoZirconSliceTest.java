package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.jircon.kobject.HandleTable;
import io.jircon.kobject.Rights;
import io.jircon.kobject.Signals;
import io.jircon.kobject.WaitResult;
import io.jircon.kobject.ZxStatus;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What Zircon's own suites test of slices, references and the signal that there are no children
/// (`vmo-slice.cc`, `vmo-reference.cc`, `vmo-signal.cc`), where no other test here does.
class VmoZirconSliceTest extends VmoMappedFixture {
    private boolean isChildless(VmObject vmo) {
        return (vmo.signals() & Signals.VMO_ZERO_CHILDREN) != 0;
    }

    // ---- slices

    @Test
    @Tag("vmo-slice.cc:WriteThrough")
    @Tag("vmo-slice.cc:Nested")
    @Tag("vmo-slice.cc:DecommitParent")
    @Tag("vmo-slice.cc:DecommitChild")
    void slicesReadAndWriteTheirParents() {
        VmObject parent = paged(4);
        put(parent, 0, 42);
        put(parent, 1, 42);
        VmObject window = slice(parent, 1, 2);
        VmObject inner = slice(window, 0, 2);
        assertPages(inner, 42, 0);
        put(inner, 0, 84);
        put(window, 1, 84);
        assertPages(parent, 42, 84, 84, 0);
        parent.decommit(PAGE, PAGE);
        assertPages(window, 0, 84);
        window.decommit(PAGE, PAGE);
        assertPages(parent, 42, 0, 0, 0);
    }

    @Test
    @Tag("vmo-slice.cc:NonSlice")
    void slicesLieInsideTheirParents() {
        VmObject parent = paged(2, VmoOption.RESIZABLE);
        long most = -PAGE;
        long[][] invalid = {{0, 3 * PAGE}, {PAGE, 2 * PAGE}, {2 * PAGE, PAGE}, {most, PAGE}};
        for (long[] range : invalid) {
            refused(ZxStatus.INVALID_ARGS, () -> parent.createSlice(range[0], range[1]));
        }
        long[][] outside = {{0, -1}, {0, most}, {most, most}, {most, -1}};
        for (long[] range : outside) {
            refused(ZxStatus.OUT_OF_RANGE, () -> parent.createSlice(range[0], range[1]));
        }
    }

    @Test
    @Tag("vmo-slice.cc:NonResizable")
    void neitherSlicesNorTheirParentsAreResizable() {
        Set<VmoChildOption> both = EnumSet.of(VmoChildOption.SLICE, VmoChildOption.RESIZABLE);
        VmObject resizable = paged(1, VmoOption.RESIZABLE);
        refused(ZxStatus.NOT_SUPPORTED, () -> resizable.createSlice(0, PAGE));
        refused(ZxStatus.INVALID_ARGS, () -> resizable.createChild(both, 0, PAGE));
        VmObject fixed = paged(1);
        refused(ZxStatus.INVALID_ARGS, () -> fixed.createChild(both, 0, PAGE));
    }

    @Test
    @Tag("vmo-slice.cc:ParentContiguousVmoStaysPinnedWithoutHandle")
    @Tag("vmo-slice.cc:RoundUpSizePhysical")
    void framesOfAClosedParentStayWithItsSlice() {
        VmObject parent = VmObject.createContiguous(machine, 32 * PAGE, 0);
        long base = ((CommitPolicy.Contiguous) parent.policy()).base();
        VmObject window = keep(parent.createSlice(0, 31 * PAGE + 42));
        assertEquals(32 * PAGE, window.sizeBytes());
        parent.close();
        window.zero(0, 32 * PAGE);
        VmObject other = written(32);
        try (PinnedPages pinned = window.pin(0, 32 * PAGE)) {
            for (int page = 0; page < 32; page++) {
                assertEquals(base + page * PAGE, pinned.address(page));
            }
        }
        assertPages(other, 1, 2);
    }

    @Test
    @Tag("vmo-slice.cc:ZeroChildrenGrandchildClosedLast")
    void aClosedSliceWithASliceOfItsOwnStillCounts() {
        VmObject parent = paged(2);
        VmObject window = slice(parent, 0, 2);
        VmObject inner = slice(window, 0, 1);
        window.close();
        assertFalse(isChildless(parent));
        inner.close();
        assertEquals(Signals.VMO_ZERO_CHILDREN, parent.signals());
    }

    @Test
    @Tag("vmo-slice.cc:CowPageSourceThroughSlices")
    void aSliceOfASnapshotIsNotCopiedAgain() {
        VmObject vmo = paged(1);
        vmo.commit(0, PAGE);
        VmObject window = slice(snapshot(vmo, 0, 1), 0, 1);
        refused(ZxStatus.NOT_SUPPORTED, () -> window.createSnapshot(0, PAGE));
        put(window, 0, 5);
        assertPages(vmo, 0);
    }

    @Test
    @Tag("vmo-slice.cc:RoundUpSize")
    void theWholeLastPageOfASliceIsThere() {
        VmObject parent = paged(1);
        VmObject window = keep(parent.createSlice(0, 42));
        parent.write(PAGE - 64, new byte[] {7});
        assertArrayEquals(new byte[] {7}, window.read(PAGE - 64, 1));
    }

    // ---- references

    @Test
    @Tag("vmo-reference.cc:Write")
    @Tag("vmo-reference.cc:ZeroChildren")
    @Tag("vmo-reference.cc:GetInfo")
    void aReferenceSharesTheBytesAndCountsAsAChild() {
        VmObject vmo = paged(2);
        assertEquals(Signals.VMO_ZERO_CHILDREN, vmo.signals());
        VmObject ref = reference(vmo);
        assertFalse(isChildless(vmo));
        assertEquals(vmo.koid(), ref.info().parentKoid());
        assertFalse(ref.info().flags().contains(VmoInfo.Flag.IS_COW_CLONE));
        put(vmo, 0, 1);
        put(ref, 1, 2);
        assertPages(ref, 1, 2);
        assertPages(vmo, 1, 2);
        ref.close();
        assertEquals(Signals.VMO_ZERO_CHILDREN, vmo.signals());
    }

    @Test
    @Tag("vmo-reference.cc:ChildSnapshot")
    @Tag("vmo-reference.cc:ChildSlice")
    void childrenOfAReferenceAreChildrenLikeOthers() {
        VmObject vmo = written(2);
        VmObject ref = reference(vmo);
        VmObject copy = snapshot(ref, 0, 2);
        VmObject window = slice(ref, 0, 2);
        assertEquals(ref.koid(), copy.info().parentKoid());
        assertEquals(ref.koid(), window.info().parentKoid());
        put(vmo, 0, 9);
        put(copy, 1, 8);
        put(window, 1, 7);
        assertPages(copy, 1, 8);
        assertPages(vmo, 9, 7);
        assertPages(ref, 9, 7);
    }

    @Test
    @Tag("vmo-reference.cc:NestedChild")
    void referencesOfReferencesAreAllTheSameObject() {
        VmObject vmo = paged(1);
        VmObject one = reference(vmo);
        VmObject two = reference(one);
        VmObject three = reference(two);
        put(three, 0, 6);
        for (VmObject each : List.of(vmo, one, two)) {
            assertPages(each, 6);
        }
        assertEquals(vmo.koid(), one.info().parentKoid());
        assertEquals(one.koid(), two.info().parentKoid());
        assertEquals(two.koid(), three.info().parentKoid());
    }

    @Test
    @Tag("vmo-reference.cc:MappingUpdate")
    @Tag("vmo-reference.cc:MappingUpdateAfterDroppingRef")
    @Tag("vmo-reference.cc:MappingUpdateAfterDroppingParent")
    void mappingsFollowWhoeverIsLeft() {
        VmObject vmo = paged(1);
        VmObject ref = reference(vmo);
        long whole = mapWritable(vmo);
        long shown = mapWritable(ref);
        put(ref, 0, 3);
        assertEquals(List.of(3, 3), List.of(peek(whole, 0), peek(shown, 0)));
        ref.decommit(0, PAGE);
        assertEquals(0, vmo.info().committedBytes());
        assertEquals(0, peek(shown, 0));
        VmObject brief = reference(vmo);
        put(brief, 0, 4);
        brief.close();
        vmo.decommit(0, PAGE);
        assertEquals(0, peek(whole, 0));
        put(ref, 0, 5);
        vmo.close();
        assertEquals(5, peek(shown, 0));
        ref.decommit(0, PAGE);
        assertEquals(List.of(0, 0), List.of(peek(whole, 0), peek(shown, 0)));
    }

    @Test
    @Tag("vmo-reference.cc:MappingUpdateNestedChildDestroy")
    @Tag("vmo-reference.cc:MappingUpdateNestedRootDestroy")
    void mappingsOfNestedReferencesFollowToo() {
        VmObject vmo = written(1);
        VmObject one = reference(vmo);
        VmObject inner = reference(one);
        long[] maps = {mapWritable(vmo), mapWritable(inner), mapWritable(reference(vmo))};
        one.close();
        vmo.decommit(0, PAGE);
        for (long at : maps) {
            assertEquals(0, peek(at, 0));
        }
        put(inner, 0, 8);
        vmo.close();
        for (long at : maps) {
            assertEquals(8, peek(at, 0));
        }
        inner.decommit(0, PAGE);
        for (long at : maps) {
            assertEquals(0, peek(at, 0));
        }
    }

    // ---- the signal

    @Test
    @Tag("vmo-signal.cc:SignalSanity")
    void theSignalIsSeenByWhoWaitsForAnother() throws InterruptedException {
        var handles = new HandleTable(machine.kernel());
        int vmo = handles.add(paged(1), Rights.WAIT | Rights.SIGNAL);
        int user = Signals.user(0);
        assertEquals(
                new WaitResult(ZxStatus.TIMED_OUT, Signals.VMO_ZERO_CHILDREN),
                handles.waitOne(vmo, user, 0));
        handles.signal(vmo, 0, user);
        assertEquals(
                new WaitResult(ZxStatus.OK, Signals.VMO_ZERO_CHILDREN | user),
                handles.waitOne(vmo, user, 0));
        handles.closeAll();
    }

    @Test
    @Tag("vmo-signal.cc:ChildSignalClone")
    @Tag("vmo-signal.cc:ChildSignalMap")
    void theSignalFollowsClonesAndTheirMappings() {
        VmObject vmo = paged(1);
        for (int round = 0; round < 10; round++) {
            VmObject clone = snapshot(vmo, 0, 1);
            VmObject second = snapshot(clone, 0, 1);
            assertFalse(isChildless(vmo));
            assertFalse(isChildless(clone));
            assertEquals(Signals.VMO_ZERO_CHILDREN, second.signals());
            clone.close();
            assertFalse(isChildless(vmo));
            second.close();
            assertEquals(Signals.VMO_ZERO_CHILDREN, vmo.signals());
            VmObject mapped = snapshot(vmo, 0, 1);
            long at = mapWritable(mapped);
            mapped.close();
            assertFalse(isChildless(vmo));
            root.unmap(at, PAGE);
            assertEquals(Signals.VMO_ZERO_CHILDREN, vmo.signals());
        }
    }
}
