package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.kobject.ZxStatus;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.api.AfterEach;

/// Memory objects and an address space to map them in, with a processor that looks at it.
abstract class VmoMappedFixture extends VmoFixture {
    final VmAddressRegion root = VmAddressRegion.newRoot(machine);
    final UserMemory memory = new UserMemory(root, machine.hal().newMmu());

    @AfterEach
    void endAddressSpace() {
        root.checkInvariants();
        memory.close();
        root.destroyAddressSpace();
    }

    /// Maps the first pages of an object.
    final long map(VmarFlags flags, VmObject vmo, long pages) {
        return root.map(flags, 0, vmo, 0, pages * PAGE);
    }

    final long mapWritable(VmObject vmo) {
        return map(VmarFlags.READ_WRITE, vmo, vmo.sizeBytes() / PAGE);
    }

    /// Stores a byte at the start of a page.
    final void poke(long base, long page, int value) {
        memory.writeByte(base + page * PAGE, (byte) value);
    }

    final int peek(long base, long page) {
        return memory.readByte(base + page * PAGE);
    }

    final void refusedLoad(ZxStatus status, long vaddr) {
        refused(status, () -> memory.readByte(vaddr));
    }

    final void refusedStore(ZxStatus status, long vaddr) {
        refused(status, () -> memory.writeByte(vaddr, (byte) 1));
    }

    final VmObject resizableSnapshot(VmObject vmo, long offsetPages, long pages) {
        return keep(
                vmo.createChild(
                        EnumSet.of(VmoChildOption.SNAPSHOT, VmoChildOption.RESIZABLE),
                        offsetPages * PAGE,
                        pages * PAGE));
    }

    final VmObject reference(VmObject vmo) {
        return keep(vmo.createChild(EnumSet.of(VmoChildOption.REFERENCE), 0, 0));
    }

    /// Checks the first byte of each page from the first on.
    static void assertPages(VmObject vmo, int... bytes) {
        for (int page = 0; page < bytes.length; page++) {
            assertEquals(bytes[page], at(vmo, page), "page " + page + " of " + vmo);
        }
    }

    /// Checks what each of some objects is charged, in pages.
    static void assertCharged(List<Double> pages, VmObject... objects) {
        assertEquals(pages, scaled(objects));
    }
}
