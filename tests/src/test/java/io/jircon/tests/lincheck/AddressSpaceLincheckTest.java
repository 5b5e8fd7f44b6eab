package io.jircon.tests.lincheck;

import static io.jircon.testkit.CallResult.outcome;
import static io.jircon.testkit.CallResult.status;

import io.jircon.hal.AccessKind;
import io.jircon.hal.PageSize;
import io.jircon.kobject.ZxException;
import io.jircon.testkit.HeapMachine;
import io.jircon.vm.Machine;
import io.jircon.vm.MapEntry;
import io.jircon.vm.VmAddressRegion;
import io.jircon.vm.VmMapping;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmarFlags;
import java.lang.foreign.MemorySegment;
import java.util.stream.Collectors;
import org.jetbrains.lincheck.datastructures.BooleanGen;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jetbrains.lincheck.datastructures.Validate;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Map, unmap, protect, allocate, destroy, fault, access and the listings in one region of eight
/// pages with a sub-region in its upper half: each is one step for all others (clause V-276). At
/// the end of every run the whole address space is checked, destroyed, and every frame is back.
@Param(name = "page", gen = IntGen.class, conf = "0:7")
@Param(name = "length", gen = IntGen.class, conf = "1:4")
@Param(name = "writable", gen = BooleanGen.class)
@Param(name = "value", gen = IntGen.class, conf = "1:3")
public final class AddressSpaceLincheckTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final VmarFlags OPEN = VmarFlags.CAN_MAP_RWX.with(VmarFlags.CAN_MAP_SPECIFIC);

    private final HeapMachine hal = new HeapMachine(48);
    private final Machine machine = Machine.builder(hal).fixedLayout().boot();
    private final VmAddressRegion root = VmAddressRegion.newRoot(machine);
    private final VmAddressRegion top = root.allocate(OPEN, 0, 8 * PAGE);
    private final VmAddressRegion inner = top.createChild(4 * PAGE, 4 * PAGE);
    private final VmObject vmo = VmObject.create(machine, 8 * PAGE);
    private final VmObject other = VmObject.create(machine, 8 * PAGE);

    public AddressSpaceLincheckTest() {
        map(0, 3);
        inner.map(perms(true).with(VmarFlags.SPECIFIC), PAGE, other, PAGE, 2 * PAGE);
    }

    private long address(int page) {
        return top.baseAddress() + page * PAGE;
    }

    private static VmarFlags perms(boolean writable) {
        return writable ? VmarFlags.READ_WRITE : VmarFlags.PERM_READ;
    }

    @Operation
    public String map(@Param(name = "page") int page, @Param(name = "length") int length) {
        return status(() ->
                top.map(
                        perms(true).with(VmarFlags.SPECIFIC),
                        page * PAGE,
                        vmo,
                        page * PAGE,
                        length * PAGE));
    }

    @Operation
    public String overwrite(@Param(name = "page") int page, @Param(name = "length") int length) {
        return status(() ->
                top.map(
                        perms(false).with(VmarFlags.SPECIFIC_OVERWRITE),
                        page * PAGE,
                        other,
                        page * PAGE,
                        length * PAGE));
    }

    @Operation
    public String unmap(@Param(name = "page") int page, @Param(name = "length") int length) {
        return status(() -> top.unmap(address(page), length * PAGE));
    }

    @Operation
    public String protect(
            @Param(name = "page") int page,
            @Param(name = "length") int length,
            @Param(name = "writable") boolean writable) {
        return status(() -> top.protect(perms(writable), address(page), length * PAGE));
    }

    @Operation
    public String allocate(@Param(name = "page") int page) {
        return status(() -> top.createChild(page * PAGE, PAGE));
    }

    @Operation
    public String destroyInner() {
        return status(inner::destroy);
    }

    @Operation
    public String destroyTop() {
        return status(top::destroy);
    }

    @Operation
    public String isInnerThenTopAlive() {
        return inner.isAlive() + " " + top.isAlive();
    }

    @Operation
    public String fault(@Param(name = "page") int page, @Param(name = "writable") boolean write) {
        return root.handlePageFault(address(page), write ? AccessKind.WRITE : AccessKind.READ)
                .name();
    }

    @Operation
    public String find(@Param(name = "page") int page) {
        VmMapping mapping = root.findMapping(address(page));
        return mapping == null ? "none" : mapping.vmo() == vmo ? "vmo" : "other";
    }

    @Operation
    public String write(@Param(name = "page") int page, @Param(name = "value") int value) {
        byte[] bytes = {(byte) value};
        return outcome(() -> root.writeMemory(address(page), MemorySegment.ofArray(bytes)));
    }

    @Operation
    public String read(@Param(name = "page") int page) {
        byte[] bytes = new byte[1];
        String outcome =
                outcome(() -> root.readMemory(address(page), MemorySegment.ofArray(bytes)));
        return outcome + " " + bytes[0];
    }

    @Operation
    public String list() {
        try {
            return root.maps().stream().map(this::line).collect(Collectors.joining(", "));
        } catch (ZxException e) {
            return e.status().name();
        }
    }

    private String line(MapEntry entry) {
        return "%d:%s %x+%x %s"
                .formatted(
                        entry.depth(),
                        entry.type(),
                        entry.baseAddress() - top.baseAddress(),
                        entry.sizeBytes(),
                        entry.permissions());
    }

    /// The tree is in order, each entry is one that its mapping allows, and all of it can be given
    /// back.
    @Validate
    public void nothingIsLost() {
        root.checkInvariants();
        root.destroyAddressSpace();
        vmo.close();
        other.close();
        hal.requireAllBack(machine);
    }

    @Test
    @Tag("V-276")
    @Tag("V-278")
    void threadsSeeOneAddressSpace() {
        Linearizability.stress(AddressSpaceLincheckTest.class, 3, 3);
    }
}
