package io.jircon.hal.unix;

import io.jircon.hal.PageSize;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// What a reader gets from a [FaultDescriptor] at once: `struct uffd_msg`, each of an access that
/// is held. Serves one thread.
final class FaultMessages {
    private static final int MOST = 8;
    private static final long MESSAGE_BYTES = 32;
    private static final byte EVENT_PAGEFAULT = 0x12;
    private static final long FLAG_WRITE = 1;
    private static final long FLAG_WP = 2;
    private static final long FLAG_MINOR = 4;
    private static final long FLAGS_OFFSET = 8;
    private static final long ADDRESS_OFFSET = 16;
    private static final long THREAD_OFFSET = 24;

    private final CallScratch scratch = new CallScratch();
    private final MemorySegment bytes = Arena.ofAuto().allocate(MOST * MESSAGE_BYTES, 8);
    private int count;

    CallScratch scratch() {
        return scratch;
    }

    /// Forgets the messages, and reads those that have come.
    void read(FaultCalls calls, int descriptor) {
        long got = calls.read(scratch, descriptor, bytes);
        count = (int) (Math.max(got, 0) / MESSAGE_BYTES);
    }

    /// How many there are.
    int count() {
        return count;
    }

    /// Whether there may be more to read.
    boolean mayHaveLeftSome() {
        return count == MOST;
    }

    /// Whether a message is of a held access, as all are that the descriptor asked for.
    boolean isFault(int index) {
        return bytes.get(ValueLayout.JAVA_BYTE, index * MESSAGE_BYTES) == EVENT_PAGEFAULT;
    }

    /// Host address of the page that the access is held at.
    long address(int index) {
        return PageSize.SIZE_4K.alignDown(word(index, ADDRESS_OFFSET));
    }

    /// Whether a write was held at a page that is there.
    boolean isWriteProtect(int index) {
        return has(index, FLAG_WP);
    }

    /// Whether an access was held at a page that shows a frame and only has to be entered.
    boolean isMinor(int index) {
        return has(index, FLAG_MINOR);
    }

    /// Whether the access is a write.
    boolean isWrite(int index) {
        return has(index, FLAG_WRITE);
    }

    private boolean has(int index, long flag) {
        return (word(index, FLAGS_OFFSET) & flag) != 0;
    }

    /// The number of the thread that is held.
    int thread(int index) {
        return bytes.get(ValueLayout.JAVA_INT, index * MESSAGE_BYTES + THREAD_OFFSET);
    }

    private long word(int index, long offset) {
        return bytes.get(ValueLayout.JAVA_LONG, index * MESSAGE_BYTES + offset);
    }
}
