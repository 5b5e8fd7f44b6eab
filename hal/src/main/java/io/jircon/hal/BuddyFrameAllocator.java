package io.jircon.hal;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A binary buddy allocator: the frames of one contiguous physical memory.
///
/// ## Structure
///
/// A frame is one bit (set: free). 64 frames are a word, [BuddyChunk#WORDS] words are a chunk of
/// 128 MiB, and over the words of a chunk, as over the chunks, stands a binary tree whose nodes
/// know the order of the largest free block below them. A block of order k is 2^k frames at a
/// multiple of 2^k frames; a node's two halves that are both wholly free count as one block of the
/// next order, so that buddies merge without a step of their own. Chunks come into being when a
/// frame of theirs is first touched: a memory of 64 GiB costs some kilobytes until it is used.
///
/// ## Costs
///
/// Taking or freeing one frame goes down and up the trees: at most 9 levels in the chunk, and log2
/// of the chunks; going up ends at the first node that does not change. It makes no garbage, but
/// for the first touch of a chunk. The lowest fitting address is taken. A run that is too long or
/// too aligned for a block, or that fragmentation hides from the buddies, is searched for word by
/// word, so a run is refused only when there is none.
///
/// The frame at physical address 0 is never handed out nor counted (clause A-19): page tables and
/// their users take 0 for "none".
///
/// Safe for use by many threads; its lock is a leaf.
public final class BuddyFrameAllocator implements FrameAllocator {
    private static final int MAX_ALIGN_SHIFT = 62;

    private final Object lock = new Object();

    // Frame numbers are physical addresses without the page offset; positions count from origin.
    private final long origin;
    private final long first;
    private final long end;

    @GuardedBy("lock")
    private final @Nullable BuddyChunk[] chunks;

    // Heap-shaped: root 1, leaves from chunkLeaves on; the largest free order + 1 of each chunk.
    @GuardedBy("lock")
    private final byte[] chunkTree;

    private final int chunkLeaves;

    @GuardedBy("lock")
    private long free;

    /// Makes an allocator whose frames are all free.
    ///
    /// @param base physical address of the first frame, page aligned
    /// @param sizeBytes how much memory, a multiple of the base page, at least one page
    /// @throws PagingException NOT_ALIGNED; OUT_OF_RANGE when the range is empty, wraps around or
    ///   is larger than 2^56 bytes
    public BuddyFrameAllocator(long base, long sizeBytes) {
        checkMemory(base, sizeBytes);
        long baseFrame = base >>> PageSize.BASE_SHIFT;
        this.first = baseFrame == 0 ? 1 : baseFrame;
        this.end = baseFrame + (sizeBytes >>> PageSize.BASE_SHIFT);
        this.origin = baseFrame & -(long) BuddyChunk.FRAMES;
        int count = (int) ((end - origin + BuddyChunk.FRAMES - 1) / BuddyChunk.FRAMES);
        this.chunks = new BuddyChunk[count];
        this.chunkLeaves = Integer.highestOneBit(Math.max(1, count - 1)) << (count > 1 ? 1 : 0);
        this.chunkTree = new byte[2 * chunkLeaves];
        this.free = end - first;
        for (int i = 0; i < count; i++) {
            chunkTree[chunkLeaves + i] = BuddyChunk.ALL_FREE;
        }
        for (int node = chunkLeaves - 1; node >= 1; node--) {
            chunkTree[node] = (byte) Math.max(chunkTree[2 * node], chunkTree[2 * node + 1]);
        }
        synchronized (lock) {
            takeLocked(0, first - origin);
            takeLocked(end - origin, (long) count * BuddyChunk.FRAMES - (end - origin));
        }
    }

    /// Makes an allocator for all of a memory.
    ///
    /// @param memory the memory whose frames to hand out
    public BuddyFrameAllocator(PhysicalMemory memory) {
        this(memory.base(), memory.sizeBytes());
    }

    private static void checkMemory(long base, long sizeBytes) {
        if (!PageSize.SIZE_4K.isAligned(base)) {
            throw PagingException.notAligned("base", base, PageSize.SIZE_4K);
        }
        if (!PageSize.SIZE_4K.isAligned(sizeBytes)) {
            throw PagingException.notAligned("sizeBytes", sizeBytes, PageSize.SIZE_4K);
        }
        if (sizeBytes == 0 || Long.compareUnsigned(sizeBytes, 1L << 56) > 0) {
            throw PagingException.outOfRange("sizeBytes", sizeBytes, "is not in 1 page .. 2^56");
        }
        if (Long.compareUnsigned(base + sizeBytes - 1, base) < 0) {
            throw PagingException.outOfRange("base", base, "plus the size wraps around");
        }
    }

