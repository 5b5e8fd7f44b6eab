package io.jircon.vm;

import static io.jircon.vm.VmarFixture.OVERWRITE;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.RWX_SPECIFIC;
import static io.jircon.vm.VmarFixture.mapAt;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.Objects;
import java.util.function.Function;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Runs an operation again and again on a fresh machine, with the frame allocator failing at its
/// first call, its second, and so on, until the operation works without meeting a failure. Each
/// time it must either work or leave everything as it was.
class VmarFailureTest {
    /// A machine in some state.
    private static final class Scene implements AutoCloseable {
        final FailingFrames[] frames = new FailingFrames[1];
        final VmarFixture vm =
                new VmarFixture(inner -> {
                    frames[0] = new FailingFrames(inner);
                    return frames[0];
                });
        final VmAddressRegion region = vm.region(2048);
        final long base = region.baseAddress();
        final VmObject vmo = vm.vmo(2048);

        /// Everything that may not change, as text.
        String state() {
            vm.root.checkInvariants();
            var text = new StringBuilder();
            vm.root.maps().forEach(entry -> text.append(entry).append('\n'));
            vm.root
                    .pageTable()
                    .forEachLeaf(
                            vm.root.baseAddress(),
                            vm.root.sizeBytes(),
                            (vaddr, paddr, size, flags) ->
                                    text.append(Long.toHexString(vaddr))
                                            .append(' ')
                                            .append(Long.toHexString(paddr))
                                            .append(' ')
                                            .append(size)
                                            .append(flags)
                                            .append('\n'));
            text.append("free ").append(vm.hal.frames().freeFrames());
            text.append(" tables ").append(vm.root.pageTable().tableFrames());
            text.append(" regions ").append(vm.machine.kernel().liveObjects(ObjectType.VMAR));
            return text.toString();
        }

        @Override
        public void close() {
            vm.close();
        }
    }

    /// Runs an operation with every failure.
    ///
    /// @param operation works on a scene that was prepared alike each time; answers the status, or
    ///   throws it
    /// @return how many failures there were
    private static int failAtEachCall(
            Function<Scene, Scene> prepare, Function<Scene, ZxStatus> operation) {
        for (int k = 1; ; k++) {
            try (Scene scene = prepare.apply(new Scene())) {
                String before = scene.state();
                scene.frames[0].failAt(k);
                ZxStatus status;
                try {
                    status = operation.apply(scene);
                } catch (ZxException e) {
                    status = e.status();
                }
                boolean failed = scene.frames[0].disarm();
                if (status != ZxStatus.OK) {
                    assertEquals(ZxStatus.NO_MEMORY, status, "failure " + k);
                    assertTrue(failed);
                    assertEquals(before, scene.state(), "after failure " + k);
                } else {
                    scene.vm.root.checkInvariants();
                }
                if (!failed) {
                    assertEquals(ZxStatus.OK, status);
                    return k - 1;
                }
            }
        }
    }

    /// How many frames at least a new entry, or a new address space, takes for tables.
    private static int framesForTables() {
        try (var vm = new VmarFixture()) {
            return vm.tablesTakeFrames() ? 1 : 0;
        }
    }

    private static Scene mapped(Scene scene) {
        mapAt(scene.region, 0, RW, scene.vmo, 0, 2048);
        return scene;
    }

    private static Scene touched(Scene scene) {
        mapped(scene);
        for (int page = 0; page < 2048; page += 300) {
            scene.vm.poke(scene.base + page * PAGE, page);
        }
        return scene;
    }

    @Test
    @Tag("V-281")
    void aWriteFaultWorksOrChangesNothing() {
        assertTrue(
                failAtEachCall(
                                VmarFailureTest::mapped,
                                scene ->
                                        scene.vm.root.handlePageFault(scene.base, AccessKind.WRITE))
                        >= 1 + framesForTables());
    }

    @Test
    @Tag("V-281")
    void aReadFaultWorksOrChangesNothing() {
        assertTrue(
                failAtEachCall(
                                VmarFailureTest::mapped,
                                scene -> scene.vm.root.handlePageFault(scene.base, AccessKind.READ))
                        >= framesForTables());
    }

    @Test
    @Tag("V-104")
    @Tag("V-282")
    void mapRangeWorksOrTakesTheMappingBack() {
        assertTrue(
                failAtEachCall(
                                VmarFailureTest::touched,
                                scene -> {
                                    scene.vm.root.map(
                                            R.with(VmarFlags.MAP_RANGE),
                                            0,
                                            scene.vmo,
                                            0,
                                            2048 * PAGE);
                                    return ZxStatus.OK;
                                })
                        >= 2 * framesForTables());
    }

    @Test
    @Tag("V-115")
    @Tag("V-281")
    void mapAndOverwriteNeedNoFrames() {
        assertEquals(
                0,
                failAtEachCall(
                        VmarFailureTest::touched,
                        scene -> {
                            scene.vm.root.map(RW, 0, scene.vmo, 0, PAGE);
                            scene.region.map(
                                    RW.with(OVERWRITE), 100 * PAGE, scene.vm.vmo(4), 0, 300 * PAGE);
                            return ZxStatus.OK;
                        }));
    }

    @Test
    @Tag("V-281")
    @Tag("V-131")
    @Tag("V-154")
    void allocateUnmapProtectAndDestroyNeedNoFrames() {
        assertEquals(
                0,
                failAtEachCall(
                        VmarFailureTest::touched,
                        scene -> {
                            scene.vm.root.allocate(RWX_SPECIFIC, 0, PAGE);
                            scene.region.protect(R, scene.base + 10 * PAGE, 900 * PAGE);
                            scene.region.unmap(scene.base + 5 * PAGE, 700 * PAGE);
                            scene.region.destroy();
                            return ZxStatus.OK;
                        }));
    }

    @Test
    @Tag("V-22")
    void makingAnAddressSpaceWorksOrLeavesNothing() {
        assertTrue(
                failAtEachCall(
                                scene -> scene,
                                scene -> {
                                    VmAddressRegion root =
                                            VmAddressRegion.newRoot(scene.vm.machine);
                                    root.destroyAddressSpace();
                                    return ZxStatus.OK;
                                })
                        >= framesForTables());
    }

    @Test
    @Tag("V-281")
    void aFaultThatFailedCanBeTriedAgain() {
        try (Scene scene = mapped(new Scene())) {
            scene.frames[0].failAt(1);
            assertEquals(ZxStatus.NO_MEMORY, scene.vm.write(scene.base));
            assertEquals(ZxStatus.OK, scene.vm.write(scene.base));
            VmMapping mapping = Objects.requireNonNull(scene.vm.root.findMapping(scene.base));
            assertEquals(2048 * PAGE, mapping.sizeBytes());
        }
    }
}
