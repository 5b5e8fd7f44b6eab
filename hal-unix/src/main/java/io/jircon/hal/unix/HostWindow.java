package io.jircon.hal.unix;

import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import org.jspecify.annotations.Nullable;

/// A reserved range of host addresses that belongs to one page table: nothing else of this process
/// is ever mapped there, and the page table maps nowhere else. Pages without an entry hold a
/// reservation without access, so the window never has a hole that the host could give away.
///
/// Once it is armed, the host holds accesses to pages without an entry, and writes to pages that
/// may only be read: to the host those allow more than their entries do ([FaultDescriptor]). Arming
/// is a wish. Where the host refuses, a page allows what its entry does, and such accesses end with
/// EFAULT.
///
/// Guarded by its page table's lock.
final class HostWindow {
    private static final int RESERVE_FLAGS =
            Posix.MAP_PRIVATE | Posix.MAP_ANONYMOUS | Posix.MAP_NORESERVE;

    private final Posix posix;
    private final CallScratch scratch = new CallScratch();
    private final HostFrames frames;
    private final long address;
    private final long sizeBytes;
    private @Nullable FaultDescriptor arms;

    private HostWindow(Posix posix, HostFrames frames, long address, long sizeBytes) {
        this.posix = posix;
        this.frames = frames;
        this.address = address;
        this.sizeBytes = sizeBytes;
    }

    /// Reserves a window at an address.
    ///
    /// @param posix the system calls
    /// @param frames what will be mapped
    /// @param address where, page aligned, not 0
    /// @param sizeBytes how much, a multiple of the base page
    /// @return the window, or null when something else is mapped there or the host has no room
    ///   there
    /// @throws PagingException SYSTEM when the host refuses for another reason
    static @Nullable HostWindow reserveAt(
            Posix posix, HostFrames frames, long address, long sizeBytes) {
        int flags = RESERVE_FLAGS | Posix.MAP_FIXED_NOREPLACE;
        var scratch = new CallScratch();
        long got = posix.mmap(scratch, address, sizeBytes, Posix.PROT_NONE, flags, -1, 0);
        if (got == address) {
            return new HostWindow(posix, frames, address, sizeBytes);
        }
        if (got > 0) {
            // A kernel before 4.17 takes the flag for a hint.
            posix.munmap(scratch, got, sizeBytes);
            return null;
        }
        if (got == -Errno.EEXIST || got == -Errno.ENOMEM) {
            return null;
        }
        throw refused(sizeBytes, got);
    }

    /// Reserves a window where the host chooses.
    ///
    /// @param posix the system calls
    /// @param frames what will be mapped
    /// @param sizeBytes how much, a multiple of the base page
    /// @return the window
    /// @throws PagingException NO_RESOURCES when the host has no such room; SYSTEM when it refuses
    ///   for another reason
    static HostWindow reserveAnywhere(Posix posix, HostFrames frames, long sizeBytes) {
        long got =
                posix.mmap(new CallScratch(), 0, sizeBytes, Posix.PROT_NONE, RESERVE_FLAGS, -1, 0);
        if (got < 0) {
            throw refused(sizeBytes, got);
        }
        return new HostWindow(posix, frames, got, sizeBytes);
    }

    private static PagingException refused(long sizeBytes, long result) {
        return refusal("mmap(window of " + hex(sizeBytes) + " bytes)", result);
    }

    /// The exception for a call about addresses that the host refused.
    ///
    /// @param call the call with its arguments
    /// @param result the negative error number
    /// @return NO_RESOURCES for ENOMEM, which is the host's room for addresses and mappings, not a
    ///   frame of the machine; else as [Posix#failure]
    static PagingException refusal(String call, long result) {
        PagingException failed = Posix.failure(call, result);
        return failed.error() == PagingError.NO_MEMORY
                ? new PagingException(PagingError.NO_RESOURCES, Posix.textOf(failed))
                : failed;
    }

    /// Reserves another window for the same frames, where the host chooses.
    ///
    /// @param bytes how much, a multiple of the base page
    /// @throws PagingException as [#reserveAnywhere]
    HostWindow another(long bytes) {
        return reserveAnywhere(posix, frames, bytes);
    }

    /// Host address of the first byte.
    long address() {
        return address;
    }

    long sizeBytes() {
        return sizeBytes;
    }

    /// Shows frames, replacing whatever the pages showed.
    ///
    /// @param page first page of the window
    /// @param count how many pages
    /// @param hostPage file offset and protection, of [HostFrames#hostPage]
    /// @return 0, or the negative error number
    long show(long page, long count, long hostPage) {
        long bytes = checkedBytes(page, count);
        long at = addressOf(page);
        long got =
                posix.mmap(
                        scratch,
                        at,
                        bytes,
                        HostFrames.protectionOf(hostPage),
                        Posix.MAP_SHARED | Posix.MAP_FIXED,
                        frames.descriptor(),
                        HostFrames.offsetOf(hostPage));
        if (got >= 0 && HostFrames.isHinted(hostPage)) {
            // Refused, it is no loss but that the page table counts a mapping more than there is.
            posix.madvise(scratch, at, bytes, Posix.MADV_HUGEPAGE);
        }
        if (got >= 0) {
            rearm(page, count, hostPage);
        }
        return Math.min(got, 0);
    }