    @Override
    public long allocate() {
        synchronized (lock) {
            int chunkIndex = findChunkLocked(1);
            if (chunkIndex < 0) {
                throw noMemory(1);
            }
            BuddyChunk chunk = chunkLocked(chunkIndex);
            int word = chunk.findWord();
            int bit = Long.numberOfTrailingZeros(chunk.words[word]);
            setWordLocked(chunkIndex, chunk, word, chunk.words[word] & ~(1L << bit));
            free--;
            return address(chunkIndex, word, bit);
        }
    }

    @Override
    public void allocate(long[] paddrs, int from, int count) {
        Objects.checkFromIndexSize(from, count, paddrs.length);
        synchronized (lock) {
            if (count > free) {
                throw noMemory(count);
            }
            int next = from;
            while (next < from + count) {
                int chunkIndex = findChunkLocked(1);
                BuddyChunk chunk = chunkLocked(chunkIndex);
                int word = chunk.findWord();
                long bits = chunk.words[word];
                for (; bits != 0 && next < from + count; bits &= bits - 1) {
                    paddrs[next++] = address(chunkIndex, word, Long.numberOfTrailingZeros(bits));
                }
                setWordLocked(chunkIndex, chunk, word, bits);
            }
            free -= count;
        }
    }

    @Override
    public long allocateContiguous(long frameCount, int alignShift) {
        checkCount(frameCount);
        if (alignShift < PageSize.BASE_SHIFT || alignShift > MAX_ALIGN_SHIFT) {
            throw new IllegalArgumentException(
                    "alignShift="
                            + alignShift
                            + " is not in "
                            + PageSize.BASE_SHIFT
                            + ".."
                            + MAX_ALIGN_SHIFT);
        }
        synchronized (lock) {
            if (frameCount > free) {
                throw noMemory(frameCount);
            }
            int alignOrder = alignShift - PageSize.BASE_SHIFT;
            int order = Math.max(alignOrder, Long.SIZE - Long.numberOfLeadingZeros(frameCount - 1));
            long position = order <= BuddyChunk.ORDER ? findBlockLocked(order) : -1;
            if (position < 0) {
                position = findRunLocked(frameCount, 1L << alignOrder);
            }
            if (position < 0) {
                throw noMemory(frameCount);
            }
            takeLocked(position, frameCount);
            free -= frameCount;
            return (origin + position) << PageSize.BASE_SHIFT;
        }
    }

    @Override
    public void free(long paddr) {
        synchronized (lock) {
            checkAllocatedLocked(paddr);
            giveLocked(paddr);
        }
    }

    @Override
    public void free(long[] paddrs, int from, int count) {
        Objects.checkFromIndexSize(from, count, paddrs.length);
        synchronized (lock) {
            for (int i = from; i < from + count; i++) {
                try {
                    checkAllocatedLocked(paddrs[i]);
                } catch (PagingException refused) {
                    // Freeing as we go is what finds an address that is in the array twice.
                    for (int j = from; j < i; j++) {
                        takeLocked((paddrs[j] >>> PageSize.BASE_SHIFT) - origin, 1);
                        free--;
                    }
                    throw refused;
                }
                giveLocked(paddrs[i]);
            }
        }
    }

    @Override
    public void freeContiguous(long paddr, long frameCount) {
        checkCount(frameCount);
        synchronized (lock) {
            checkAllocatedLocked(paddr);
            long position = checkFits(paddr, frameCount);
            long hole = nextFreeLocked(position, position + frameCount);
            if (hole < position + frameCount) {
                throw notAllocated((origin + hole) << PageSize.BASE_SHIFT);
            }
            forEachWordLocked(position, frameCount, /* toFree= */ true);
            free += frameCount;
        }
    }

    /// Takes certain frames, all or none, such as those that a frame file says are in use.
    ///
    /// @param paddr physical address of the first frame
    /// @param frameCount how many, at least 1
    /// @throws PagingException BAD_FRAME when one of them is not a frame of this allocator or is
    ///   handed out already; nothing was taken
    /// @throws IllegalArgumentException when the count is less than 1
    public void allocateAt(long paddr, long frameCount) {
        checkCount(frameCount);
        synchronized (lock) {
            checkFrame(paddr);
            long position = checkFits(paddr, frameCount);
            long used = nextUsedLocked(position, position + frameCount);
            if (used < position + frameCount) {
                throw new PagingException(
                        PagingError.BAD_FRAME,
                        "paddr="
                                + PagingException.hex((origin + used) << PageSize.BASE_SHIFT)
                                + " is handed out already");
            }
            takeLocked(position, frameCount);
            free -= frameCount;
        }
    }

