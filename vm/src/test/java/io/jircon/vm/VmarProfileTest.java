package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.BAD_HANDLE;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.WRONG_TYPE;
import static io.jircon.vm.VmarFixture.PAGE;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.kobject.HandleTable;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.Rights;
import io.jircon.kobject.ZxStatus;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/// Profiles that set a memory priority, through handles.
class VmarProfileTest {
    private final VmarFixture vm = new VmarFixture();
    private final HandleTable handles = new HandleTable(vm.machine.kernel());
    private final VmarCalls calls = new VmarCalls(handles);
    private VmAddressRegion region;
    private int vmar;
    private int high;
    private int vmo;

    @BeforeEach
    void setUp() {
        region = vm.region(4);
        vmar = handles.add(region, VmarCalls.handleRights(region));
        high =
                handles.add(
                        new MemoryProfile(vm.machine.kernel(), MemoryPriority.HIGH),
                        ObjectType.PROFILE.defaultRights());
        vmo = handles.add(vm.vmo(1), ObjectType.VMO.defaultRights());
    }

    @AfterEach
    void tearDown() {
        handles.closeAll();
        assertEquals(0, vm.machine.kernel().liveObjects(ObjectType.PROFILE));
        vm.close();
    }

    private void refuses(ZxStatus status, Executable call) {
        VmarFixture.refuses(status, call);
        assertEquals(MemoryPriority.DEFAULT, region.memoryPriority());
    }

    @Test
    @Tag("V-272")
    @Tag("profile.cc:MemoryPriorityProfile")
    void aProfileSetsTheSubtree() {
        VmAddressRegion inner = region.createChild(0, PAGE);
        calls.setProfile(vmar, high, 0);
        assertEquals(MemoryPriority.HIGH, region.memoryPriority());
        assertEquals(MemoryPriority.HIGH, inner.memoryPriority());
        int low =
                handles.add(
                        new MemoryProfile(vm.machine.kernel(), MemoryPriority.DEFAULT),
                        Rights.APPLY_PROFILE);
        calls.setProfile(vmar, low, 0);
        assertEquals(MemoryPriority.DEFAULT, inner.memoryPriority());
    }

    @Test
    @Tag("V-272")
    @Tag("V-54")
    @Tag("profile.cc:MemoryPriorityProfile")
    void aRegionNeedsOpChildren() {
        int poor = handles.duplicate(vmar, handles.rights(vmar) & ~Rights.OP_CHILDREN);
        refuses(ACCESS_DENIED, () -> calls.setProfile(poor, high, 0));
        region.destroy();
        refuses(ACCESS_DENIED, () -> calls.setProfile(poor, high, 0));
    }

    @Test
    @Tag("V-272")
    void optionsComeFirst() {
        refuses(INVALID_ARGS, () -> calls.setProfile(vmar, high, 1));
        refuses(INVALID_ARGS, () -> calls.setProfile(0, 0, -1));
    }

    @Test
    @Tag("V-272")
    void theProfileIsLookedAtBeforeTheRegion() {
        int poor = handles.duplicate(high, Rights.NONE);
        refuses(BAD_HANDLE, () -> calls.setProfile(vmo, 0, 0));
        refuses(WRONG_TYPE, () -> calls.setProfile(0, vmar, 0));
        refuses(ACCESS_DENIED, () -> calls.setProfile(0, poor, 0));
    }

    @Test
    @Tag("V-272")
    @Tag("profile.cc:MemoryPriorityProfile")
    void onlyARegionTakesAMemoryProfile() {
        refuses(BAD_HANDLE, () -> calls.setProfile(0, high, 0));
        refuses(WRONG_TYPE, () -> calls.setProfile(vmo, high, 0));
        refuses(WRONG_TYPE, () -> calls.setProfile(high, high, 0));
    }

    @Test
    @Tag("V-272")
    @Tag("V-27")
    void aDeadRegionTakesNone() {
        region.destroy();
        refuses(BAD_STATE, () -> calls.setProfile(vmar, high, 0));
    }
}
