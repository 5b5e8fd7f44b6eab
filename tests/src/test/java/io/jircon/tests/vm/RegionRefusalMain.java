package io.jircon.tests.vm;

import io.jircon.hal.AccessKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.PagingException;
import io.jircon.hal.unix.SeccompFilter;
import io.jircon.hal.unix.SeccompFilter.Call;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.Machine;
import io.jircon.vm.UserMemory;
import io.jircon.vm.VmAddressRegion;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmarFlags;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;

/// The child of [RegionRefusalTest]: forbids itself one system call after the other, and says what
/// the operation on a region answers that needs it.
final class RegionRefusalMain {
    private static final long PAGE = 4096;

    // From the kernel's headers; the same on both architectures.
    private static final int EPERM = 1;
    private static final int EAGAIN = 11;
    private static final int ENOMEM = 12;
    private static final int EACCES = 13;
    private static final int MAP_SHARED_FIXED = 0x1 | 0x10;
    private static final int MAP_RESERVE_FIXED = 0x2 | 0x10 | 0x20 | 0x4000;

    private final Machine machine;
    private final VmAddressRegion root;
    private final VmObject pages;
    private final UserMemory memory;
    private final long at;

    private RegionRefusalMain(String faults) {
        HalConfig config = HalConfig.DEFAULT.withMemoryBytes(1 << 20).withOption("faults", faults);
        machine = Machine.boot(Hals.create("unix-mmap", config));
        root = VmAddressRegion.newRoot(machine);
        pages = VmObject.create(machine, 8 * PAGE);
        memory = new UserMemory(root, machine.hal().newMmu());
        at = root.map(VmarFlags.READ_WRITE, 0, pages, 0, 8 * PAGE);
    }

    /// @param arguments the mode of faults
    public static void main(String[] arguments) {
        new RegionRefusalMain(arguments[0]).run();
    }

    private void run() {
        for (int page = 0; page < 4; page++) {
            memory.writeByte(at + page * PAGE, (byte) (page + 1));
        }

        SeccompFilter.of(Call.PROCESS_VM_WRITEV).refuse(EPERM);
        show("write", () -> memory.writeByte(at, (byte) 9));

        SeccompFilter.of(Call.MPROTECT).low(2, -1, /* PROT_READ */ 1).refuse(EACCES);
        show("protect", () -> root.protect(VmarFlags.PERM_READ, at, PAGE));

        SeccompFilter.of(Call.MMAP).low(3, MAP_SHARED_FIXED, MAP_SHARED_FIXED).refuse(EAGAIN);
        VmarFlags eager = VmarFlags.READ_WRITE.with(VmarFlags.MAP_RANGE);
        show("map", () -> root.map(eager, 0, pages, 0, 8 * PAGE));
        answer("fault", () -> root.handlePageFault(at + 5 * PAGE, AccessKind.WRITE));

        // Not what the JVM does to its own stacks.
        int window = (int) (at >>> 32);
        SeccompFilter.of(Call.MMAP).high(0, window).low(3, -1, MAP_RESERVE_FIXED).refuse(ENOMEM);
        show("unmap", () -> root.unmap(at + 2 * PAGE, 2 * PAGE));
        show("destroy", root::destroyAddressSpace);

        memory.close();
        pages.close();
        machine.close();
    }

    private void show(String what, Runnable operation) {
        answer(
                what,
                () -> {
                    operation.run();
                    return ZxStatus.OK;
                });
    }

    /// Says how an operation ended; one that was refused must have changed nothing.
    private void answer(String what, Supplier<ZxStatus> operation) {
        List<Object> before = everything();
        String answer;
        boolean done = false;
        try {
            ZxStatus status = operation.get();
            answer = status.toString();
            done = status == ZxStatus.OK;
        } catch (ZxException | PagingException refused) {
            answer = refused.getMessage();
        }
        System.out.println(what + ": " + answer);
        List<Object> after = done ? before : everything();
        if (!before.equals(after)) {
            System.out.println("changed: " + before + " to " + after);
        }
    }

    private List<Object> everything() {
        if (!root.isAlive()) {
            return List.of();
        }
        root.checkInvariants();
        return List.of(
                root.maps(),
                machine.frames().freeFrames(),
                Arrays.hashCode(pages.read(0, (int) pages.sizeBytes())));
    }
}
