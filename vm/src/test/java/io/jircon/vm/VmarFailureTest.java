package io.jircon.vm;

import static io.jircon.vm.VmarFixture.PAGE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.FailingTables.Lasting;
import io.jircon.vm.FailureScene.Operation;
import io.jircon.vm.FailureScene.Setting;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Runs every operation again and again on a fresh machine, with the frame allocator, or the page
/// table, failing at its first call, its second, and so on, until the operation works without
/// meeting a failure. Each time it must either work or leave everything as it was.
class VmarFailureTest {
    /// These need no frame at all, so that they cannot fail for want of one.
    private static final Set<Operation> FREE_OF_FRAMES =
            EnumSet.of(
                    Operation.ALLOCATE,
                    Operation.MAP,
                    Operation.OVERWRITE,
                    Operation.UNMAP,
                    Operation.PROTECT_TO_READ,
                    Operation.PROTECT_TO_NOTHING,
                    Operation.PROTECT_TO_EXECUTE,
                    Operation.DESTROY);

    static Stream<Arguments> everyOperationInEverySetting() {
        return Stream.of(Setting.values())
                .flatMap(setting ->
                        Stream.of(Operation.values())
                                .filter(operation -> operation.isFor(setting))
                                .map(operation -> Arguments.of(setting, operation)));
    }

    /// What an operation answers when nothing fails.
    private static ZxStatus statusWithoutFailure(Setting setting, Operation operation) {
        try (var scene = new FailureScene(setting)) {
            return operation.run(scene);
        }
    }

    @ParameterizedTest
    @MethodSource("everyOperationInEverySetting")
    @Tag("V-281")
    @Tag("V-73")
    @Tag("V-103")
    @Tag("V-104")
    @Tag("V-115")
    @Tag("V-131")
    @Tag("V-154")
    @Tag("V-282")
    @Tag("A-33")
    @Tag("O-161")
    @Tag("O-163")
    void withoutAFrameAnOperationWorksOrChangesNothing(Setting setting, Operation operation) {
        ZxStatus expected = statusWithoutFailure(setting, operation);
        boolean failed = true;
        for (int k = 1; failed; k++) {
            try (var scene = new FailureScene(setting)) {
                String before = scene.everything();
                scene.frames.failAt(k);
                ZxStatus status = operation.run(scene);
                failed = scene.frames.disarm();
                if (failed && status == ZxStatus.NO_MEMORY) {
                    assertTrue(!FREE_OF_FRAMES.contains(operation), "no frame is needed");
                    assertEquals(before, scene.everything(), "after failure " + k);
                    assertEquals(expected, operation.run(scene), "tried again");
                } else {
                    assertEquals(expected, status, "failure " + k);
                }
                scene.vm.root.checkInvariants();
            }
        }
    }

    @ParameterizedTest
    @MethodSource("everyOperationInEverySetting")
    @Tag("V-281")
    @Tag("V-156")
    @Tag("V-104")
    @Tag("V-181")
    @Tag("V-282")
    @Tag("A-33")
    @Tag("O-161")
    @Tag("O-163")
    void whenTheTableRefusesAnOperationWorksOrChangesNothing(Setting setting, Operation operation) {
        ZxStatus expected = statusWithoutFailure(setting, operation);
        refuse(setting, operation, expected, PagingError.NO_MEMORY, Lasting.ONE_CALL);
        refuse(setting, operation, expected, PagingError.NO_RESOURCES, Lasting.FROM_THEN_ON);
        refuse(setting, operation, expected, PagingError.SYSTEM, Lasting.ONE_CALL);
    }

    private static void refuse(
            Setting setting,
            Operation operation,
            ZxStatus expected,
            PagingError error,
            Lasting lasting) {
        ZxStatus refusal = VmErrors.statusOf(new PagingException(error, "as a status"));
        boolean failed = true;
        for (int k = 1; failed; k++) {
            try (var scene = new FailureScene(setting)) {
                String what = error + " " + lasting + " at change " + k;
                String before = scene.observable();
                scene.tables.failAt(k, error, lasting);
                ZxStatus status = operation.run(scene);
                failed = scene.tables.disarm();
                if (failed && status == refusal) {
                    assertEquals(before, scene.observable(), what);
                    assertEquals(expected, operation.run(scene), what + ", tried again");
                } else {
                    assertEquals(expected, status, what);
                }
                scene.vm.root.checkInvariants();
            }
        }
    }

    /// How many frames at least a new entry, or a new address space, takes for tables.
    private static int framesForTables() {
        try (var vm = new VmarFixture()) {
            return vm.tablesTakeFrames() ? 1 : 0;
        }
    }

