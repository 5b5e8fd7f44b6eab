package io.jircon.vm;

import static io.jircon.vm.PagerScene.run;
import static io.jircon.vm.PagerScene.start;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.RW;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.AccessKind;
import io.jircon.kobject.ZxStatus;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Programs, a pager's thread and a thread that writes back, all at once.
@Timeout(120)
class VmarPagerRaceTest {
    private static final int PAGES = 8;

    private final PagerScene scene = new PagerScene();
    private final VmarFixture vm = scene.vm;

    @AfterEach
    void tearDown() {
        scene.close();
    }

    /// The pager's thread: brings pages that hold what the store holds, and consents to all writes.
    private PagerScene.Started<String> serve(VmObject file, byte[] store) {
        return start(() -> {
            while (true) {
                PageRequest request = scene.queue.take();
                switch (request.command()) {
                    case READ -> bring(file, store, request);
                    case DIRTY -> consent(file, request);
                    case COMPLETE -> {
                        return "complete";
                    }
                }
            }
        });
    }

    private void bring(VmObject file, byte[] store, PageRequest request) {
        int[] bytes = new int[(int) (request.length() / PAGE)];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = store[(int) (request.offset() / PAGE) + i];
        }
        scene.supply(file, request.offset() / PAGE, bytes);
    }

    private void consent(VmObject file, PageRequest request) {
        scene.pager.opRange(PagerOp.DIRTY, file, request.offset(), request.length(), 0);
    }

    private void writeBack(VmObject file, byte[] store) {
        for (DirtyRange range : scene.pager.queryDirtyRanges(file, 0, PAGES * PAGE)) {
            scene.pager.opRange(PagerOp.WRITEBACK_BEGIN, file, range.offset(), range.length(), 0);
            for (long at = range.offset(); at < range.offset() + range.length(); at += PAGE) {
                store[(int) (at / PAGE)] = file.read(at, 1)[0];
            }
            scene.pager.opRange(PagerOp.WRITEBACK_END, file, range.offset(), range.length(), 0);
        }
    }

    @Test
    @Tag("O-257")
    @Tag("O-288")
    @Tag("O-293")
    void whatIsCleanIsWhatTheStoreHolds() throws InterruptedException {
        for (int round = 0; round < 20; round++) {
            byte[] store = {1, 2, 3, 4, 0, 6, 7, 8};
            VmObject file = scene.file(PAGES, VmoOption.TRAP_DIRTY);
            long at = vm.root.map(RW, 0, file, 0, PAGES * PAGE);
            var server = serve(file, store);
            List<PagerScene.Started<String>> writers = new ArrayList<>();
            for (int writer = 0; writer < 3; writer++) {
                writers.add(run(program(file, at, new SplittableRandom(round * 3 + writer))));
            }
            var stop = new AtomicBoolean();
            var cleaner =
                    run(() -> {
                        while (!stop.get()) {
                            writeBack(file, store);
                            Thread.yield();
                        }
                    });
            for (var writer : writers) {
                writer.result();
            }
            stop.set(true);
            cleaner.result();
            vm.root.checkInvariants();
            writeBack(file, store);
            assertEquals("", scene.dirty(file));
            var kept = new StringBuilder();
            for (byte value : store) {
                kept.append(kept.isEmpty() ? "" : " ").append(value);
            }
            assertEquals(kept.toString(), PagerScene.text(file, 0, PAGES));
            vm.root.unmap(at, PAGES * PAGE);
            file.close();
            assertEquals("complete", server.result());
        }
    }

    private Runnable program(VmObject file, long at, SplittableRandom random) {
        return () -> {
            try (UserMemory memory = new UserMemory(vm.root, vm.hal.newMmu())) {
                for (int i = 0; i < 100; i++) {
                    int page = random.nextInt(PAGES);
                    byte value = (byte) random.nextInt(1, 100);
                    if (random.nextBoolean()) {
                        memory.writeByte(at + page * PAGE, value);
                    } else {
                        file.write(page * PAGE, new byte[] {value});
                    }
                }
            }
        };
    }

    @Test
    @Tag("O-278")
    @Tag("O-306")
    @Tag("pager.cc:VmarUnmap")
    @Tag("pager.cc:ReadDetachInterruptEarly")
    void nobodyWaitsForAPagerThatEndsAnyTime() throws InterruptedException {
        for (int round = 0; round < 200; round++) {
            Pager pager = Pager.create(vm.machine);
            try (VmObject file = pager.createVmo(new PageRequestQueue(), 1, PAGES * PAGE)) {
                long at = vm.root.map(RW, 0, file, 0, PAGES * PAGE);
                var reader = run(() -> file.read(0, PAGES * (int) PAGE));
                var fault = start(() -> vm.root.handlePageFault(at + PAGE, AccessKind.READ));
                if (round % 2 == 0) {
                    pager.close();
                    assertEquals(ZxStatus.BAD_STATE, fault.result());
                } else {
                    vm.root.unmap(at, PAGES * PAGE);
                    assertEquals(ZxStatus.NOT_FOUND, fault.result());
                    pager.detachVmo(file);
                }
                assertEquals(ZxStatus.BAD_STATE, reader.refusal());
                if (round % 2 == 0) {
                    vm.root.unmap(at, PAGES * PAGE);
                }
            }
            pager.close();
        }
    }
}
