package io.jircon.hal.npt;

import io.jircon.hal.AccessKind;
import io.jircon.hal.BuddyFrameAllocator;
import io.jircon.hal.FrameAllocator;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingException;
import io.jircon.hal.PhysicalMemory;
import io.jircon.hal.TlbInvalidator;
import io.jircon.hal.WalkResult;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/// A work bench for page tables: memory, an allocator that can be made to fail, a log of what is
/// flushed and freed in which order, and a naive picture of what a table holds.
final class Bench implements AutoCloseable {
    static final long BASE = 0x8000_0000L;

    final Arena arena = Arena.ofShared();
    final PhysicalMemory memory;
    final FrameAllocator frames;
    final List<String> events = new ArrayList<>();
    final TlbInvalidator invalidator = new Recorder();
    Runnable onFlush = () -> {};
    private final FrameAllocator real;
    private long quota = Long.MAX_VALUE;

    Bench() {
        this(1024);
    }

    Bench(int frameCount) {
        MemorySegment segment = arena.allocate((long) frameCount << 12, 4096);
        segment.fill((byte) 0xab); // frames are not zeroed by the allocator
        memory = new PhysicalMemory(segment, BASE);
        real = new BuddyFrameAllocator(memory);
        frames =
                (FrameAllocator)
                        Proxy.newProxyInstance(
                                getClass().getClassLoader(),
                                new Class<?>[] {FrameAllocator.class},
                                (proxy, method, args) -> {
                                    intercept(method.getName(), args);
                                    try {
                                        return method.invoke(real, args);
                                    } catch (java.lang.reflect.InvocationTargetException thrown) {
                                        throw thrown.getCause();
                                    }
                                });
    }

    private void intercept(String method, Object[] args) {
        if (method.startsWith("allocate")) {
            long wanted = args == null ? 1 : args.length == 3 ? (int) args[2] : (long) args[0];
            if (wanted > quota) {
                throw PagingException.noMemory("quota");
            }
            quota -= wanted;
        } else if (method.startsWith("free") && args != null) {
            events.add("free");
        }
    }

    /// Lets only so many more frames be taken.
    void limit(long frameCount) {
        quota = frameCount;
    }

    void unlimited() {
        quota = Long.MAX_VALUE;
    }

    long free() {
        return real.freeFrames();
    }

    NestedPageTable table(PagingFormat format) {
        return new NestedPageTable(format, memory, frames, invalidator, 7);
    }

    @Override
    public void close() {
        arena.close();
    }

    /// What a table holds, leaf by leaf.
    static TreeMap<Long, String> leaves(NestedPageTable table, long vaddr, long size) {
        var found = new TreeMap<Long, String>();
        table.forEachLeaf(
                vaddr,
                size,
                (at, paddr, pageSize, flags) ->
                        found.put(at, Long.toHexString(paddr) + " " + pageSize + " " + flags));
        return found;
    }

    /// What a table holds, base page by base page.
    static TreeMap<Long, String> pages(NestedPageTable table, long vaddr, long size) {
        var found = new TreeMap<Long, String>();
        table.forEachLeaf(
                vaddr,
                size,
                (at, paddr, pageSize, flags) -> {
                    for (long off = 0; off < pageSize.bytes(); off += PageSize.BASE_BYTES) {
                        long page = at + off;
                        if (page - vaddr >= 0 && page - vaddr < size) {
                            found.put(page, page(paddr + off, flags));
                        }
                    }
                });
        return found;
    }

    static String page(long paddr, MmuFlags flags) {
        return Long.toHexString(paddr) + " " + flags;
    }

    static boolean walks(NestedPageTable table, long vaddr, AccessKind access) {
        return table.hardwareWalk(vaddr, access, new WalkResult());
    }

    private final class Recorder implements TlbInvalidator {
        @Override
        public void flushPages(int tag, long[] vaddrs, byte[] shifts, int count) {
            onFlush.run();
            for (int i = 0; i < count; i++) {
                events.add("flush " + Long.toHexString(vaddrs[i]) + "/" + shifts[i]);
            }
        }

        @Override
        public void flushAll(int tag) {
            onFlush.run();
            events.add("flush all");
        }

        @Override
        public void release(int tag) {
            events.add("release " + tag);
        }
    }
}
