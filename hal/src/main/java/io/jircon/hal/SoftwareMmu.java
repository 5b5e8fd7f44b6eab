package io.jircon.hal;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A processor whose translations come from [PageTableTrait#hardwareWalk] and are kept in a [Tlb].
///
/// ## Flushes
///
/// Translating and moving the bytes of one page, or an atomic act on a word, happen under this
/// processor's lock, and a flush takes the same lock: when it returns, no access by an old
/// translation is under way. The lock is never held while a page table's lock is taken, so a page
/// table may flush with its own lock held. `SoftwareMmuConcurrencyTest` tries to refute this.
///
/// ## Permissions
///
/// An entry allows what the walk that made it reported ([WalkResult#flagBits]). An access that the
/// entry does not allow drops it and walks again, so that a page whose rights grew needs no flush,
/// and a first store sets the dirty flag where the format has one.
///
/// ## Pages
///
/// A transfer goes by base pages, also in a huge leaf, so that a flush waits for no more than 4
/// KiB. An address that reaches 2^64 goes on at 0, as a processor's adder does.
final class SoftwareMmu implements Mmu {
    private final SimulatedMachine machine;
    private final PhysicalMemory memory;
    private final Object lock = new Object();

    @GuardedBy("lock")
    private final Tlb tlb;

    @GuardedBy("lock")
    private final WalkResult walk = new WalkResult();

    @GuardedBy("lock")
    private @Nullable PageTableTrait active;

    @GuardedBy("lock")
    private int activeTag = -1;

    @GuardedBy("lock")
    private boolean closed;

    // Where the byte that was last translated lies.
    @GuardedBy("lock")
    private long paddr;

    @GuardedBy("lock")
    private long faultAddress;

    @GuardedBy("lock")
    private AccessKind faultAccess = AccessKind.READ;

    @GuardedBy("lock")
    private FaultCause faultCause = FaultCause.NOT_PRESENT;

    @GuardedBy("lock")
    private long accesses;

    @GuardedBy("lock")
    private long tlbHits;

    @GuardedBy("lock")
    private long tlbMisses;

    @GuardedBy("lock")
    private long entriesRead;

    @GuardedBy("lock")
    private long faults;

    @GuardedBy("lock")
    private long flushes;

    SoftwareMmu(SimulatedMachine machine, TlbConfig config) {
        this.machine = machine;
        this.memory = machine.memory();
        this.tlb = new Tlb(config);
    }

    @Override
    public void activate(PageTableTrait table) {
        Objects.requireNonNull(table, "table");
        synchronized (lock) {
            checkOpenLocked();
            if (!machine.isOpen(table)) {
                throw new PagingException(
                        PagingError.BAD_STATE, "table is closed or of another machine");
            }
            active = table;
            activeTag = table.tag();
        }
    }

    @Override
    public long load(long vaddr, MemorySegment target, long targetOffset, long length) {
        return transfer(AccessKind.READ, vaddr, target, targetOffset, length);
    }

    @Override
    public long store(long vaddr, MemorySegment source, long sourceOffset, long length) {
        return transfer(AccessKind.WRITE, vaddr, source, sourceOffset, length);
    }

    @Override
    public long fetch(long vaddr, MemorySegment target, long targetOffset, long length) {
        return transfer(AccessKind.EXECUTE, vaddr, target, targetOffset, length);
    }

    @Override
    public boolean atomic(long vaddr, AtomicAccess access) {
        access.checkAligned(vaddr);
        synchronized (lock) {
            PageTableTrait table = tableLocked();
            if (!locateLocked(table, vaddr, access.kind(), access.width().sizeBytes())) {
                return false;
            }
            memory.atomic(paddr, access);
            return true;
        }
    }

    @Override
    public long faultAddress() {
        synchronized (lock) {
            return faultAddress;
        }
    }

    @Override
    public AccessKind faultAccess() {
        synchronized (lock) {
            return faultAccess;
        }
    }

    @Override
    public FaultCause faultCause() {
        synchronized (lock) {
            return faultCause;
        }
    }

    @Override
    public MmuStats stats() {
        synchronized (lock) {
            return new MmuStats(accesses, tlbHits, tlbMisses, entriesRead, faults, flushes);
        }
    }

    @Override
    public void close() {
        synchronized (lock) {
            closed = true;
            active = null;
            activeTag = -1;
            tlb.clear();
        }
        machine.forget(this);
    }

    /// Part of [TlbInvalidator#flushPages].
    void flushPages(int tag, long[] vaddrs, byte[] shifts, int count) {
        synchronized (lock) {
            flushes++;
            for (int i = 0; i < count; i++) {
                tlb.flushPage(tag, vaddrs[i], shifts[i]);
            }
        }
    }

    /// Part of [TlbInvalidator#flushAll].
    void flushAll(int tag) {
        synchronized (lock) {
            flushes++;
            tlb.flushTag(tag);
        }
    }

    /// Part of [TlbInvalidator#release].
    void release(int tag) {
        synchronized (lock) {
            flushes++;
            tlb.flushTag(tag);
            if (activeTag == tag) {
                active = null;
                activeTag = -1;
            }
        }
    }

    private long transfer(
            AccessKind access, long vaddr, MemorySegment buffer, long bufferOffset, long length) {
        Objects.checkFromIndexSize(bufferOffset, length, buffer.byteSize());
        long moved = 0;
        do {
            long at = vaddr + moved;
            long inPage = at & (PageSize.BASE_BYTES - 1);
            long chunk = Math.min(length - moved, PageSize.BASE_BYTES - inPage);
            if (!movePage(access, at, buffer, bufferOffset + moved, chunk, moved)) {
                break;
            }
            moved += chunk;
        } while (moved < length);
        return moved;
    }

    /// Moves bytes that lie in one base page; false on a fault.
    ///
    /// @param before how many bytes of the same transfer were moved
    private boolean movePage(
            AccessKind access,
            long vaddr,
            MemorySegment buffer,
            long bufferOffset,
            long length,
            long before) {
        synchronized (lock) {
            if (before != 0 && active == null) {
                // An exception would not say how far the transfer came.
                accesses++;
                return faultLocked(vaddr, access, FaultCause.NOT_PRESENT);
            }
            PageTableTrait table = tableLocked();
            if (length == 0) {
                return true;
            }
            if (!locateLocked(table, vaddr, access, length)) {
                return false;
            }
            if (access == AccessKind.WRITE) {
                memory.write(paddr, buffer, bufferOffset, length);
            } else {
                memory.read(paddr, buffer, bufferOffset, length);
            }
            return true;
        }
    }

    /// Sets where bytes of one base page lie in memory; false on a fault.
    @GuardedBy("lock")
    private boolean locateLocked(PageTableTrait table, long vaddr, AccessKind access, long length) {
        accesses++;
        if (!translateLocked(table, vaddr, access)) {
            return faultLocked(vaddr, access, walk.cause);
        }
        return memory.contains(paddr, length) || faultLocked(vaddr, access, FaultCause.EXTERNAL);
    }

    @GuardedBy("lock")
    private boolean translateLocked(PageTableTrait table, long vaddr, AccessKind access) {
        int entry = tlb.lookup(activeTag, vaddr);
        if (entry != Tlb.NONE) {
            if (tlb.allows(entry, access.requiredBits())) {
                tlbHits++;
                paddr = tlb.translate(entry, vaddr);
                return true;
            }
            tlb.drop(entry);
        }
        tlbMisses++;
        boolean allowed = table.hardwareWalk(vaddr, access, walk);
        entriesRead += walk.entriesRead;
        if (allowed) {
            paddr = walk.paddr;
            tlb.insert(activeTag, vaddr, paddr, walk.leafShift, walk.flagBits);
        }
        return allowed;
    }

    @GuardedBy("lock")
    private boolean faultLocked(long vaddr, AccessKind access, FaultCause cause) {
        faults++;
        faultAddress = vaddr;
        faultAccess = access;
        faultCause = cause;
        return false;
    }

    @GuardedBy("lock")
    private PageTableTrait tableLocked() {
        checkOpenLocked();
        if (active == null) {
            throw new PagingException(
                    PagingError.BAD_STATE, "no page table is active, or it was closed");
        }
        return active;
    }

    @GuardedBy("lock")
    private void checkOpenLocked() {
        if (closed) {
            throw new PagingException(PagingError.BAD_STATE, "the processor is closed");
        }
    }
}
