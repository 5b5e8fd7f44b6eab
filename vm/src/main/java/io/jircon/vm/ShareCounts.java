package io.jircon.vm;

import io.jircon.hal.PageSize;
import io.jircon.hal.PhysicalMemory;
import java.util.concurrent.atomic.AtomicReferenceArray;

/// How many memory objects share each frame: the additional ones, so 0 for a frame that has one
/// owner (clause O-176). Copy-on-write works by these counts: a snapshot adds one for each page it
/// shares, and whoever finds 0 owns the frame and may write to it in place.
///
/// Counts are kept by frame number in chunks that come into being when a frame in them is first
/// shared. A frame is shared only inside one family of memory objects, whose lock guards its count;
/// the table itself has no lock.
final class ShareCounts {
    private static final int CHUNK_SHIFT = 12;
    private static final int CHUNK = 1 << CHUNK_SHIFT;

    private final long base;
    private final AtomicReferenceArray<int[]> chunks;

    ShareCounts(PhysicalMemory memory) {
        base = memory.base();
        long frames = memory.sizeBytes() >>> PageSize.BASE_SHIFT;
        chunks = new AtomicReferenceArray<>((int) ((frames + CHUNK - 1) >>> CHUNK_SHIFT));
    }

    /// How many memory objects beside one have the frame.
    int get(long paddr) {
        long frame = (paddr - base) >>> PageSize.BASE_SHIFT;
        int[] chunk = chunks.get((int) (frame >>> CHUNK_SHIFT));
        return chunk == null ? 0 : chunk[(int) frame & (CHUNK - 1)];
    }

    /// One more memory object has the frame.
    void increment(long paddr) {
        chunkOf(paddr)[indexOf(paddr)]++;
    }

    /// One of the sharers gives the frame up; only for a frame whose count is not 0.
    void decrement(long paddr) {
        int[] chunk = chunkOf(paddr);
        int index = indexOf(paddr);
        if (chunk[index] == 0) {
            throw new AssertionError("frame 0x" + Long.toHexString(paddr) + " is not shared");
        }
        chunk[index]--;
    }

    private int indexOf(long paddr) {
        return (int) ((paddr - base) >>> PageSize.BASE_SHIFT) & (CHUNK - 1);
    }

    private int[] chunkOf(long paddr) {
        int slot = (int) ((paddr - base) >>> (PageSize.BASE_SHIFT + CHUNK_SHIFT));
        int[] chunk = chunks.get(slot);
        if (chunk == null) {
            int[] fresh = new int[CHUNK];
            chunk = chunks.compareAndSet(slot, null, fresh) ? fresh : chunks.get(slot);
        }
        return chunk;
    }
}