    /// The frames that are handed out at this moment, in runs: what [#allocateAt] takes to make an
    /// allocator like this one.
    ///
    /// @return physical address and frame count of each run, in turn; ascending, no two runs touch
    public long[] allocatedRuns() {
        long[] runs = new long[16];
        int length = 0;
        synchronized (lock) {
            long limit = end - origin;
            long at = nextUsedLocked(first - origin, limit);
            while (at < limit) {
                long stop = nextFreeLocked(at, limit);
                if (length == runs.length) {
                    runs = Arrays.copyOf(runs, 2 * length);
                }
                runs[length++] = (origin + at) << PageSize.BASE_SHIFT;
                runs[length++] = stop - at;
                at = nextUsedLocked(stop, limit);
            }
        }
        return Arrays.copyOf(runs, length);
    }

    @Override
    public boolean isAllocated(long paddr) {
        if (!isFrame(paddr)) {
            return false;
        }
        synchronized (lock) {
            return !isFreeLocked((paddr >>> PageSize.BASE_SHIFT) - origin);
        }
    }

    @Override
    public long freeFrames() {
        synchronized (lock) {
            return free;
        }
    }

    /// How many frames there are, the one at physical address 0 not counted.
    @Override
    public long totalFrames() {
        return end - first;
    }

    private boolean isFrame(long paddr) {
        long frame = paddr >>> PageSize.BASE_SHIFT;
        return PageSize.SIZE_4K.isAligned(paddr) && frame >= first && frame < end;
    }

    private long address(int chunkIndex, int word, int bit) {
        long frame = origin + (long) chunkIndex * BuddyChunk.FRAMES + (long) word * Long.SIZE + bit;
        return frame << PageSize.BASE_SHIFT;
    }

    @GuardedBy("lock")
    private BuddyChunk chunkLocked(int index) {
        BuddyChunk chunk = chunks[index];
        if (chunk == null) {
            chunk = new BuddyChunk();
            chunks[index] = chunk;
        }
        return chunk;
    }

    @GuardedBy("lock")
    private boolean isFreeLocked(long position) {
        BuddyChunk chunk = chunks[(int) (position / BuddyChunk.FRAMES)];
        int inChunk = (int) (position % BuddyChunk.FRAMES);
        return chunk == null || (chunk.words[inChunk / Long.SIZE] >>> inChunk & 1) != 0;
    }

    @GuardedBy("lock")
    private void giveLocked(long paddr) {
        long position = (paddr >>> PageSize.BASE_SHIFT) - origin;
        int chunkIndex = (int) (position / BuddyChunk.FRAMES);
        BuddyChunk chunk = chunkLocked(chunkIndex);
        int inChunk = (int) (position % BuddyChunk.FRAMES);
        int word = inChunk / Long.SIZE;
        setWordLocked(chunkIndex, chunk, word, chunk.words[word] | 1L << inChunk);
        free++;
    }

    /// Marks frames as not free; the count of free frames is the caller's.
    @GuardedBy("lock")
    private void takeLocked(long position, long frameCount) {
        forEachWordLocked(position, frameCount, /* toFree= */ false);
    }

    @GuardedBy("lock")
    private void forEachWordLocked(long position, long frameCount, boolean toFree) {
        long at = position;
        long stop = position + frameCount;
        while (at < stop) {
            int chunkIndex = (int) (at / BuddyChunk.FRAMES);
            BuddyChunk chunk = chunkLocked(chunkIndex);
            int inChunk = (int) (at % BuddyChunk.FRAMES);
            int bit = inChunk % Long.SIZE;
            int length = (int) Math.min(Long.SIZE - bit, stop - at);
            long mask = (-1L >>> (Long.SIZE - length)) << bit;
            int word = inChunk / Long.SIZE;
            long old = chunk.words[word];
            setWordLocked(chunkIndex, chunk, word, toFree ? old | mask : old & ~mask);
            at += length;
        }
    }

    @GuardedBy("lock")
    private void setWordLocked(int chunkIndex, BuddyChunk chunk, int word, long bits) {
        if (!chunk.setWord(word, bits)) {
            return;
        }
        int node = chunkLeaves + chunkIndex;
        chunkTree[node] = chunk.tree[1];
        for (node >>= 1; node >= 1; node >>= 1) {
            byte value = (byte) Math.max(chunkTree[2 * node], chunkTree[2 * node + 1]);
            if (chunkTree[node] == value) {
                return;
            }
            chunkTree[node] = value;
        }
    }

