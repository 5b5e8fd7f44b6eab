package io.jircon.vm;

import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.mapAt;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.UnusedTables;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Whatever looks at what threads share takes the lock that guards it: called while another thread
/// holds the lock, it waits. A call that forgets is found here at once, in a race by good luck.
@Timeout(120)
class LockUseTest {
    /// Where no machine has memory.
    private static final long DEVICE = 1L << 36;

    private final VmarFixture vm = new VmarFixture();

    @AfterEach
    void tearDown() {
        vm.close();
    }

    /// Calls on a memory object of two pages, the first of them written.
    private enum ObjectCall {
        READ(vmo -> vmo.read(0, 1)),
        WRITE(vmo -> vmo.write(0, new byte[1])),
        COMMIT(vmo -> vmo.commit(0, PAGE)),
        DECOMMIT(vmo -> vmo.decommit(0, PAGE)),
        ZERO(vmo -> vmo.zero(0, PAGE)),
        SET_SIZE(vmo -> vmo.setSize(PAGE), VmoOption.RESIZABLE),
        SET_STREAM_SIZE(vmo -> vmo.setStreamSize(PAGE)),
        LOCK(VmObject::lockContents, VmoOption.DISCARDABLE),
        TRY_LOCK(VmObject::tryLockContents, VmoOption.DISCARDABLE),
        RECLAIM(VmObject::reclaim, VmoOption.DISCARDABLE),
        SET_CACHE_POLICY(vmo -> vmo.setCachePolicy(CachePolicy.CACHED)),
        INFO(VmObject::info),
        ATTRIBUTION(vmo -> vmo.attribution(0, PAGE)),
        HIGH_PRIORITY_COUNT(VmObject::highPriorityCount),
        CLOSE(VmObject::close);

        private final Consumer<VmObject> call;
        private final VmoOption[] options;

        ObjectCall(Consumer<VmObject> call, VmoOption... options) {
            this.call = call;
            this.options = options;
        }
    }

    /// Calls that make something on such an object. It is closed later: closing waits too.
    private enum MakingCall {
        PIN(vmo -> vmo.pin(0, PAGE)),
        SNAPSHOT(vmo -> vmo.createSnapshot(0, PAGE)),
        SLICE(vmo -> vmo.createSlice(0, PAGE)),
        REFERENCE(VmObject::createReference);

        private final Function<VmObject, AutoCloseable> call;

        MakingCall(Function<VmObject, AutoCloseable> call) {
            this.call = call;
        }
    }

    /// Calls on a pager for an object of its own of two pages that it has not brought yet.
    private enum PagerCall {
        SUPPLY((pager, file) -> supplyZeros(pager, file)),
        FAIL((pager, file) -> pager.opRange(PagerOp.FAIL, file, 0, PAGE, ZxStatus.IO.value())),
        WRITEBACK_END((pager, file) -> pager.opRange(PagerOp.WRITEBACK_END, file, 0, PAGE, 0)),
        DIRTY_RANGES((pager, file) -> pager.queryDirtyRanges(file, 0, PAGE)),
        STATS(Pager::queryVmoStats),
        RESET_STATS(Pager::queryAndResetVmoStats),
        DETACH(Pager::detachVmo),
        CLOSE((pager, file) -> pager.close());

        private final BiConsumer<Pager, VmObject> call;

        PagerCall(BiConsumer<Pager, VmObject> call) {
            this.call = call;
        }

        private static void supplyZeros(Pager pager, VmObject file) {
            try (VmObject zeros = VmObject.create(file.machine, PAGE)) {
                pager.supplyPages(file, 0, PAGE, zeros, 0);
            }
        }
    }

    /// Calls on a region of four pages, the first two of them mapped.
    private enum RegionCall {
        ALLOCATE(region -> region.createChild(2 * PAGE, PAGE)),
        MAP(region -> region.map(R, 0, mappedIn(region), 0, PAGE)),
        UNMAP(region -> region.unmap(region.baseAddress(), PAGE)),
        PROTECT(region -> region.protect(R, region.baseAddress(), PAGE)),
        OP_RANGE(region -> region.opRange(VmarOp.COMMIT, region.baseAddress(), PAGE)),
        HARVEST(LockUseTest::harvest),
        SET_PRIORITY(region -> region.setMemoryPriority(MemoryPriority.HIGH)),
        HIGH_PRIORITY_COUNT(VmAddressRegion::highPriorityCount),
        FAULT(region -> region.handlePageFault(region.baseAddress(), AccessKind.WRITE)),
        FIND(region -> region.findMapping(region.baseAddress())),
        READ(region -> region.readMemory(region.baseAddress(), oneByte())),
        WRITE(region -> region.writeMemory(region.baseAddress(), oneByte())),
        MAPS(VmAddressRegion::maps),
        PROCESS_MAPS(region -> region.processMaps(1)),
        TASK_STATS(VmAddressRegion::taskStats),
        IS_ALIVE(VmAddressRegion::isAlive),
        DESTROY(VmAddressRegion::destroy),
        DESTROY_ADDRESS_SPACE(VmAddressRegion::destroyAddressSpace);

        private final Consumer<VmAddressRegion> call;

        RegionCall(Consumer<VmAddressRegion> call) {
            this.call = call;
        }

