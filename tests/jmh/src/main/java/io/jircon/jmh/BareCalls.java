package io.jircon.jmh;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.jircon.hal.PageSize;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// The system calls of `unix-mmap` as bare downcalls, without anything around them: what its times
/// are compared with where no C compiler is found.
@SuppressWarnings("restricted")
final class BareCalls implements AutoCloseable {
    static final int READ = 1;
    static final int READ_WRITE = 3;

    private static final int MAP_SHARED_FIXED = 0x11;
    private static final int RESERVE = 0x4022;
    private static final int MAP_FIXED = 0x10;

    /// A wish. Where something else lies in the same GiB, the kernel has a table for it and looks
    /// at each 2 MiB of it on the way, which takes half as long again.
    private static final long FAR_AWAY = 0x3000_0000_0000L;

    private static final long PAGE = PageSize.BASE_BYTES;

    private static final MethodHandle MMAP =
            bind("mmap", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
    private static final MethodHandle MUNMAP = bind("munmap", JAVA_INT, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle MPROTECT =
            bind("mprotect", JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT);
    private static final MethodHandle MEMFD = bind("memfd_create", JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle FTRUNCATE = bind("ftruncate", JAVA_INT, JAVA_INT, JAVA_LONG);
    private static final MethodHandle CLOSE = bind("close", JAVA_INT, JAVA_INT);
    private static final MethodHandle READV = bindTransfer("process_vm_readv");
    private static final MethodHandle WRITEV = bindTransfer("process_vm_writev");

    private final int pid = (int) ProcessHandle.current().pid();
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment vectors = arena.allocate(32, 8);
    private final int file;
    private final long bytes;
    private final long window;

    /// Reserves a window as large as the file.
    BareCalls(long bytes) {
        this.bytes = bytes;
        try {
            file = (int) MEMFD.invokeExact(arena.allocateFrom("bare"), 1);
            require((int) FTRUNCATE.invokeExact(file, bytes));
            window = (long) MMAP.invokeExact(FAR_AWAY, bytes, 0, RESERVE, -1, 0L);
            require(window);
        } catch (Throwable failed) {
            throw new AssertionError(failed);
        }
    }

    void map(long page, long count, int protection, long filePage) {
        try {
            require(
                    (long)
                            MMAP.invokeExact(
                                    window + page * PAGE,
                                    count * PAGE,
                                    protection,
                                    MAP_SHARED_FIXED,
                                    file,
                                    filePage * PAGE));
        } catch (Throwable failed) {
            throw new AssertionError(failed);
        }
    }

    void protect(long page, long count, int protection) {
        try {
            require((int) MPROTECT.invokeExact(window + page * PAGE, count * PAGE, protection));
        } catch (Throwable failed) {
            throw new AssertionError(failed);
        }
    }

    void unmap(long page, long count) {
        try {
            require(
                    (long)
                            MMAP.invokeExact(
                                    window + page * PAGE,
                                    count * PAGE,
                                    0,
                                    RESERVE | MAP_FIXED,
                                    -1,
                                    0L));
        } catch (Throwable failed) {
            throw new AssertionError(failed);
        }
    }

    /// @return how many bytes were moved, or -1
    long read(long offset, MemorySegment own, long length) {
        describe(offset, own, length);
        try {
            return (long) READV.invokeExact(pid, vectors, 1L, vectors.asSlice(16), 1L, 0L);
        } catch (Throwable failed) {
            throw new AssertionError(failed);
        }
    }

    /// @return how many bytes were moved, or -1
    long write(long offset, MemorySegment own, long length) {
        describe(offset, own, length);
        try {
            return (long) WRITEV.invokeExact(pid, vectors, 1L, vectors.asSlice(16), 1L, 0L);
        } catch (Throwable failed) {
            throw new AssertionError(failed);
        }
    }

    /// The window as memory; only pages that are mapped may be touched.
    MemorySegment memory() {
        return MemorySegment.ofAddress(window).reinterpret(bytes);
    }

    private void describe(long offset, MemorySegment own, long length) {
        vectors.set(JAVA_LONG, 0, own.address());
        vectors.set(JAVA_LONG, 8, length);
        vectors.set(JAVA_LONG, 16, window + offset);
        vectors.set(JAVA_LONG, 24, length);
    }

    @Override
    public void close() {
        arena.close();
        try {
            require((int) MUNMAP.invokeExact(window, bytes));
            require((int) CLOSE.invokeExact(file));
        } catch (Throwable failed) {
            throw new AssertionError(failed);
        }
    }

    private static void require(long result) {
        if (result < 0) {
            throw new AssertionError("a bare call failed");
        }
    }

    private static MethodHandle bindTransfer(String name) {
        return bind(name, JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG);
    }

    private static MethodHandle bind(String name, MemoryLayout result, MemoryLayout... arguments) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(
                linker.defaultLookup().find(name).orElseThrow(),
                FunctionDescriptor.of(result, arguments));
    }
}
