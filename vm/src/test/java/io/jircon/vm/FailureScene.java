package io.jircon.vm;

import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.RWX_SPECIFIC;
import static io.jircon.vm.VmarFixture.SPECIFIC;
import static io.jircon.vm.VmarFixture.mapAt;

import io.jircon.hal.AccessKind;
import io.jircon.hal.Hal;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.SequencedSet;
import java.util.function.Consumer;
import java.util.function.Function;

/// A machine in some state, whose frames and page tables can be made to fail, for the suites that
/// run one operation with every failure.
final class FailureScene implements AutoCloseable {
    private static final int PAGES = 2048;

    /// The pager has brought no page from this one on.
    private static final int BROUGHT = 2000;

    private static final VmoOption RESIZABLE = VmoOption.RESIZABLE;
    private static final VmoChildOption FOLLOWS = VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE;

    /// What is in the address space before the operation.
    enum Setting {
        /// A mapping of 2048 pages without entries.
        MAPPED(scene -> mapAt(scene.region, 0, RW, scene.vmo, 0, PAGES)),

        /// The same, some pages written.
        TOUCHED(scene -> {
            mapAt(scene.region, 0, RW, scene.vmo, 0, PAGES);
            scene.touch();
        }),

        /// Several mappings with permissions that differ, in the region and in a sub-region.
        SPLIT(scene -> {
            VmAddressRegion inner = VmarFixture.child(scene.region, 600, 600);
            mapAt(scene.region, 0, RW, scene.vmo, 0, 600);
            mapAt(inner, 0, RW, scene.vmo, 600, 600);
            mapAt(scene.region, 1200, RW, scene.vmo, 1200, PAGES - 1200);
            scene.touch();
            scene.region.protect(R, scene.base + 300 * PAGE, 100 * PAGE);
            scene.region.protect(VmarFlags.NONE, scene.base + 1500 * PAGE, PAGE);
            scene.vm.read(scene.base + 300 * PAGE);
        }),

        /// The pages shared with a snapshot that is mapped in the root.
        SNAPSHOT(scene -> {
            mapAt(scene.region, 0, RW, scene.vmo, 0, PAGES);
            scene.touch();
            VmObject copy = scene.vm.closing(scene.vmo.createSnapshot(0, PAGES * PAGE));
            long at = scene.vm.root.map(RW, 0, copy, 0, PAGES * PAGE);
            scene.vm.read(at);
            scene.vm.poke(at + 300 * PAGE, 5);
        }),

        /// An object with a pager: dirty pages, clean ones, zeros, some being written back, and
        /// pages that were never brought. A snapshot shows most of it, and one of that more.
        PAGER_ROOT(
                FailureScene::newFile,
                scene -> {
                    mapAt(scene.region, 0, RW, scene.vmo, 0, PAGES);
                    scene.touch();
                    scene.startWriteback();
                    VmObject snapshot = scene.mapChild(scene.vmo, FOLLOWS, 0, PAGES);
                    scene.mapChild(snapshot, FOLLOWS, 299, 700);
                }),

        /// A snapshot of such an object, with a snapshot below that shows its pages.
        PAGER_CLONE(
                scene -> scene.newChild(scene.newFile(), FOLLOWS, 0, PAGES),
                scene -> {
                    mapAt(scene.region, 0, RW, scene.vmo, 0, PAGES);
                    scene.touch();
                    scene.mapChild(scene.vmo, FOLLOWS, 0, PAGES);
                }),

        /// A snapshot of such an object that shares its pages with a snapshot of its own.
        PAGER_SNAPSHOT(
                scene -> scene.newChild(scene.newFile(), FOLLOWS, 0, PAGES),
                scene -> {
                    mapAt(scene.region, 0, RW, scene.vmo, 0, PAGES);
                    scene.touch();
                    scene.vmo.zero(1300 * PAGE, 20 * PAGE);
                    scene.mapChild(scene.vmo, VmoChildOption.SNAPSHOT_MODIFIED, 0, PAGES);
                }),

