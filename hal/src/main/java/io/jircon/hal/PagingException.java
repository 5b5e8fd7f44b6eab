package io.jircon.hal;

/// A failed operation of the paging layer. The operation changed nothing, unless its description
/// says otherwise.
public final class PagingException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final PagingError error;

    /// Makes an exception whose message starts with the kind.
    ///
    /// @param error the kind
    /// @param message what was asked, with the argument's name, its value and the rule it broke
    public PagingException(PagingError error, String message) {
        super(error + ": " + message);
        this.error = error;
    }

    /// Makes an exception with a cause.
    ///
    /// @param error the kind
    /// @param message what was asked, with the argument's name, its value and the rule it broke
    /// @param cause what the host reported
    public PagingException(PagingError error, String message, Throwable cause) {
        super(error + ": " + message, cause);
        this.error = error;
    }

    /// The kind of failure.
    ///
    /// @return never null
    public PagingError error() {
        return error;
    }

    /// No frame is left.
    ///
    /// @param wanted what the frames were for
    /// @return an exception of kind [PagingError#NO_MEMORY]
    public static PagingException noMemory(String wanted) {
        return new PagingException(PagingError.NO_MEMORY, wanted);
    }

    /// An address or size is not aligned.
    ///
    /// @param name the argument's name
    /// @param value its value, unsigned
    /// @param size the page size it must be a multiple of
    /// @return an exception of kind [PagingError#NOT_ALIGNED]
    public static PagingException notAligned(String name, long value, PageSize size) {
        return new PagingException(
                PagingError.NOT_ALIGNED,
                name + "=" + hex(value) + " is not a multiple of " + hex(size.bytes()));
    }

    /// A page has no entry.
    ///
    /// @param vaddr the virtual address, unsigned
    /// @return an exception of kind [PagingError#NOT_MAPPED]
    public static PagingException notMapped(long vaddr) {
        return new PagingException(PagingError.NOT_MAPPED, "vaddr=" + hex(vaddr) + " has no entry");
    }

    /// A page already has an entry.
    ///
    /// @param vaddr the virtual address, unsigned
    /// @param existingPaddr the physical address that the entry holds, unsigned
    /// @return an exception of kind [PagingError#ALREADY_MAPPED]
    public static PagingException alreadyMapped(long vaddr, long existingPaddr) {
        return new PagingException(
                PagingError.ALREADY_MAPPED,
                "vaddr=" + hex(vaddr) + " already maps paddr=" + hex(existingPaddr));
    }

    /// A larger leaf covers a page.
    ///
    /// @param vaddr the virtual address, unsigned
    /// @param size the size of the leaf that covers it
    /// @return an exception of kind [PagingError#MAPPED_TO_HUGE_PAGE]
    public static PagingException mappedToHugePage(long vaddr, PageSize size) {
        return new PagingException(
                PagingError.MAPPED_TO_HUGE_PAGE,
                "vaddr=" + hex(vaddr) + " lies in a leaf of " + size);
    }

    /// An address or range is out of range.
    ///
    /// @param name the argument's name
    /// @param value its value, unsigned
    /// @param rule the range it must lie in, in words
    /// @return an exception of kind [PagingError#OUT_OF_RANGE]
    public static PagingException outOfRange(String name, long value, String rule) {
        return new PagingException(PagingError.OUT_OF_RANGE, name + "=" + hex(value) + " " + rule);
    }

    /// The machine does not note which pages are accessed.
    ///
    /// @return an exception of kind [PagingError#NOT_SUPPORTED]
    public static PagingException accessedNotTracked() {
        return new PagingException(
                PagingError.NOT_SUPPORTED,
                "this page table does not note which pages are accessed");
    }

    static String hex(long value) {
        return "0x" + Long.toHexString(value);
    }
}
