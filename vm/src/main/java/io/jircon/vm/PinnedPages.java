package io.jircon.vm;

/// Pages of a memory object that stay where they are, for a device that reads or writes them by
/// physical address (clauses O-121 to O-128). Keeps the object alive. Safe for use by many threads.
public final class PinnedPages implements AutoCloseable {
    private final VmObject vmo;
    private final long offset;
    private final long[] addresses;

    /// Guarded by the object's lock.
    private boolean open = true;

    private PinnedPages(VmObject vmo, long offset, long[] addresses) {
        this.vmo = vmo;
        this.offset = offset;
        this.addresses = addresses;
    }

    /// What [VmObject#pin] does.
    static PinnedPages pin(VmObject vmo, long offset, long len) {
        vmo.lock().lock();
        try {
            vmo.requireHeld();
            if (!VmoMath.isAligned(offset | len) || len == 0) {
                throw VmErrors.invalidArgs(
                        "O-121",
                        "offset=%s len=%s are no whole pages"
                                .formatted(VmoMath.hex(offset), VmoMath.hex(len)));
            }
            vmo.requireInside("O-121", offset, len);
            var pinned = new PinnedPages(vmo, offset, vmo.pinPages(offset, len));
            vmo.addUse();
            return pinned;
        } finally {
            vmo.lock().unlock();
        }
    }

    /// Offset of the first page in the object.
    ///
    /// @return bytes, page aligned
    public long offset() {
        return offset;
    }

    /// How many pages are pinned.
    ///
    /// @return at least 1
    public int pageCount() {
        return addresses.length;
    }

    /// Where a page is.
    ///
    /// @param page index among the pinned pages, from 0
    /// @return physical address of its first byte; holds until [#close()]
    /// @throws IndexOutOfBoundsException when there is no such page
    public long address(int page) {
        return addresses[page];
    }

    /// Unpins the pages. Closing twice is harmless.
    @Override
    public void close() {
        vmo.lock().lock();
        try {
            if (open) {
                open = false;
                vmo.unpinPages(offset, addresses.length * VmoMath.PAGE);
                vmo.removeUse();
            }
        } finally {
            vmo.lock().unlock();
        }
    }
}
