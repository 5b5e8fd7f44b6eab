package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.BAD_HANDLE;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NOT_FOUND;
import static io.jircon.kobject.ZxStatus.NOT_SUPPORTED;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.kobject.ZxStatus.UNAVAILABLE;
import static io.jircon.kobject.ZxStatus.WRONG_TYPE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.HandleTable;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.Rights;
import io.jircon.kobject.Signals;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class VmoCallsTest extends VmoFixture {
    private static final int DEFAULT =
            Rights.BASIC
                    | Rights.READ
                    | Rights.WRITE
                    | Rights.MAP
                    | Rights.PROPERTY
                    | Rights.SIGNAL;
    private static final int RESIZABLE = VmoOption.RESIZABLE.bit();
    private static final int DISCARDABLE = VmoOption.DISCARDABLE.bit();
    private static final int UNBOUNDED = VmoOption.UNBOUNDED.bit();
    private static final int SNAPSHOT = VmoChildOption.SNAPSHOT.bit();
    private static final int SLICE = VmoChildOption.SLICE.bit();
    private static final int REFERENCE = VmoChildOption.REFERENCE.bit();
    private static final int CHILD_RESIZABLE = VmoChildOption.RESIZABLE.bit();
    private static final int NO_WRITE = VmoChildOption.NO_WRITE.bit();

    private final HandleTable handles = new HandleTable(machine.kernel());
    private final VmoCalls calls = new VmoCalls(machine, handles);
    private final MemorySegment octet = MemorySegment.ofArray(new byte[1]);

    @AfterEach
    void closeHandles() {
        handles.closeAll();
    }

    private int vmo(long pages, int options) {
        return calls.create(pages * PAGE, options);
    }

    private int with(int vmo, int rights) {
        return handles.duplicate(vmo, rights);
    }

    // ---- making

    @Test
    @Tag("O-32")
    @Tag("O-19")
    @Tag("vmo.cc:ResizeRight")
    @Tag("vmo.cc:Rights")
    void newHandlesHaveTheDefaultRightsAndResizeIfResizable() {
        assertEquals(DEFAULT, handles.rights(vmo(1, 0)));
        assertEquals(DEFAULT | Rights.RESIZE, handles.rights(vmo(1, RESIZABLE)));
        assertEquals(DEFAULT, handles.rights(calls.createContiguous(PAGE, 0)));
    }

    @Test
    @Tag("O-17")
    @Tag("O-21")
    @Tag("pager-writeback.cc:SimpleTrapDirty")
    void createChecksInOrder() {
        refused(INVALID_ARGS, () -> calls.create(-1, RESIZABLE | UNBOUNDED | 1));
        refused(OUT_OF_RANGE, () -> calls.create(-1, 1));
        refused(INVALID_ARGS, () -> calls.create(-PAGE, 1));
        refused(INVALID_ARGS, () -> calls.create(-PAGE, 1 << 5));
        refused(INVALID_ARGS, () -> calls.create(-PAGE, VmoOption.TRAP_DIRTY.bit()));
        refused(INVALID_ARGS, () -> calls.create(-1, UNBOUNDED));
        refused(OUT_OF_RANGE, () -> calls.create(-PAGE, 0));
        assertEquals(-64 * PAGE, calls.size(calls.create(-64 * PAGE, 0)));
    }

    @Test
    @Tag("O-31")
    void badHandleBeatsWrongTypeBeatsMissingRights() {
        VmAddressRegion root = VmAddressRegion.newRoot(machine);
        int region = handles.add(root, Rights.NONE);
        int bare = with(vmo(1, 0), Rights.NONE);
        refused(BAD_HANDLE, () -> calls.read(0, 0, octet));
        refused(WRONG_TYPE, () -> calls.read(region, -1, octet));
        refused(ACCESS_DENIED, () -> calls.read(bare, -1, octet));
        refused(ACCESS_DENIED, () -> calls.info(bare));
        assertEquals(PAGE, calls.size(bare));
        assertEquals(PAGE, calls.streamSize(bare));
        root.destroyAddressSpace();
    }

    @Test
    @Tag("O-5")
    void lastHandleEndsTheObject() {
        int one = vmo(1, 0);
        int two = with(one, Rights.SAME_RIGHTS);
        calls.write(one, 0, octet);
        handles.close(one);
        assertEquals(PAGE, calls.info(two).committedBytes());
        handles.close(two);
        assertEquals(0, machine.kernel().liveObjects(ObjectType.VMO));
    }

    // ---- bytes and sizes

    @Test
    @Tag("O-33")
    @Tag("K-55")
    @Tag("O-238")
    @Tag("vmo.cc:ResizeRight")
    @Tag("vmo.cc:Rights")
    @Tag("zcore-O16")
    void eachCallAsksForItsOwnRight() {
        int all = vmo(1, RESIZABLE);
        int reader = with(all, Rights.READ);
        int writer = with(all, Rights.WRITE);
        int resizer = with(all, Rights.WRITE | Rights.RESIZE);
        calls.read(reader, 0, octet);
        refused(ACCESS_DENIED, () -> calls.write(reader, 0, octet));
        calls.write(writer, 0, octet);
        refused(ACCESS_DENIED, () -> calls.read(writer, 0, octet));
        refused(ACCESS_DENIED, () -> calls.setSize(reader, PAGE));
        refused(ACCESS_DENIED, () -> calls.setSize(writer, PAGE));
        calls.setSize(resizer, 2 * PAGE);
        refused(ACCESS_DENIED, () -> calls.setStreamSize(reader, 0));
        calls.setStreamSize(writer, 0);
        refused(ACCESS_DENIED, () -> calls.setCachePolicy(reader, 0));
        refused(INVALID_ARGS, () -> calls.setCachePolicy(0, 4));
        calls.setCachePolicy(with(all, Rights.MAP), 3);
        assertEquals(CachePolicy.WRITE_COMBINING, calls.info(all).cachePolicy());
    }

    @Test
    @Tag("O-52")
    @Tag("O-53")
    @Tag("vmo.cc:ResizeRight")
    void setSizeOfAFixedObjectIsUnavailable() {
        int fixed = vmo(4, 0);
        refused(UNAVAILABLE, () -> calls.setSize(fixed, 5 * PAGE));
        refused(UNAVAILABLE, () -> calls.setSize(fixed, 3 * PAGE));
        assertEquals(4 * PAGE, calls.size(fixed));
    }

    // ---- children

    @Test
    @Tag("O-34")
    @Tag("O-35")
    @Tag("O-245")
    @Tag("vmo.cc:Rights")
    @Tag("vmo.cc:RightsExec")
    @Tag("vmo-clone.cc:Rights")
    void rightsOfChildrenFollowFromTheParentsHandle() {
        int vmo = vmo(1, 0);
        int narrow = with(vmo, Rights.READ | Rights.DUPLICATE);
        int copy = Rights.READ | Rights.DUPLICATE | Rights.WRITE | Rights.PROPERTY;
        assertEquals(copy, handles.rights(calls.createChild(narrow, SNAPSHOT, 0, PAGE)));
        assertEquals(
                Rights.READ | Rights.DUPLICATE | Rights.PROPERTY,
                handles.rights(calls.createChild(narrow, SLICE, 0, PAGE)));
        assertEquals(
                DEFAULT & ~Rights.WRITE,
                handles.rights(calls.createChild(vmo, SNAPSHOT | NO_WRITE, 0, PAGE)));
        assertEquals(
                DEFAULT | Rights.RESIZE,
                handles.rights(calls.createChild(vmo, SNAPSHOT | CHILD_RESIZABLE, 0, PAGE)));
        assertEquals(DEFAULT, handles.rights(calls.createChild(vmo, REFERENCE, 0, 0)));

        int executable = calls.replaceAsExecutable(vmo);
        int run = DEFAULT | Rights.EXECUTE;
        assertEquals(run, handles.rights(executable));
        assertEquals(DEFAULT, handles.rights(calls.createChild(executable, SNAPSHOT, 0, PAGE)));
        assertEquals(
                run & ~Rights.WRITE,
                handles.rights(calls.createChild(executable, SNAPSHOT | NO_WRITE, 0, PAGE)));
        assertEquals(run, handles.rights(calls.createChild(executable, SLICE, 0, PAGE)));
    }

    @Test
    @Tag("O-130")
    @Tag("O-131")
    @Tag("K-55")
    void createChildChecksInOrder() {
        int vmo = vmo(1, 0);
        int bare = with(vmo, Rights.READ);
        refused(OUT_OF_RANGE, () -> calls.createChild(0, 0, 0, -1));
        refused(INVALID_ARGS, () -> calls.createChild(0, NO_WRITE | CHILD_RESIZABLE, 0, 0));
        refused(BAD_HANDLE, () -> calls.createChild(0, 0, 0, 0));
        refused(ACCESS_DENIED, () -> calls.createChild(bare, 0, 0, 0));
        refused(NOT_SUPPORTED, () -> calls.createChild(vmo(1, DISCARDABLE), 1 << 9, 0, 0));
        refused(INVALID_ARGS, () -> calls.createChild(vmo, SLICE | 1 << 9, 0, PAGE));
        refused(INVALID_ARGS, () -> calls.createChild(vmo, 0, 0, PAGE));
        refused(INVALID_ARGS, () -> calls.createChild(vmo, SLICE | SNAPSHOT, 0, PAGE));
        refused(INVALID_ARGS, () -> calls.createChild(vmo, SLICE | CHILD_RESIZABLE, 0, PAGE));
        assertEquals(0, calls.info(vmo).childCount());
    }

    @Test
    @Tag("O-143")
    @Tag("O-144")
    @Tag("O-145")
    @Tag("vmo-reference.cc:Resize")
    @Tag("vmo-reference.cc:UnsupportedResize")
    void referencesResizeOnlyWithTheRight() {
        int fixed = vmo(4, 0);
        refused(ACCESS_DENIED, () -> calls.createChild(fixed, REFERENCE | CHILD_RESIZABLE, 0, 0));
        refused(UNAVAILABLE, () -> calls.setSize(calls.createChild(fixed, REFERENCE, 0, 0), 0));
        int root = vmo(4, RESIZABLE);
        int plain = calls.createChild(root, REFERENCE, 0, 0);
        int able = calls.createChild(root, REFERENCE | CHILD_RESIZABLE, 0, 0);
        refused(ACCESS_DENIED, () -> calls.setSize(plain, PAGE));
        calls.setSize(root, 2 * PAGE - 8);
        assertEquals(2 * PAGE, calls.size(able));
        assertEquals(2 * PAGE - 8, calls.streamSize(plain));
        calls.setSize(able, 3 * PAGE - 8);
        assertEquals(3 * PAGE, calls.size(root));
        assertEquals(3 * PAGE - 8, calls.streamSize(root));
    }

    @Test
    @Tag("O-36")
    @Tag("vmo-clone.cc:NameProperty")
    void childrenTakeTheNameIfTheHandleMayReadIt() {
        int vmo = vmo(1, 0);
        handles.get(vmo, VmObject.class, Rights.NONE).setName("test1");
        assertEquals("test1", calls.info(calls.createChild(vmo, SNAPSHOT, 0, PAGE)).name());
        int mute = with(vmo, Rights.READ | Rights.DUPLICATE | Rights.INSPECT);
        assertEquals("", calls.info(calls.createChild(mute, SNAPSHOT, 0, PAGE)).name());
    }

    @Test
    @Tag("O-230")
    @Tag("O-231")
    @Tag("O-232")
    @Tag("O-236")
    @Tag("vmo-slice.cc:ZeroChildren")
    void zeroChildrenFollowsTheChildrensHandles() {
        int vmo = vmo(1, 0);
        VmObject object = handles.get(vmo, VmObject.class, Rights.NONE);
        assertEquals(Signals.VMO_ZERO_CHILDREN, object.signals());
        for (int type : new int[] {SNAPSHOT, SLICE, REFERENCE}) {
            int child = calls.createChild(vmo, type, 0, type == REFERENCE ? 0 : PAGE);
            assertEquals(0, object.signals());
            handles.close(child);
            assertEquals(Signals.VMO_ZERO_CHILDREN, object.signals());
        }
        refused(INVALID_ARGS, () -> calls.createChild(vmo, SLICE, 0, 2 * PAGE));
        assertEquals(Signals.VMO_ZERO_CHILDREN, object.signals());
    }

    // ---- ranges

    @Test
    @Tag("O-70")
    @Tag("O-71")
    void operationsAskForTheirRights() {
        int all = vmo(1, DISCARDABLE);
        Map<VmoOp, Integer> needed = new EnumMap<>(VmoOp.class);
        for (VmoOp op : VmoOp.values()) {
            needed.put(op, Rights.NONE);
        }
        for (VmoOp op : new VmoOp[] {VmoOp.COMMIT, VmoOp.DECOMMIT, VmoOp.ZERO}) {
            needed.put(op, Rights.WRITE);
        }
        needed.put(VmoOp.CACHE_INVALIDATE, Rights.WRITE);
        needed.put(VmoOp.CACHE_SYNC, Rights.READ);
        needed.put(VmoOp.CACHE_CLEAN, Rights.READ);
        needed.put(VmoOp.CACHE_CLEAN_INVALIDATE, Rights.READ);
        needed.put(VmoOp.PREFETCH, Rights.READ);
        int none = with(all, Rights.INSPECT);
        int reader = with(all, Rights.READ);
        int writer = with(all, Rights.WRITE);
        var state = MemorySegment.ofArray(new byte[VmoCalls.LOCK_STATE_BYTES]);
        needed.forEach((op, right) -> {
            boolean isLock = op == VmoOp.LOCK || op == VmoOp.TRY_LOCK || op == VmoOp.UNLOCK;
            if (isLock || right != Rights.NONE) {
                refused(ACCESS_DENIED, () -> op(none, op, 0, -1, state));
            }
            if (isLock || right != Rights.WRITE) {
                op(reader, op, 0, PAGE, state);
            } else {
                refused(ACCESS_DENIED, () -> op(reader, op, 0, -1, state));
            }
            if (isLock || right != Rights.READ) {
                op(writer, op, 0, PAGE, state);
            } else {
                refused(ACCESS_DENIED, () -> op(writer, op, 0, -1, state));
            }
        });
        refused(INVALID_ARGS, () -> calls.opRange(none, 5, 0, PAGE, null));
        refused(INVALID_ARGS, () -> calls.opRange(none, 15, 0, PAGE, null));
        refused(BAD_HANDLE, () -> calls.opRange(0, 5, 0, PAGE, null));
    }

    @Test
    @Tag("O-73")
    @Tag("vmo.cc:OpOutOfBounds")
    void operationsPastTheEndAreOutOfRange() {
        int plain = vmo(1, 0);
        int discardable = vmo(1, DISCARDABLE);
        for (VmoOp op : VmoOp.values()) {
            switch (op) {
                case LOCK, TRY_LOCK, UNLOCK ->
                        refused(OUT_OF_RANGE, () -> op(discardable, op, 0, 2 * PAGE, null));
                case ALWAYS_NEED, DONT_NEED -> op(plain, op, 0, 20 * PAGE, null);
                default -> refused(OUT_OF_RANGE, () -> op(plain, op, 0, 2 * PAGE, null));
            }
        }
    }

    @Test
    @Tag("O-107")
    @Tag("vmo.cc:Prefetch")
    void prefetchChecksTheRangeOnly() {
        int vmo = vmo(2, 0);
        op(vmo, VmoOp.PREFETCH, 0, PAGE, null);
        op(vmo, VmoOp.PREFETCH, 0, 0, null);
        op(vmo, VmoOp.PREFETCH, 4, 2, null);
        op(vmo, VmoOp.PREFETCH, PAGE - 1, 2, null);
        refused(OUT_OF_RANGE, () -> op(vmo, VmoOp.PREFETCH, 0, 3 * PAGE, null));
        refused(OUT_OF_RANGE, () -> op(vmo, VmoOp.PREFETCH, 3 * PAGE, 0, null));
        assertEquals(0, calls.info(vmo).committedBytes());
    }

    @Test
    @Tag("O-113")
    @Tag("O-114")
    @Tag("O-115")
    @Tag("vmo.cc:CacheOp")
    @Tag("vmo.cc:CacheOpPhys")
    @Tag("zcore-O16")
    void cacheOperationsCheckAndCommitNothing() {
        int vmo = calls.create(0x8000, 0);
        int physical = handles.add(keep(VmObject.createPhysical(machine, 0x1000, PAGE)), Rights.IO);
        for (VmoOp op :
                new VmoOp[] {
                    VmoOp.CACHE_SYNC,
                    VmoOp.CACHE_CLEAN,
                    VmoOp.CACHE_CLEAN_INVALIDATE,
                    VmoOp.CACHE_INVALIDATE
                }) {
            op(vmo, op, 0, 1, null);
            op(vmo, op, 1, 0x7fff, null);
            op(vmo, op, 0x5200, 0x1200, null);
            refused(INVALID_ARGS, () -> op(vmo, op, 0, 0, null));
            refused(INVALID_ARGS, () -> op(vmo, op, -1, 0, null));
            long[][] bad = {{1, 0x8000}, {0x8000, 1}, {0x8001, 1}, {-2, 1}, {-1, 1}, {-1, -1}};
            for (long[] range : bad) {
                refused(OUT_OF_RANGE, () -> op(vmo, op, range[0], range[1], null));
            }
            refused(NOT_SUPPORTED, () -> op(physical, op, 0, 32, null));
        }
        assertEquals(0, calls.info(vmo).committedBytes());
    }

    @Test
    @Tag("O-108")
    @Tag("O-110")
    @Tag("O-111")
    @Tag("O-112")
    @Tag("O-259")
    @Tag("vmo.cc:LockUnlock")
    @Tag("zcore-O16")
    void discardableObjectsAreLockedAndTellWhatWasLost() {
        int plain = vmo(1, 0);
        refused(NOT_SUPPORTED, () -> op(plain, VmoOp.LOCK, 0, PAGE, null));
        int vmo = vmo(3, DISCARDABLE);
        long size = 3 * PAGE;
        MemorySegment state = MemorySegment.ofArray(new byte[VmoCalls.LOCK_STATE_BYTES]);
        for (VmoOp op : new VmoOp[] {VmoOp.LOCK, VmoOp.TRY_LOCK, VmoOp.UNLOCK}) {
            refused(OUT_OF_RANGE, () -> op(vmo, op, 0, PAGE, state));
            refused(OUT_OF_RANGE, () -> op(vmo, op, PAGE, 2 * PAGE, state));
        }
        refused(INVALID_ARGS, () -> op(vmo, VmoOp.LOCK, 0, size, null));
        refused(INVALID_ARGS, () -> op(vmo, VmoOp.LOCK, 0, size, state.asSlice(0, 31)));
        refused(INVALID_ARGS, () -> op(vmo, VmoOp.LOCK, 0, size, state.asReadOnly()));
        refused(BAD_STATE, () -> op(vmo, VmoOp.UNLOCK, 0, size, null));
        op(vmo, VmoOp.LOCK, 0, size, state);
        assertState(state, size, 0);
        octet.set(ValueLayout.JAVA_BYTE, 0, (byte) 7);
        calls.write(vmo, 0, octet);
        op(vmo, VmoOp.UNLOCK, 0, size, null);
        assertEquals(1, handles.get(vmo, VmObject.class, Rights.NONE).reclaim());
        refused(NOT_FOUND, () -> calls.read(vmo, 0, octet));
        refused(UNAVAILABLE, () -> op(vmo, VmoOp.TRY_LOCK, 0, size, null));
        op(vmo, VmoOp.LOCK, 0, size, state);
        assertState(state, size, size);
        calls.read(vmo, 0, octet);
        assertEquals(0, octet.get(ValueLayout.JAVA_BYTE, 0));
        op(vmo, VmoOp.UNLOCK, 0, size, null);
    }

    private static void assertState(MemorySegment state, long size, long discarded) {
        assertEquals(0, state.get(ValueLayout.JAVA_LONG_UNALIGNED, 0));
        assertEquals(size, state.get(ValueLayout.JAVA_LONG_UNALIGNED, 8));
        assertEquals(0, state.get(ValueLayout.JAVA_LONG_UNALIGNED, 16));
        assertEquals(discarded, state.get(ValueLayout.JAVA_LONG_UNALIGNED, 24));
    }

    @Test
    @Tag("O-244")
    @Tag("vmo.cc:RightsExec")
    void replaceAsExecutableConsumesTheHandle() {
        VmAddressRegion root = VmAddressRegion.newRoot(machine);
        int region = handles.add(root, Rights.BASIC);
        refused(BAD_HANDLE, () -> calls.replaceAsExecutable(region));
        refused(BAD_HANDLE, () -> calls.replaceAsExecutable(region));
        root.destroyAddressSpace();
        int vmo = with(vmo(1, 0), Rights.READ);
        int executable = calls.replaceAsExecutable(vmo);
        assertTrue(handles.isValid(executable));
        refused(BAD_HANDLE, () -> calls.size(vmo));
        assertEquals(Rights.READ | Rights.EXECUTE, handles.rights(executable));
    }

    private void op(int vmo, VmoOp op, long offset, long len, MemorySegment buffer) {
        calls.opRange(vmo, op.value(), offset, len, buffer);
    }
}
