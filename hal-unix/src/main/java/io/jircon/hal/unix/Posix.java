package io.jircon.hal.unix;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.Locale;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/// The system calls of this module. No class but this and [FaultCalls] calls native code.
///
/// Every call answers as the kernel does: a result of zero or more, or the negative error number.
/// What an error means is for the caller to say; [#failure] makes the exception for those that
/// nothing can be done about. The address arguments are plain numbers: whether they may be touched
/// is decided by who calls.
///
/// No call is linked as critical, which would leave the garbage collector waiting for it: each may
/// wait for the kernel's lock on the process's mappings, however little it has to do then. It would
/// save 10 ns, one in twenty of the shortest call; keeping errno takes 1 ns.
///
/// Not final, so that tests can make a call fail.
@SuppressWarnings("restricted") // the one place where native code is linked and memory is named
class Posix {
    static final int PROT_NONE = 0;
    static final int PROT_READ = 1;
    static final int PROT_WRITE = 2;
    static final int PROT_EXEC = 4;

    static final int MAP_SHARED = 0x01;
    static final int MAP_PRIVATE = 0x02;
    static final int MAP_FIXED = 0x10;
    static final int MAP_ANONYMOUS = 0x20;
    static final int MAP_NORESERVE = 0x4000;
    static final int MAP_FIXED_NOREPLACE = 0x100000;

    static final int MFD_CLOEXEC = 1;

    static final int O_RDWR = 2;
    static final int O_CLOEXEC = 0x80000;

    /// A file without a name in a directory: `O_TMPFILE`, whose directory bit differs on ARM.
    static final int O_TMPFILE =
            0x400000 | (System.getProperty("os.arch", "").startsWith("aarch") ? 0x4000 : 0x10000);

    static final int MADV_NORMAL = 0;
    static final int MADV_DONTNEED = 4;
    static final int MADV_HUGEPAGE = 14;

    private static final int SC_PAGESIZE = 30;

    /// What the flag to allow native access looks like, for messages.
    static final String NATIVE_ACCESS_FLAG =
            "--enable-native-access=io.jircon.hal.unix (or =ALL-UNNAMED on the class path)";

    private static final Linker.Option ERRNO = Linker.Option.captureCallState("errno");
    private static final long ERRNO_OFFSET =
            Linker.Option.captureStateLayout()
                    .byteOffset(MemoryLayout.PathElement.groupElement("errno"));

    /// The calls, or why there are none.
    ///
    /// @param posix null when they cannot be linked
    /// @param reason why not and what to do; empty when they can
    private record Linked(@Nullable Posix posix, String reason) {}

    /// Tried once, when first asked for.
    private static final class Link {
        static final Linked RESULT = link();
    }

    private final int pid;

    /// For [Link] and for tests that override a call.
    Posix() {
        pid = Math.toIntExact(ProcessHandle.current().pid());
    }

    /// The calls. Whether the host's policy allows them is for [HostProbe] to find out.
    ///
    /// @return the one instance
    /// @throws PagingException NOT_SUPPORTED with the reason when they cannot be linked here
    static Posix get() {
        Linked linked = Link.RESULT;
        if (linked.posix == null) {
            throw new PagingException(PagingError.NOT_SUPPORTED, linked.reason);
        }
        return linked.posix;
    }

