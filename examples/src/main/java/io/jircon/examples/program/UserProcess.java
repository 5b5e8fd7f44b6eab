package io.jircon.examples.program;

import io.jircon.kobject.ProcessBase;
import io.jircon.vm.Machine;
import io.jircon.vm.VmAddressRegion;

/// A process with an address space, which ends with it.
public final class UserProcess extends ProcessBase {
    private final VmAddressRegion root;

    /// Makes a process that is not started.
    ///
    /// @param machine where its address space is
    /// @param name its name
    /// @throws io.jircon.kobject.ZxException NO_MEMORY when there is no frame for a page table
    public UserProcess(Machine machine, String name) {
        super(machine.kernel(), name);
        root = VmAddressRegion.newRoot(machine);
    }

    /// The root region of its address space.
    ///
    /// @return dead once the process is
    public VmAddressRegion root() {
        return root;
    }

    @Override
    protected void destroyAddressSpace() {
        root.destroyAddressSpace();
    }
}
