package io.jircon.vm;

/// Where [VmObject#existingPages] puts a run of neighbouring pages, all of them writable in place
/// or none. Reused from call to call; one instance serves one thread.
final class PageRun {
    /// Physical addresses of the pages' frames; the first [#count] elements hold.
    final long[] paddrs;

    /// How many pages were found.
    int count;

    /// Whether the pages may be entered with write permission.
    boolean writable;

    /// Makes a run.
    ///
    /// @param capacity the largest number of pages to receive in one call
    PageRun(int capacity) {
        paddrs = new long[capacity];
    }
}
