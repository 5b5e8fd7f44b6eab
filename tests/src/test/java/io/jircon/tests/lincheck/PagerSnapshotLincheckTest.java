package io.jircon.tests.lincheck;

import static io.jircon.testkit.CallResult.status;

import io.jircon.hal.PageSize;
import io.jircon.testkit.HeapMachine;
import io.jircon.vm.Machine;
import io.jircon.vm.PageRequestQueue;
import io.jircon.vm.Pager;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmoChildOption;
import java.util.Set;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jetbrains.lincheck.datastructures.Validate;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// A pager-backed object, a snapshot that follows it and a snapshot of what that has written, used
/// by several threads until the pager leaves: a page is the object's until it is the snapshot's
/// own, and what two snapshots share is written by neither.
@Param(name = "page", gen = IntGen.class, conf = "0:2")
@Param(name = "value", gen = IntGen.class, conf = "1:9")
public final class PagerSnapshotLincheckTest {
    private static final long PAGE = PageSize.BASE_BYTES;

    private final HeapMachine hal = new HeapMachine(24);
    private final Machine machine = Machine.builder(hal).fixedLayout().boot();
    private final Pager pager = Pager.create(machine);
    private final VmObject file = pager.createVmo(new PageRequestQueue(), 1, 3 * PAGE);
    private final VmObject follower;
    private final VmObject copy;

    public PagerSnapshotLincheckTest() {
        try (VmObject contents = VmObject.create(machine, 3 * PAGE)) {
            FirstBytes.write(contents, 0, 7);
            pager.supplyPages(file, 0, 3 * PAGE, contents, 0);
        }
        follower = child(file, VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE);
        FirstBytes.write(follower, 1, 8);
        copy = child(follower, VmoChildOption.SNAPSHOT_MODIFIED);
    }

    private static VmObject child(VmObject vmo, VmoChildOption type) {
        return vmo.createChild(Set.of(type), 0, 3 * PAGE);
    }

    @Operation
    public String writeFile(@Param(name = "page") int page, @Param(name = "value") int value) {
        return FirstBytes.write(file, page, value);
    }

    @Operation
    public String writeFollower(@Param(name = "page") int page, @Param(name = "value") int value) {
        return FirstBytes.write(follower, page, value);
    }

    @Operation
    public String writeCopy(@Param(name = "page") int page, @Param(name = "value") int value) {
        return FirstBytes.write(copy, page, value);
    }

    @Operation
    public String readFile(@Param(name = "page") int page) {
        return FirstBytes.read(file, page);
    }

    @Operation
    public String readFollower(@Param(name = "page") int page) {
        return FirstBytes.read(follower, page);
    }

    @Operation
    public String readCopy(@Param(name = "page") int page) {
        return FirstBytes.read(copy, page);
    }

    /// What the follower has itself, at one moment.
    @Operation
    public String momentOfFollower() {
        try (VmObject moment = child(follower, VmoChildOption.SNAPSHOT_MODIFIED)) {
            return FirstBytes.read(moment, 1);
        }
    }

    @Operation
    public String zeroFile(@Param(name = "page") int page) {
        return status(() -> file.zero(page * PAGE, PAGE));
    }

    @Operation
    public String zeroFollower(@Param(name = "page") int page) {
        return status(() -> follower.zero(page * PAGE, PAGE));
    }

    @Operation
    public String commitCopy() {
        return status(() -> copy.commit(0, 3 * PAGE));
    }

    @Operation(runOnce = true)
    public String detach() {
        return status(() -> pager.detachVmo(file));
    }

    @Operation(runOnce = true)
    public String closeCopy() {
        return status(copy::close);
    }

    @Operation(runOnce = true)
    public String closeFile() {
        return status(file::close);
    }

    @Validate
    public void nothingIsLost() {
        copy.close();
        follower.close();
        file.close();
        pager.close();
        hal.requireAllBack(machine);
    }

    @Test
    @Tag("O-161")
    @Tag("O-163")
    @Tag("O-304")
    void threadsSeeOneFamilyUntilThePagerLeaves() {
        Linearizability.stress(PagerSnapshotLincheckTest.class, 3, 2);
    }
}