        /// A discardable object, some pages written, that may be discarded.
        DISCARDABLE(
                FailureScene::newDiscardable,
                scene -> {
                    scene.region.map(
                            RW.with(VmarFlags.ALLOW_FAULTS).with(SPECIFIC),
                            0,
                            scene.vmo,
                            0,
                            PAGES * PAGE);
                    scene.touch();
                    scene.vmo.lockContents();
                    scene.vmo.unlockContents();
                }),

        /// Physical memory, entered eagerly, so with large pages where the machine has them.
        PHYSICAL(scene -> {
            VmObject device =
                    scene.vm.closing(
                            VmObject.createPhysical(
                                    scene.vm.machine,
                                    0x4000_0000,
                                    PAGES * PAGE,
                                    CachePolicy.CACHED));
            scene.region.map(
                    RW.with(VmarFlags.MAP_RANGE).with(SPECIFIC), 0, device, 0, PAGES * PAGE);
        });

        private final Function<FailureScene, VmObject> object;
        private final Consumer<FailureScene> prepare;

        Setting(Consumer<FailureScene> prepare) {
            this(scene -> VmObject.create(scene.vm.machine, PAGES * PAGE, RESIZABLE), prepare);
        }

        Setting(Function<FailureScene, VmObject> object, Consumer<FailureScene> prepare) {
            this.object = object;
            this.prepare = prepare;
        }

        boolean hasPager() {
            return name().startsWith("PAGER");
        }
    }

    /// What is done, once, to a range that starts and ends in the middle of things.
    enum Operation {
        ALLOCATE(scene -> scene.vm.root.allocate(RWX_SPECIFIC, 0, PAGE)),
        MAP(scene -> scene.vm.root.map(RW, 0, scene.vmo, 0, PAGE)),
        MAP_RANGE(scene ->
                scene.vm.root.map(
                        R.with(VmarFlags.MAP_RANGE), 0, scene.vmo, 0, scene.vmo.sizeBytes())),
        OVERWRITE(scene ->
                scene.region.map(
                        RW.with(VmarFlags.SPECIFIC_OVERWRITE),
                        100 * PAGE,
                        scene.vmo,
                        0,
                        300 * PAGE)),
        UNMAP(scene -> scene.region.unmap(scene.base + 5 * PAGE, 1400 * PAGE)),
        PROTECT_TO_READ(scene -> scene.protect(R)),
        PROTECT_TO_NOTHING(scene -> scene.protect(VmarFlags.NONE)),
        PROTECT_TO_EXECUTE(scene ->
                scene.region.protect(VmarFlags.READ_EXECUTE, scene.base + PAGE, 550 * PAGE)),
        DESTROY(scene -> scene.region.destroy()),
        COMMIT(scene -> scene.op(VmarOp.COMMIT, 500)),
        DECOMMIT(scene -> scene.op(VmarOp.DECOMMIT, 500)),
        OP_MAP_RANGE(scene -> scene.op(VmarOp.MAP_RANGE, 500)),
        ZERO(scene -> scene.op(VmarOp.ZERO, 500)),
        DONT_NEED(scene -> scene.op(VmarOp.DONT_NEED, 500)),
        ALWAYS_NEED(scene -> scene.op(VmarOp.ALWAYS_NEED, 500)),
        PREFETCH(scene -> scene.op(VmarOp.PREFETCH, 500)),
        READ_FAULT(AccessKind.READ, 1),
        WRITE_FAULT(AccessKind.WRITE, 1),
        FETCH_FAULT(AccessKind.EXECUTE, 1),
        RANGE_READ_FAULT(AccessKind.READ, 30),
        RANGE_WRITE_FAULT(AccessKind.WRITE, 30),
        VMO_WRITE(scene -> scene.vmo.write(299 * PAGE + 7, new byte[(int) (3 * PAGE)])),
        VMO_COMMIT(scene -> scene.vmo.commit(299 * PAGE, 400 * PAGE)),
        VMO_DECOMMIT(scene -> scene.vmo.decommit(299 * PAGE, 400 * PAGE)),
        VMO_ZERO(scene -> scene.vmo.zero(300 * PAGE + 7, 600 * PAGE)),
        GROW(scene -> scene.vmo.setSize((PAGES + 10) * PAGE + 7)),
        SHRINK(scene -> scene.vmo.setSize(900 * PAGE + 7)),
        SET_STREAM_SIZE(scene -> scene.vmo.setStreamSize(900 * PAGE + 7)),
        PIN(scene -> scene.pinned.add(scene.vmo.pin(299 * PAGE, 10 * PAGE))),
        TAKE_SNAPSHOT(scene -> scene.vm.closing(scene.vmo.createSnapshot(299 * PAGE, 700 * PAGE))),
        TAKE_FOLLOWER(scene -> scene.newChild(scene.vmo, FOLLOWS, 299, 700)),
        TAKE_MODIFIED(
                scene -> scene.newChild(scene.vmo, VmoChildOption.SNAPSHOT_MODIFIED, 299, 700)),
        RECLAIM(scene -> scene.vmo.reclaim()),
        CLOSE(scene -> scene.vmo.close()),
        DEBUG_WRITE(scene ->
                scene.vm.root.writeMemory(
                        scene.base + PAGE, MemorySegment.ofArray(new byte[] {1}))),
        PAGER_SUPPLY(scene ->
                scene.pager.supplyPages(
                        scene.file(), BROUGHT * PAGE, 10 * PAGE, scene.source(), 0)),
        PAGER_WRITEBACK_BEGIN(scene -> scene.pagerOp(PagerOp.WRITEBACK_BEGIN)),
        PAGER_WRITEBACK_END(scene -> scene.pagerOp(PagerOp.WRITEBACK_END)),
        PAGER_DETACH(scene -> scene.pager.detachVmo(scene.file())),
        PAGER_FILE_ZERO(scene -> scene.file().zero(250 * PAGE + 7, 800 * PAGE)),
        PAGER_FILE_WRITE(scene -> scene.file().write(299 * PAGE + 7, new byte[3 * (int) PAGE])),
        PAGER_FILE_SHRINK(scene -> scene.file().setSize(900 * PAGE + 7)),

