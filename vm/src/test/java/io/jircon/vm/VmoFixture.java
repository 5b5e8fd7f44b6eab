package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.function.Executable;

/// A machine for tests of memory objects; after each test every frame and every object must be
/// back.
abstract class VmoFixture {
    static final long PAGE = VmoMath.PAGE;

    final Machine machine =
            Machine.boot(Hals.create("x86_64", HalConfig.DEFAULT.withMemoryBytes(8L << 20)));
    private final long freeAtStart = machine.frames().freeFrames();
    private final List<VmObject> made = new ArrayList<>();

    @AfterEach
    void everythingComesBack() {
        made.forEach(VmObject::close);
        assertEquals(0, machine.kernel().liveObjects(ObjectType.VMO), "live memory objects");
        assertEquals(freeAtStart, machine.frames().freeFrames(), "free frames");
        machine.close();
    }

    final VmObject keep(VmObject vmo) {
        made.add(vmo);
        return vmo;
    }

    final VmObject paged(long pages, VmoOption... options) {
        return keep(VmObject.create(machine, pages * PAGE, options));
    }

    /// An object whose pages all hold a byte of their own.
    final VmObject written(long pages, VmoOption... options) {
        VmObject vmo = paged(pages, options);
        for (long page = 0; page < pages; page++) {
            put(vmo, page, (int) page + 1);
        }
        return vmo;
    }

    final VmObject snapshot(VmObject vmo, long offsetPages, long pages) {
        return keep(
                vmo.createChild(
                        EnumSet.of(VmoChildOption.SNAPSHOT), offsetPages * PAGE, pages * PAGE));
    }

    final VmObject slice(VmObject vmo, long offsetPages, long pages) {
        return keep(vmo.createSlice(offsetPages * PAGE, pages * PAGE));
    }

    static void put(VmObject vmo, long page, int value) {
        vmo.write(page * PAGE, new byte[] {(byte) value});
    }

    static int at(VmObject vmo, long page) {
        return vmo.read(page * PAGE, 1)[0];
    }

    /// Scaled bytes of some objects, in pages.
    static List<Double> scaled(VmObject... objects) {
        List<Double> pages = new ArrayList<>();
        for (VmObject object : objects) {
            VmoInfo info = object.info();
            double fraction = info.fractionalScaledBytes() * 0x1p-63;
            pages.add(Math.round((info.scaledBytes() + fraction) * 1e6 / PAGE) / 1e6);
        }
        return pages;
    }

    static void refused(ZxStatus status, Executable call) {
        ZxException thrown = assertThrows(ZxException.class, call);
        assertEquals(status, thrown.status(), thrown.getMessage());
    }
}
