package io.jircon.examples.paging;

import io.jircon.hal.Hal;
import io.jircon.hal.UnusedTables;
import io.jircon.vm.Machine;
import io.jircon.vm.UserMemory;
import io.jircon.vm.VmAddressRegion;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmarFlags;
import java.util.Arrays;
import java.util.BitSet;

/// A program with more pages than it gets frames, and the clock (second chance) that chooses the
/// page to give its frame up: the hand passes every page that the processor accessed since it was
/// there last. What a page held is lost with its frame; a kernel would have written it to a disk.
public final class ClockReplacement implements AutoCloseable {
    private static final int PAGE = 4096;
    private static final int NONE = -1;

    private final Machine machine;
    private final VmAddressRegion root;
    private final VmObject vmo;
    private final VmAddressRegion region;
    private final UserMemory memory;

    /// The page in each frame that the program may have.
    private final int[] held;

    /// Pages accessed since the hand passed them.
    private final BitSet referenced = new BitSet();

    private int hand;

    /// Starts without any page in memory.
    ///
    /// @param hal a machine whose processor notes accesses, such as `x86_64` with option `ad=on`;
    ///   closed with this
    /// @param pageCount how many pages the program has
    /// @param frameCount how many of them may be in memory at once, at least 1
    public ClockReplacement(Hal hal, int pageCount, int frameCount) {
        machine = Machine.boot(hal);
        root = VmAddressRegion.newRoot(machine);
        vmo = VmObject.create(machine, (long) pageCount * PAGE);
        region = root.allocate(VmarFlags.CAN_MAP_RWX, 0, (long) pageCount * PAGE);
        region.map(VmarFlags.READ_WRITE, 0, vmo, 0, (long) pageCount * PAGE);
        memory = new UserMemory(root, hal.newMmu());
        held = new int[frameCount];
        Arrays.fill(held, NONE);
    }

    /// Does what the program does: writes to a page.
    ///
    /// @param page its number
    public void access(int page) {
        if (Arrays.stream(held).noneMatch(each -> each == page)) {
            turnToAFreeFrame();
            held[hand] = page;
            hand = (hand + 1) % held.length;
        }
        memory.writeByte(region.baseAddress() + (long) page * PAGE, (byte) page);
    }

    private void turnToAFreeFrame() {
        region.harvestAccessed(
                UnusedTables.KEEP,
                region.baseAddress(),
                region.sizeBytes(),
                (vaddr, object, offset, count) ->
                        referenced.set((int) (offset / PAGE), (int) (offset / PAGE + count)));
        while (held[hand] != NONE && referenced.get(held[hand])) {
            referenced.clear(held[hand]);
            hand = (hand + 1) % held.length;
        }
        if (held[hand] != NONE) {
            vmo.decommit((long) held[hand] * PAGE, PAGE);
        }
    }

    /// How many page faults the program had that came back to it. A machine that holds accesses
    /// until their faults are resolved (`unix-mmap` with `faults=userfaultfd`) shows it none.
    ///
    /// @return as its memory counted them
    public long faults() {
        return memory.faultsResolved();
    }

    /// How much memory the program's pages take now.
    ///
    /// @return a number of frames
    public long framesInUse() {
        return vmo.info().committedBytes() / PAGE;
    }

    /// Ends the program and the machine.
    @Override
    public void close() {
        memory.close();
        root.destroyAddressSpace();
        vmo.close();
        machine.close();
    }
}
