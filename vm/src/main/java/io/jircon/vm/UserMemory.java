package io.jircon.vm;

import static io.jircon.vm.VmoMath.hex;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AccessWidth;
import io.jircon.hal.AtomicAccess;
import io.jircon.hal.AtomicUpdate;
import io.jircon.hal.FaultCause;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuStats;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Objects;

/// Memory as a program in an address space sees it: bytes move through a processor's MMU, each
/// fault goes to the address space, and the access is tried again until it is done or refused. One
/// loop for every HAL.
///
/// Permissions, copy-on-write and memory that comes with its first use all work as they do for the
/// program. Serves one thread at a time, as the processor does; another thread takes another
/// instance. Words are little-endian; they need no alignment and are not one step for others,
/// except for the atomic ones, which are aligned.
///
/// [GuestMemory] is the same for a guest with devices.
public sealed class UserMemory implements AutoCloseable permits GuestMemory {
    /// How often an access is tried again at one address without moving a byte. Another thread may
    /// take the page away between the fault and the next try, but not for ever.
    static final int MAX_TRIES = 1000;

    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final VmAddressRegion root;
    private final Mmu mmu;
    private final MemorySegment word = MemorySegment.ofArray(new byte[Long.BYTES]);
    private final AtomicAccess atomic = new AtomicAccess();
    private ZxStatus status = ZxStatus.OK;
    private long refusedAt;
    private long faultsResolved;

    /// Puts a processor into an address space.
    ///
    /// @param root the root region of a living address space
    /// @param mmu a processor of the same machine; belongs to the result from now on
    /// @throws io.jircon.hal.PagingException BAD_STATE when the address space is gone
    public UserMemory(VmAddressRegion root, Mmu mmu) {
        this.root = Objects.requireNonNull(root, "root");
        this.mmu = Objects.requireNonNull(mmu, "mmu");
        mmu.activate(root.pageTable());
    }

    // ---- moving bytes

    /// Moves bytes as far as they can be moved, without an exception and without garbage.
    ///
    /// @param access READ and EXECUTE move bytes into the buffer, WRITE moves bytes out of it
    /// @param vaddr virtual address of the first byte, unsigned
    /// @param buffer the bytes' other side
    /// @param offset where in the buffer they start
    /// @param length how many
    /// @return how many were moved; less than `length` means that [#status()] says why the byte at
    ///   [#refusedAt()] could not be accessed
    /// @throws IndexOutOfBoundsException when the buffer is too small
    public long transfer(
            AccessKind access, long vaddr, MemorySegment buffer, long offset, long length) {
        Objects.checkFromIndexSize(offset, length, buffer.byteSize());
        if (length != 0 && VmoMath.sumWraps(vaddr, length - 1)) {
            stop(ZxStatus.OUT_OF_RANGE, vaddr);
            return 0;
        }
        if (!root.isAlive()) {
            stop(ZxStatus.BAD_STATE, vaddr);
            return 0;
        }
        long done = 0;
        int tries = 0;
        while (true) {
            long moved;
            try {
                moved = move(access, vaddr + done, buffer, offset + done, length - done);
            } catch (PagingException e) {
                stop(statusOf(e), vaddr + done);
                return done;
            }
            done += moved;
            if (done == length) {
                status = ZxStatus.OK;
                return done;
            }
            tries = moved == 0 ? tries + 1 : 1;
            if (!resolve(tries)) {
                return done;
            }
        }
    }

    /// Moves a whole buffer, without an exception and without garbage.
    ///
    /// @param access READ and EXECUTE move bytes into the buffer, WRITE moves bytes out of it
    /// @param vaddr virtual address of the first byte, unsigned
    /// @param buffer as many bytes as are to be moved
    /// @return [#status()]: OK when all bytes were moved; else why the byte at [#refusedAt()] was
    ///   refused, the bytes before it having been moved
    public ZxStatus access(AccessKind access, long vaddr, MemorySegment buffer) {
        long length = buffer.byteSize();
        return transfer(access, vaddr, buffer, 0, length) == length ? ZxStatus.OK : status;
    }

