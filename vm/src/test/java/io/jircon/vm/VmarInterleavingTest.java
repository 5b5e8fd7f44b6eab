package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.vm.VmarFixture.OVERWRITE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.ZxException;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
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
    /// clause asks for, which lets a listing drop its locks between entries.
    @Test
    @Tag("V-231")
    @Tag("V-277")
    void aListingShowsOneMoment() throws Exception {
        VmAddressRegion wide = vm.region(64);
        VmObject vmo = vm.vmo(64);
        var stop = new AtomicBoolean();
        try (var threads = Executors.newSingleThreadExecutor()) {
            Future<?> changing =
                    threads.submit(() -> {
                        while (!stop.get()) {
                            changeManyAtOnce(wide, vmo);
                        }
                    });
            try {
                for (int i = 0; i < 2_000; i++) {
                    requireOneMoment(wide);
                }
            } finally {
                stop.set(true);
            }
            changing.get(60, TimeUnit.SECONDS);
        }
    }

    /// Maps every second page, one after the other from below, and replaces or removes them all.
    private static void changeManyAtOnce(VmAddressRegion wide, VmObject vmo) {
        for (int removal = 0; removal < 2; removal++) {
            for (int page = 0; page < 64; page += 2) {
                mapAt(wide, page, R, vmo, page, 1);
            }
            if (removal == 0) {
                wide.map(R.with(OVERWRITE), 0, vmo, 0, 64 * PAGE);
            }
            wide.unmap(wide.baseAddress(), 64 * PAGE);
        }
    }

    private static void requireOneMoment(VmAddressRegion wide) {
        List<MapEntry> entries = wide.maps();
        long end = wide.baseAddress();
        for (MapEntry entry : entries.subList(1, entries.size())) {
            assertEquals(end, entry.baseAddress(), () -> "from below, none missing: " + entries);
            if (entry.sizeBytes() != PAGE) {
                assertEquals(2, entries.size(), () -> "nothing beside the large one: " + entries);
            }
            end = entry.baseAddress() + 2 * PAGE;
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

    // ---- defects of a reimplementation

    /// Its destroy took the locks of child and parent one after the other.
    @Test
    @Tag("zcore-V21")
    @Tag("V-29")
    void parentAndChildAreDestroyedAtOnce() throws Exception {
        try (var threads = Executors.newSingleThreadExecutor()) {
            for (int round = 0; round < 2_000; round++) {
                VmAddressRegion parent = child(region, 0, 8);
                VmAddressRegion inner = child(parent, 0, 4);
                child(inner, 0, 2);
                Future<?> death = threads.submit(parent::destroy);
                try {
                    inner.destroy();
                } catch (ZxException e) {
                    assertEquals(BAD_STATE, e.status());
                }
                death.get(60, TimeUnit.SECONDS);
                assertTrue(region.children().isEmpty());
            }
        }
    }

    /// Its snapshot passed over a mapping whose lock somebody held, and left it writable.
    @Test
    @Tag("zcore-V17")
    @Tag("V-215")
    void aSnapshotTakesWritePermissionFromAMappingThatIsInUse() throws Exception {
        VmObject vmo = vm.vmo(1);
        mapAt(region, 0, RW, vmo, 0, 1);
        var stop = new AtomicBoolean();
        var written = new AtomicInteger();
        try (var threads = Executors.newSingleThreadExecutor();
                var memory = new UserMemory(vm.root, vm.hal.newMmu())) {
            Future<?> writing =
                    threads.submit(() -> {
                        while (!stop.get()) {
                            memory.writeInt(base, written.get());
                            written.incrementAndGet();
                        }
                    });
            try {
                for (int round = 0; round < 50; round++) {
                    try (VmObject snapshot = vmo.createSnapshot(0, PAGE)) {
                        byte[] then = snapshot.read(0, Integer.BYTES);
                        int seen = written.get();
                        while (written.get() < seen + 2 && !writing.isDone()) {
                            Thread.yield();
                        }
                        assertArrayEquals(then, snapshot.read(0, Integer.BYTES));
                    }
                }
            } finally {
                stop.set(true);
            }
            writing.get(60, TimeUnit.SECONDS);
        }
    }
}