    /// Guards the sweeps above: they would pass if no failure ever struck.
    @ParameterizedTest
    @EnumSource(
            value = Operation.class,
            names = {"READ_FAULT", "WRITE_FAULT", "MAP_RANGE", "COMMIT"})
    void someOperationsDoMeetFailures(Operation operation) {
        Setting setting = operation == Operation.MAP_RANGE ? Setting.TOUCHED : Setting.MAPPED;
        try (var scene = new FailureScene(setting)) {
            scene.tables.failAt(1, PagingError.SYSTEM, Lasting.FROM_THEN_ON);
            operation.run(scene);
            assertTrue(scene.tables.disarm());
        }
        try (var scene = new FailureScene(setting)) {
            boolean takesPages =
                    operation == Operation.WRITE_FAULT || operation == Operation.COMMIT;
            scene.frames.failAt(1);
            operation.run(scene);
            assertEquals(takesPages || framesForTables() > 0, scene.frames.disarm());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "PAGER_ROOT, WRITE_FAULT",
        "PAGER_ROOT, VMO_ZERO",
        "PAGER_ROOT, SHRINK",
        "PAGER_ROOT, PAGER_SUPPLY",
        "PAGER_ROOT, PAGER_WRITEBACK_BEGIN",
        "PAGER_ROOT, PAGER_WRITEBACK_END",
        "PAGER_ROOT, PAGER_DETACH",
        "PAGER_ROOT, PAGER_UNMAP_SNAPSHOT",
        "PAGER_CLONE, VMO_WRITE",
        "PAGER_CLONE, COMMIT",
        "PAGER_CLONE, PIN",
        "PAGER_CLONE, PAGER_FILE_ZERO",
        "PAGER_CLONE, PAGER_FILE_WRITE",
        "PAGER_CLONE, PAGER_FILE_SHRINK",
        "PAGER_SNAPSHOT, TAKE_MODIFIED",
        "PAGER_SNAPSHOT, SHRINK",
        "PAGER_SNAPSHOT, VMO_COMMIT",
        "PAGER_SNAPSHOT, PAGER_UNMAP_SNAPSHOT"
    })
    void theTableIsCalledForSnapshotsBelowAPager(Setting setting, Operation operation) {
        try (var scene = new FailureScene(setting)) {
            scene.tables.failAt(1, PagingError.SYSTEM, Lasting.FROM_THEN_ON);
            ZxStatus status = operation.run(scene);
            assertTrue(scene.tables.disarm());
            assertEquals(ZxStatus.IO, status);
        }
    }

    @Test
    @Tag("V-22")
    void makingAnAddressSpaceWorksOrLeavesNothing() {
        boolean failed = true;
        int k = 1;
        for (; failed; k++) {
            try (var scene = new FailureScene(Setting.MAPPED)) {
                String before = scene.everything();
                scene.frames.failAt(k);
                ZxStatus status = ZxStatus.OK;
                try {
                    VmAddressRegion.newRoot(scene.vm.machine).destroyAddressSpace();
                } catch (io.jircon.kobject.ZxException e) {
                    status = e.status();
                }
                failed = scene.frames.disarm();
                assertEquals(failed ? ZxStatus.NO_MEMORY : ZxStatus.OK, status);
                assertEquals(before, scene.everything());
            }
        }
        assertTrue(k - 2 >= framesForTables());
    }

    @Test
    @Tag("V-31")
    void anAddressSpaceWhoseTableRefusesCanBeEndedLater() {
        try (var scene = new FailureScene(Setting.TOUCHED)) {
            String before = scene.everything();
            scene.tables.failAt(1, PagingError.SYSTEM, Lasting.FROM_THEN_ON);
            VmarFixture.refuses(ZxStatus.IO, "V-131", scene.vm.root::destroyAddressSpace);
            scene.tables.disarm();
            assertEquals(before, scene.everything());
        }
    }

    @Test
    @Tag("V-281")
    void aFaultThatFailedCanBeTriedAgain() {
        try (var scene = new FailureScene(Setting.MAPPED)) {
            scene.frames.failAt(1);
            assertEquals(ZxStatus.NO_MEMORY, scene.vm.write(scene.base));
            assertEquals(ZxStatus.OK, scene.vm.write(scene.base));
            VmMapping mapping = Objects.requireNonNull(scene.vm.root.findMapping(scene.base));
            assertEquals(2048 * PAGE, mapping.sizeBytes());
        }
    }
}