    /// Maps memory.
    ///
    /// @return the host address, or the negative error number
    long mmap(
            CallScratch scratch,
            long address,
            long bytes,
            int protection,
            int flags,
            int descriptor,
            long fileOffset) {
        try {
            long result =
                    (long)
                            Calls.MMAP.invokeExact(
                                    scratch.state,
                                    address,
                                    bytes,
                                    protection,
                                    flags,
                                    descriptor,
                                    fileOffset);
            return result == -1 ? -scratch.errno() : result;
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    /// Removes mappings.
    ///
    /// @return 0, or the negative error number
    int munmap(CallScratch scratch, long address, long bytes) {
        try {
            return result(scratch, (int) Calls.MUNMAP.invokeExact(scratch.state, address, bytes));
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    /// Changes what a range allows.
    ///
    /// @return 0, or the negative error number
    int mprotect(CallScratch scratch, long address, long bytes, int protection) {
        try {
            return result(
                    scratch,
                    (int) Calls.MPROTECT.invokeExact(scratch.state, address, bytes, protection));
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    /// Advises about a range.
    ///
    /// @return 0, or the negative error number
    int madvise(CallScratch scratch, long address, long bytes, int advice) {
        try {
            return result(
                    scratch,
                    (int) Calls.MADVISE.invokeExact(scratch.state, address, bytes, advice));
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    /// Makes a file that lives in memory only.
    ///
    /// @return its descriptor, or the negative error number
    int memfdCreate(CallScratch scratch, String name, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            return result(
                    scratch,
                    (int)
                            Calls.MEMFD_CREATE.invokeExact(
                                    scratch.state, arena.allocateFrom(name), flags));
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    /// Opens a file.
    ///
    /// @param mode permissions of a file that is made
    /// @return its descriptor, or the negative error number
    int open(CallScratch scratch, String path, int flags, int mode) {
        try (Arena arena = Arena.ofConfined()) {
            return result(
                    scratch,
                    (int)
                            Calls.OPEN.invokeExact(
                                    scratch.state, arena.allocateFrom(path), flags, mode));
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    /// Sets a file's size.
    ///
    /// @return 0, or the negative error number
    int ftruncate(CallScratch scratch, int descriptor, long bytes) {
        try {
            return result(
                    scratch, (int) Calls.FTRUNCATE.invokeExact(scratch.state, descriptor, bytes));
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    /// Closes a descriptor.
    ///
    /// @return 0, or the negative error number
    int close(CallScratch scratch, int descriptor) {
        try {
            return result(scratch, (int) Calls.CLOSE.invokeExact(scratch.state, descriptor));
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    /// Reads this process's own memory at an address that may fault, as [CallScratch#describe]
    /// says.
    ///
    /// @return how many bytes were moved, or the negative error number; EFAULT when the first byte
    ///   cannot be read
    long readOwnMemory(CallScratch scratch) {
        try {
            long moved =
                    (long)
                            Calls.PROCESS_VM_READV.invokeExact(
                                    scratch.state,
                                    pid,
                                    scratch.local,
                                    1L,
                                    scratch.remote,
                                    scratch.remoteCount,
                                    0L);
            return moved < 0 ? -scratch.errno() : moved;
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    /// Writes this process's own memory at an address that may fault, as [CallScratch#describe]
    /// says.
    ///
    /// @return how many bytes were moved, or the negative error number; EFAULT when the first byte
    ///   cannot be written
    long writeOwnMemory(CallScratch scratch) {
        try {
            long moved =
                    (long)
                            Calls.PROCESS_VM_WRITEV.invokeExact(
                                    scratch.state,
                                    pid,
                                    scratch.local,
                                    1L,
                                    scratch.remote,
                                    scratch.remoteCount,
                                    0L);
            return moved < 0 ? -scratch.errno() : moved;
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    /// Names host memory as a segment that dies with an arena.
    ///
    /// @param address host address of a mapping that stays until the end
    /// @param bytes its size
    /// @param arena bounds the segment's life
    /// @param atEnd is run when the arena is closed and nobody can use the segment any more
    /// @return the segment
    static MemorySegment segment(long address, long bytes, Arena arena, Runnable atEnd) {
        return MemorySegment.ofAddress(address).reinterpret(bytes, arena, ended -> atEnd.run());
    }

    /// The exception for a call that failed for no reason that the caller knows better.
    ///
    /// @param call the call with its arguments, starting with its name
    /// @param result the negative error number
    /// @return NO_MEMORY for ENOMEM and a full file system, NO_RESOURCES where descriptors run out,
    ///   else SYSTEM; the message names the call, the error and what to do
    static PagingException failure(String call, long result) {
        int errno = (int) -result;
        int end = call.indexOf('(');
        String name = end < 0 ? call : call.substring(0, end);
        PagingError kind =
                switch (errno) {
                    case Errno.ENOSPC ->
                            name.equals("epoll_ctl")
                                    ? PagingError.NO_RESOURCES
                                    : PagingError.NO_MEMORY;
                    case Errno.ENOMEM -> PagingError.NO_MEMORY;
                    case Errno.EMFILE, Errno.ENFILE -> PagingError.NO_RESOURCES;
                    default -> PagingError.SYSTEM;
                };
        return new PagingException(
                kind, call + " = " + Errno.name(errno) + "; " + Errno.advice(name, errno));
    }

    /// What a call that answers with an `int` returned, or the negative error number.
    static int result(CallScratch scratch, int returned) {
        return returned < 0 ? -scratch.errno() : returned;
    }

    /// For what a handle throws, which knows no exceptions of its own.
    static AssertionError unexpected(Throwable thrown) {
        if (thrown instanceof Error error) {
            throw error;
        }
        return new AssertionError("a system call's handle threw", thrown);
    }

    /// The exception for a call that a machine needs and cannot make when it opens.
    ///
    /// @param call the call with its arguments, starting with its name
    /// @param result the negative error number
    /// @return NOT_SUPPORTED for what the host's policy or its kernel refuses, else as [#failure];
    ///   the message also says what does without the call
    static PagingException unavailable(String call, long result) {
        PagingException failed = failure(call, result);
        int errno = (int) -result;
        boolean forGood = errno == Errno.EPERM || errno == Errno.EACCES || errno == Errno.ENOSYS;
        String instead =
                call.startsWith("memfd_create")
                        ? "; or give option directory, or use unix-file"
                        : "; or use unix-file";
        return new PagingException(
                forGood ? PagingError.NOT_SUPPORTED : failed.error(), textOf(failed) + instead);
    }

    /// What an exception says behind its kind.
    static String textOf(PagingException failed) {
        return String.valueOf(failed.getMessage()).substring(failed.error().name().length() + 2);
    }

    private static Linked link() {
        String os = System.getProperty("os.name", "unknown");
        if (!os.toLowerCase(Locale.ROOT).contains("linux")) {
            return new Linked(null, "needs Linux, this is " + os + "; use unix-file");
        }
        try {
            var posix = new Posix();
            long pageBytes = posix.sysconf(new CallScratch(), SC_PAGESIZE);
            return pageBytes == PageSize.BASE_BYTES
                    ? new Linked(posix, "")
                    : new Linked(
                            null,
                            "needs a page size of 4096, this host has "
                                    + pageBytes
                                    + "; use unix-file");
        } catch (IllegalCallerException denied) {
            return denied(denied);
        } catch (ExceptionInInitializerError | NoClassDefFoundError failed) {
            Throwable cause = failed.getCause() == null ? failed : failed.getCause();
            if (cause instanceof IllegalCallerException denied) {
                return denied(denied);
            }
            if (cause instanceof NoSuchElementException) {
                return new Linked(null, cause.getMessage() + "; use unix-file");
            }
            return new Linked(null, "native code cannot be linked (" + cause + "); use unix-file");
        }
    }

    private static Linked denied(IllegalCallerException cause) {
        return new Linked(
                null,
                "native access is denied ("
                        + cause.getMessage()
                        + "); start java with "
                        + NATIVE_ACCESS_FLAG);
    }

    private long sysconf(CallScratch scratch, int name) {
        try {
            return (long) Calls.SYSCONF.invokeExact(scratch.state, name);
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    /// Links a function of the C library.
    ///
    /// @param arguments what it takes behind the memory for errno
    /// @throws NoSuchElementException when the library lacks it
    static MethodHandle bind(String name, MemoryLayout result, MemoryLayout... arguments) {
        return bind(name, new Linker.Option[] {ERRNO}, result, arguments);
    }

    /// Links a function of the C library that takes any number of arguments.
    ///
    /// @param fixed how many of the arguments are always there
    /// @param arguments what it takes behind the memory for errno
    /// @throws NoSuchElementException when the library lacks it
    static MethodHandle bindVariadic(
            String name, int fixed, MemoryLayout result, MemoryLayout... arguments) {
        Linker.Option[] options = {ERRNO, Linker.Option.firstVariadicArg(fixed)};
        return bind(name, options, result, arguments);
    }

    private static MethodHandle bind(
            String name, Linker.Option[] options, MemoryLayout result, MemoryLayout... arguments) {
        if (ERRNO_OFFSET != 0) {
            throw new NoSuchElementException("errno is not where it is looked for");
        }
        Linker linker = Linker.nativeLinker();
        SymbolLookup library = linker.defaultLookup();
        MemorySegment function =
                library.find(name)
                        .orElseThrow(
                                () -> new NoSuchElementException("the C library has no " + name));
        return linker.downcallHandle(function, FunctionDescriptor.of(result, arguments), options);
    }

    /// The handles. Loaded when linked; constants, so that calls are compiled in line.
    private static final class Calls {
        static final MethodHandle SYSCONF = bind("sysconf", JAVA_LONG, JAVA_INT);
        static final MethodHandle MMAP =
                bind(
                        "mmap", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT,
                        JAVA_LONG);
        static final MethodHandle MUNMAP = bind("munmap", JAVA_INT, JAVA_LONG, JAVA_LONG);
        static final MethodHandle MPROTECT =
                bind("mprotect", JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT);
        static final MethodHandle MADVISE =
                bind("madvise", JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT);
        static final MethodHandle MEMFD_CREATE = bind("memfd_create", JAVA_INT, ADDRESS, JAVA_INT);
        static final MethodHandle OPEN =
                bindVariadic("open", 2, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT);
        static final MethodHandle FTRUNCATE = bind("ftruncate", JAVA_INT, JAVA_INT, JAVA_LONG);
        static final MethodHandle CLOSE = bind("close", JAVA_INT, JAVA_INT);
        static final MethodHandle PROCESS_VM_READV = bindTransfer("process_vm_readv");
        static final MethodHandle PROCESS_VM_WRITEV = bindTransfer("process_vm_writev");

        private static MethodHandle bindTransfer(String name) {
            return bind(
                    name, JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG);
        }
    }
}
