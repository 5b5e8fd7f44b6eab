package io.jircon.hal;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Objects;

/// One atomic act on an aligned little-endian word of 4 or 8 bytes, as an instruction of a
/// processor, and the word that it found. Told what to do by one of [#load], [#store], [#update]
/// and [#compareAndExchange]; carried out by [Mmu#atomic], as often as wanted. Reused from act to
/// act, so that none makes garbage; one instance serves one thread.
///
/// A load is an acquire and a store a release; the others are both, and are one step for all
/// threads and for all page tables that show the frame. Atomic acts on a word of another width or
/// at another offset that shares bytes with this one, and transfers of bytes, are ordered with it
/// as on the host.
///
/// ```java
/// var access = new AtomicAccess().update(AtomicUpdate.ADD, AccessWidth.DWORD, 1);
/// if (mmu.atomic(vaddr, access)) {
///     int before = (int) access.before();
/// }
/// ```
public final class AtomicAccess {
    private static final VarHandle INTS =
            ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
    private static final VarHandle LONGS =
            ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

    private enum Act {
        LOAD,
        STORE,
        SET,
        ADD,
        AND,
        OR,
        XOR,
        COMPARE_AND_EXCHANGE
    }

    private Act act = Act.LOAD;
    private AccessWidth width = AccessWidth.QWORD;
    private long operand;
    private long expected;
    private long before;

    /// Makes a load of 8 bytes.
    public AtomicAccess() {}

    /// Makes this a load with acquire semantics.
    ///
    /// @param wordWidth DWORD or QWORD
    /// @return this
    /// @throws IllegalArgumentException for another width
    public AtomicAccess load(AccessWidth wordWidth) {
        return become(Act.LOAD, wordWidth, 0, 0);
    }

    /// Makes this a store with release semantics.
    ///
    /// @param wordWidth DWORD or QWORD
    /// @param value the new word; of a DWORD the low 4 bytes
    /// @return this
    /// @throws IllegalArgumentException for another width
    public AtomicAccess store(AccessWidth wordWidth, long value) {
        return become(Act.STORE, wordWidth, value, 0);
    }

    /// Makes this a read-modify-write.
    ///
    /// @param update what becomes of the word
    /// @param wordWidth DWORD or QWORD
    /// @param value the operand; of a DWORD the low 4 bytes
    /// @return this
    /// @throws IllegalArgumentException for another width
    public AtomicAccess update(AtomicUpdate update, AccessWidth wordWidth, long value) {
        Act wanted =
                switch (update) {
                    case SET -> Act.SET;
                    case ADD -> Act.ADD;
                    case AND -> Act.AND;
                    case OR -> Act.OR;
                    case XOR -> Act.XOR;
                };
        return become(wanted, wordWidth, value, 0);
    }

    /// Makes this a store that happens only when the word is as expected; it did when [#before()]
    /// is the expected word afterwards. Needs write permission either way.
    ///
    /// @param wordWidth DWORD or QWORD
    /// @param expectedWord what the word must be; of a DWORD the low 4 bytes
    /// @param value the new word; of a DWORD the low 4 bytes
    /// @return this
    /// @throws IllegalArgumentException for another width
    public AtomicAccess compareAndExchange(AccessWidth wordWidth, long expectedWord, long value) {
        return become(Act.COMPARE_AND_EXCHANGE, wordWidth, value, expectedWord);
    }

    private AtomicAccess become(Act newAct, AccessWidth newWidth, long newOperand, long newWord) {
        Objects.requireNonNull(newWidth, "width");
        if (newWidth != AccessWidth.DWORD && newWidth != AccessWidth.QWORD) {
            throw new IllegalArgumentException("width=" + newWidth + " is not DWORD or QWORD");
        }
        act = newAct;
        width = newWidth;
        operand = newOperand;
        expected = newWord;
        return this;
    }

    /// What the page must allow.
    ///
    /// @return READ for a load; WRITE for all else, also for an exchange that finds another word
    ///   than expected
    public AccessKind kind() {
        return act == Act.LOAD ? AccessKind.READ : AccessKind.WRITE;
    }

    /// How wide the word is.
    ///
    /// @return DWORD or QWORD
    public AccessWidth width() {
        return width;
    }

    /// The word that the last act found.
    ///
    /// @return zero-extended when it has 4 bytes. A store and a refused act find nothing and leave
    ///   this as it was
    public long before() {
        return before;
    }

    /// Whether an address can hold the word.
    ///
    /// @param address any address, unsigned
    /// @return true for multiples of the width
    public boolean isAligned(long address) {
        return (address & (width.sizeBytes() - 1)) == 0;
    }

    /// Refuses an address that cannot hold the word, before anything else is looked at.
    ///
    /// @param vaddr the word's virtual address, unsigned
    /// @throws PagingException NOT_ALIGNED
    public void checkAligned(long vaddr) {
        if (!isAligned(vaddr)) {
            throw new PagingException(
                    PagingError.NOT_ALIGNED,
                    "vaddr="
                            + PagingException.hex(vaddr)
                            + " is not a multiple of "
                            + width.sizeBytes()
                            + ", an atomic word's size");
        }
    }

    /// Carries the act out on memory.
    ///
    /// @param memory aligned as the host needs it
    /// @param offset where the word lies, in bytes
    void perform(MemorySegment memory, long offset) {
        if (width == AccessWidth.DWORD) {
            performInt(memory, offset);
        } else {
            performLong(memory, offset);
        }
    }

    private void performInt(MemorySegment memory, long offset) {
        int value = (int) operand;
        if (act == Act.STORE) {
            INTS.setRelease(memory, offset, value);
            return;
        }
        int found =
                switch (act) {
                    case LOAD, STORE -> (int) INTS.getAcquire(memory, offset);
                    case SET -> (int) INTS.getAndSet(memory, offset, value);
                    case ADD -> (int) INTS.getAndAdd(memory, offset, value);
                    case AND -> (int) INTS.getAndBitwiseAnd(memory, offset, value);
                    case OR -> (int) INTS.getAndBitwiseOr(memory, offset, value);
                    case XOR -> (int) INTS.getAndBitwiseXor(memory, offset, value);
                    case COMPARE_AND_EXCHANGE ->
                            (int) INTS.compareAndExchange(memory, offset, (int) expected, value);
                };
        before = Integer.toUnsignedLong(found);
    }

    private void performLong(MemorySegment memory, long offset) {
        if (act == Act.STORE) {
            LONGS.setRelease(memory, offset, operand);
            return;
        }
        before =
                switch (act) {
                    case LOAD, STORE -> (long) LONGS.getAcquire(memory, offset);
                    case SET -> (long) LONGS.getAndSet(memory, offset, operand);
                    case ADD -> (long) LONGS.getAndAdd(memory, offset, operand);
                    case AND -> (long) LONGS.getAndBitwiseAnd(memory, offset, operand);
                    case OR -> (long) LONGS.getAndBitwiseOr(memory, offset, operand);
                    case XOR -> (long) LONGS.getAndBitwiseXor(memory, offset, operand);
                    case COMPARE_AND_EXCHANGE ->
                            (long) LONGS.compareAndExchange(memory, offset, expected, operand);
                };
    }
}
