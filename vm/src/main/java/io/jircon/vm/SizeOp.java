package io.jircon.vm;

import static io.jircon.vm.VmoMath.SHIFT;
import static io.jircon.vm.VmoMath.hex;

import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;

/// Changes the size, or the stream size, of a memory object with pages (section 6 of the contract).
final class SizeOp {
    private SizeOp() {}

    /// What [VmObject#setSize] does.
    static void setSize(PagedVmo vmo, long newSizeBytes) {
        if (vmo.isContiguous()) {
            throw unavailable(vmo, "is contiguous");
        }
        if (VmoMath.upWraps(newSizeBytes)) {
            throw VmErrors.outOfRange(
                    "O-52", "newSizeBytes=" + hex(newSizeBytes) + " wraps when rounded up");
        }
        if (!vmo.isResizable()) {
            throw unavailable(vmo, "is not resizable");
        }
        long rounded = VmoMath.up(newSizeBytes);
        CreateOp.requireAtMostMax("O-52", "newSizeBytes", newSizeBytes);
        PageWait.whenReady(
                vmo,
                PageAccess.ZERO,
                newSizeBytes,
                rounded - newSizeBytes,
                cut -> resize(vmo, newSizeBytes, rounded));
    }

    private static void resize(PagedVmo vmo, long newSizeBytes, long rounded) {
        vmo.requireHeld();
        PageStore store = vmo.store;
        long oldPages = store.sizeBytes() >>> SHIFT;
        if (store.pins.anyIn(rounded >>> SHIFT, Math.max(oldPages, rounded >>> SHIFT))) {
            throw VmErrors.badState(
                    "O-52", "newSizeBytes=" + hex(newSizeBytes) + " cuts a pinned page");
        }
        if (VmoMath.sumWraps(store.rootOffset, rounded)) {
            throw VmErrors.invalidArgs(
                    "O-151",
                    "newSizeBytes=" + hex(newSizeBytes) + " plus the snapshots' offsets wraps");
        }
        try {
            store.resize(rounded, newSizeBytes);
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-52", "no frame to zero the tail of");
        }
        vmo.streamSize.bytes = newSizeBytes;
    }

    private static ZxException unavailable(PagedVmo vmo, String why) {
        return ZxException.of(ZxStatus.UNAVAILABLE, "O-52", "vmo", "koid " + vmo.koid(), why);
    }

    /// What [VmObject#setStreamSize] does.
    static void setStreamSize(PagedVmo vmo, long newStreamSizeBytes) {
        if (vmo.isContiguous()) {
            throw VmErrors.notSupported("O-64", "vmo=koid " + vmo.koid() + " is contiguous");
        }
        try (var wait = new PageWait()) {
            do {
                vmo.lock().lock();
                try {
                    vmo.requireHeld();
                    moveStream(vmo, newStreamSizeBytes, wait);
                } catch (PagingException e) {
                    throw VmErrors.of(e, "O-64", "no frame to zero a part of a page");
                } finally {
                    vmo.lock().unlock();
                }
            } while (wait.await());
        }
    }

    private static void moveStream(PagedVmo vmo, long newStreamSizeBytes, PageWait wait) {
        long old = vmo.streamSize.bytes;
        if (old == newStreamSizeBytes) {
            return;
        }
        long size = vmo.sizeBytes();
        if (Long.compareUnsigned(newStreamSizeBytes, size) > 0) {
            throw VmErrors.outOfRange(
                    "O-64",
                    "newStreamSizeBytes=%s passes the size %s"
                            .formatted(hex(newStreamSizeBytes), hex(size)));
        }
        long from = VmoMath.min(old, newStreamSizeBytes);
        boolean hasTail = Long.compareUnsigned(from, size) < 0;
        if (hasTail && vmo.mustWait(wait, PageAccess.ZERO, from, size - from)) {
            return;
        }
        PageStore store = vmo.store;
        long keep = VmoMath.up(newStreamSizeBytes);
        if (!store.mappings.isEmpty() && Long.compareUnsigned(keep, size) < 0) {
            store.mappings.unmapBeyondStream(vmo.windowOffset + keep, vmo.windowOffset + size - 1);
        }
        if (hasTail) {
            store.zero(vmo.windowOffset + from, size - from);
        }
        if (vmo.role != PagedVmo.Role.SLICE) {
            store.streamMoved(newStreamSizeBytes);
        }
        vmo.streamSize.bytes = newStreamSizeBytes;
    }
}
