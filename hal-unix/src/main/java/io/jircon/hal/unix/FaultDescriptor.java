package io.jircon.hal.unix;

import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;

/// A descriptor of `userfaultfd(2)`: the host holds accesses to the ranges registered with it and
/// says so in messages.
///
/// Pages that have nothing are registered before they may be accessed, and pages that may only be
/// read are write-protected before they may be written: so that there is no moment at which an
/// access that should be held gets through. Where the host refuses a step, the pages stay as they
/// were before it and accesses end with EFAULT.
///
/// Safe for use by many threads, each with its own scratch.
final class FaultDescriptor {
    /// A range of pages without memory: any access is held.
    private static final long MODE_MISSING = 1;

    /// A range of pages with memory: writes are held.
    private static final long MODE_WP = 2;

    /// A range of pages with memory: the first access to each is held.
    private static final long MODE_MINOR = 4;

    private static final long CONTINUE_WP = 2;

    private static final String TOO_OLD_FOR_MINOR =
            "the kernel cannot hold minor faults of pages that it write-protects, Linux 6.4 can";

    private static final long API = 0xAA;
    private static final long FEATURE_FLAG_WP = 1;
    private static final long FEATURE_THREAD_ID = 1 << 8;
    private static final long FEATURE_MINOR_SHMEM = 1 << 10;
    private static final long FEATURE_WP_SHMEM = 1 << 12;

    /// The host marks each page that it write-protects, in tables that take two thousandths of what
    /// they cover: runs above this are left to EFAULT.
    private static final long MAX_WP_BYTES = PageSize.SIZE_1G.bytes();

    private final Posix posix;
    private final FaultCalls calls;
    private final int descriptor;
    private final String noWriteProtect;
    private final boolean holdsMinor;

    private FaultDescriptor(
            Posix posix,
            FaultCalls calls,
            int descriptor,
            String noWriteProtect,
            boolean holdsMinor) {
        this.posix = posix;
        this.calls = calls;
        this.descriptor = descriptor;
        this.noWriteProtect = noWriteProtect;
        this.holdsMinor = holdsMinor;
    }

    /// Makes one.
    ///
    /// @param frames the file that windows will show
    /// @param minor whether the first access to each page has to be held as well
    /// @throws PagingException NOT_SUPPORTED when the host refuses, NO_RESOURCES when no descriptor
    ///   is left; the message names the call, the error and what to do
    static FaultDescriptor open(Posix posix, FaultCalls calls, int frames, boolean minor) {
        var scratch = new CallScratch();
        int made = calls.userfaultfd(scratch);
        if (made < 0) {
            int byDevice = calls.userfaultfdOfDevice(scratch);
            if (byDevice < 0) {
                throw refused(made, byDevice);
            }
            made = byDevice;
        }
        try {
            return open(posix, calls, made, frames, minor, scratch);
        } catch (PagingException refused) {
            posix.close(scratch, made);
            throw refused;
        }
    }

    private static FaultDescriptor open(
            Posix posix,
            FaultCalls calls,
            int made,
            int frames,
            boolean minor,
            CallScratch scratch) {
        long all = FEATURE_THREAD_ID | FEATURE_FLAG_WP | FEATURE_WP_SHMEM;
        all |= minor ? FEATURE_MINOR_SHMEM : 0;
        int result = calls.ioctl(scratch, made, FaultCalls.IOCTL_API, API, all, 0);
        if (minor) {
            String reason =
                    result < 0
                            ? TOO_OLD_FOR_MINOR
                            : tryRegister(posix, calls, made, frames, MODE_WP | MODE_MINOR);
            if (!reason.isEmpty()) {
                throw new PagingException(PagingError.NOT_SUPPORTED, reason);
            }
            return new FaultDescriptor(posix, calls, made, "", /* holdsMinor= */ true);
        }
        String noWriteProtect = "";
        if (result == -Errno.EINVAL) {
            noWriteProtect = "the kernel cannot write-protect shared memory, Linux 5.19 can";
            result = calls.ioctl(scratch, made, FaultCalls.IOCTL_API, API, FEATURE_THREAD_ID, 0);
        }
        if (result < 0) {
            throw new PagingException(
                    PagingError.NOT_SUPPORTED,
                    "ioctl(userfaultfd, UFFDIO_API, features=0x"
                            + Long.toHexString(FEATURE_THREAD_ID)
                            + ") = "
                            + Errno.name(-result)
                            + "; the kernel does not say which thread is held, Linux 4.14 does");
        }
        if (noWriteProtect.isEmpty()) {
            noWriteProtect = tryRegister(posix, calls, made, frames, MODE_WP);
        }
        return new FaultDescriptor(posix, calls, made, noWriteProtect, /* holdsMinor= */ false);
    }

