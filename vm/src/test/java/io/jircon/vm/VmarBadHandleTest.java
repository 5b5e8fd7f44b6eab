package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.BAD_HANDLE;
import static io.jircon.kobject.ZxStatus.WRONG_TYPE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.Event;
import io.jircon.kobject.HandleTable;
import io.jircon.kobject.KObjectBase;
import io.jircon.kobject.Rights;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.BadInputScene.Place;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.ObjIntConsumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The system calls with every bad handle, while their other arguments are bad, too: the handle
/// decides, with the exact status and clause, and nothing changes.
class VmarBadHandleTest {
    private static final int ALL_RIGHTS = (1 << 25) - 1;
    private static final int BAD_OPTIONS = 1 << 16;

    private final BadInputScene scene = new BadInputScene(Place.TOP_OF_USER);
    private final HandleTable handles = new HandleTable(scene.vm.machine.kernel());
    private final VmarCalls regions = new VmarCalls(handles);
    private final VmoCalls objects = new VmoCalls(scene.vm.machine, handles);
    private final Event event = new Event(scene.vm.machine.kernel());
    private final MemoryProfile profile =
            new MemoryProfile(scene.vm.machine.kernel(), MemoryPriority.HIGH);
    private final int region = handles.add(scene.region, ALL_RIGHTS);

    @AfterEach
    void tearDown() {
        handles.closeAll();
        scene.close();
    }

    /// A call, and its argument that is a handle.
    ///
    /// Needs one right at most, for the sake of the others' order.
    enum Call {
        ALLOCATE(
                VmAddressRegion.class,
                Rights.READ,
                "K-54",
                (test, handle) -> {
                    int options = VmarFlags.CAN_MAP_READ.bits() | BAD_OPTIONS;
                    test.regions.allocate(handle, options, 1, 1);
                }),
        MAP(
                VmAddressRegion.class,
                Rights.NONE,
                "",
                (test, handle) -> test.regions.map(handle, BAD_OPTIONS, 1, -1, 1, -1)),
        MAP_VMO(
                VmObject.class,
                Rights.MAP,
                "V-83",
                (test, handle) -> test.regions.map(test.region, BAD_OPTIONS, 1, handle, 1, -1)),
        MAP_IOB_REGION(
                VmAddressRegion.class,
                Rights.NONE,
                "",
                (test, handle) -> test.regions.mapIob(handle, BAD_OPTIONS, 1, -1, -1, 1, -1)),
        MAP_IOB(
                IoBuffer.class,
                Rights.NONE,
                "",
                (test, handle) ->
                        test.regions.mapIob(test.region, BAD_OPTIONS, 1, handle, -1, 1, -1)),
        MAP_CLOCK(
                Clock.class,
                Rights.NONE,
                "",
                (test, handle) ->
                        test.regions.mapClock(-1, BAD_OPTIONS, 1, handle, Clock.MAPPED_SIZE_BYTES)),
        UNMAP(
                VmAddressRegion.class,
                Rights.NONE,
                "",
                (test, handle) -> test.regions.unmap(handle, 1, 0)),
        PROTECT(
                VmAddressRegion.class,
                Rights.READ,
                "V-141",
                (test, handle) -> {
                    int options = VmarFlags.PERM_READ.bits() | BAD_OPTIONS;
                    test.regions.protect(handle, options, 1, 0);
                }),
        DESTROY(
                VmAddressRegion.class,
                Rights.OP_CHILDREN,
                "K-54",
                (test, handle) -> test.regions.destroy(handle)),
        OP_RANGE(
                VmAddressRegion.class,
                Rights.NONE,
                "",
                (test, handle) -> test.regions.opRange(handle, 99, 1, 0, null, 1)),
        SET_PROFILE(
                VmAddressRegion.class,
                Rights.OP_CHILDREN,
                "K-54",
                (test, handle) ->
                        test.regions.setProfile(
                                handle, test.handles.add(test.profile, ALL_RIGHTS), 0)),
        SET_PROFILE_OF(
                MemoryProfile.class,
                Rights.APPLY_PROFILE,
                "K-54",
                (test, handle) -> test.regions.setProfile(-1, handle, 0)),
        INFO(
                VmAddressRegion.class,
                Rights.INSPECT,
                "K-54",
                (test, handle) -> test.regions.info(handle)),
        MAPS(
                VmAddressRegion.class,
                Rights.INSPECT,
                "K-54",
                (test, handle) -> test.regions.maps(handle, -1)),
        READ(
                VmObject.class,
                Rights.READ,
                "K-54",
                (test, handle) ->
                        test.objects.read(handle, -1, MemorySegment.ofArray(new byte[1]))),
        WRITE(
                VmObject.class,
                Rights.WRITE,
                "K-54",
                (test, handle) ->
                        test.objects.write(handle, -1, MemorySegment.ofArray(new byte[1]))),
        SIZE(VmObject.class, Rights.NONE, "", (test, handle) -> test.objects.size(handle)),
        SET_SIZE(
                VmObject.class,
                Rights.WRITE,
                "K-54",
                (test, handle) -> test.objects.setSize(handle, -1)),
        STREAM_SIZE(
                VmObject.class, Rights.NONE, "", (test, handle) -> test.objects.streamSize(handle)),
        SET_STREAM_SIZE(
                VmObject.class,
                Rights.WRITE,
                "K-54",
                (test, handle) -> test.objects.setStreamSize(handle, -1)),
        VMO_OP_RANGE(
                VmObject.class,
                Rights.NONE,
                "",
                (test, handle) -> test.objects.opRange(handle, 99, -1, -1, null)),
        COMMIT(
                VmObject.class,
                Rights.WRITE,
                "K-54",
                (test, handle) -> test.objects.opRange(handle, VmoOp.COMMIT.value(), -1, -1, null)),
        PREFETCH(
                VmObject.class,
                Rights.READ,
                "K-54",
                (test, handle) ->
                        test.objects.opRange(handle, VmoOp.PREFETCH.value(), -1, -1, null)),
        CREATE_CHILD(
                VmObject.class,
                Rights.DUPLICATE,
                "K-54",
                (test, handle) -> test.objects.createChild(handle, 1 << 30, 1, PAGE)),
        SET_CACHE_POLICY(
                VmObject.class,
                Rights.MAP,
                "K-54",
                (test, handle) -> test.objects.setCachePolicy(handle, 1)),
        VMO_INFO(
                VmObject.class,
                Rights.INSPECT,
                "K-54",
                (test, handle) -> test.objects.info(handle));

