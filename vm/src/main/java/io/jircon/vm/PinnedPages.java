package io.jircon.vm;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.Objects;
import java.util.function.IntToLongFunction;

/// Pages of a memory object that stay where they are, for a device that reads or writes them by
/// physical address (clauses O-121 to O-128). Keeps the object alive. Safe for use by many threads.
public final class PinnedPages implements AutoCloseable {
    private final VmObject vmo;
    private final long offset;
    private final int pageCount;
    private final IntToLongFunction addresses;

    @GuardedBy("vmo.lock()")
    private boolean open = true;

    private PinnedPages(VmObject vmo, long offset, int pageCount, IntToLongFunction addresses) {
        this.vmo = vmo;
        this.offset = offset;
        this.pageCount = pageCount;
        this.addresses = addresses;
    }

    /// What [VmObject#pin] does.
    static PinnedPages pin(VmObject vmo, long offset, long len) {
        try (var wait = new PageWait()) {
            while (true) {
                vmo.lock().lock();
                try {
                    vmo.requireHeld();
                    requireRange(vmo, offset, len);
                    if (!vmo.mustWait(wait, PageAccess.PIN, offset, len)) {
                        int count = (int) (len >>> VmoMath.SHIFT);
                        var pinned = new PinnedPages(vmo, offset, count, vmo.pinPages(offset, len));
                        vmo.addUse();
                        return pinned;
                    }
                } finally {
                    vmo.lock().unlock();
                }
                wait.await();
            }
        }
    }

    private static void requireRange(VmObject vmo, long offset, long len) {
        if (!VmoMath.isAligned(offset | len) || len == 0) {
            throw VmErrors.invalidArgs(
                    "O-121",
                    "offset=%s len=%s are no whole pages"
                            .formatted(VmoMath.hex(offset), VmoMath.hex(len)));
        }
        vmo.requireInside("O-121", offset, len);
        if (len >>> VmoMath.SHIFT > Integer.MAX_VALUE) {
            throw new ZxException(
                    ZxStatus.NO_MEMORY,
                    "O-123",
                    "offset=%s len=%s are more pages than can be listed"
                            .formatted(VmoMath.hex(offset), VmoMath.hex(len)));
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
        return pageCount;
    }

    /// Where a page is.
    ///
    /// @param page index among the pinned pages, from 0
    /// @return physical address of its first byte; holds until [#close()]
    /// @throws IndexOutOfBoundsException when there is no such page
    public long address(int page) {
        return addresses.applyAsLong(Objects.checkIndex(page, pageCount));
    }

    /// Unpins the pages. Closing twice is harmless.
    @Override
    public void close() {
        vmo.lock().lock();
        try {
            if (open) {
                open = false;
                vmo.unpinPages(offset, pageCount * VmoMath.PAGE);
                vmo.removeUse();
            }
        } finally {
            vmo.lock().unlock();
        }
    }
}
