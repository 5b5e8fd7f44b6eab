package io.jircon.tests.lincheck;

import static io.jircon.testkit.CallResult.outcome;
import static io.jircon.testkit.CallResult.status;

import io.jircon.hal.PageSize;
import io.jircon.testkit.HeapMachine;
import io.jircon.vm.Machine;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmoOption;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jetbrains.lincheck.datastructures.Validate;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Writes, reads, commits, decommits, zeroing and resizing of one memory object of four pages are
/// one step each, and so is what it says of itself.
@Param(name = "page", gen = IntGen.class, conf = "0:3")
@Param(name = "length", gen = IntGen.class, conf = "1:3")
@Param(name = "value", gen = IntGen.class, conf = "1:3")
public final class VmoLincheckTest {
    private static final long PAGE = PageSize.BASE_BYTES;

    private final HeapMachine hal = new HeapMachine(48);
    private final Machine machine = Machine.builder(hal).fixedLayout().boot();
    private final VmObject vmo = VmObject.create(machine, 4 * PAGE, VmoOption.RESIZABLE);

    /// Two bytes on both sides of the border between two pages, so that half a write would show.
    @Operation
    public String write(@Param(name = "page") int page, @Param(name = "value") int value) {
        byte[] bytes = {(byte) value, (byte) value};
        return status(() -> vmo.write(page * PAGE + PAGE - 1, bytes));
    }

    @Operation
    public String read(@Param(name = "page") int page) {
        return outcome(() -> {
            byte[] bytes = vmo.read(page * PAGE + PAGE - 1, 2);
            return 10 * bytes[0] + bytes[1];
        });
    }

    @Operation
    public String commit(@Param(name = "page") int page, @Param(name = "length") int length) {
        return status(() -> vmo.commit(page * PAGE, length * PAGE));
    }

    @Operation
    public String decommit(@Param(name = "page") int page, @Param(name = "length") int length) {
        return status(() -> vmo.decommit(page * PAGE, length * PAGE));
    }

    @Operation
    public String zero(@Param(name = "page") int page) {
        return status(() -> vmo.zero(page * PAGE + PAGE / 2, PAGE));
    }

    @Operation
    public String resize(@Param(name = "length") int length) {
        return status(() -> vmo.setSize(length * PAGE));
    }

    @Operation
    public long populated() {
        return vmo.info().committedBytes() / PAGE;
    }

    @Validate
    public void nothingIsLost() {
        vmo.close();
        hal.requireAllBack(machine);
    }

    @Test
    @Tag("O-7")
    void threadsSeeOneObject() {
        Linearizability.stress(VmoLincheckTest.class, 3, 3);
    }
}
