package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.HostPhysAddr;
import io.jircon.hal.PageSize;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.function.Executable;

/// A machine with one guest-physical address space, on one HAL. After each test every frame is
/// back.
abstract class AddrSpaceFixture {
    static final long PAGE = 0x1000;
    static final long MIB_2 = PageSize.SIZE_2M.bytes();
    static final GuestPhysAddr BASE = gpa(0x10000);
    static final long SIZE = 0x10000;

    FailingFrames frames;
    final Machine machine;
    final long freeAtStart;
    final AddrSpace space;

    AddrSpaceFixture(String hal) {
        machine =
                Machine.boot(
                        Hals.create(
                                hal,
                                HalConfig.DEFAULT
                                        .withMemoryBytes(32L << 20)
                                        .withFrameWrapper(
                                                inner -> frames = new FailingFrames(inner))));
        freeAtStart = machine.frames().freeFrames();
        space = AddrSpace.create(machine, BASE, SIZE);
    }

    @AfterEach
    void everythingComesBack() {
        space.root().checkInvariants();
        space.close();
        assertEquals(freeAtStart, machine.frames().freeFrames(), "free frames");
        assertEquals(0, machine.kernel().liveObjects(ObjectType.VMO));
        machine.close();
    }

    static void refused(ZxStatus status, Executable call) {
        ZxException e = assertThrows(ZxException.class, call);
        assertEquals(status, e.status(), e.getMessage());
    }

    static GuestPhysAddr gpa(long value) {
        return new GuestPhysAddr(value);
    }

    static HostPhysAddr hpa(long value) {
        return new HostPhysAddr(value);
    }
}
