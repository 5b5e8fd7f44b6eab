package io.jircon.vm;

import io.jircon.kobject.ProcessBase;
import java.util.List;

/// A process with an address space of its own, which ends with it (clauses K-126 to K-129 and K-136
/// to K-144).
public final class VmProcess extends ProcessBase {
    private final VmAddressRegion root;

    private VmProcess(Machine machine, String name, VmAddressRegion root) {
        super(machine.kernel(), name);
        this.root = root;
    }

    /// Makes a process that is not started. Its address space can be filled at once (clause K-129).
    ///
    /// @param machine where its address space is
    /// @param name its name
    /// @return a process to kill, or to give to handles
    /// @throws io.jircon.kobject.ZxException NO_MEMORY when there is no frame for a page table;
    ///   then there is no process either (clause K-126)
    public static VmProcess create(Machine machine, String name) {
        return new VmProcess(machine, name, VmAddressRegion.newRoot(machine));
    }

    /// The root region of its address space (clause K-127).
    ///
    /// @return dead once the process is
    public VmAddressRegion root() {
        return root;
    }

    /// Lists the whole address space (clause V-222).
    ///
    /// @return entry 0 is the address space, entry 1 the root region
    /// @throws io.jircon.kobject.ZxException BAD_STATE once the process is dead
    public List<MapEntry> maps() {
        return root.processMaps(koid());
    }

    @Override
    protected void destroyAddressSpace() {
        root.destroyAddressSpace();
    }
}
