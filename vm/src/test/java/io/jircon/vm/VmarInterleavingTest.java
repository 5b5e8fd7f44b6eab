package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.NOT_FOUND;
import static io.jircon.kobject.ZxStatus.OK;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.vm.VmarFixture.OVERWRITE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.util.concurrent.Uninterruptibles;
import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import io.jircon.kobject.ZxException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What may happen in the middle of operations that are not atomic, and what may not be seen of
/// those that are.
@Timeout(120)
class VmarInterleavingTest {
    private final VmarFixture vm = new VmarFixture();
    private VmAddressRegion region;
    private long base;

    @BeforeEach
    void setUp() {
        region = vm.region(16);
        base = region.baseAddress();
    }

    @AfterEach
    void tearDown() {
        vm.close();
    }

    /// Zeroes pages of the region on another thread, stops that thread at the mapping of `where`,
    /// makes a change there, and lets it go on.
    private void zeroInterruptedAt(VmObject where, long pages, Runnable change) throws Throwable {
        try (var thread = Executors.newSingleThreadExecutor()) {
            Future<?> zeroing;
            where.lock().lock();
            try {
                zeroing = thread.submit(() -> region.opRange(VmarOp.ZERO, base, pages * PAGE));
                while (!where.lock().hasQueuedThreads()) {
                    Thread.onSpinWait();
                }
                change.run();
            } finally {
                where.lock().unlock();
            }
            try {
                zeroing.get(60, TimeUnit.SECONDS);
            } catch (ExecutionException e) {
                throw e.getCause();
            }
        }
    }

    private VmObject filled(int value) {
        VmObject vmo = vm.vmo(1);
        vmo.write(0, new byte[] {(byte) value});
        return vmo;
    }

    @Test
    @Tag("V-182")
    void aRegionThatDiesInTheMiddleIsBadState() {
        VmObject first = filled(1);
        VmObject second = filled(2);
        mapAt(region, 0, RW, first, 0, 1);
        mapAt(region, 1, RW, second, 0, 1);
        refuses(BAD_STATE, "V-182", () -> zeroInterruptedAt(second, 2, region::destroy));
        assertEquals(0, first.read(0, 1)[0]);
        assertEquals(2, second.read(0, 1)[0]);
    }

    /// The operation has the memory object first, and the region dies before it can answer.
    @Test
    @Tag("V-182")
    void aRegionThatDiesBeatsWhatTheMemoryObjectAnswers() throws Throwable {
        VmObject small = vm.vmo(1);
        mapAt(region, 0, RW, small, 0, 2);
        refuses(OUT_OF_RANGE, "O-91", () -> zeroInterruptedAt(small, 2, () -> {}));
        var death = new Thread(region::destroy);
        Runnable dying =
                () -> {
                    death.start();
                    while (small.lock().getQueueLength() < 2) {
                        Thread.onSpinWait();
                    }
                };
        refuses(BAD_STATE, "V-182", () -> zeroInterruptedAt(small, 2, dying));
        death.join();
    }

    @Test
    @Tag("V-194")
    @Tag("V-277")
    @Tag("aspace_unittest.cc:address_region_enumerator_test")
    void aRangeOperationTakesWhatItFindsAheadAndDoesNotGoBack() throws Throwable {
        VmObject passed = filled(1);
        VmObject atWork = filled(2);
        VmObject ahead = filled(3);
        mapAt(region, 0, RW, passed, 0, 1);
        mapAt(region, 1, RW, atWork, 0, 1);
        mapAt(region, 2, RW, ahead, 0, 1);
        VmObject late = filled(4);
        VmObject found = filled(5);
        zeroInterruptedAt(
                atWork,
                3,
                () -> {
                    region.map(RW.with(OVERWRITE), 0, late, 0, PAGE);
                    region.map(RW.with(OVERWRITE), 2 * PAGE, found, 0, PAGE);
                });
        List<VmObject> objects = List.of(passed, atWork, ahead, late, found);
        assertEquals(
                List.of(0, 0, 3, 4, 0),
                objects.stream().map(vmo -> (int) vmo.read(0, 1)[0]).toList());
    }