    /// The lowest chunk with a block of an order + 1, or -1.
    @GuardedBy("lock")
    private int findChunkLocked(int wanted) {
        if (chunkTree[1] < wanted) {
            return -1;
        }
        int node = 1;
        while (node < chunkLeaves) {
            node *= 2;
            if (chunkTree[node] < wanted) {
                node++;
            }
        }
        return node - chunkLeaves;
    }

    @GuardedBy("lock")
    private long findBlockLocked(int order) {
        int chunkIndex = findChunkLocked(order + 1);
        if (chunkIndex < 0) {
            return -1;
        }
        return (long) chunkIndex * BuddyChunk.FRAMES + chunkLocked(chunkIndex).findBlock(order);
    }

    /// First fit over all frames: [ ] is the run that is tried, ( ) what is in use.
    @GuardedBy("lock")
    private long findRunLocked(long frameCount, long alignFrames) {
        long limit = end - origin;
        long at = first - origin;
        while (true) {
            at = nextFreeLocked(at, limit);
            long frame = origin + at;
            at += -frame & (alignFrames - 1);
            if (at >= limit || frameCount > limit - at) {
                return -1;
            }
            long used = nextUsedLocked(at, at + frameCount); // now [ ( ] ) or [ ] (
            if (used == at + frameCount) {
                return at;
            }
            at = used + 1;
        }
    }

    @GuardedBy("lock")
    private long nextFreeLocked(long from, long limit) {
        return nextLocked(from, limit, /* flip= */ 0, /* skipped= */ (byte) 0);
    }

    @GuardedBy("lock")
    private long nextUsedLocked(long from, long limit) {
        return nextLocked(from, limit, /* flip= */ -1, BuddyChunk.ALL_FREE);
    }

    /// The first position from `from` on whose bit, flipped by `flip`, is set; `limit` when none.
    @GuardedBy("lock")
    private long nextLocked(long from, long limit, long flip, byte skipped) {
        long at = from;
        while (at < limit) {
            int chunkIndex = (int) (at / BuddyChunk.FRAMES);
            if (chunkTree[chunkLeaves + chunkIndex] == skipped) {
                at = (chunkIndex + 1L) * BuddyChunk.FRAMES;
                continue;
            }
            BuddyChunk chunk = chunks[chunkIndex];
            int inChunk = (int) (at % BuddyChunk.FRAMES);
            long word = chunk == null ? -1 : chunk.words[inChunk / Long.SIZE];
            long bits = (word ^ flip) & (-1L << inChunk);
            if (bits != 0) {
                at += Long.numberOfTrailingZeros(bits) - inChunk % Long.SIZE;
                return Math.min(at, limit);
            }
            at += Long.SIZE - inChunk % Long.SIZE;
        }
        return limit;
    }

    private void checkFrame(long paddr) {
        if (!isFrame(paddr)) {
            throw new PagingException(
                    PagingError.BAD_FRAME,
                    "paddr="
                            + PagingException.hex(paddr)
                            + " is not a frame of "
                            + PagingException.hex(first << PageSize.BASE_SHIFT)
                            + ".."
                            + PagingException.hex(end << PageSize.BASE_SHIFT));
        }
    }

    /// Returns the position of a frame whose run does not leave the memory.
    private long checkFits(long paddr, long frameCount) {
        long position = (paddr >>> PageSize.BASE_SHIFT) - origin;
        if (frameCount > end - origin - position) {
            throw new PagingException(
                    PagingError.BAD_FRAME,
                    "paddr="
                            + PagingException.hex(paddr)
                            + " with frameCount="
                            + frameCount
                            + " leaves the memory, which ends at "
                            + PagingException.hex(end << PageSize.BASE_SHIFT));
        }
        return position;
    }

    @Override
    public String toString() {
        synchronized (lock) {
            return free + " of " + totalFrames() + " frames free";
        }
    }

    @GuardedBy("lock")
    private void checkAllocatedLocked(long paddr) {
        checkFrame(paddr);
        if (isFreeLocked((paddr >>> PageSize.BASE_SHIFT) - origin)) {
            throw notAllocated(paddr);
        }
    }

    private static void checkCount(long frameCount) {
        if (frameCount < 1) {
            throw new IllegalArgumentException("frameCount=" + frameCount + " is less than 1");
        }
    }

    @GuardedBy("lock")
    private PagingException noMemory(long wanted) {
        return PagingException.noMemory(
                "frames wanted=" + wanted + " free=" + free + " of " + totalFrames());
    }

    private static PagingException notAllocated(long paddr) {
        return new PagingException(
                PagingError.BAD_FRAME, "paddr=" + PagingException.hex(paddr) + " is free already");
    }
}