        /// Ends the snapshot that is left to its mapping.
        PAGER_UNMAP_SNAPSHOT(scene -> scene.vm.root.unmap(scene.mappedAt, 700 * PAGE));

        private final Function<FailureScene, ZxStatus> run;

        Operation(Consumer<FailureScene> call) {
            run =
                    scene -> {
                        call.accept(scene);
                        return ZxStatus.OK;
                    };
        }

        /// A fault on some pages, of two tables if they are several.
        Operation(AccessKind access, long pages) {
            long offset = pages == 1 ? 0 : 500 * PAGE;
            run = scene -> scene.vm.root.handlePageFault(scene.base + offset, access, pages);
        }

        /// Whether there is anything to do in a setting.
        boolean isFor(Setting setting) {
            return setting.hasPager() || !name().startsWith("PAGER");
        }

        /// Does it.
        ///
        /// @return the status, thrown ones too
        ZxStatus run(FailureScene scene) {
            try {
                return run.apply(scene);
            } catch (ZxException e) {
                return e.status();
            }
        }
    }

    final FailingFrames frames;
    final FailingTables tables;
    final VmarFixture vm;
    final VmAddressRegion region;
    final long base;
    final VmObject vmo;
    final Pager pager;
    private final SequencedSet<VmObject> objects = new LinkedHashSet<>();
    private final List<PinnedPages> pinned = new ArrayList<>();

    /// Where the last snapshot is mapped.
    private long mappedAt;

    FailureScene(Setting setting) {
        var wrapped = new FailingFrames[1];
        Hal hal =
                VmarFixture.newHal(inner -> {
                    wrapped[0] = new FailingFrames(inner);
                    return wrapped[0];
                });
        frames = wrapped[0];
        tables = new FailingTables(hal);
        vm = new VmarFixture(tables);
        // At a multiple of 2 MiB, so that large pages are possible.
        region = vm.root.allocate(RWX_SPECIFIC.with(VmarFlags.align(21)), 0, PAGES * PAGE);
        base = region.baseAddress();
        pager = Pager.create(vm.machine);
        vmo = keep(setting.object.apply(this));
        setting.prepare.accept(this);
        if (setting.hasPager()) {
            makeSource();
        }
    }