    private long move(
            AccessKind access, long vaddr, MemorySegment buffer, long offset, long length) {
        return switch (access) {
            case READ -> mmu.load(vaddr, buffer, offset, length);
            case WRITE -> mmu.store(vaddr, buffer, offset, length);
            case EXECUTE -> mmu.fetch(vaddr, buffer, offset, length);
        };
    }

    /// Takes the last fault to the address space.
    ///
    /// @return whether the access can be tried again; else it has stopped
    private boolean resolve(int tries) {
        FaultCause cause = mmu.faultCause();
        long vaddr = mmu.faultAddress();
        ZxStatus resolved = root.handlePageFault(vaddr, mmu.faultAccess());
        if (resolved != ZxStatus.OK) {
            return stop(root.isAlive() ? refusal(vaddr, resolved) : ZxStatus.BAD_STATE, vaddr);
        }
        // The entry is right, but what it names is not there, or the machine does not let it pass.
        if (tries > 1 && (cause == FaultCause.EXTERNAL || cause == FaultCause.MISCONFIGURED)) {
            return stop(ZxStatus.IO, vaddr);
        }
        if (tries >= MAX_TRIES) {
            return stop(ZxStatus.UNAVAILABLE, vaddr);
        }
        faultsResolved++;
        return true;
    }

    /// What the address space's refusal means for the caller.
    ZxStatus refusal(long vaddr, ZxStatus answer) {
        return answer;
    }

    /// Notes why and where an access stopped; always false.
    boolean stop(ZxStatus why, long where) {
        status = why;
        refusedAt = where;
        return false;
    }

    /// Notes that an access went through.
    void succeed() {
        status = ZxStatus.OK;
    }

    /// What the processor's refusal to try at all means: without its page table the address space
    /// is gone. All else is a failure of the machine.
    private static ZxStatus statusOf(PagingException e) {
        if (e.error() != PagingError.BAD_STATE) {
            throw e;
        }
        return ZxStatus.BAD_STATE;
    }

    /// Why the last access stopped.
    ///
    /// @return OK when it did not; what [VmAddressRegion#handlePageFault(long, AccessKind)]
    ///   answered; IO when the address names no memory; UNAVAILABLE when the page was taken away
    ///   again and again; BAD_STATE when the address space or this processor is gone, also when
    ///   that happened on the way; OUT_OF_RANGE when the range passes 2^64, and INVALID_ARGS when
    ///   an atomic word is not aligned, and then nothing was moved
    public ZxStatus status() {
        return status;
    }

    /// Where the last access that stopped did so.
    ///
    /// @return the address of the first byte that could not be accessed; 0 when none stopped
    public long refusedAt() {
        return refusedAt;
    }

    /// How many faults the address space resolved.
    ///
    /// @return a count, not including those it refused
    public long faultsResolved() {
        return faultsResolved;
    }

    /// What the processor counted.
    ///
    /// @return a copy of the counters
    public MmuStats stats() {
        return mmu.stats();
    }

    private void transferAll(AccessKind access, long vaddr, MemorySegment buffer, long length) {
        long moved = transfer(access, vaddr, buffer, 0, length);
        if (status != ZxStatus.OK) {
            throw new ZxException(
                    status,
                    "V-206",
                    access
                            + " of vaddr="
                            + hex(vaddr)
                            + " length="
                            + length
                            + " stopped at "
                            + hex(vaddr + moved)
                            + " after "
                            + moved
                            + " bytes");
        }
    }

    /// Loads bytes.
    ///
    /// @param vaddr virtual address of the first byte, unsigned
    /// @param target receives them; its size is the length
    /// @throws ZxException as [#status()]; the message says how many bytes were moved before, and
    ///   those stay moved
    public void read(long vaddr, MemorySegment target) {
        transferAll(AccessKind.READ, vaddr, target, target.byteSize());
    }