    /// Puts the reservation back.
    ///
    /// @param page first page of the window
    /// @param count how many pages
    /// @return 0, or the negative error number
    long hide(long page, long count) {
        long bytes = checkedBytes(page, count);
        long got =
                posix.mmap(
                        scratch,
                        addressOf(page),
                        bytes,
                        Posix.PROT_NONE,
                        RESERVE_FLAGS | Posix.MAP_FIXED,
                        -1,
                        0);
        if (got >= 0) {
            rearm(page, count, HostFrames.NO_HOST_PAGE);
        }
        return Math.min(got, 0);
    }

    /// Changes what pages that show frames allow.
    ///
    /// @param page first page of the window
    /// @param count how many pages
    /// @param hostPage the first page's, with the new protection; [#canProtect] has said yes
    /// @return 0, or the negative error number
    long protect(long page, long count, long hostPage) {
        long bytes = checkedBytes(page, count);
        int protection = HostFrames.protectionOf(hostPage);
        int result = posix.mprotect(scratch, addressOf(page), bytes, protection);
        if (result == 0) {
            rearm(page, count, hostPage);
        }
        return result;
    }

    /// Whether [#protect] can turn one page of the host into another of the same frame. Pages that
    /// are armed against writes stay so until they are shown anew.
    boolean canProtect(long oldHostPage, long newHostPage) {
        return arms == null || !isWritable(newHostPage) || isWritable(oldHostPage);
    }

    private static boolean isWritable(long hostPage) {
        return (HostFrames.protectionOf(hostPage) & Posix.PROT_WRITE) != 0;
    }

    /// Has the host hold accesses from now on.
    void arm(FaultDescriptor descriptor) {
        arms = descriptor;
    }

    /// Arms pages that allow exactly what their entries do; nothing where the window is not armed.
    ///
    /// @param page first page of the window
    /// @param count how many pages
    /// @param hostPage what the first of them shows
    void rearm(long page, long count, long hostPage) {
        FaultDescriptor descriptor = arms;
        if (descriptor == null || (isWritable(hostPage) && !descriptor.holdsMinor())) {
            return;
        }
        long bytes = checkedBytes(page, count);
        if (hostPage == HostFrames.NO_HOST_PAGE) {
            descriptor.armMissing(scratch, addressOf(page), bytes);
        } else {
            int protection = HostFrames.protectionOf(hostPage);
            descriptor.armShown(scratch, addressOf(page), bytes, protection);
        }
    }

    /// Has the host enter a page in its own table that it holds accesses at, and let them go on.
    /// Not under the table's lock, but what the page shows must not change meanwhile.
    ///
    /// @param own scratch of the caller
    /// @param page number in the window
    /// @param hostPage what it shows, a frame; or [HostFrames#NO_HOST_PAGE] when that is not known
    /// @param descriptor what holds them
    /// @return 0 or more, or the negative error number, when they were not woken
    int enterHeld(CallScratch own, long page, long hostPage, FaultDescriptor descriptor) {
        return descriptor.enter(own, addressOf(page), isWritable(hostPage));
    }

    /// Has the host take the pages of a range out of its own table, so that the next access to each
    /// is held; nothing where such accesses are not. What the pages show stays.
    ///
    /// @param page first page of the window
    /// @param count how many pages
    void forgetEntered(long page, long count) {
        if (holdsMinor()) {
            long bytes = checkedBytes(page, count);
            // A wish: where the host refuses it, those accesses are not held.
            posix.madvise(scratch, addressOf(page), bytes, Posix.MADV_DONTNEED);
        }
    }

    /// Lets pages allow exactly what their entries do.
    ///
    /// @param page first page of the window
    /// @param count how many pages
    /// @param hostPage what the first of them shows
    /// @return 0, or the negative error number
    long disarm(long page, long count, long hostPage) {
        long bytes = checkedBytes(page, count);
        int protection =
                hostPage == HostFrames.NO_HOST_PAGE
                        ? Posix.PROT_NONE
                        : HostFrames.protectionOf(hostPage);
        return posix.mprotect(scratch, addressOf(page), bytes, protection);
    }

    /// Lets no page allow anything any more.
    void shut() {
        arms = null;
        if (posix.mprotect(scratch, address, sizeBytes, Posix.PROT_NONE) < 0) {
            hide(0, sizeBytes >>> PageSize.BASE_SHIFT);
        }
    }

    /// Whether the host holds the first access to each page that shows a frame.
    boolean holdsMinor() {
        FaultDescriptor descriptor = arms;
        return descriptor != null && descriptor.holdsMinor();
    }

    /// Whether every page of a range is still mapped, by whatever.
    boolean hasNoHole(long page, long count) {
        long bytes = checkedBytes(page, count);
        return posix.madvise(scratch, addressOf(page), bytes, Posix.MADV_NORMAL) == 0;
    }

    /// Gives the addresses back. Nothing may use the window afterwards.
    ///
    /// @throws PagingException SYSTEM when the host refuses
    void release() {
        int result = posix.munmap(scratch, address, sizeBytes);
        if (result < 0) {
            throw Posix.failure("munmap(window at " + hex(address) + ")", result);
        }
    }

    /// Host address of a page.
    long addressOf(long page) {
        return address + (page << PageSize.BASE_SHIFT);
    }

    /// The last line of defence: a call outside the window would hit the JVM's own memory.
    private long checkedBytes(long page, long count) {
        long pages = sizeBytes >>> PageSize.BASE_SHIFT;
        if (page < 0 || count <= 0 || page >= pages || count > pages - page) {
            throw new AssertionError("page=" + page + " count=" + count + " leave the window");
        }
        return count << PageSize.BASE_SHIFT;
    }

    private static String hex(long value) {
        return "0x" + Long.toHexString(value);
    }
}
