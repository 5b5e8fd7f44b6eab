package io.jircon.vm;

import static io.jircon.vm.PagerScene.run;
import static io.jircon.vm.PagerScene.start;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.mapAt;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.AccessKind;
import io.jircon.kobject.ZxStatus;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Faults and operations that wait for a pager while the mappings that they go by change.
@Timeout(120)
class VmarPagerWaitTest {
    private final PagerScene scene = new PagerScene();
    private final VmarFixture vm = scene.vm;

    @AfterEach
    void tearDown() {
        scene.close();
    }

    /// A file whose requests bear another key than the scene's.
    private VmObject fileOf(long key, long pages) {
        return vm.closing(scene.pager.createVmo(scene.queue, key, pages * PAGE));
    }

    @Test
    @Tag("O-278")
    @Tag("V-204")
    void waitingFaultAsksAnewForWhatIsMappedThereNow() throws InterruptedException {
        VmObject file = scene.file(1);
        VmObject other = fileOf(2, 2);
        VmAddressRegion region = vm.region(1);
        long at = mapAt(region, 0, RW, file, 0, 1);
        var fault = start(() -> vm.read(at));
        assertEquals("READ 0+1", scene.request());
        region.map(RW.with(VmarFixture.OVERWRITE), 0, other, PAGE, PAGE);
        assertEquals("READ 1+1 of 2", scene.request());
        scene.untilWaiting(file, 0);
        scene.supply(other, 1, 7);
        assertEquals(ZxStatus.OK, fault.result());
        assertEquals(7, vm.peek(at));
        // Nobody relies on the first request any more.
        var reader = PagerScene.read(file, 0, 1);
        assertEquals("READ 0+1", scene.request());
        scene.supply(file, 0, 1);
        assertEquals("1", reader.result());
    }

    @Test
    @Tag("O-107")
    @Tag("V-204")
    void operationOverTwoFilesAsksTheOneAfterTheOther() throws InterruptedException {
        VmObject first = scene.file(1);
        VmObject second = fileOf(2, 1);
        VmAddressRegion region = vm.region(2);
        long at = mapAt(region, 0, RW, first, 0, 1);
        mapAt(region, 1, RW, second, 0, 1);
        var prefetch = run(() -> region.opRange(VmarOp.PREFETCH, at, 2 * PAGE));
        assertEquals("READ 0+1", scene.request());
        scene.supply(first, 0, 1);
        assertEquals("READ 0+1 of 2", scene.request());
        scene.supply(second, 0, 2);
        prefetch.result();
        assertEquals("11", vm.entries(at, 2));
    }

    @Test
    @Tag("V-203")
    @Tag("V-204")
    void waitingFaultOverSeveralPagesIsDoneWithThoseItEntered() throws InterruptedException {
        VmObject file = scene.file(6);
        scene.supply(file, 0, 1, 2);
        scene.supply(file, 3, 4, 5, 6);
        long at = vm.root.map(RW, 0, file, 0, 6 * PAGE);
        var fault = start(() -> vm.root.handlePageFault(at, AccessKind.READ, 4));
        assertEquals("READ 2+1", scene.request());
        assertEquals("110000", vm.entries(at, 6));
        vm.root.unmap(at, PAGE);
        scene.supply(file, 2, 3);
        assertEquals(ZxStatus.OK, fault.result());
        assertEquals("011100", vm.entries(at, 6));
        vm.root.unmap(at + PAGE, 5 * PAGE);
    }
}
