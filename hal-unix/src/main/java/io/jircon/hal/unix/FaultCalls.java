package io.jircon.hal.unix;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.ThreadFactory;
import org.jspecify.annotations.Nullable;

/// The system calls of `userfaultfd(2)` and what its reader needs beside them. They answer as those
/// of [Posix] do.
///
/// Not final, so that tests can make a call fail.
class FaultCalls {
    static final int O_NONBLOCK = 0x800;

    /// `UFFDIO_API`: `struct uffdio_api`, three words: API, features, ioctls.
    static final long IOCTL_API = 0xC018_AA3FL;

    /// `UFFDIO_REGISTER`: four words: start, length, mode, ioctls.
    static final long IOCTL_REGISTER = 0xC020_AA00L;

    /// `UFFDIO_WAKE`: two words: start, length.
    static final long IOCTL_WAKE = 0x8010_AA02L;

    /// `UFFDIO_CONTINUE`: four words: start, length, mode, what was done.
    static final long IOCTL_CONTINUE = 0xC020_AA07L;

    /// `UFFDIO_WRITEPROTECT`: three words: start, length, mode.
    static final long IOCTL_WRITEPROTECT = 0xC018_AA06L;

    /// `USERFAULTFD_IOC_NEW` of the device: the flags are the argument.
    private static final long IOCTL_NEW = 0xAA00;

    private static final String DEVICE = "/dev/userfaultfd";

    static final int EPOLLIN = 1;
    static final int EPOLLET = 1 << 31;
    private static final int EPOLL_CTL_ADD = 1;
    private static final int EPOLL_CLOEXEC = 0x80000;

    /// Numbers of the calls that the C library may have no function for.
    ///
    /// @param userfaultfd 323 on x86-64; 282 where the kernel's generic table is used
    /// @param gettid 186 and 178
    private record Numbers(long userfaultfd, long gettid) {}

    private static final @Nullable Numbers NUMBERS =
            switch (System.getProperty("os.arch", "")) {
                case "amd64", "x86_64" -> new Numbers(323, 186);
                case "aarch64", "riscv64", "loongarch64" -> new Numbers(282, 178);
                default -> null;
            };

    private final Posix posix;

    /// Makes the calls available.
    ///
    /// @param posix for the calls that are not of this kind only
    FaultCalls(Posix posix) {
        this.posix = posix;
    }

    /// Makes a descriptor for faults by the system call, which takes root or a setting.
    ///
    /// @return the descriptor, or the negative error number; ENOSYS where the number of the call is
    ///   not known
    int userfaultfd(CallScratch scratch) {
        return NUMBERS == null
                ? -Errno.ENOSYS
                : (int) syscall(scratch, NUMBERS.userfaultfd, Posix.O_CLOEXEC | O_NONBLOCK);
    }

    /// Makes a descriptor for faults by the device, which takes the right to open it.
    ///
    /// @return the descriptor, or the negative error number
    int userfaultfdOfDevice(CallScratch scratch) {
        int device = posix.open(scratch, DEVICE, Posix.O_RDWR | Posix.O_CLOEXEC, 0);
        if (device < 0) {
            return device;
        }
        int result = ioctl(scratch, device, IOCTL_NEW, Posix.O_CLOEXEC | O_NONBLOCK);
        posix.close(scratch, device);
        return result;
    }

    /// Makes a request that takes a struct of words, which the answer may change.
    ///
    /// @param words at most four
    /// @return 0 or more, or the negative error number
    int ioctl(CallScratch scratch, int descriptor, long request, long... words) {
        for (int i = 0; i < words.length; i++) {
            scratch.struct.setAtIndex(JAVA_LONG, i, words[i]);
        }
        return ioctl(scratch, descriptor, request, scratch.struct.address());
    }

    private static int ioctl(CallScratch scratch, int descriptor, long request, long argument) {
        try {
            return Posix.result(
                    scratch,
                    (int) Calls.IOCTL.invokeExact(scratch.state, descriptor, request, argument));
        } catch (Throwable impossible) {
            throw Posix.unexpected(impossible);
        }
    }

    /// Reads what there is.
    ///
    /// @param target native memory
    /// @return how many bytes, or the negative error number
    long read(CallScratch scratch, int descriptor, MemorySegment target) {
        try {
            long got =
                    (long)
                            Calls.READ.invokeExact(
                                    scratch.state, descriptor, target, target.byteSize());
            return got < 0 ? -scratch.errno() : got;
        } catch (Throwable impossible) {
            throw Posix.unexpected(impossible);
        }
    }

