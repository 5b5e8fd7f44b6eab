package io.jircon.vm;

import static io.jircon.vm.PagerScene.start;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.RW;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.PagerScene.Started;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Snapshots below a pager-backed object, made, used and ended by several threads while others
/// write to what they show, and while the pager brings pages, refuses them, or goes.
///
/// Pages hold a number each. The one who writes to what is above counts upwards, so that whoever
/// sees a page change knows in which order.
@Timeout(120)
class VmarPagerSnapshotRaceTest {
    private static final int PAGES = 6;
    private static final VmoChildOption FOLLOWS = VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE;
    private static final VmoChildOption MODIFIED = VmoChildOption.SNAPSHOT_MODIFIED;

    /// What the pager brings.
    private static final long BROUGHT = 1;

    /// Less than what snapshots have of their own, greater than what is written above them.
    private static final long OWN = 1L << 32;

    private final PagerScene scene = new PagerScene();
    private final VmarFixture vm = scene.vm;

    @AfterEach
    void tearDown() {
        scene.close();
    }

    private static byte[] bytes(long... values) {
        ByteBuffer buffer =
                ByteBuffer.allocate(values.length * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (long value : values) {
            buffer.putLong(value);
        }
        return buffer.array();
    }

    private static long valueAt(VmObject vmo, long offset) {
        return ByteBuffer.wrap(vmo.read(offset, Long.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN)
                .getLong();
    }

    /// An object and a mapping of it: what is done is done by either.
    private final class Either implements AutoCloseable {
        private final VmObject vmo;
        private final long pages;
        private final SplittableRandom random;
        private final UserMemory memory = new UserMemory(vm.root, vm.hal.newMmu());
        private final long at;

        Either(VmObject vmo, SplittableRandom random) {
            this.vmo = vmo;
            this.random = random;
            pages = vmo.sizeBytes() / PAGE;
            at = scene.map(vmo, pages);
        }

        long get(int page) {
            return random.nextBoolean()
                    ? memory.readLong(at + page * PAGE)
                    : valueAt(vmo, page * PAGE);
        }

        void put(int page, long value) {
            if (random.nextBoolean()) {
                memory.writeLong(at + page * PAGE, value);
            } else {
                vmo.write(page * PAGE, bytes(value));
            }
        }

        /// Ends the mapping only.
        @Override
        public void close() {
            memory.close();
            vm.root.unmap(at, pages * PAGE);
        }
    }

    /// The pager's thread: brings what it is asked for.
    private Started<String> serve(VmObject file) {
        return start(() -> {
            while (true) {
                PageRequest request = scene.queue.take();
                if (request.command() == PageRequest.Command.COMPLETE) {
                    return "complete";
                }
                bring(scene.pager, file, request.offset() / PAGE, request.length() / PAGE);
            }
        });
    }

    private void bring(Pager pager, VmObject file, long page, long pages) {
        try (VmObject source = VmObject.create(vm.machine, pages * PAGE)) {
            for (long i = 0; i < pages; i++) {
                source.write(i * PAGE, bytes(BROUGHT));
            }
            pager.supplyPages(file, page * PAGE, pages * PAGE, source, 0);
        }
    }

    private VmObject child(VmObject parent, VmoChildOption type, long page, long pages) {
        return parent.createChild(EnumSet.of(type), page * PAGE, pages * PAGE);
    }

    /// Runs some tasks to their ends while others go on until then.
    private static void during(List<Runnable> tasks, AtomicBoolean over, List<Runnable> meanwhile)
            throws InterruptedException {
        List<Started<String>> background = meanwhile.stream().map(PagerScene::run).toList();
        List<Started<String>> started = tasks.stream().map(PagerScene::run).toList();
        try {
            for (Started<String> task : started) {
                task.result();
            }
        } finally {
            over.set(true);
        }
        for (Started<String> task : background) {
            task.result();
        }
    }

    // ---- what follows the root

    @Test
    @Tag("O-161")
    @Tag("O-103")
    @Tag("O-295")
    @Tag("O-309")
    void aPageFollowsTheRootUntilItIsTheSnapshotsOwn() throws InterruptedException {
        for (int round = 0; round < 8; round++) {
            var random = new SplittableRandom(round);
            VmObject file = scene.file(PAGES);
            var server = serve(file);
            VmObject watched = child(file, FOLLOWS, 0, PAGES);
            var watch = new Either(watched, random.split());
            var over = new AtomicBoolean();
            during(
                    List.of(follower(file, 1, random.split()), follower(file, 2, random.split())),
                    over,
                    List.of(
                            rootWriter(file, random.split(), over),
                            cleaner(file, over),
                            watcher(watch, over)));
            vm.root.checkInvariants();
            watch.close();
            watched.close();
            file.close();
            assertEquals("complete", server.result());
        }
    }

    /// Writes greater and greater numbers, and zeros.
    private Runnable rootWriter(VmObject file, SplittableRandom random, AtomicBoolean over) {
        return () -> {
            try (var root = new Either(file, random)) {
                for (long n = BROUGHT + 1; !over.get(); n++) {
                    int page = random.nextInt(PAGES);
                    if (random.nextInt(4) == 0) {
                        file.zero(page * PAGE, PAGE);
                    } else {
                        root.put(page, n);
                        assertEquals(n, root.get(page), "nobody else writes to the root");
                    }
                }
            }
        };
    }

    /// Has zeros forgotten, so that the pager is asked again.
    private Runnable cleaner(VmObject file, AtomicBoolean over) {
        return () -> {
            while (!over.get()) {
                ZxStatus status = status(() -> scene.writeBack(file));
                assertTrue(status == ZxStatus.OK || file.isResizable(), status.toString());
                Thread.yield();
            }
        };
    }

    private Runnable follower(VmObject file, int id, SplittableRandom random) {
        return () -> {
            long[] last = new long[PAGES];
            for (int i = 0; i < 40; i++) {
                int shift = random.nextInt(3);
                int pages = PAGES - shift;
                VmObject snapshot = child(file, FOLLOWS, shift, pages);
                try (var both = new Either(snapshot, random)) {
                    for (int look = 0; look < 8; look++) {
                        int page = random.nextInt(pages);
                        last[page + shift] = requireRoots(last[page + shift], both.get(page));
                    }
                    own(both, OWN + id * 1000L + i, random.nextInt(pages - 2));
                    if (random.nextBoolean()) {
                        snapshot.close(); // the mapping holds it
                        both.memory.writeLong(both.at, OWN);
                    }
                }
                snapshot.close();
            }
        };
    }

    /// Never has a page of its own; its entries are there to be checked at the end.
    private Runnable watcher(Either watch, AtomicBoolean over) {
        return () -> {
            long[] last = new long[PAGES];
            for (int look = 0; !over.get(); look++) {
                int page = look % PAGES;
                last[page] = requireRoots(last[page], watch.get(page));
            }
        };
    }

    /// A page of the root's is zero, as it was brought, or no older than seen before.
    private static long requireRoots(long last, long value) {
        boolean isNew = value == 0 || value == BROUGHT;
        assertTrue(isNew || (value >= last && value < OWN), value + " after " + last);
        return Math.max(last, value);
    }

    /// Makes three pages the snapshot's own: by writing, by zeroing, by committing.
    private static void own(Either both, long own, int first) {
        both.put(first, own);
        both.vmo.zero((first + 1) * PAGE, PAGE);
        both.vmo.commit((first + 2) * PAGE, PAGE);
        long kept = both.get(first + 2);
        for (int look = 0; look < 5; look++) {
            assertEquals(own, both.get(first), "written");
            assertEquals(0, both.get(first + 1), "zeroed");
            assertEquals(kept, both.get(first + 2), "committed");
        }
    }

    // ---- what shows one moment

    @Test
    @Tag("O-157")
    @Tag("O-160")
    @Tag("O-163")
    void aSnapshotOfWrittenPagesIsOneMoment() throws InterruptedException {
        for (int round = 0; round < 5; round++) {
            var random = new SplittableRandom(round);
            VmObject file = scene.file(PAGES);
            var server = serve(file);
            VmObject clone = child(file, FOLLOWS, 0, PAGES);
            clone.write(0, new byte[3 * (int) PAGE]);
            var over = new AtomicBoolean();
            during(
                    List.of(observer(clone, 1, random.split()), observer(clone, 2, random.split())),
                    over,
                    List.of(
                            cloneWriter(clone, random.split(), over),
                            rootWriter(file, random.split(), over)));
            vm.root.checkInvariants();
            assertEquals(valueAt(clone, PAGE), valueAt(clone, PAGE - Long.BYTES));
            clone.close();
            file.close();
            assertEquals("complete", server.result());
        }
    }

    /// Counts where pages 0 and 1 meet, by one call, then on page 2 by a mapping.
    private Runnable cloneWriter(VmObject clone, SplittableRandom random, AtomicBoolean over) {
        return () -> {
            try (var both = new Either(clone, random)) {
                for (long n = 1; !over.get(); n++) {
                    clone.write(PAGE - Long.BYTES, bytes(n, n));
                    both.memory.writeLong(both.at + 2 * PAGE, n);
                    assertEquals(n, both.get(1), "nobody else writes to the clone");
                }
            }
        };
    }

    private Runnable observer(VmObject clone, int id, SplittableRandom random) {
        return () -> {
            for (int i = 0; i < 40; i++) {
                try (VmObject snapshot = child(clone, MODIFIED, 0, PAGES);
                        var both = new Either(snapshot, random)) {
                    long moment = both.get(1);
                    for (int look = 0; look < 4; look++) {
                        assertEquals(moment, both.get(1), "page 1");
                        assertEquals(moment, valueAt(snapshot, PAGE - Long.BYTES), "page 0");
                        long behind = moment - both.get(2);
                        assertTrue(behind == 0 || behind == 1, "page 2 is behind by " + behind);
                        requireRoots(0, both.get(4));
                    }
                    both.put(1, OWN + id);
                    try (VmObject copy = child(snapshot, MODIFIED, 1, 2)) {
                        both.put(1, OWN);
                        assertEquals(OWN + id, valueAt(copy, 0));
                    }
                    assertEquals(OWN, both.get(1));
                }
            }
        };
    }

    // ---- the pager's end

    /// How the pager leaves those who wait alone.
    private enum End {
        DETACH,
        CLOSE,
        FAIL_AND_DETACH,
        BRING_AND_CLOSE,
        CLOSE_FILE_TOO
    }

    @Test
    @Tag("O-284")
    @Tag("O-304")
    @Tag("O-306")
    @Tag("O-309")
    void whoeverWaitsByASnapshotIsAnsweredWhenThePagerGoes() throws InterruptedException {
        for (int round = 0; round < 100; round++) {
            End end = End.values()[round % End.values().length];
            Pager pager = Pager.create(vm.machine);
            VmObject file = pager.createVmo(new PageRequestQueue(), 1, PAGES * PAGE);
            VmObject clone = child(file, FOLLOWS, 0, PAGES);
            VmObject snapshot = child(clone, MODIFIED, 0, PAGES);
            long at = scene.map(snapshot, PAGES);
            long ofClone = scene.map(clone, PAGES);
            List<Started<ZxStatus>> waiters =
                    List.of(
                            start(() -> status(() -> clone.read(0, PAGES * (int) PAGE))),
                            start(() -> status(() -> snapshot.write(PAGE + 7, bytes(1)))),
                            start(() -> status(() -> snapshot.commit(0, PAGES * PAGE))),
                            start(() -> status(() -> clone.zero(7, 3 * PAGE))),
                            start(() -> vm.root.handlePageFault(at + PAGE, AccessKind.READ)),
                            start(() -> vm.root.handlePageFault(ofClone, AccessKind.WRITE, 3)));
            if (round % 2 == 0) {
                scene.untilWaiting(file, waiters.size());
            }
            leave(end, pager, file);
            for (Started<ZxStatus> waiter : waiters) {
                assertTrue(answers(end).contains(waiter.result()), end + ": " + waiter.result());
            }
            vm.root.checkInvariants();
            clone.zero(0, PAGES * PAGE);
            assertEquals(0, valueAt(clone, 5 * PAGE));
            vm.root.unmap(at, PAGES * PAGE);
            vm.root.unmap(ofClone, PAGES * PAGE);
            snapshot.close();
            clone.close();
            file.close();
            pager.close();
        }
    }

    private void leave(End end, Pager pager, VmObject file) {
        switch (end) {
            case DETACH -> pager.detachVmo(file);
            case CLOSE -> pager.close();
            case FAIL_AND_DETACH -> {
                long failure = ZxStatus.IO.value();
                pager.opRange(PagerOp.FAIL, file, 0, PAGES * PAGE, failure);
                pager.detachVmo(file);
            }
            case BRING_AND_CLOSE -> {
                bring(pager, file, 0, 3);
                pager.close();
            }
            case CLOSE_FILE_TOO -> {
                file.close();
                pager.close();
            }
        }
    }

    private static Set<ZxStatus> answers(End end) {
        return switch (end) {
            case DETACH, CLOSE, CLOSE_FILE_TOO -> EnumSet.of(ZxStatus.BAD_STATE);
            case FAIL_AND_DETACH -> EnumSet.of(ZxStatus.IO, ZxStatus.BAD_STATE);
            case BRING_AND_CLOSE -> EnumSet.of(ZxStatus.OK, ZxStatus.BAD_STATE);
        };
    }

    private static ZxStatus status(Runnable call) {
        try {
            call.run();
            return ZxStatus.OK;
        } catch (ZxException e) {
            return e.status();
        }
    }

    // ---- everything at once

    /// What somebody may be told whose object others close, cut and pin at any time.
    private static final Set<ZxStatus> ANSWERS =
            EnumSet.of(
                    ZxStatus.OK,
                    ZxStatus.BAD_HANDLE,
                    ZxStatus.BAD_STATE,
                    ZxStatus.OUT_OF_RANGE,
                    ZxStatus.NOT_FOUND,
                    ZxStatus.NOT_SUPPORTED,
                    ZxStatus.IO);

    @Test
    @Tag("O-5")
    @Tag("O-168")
    @Tag("O-308")
    void whateverThreadsDoToAFamilyEverythingComesBack() throws InterruptedException {
        for (int round = 0; round < 12; round++) {
            var random = new SplittableRandom(round);
            VmObject file = scene.file(PAGES, VmoOption.RESIZABLE);
            var server = serveAnyhow(file, random.split());
            var family = new Family(file);
            var over = new AtomicBoolean();
            during(
                    List.of(
                            family.user(random.split()),
                            family.user(random.split()),
                            family.user(random.split())),
                    over,
                    List.of(cleaner(file, over)));
            vm.root.checkInvariants();
            family.close();
            file.close();
            assertEquals("complete", server.result());
        }
    }

    /// Brings what it is asked for, or less, or nothing, or leaves.
    private Started<String> serveAnyhow(VmObject file, SplittableRandom random) {
        return start(() -> {
            while (true) {
                PageRequest request = scene.queue.take();
                if (request.command() == PageRequest.Command.COMPLETE) {
                    return "complete";
                }
                long page = request.offset() / PAGE;
                ZxStatus status = ZxStatus.OUT_OF_RANGE;
                while (status == ZxStatus.OUT_OF_RANGE) { // the file may be cut meanwhile
                    long left = file.sizeBytes() / PAGE - page;
                    long pages = Math.min(request.length() / PAGE, left);
                    status =
                            pages <= 0
                                    ? ZxStatus.OK
                                    : status(() -> answer(file, page, pages, random));
                }
            }
        });
    }

    private void answer(VmObject file, long page, long pages, SplittableRandom random) {
        switch (random.nextInt(100)) {
            case 0 -> scene.pager.detachVmo(file);
            case 1, 2, 3, 4, 5 -> scene.fail(file, page, pages, ZxStatus.IO);
            default -> {
                bring(scene.pager, file, page, 1);
                bring(scene.pager, file, page, pages);
            }
        }
    }

    /// A file and the snapshots below it, mapped, which threads share.
    private final class Family {
        private record Member(VmObject vmo, long at) {}

        private static final long MAPPED = 2 * PAGES * PAGE;

        private final List<Member> members = new ArrayList<>();

        Family(VmObject file) {
            add(file);
        }

        private void add(VmObject vmo) {
            Member made = new Member(vmo, vm.root.map(RW, 0, vmo, 0, MAPPED));
            synchronized (members) {
                members.add(made);
            }
        }

        private Member any(SplittableRandom random) {
            synchronized (members) {
                return members.get(random.nextInt(members.size()));
            }
        }

        private void end(Member member) {
            synchronized (members) {
                if (!members.remove(member)) {
                    return; // somebody else is quicker
                }
            }
            member.vmo.close();
            vm.root.unmap(member.at, MAPPED);
        }

        Runnable user(SplittableRandom random) {
            return () -> {
                for (int i = 0; i < 250; i++) {
                    Member member = any(random);
                    ZxStatus status = status(() -> act(member, random));
                    assertTrue(ANSWERS.contains(status), status.toString());
                }
            };
        }

        private void act(Member member, SplittableRandom random) {
            VmObject vmo = member.vmo;
            long offset = random.nextInt(PAGES) * PAGE;
            long len = (1 + random.nextInt(3)) * PAGE;
            long at = member.at + offset;
            switch (random.nextInt(14)) {
                case 0, 1 -> makeChild(vmo, offset, random);
                case 2, 3 -> {
                    if (member != members.getFirst()) {
                        end(member);
                    }
                }
                case 4 -> vmo.zero(offset + random.nextInt(9), len);
                case 5 -> vmo.commit(offset, len);
                case 6 -> vmo.setSize((3 + random.nextInt(PAGES)) * PAGE + random.nextInt(9));
                case 7 -> vmo.pin(offset, len).close();
                case 8 -> vmo.read(offset, (int) len);
                case 9 -> vmo.write(offset + 9, new byte[(int) len]);
                case 10 -> vmo.decommit(offset, len);
                case 11 -> vm.root.opRange(VmarOp.COMMIT, at, PAGE);
                default -> {
                    ZxStatus status =
                            vm.root.handlePageFault(
                                    at, random.nextBoolean() ? AccessKind.READ : AccessKind.WRITE);
                    assertTrue(ANSWERS.contains(status), status.toString());
                }
            }
        }

        private void makeChild(VmObject vmo, long offset, SplittableRandom random) {
            VmoChildOption type = random.nextBoolean() ? FOLLOWS : MODIFIED;
            add(vmo.createChild(EnumSet.of(type, VmoChildOption.RESIZABLE), offset, PAGES * PAGE));
        }

        void close() {
            for (Member member : List.copyOf(members)) {
                end(member);
            }
        }
    }
}
