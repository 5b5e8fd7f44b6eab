package io.jircon.examples;

import io.jircon.hal.AccessKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.Mmu;
import io.jircon.vm.Machine;
import io.jircon.vm.VmAddressRegion;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmarFlags;
import java.io.PrintStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/// The README's sample: five bytes written to a page that is not there yet.
public final class HelloPage {
    private HelloPage() {}

    /// Runs the sample.
    ///
    /// @param args not looked at
    public static void main(String... args) {
        run(System.out);
    }

    static void run(PrintStream out) {
        // README: from here
        try (Machine machine = Machine.boot(Hals.create("riscv64", HalConfig.DEFAULT));
                Mmu mmu = machine.hal().newMmu()) {
            VmAddressRegion root = VmAddressRegion.newRoot(machine);
            VmAddressRegion heap = root.allocate(VmarFlags.CAN_MAP_RWX, 0, 1 << 20);
            try (VmObject pages = VmObject.create(machine, 16 << 10)) {
                long base = heap.map(VmarFlags.READ_WRITE, 0, pages, 0, 16 << 10);

                mmu.activate(root.pageTable());
                var hello = MemorySegment.ofArray("hello".getBytes(StandardCharsets.UTF_8));
                while (mmu.store(base, hello, 0, 5) < 5) { // a fault: no page is there yet
                    out.println(mmu.fault());
                    root.handlePageFault(mmu.faultAddress(), mmu.faultAccess());
                }
                root.pageTable().explain(base, AccessKind.READ).steps().forEach(out::println);
                heap.destroy(); // and everything in it
                out.println(root.handlePageFault(base, AccessKind.READ)); // NOT_FOUND
            }
            root.destroyAddressSpace();
        }
        // README: to here
    }
}
