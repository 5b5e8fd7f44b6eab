package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.kobject.HandleTable;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.ProcessBase;
import io.jircon.kobject.Rights;
import io.jircon.kobject.Signals;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class VmProcessTest {
    private static final long PAGE = 0x1000;

    private FailingFrames frames;
    private final Machine machine =
            Machine.boot(
                    Hals.create(
                            "x86_64",
                            HalConfig.DEFAULT
                                    .withMemoryBytes(8L << 20)
                                    .withFrameWrapper(inner -> frames = new FailingFrames(inner))));
    private final long freeAtStart = machine.frames().freeFrames();

    @AfterEach
    void everythingComesBack() {
        assertEquals(freeAtStart, machine.frames().freeFrames(), "free frames");
        assertEquals(0, machine.kernel().liveObjects(ObjectType.PROCESS));
        assertEquals(0, machine.kernel().liveObjects(ObjectType.VMAR));
        assertEquals(0, machine.kernel().liveObjects(ObjectType.VMO));
        machine.close();
    }

    @Test
    @Tag("K-127")
    @Tag("K-129")
    @Tag("V-21")
    @Tag("zcore/task:process_create")
    void unstartedProcessCanBeFilled() {
        VmProcess process = VmProcess.create(machine, "init");
        assertEquals(ProcessBase.State.INITIAL, process.state());
        assertEquals("init", process.name());
        long at = mapPage(process);
        try (var memory = new UserMemory(process.root(), machine.hal().newMmu())) {
            memory.writeInt(at, 7);
            assertEquals(7, memory.readInt(at));
        }
        assertEquals(3, process.maps().size());
        ZxException e = assertThrows(ZxException.class, () -> process.root().destroy());
        assertEquals(ZxStatus.NOT_SUPPORTED, e.status());
        process.kill();
    }

    @Test
    @Tag("K-126")
    void processWithoutAFrameForItsTableIsNotThere() {
        frames.failAt(1);
        ZxException e = assertThrows(ZxException.class, () -> VmProcess.create(machine, "none"));
        assertEquals(ZxStatus.NO_MEMORY, e.status());
        frames.disarm();
    }

    @Test
    @Tag("K-128")
    void equalAddressesInTwoProcessesAreIndependent() {
        VmProcess one = VmProcess.create(machine, "one");
        VmProcess two = VmProcess.create(machine, "two");
        VmarFlags there = VmarFlags.READ_WRITE.with(VmarFlags.SPECIFIC);
        try (var pages = VmObject.create(machine, PAGE);
                var others = VmObject.create(machine, PAGE)) {
            long at = one.root().map(there, 0x10000, pages, 0, PAGE);
            assertEquals(at, two.root().map(there, 0x10000, others, 0, PAGE));
            try (var a = new UserMemory(one.root(), machine.hal().newMmu());
                    var b = new UserMemory(two.root(), machine.hal().newMmu())) {
                a.writeLong(at, 1);
                b.writeLong(at, 2);
                assertEquals(1, a.readLong(at));
                assertEquals(2, b.readLong(at));
            }
        }
        one.kill();
        two.kill();
    }

    @Test
    @Tag("V-31")
    @Tag("K-136")
    @Tag("K-140")
    @Tag("K-141")
    @Tag("K-142")
    @Tag("K-143")
    @Tag("K-38")
    void deathEndsTheAddressSpaceAndLeavesSharedObjects() {
        VmProcess process = VmProcess.create(machine, "mortal");
        VmAddressRegion child = process.root().allocate(VmarFlags.CAN_MAP_RWX, 0, 4 * PAGE);
        VmObject kept = VmObject.create(machine, PAGE);
        kept.write(0, new byte[] {5});
        child.map(VmarFlags.READ_WRITE, 0, kept, 0, PAGE);
        mapPage(process);
        assertEquals(1, kept.info().mappingCount());
        process.start();
        process.kill();
        assertEquals(Signals.TERMINATED, process.signals() & Signals.TERMINATED);
        assertEquals(0, kept.info().mappingCount());
        assertEquals(5, kept.read(0, 1)[0]);
        for (VmAddressRegion region : new VmAddressRegion[] {process.root(), child}) {
            ZxException e = assertThrows(ZxException.class, () -> region.unmap(0x1000, PAGE));
            assertEquals(ZxStatus.BAD_STATE, e.status());
        }
        assertEquals(ZxStatus.BAD_STATE, assertThrows(ZxException.class, process::maps).status());
        kept.close();
    }

    @Test
    @Tag("K-136")
    @Tag("K-144")
    void lastHandleOfAnUnstartedProcessEndsItAThousandTimes() {
        for (int i = 0; i < 1000; i++) {
            VmProcess process = VmProcess.create(machine, "short");
            mapPage(process);
            var handles = new HandleTable(machine.kernel());
            handles.close(handles.add(process, Rights.BASIC));
            assertEquals(ProcessBase.State.DEAD, process.state());
            assertEquals(freeAtStart, machine.frames().freeFrames());
        }
    }

    private long mapPage(VmProcess process) {
        try (VmObject pages = VmObject.create(machine, PAGE)) {
            return process.root().map(VmarFlags.READ_WRITE, 0, pages, 0, PAGE);
        }
    }
}