        private static VmObject mappedIn(VmAddressRegion region) {
            return ((MappingNode) region.children().first()).vmo();
        }

        private static MemorySegment oneByte() {
            return MemorySegment.ofArray(new byte[1]);
        }
    }

    @ParameterizedTest
    @EnumSource
    @Tag("O-7")
    void aCallOnAMemoryObjectWaitsForTheLockOfItsFamily(ObjectCall what) throws Exception {
        VmObject vmo = vm.closing(VmObject.create(vm.machine, 2 * PAGE, what.options));
        vmo.write(0, new byte[1]);
        callWhileLocked(vmo, () -> what.call.accept(vmo));
    }

    @ParameterizedTest
    @EnumSource
    @Tag("O-7")
    void soDoesOneThatMakesSomething(MakingCall what) throws Exception {
        VmObject vmo = vm.vmo(2);
        vmo.write(0, new byte[1]);
        var made = new AtomicReference<AutoCloseable>();
        callWhileLocked(vmo, () -> made.set(what.call.apply(vmo)));
        made.get().close();
    }

    /// Those of its calls that look at something that changes.
    @ParameterizedTest
    @EnumSource(names = {"SET_CACHE_POLICY", "INFO", "ATTRIBUTION", "HIGH_PRIORITY_COUNT", "CLOSE"})
    @Tag("O-7")
    void soDoesOneOnAPhysicalObject(ObjectCall what) throws Exception {
        VmObject vmo = device();
        callWhileLocked(vmo, () -> what.call.accept(vmo));
    }

    @ParameterizedTest
    @EnumSource(names = {"PIN", "SLICE"})
    @Tag("O-7")
    void soDoesOneThatMakesSomethingOfAPhysicalObject(MakingCall what) throws Exception {
        VmObject vmo = device();
        var made = new AtomicReference<AutoCloseable>();
        callWhileLocked(vmo, () -> made.set(what.call.apply(vmo)));
        made.get().close();
    }

    private VmObject device() {
        return vm.closing(VmObject.createPhysical(vm.machine, DEVICE, 2 * PAGE));
    }

    @ParameterizedTest
    @EnumSource
    @Tag("O-7")
    void aPagersCallWaitsForTheLockOfTheFamily(PagerCall what) throws Exception {
        try (Pager pager = Pager.create(vm.machine)) {
            VmObject file = vm.closing(pager.createVmo(new PageRequestQueue(), 1, 2 * PAGE));
            callWhileLocked(file, () -> what.call.accept(pager, file));
        }
    }

    @Test
    @Tag("O-7")
    void supplyingWaitsForTheLockOfWhereThePagesComeFromToo() throws Exception {
        try (Pager pager = Pager.create(vm.machine)) {
            VmObject file = vm.closing(pager.createVmo(new PageRequestQueue(), 1, PAGE));
            VmObject aux = vm.vmo(1);
            callWhileLocked(aux, () -> pager.supplyPages(file, 0, PAGE, aux, 0));
        }
    }

    private static void callWhileLocked(VmObject vmo, Runnable call) throws InterruptedException {
        var failure = new AtomicReference<Throwable>();
        Thread caller = callerOf(call, failure);
        vmo.lock().lock();
        try {
            startAndAwait(caller, vmo.lock()::hasQueuedThread);
        } finally {
            vmo.lock().unlock();
        }
        caller.join();
        assertNull(failure.get());
    }

    @ParameterizedTest
    @EnumSource
    @Tag("V-276")
    void aCallOnARegionWaitsForTheLockOfItsAddressSpace(RegionCall what) throws Exception {
        VmAddressRegion region = vm.region(4);
        VmObject vmo = vm.vmo(2);
        mapAt(region, 0, RW, vmo, 0, 2);
        var failure = new AtomicReference<Throwable>();
        Thread caller = callerOf(() -> what.call.accept(region), failure);
        long stamp = region.aspace().lock.writeLock();
        try {
            startAndAwait(caller, thread -> thread.getState() == Thread.State.WAITING);
            assertFalse(vmo.lock().isLocked(), "the address space's lock comes first");
        } finally {
            region.aspace().lock.unlockWrite(stamp);
        }
        caller.join();
        assertNull(failure.get());
    }

    /// Where the machine keeps no accessed states, what it says of that comes behind the lock too.
    private static void harvest(VmAddressRegion region) {
        Runnable harvest =
                () ->
                        region.harvestAccessed(
                                UnusedTables.KEEP,
                                region.baseAddress(),
                                PAGE,
                                (vaddr, vmo, offset, count) -> {});
        if (region.pageTable().tracksAccessed()) {
            harvest.run();
        } else {
            VmarFixture.refuses(ZxStatus.NOT_SUPPORTED, "V-289", harvest::run);
        }
    }

    private static Thread callerOf(Runnable call, AtomicReference<Throwable> failure) {
        var thread = new Thread(call);
        thread.setUncaughtExceptionHandler((dead, thrown) -> failure.set(thrown));
        return thread;
    }

    private static void startAndAwait(Thread caller, Predicate<Thread> isWaiting) {
        caller.start();
        while (caller.isAlive() && !isWaiting.test(caller)) {
            Thread.onSpinWait();
        }
        assertTrue(caller.isAlive(), "the call returned while another thread held the lock");
    }
}
