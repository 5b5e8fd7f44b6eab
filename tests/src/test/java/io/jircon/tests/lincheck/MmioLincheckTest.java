package io.jircon.tests.lincheck;

import static io.jircon.testkit.CallResult.outcome;
import static io.jircon.testkit.CallResult.status;

import io.jircon.hal.AccessWidth;
import io.jircon.hal.AddrRange;
import io.jircon.hal.DeviceRange;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.testkit.HeapMachine;
import io.jircon.vm.AddrSpace;
import io.jircon.vm.GuestMemory;
import io.jircon.vm.Machine;
import io.jircon.vm.MmioHandler;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jetbrains.lincheck.datastructures.Validate;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Devices come and go in a guest of four pages whose memory comes and goes too: an access finds
/// the device that is there, or memory, or nothing, and never two of them. Devices share pages, and
/// one address.
@Param(name = "device", gen = IntGen.class, conf = "0:3")
@Param(name = "page", gen = IntGen.class, conf = "0:3")
@Param(name = "half", gen = IntGen.class, conf = "0:7")
public final class MmioLincheckTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final long HALF = PAGE / 2;

    /// Halves of pages, first and count: the second shares pages with the first and the third, and
    /// the fourth is in its way.
    private static final long[][] HALVES = {{1, 2}, {3, 2}, {5, 1}, {4, 1}};

    private final HeapMachine hal = new HeapMachine(48);
    private final Machine machine = Machine.builder(hal).fixedLayout().boot();
    private final AddrSpace space =
            AddrSpace.create(machine, new GuestPhysAddr(4 * PAGE), 4 * PAGE);

    public MmioLincheckTest() {
        map(3);
    }

    /// Answers with its number.
    private record Numbered(int number) implements MmioHandler {
        @Override
        public long read(long offset, AccessWidth width) {
            return number + 1;
        }

        @Override
        public void write(long offset, AccessWidth width, long value) {}
    }

    private DeviceRange.Mmio range(int device) {
        GuestPhysAddr first = space.base().add(HALVES[device][0] * HALF);
        return new DeviceRange.Mmio(AddrRange.ofSize(first, HALVES[device][1] * HALF));
    }

    @Operation
    public String add(@Param(name = "device") int device) {
        return status(() -> space.addMmio(range(device), new Numbered(device)));
    }

    @Operation
    public String remove(@Param(name = "device") int device) {
        return status(() -> space.removeMmio(range(device)));
    }

    @Operation
    public String map(@Param(name = "page") int page) {
        return status(() ->
                space.mapAlloc(
                        space.base().add(page * PAGE),
                        PAGE,
                        MmuFlags.RW,
                        AddrSpace.Populate.ON_FAULT));
    }

    @Operation
    public String unmap(@Param(name = "page") int page) {
        return status(
                () -> space.unmap(space.base().add(page * PAGE), Math.min(2, 4 - page) * PAGE));
    }

    @Operation
    public String deviceAt(@Param(name = "half") int half) {
        return space.mmioAt(space.base().add(half * HALF)).toString();
    }

    @Operation
    public String readWord(@Param(name = "half") int half) {
        try (GuestMemory memory = space.memory()) {
            return outcome(() -> memory.readByte(space.base().value() + half * HALF));
        }
    }

    @Operation
    public String readBytes(@Param(name = "half") int half) {
        try (GuestMemory memory = space.memory()) {
            return outcome(() -> memory.read(space.base().value() + half * HALF, 1)[0]);
        }
    }

    @Validate
    public void nothingIsLost() {
        space.root().checkInvariants();
        space.close();
        hal.requireAllBack(machine);
    }

    @Test
    @Tag("A-159")
    @Tag("A-164")
    void threadsSeeDevicesOrMemory() {
        Linearizability.stress(MmioLincheckTest.class, 3, 3);
    }
}
