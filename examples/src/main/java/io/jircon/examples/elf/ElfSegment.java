package io.jircon.examples.elf;

/// A part of the file that is loaded: one program header of type `PT_LOAD`.
///
/// @param index position in the program header table, from 0
/// @param offset where its bytes start in the file; they lie in the file
/// @param vaddr virtual address of its first byte, unsigned, as linked
/// @param fileSize how many bytes come from the file, at most `memorySize`
/// @param memorySize how many bytes it takes in memory, at least 1; what the file does not give is
///   zero; `vaddr + memorySize` does not wrap around
/// @param alignment 0 for none, or a power of two by which `vaddr` and `offset` leave the same
///   remainder
/// @param readable whether `PF_R` is set
/// @param writable whether `PF_W` is set
/// @param executable whether `PF_X` is set
public record ElfSegment(
        int index,
        long offset,
        long vaddr,
        long fileSize,
        long memorySize,
        long alignment,
        boolean readable,
        boolean writable,
        boolean executable) {

    /// The address after the last byte.
    ///
    /// @return unsigned, greater than `vaddr`
    public long end() {
        return vaddr + memorySize;
    }
}