    /// Loads bytes.
    ///
    /// @param vaddr virtual address of the first byte, unsigned
    /// @param length how many
    /// @return the bytes
    /// @throws ZxException as [#status()]
    /// @throws IllegalArgumentException when the length is negative
    public byte[] read(long vaddr, int length) {
        if (length < 0) {
            throw new IllegalArgumentException("length=" + length + " is negative");
        }
        byte[] bytes = new byte[length];
        read(vaddr, MemorySegment.ofArray(bytes));
        return bytes;
    }

    /// Stores bytes.
    ///
    /// @param vaddr virtual address of the first byte, unsigned
    /// @param source the bytes; its size is the length
    /// @throws ZxException as [#status()]; the message says how many bytes were moved before, and
    ///   those stay moved
    public void write(long vaddr, MemorySegment source) {
        transferAll(AccessKind.WRITE, vaddr, source, source.byteSize());
    }

    /// Stores bytes.
    ///
    /// @param vaddr virtual address of the first byte, unsigned
    /// @param bytes the bytes
    /// @throws ZxException as [#status()]
    public void write(long vaddr, byte[] bytes) {
        write(vaddr, MemorySegment.ofArray(bytes));
    }

    /// Fetches instruction bytes.
    ///
    /// @param vaddr virtual address of the first byte, unsigned
    /// @param target receives them; its size is the length
    /// @throws ZxException as [#status()]
    public void fetch(long vaddr, MemorySegment target) {
        transferAll(AccessKind.EXECUTE, vaddr, target, target.byteSize());
    }

    // ---- words

    /// Loads a word of a width that is known when the program runs, as an instruction was decoded.
    ///
    /// @param vaddr virtual address, unsigned
    /// @param width how wide
    /// @return the number, little-endian; what the width leaves out is 0
    /// @throws ZxException as [#status()]
    public long read(long vaddr, AccessWidth width) {
        word.set(LONG, 0, 0);
        transferAll(AccessKind.READ, vaddr, word, width.sizeBytes());
        return word.get(LONG, 0);
    }

    /// Stores a word of a width that is known when the program runs.
    ///
    /// @param vaddr virtual address, unsigned
    /// @param width how wide
    /// @param value the number, stored little-endian; what the width leaves out does not matter
    /// @throws ZxException as [#status()]
    public void write(long vaddr, AccessWidth width, long value) {
        word.set(LONG, 0, value);
        transferAll(AccessKind.WRITE, vaddr, word, width.sizeBytes());
    }

    /// Loads a byte.
    ///
    /// @param vaddr virtual address, unsigned
    /// @return the byte
    /// @throws ZxException as [#status()]
    public byte readByte(long vaddr) {
        return (byte) read(vaddr, AccessWidth.BYTE);
    }

    /// Loads two bytes.
    ///
    /// @param vaddr virtual address, unsigned
    /// @return the number, little-endian
    /// @throws ZxException as [#status()]
    public short readShort(long vaddr) {
        return (short) read(vaddr, AccessWidth.WORD);
    }

    /// Loads four bytes.
    ///
    /// @param vaddr virtual address, unsigned
    /// @return the number, little-endian
    /// @throws ZxException as [#status()]
    public int readInt(long vaddr) {
        return (int) read(vaddr, AccessWidth.DWORD);
    }

    /// Loads eight bytes.
    ///
    /// @param vaddr virtual address, unsigned
    /// @return the number, little-endian
    /// @throws ZxException as [#status()]
    public long readLong(long vaddr) {
        return read(vaddr, AccessWidth.QWORD);
    }

    /// Stores a byte.
    ///
    /// @param vaddr virtual address, unsigned
    /// @param value the byte
    /// @throws ZxException as [#status()]
    public void writeByte(long vaddr, byte value) {
        write(vaddr, AccessWidth.BYTE, value);
    }

    /// Stores two bytes.
    ///
    /// @param vaddr virtual address, unsigned
    /// @param value the number, stored little-endian
    /// @throws ZxException as [#status()]
    public void writeShort(long vaddr, short value) {
        write(vaddr, AccessWidth.WORD, value);
    }

    /// Stores four bytes.
    ///
    /// @param vaddr virtual address, unsigned
    /// @param value the number, stored little-endian
    /// @throws ZxException as [#status()]
    public void writeInt(long vaddr, int value) {
        write(vaddr, AccessWidth.DWORD, value);
    }