    @Test
    @Tag("V-194")
    @Tag("V-183")
    @Tag("aspace_unittest.cc:address_region_enumerator_test")
    void aRangeOperationMeetsTheHoleThatWasMadeAhead() {
        VmObject atWork = filled(2);
        VmObject ahead = filled(3);
        mapAt(region, 0, RW, atWork, 0, 1);
        mapAt(region, 1, RW, ahead, 0, 1);
        refuses(
                BAD_STATE,
                "V-183",
                () -> zeroInterruptedAt(atWork, 2, () -> region.unmap(base + PAGE, PAGE)));
        assertEquals(0, atWork.read(0, 1)[0]);
        assertEquals(3, ahead.read(0, 1)[0]);
    }

    /// A change of several children at once is in a listing as a whole or not at all: more than the
    /// clause asks for, which lets a listing drop its locks between entries. Here an unmap has
    /// taken out the first of two mappings when the listing begins.
    @Test
    @Tag("V-231")
    @Tag("V-277")
    void aListingShowsOneMoment() throws Exception {
        var hal = new FakeHal();
        try (var fake = new VmarFixture(hal)) {
            VmAddressRegion place = fake.region(2);
            VmObject first = fake.vmo(1);
            mapAt(place, 0, RW, first, 0, 1);
            mapAt(place, 1, RW, fake.vmo(1), 0, 1);
            var inTheMiddle = new CountDownLatch(1);
            var mayGoOn = new CountDownLatch(1);
            hal.afterUnmapRange =
                    () -> {
                        inTheMiddle.countDown();
                        Uninterruptibles.awaitUninterruptibly(mayGoOn);
                    };
            var unmapping = new Thread(() -> place.unmap(place.baseAddress(), 2 * PAGE));
            var listing = new FutureTask<>(place::maps);
            var lister = new Thread(listing);
            unmapping.start();
            inTheMiddle.await();
            first.lock().lock();
            try {
                mayGoOn.countDown();
                while (!first.lock().hasQueuedThread(unmapping)) {
                    Thread.onSpinWait();
                }
                lister.start();
                while (lister.getState() != Thread.State.WAITING && !listing.isDone()) {
                    Thread.onSpinWait();
                }
            } finally {
                first.lock().unlock();
            }
            assertEquals(1, listing.get(60, TimeUnit.SECONDS).size(), "the region alone");
            unmapping.join();
        }
    }

    @Test
    @Tag("V-231")
    void aListingNeverShowsARegionThatIsGone() throws Exception {
        try (var threads = Executors.newSingleThreadExecutor()) {
            for (int round = 0; round < 300; round++) {
                VmAddressRegion doomed = child(region, 0, 4);
                child(doomed, 0, 2);
                Future<?> death = threads.submit(doomed::destroy);
                int listed;
                try {
                    listed = doomed.maps().size();
                } catch (ZxException e) {
                    assertEquals(BAD_STATE, e.status());
                    listed = 2;
                }
                assertEquals(2, listed);
                death.get(60, TimeUnit.SECONDS);
            }
        }
        assertEquals(2, vm.root.maps().size());
    }

    /// Each memory object holds one number twice; a reader that sees two numbers has seen two.
    @Test
    @Tag("vmar.cc:ConcurrentUnmapReadMemory")
    @Tag("V-280")
    void aDebuggerReadsOneMemoryObjectOrNone() throws Exception {
        var stop = new AtomicBoolean();
        try (var threads = Executors.newSingleThreadExecutor()) {
            Future<?> reading =
                    threads.submit(() -> {
                        MemorySegment two = MemorySegment.ofArray(new byte[2]);
                        while (!stop.get()) {
                            try {
                                assertEquals(2, vm.root.readMemory(base, two));
                                assertEquals(two.get(JAVA_BYTE, 0), two.get(JAVA_BYTE, 1));
                            } catch (ZxException e) {
                                assertEquals(NOT_FOUND, e.status());
                            }
                        }
                    });
            try {
                for (int round = 0; round < 1_000; round++) {
                    try (VmObject vmo = VmObject.create(vm.machine, PAGE)) {
                        vmo.write(0, new byte[] {(byte) round, (byte) round});
                        mapAt(region, 0, RW, vmo, 0, 1);
                    }
                    region.unmap(base, PAGE);
                }
            } finally {
                stop.set(true);
            }
            reading.get(60, TimeUnit.SECONDS);
        }
    }

