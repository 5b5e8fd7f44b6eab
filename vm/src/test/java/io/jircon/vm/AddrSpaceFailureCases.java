package io.jircon.vm;

import static io.jircon.vm.AddrSpaceFixture.MIB_2;
import static io.jircon.vm.AddrSpaceFixture.PAGE;
import static io.jircon.vm.AddrSpaceFixture.gpa;
import static io.jircon.vm.AddrSpaceFixture.hpa;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.AddrSpace.Populate;
import io.jircon.vm.FailingTables.Lasting;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Runs every operation of [AddrSpace] again and again on a fresh machine, with the frame
/// allocator, or the page table, failing at its first call, its second, and so on, until the
/// operation works without meeting a failure. Each time it must either work or leave everything as
/// it was.
abstract class AddrSpaceFailureCases {
    private static final long MIB_4 = 2 * MIB_2;

    private final String hal;

    AddrSpaceFailureCases(String hal) {
        this.hal = hal;
    }

    /// An operation; answers OK, or NO_MEMORY when a fault is not resolved.
    enum Operation {
        MAP_LINEAR(space ->
                space.mapLinear(gpa(6 * MIB_2), hpa(0x6000_0000), MIB_2 + PAGE, MmuFlags.RW)),
        MAP_EAGERLY(
                space -> space.mapAlloc(gpa(6 * MIB_2), 10 * PAGE, MmuFlags.RW, Populate.EAGERLY)),
        MAP_ON_FAULT(
                space -> space.mapAlloc(gpa(6 * MIB_2), 10 * PAGE, MmuFlags.RW, Populate.ON_FAULT)),
        UNMAP_FROM_THE_MIDDLE(space -> space.unmap(gpa(MIB_2 + PAGE), MIB_4)),
        CLEAR(AddrSpace::clear),
        PROTECT(space -> space.protect(gpa(PAGE), MIB_4, MmuFlags.R)),
        FAULT(space -> {
            if (!space.handlePageFault(gpa(MIB_4 + 7 * PAGE), AccessKind.WRITE)) {
                throw new ZxException(ZxStatus.NO_MEMORY, "A-143", "the fault is not resolved");
            }
        });

        private final Consumer<AddrSpace> call;

        Operation(Consumer<AddrSpace> call) {
            this.call = call;
        }

        ZxStatus run(AddrSpace space) {
            try {
                call.accept(space);
                return ZxStatus.OK;
            } catch (ZxException e) {
                return e.status();
            }
        }
    }

    /// 4 MiB linear, from 0 on, and pages right behind that come with their first use.
    private static final class Scene implements AutoCloseable {
        private FailingFrames frames;
        private final FailingTables tables;
        private final Machine machine;
        private final long freeAtStart;
        private final AddrSpace space;

        Scene(String hal) {
            tables =
                    new FailingTables(
                            Hals.create(
                                    hal,
                                    HalConfig.DEFAULT
                                            .withMemoryBytes(4L << 20)
                                            .withFrameWrapper(
                                                    inner -> frames = new FailingFrames(inner))));
            machine = Machine.boot(tables);
            freeAtStart = machine.frames().freeFrames();
            space = AddrSpace.create(machine, gpa(0), 16 * MIB_2);
            space.mapLinear(gpa(0), hpa(0x4000_0000), MIB_4, MmuFlags.RW);
            space.mapAlloc(gpa(MIB_4), MIB_2, MmuFlags.RW, Populate.ON_FAULT);
            space.handlePageFault(gpa(MIB_4), AccessKind.WRITE);
        }

        String everything() {
            return WholeState.everything(space.root(), List.of());
        }

        String observable() {
            return WholeState.observable(space.root(), List.of());
        }

        @Override
        public void close() {
            space.root().checkInvariants();
            space.close();
            assertEquals(freeAtStart, machine.frames().freeFrames(), "free frames");
            machine.close();
        }
    }

    @ParameterizedTest
    @EnumSource(Operation.class)
    @Tag("A-121")
    @Tag("A-128")
    @Tag("V-281")
    void withoutAFrameAnOperationWorksOrChangesNothing(Operation operation) {
        boolean failed = true;
        for (int k = 1; failed; k++) {
            try (var scene = new Scene(hal)) {
                String before = scene.everything();
                scene.frames.failAt(k);
                ZxStatus status = operation.run(scene.space);
                failed = scene.frames.disarm();
                if (status != ZxStatus.OK) {
                    assertTrue(failed, status + " without a failure");
                    assertEquals(ZxStatus.NO_MEMORY, status, "failure " + k);
                    assertEquals(before, scene.everything(), "after failure " + k);
                    assertEquals(ZxStatus.OK, operation.run(scene.space), "tried again");
                }
                assertNotEquals(before, scene.everything(), "it does something");
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Operation.class)
    @Tag("A-121")
    @Tag("A-137")
    @Tag("V-281")
    @Tag("A-26")
    @Tag("A-37")
    @Tag("A-41")
    void whenTheTableRefusesAnOperationWorksOrChangesNothing(Operation operation) {
        refuse(operation, PagingError.NO_MEMORY, Lasting.ONE_CALL);
        refuse(operation, PagingError.NO_RESOURCES, Lasting.FROM_THEN_ON);
        refuse(operation, PagingError.SYSTEM, Lasting.ONE_CALL);
    }

    private void refuse(Operation operation, PagingError error, Lasting lasting) {
        ZxStatus refusal =
                operation == Operation.FAULT
                        ? ZxStatus.NO_MEMORY
                        : VmErrors.statusOf(new PagingException(error, "as a status"));
        boolean failed = true;
        for (int k = 1; failed; k++) {
            try (var scene = new Scene(hal)) {
                String what = error + " " + lasting + " at change " + k;
                String before = scene.observable();
                scene.tables.failAt(k, error, lasting);
                ZxStatus status = operation.run(scene.space);
                failed = scene.tables.disarm();
                if (status != ZxStatus.OK) {
                    assertTrue(failed, what + ": " + status + " without a failure");
                    assertEquals(refusal, status, what);
                    assertEquals(before, scene.observable(), what);
                    assertEquals(ZxStatus.OK, operation.run(scene.space), what + ", tried again");
                }
            }
        }
    }
}