    /// Stores eight bytes.
    ///
    /// @param vaddr virtual address, unsigned
    /// @param value the number, stored little-endian
    /// @throws ZxException as [#status()]
    public void writeLong(long vaddr, long value) {
        write(vaddr, AccessWidth.QWORD, value);
    }

    // ---- atomic words

    /// Carries out an atomic act on an aligned word, without an exception and without garbage. The
    /// act is one step for all threads and all address spaces that show the word; faults are
    /// resolved as for any other access. All acts but a load need a page that can be written.
    ///
    /// @param vaddr virtual address of the word, unsigned, a multiple of its width
    /// @param access what to do; holds the word that was there when this returns OK
    /// @return [#status()]: OK when it was done, else why nothing was
    public ZxStatus atomic(long vaddr, AtomicAccess access) {
        if (!access.isAligned(vaddr)) {
            stop(ZxStatus.INVALID_ARGS, vaddr);
            return status;
        }
        int tries = 0;
        try {
            while (!mmu.atomic(vaddr, access)) {
                if (!resolve(++tries)) {
                    return status;
                }
            }
            status = ZxStatus.OK;
        } catch (PagingException e) {
            stop(statusOf(e), vaddr);
        }
        return status;
    }

    private long atomicOrThrow(long vaddr, AtomicAccess access) {
        if (atomic(vaddr, access) != ZxStatus.OK) {
            throw new ZxException(
                    status,
                    "A-156",
                    "atomic "
                            + access.kind()
                            + " of vaddr="
                            + hex(vaddr)
                            + " width="
                            + access.width()
                            + (access.isAligned(vaddr) ? "" : " is not a multiple of the width"));
        }
        return access.before();
    }

    /// Loads an aligned word with acquire semantics.
    ///
    /// @param vaddr virtual address, unsigned, a multiple of the width
    /// @param width DWORD or QWORD
    /// @return the word; of a DWORD the low 4 bytes, the others 0
    /// @throws ZxException as [#status()]
    /// @throws IllegalArgumentException for another width
    public long loadAcquire(long vaddr, AccessWidth width) {
        return atomicOrThrow(vaddr, atomic.load(width));
    }

    /// Stores an aligned word with release semantics.
    ///
    /// @param vaddr virtual address, unsigned, a multiple of the width
    /// @param width DWORD or QWORD
    /// @param value the word; of a DWORD the low 4 bytes
    /// @throws ZxException as [#status()]
    /// @throws IllegalArgumentException for another width
    public void storeRelease(long vaddr, AccessWidth width, long value) {
        atomicOrThrow(vaddr, atomic.store(width, value));
    }

    /// Changes an aligned word in one step.
    ///
    /// @param vaddr virtual address, unsigned, a multiple of the width
    /// @param width DWORD or QWORD
    /// @param update what becomes of the word
    /// @param operand of a DWORD the low 4 bytes
    /// @return the word before; of a DWORD the low 4 bytes, the others 0
    /// @throws ZxException as [#status()]
    /// @throws IllegalArgumentException for another width
    public long getAndUpdate(long vaddr, AccessWidth width, AtomicUpdate update, long operand) {
        return atomicOrThrow(vaddr, atomic.update(update, width, operand));
    }

    /// Stores an aligned word if it is as expected, in one step.
    ///
    /// @param vaddr virtual address, unsigned, a multiple of the width
    /// @param width DWORD or QWORD
    /// @param expected what the word must be; of a DWORD the low 4 bytes
    /// @param value the new word; of a DWORD the low 4 bytes
    /// @return the word before, which is the expected one when the new one was stored; of a DWORD
    ///   the low 4 bytes, the others 0
    /// @throws ZxException as [#status()]
    /// @throws IllegalArgumentException for another width
    public long compareAndExchange(long vaddr, AccessWidth width, long expected, long value) {
        return atomicOrThrow(vaddr, atomic.compareAndExchange(width, expected, value));
    }

    /// Gives up the processor. Closing twice is harmless.
    @Override
    public void close() {
        mmu.close();
    }
}
