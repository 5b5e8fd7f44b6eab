package io.jircon.vm;

import static io.jircon.vm.VmarFixture.OVERWRITE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.RWX_SPECIFIC;
import static io.jircon.vm.VmarFixture.child;
import static io.jircon.vm.VmarFixture.mapAt;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageTableTrait;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Several threads in one address space. Each test says what every thread must see; the structure
/// of the address space is checked at the end.
@Timeout(120)
class VmarConcurrencyTest {
    private final VmarFixture vm = new VmarFixture();

    @AfterEach
    void tearDown() {
        vm.close();
    }

    /// Runs the tasks at the same time and waits for all of them.
    private static void together(List<Callable<Object>> tasks) throws InterruptedException {
        try (var threads = Executors.newFixedThreadPool(tasks.size())) {
            for (Future<Object> done : threads.invokeAll(tasks)) {
                try {
                    done.get();
                } catch (ExecutionException e) {
                    throw new AssertionError(e.getCause());
                }
            }
        }
    }

    @Test
    @Tag("V-278")
    @Tag("V-136")
    void afterUnmapReturnsNoEntryAppears() throws InterruptedException {
        VmAddressRegion region = vm.region(16);
        long base = region.baseAddress();
        VmObject vmo = vm.vmo(16);
        var stop = new AtomicBoolean();
        Callable<Object> faults =
                () -> {
                    var seen = EnumSet.noneOf(ZxStatus.class);
                    for (int i = 0; !stop.get(); i++) {
                        seen.add(
                                vm.root.handlePageFault(
                                        base + (i % 16) * PAGE,
                                        i % 2 == 0 ? AccessKind.READ : AccessKind.WRITE));
                    }
                    seen.removeAll(EnumSet.of(ZxStatus.OK, ZxStatus.NOT_FOUND));
                    assertTrue(seen.isEmpty(), seen.toString());
                    return "";
                };
        Callable<Object> changes =
                () -> {
                    try {
                        PageTableTrait table = vm.root.pageTable();
                        for (int round = 0; round < 3_000; round++) {
                            mapAt(region, 0, RW, vmo, 0, 16);
                            region.unmap(base + 4 * PAGE, 4 * PAGE);
                            for (int page = 4; page < 8; page++) {
                                assertEquals(
                                        PageTableTrait.NO_TRANSLATION,
                                        table.translate(base + page * PAGE));
                            }
                            region.unmap(base, 16 * PAGE);
                            for (int page = 0; page < 16; page++) {
                                assertEquals(
                                        PageTableTrait.NO_TRANSLATION,
                                        table.translate(base + page * PAGE));
                            }
                        }
                    } finally {
                        stop.set(true);
                    }
                    return "";
                };
        together(List.of(faults, faults, changes));
    }

    @Test
    @Tag("V-161")
    void afterProtectReturnsNoEntryCanBeWritten() throws InterruptedException {
        VmAddressRegion region = vm.region(4);
        long base = region.baseAddress();
        mapAt(region, 0, RW, vm.vmo(4), 0, 4);
        var stop = new AtomicBoolean();
        Callable<Object> faults =
                () -> {
                    while (!stop.get()) {
                        vm.root.handlePageFault(base + PAGE, AccessKind.WRITE);
                    }
                    return "";
                };
        Callable<Object> changes =
                () -> {
                    try {
                        var walk = new io.jircon.hal.WalkResult();
                        PageTableTrait table = vm.root.pageTable();
                        for (int round = 0; round < 5_000; round++) {
                            region.protect(R, base, 4 * PAGE);
                            assertTrue(!table.hardwareWalk(base + PAGE, AccessKind.WRITE, walk));
                            region.protect(RW, base + PAGE, PAGE);
                        }
                    } finally {
                        stop.set(true);
                    }
                    return "";
                };
        together(List.of(faults, faults, changes));
    }

