package io.jircon.testkit.model;

import static io.jircon.testkit.model.AddressSpaceModel.PAGE;

import io.jircon.hal.AccessKind;
import io.jircon.hal.Mmu;
import io.jircon.hal.PageSize;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.Machine;
import io.jircon.vm.MapEntry;
import io.jircon.vm.MemoryPriority;
import io.jircon.vm.VmAddressRegion;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmarFlags;
import io.jircon.vm.VmoOption;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/// Applies one history to the model and to a real address space, side by side.
final class ModelRun implements AutoCloseable {
    private static final int MAX_VMOS = 8;
    private static final int MAX_REGIONS = 24;
    private static final int MAX_FAULTS_PER_ACCESS = 8;

    /// A step after which the two differ.
    static final class Difference extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Difference(String message) {
            super(message);
        }
    }

    private final Arena buffers = Arena.ofConfined();
    private final MemorySegment buffer = buffers.allocate(8);
    private final VmAddressRegion root;
    private final Mmu mmu;
    private final AddressSpaceModel model;
    private final List<VmAddressRegion> regions = new ArrayList<>();
    private final List<VmObject> vmos = new ArrayList<>();
    private final Map<Long, Integer> vmoOfKoid = new HashMap<>();
    private final long arena;

    ModelRun(Machine machine) {
        root = VmAddressRegion.newRoot(machine);
        mmu = machine.hal().newMmu();
        mmu.activate(root.pageTable());
        VmarFlags flags = VmarFlags.CAN_MAP_RWX.with(VmarFlags.CAN_MAP_SPECIFIC);
        long size = StepGenerator.ARENA_PAGES * PAGE;
        VmAddressRegion region = root.allocate(flags, 0, size);
        arena = region.baseAddress();
        regions.add(region);
        model = new AddressSpaceModel(arena, size, flags);
        addVmo(machine, 6, false);
        addVmo(machine, 3, false);
        addVmo(machine, 5, true);
        addVmo(machine, 0, true);
    }

    private void addVmo(Machine machine, long pages, boolean resizable) {
        VmoOption[] options = resizable ? new VmoOption[] {VmoOption.RESIZABLE} : new VmoOption[0];
        track(VmObject.create(machine, pages * PAGE, options));
        model.addVmo(pages, resizable);
    }

    private void track(VmObject vmo) {
        vmoOfKoid.put(vmo.koid(), vmos.size());
        vmos.add(vmo);
    }

    /// Does one step on both and compares what is cheap to compare.
    ///
    /// @throws Difference when they differ
    void apply(Step step) {
        ZxStatus expected;
        ZxStatus actual;
        switch (step) {
            case Step.Allocate s -> {
                int which = s.region() % regions.size();
                AddressSpaceModel.Region region = model.regions.get(which);
                expected = model.judgeAllocate(region, s.options(), s.offset(), s.size());
                if (expected == ZxStatus.OK && regions.size() >= MAX_REGIONS) {
                    return;
                }
                VmAddressRegion[] made = new VmAddressRegion[1];
                actual =
                        statusOf(() ->
                                made[0] =
                                        regions.get(which)
                                                .allocate(s.options(), s.offset(), s.size()));
                if (expected == ZxStatus.OK && actual == ZxStatus.OK) {
                    long at = made[0].baseAddress();
                    requirePlace(step, model.places(region, s.options(), s.offset(), s.size()), at);
                    model.allocate(region, s.options(), at, s.size());
                    regions.add(made[0]);
                }
            }
            case Step.Map s -> {
                int which = s.region() % regions.size();
                int vmo = s.vmo() % vmos.size();
                AddressSpaceModel.Region region = model.regions.get(which);
                expected = model.judgeMap(region, s, model.vmos.get(vmo));
                long[] at = new long[1];
                actual =
                        statusOf(() ->
                                at[0] =
                                        regions.get(which)
                                                .map(
                                                        s.options(),
                                                        s.offset(),
                                                        vmos.get(vmo),
                                                        s.vmoOffset(),
                                                        s.len(),
                                                        s.most()));
                if (expected == ZxStatus.OK && actual == ZxStatus.OK) {
                    long size = AddressSpaceModel.roundUp(s.len());
                    requirePlace(step, model.places(region, s.options(), s.offset(), size), at[0]);
                    model.map(region, s, vmo, at[0]);
                }
            }
            case Step.Unmap s -> {
                int which = s.region() % regions.size();
                expected = model.unmap(model.regions.get(which), arena + s.at(), s.len());
                actual = statusOf(() -> regions.get(which).unmap(arena + s.at(), s.len()));
            }
            case Step.Protect s -> {
                int which = s.region() % regions.size();
                expected =
                        model.protect(
                                model.regions.get(which), s.options(), arena + s.at(), s.len());
                actual =
                        statusOf(() ->
                                regions.get(which).protect(s.options(), arena + s.at(), s.len()));
            }
            case Step.Destroy s -> {
                int which = s.region() % regions.size();
                if (which == 0) {
                    return;
                }
                expected = model.destroy(model.regions.get(which));
                actual = statusOf(() -> regions.get(which).destroy());
            }
            case Step.Range s -> {
                int which = s.region() % regions.size();
                expected = model.range(model.regions.get(which), s.op(), arena + s.at(), s.len());
                actual =
                        statusOf(() -> regions.get(which).opRange(s.op(), arena + s.at(), s.len()));
            }
            case Step.Priority s -> {
                int which = s.region() % regions.size();
                expected = model.setPriority(model.regions.get(which), s.priority());
                actual = statusOf(() -> regions.get(which).setMemoryPriority(s.priority()));
            }
            case Step.Access s -> {
                expected = model.judgeAccess(arena + s.at(), s.access());
                actual = access(arena + s.at(), s.access(), s.value());
                if (expected == ZxStatus.OK && actual == ZxStatus.OK) {
                    compareByte(step, s, model.byteAt(arena + s.at()));
                }
            }
            case Step.Write s -> {
                int vmo = s.vmo() % vmos.size();
                expected = model.write(model.vmos.get(vmo), s.page(), s.value());
                actual =
                        statusOf(() ->
                                vmos.get(vmo)
                                        .write(s.page() * PAGE, new byte[] {(byte) s.value()}));
            }
            case Step.Resize s -> {
                int vmo = s.vmo() % vmos.size();
                expected = model.resize(model.vmos.get(vmo), s.pages());
                actual = statusOf(() -> vmos.get(vmo).setSize(s.pages() * PAGE));
            }
            case Step.Decommit s -> {
                int vmo = s.vmo() % vmos.size();
                expected = model.decommit(model.vmos.get(vmo), s.page(), s.pages());
                actual = statusOf(() -> vmos.get(vmo).decommit(s.page() * PAGE, s.pages() * PAGE));
            }
            case Step.Zero s -> {
                int vmo = s.vmo() % vmos.size();
                expected = model.zero(model.vmos.get(vmo), s.page(), s.pages());
                actual = statusOf(() -> vmos.get(vmo).zero(s.page() * PAGE, s.pages() * PAGE));
            }
            case Step.Snapshot s -> {
                if (vmos.size() >= MAX_VMOS) {
                    return;
                }
                VmObject source = vmos.get(s.vmo() % vmos.size());
                model.snapshot(model.vmos.get(s.vmo() % vmos.size()));
                track(source.createSnapshot(0, source.sizeBytes()));
                return;
            }
        }
        if (expected != actual) {
            throw new Difference(step + ": expected " + expected + " but was " + actual);
        }
    }

    private static void requirePlace(Step step, Set<Long> places, long at) {
        if (!places.contains(at)) {
            throw new Difference("%s: chose %x, which is none of %s".formatted(step, at, places));
        }
    }

    private static ZxStatus statusOf(Runnable call) {
        try {
            call.run();
            return ZxStatus.OK;
        } catch (ZxException e) {
            return e.status();
        }
    }

    /// Accesses one byte as a processor would: fault, resolve, try again.
    private ZxStatus access(long at, AccessKind access, int value) {
        buffer.set(ValueLayout.JAVA_BYTE, 0, (byte) value);
        for (int i = 0; i < MAX_FAULTS_PER_ACCESS; i++) {
            long moved =
                    switch (access) {
                        case READ -> mmu.load(at, buffer, 0, 1);
                        case WRITE -> mmu.store(at, buffer, 0, 1);
                        case EXECUTE -> mmu.fetch(at, buffer, 0, 1);
                    };
            if (moved == 1) {
                return ZxStatus.OK;
            }
            ZxStatus status = root.handlePageFault(mmu.faultAddress(), mmu.faultAccess());
            if (status != ZxStatus.OK) {
                return status;
            }
        }
        throw new Difference(
                "%s at %x still faults after %d resolved faults: %s"
                        .formatted(access, at, MAX_FAULTS_PER_ACCESS, mmu.fault()));
    }

    private void compareByte(Step step, Step.Access access, int expected) {
        if (access.access() == AccessKind.WRITE) {
            model.store(arena + access.at(), access.value());
            return;
        }
        int seen = buffer.get(ValueLayout.JAVA_BYTE, 0);
        if (seen != expected) {
            throw new Difference(step + ": expected byte " + expected + " but read " + seen);
        }
    }

    /// Compares the whole state: regions, pages, contents, and the real thing with itself.
    ///
    /// @throws Difference when they differ
    void compareAll() {
        Map<Long, String> real = new TreeMap<>();
        TreeSet<String> realRegions = new TreeSet<>();
        for (MapEntry entry : regions.getFirst().maps()) {
            if (entry.type() == MapEntry.Type.VMAR) {
                realRegions.add("%x+%x".formatted(entry.baseAddress(), entry.sizeBytes()));
                continue;
            }
            for (long done = 0; done < entry.sizeBytes(); done += PAGE) {
                real.put(
                        entry.baseAddress() + done,
                        "vmo %d page %d %s"
                                .formatted(
                                        vmoOfKoid.get(entry.vmoKoid()),
                                        (entry.vmoOffset() + done) >>> PageSize.BASE_SHIFT,
                                        entry.permissions()));
            }
        }
        Map<Long, String> wanted = new TreeMap<>();
        model.pages.forEach((vaddr, page) ->
                wanted.put(
                        vaddr,
                        "vmo %d page %d %s"
                                .formatted(page.vmo(), page.page(), page.permissions())));
        TreeSet<String> wantedRegions = new TreeSet<>();
        for (AddressSpaceModel.Region region : model.regions) {
            if (region.alive) {
                wantedRegions.add("%x+%x".formatted(region.base, region.size));
            }
        }
        if (!real.equals(wanted) || !realRegions.equals(wantedRegions)) {
            throw new Difference(
                    "the listing is%n%s%s%nbut should be%n%s%s"
                            .formatted(realRegions, lines(real), wantedRegions, lines(wanted)));
        }
        comparePriorities();
        compareContents();
        root.checkInvariants();
    }

    private void comparePriorities() {
        int highRegions = 0;
        for (int i = 0; i < regions.size(); i++) {
            AddressSpaceModel.Region region = model.regions.get(i);
            MemoryPriority seen = regions.get(i).memoryPriority();
            if (region.alive && seen != region.priority) {
                throw new Difference(
                        "region %d has priority %s instead of %s"
                                .formatted(i, seen, region.priority));
            }
            highRegions += region.alive && region.priority == MemoryPriority.HIGH ? 1 : 0;
        }
        int highMappings = 0;
        for (int i = 0; i < vmos.size(); i++) {
            int seen = vmos.get(i).highPriorityCount();
            if (seen != 0 != model.isWantedHighly(i)) {
                throw new Difference("vmo %d has %d mappings of HIGH priority".formatted(i, seen));
            }
            highMappings += seen;
        }
        if (root.highPriorityCount() != highRegions + highMappings) {
            throw new Difference(
                    "the address space counts %d of HIGH priority, not %d regions and %d mappings"
                            .formatted(root.highPriorityCount(), highRegions, highMappings));
        }
    }

    private static String lines(Map<Long, String> pages) {
        var text = new StringBuilder();
        pages.forEach((vaddr, shows) -> text.append("%n  %x %s".formatted(vaddr, shows)));
        return text.toString();
    }

    private void compareContents() {
        for (int i = 0; i < vmos.size(); i++) {
            AddressSpaceModel.Vmo vmo = model.vmos.get(i);
            for (long page = 0; page < vmo.pages; page++) {
                int seen = vmos.get(i).read(page * PAGE, 1)[0];
                int expected = vmo.bytes.getOrDefault(page, 0);
                if (seen != expected) {
                    throw new Difference(
                            "vmo %d page %d holds %d instead of %d"
                                    .formatted(i, page, seen, expected));
                }
            }
        }
    }

    AddressSpaceModel model() {
        return model;
    }

    @Override
    public void close() {
        mmu.close();
        root.destroyAddressSpace();
        vmos.forEach(VmObject::close);
        buffers.close();
    }
}
