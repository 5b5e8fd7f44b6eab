package io.jircon.vm;

/// A run of pages that a pager has to write back (clause O-301).
///
/// @param offset first byte, page aligned
/// @param length how many bytes, a positive multiple of the page size
/// @param contents whether there are pages to read
public record DirtyRange(long offset, long length, Contents contents) {
    /// What a run holds.
    public enum Contents {
        /// Pages.
        PAGES,
        /// Zeros that no page holds.
        ZEROS
    }
}
