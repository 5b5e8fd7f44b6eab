package io.jircon.hal;

/// Whether a contiguous range may be entered with leaves larger than a base page.
public enum HugePages {
    /// Use the largest leaf that alignment, length and format allow.
    ALLOWED,
    /// Use base pages only.
    FORBIDDEN
}
