package io.jircon.vm;

/// What a memory object knows of a mapping that shows a part of it.
///
/// The memory object calls these methods with its lock ([VmObject#lock()]) held and without any
/// address-space lock; they may take the page table's lock and no other (clause V-279). Offsets are
/// those of the memory object that the mapping was attached to, in bytes; ranges passed in are page
/// aligned, not empty, and lie inside the mapping.
interface MappedRange {
    /// Where in the memory object the mapping starts; does not change while attached.
    ///
    /// @return bytes, page aligned
    long vmoOffset();

    /// How much of the memory object the mapping shows; does not change while attached. The range
    /// may leave the object.
    ///
    /// @return bytes, a positive multiple of the page size
    long sizeBytes();

    /// Removes the page-table entries of a range: its pages went away or were replaced (clause
    /// V-214).
    ///
    /// @param vmoOffset first byte
    /// @param len how many bytes
    void unmapVmoRange(long vmoOffset, long len);

    /// Takes write permission from the page-table entries of a range: its pages became shared
    /// (clause V-215).
    ///
    /// @param vmoOffset first byte
    /// @param len how many bytes
    void writeProtectVmoRange(long vmoOffset, long len);

    /// How dearly its pages are wanted; does not change while attached (clause V-274).
    ///
    /// @return never null
    MemoryPriority memoryPriority();

    /// Whether accesses past the stream size fault (clause V-217).
    ///
    /// @return true when the mapping was made with FAULT_BEYOND_STREAM_SIZE
    boolean faultsBeyondStreamSize();

    /// The address space the mapping is in, to count distinct ones (clause O-219).
    ///
    /// @return an object compared by identity
    Object addressSpace();
}
