package io.jircon.vm;

import static io.jircon.vm.VmarFixture.PAGE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.jircon.hal.FrameAllocator;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.EnumSet;
import java.util.StringJoiner;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/// A machine with a pager, for the tests of pagers. Pages are counted, not bytes. Closing it checks
/// that every frame and every object came back, and that the page table shows what it may.
final class PagerScene implements AutoCloseable {
    final VmarFixture vm;
    final Pager pager;
    final PageRequestQueue queue = new PageRequestQueue();

    PagerScene() {
        this(UnaryOperator.identity());
    }

    PagerScene(UnaryOperator<FrameAllocator> wrapper) {
        vm = new VmarFixture(wrapper);
        pager = Pager.create(vm.machine);
    }

    /// An operation on a thread of its own.
    static final class Started<T> {
        private final FutureTask<T> task;
        private final Thread thread;

        private Started(Callable<T> operation) {
            task = new FutureTask<>(operation);
            thread = Thread.ofVirtual().start(task);
        }

        void interrupt() {
            thread.interrupt();
        }

        T result() throws InterruptedException {
            try {
                return task.get();
            } catch (ExecutionException e) {
                throw new AssertionError(e.getCause());
            }
        }

        /// Expects a refusal.
        ZxStatus refusal() throws InterruptedException {
            try {
                throw new AssertionError("succeeded with " + task.get());
            } catch (ExecutionException e) {
                if (e.getCause() instanceof ZxException refused) {
                    return refused.status();
                }
                throw new AssertionError(e.getCause());
            }
        }
    }

    static <T> Started<T> start(Callable<T> operation) {
        return new Started<>(operation);
    }

    static Started<String> run(Runnable operation) {
        return start(() -> {
            operation.run();
            return "done";
        });
    }

    /// The first byte of each page of a range, as a reader of the object gets them.
    static Started<String> read(VmObject vmo, long page, long pages) {
        return start(() -> text(vmo, page, pages));
    }

    static String text(VmObject vmo, long page, long pages) {
        byte[] bytes = vmo.read(page * PAGE, (int) (pages * PAGE));
        var text = new StringBuilder();
        for (int i = 0; i < pages; i++) {
            text.append(i == 0 ? "" : " ").append(bytes[i * (int) PAGE]);
        }
        return text.toString();
    }

    /// A pager-backed object with key 1.
    VmObject file(long pages, VmoOption... options) {
        return vm.closing(pager.createVmo(queue, 1, pages * PAGE, options));
    }

    /// A pager-backed object whose pages are there, and hold 1, 2, 3, ...
    VmObject supplied(int pages, VmoOption... options) {
        VmObject file = file(pages, options);
        supply(file, 0, IntStream.rangeClosed(1, pages).toArray());
        return file;
    }

    /// Maps an object from its start, to be read and written.
    long map(VmObject vmo, long pages) {
        return vm.root.map(VmarFixture.RW, 0, vmo, 0, pages * PAGE);
    }

    /// A snapshot of some pages of an object.
    VmObject clone(VmObject vmo, VmoChildOption type, long page, long pages) {
        return vm.closing(vmo.createChild(EnumSet.of(type), page * PAGE, pages * PAGE));
    }

    /// Scaled bytes of some objects, in pages.
    static String scaled(VmObject... objects) {
        var text = new StringJoiner(" ");
        for (Double pages : VmoFixture.scaled(objects)) {
            text.add(pages.toString());
        }
        return text.toString();
    }

    /// An object whose pages hold the given bytes; 0 stands for no page.
    VmObject contents(int... bytes) {
        VmObject aux = vm.vmo(bytes.length);
        for (int i = 0; i < bytes.length; i++) {
            if (bytes[i] != 0) {
                aux.write(i * PAGE, new byte[] {(byte) bytes[i]});
            }
        }
        return aux;
    }

    /// Takes the next request, which must ask for consent, and gives it.
    void consent(VmObject file, long page, long pages) throws InterruptedException {
        assertEquals("DIRTY " + page + "+" + pages, request());
        op(PagerOp.DIRTY, file, page, pages);
    }

    /// Supplies pages that hold the given bytes.
    void supply(VmObject file, long page, int... bytes) {
        try (VmObject aux = contents(bytes)) {
            pager.supplyPages(file, page * PAGE, bytes.length * PAGE, aux, 0);
        }
    }

    void op(PagerOp op, VmObject file, long page, long pages) {
        pager.opRange(op, file, page * PAGE, pages * PAGE, 0);
    }

    void fail(VmObject file, long page, long pages, ZxStatus status) {
        pager.opRange(PagerOp.FAIL, file, page * PAGE, pages * PAGE, status.value());
    }

    /// Starts and ends writing everything back.
    void writeBack(VmObject file) {
        long pages = file.sizeBytes() / PAGE;
        op(PagerOp.WRITEBACK_BEGIN, file, 0, pages);
        op(PagerOp.WRITEBACK_END, file, 0, pages);
    }

    /// What is dirty, as `0+2 3z+1`: first page and number of pages, `z` for zeros.
    String dirty(VmObject file) {
        var text = new StringBuilder();
        for (DirtyRange range : pager.queryDirtyRanges(file, 0, file.sizeBytes())) {
            text.append(text.isEmpty() ? "" : " ")
                    .append(range.offset() / PAGE)
                    .append(range.contents() == DirtyRange.Contents.ZEROS ? "z+" : "+")
                    .append(range.length() / PAGE);
        }
        return text.toString();
    }

    /// The next request, after waiting for it: `READ 0+2` for two pages from the first on.
    String request() throws InterruptedException {
        PageRequest request = queue.take();
        return request.command()
                + " "
                + request.offset() / PAGE
                + "+"
                + request.length() / PAGE
                + (request.key() == 1 ? "" : " of " + request.key());
    }

    /// Waits until so many operations wait for pages of an object.
    void untilWaiting(VmObject file, int count) {
        while (waiting(file) != count) {
            Thread.yield();
        }
    }

    private static int waiting(VmObject file) {
        file.lock().lock();
        try {
            return ((PagerStore) ((PagedVmo) file).store).waitingCount();
        } finally {
            file.lock().unlock();
        }
    }

    void requireNoRequest() {
        assertNull(queue.poll());
    }

    static long committedPages(VmObject vmo) {
        return vmo.info().committedBytes() / PAGE;
    }

    @Override
    public void close() {
        vm.root.checkInvariants();
        pager.close();
        vm.close();
        assertEquals(0, vm.machine.kernel().liveObjects(ObjectType.PAGER));
        assertEquals(0, vm.machine.kernel().liveObjects(ObjectType.VMO));
    }
}
