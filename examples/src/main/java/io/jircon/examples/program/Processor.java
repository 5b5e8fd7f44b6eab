package io.jircon.examples.program;

import io.jircon.hal.AccessKind;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuStats;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.VmAddressRegion;
import java.lang.foreign.MemorySegment;

/// A processor that runs in one address space: it accesses memory through the machine's MMU, hands
/// each fault to the address space, and tries again until the access is done or refused. This is
/// the one loop that every kernel has.
public final class Processor implements AutoCloseable {
    private final VmAddressRegion root;
    private final Mmu mmu;
    private long faultsResolved;

    /// Starts a processor.
    ///
    /// @param root the root region of a living address space
    /// @param mmu belongs to the processor from now on
    public Processor(VmAddressRegion root, Mmu mmu) {
        this.root = root;
        this.mmu = mmu;
        mmu.activate(root.pageTable());
    }

    /// Accesses a range of bytes.
    ///
    /// @param access READ and EXECUTE move bytes into the buffer, WRITE moves bytes out of it
    /// @param vaddr virtual address of the first byte, unsigned
    /// @param buffer as many bytes as are to be moved
    /// @return OK when all bytes were moved; else why the fault at [#refusedAt()] was refused, the
    ///   bytes before it having been moved
    public ZxStatus access(AccessKind access, long vaddr, MemorySegment buffer) {
        long done = 0;
        while (true) {
            done += transfer(access, vaddr + done, buffer, done);
            if (done == buffer.byteSize()) {
                return ZxStatus.OK;
            }
            ZxStatus status = root.handlePageFault(mmu.faultAddress(), mmu.faultAccess());
            if (status != ZxStatus.OK) {
                return status;
            }
            faultsResolved++;
        }
    }

    private long transfer(AccessKind access, long vaddr, MemorySegment buffer, long offset) {
        long length = buffer.byteSize() - offset;
        return switch (access) {
            case READ -> mmu.load(vaddr, buffer, offset, length);
            case WRITE -> mmu.store(vaddr, buffer, offset, length);
            case EXECUTE -> mmu.fetch(vaddr, buffer, offset, length);
        };
    }

    /// Where the last fault was.
    ///
    /// @return the address of the first byte that could not be accessed
    public long refusedAt() {
        return mmu.faultAddress();
    }

    /// How many faults the address space resolved.
    ///
    /// @return a count, not including those it refused
    public long faultsResolved() {
        return faultsResolved;
    }

    /// What the MMU counted.
    ///
    /// @return a copy of the counters
    public MmuStats stats() {
        return mmu.stats();
    }

    /// Gives up the MMU.
    @Override
    public void close() {
        mmu.close();
    }
}
