package io.jircon.hal;

/// The kinds of failure of the paging layer. A caller decides by the kind; the message is for
/// people.
public enum PagingError {
    /// No frame is left for a page, a run of pages or a page table.
    NO_MEMORY,
    /// A limit of the host other than memory is reached, such as its number of mappings.
    NO_RESOURCES,
    /// An address or size is not a multiple of the page size it is used with.
    NOT_ALIGNED,
    /// The page has no entry.
    NOT_MAPPED,
    /// The page already has an entry.
    ALREADY_MAPPED,
    /// A larger leaf covers the page.
    MAPPED_TO_HUGE_PAGE,
    /// An address or a range leaves what the format or the machine can express, or wraps around.
    OUT_OF_RANGE,
    /// The format cannot express this combination of flags or this page size.
    NOT_SUPPORTED,
    /// The frame is not allocated here, or was freed before.
    BAD_FRAME,
    /// The object was closed, or what it shares with another forbids the change.
    BAD_STATE,
    /// The host's system call failed in a way that no other kind names.
    SYSTEM
}