        private final Class<? extends KObjectBase> type;
        private final int right;
        private final String clause;
        private final ObjIntConsumer<VmarBadHandleTest> call;

        /// A row.
        ///
        /// @param right what it needs, or NONE
        /// @param clause what refuses a handle without the right
        Call(
                Class<? extends KObjectBase> type,
                int right,
                String clause,
                ObjIntConsumer<VmarBadHandleTest> call) {
            this.type = type;
            this.right = right;
            this.clause = clause;
            this.call = call;
        }
    }

    private void refusesHandle(Call call, ZxStatus status, String clause, int handle) {
        int before = handles.count();
        String state = scene.state();
        refuses(status, clause, () -> call.call.accept(this, handle));
        assertEquals(state, scene.state(), call + " with " + handle);
        int made = call == Call.SET_PROFILE ? 1 : 0; // the handle to the profile
        assertEquals(before + made, handles.count(), call + " with " + handle);
    }

    @ParameterizedTest
    @EnumSource
    @Tag("K-54")
    @Tag("V-54")
    @Tag("V-57")
    @Tag("V-291")
    @Tag("V-292")
    @Tag("O-31")
    @Tag("O-71")
    void theHandleDecidesBeforeOtherBadArguments(Call call) {
        int stale = handles.add(event, ALL_RIGHTS);
        handles.close(stale);
        var foreign = new HandleTable(scene.vm.machine.kernel());
        int elsewhere = foreign.add(scene.region, ALL_RIGHTS);
        for (int handle :
                new int[] {0, -1, 3, Integer.MIN_VALUE, Integer.MAX_VALUE, stale, elsewhere}) {
            refusesHandle(call, BAD_HANDLE, "K-54", handle);
        }
        foreign.closeAll();
        boolean refusedRight = false;
        List<KObjectBase> all = List.of(scene.region, scene.objects.getFirst(), profile);
        for (KObjectBase object : all) {
            if (!call.type.isInstance(object)) {
                // Without rights, too: the type decides first.
                refusesHandle(call, WRONG_TYPE, "K-54", handles.add(object, Rights.NONE));
            } else if (call.right != Rights.NONE) {
                int lacking = handles.add(object, ALL_RIGHTS & ~call.right);
                refusesHandle(call, ACCESS_DENIED, call.clause, lacking);
                refusedRight = true;
            }
        }
        assertTrue(refusedRight || call.right == Rights.NONE, "the right was tried");
    }
}
