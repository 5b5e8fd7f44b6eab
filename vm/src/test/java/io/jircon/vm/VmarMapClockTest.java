package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.BAD_HANDLE;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.WRONG_TYPE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.MmuFlags;
import io.jircon.kobject.HandleTable;
import io.jircon.kobject.Kernel;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.Rights;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VmarMapClockTest {
    private static final int R = VmarFlags.PERM_READ.bits();

    /// Every option that a clock's mapping does not refuse at once.
    private static final int ALL_OTHERS = ~(1 << 1 | 1 << 2 | 1 << 14);

    private static final int CLOCK_RIGHTS = Rights.READ | Rights.WRITE | Rights.MAP;

    private final VmarFixture vm = new VmarFixture();
    private final HandleTable handles = new HandleTable(vm.machine.kernel());
    private final VmarCalls calls = new VmarCalls(handles);
    private Clock clock;
    private int vmar;
    private int mappable;
    private int plain;

    @BeforeEach
    void setUp() {
        vmar = handles.add(vm.root, VmarCalls.handleRights(vm.root));
        clock = Clock.createMappable(vm.machine);
        mappable = handles.add(clock, CLOCK_RIGHTS | Rights.DUPLICATE);
        plain = handles.add(Clock.create(vm.machine), CLOCK_RIGHTS);
    }

    @AfterEach
    void tearDown() {
        handles.closeAll();
        assertEquals(0, vm.machine.kernel().liveObjects(ObjectType.CLOCK));
        vm.close();
        assertEquals(0, vm.machine.kernel().liveObjects(ObjectType.VMO));
    }

    private long word(long vaddr) {
        long word = 0;
        for (int i = Long.BYTES - 1; i >= 0; i--) {
            word = word << 8 | vm.peek(vaddr + i) & 0xff;
        }
        return word;
    }

    @Test
    @Tag("V-120")
    void aProgramReadsTheClockThroughItsMapping() {
        assertEquals(0, clock.readNanos());
        long at = calls.mapClock(vmar, R, 0, mappable, PAGE);
        assertEquals(0, word(at), "not set yet");
        clock.setNanos(1_000_000_000_000L);
        assertEquals(2, word(at));
        long before = vm.machine.kernel().nowNanos();
        long read = clock.readNanos();
        long after = vm.machine.kernel().nowNanos();
        assertTrue(read - word(at + 8) >= before && read - word(at + 8) <= after);
        clock.setNanos(-5);
        assertEquals(4, word(at));
    }

    @Test
    @Tag("V-120")
    void aClockIsTheMonotonicTimeAndAnOffset() {
        var now = new AtomicLong(100);
        try (Machine machine =
                        Machine.boot(
                                Hals.create("x86_64", HalConfig.DEFAULT),
                                Kernel.builder().clock(now::get).build());
                Clock ticking = Clock.create(machine)) {
            assertFalse(ticking.isMappable());
            assertEquals(0, ticking.readNanos());
            ticking.setNanos(7000);
            assertEquals(7000, ticking.readNanos());
            now.set(130);
            assertEquals(7030, ticking.readNanos());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1 << 1, 1 << 2, 1 << 14})
    @Tag("V-120")
    void moreThanReadingIsRefusedBeforeAllElse(int option) {
        refuses(INVALID_ARGS, "V-120", () -> calls.mapClock(0, option, 1, 0, PAGE));
        refuses(INVALID_ARGS, "V-120", () -> calls.mapClock(vmar, R | option, 0, mappable, PAGE));
    }

    @Test
    @Tag("V-120")
    void theLengthComesBeforeTheClockAndThatBeforeTheRegion() {
        refuses(INVALID_ARGS, "V-120", () -> calls.mapClock(0, R, 0, 0, PAGE + 1));
        refuses(INVALID_ARGS, "V-120", () -> calls.mapClock(vmar, R, 0, mappable, PAGE - 1));
        refuses(INVALID_ARGS, "V-120", () -> calls.mapClock(0, R, 0, 0, 2 * PAGE));
        refuses(BAD_HANDLE, "K-54", () -> calls.mapClock(vmo(), R, 0, 0, PAGE));
        refuses(WRONG_TYPE, "K-54", () -> calls.mapClock(0, R, 0, vmar, PAGE));
        refuses(INVALID_ARGS, "V-120", () -> calls.mapClock(0, R, 0, plain, PAGE));
        refuses(BAD_HANDLE, "K-54", () -> calls.mapClock(0, ALL_OTHERS, 1, mappable, PAGE));
        refuses(WRONG_TYPE, "K-54", () -> calls.mapClock(vmo(), R, 0, mappable, PAGE));
    }

    private int vmo() {
        return handles.add(vm.vmo(1), Rights.NONE);
    }

    @Test
    @Tag("V-120")
    void theRowsOfMapFollow() {
        int noMap = handles.duplicate(mappable, Rights.READ);
        refuses(ACCESS_DENIED, "V-83", () -> calls.mapClock(vmar, 1 << 7, 0, noMap, PAGE));
        refuses(INVALID_ARGS, "V-86", () -> calls.mapClock(vmar, R | 1 << 7, 0, mappable, PAGE));
        int noRead = handles.duplicate(mappable, Rights.MAP);
        refuses(ACCESS_DENIED, "V-87", () -> calls.mapClock(vmar, R, 0, noRead, PAGE));
        int blind = handles.duplicate(vmar, Rights.WRITE);
        refuses(ACCESS_DENIED, "V-87", () -> calls.mapClock(blind, R, 0, mappable, PAGE));
        int beyond = VmarFlags.FAULT_BEYOND_STREAM_SIZE.bits();
        refuses(INVALID_ARGS, "V-88", () -> calls.mapClock(vmar, R | beyond, 0, mappable, PAGE));
        VmAddressRegion dead = vm.region(1);
        int grave = handles.add(dead, VmarCalls.handleRights(dead));
        dead.destroy();
        refuses(BAD_STATE, "V-99", () -> calls.mapClock(grave, R, 0, mappable, PAGE));
    }

    @Test
    @Tag("V-89")
    @Tag("V-120")
    void aClockHasNoStreamSizeToFaultBeyond() {
        int options = R | VmarFlags.ALLOW_FAULTS.bits() | 1 << 15;
        refuses(INVALID_ARGS, "V-89", () -> calls.mapClock(vmar, options, 0, mappable, PAGE));
        refuses(
                INVALID_ARGS,
                "V-89",
                () -> calls.mapClock(vmar, options | 1 << 16, 0, mappable, PAGE));
    }

    @Test
    @Tag("V-121")
    void aClockMappingNeverAllowsMore() {
        long at = calls.mapClock(vmar, R, 0, mappable, PAGE);
        VmMapping mapping = Objects.requireNonNull(vm.root.findMapping(at));
        assertEquals(MmuFlags.R, mapping.maxPermissions());
        refuses(
                ACCESS_DENIED,
                "V-149",
                () -> calls.protect(vmar, VmarFlags.READ_WRITE.bits(), at, PAGE));
        refuses(
                ACCESS_DENIED,
                "V-149",
                () -> calls.protect(vmar, VmarFlags.READ_EXECUTE.bits(), at, PAGE));
        assertEquals(ACCESS_DENIED, vm.root.handlePageFault(at, AccessKind.WRITE));
    }

    @Test
    @Tag("V-121")
    void listingsShowTheClock() {
        long at = calls.mapClock(vmar, R, 0, mappable, PAGE);
        List<MapEntry> entries = calls.maps(vmar, 10).entries();
        MapEntry entry = entries.get(1);
        assertEquals("kernel-clock", entry.name());
        assertEquals(clock.koid(), entry.vmoKoid());
        assertEquals(at, entry.baseAddress());
        assertEquals(PAGE, entry.sizeBytes());
    }

    @Test
    @Tag("V-25")
    @Tag("V-120")
    void aMappingOutlivesTheClock() {
        clock.setNanos(1);
        long at = calls.mapClock(vmar, R, 0, mappable, PAGE);
        handles.close(mappable);
        clock.setNanos(2);
        assertEquals(2, word(at));
        vm.root.unmap(at, PAGE);
        assertEquals(0, vm.machine.kernel().liveObjects(ObjectType.VMO));
    }
}
