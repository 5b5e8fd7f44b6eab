package io.jircon.vm;

/// Where a memory object's pages come from.
public sealed interface CommitPolicy {
    /// The frame of a page is a base plus the page's offset. Nothing is allocated, freed or copied:
    /// a fixed physical range, such as the registers of a device.
    ///
    /// @param base physical address of the page at offset 0, page aligned, unsigned
    record Linear(long base) implements CommitPolicy {}

    /// Frames come from the machine's allocator and start as zeros.
    ///
    /// @param populate true when the pages are to be taken all at once, as the object is committed
    ///   or mapped; false when each is taken by its first write
    record Alloc(boolean populate) implements CommitPolicy {}

    /// One physically consecutive run of frames, taken and zeroed when the object is made, owned by
    /// it and never moved (clause O-28).
    ///
    /// @param base physical address of the first frame
    record Contiguous(long base) implements CommitPolicy {}

    /// Pages are shared with the object this one is a snapshot of until one of the sharers writes,
    /// or, with a pager at the root, seen through to it until this one writes; frames for the
    /// copies come from the machine's allocator.
    record CopyOnWrite() implements CommitPolicy {}

    /// Pages are asked of a program when they are needed first, and it says when what was written
    /// to them is safe (clause O-273).
    ///
    /// @param pager who is asked
    record PagerBacked(Pager pager) implements CommitPolicy {}
}