    private VmObject keep(VmObject made) {
        objects.add(made);
        return vm.closing(made);
    }

    private void touch() {
        for (int page = 0; page < PAGES; page += 300) {
            vm.poke(base + page * PAGE, page);
        }
        vm.read(base + PAGE); // shows the zero frame
    }

    private void protect(VmarFlags wanted) {
        region.protect(wanted, base + 10 * PAGE, 1900 * PAGE);
    }

    // ---- objects

    private VmObject newDiscardable() {
        return VmObject.create(vm.machine, PAGES * PAGE, RESIZABLE, VmoOption.DISCARDABLE);
    }

    /// An object with a pager: pages with contents, zeros that the pager brought, and zeros that it
    /// has to write.
    private VmObject newFile() {
        VmObject file = keep(pager.createVmo(new PageRequestQueue(), 1, PAGES * PAGE, RESIZABLE));
        bring(file, 0, 12);
        bring(file, 296, 14);
        file.zero(12 * PAGE, (296 - 12) * PAGE);
        file.zero(310 * PAGE, (BROUGHT - 310) * PAGE);
        vm.root.map(RW, 0, file, 0, PAGES * PAGE);
        return file;
    }

    private void bring(VmObject file, int page, int pages) {
        try (VmObject contents = VmObject.create(vm.machine, pages * PAGE)) {
            for (int i = 0; i < pages; i += 3) {
                contents.write(i * PAGE, new byte[] {1});
            }
            pager.supplyPages(file, page * PAGE, pages * PAGE, contents, 0);
        }
    }

    /// What has a pager.
    private VmObject file() {
        return objects.getFirst();
    }

    /// What can be supplied: two mapped pages, of which a snapshot shows one too, and zeros.
    private VmObject source() {
        return objects.getLast();
    }

    private void makeSource() {
        VmObject source = keep(VmObject.create(vm.machine, 10 * PAGE));
        long at = vm.root.map(RW, 0, source, 0, 10 * PAGE);
        vm.poke(at, 1);
        vm.closing(source.createSnapshot(0, 10 * PAGE));
        vm.poke(at + PAGE, 2);
        vm.read(at);
    }

    private VmObject newChild(VmObject parent, VmoChildOption type, long page, long pages) {
        return vm.closing(
                parent.createChild(
                        EnumSet.of(type, VmoChildOption.RESIZABLE), page * PAGE, pages * PAGE));
    }

    /// A snapshot that has a page of its own, shows others by a mapping, and is held by that alone.
    private VmObject mapChild(VmObject parent, VmoChildOption type, long page, long pages) {
        VmObject child = newChild(parent, type, page, pages);
        objects.add(child);
        mappedAt = vm.root.map(RW, 0, child, 0, pages * PAGE);
        for (long at = 0; at < Math.min(pages, BROUGHT - page); at += 50) {
            vm.read(mappedAt + at * PAGE);
        }
        vm.poke(mappedAt + 3 * PAGE, 5);
        child.close();
        return child;
    }

    private void startWriteback() {
        pager.opRange(PagerOp.WRITEBACK_BEGIN, vmo, 0, 1000 * PAGE, 0);
    }

    private void pagerOp(PagerOp op) {
        pager.opRange(op, file(), 0, PAGES * PAGE, 0);
    }

    private void op(VmarOp op, long pages) {
        region.opRange(op, base + 3 * PAGE, pages * PAGE);
    }

    /// What callers can observe, as text.
    String observable() {
        return WholeState.observable(vm.root, List.copyOf(objects));
    }

    /// What callers can observe, and every entry and table.
    String everything() {
        return WholeState.everything(vm.root, List.copyOf(objects));
    }

    @Override
    public void close() {
        pinned.forEach(PinnedPages::close);
        pager.close();
        vm.close();
    }
}
