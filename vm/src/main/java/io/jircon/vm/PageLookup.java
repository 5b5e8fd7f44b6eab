package io.jircon.vm;

/// Where [VmObject#lookupPage] puts what it found. Reused from call to call, so that a fault makes
/// no garbage; one instance serves one thread.
final class PageLookup {
    /// Physical address of the page's frame.
    long paddr;

    /// Whether the page may be entered with write permission: it belongs to this object alone
    /// (clause O-182).
    boolean writable;

    /// Whether a lookup for writing took the frame just now.
    boolean fresh;

    /// The frame of others that the fresh one is a copy of, or [PageList#ABSENT].
    long replaced;

    PageLookup() {}
}
