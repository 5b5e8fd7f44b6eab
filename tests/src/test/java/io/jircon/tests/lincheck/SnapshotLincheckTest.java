package io.jircon.tests.lincheck;

import static io.jircon.testkit.CallResult.status;

import io.jircon.hal.PageSize;
import io.jircon.testkit.HeapMachine;
import io.jircon.vm.Machine;
import io.jircon.vm.VmObject;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jetbrains.lincheck.datastructures.Validate;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// A memory object, a snapshot of it and a slice of it, written and read by several threads while
/// further snapshots come and go: a write is seen by the object and its slice and by nobody else,
/// and a snapshot shows one moment.
@Param(name = "page", gen = IntGen.class, conf = "0:2")
@Param(name = "value", gen = IntGen.class, conf = "1:9")
public final class SnapshotLincheckTest {
    private static final long PAGE = PageSize.BASE_BYTES;

    private final HeapMachine hal = new HeapMachine(48);
    private final Machine machine = Machine.builder(hal).fixedLayout().boot();
    private final VmObject original = VmObject.create(machine, 3 * PAGE);
    private final VmObject snapshot;
    private final VmObject slice;

    public SnapshotLincheckTest() {
        FirstBytes.write(original, 1, 7);
        snapshot = original.createSnapshot(0, 3 * PAGE);
        slice = original.createSlice(0, 3 * PAGE);
    }

    @Operation
    public String write(@Param(name = "page") int page, @Param(name = "value") int value) {
        return FirstBytes.write(original, page, value);
    }

    @Operation
    public String writeSlice(@Param(name = "page") int page, @Param(name = "value") int value) {
        return FirstBytes.write(slice, page, value);
    }

    @Operation
    public String writeSnapshot(@Param(name = "page") int page, @Param(name = "value") int value) {
        return FirstBytes.write(snapshot, page, value);
    }

    @Operation
    public String read(@Param(name = "page") int page) {
        return FirstBytes.read(original, page);
    }

    @Operation
    public String readSlice(@Param(name = "page") int page) {
        return FirstBytes.read(slice, page);
    }

    @Operation
    public String readSnapshot(@Param(name = "page") int page) {
        return FirstBytes.read(snapshot, page);
    }

    /// All pages at one moment, read one after the other.
    @Operation
    public String readAll() {
        return readAll(original);
    }

    @Operation
    public String readAllOfSnapshot() {
        return readAll(snapshot);
    }

    private static String readAll(VmObject vmo) {
        try (VmObject moment = vmo.createSnapshot(0, 3 * PAGE)) {
            return FirstBytes.read(moment, 0)
                    + " "
                    + FirstBytes.read(moment, 1)
                    + " "
                    + FirstBytes.read(moment, 2);
        }
    }

    @Operation
    public String zero(@Param(name = "page") int page) {
        return status(() -> original.zero(page * PAGE, PAGE));
    }

    @Operation(runOnce = true)
    public String closeSlice() {
        return status(slice::close);
    }

    @Operation(runOnce = true)
    public String closeSnapshot() {
        return status(snapshot::close);
    }

    @Validate
    public void nothingIsLost() {
        slice.close();
        snapshot.close();
        original.close();
        hal.requireAllBack(machine);
    }

    @Test
    @Tag("O-7")
    @Tag("O-172")
    void threadsSeeOneFamily() {
        Linearizability.stress(SnapshotLincheckTest.class, 3, 3);
    }
}