    private static PagingException refused(int byCall, int byDevice) {
        if (byCall == -Errno.EMFILE || byCall == -Errno.ENFILE) {
            return Posix.failure("userfaultfd(O_CLOEXEC | O_NONBLOCK)", byCall);
        }
        return new PagingException(
                PagingError.NOT_SUPPORTED,
                "userfaultfd = "
                        + Errno.name(-byCall)
                        + ", open(/dev/userfaultfd) = "
                        + Errno.name(-byDevice)
                        + "; run as root or with CAP_SYS_PTRACE, or give this user access to"
                        + " /dev/userfaultfd, or sysctl -w vm.unprivileged_userfaultfd=1; in a"
                        + " container allow the call in the seccomp profile");
    }

    /// Registers one page of the frames, which only files in memory allow.
    ///
    /// @return empty when that works, or why not
    private static String tryRegister(
            Posix posix, FaultCalls calls, int descriptor, int frames, long mode) {
        var scratch = new CallScratch();
        long bytes = PageSize.BASE_BYTES;
        long at = posix.mmap(scratch, 0, bytes, Posix.PROT_READ, Posix.MAP_SHARED, frames, 0);
        if (at < 0) {
            return "mmap(a frame) = " + Errno.name((int) -at);
        }
        int result =
                calls.ioctl(scratch, descriptor, FaultCalls.IOCTL_REGISTER, at, bytes, mode, 0);
        // A frame that was never used is no page yet, which the host finds out later than a mode
        // that it does not know.
        boolean tooOld =
                result >= 0
                        && (mode & MODE_MINOR) != 0
                        && enter(calls, scratch, descriptor, at, CONTINUE_WP) == -Errno.EINVAL;
        posix.munmap(scratch, at, bytes);
        if (tooOld) {
            return TOO_OLD_FOR_MINOR;
        }
        return result >= 0
                ? ""
                : "the frames lie in a file that the host cannot write-protect: UFFDIO_REGISTER = "
                        + Errno.name(-result);
    }

    /// Why writes to read-only pages are not held.
    ///
    /// @return empty when they are
    String noWriteProtect() {
        return noWriteProtect;
    }

    int descriptor() {
        return descriptor;
    }

    /// Lets accesses to pages without memory be held, when the host agrees.
    ///
    /// @param address host address of pages that are reserved without access
    /// @param bytes how much
    void armMissing(CallScratch scratch, long address, long bytes) {
        if (register(scratch, address, bytes, MODE_MISSING) == 0) {
            posix.mprotect(scratch, address, bytes, Posix.PROT_READ | Posix.PROT_WRITE);
        }
    }

    /// Lets accesses to pages that show frames be held, when the host agrees: writes where they may
    /// only be read, and with minor faults the first access to each.
    ///
    /// @param address host address of the pages
    /// @param bytes how much
    /// @param protection what the pages allow
    void armShown(CallScratch scratch, long address, long bytes, int protection) {
        boolean writes =
                (protection & Posix.PROT_WRITE) == 0
                        && noWriteProtect.isEmpty()
                        && bytes <= MAX_WP_BYTES;
        long mode = (writes ? MODE_WP : 0) | (holdsMinor ? MODE_MINOR : 0);
        if (mode != 0
                && register(scratch, address, bytes, mode) == 0
                && writes
                && calls.ioctl(
                                scratch,
                                descriptor,
                                FaultCalls.IOCTL_WRITEPROTECT,
                                address,
                                bytes,
                                1)
                        == 0) {
            posix.mprotect(scratch, address, bytes, protection | Posix.PROT_WRITE);
        }
    }

    /// Whether the first access to each page is held.
    boolean holdsMinor() {
        return holdsMinor;
    }

    /// Has the host enter a page in its own table that it holds accesses at though the page shows a
    /// frame, and let them go on.
    ///
    /// @param address host address of the page
    /// @param writable whether the page may be written
    /// @return 0 or more, or the negative error number, when they were not woken
    int enter(CallScratch scratch, long address, boolean writable) {
        int result = -Errno.EINVAL;
        if (!writable) {
            result = enter(calls, scratch, descriptor, address, CONTINUE_WP);
        }
        // A page that may only be read is not armed against writes where the host had no room.
        return result == -Errno.EINVAL ? enter(calls, scratch, descriptor, address, 0) : result;
    }

    private static int enter(
            FaultCalls calls, CallScratch scratch, int descriptor, long address, long mode) {
        return calls.ioctl(
                scratch,
                descriptor,
                FaultCalls.IOCTL_CONTINUE,
                address,
                PageSize.BASE_BYTES,
                mode,
                0);
    }

    private int register(CallScratch scratch, long address, long bytes, long mode) {
        return calls.ioctl(scratch, descriptor, FaultCalls.IOCTL_REGISTER, address, bytes, mode, 0);
    }

    /// Lets the accesses go on that are held in a range: each tries again.
    void wake(CallScratch scratch, long address, long bytes) {
        int result = calls.ioctl(scratch, descriptor, FaultCalls.IOCTL_WAKE, address, bytes);
        if (result < 0) {
            throw Posix.failure("ioctl(userfaultfd, UFFDIO_WAKE)", result);
        }
    }

    /// Gives the descriptor back; nothing may be registered with it any more.
    void close() {
        posix.close(new CallScratch(), descriptor);
    }
}
