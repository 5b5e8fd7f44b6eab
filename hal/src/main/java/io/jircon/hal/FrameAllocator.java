package io.jircon.hal;

/// Hands out the frames of a machine's physical memory. Safe for use by many threads; its lock is
/// the last of the lock order. Frames are not zeroed. Frame addresses are multiples of the base
/// page and never 0.
public interface FrameAllocator {
    /// Takes one frame.
    ///
    /// @return its physical address
    /// @throws PagingException NO_MEMORY
    long allocate();

    /// Takes some frames, all or none.
    ///
    /// @param paddrs receives their physical addresses
    /// @param from index of the first element to fill
    /// @param count how many
    /// @throws PagingException NO_MEMORY; nothing was taken and the array's content is undefined
    ///   from `from` on
    /// @throws IndexOutOfBoundsException when `from` and `count` leave the array
    void allocate(long[] paddrs, int from, int count);

    /// Takes a run of consecutive frames.
    ///
    /// @param frameCount how many, at least 1
    /// @param alignShift log2 of the alignment of the first frame's address in bytes, 12 to 62
    /// @return physical address of the first frame
    /// @throws PagingException NO_MEMORY when there is no such run
    /// @throws IllegalArgumentException when an argument is out of its range
    long allocateContiguous(long frameCount, int alignShift);

    /// Gives one frame back. Any frame of a run may be given back on its own.
    ///
    /// @param paddr its physical address
    /// @throws PagingException BAD_FRAME when it is not a frame of this allocator or is free
    ///   already
    void free(long paddr);

    /// Gives some frames back, all or none.
    ///
    /// @param paddrs their physical addresses
    /// @param from index of the first one
    /// @param count how many
    /// @throws PagingException BAD_FRAME; nothing was given back
    /// @throws IndexOutOfBoundsException when `from` and `count` leave the array
    void free(long[] paddrs, int from, int count);

    /// Gives a run of consecutive frames back, all or none.
    ///
    /// @param paddr physical address of the first frame
    /// @param frameCount how many, at least 1
    /// @throws PagingException BAD_FRAME when one of them is not allocated; nothing was given back
    void freeContiguous(long paddr, long frameCount);

    /// Whether a frame is handed out at the moment.
    ///
    /// @param paddr any physical address
    /// @return false also for addresses that are no frame of this allocator
    boolean isAllocated(long paddr);

    /// How many frames can still be handed out.
    ///
    /// @return a count of base pages
    long freeFrames();

    /// How many frames there are.
    ///
    /// @return a count of base pages
    long totalFrames();
}