    /// Makes a descriptor that waits for others.
    ///
    /// @return the descriptor, or the negative error number
    int epoll(CallScratch scratch) {
        try {
            return Posix.result(
                    scratch, (int) Calls.EPOLL_CREATE.invokeExact(scratch.state, EPOLL_CLOEXEC));
        } catch (Throwable impossible) {
            throw Posix.unexpected(impossible);
        }
    }

    /// Has [#awaitEvent] hear of a descriptor.
    ///
    /// @param events [#EPOLLIN], with [#EPOLLET] for one thread to be told of each change, without
    ///   for all threads as long as there is something to read
    /// @return 0, or the negative error number
    int watch(CallScratch scratch, int epoll, int descriptor, int events) {
        scratch.struct.set(JAVA_INT, 0, events);
        try {
            return Posix.result(
                    scratch,
                    (int)
                            Calls.EPOLL_CTL.invokeExact(
                                    scratch.state,
                                    epoll,
                                    EPOLL_CTL_ADD,
                                    descriptor,
                                    scratch.struct));
        } catch (Throwable impossible) {
            throw Posix.unexpected(impossible);
        }
    }

    /// Waits until there is something about one of the descriptors that are watched.
    ///
    /// @return 1, or the negative error number
    int awaitEvent(CallScratch scratch, int epoll) {
        try {
            return Posix.result(
                    scratch,
                    (int)
                            Calls.EPOLL_WAIT.invokeExact(
                                    scratch.state, epoll, scratch.struct, 1, -1));
        } catch (Throwable impossible) {
            throw Posix.unexpected(impossible);
        }
    }

    /// Makes a descriptor that [#signal] makes readable.
    ///
    /// @return the descriptor, or the negative error number
    int eventfd(CallScratch scratch) {
        try {
            return Posix.result(
                    scratch, (int) Calls.EVENTFD.invokeExact(scratch.state, 0, Posix.O_CLOEXEC));
        } catch (Throwable impossible) {
            throw Posix.unexpected(impossible);
        }
    }

    /// Makes what [#eventfd] made readable.
    ///
    /// @return how many bytes were written, or the negative error number
    long signal(CallScratch scratch, int eventDescriptor) {
        scratch.struct.set(JAVA_LONG, 0, 1);
        try {
            long put =
                    (long)
                            Calls.WRITE.invokeExact(
                                    scratch.state, eventDescriptor, scratch.struct, 8L);
            return put < 0 ? -scratch.errno() : put;
        } catch (Throwable impossible) {
            throw Posix.unexpected(impossible);
        }
    }

    /// The host's number of the calling thread, which messages name it by. That of a virtual thread
    /// is its carrier's of the moment.
    int threadNumber(CallScratch scratch) {
        return NUMBERS == null ? 0 : (int) syscall(scratch, NUMBERS.gettid, 0);
    }

    /// Makes the threads that serve held accesses when the readers have to go on reading.
    ThreadFactory serverThreads() {
        return Thread.ofPlatform().daemon().name("jircon-fault-", 0).factory();
    }

    private static long syscall(CallScratch scratch, long number, long argument) {
        try {
            long result = (long) Calls.SYSCALL.invokeExact(scratch.state, number, argument);
            return result < 0 ? -scratch.errno() : result;
        } catch (Throwable impossible) {
            throw Posix.unexpected(impossible);
        }
    }

    private static final class Calls {
        static final MethodHandle SYSCALL =
                Posix.bindVariadic("syscall", 1, JAVA_LONG, JAVA_LONG, JAVA_LONG);
        static final MethodHandle IOCTL =
                Posix.bindVariadic("ioctl", 2, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG);
        static final MethodHandle READ =
                Posix.bind("read", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
        static final MethodHandle WRITE =
                Posix.bind("write", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
        static final MethodHandle EPOLL_CREATE = Posix.bind("epoll_create1", JAVA_INT, JAVA_INT);
        static final MethodHandle EPOLL_CTL =
                Posix.bind("epoll_ctl", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS);
        static final MethodHandle EPOLL_WAIT =
                Posix.bind("epoll_wait", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT);
        static final MethodHandle EVENTFD = Posix.bind("eventfd", JAVA_INT, JAVA_INT, JAVA_INT);
    }
}