    @Test
    @Tag("V-161")
    @Tag("V-278")
    void aFaultThatComesInTheMiddleOfProtectLooksAgain() throws Exception {
        assertLooksAgainDuring(() -> region.protect(R, base, 2 * PAGE));
        assertEquals(ACCESS_DENIED, vm.write(base));
    }

    @Test
    @Tag("V-278")
    void aFaultThatComesInTheMiddleOfUnmapLooksAgain() throws Exception {
        assertLooksAgainDuring(() -> region.unmap(base, 2 * PAGE));
        assertEquals(NOT_FOUND, vm.write(base));
    }

    /// Stops an operation on two mappings between the first and the second, and has a fault come to
    /// the first that found it before the operation began.
    private void assertLooksAgainDuring(Runnable operation) throws Exception {
        VmObject second = vm.vmo(1);
        mapAt(region, 0, RW, vm.vmo(1), 0, 1);
        mapAt(region, 1, RW, second, 0, 1);
        MappingNode found = (MappingNode) Objects.requireNonNull(region.findMapping(base));
        var task = new FutureTask<>(Executors.callable(operation));
        second.lock().lock();
        try {
            new Thread(task).start();
            while (!second.lock().hasQueuedThreads()) {
                Thread.onSpinWait();
            }
            assertNull(FaultOp.run(found, base, AccessKind.WRITE, 0, new FaultScratch()));
        } finally {
            second.lock().unlock();
        }
        task.get(60, TimeUnit.SECONDS);
    }

    // ---- defects of a reimplementation

    /// Its destroy took the locks of child and parent one after the other. Here one thread makes
    /// and destroys regions, and another destroys what it makes them in.
    @Test
    @Tag("zcore-V21")
    @Tag("V-29")
    void parentAndChildAreDestroyedAtOnce() throws Exception {
        var parent = new AtomicReference<>(child(region, 0, 8));
        var used = new AtomicReference<VmAddressRegion>();
        var stop = new AtomicBoolean();
        try (var threads = Executors.newSingleThreadExecutor()) {
            Future<?> inside = threads.submit(() -> destroyChildren(parent::get, used, stop::get));
            try {
                for (int round = 0; round < 1_000 && !inside.isDone(); round++) {
                    while (used.get() != parent.get() && !inside.isDone()) {
                        Thread.onSpinWait();
                    }
                    parent.get().destroy();
                    assertTrue(region.children().isEmpty());
                    parent.set(child(region, 0, 8));
                }
            } finally {
                stop.set(true);
            }
            inside.get(60, TimeUnit.SECONDS);
        }
    }

    private void destroyChildren(
            Supplier<VmAddressRegion> parent,
            AtomicReference<VmAddressRegion> used,
            BooleanSupplier stop) {
        VmObject vmo = vm.vmo(1);
        while (!stop.getAsBoolean()) {
            VmAddressRegion alive = parent.get();
            try {
                VmAddressRegion child = child(alive, 0, 2);
                mapAt(child, 0, RW, vmo, 0, 1);
                used.set(alive);
                child.destroy();
            } catch (ZxException e) {
                assertEquals(BAD_STATE, e.status());
            }
            while (parent.get() == alive && !stop.getAsBoolean()) {
                Thread.onSpinWait();
            }
        }
    }

    /// Its snapshot passed over a mapping whose lock somebody held, and left it writable. Here a
    /// fault in the mapping is under way while the snapshot is taken.
    @Test
    @Tag("zcore-V17")
    @Tag("V-215")
    void aSnapshotTakesWritePermissionFromAMappingThatIsInUse() throws Exception {
        VmObject vmo = vm.vmo(2);
        mapAt(region, 0, RW, vmo, 0, 2);
        vm.poke(base, 1);
        var fault = new FutureTask<>(() -> vm.write(base + PAGE));
        vmo.lock().lock();
        try {
            new Thread(fault).start();
            while (!vmo.lock().hasQueuedThreads()) {
                Thread.onSpinWait();
            }
            vm.closing(vmo.createSnapshot(0, 2 * PAGE));
            assertEquals(MmuFlags.R, vm.entryAccess(base));
        } finally {
            vmo.lock().unlock();
        }
        assertEquals(OK, fault.get(60, TimeUnit.SECONDS));
        assertEquals(MmuFlags.RW, vm.entryAccess(base + PAGE));
    }
}