    @Test
    @Tag("V-276")
    void destroyIsOneStepForEveryObserver() throws InterruptedException {
        for (int round = 0; round < 300; round++) {
            VmAddressRegion top = vm.region(64);
            VmObject vmo = vm.vmo(64);
            List<VmAddressRegion> inner = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                inner.add(child(top, i * 8, 8));
                mapAt(inner.get(i), 0, RW, vmo, 0, 8);
            }
            var start = new CountDownLatch(1);
            // Sees regions die in an order of its own choice: after the first dead one all are.
            Callable<Object> observer =
                    () -> {
                        start.await();
                        boolean dead = false;
                        for (int i = 0; i < 2_000 && !dead; i++) {
                            dead = !answers(inner.get(i % 8));
                        }
                        if (dead) {
                            for (VmAddressRegion region : inner) {
                                assertTrue(!answers(region));
                                assertEquals(
                                        ZxStatus.NOT_FOUND,
                                        vm.root.handlePageFault(
                                                region.baseAddress(), AccessKind.READ));
                            }
                            assertTrue(!answers(top));
                        }
                        return "";
                    };
            Callable<Object> destroyer =
                    () -> {
                        start.countDown();
                        top.destroy();
                        return "";
                    };
            together(List.of(observer, observer, destroyer));
            assertEquals(0, vmo.mappingCount());
        }
    }

    /// Whether a region answers as one that lives.
    private static boolean answers(VmAddressRegion region) {
        try {
            region.unmap(region.baseAddress() + 7 * PAGE, PAGE);
            return true;
        } catch (ZxException e) {
            assertEquals(ZxStatus.BAD_STATE, e.status());
            return false;
        }
    }

    @Test
    @Tag("V-280")
    void aReaderSeesThePageThatIsMappedOrNone() throws InterruptedException {
        VmAddressRegion region = vm.region(1);
        long base = region.baseAddress();
        var stop = new AtomicBoolean();
        Callable<Object> reader =
                () -> {
                    while (!stop.get()) {
                        ZxStatus status = vm.read(base);
                        assertTrue(
                                status == ZxStatus.OK || status == ZxStatus.NOT_FOUND,
                                status.toString());
                    }
                    return "";
                };
        Callable<Object> mapper =
                () -> {
                    try {
                        for (int round = 0; round < 1_000; round++) {
                            mapAt(region, 0, RW, vm.vmo(1), 0, 1);
                            region.unmap(base, PAGE);
                        }
                    } finally {
                        stop.set(true);
                    }
                    return "";
                };
        together(List.of(reader, reader, mapper));
    }

    @Test
    @Tag("V-279")
    void faultsInDifferentObjectsDoNotWaitForEachOther() throws Exception {
        VmObject slow = vm.vmo(1);
        VmObject quick = vm.vmo(1);
        long slowAt = vm.root.map(RW, 0, slow, 0, PAGE);
        long quickAt = vm.root.map(RW, 0, quick, 0, PAGE);
        try (var threads = Executors.newFixedThreadPool(2)) {
            slow.lock().lock();
            Future<ZxStatus> waiting;
            try {
                waiting = threads.submit(() -> vm.write(slowAt));
                // The first fault hangs in its object; this one must come through.
                assertEquals(
                        ZxStatus.OK,
                        threads.submit(() -> vm.write(quickAt)).get(60, TimeUnit.SECONDS));
                assertTrue(!waiting.isDone());
            } finally {
                slow.lock().unlock();
            }
            assertEquals(ZxStatus.OK, waiting.get(60, TimeUnit.SECONDS));
        }
    }

    /// Stops a fault between its lookup and its work on the memory object, makes a change there,
    /// and lets it go on.
    private ZxStatus faultOvertakenBy(VmObject vmo, long vaddr, AccessKind access, Runnable change)
            throws Exception {
        try (var thread = Executors.newSingleThreadExecutor()) {
            Future<ZxStatus> fault;
            vmo.lock().lock();
            try {
                fault = thread.submit(() -> vm.root.handlePageFault(vaddr, access));
                while (!vmo.lock().hasQueuedThreads()) {
                    Thread.onSpinWait();
                }
                change.run();
            } finally {
                vmo.lock().unlock();
            }
            return fault.get(60, TimeUnit.SECONDS);
        }
    }

    @Test
    @Tag("V-278")
    @Tag("V-205")
    void anUnmapThatOvertakesAFaultWins() throws Exception {
        VmAddressRegion region = vm.region(4);
        long base = region.baseAddress();
        VmObject vmo = vm.vmo(4);
        mapAt(region, 0, RW, vmo, 0, 4);
        assertEquals(
                ZxStatus.NOT_FOUND,
                faultOvertakenBy(vmo, base, AccessKind.WRITE, () -> region.unmap(base, 4 * PAGE)));
        assertEquals("0000", vm.entries(base, 4));
        mapAt(region, 0, RW, vmo, 0, 4);
        assertEquals(
                ZxStatus.NOT_FOUND,
                faultOvertakenBy(
                        vmo,
                        base + 2 * PAGE,
                        AccessKind.WRITE,
                        () -> region.unmap(base + PAGE, 2 * PAGE)));
        assertEquals("0000", vm.entries(base, 4));
        assertEquals(
                ZxStatus.OK,
                faultOvertakenBy(
                        vmo, base, AccessKind.WRITE, () -> region.unmap(base + 3 * PAGE, PAGE)));
    }

    @Test
    @Tag("V-278")
    void aFaultCannotSlipInBetweenTheEntriesAndTheMapping() throws Exception {
        var hal = new FakeHal();
        try (var fake = new VmarFixture(hal)) {
            VmObject vmo = fake.vmo(1);
            long at = fake.root.map(RW, 0, vmo, 0, PAGE);
            var fault = new Thread(() -> fake.write(at));
            vmo.lock().lock();
            fault.start();
            while (!vmo.lock().hasQueuedThreads()) {
                Thread.onSpinWait();
            }
            hal.afterUnmapRange =
                    () -> {
                        // The entries are gone, the mapping is not: let the fault have its way now.
                        vmo.lock().unlock();
                        while (fault.getState() != Thread.State.TERMINATED
                                && (fault.getState() != Thread.State.WAITING
                                        || vmo.lock().hasQueuedThread(fault))) {
                            Thread.onSpinWait();
                        }
                    };
            fake.root.unmap(at, PAGE);
            fault.join();
            assertEquals("0", fake.entries(at, 1));
        }
    }

    @Test
    @Tag("V-278")
    @Tag("V-29")
    void aDestroyThatOvertakesAFaultWins() throws Exception {
        VmAddressRegion region = vm.region(4);
        long base = region.baseAddress();
        VmObject vmo = vm.vmo(4);
        mapAt(child(region, 0, 2), 0, RW, vmo, 0, 2);
        assertEquals(
                ZxStatus.NOT_FOUND, faultOvertakenBy(vmo, base, AccessKind.WRITE, region::destroy));
        assertEquals("00", vm.entries(base, 2));
    }

    @Test
    @Tag("V-161")
    void aProtectThatOvertakesAFaultWins() throws Exception {
        VmAddressRegion region = vm.region(1);
        long base = region.baseAddress();
        VmObject vmo = vm.vmo(1);
        mapAt(region, 0, RW, vmo, 0, 1);
        assertEquals(
                ZxStatus.ACCESS_DENIED,
                faultOvertakenBy(vmo, base, AccessKind.WRITE, () -> region.protect(R, base, PAGE)));
        assertEquals("0", vm.entries(base, 1));
    }

    @Test
    @Tag("V-205")
    @Tag("V-114")
    void aFaultFollowsAMappingThatWasReplacedOrMerged() throws Exception {
        VmAddressRegion region = vm.region(4);
        long base = region.baseAddress();
        VmObject vmo = vm.vmo(4);
        VmObject other = vm.vmo(4);
        mapAt(region, 1, RW, vmo, 1, 1);
        assertEquals(
                ZxStatus.OK,
                faultOvertakenBy(
                        vmo, base + PAGE, AccessKind.WRITE, () -> mapAt(region, 0, RW, vmo, 0, 1)));
        assertEquals(
                ZxStatus.OK,
                faultOvertakenBy(
                        vmo,
                        base,
                        AccessKind.WRITE,
                        () -> region.map(RW.with(OVERWRITE), 0, other, 0, 2 * PAGE)));
        vm.root.checkInvariants();
        assertEquals(1, other.attribution(0, PAGE).populatedBytes / PAGE);
    }

    @Test
    @Tag("V-276")
    @Tag("V-260")
    void randomChangesByFourThreadsKeepTheTreeInOrder() throws InterruptedException {
        VmAddressRegion shared = vm.region(256);
        List<VmObject> objects = List.of(vm.vmo(64), vm.vmo(64), vm.vmo(64));
        List<Callable<Object>> tasks = new ArrayList<>();
        for (int thread = 0; thread < 4; thread++) {
            var random = new SplittableRandom(thread);
            tasks.add(() -> {
                for (int i = 0; i < 4_000; i++) {
                    randomChange(shared, objects, random);
                }
                return "";
            });
        }
        together(tasks);
        vm.root.checkInvariants();
    }

    private void randomChange(
            VmAddressRegion shared, List<VmObject> objects, SplittableRandom random) {
        long page = random.nextInt(250);
        long pages = 1 + random.nextInt(6);
        long at = shared.baseAddress() + page * PAGE;
        VmObject vmo = objects.get(random.nextInt(objects.size()));
        try {
            switch (random.nextInt(10)) {
                case 0 -> child(shared, page, pages);
                case 1 -> shared.unmap(at, pages * PAGE);
                case 2 -> mapAt(shared, page, RW, vmo, random.nextInt(60), pages);
                case 3 ->
                        shared.map(RW.with(OVERWRITE), page * PAGE, vmo, page * PAGE, pages * PAGE);
                case 4 -> shared.protect(random.nextBoolean() ? R : RW, at, pages * PAGE);
                case 5 -> shared.maps();
                case 6 -> {
                    VmAddressRegion inner = shared.allocate(RWX_SPECIFIC, 0, pages * PAGE);
                    inner.map(RW, 0, vmo, 0, PAGE, MmuFlags.RW);
                    inner.destroy();
                }
                default ->
                        vm.root.handlePageFault(
                                at, random.nextBoolean() ? AccessKind.READ : AccessKind.WRITE);
            }
        } catch (ZxException expected) {
            assertTrue(expected.status() != ZxStatus.INTERNAL, expected.getMessage());
        }
    }
}
