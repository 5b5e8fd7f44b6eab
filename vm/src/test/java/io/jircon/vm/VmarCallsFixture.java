package io.jircon.vm;

import io.jircon.kobject.HandleTable;
import io.jircon.kobject.Rights;
import org.junit.jupiter.api.AfterEach;

/// An address space behind handles: its root region, and a memory object of four pages.
abstract class VmarCallsFixture {
    static final int VMO_RIGHTS =
            Rights.BASIC | Rights.READ | Rights.WRITE | Rights.MAP | Rights.PROPERTY;

    final VmarFixture vm = new VmarFixture();
    final HandleTable handles = new HandleTable(vm.machine.kernel());
    final VmarCalls calls = new VmarCalls(handles);
    final int root = handles.add(vm.root, VmarCalls.handleRights(vm.root));
    final int vmo = handles.add(vm.vmo(4), VMO_RIGHTS);

    @AfterEach
    void everythingComesBack() {
        handles.closeAll();
        vm.close();
    }
}
