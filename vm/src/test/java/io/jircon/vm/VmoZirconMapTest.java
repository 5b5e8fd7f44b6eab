package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.kobject.HandleTable;
import io.jircon.kobject.Rights;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What Zircon's own suite tests of memory objects without children (`vmo.cc`), where no other test
/// here does: what mappings show, cache policies, frames.
class VmoZirconMapTest extends VmoMappedFixture {
    private static byte[] bytes(long count, int value) {
        byte[] bytes = new byte[(int) count];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    // ---- mappings

    @Test
    @Tag("vmo.cc:ReadWrite")
    void bytesThatWereWrittenAreMapped() {
        VmObject vmo = paged(4);
        assertArrayEquals(bytes(4 * PAGE, 0), vmo.read(0, 4 * (int) PAGE));
        vmo.write(0, bytes(4 * PAGE, 0x99));
        assertArrayEquals(bytes(4 * PAGE, 0x99), memory.read(mapWritable(vmo), 4 * (int) PAGE));
    }

    @Test
    @Tag("vmo.cc:Map")
    void aPlaceBeyondTheRegionIsRefused() {
        VmObject vmo = paged(1);
        assertEquals(0, peek(map(VmarFlags.PERM_READ, vmo, 1), 0));
        VmarFlags specific = VmarFlags.PERM_READ.with(VmarFlags.SPECIFIC);
        refused(ZxStatus.INVALID_ARGS, () -> root.map(specific, -1L, vmo, 0, PAGE));
    }

    @Test
    @Tag("vmo.cc:ReadOnlyMap")
    @Tag("vmo.cc:NoPermMap")
    @Tag("vmo.cc:NoPermProtect")
    void permissionsDecideAlsoOverPagesThatAreThere() {
        VmObject vmo = paged(1);
        long at = map(VmarFlags.PERM_READ, vmo, 1);
        assertEquals(0, peek(at, 0));
        refusedStore(ZxStatus.ACCESS_DENIED, at);
        root.protect(VmarFlags.NONE, at, PAGE);
        refusedLoad(ZxStatus.ACCESS_DENIED, at);
        refusedStore(ZxStatus.ACCESS_DENIED, at);
        long other = map(VmarFlags.NONE, vmo, 1);
        refusedLoad(ZxStatus.ACCESS_DENIED, other);
        refusedStore(ZxStatus.ACCESS_DENIED, other);
    }

    @Test
    @Tag("vmo.cc:ProtectToWrite")
    void writingComesBackWithItsPermission() {
        VmObject frames = keep(VmObject.createContiguous(machine, 2 * PAGE, 0));
        long base = ((CommitPolicy.Contiguous) frames.policy()).base();
        VmObject physical =
                keep(VmObject.createPhysical(machine, base, 2 * PAGE, CachePolicy.CACHED));
        for (VmObject vmo : List.of(paged(2), physical)) {
            long at = mapWritable(vmo);
            poke(at, 0, 1);
            root.protect(VmarFlags.PERM_READ, at, 2 * PAGE);
            assertEquals(1, peek(at, 0));
            refusedStore(ZxStatus.ACCESS_DENIED, at);
            root.protect(VmarFlags.READ_WRITE, at, 2 * PAGE);
            poke(at, 0, 2);
            poke(at, 1, 3);
            assertEquals(List.of(2, 3), List.of(peek(at, 0), peek(at, 1)));
            root.unmap(at, 2 * PAGE);
        }
    }

    @Test
    @Tag("vmo.cc:Commit")
    void decommitIsSeenThroughEveryMappingAlsoThosePastTheEnd() {
        VmObject vmo = paged(4);
        vmo.commit(0, 4 * PAGE);
        vmo.decommit(0, 4 * PAGE);
        vmo.commit(0, 4 * PAGE);
        long whole = mapWritable(vmo);
        long shifted = root.map(VmarFlags.READ_WRITE, 0, vmo, PAGE, 4 * PAGE);
        long past = root.map(VmarFlags.READ_WRITE, 0, vmo, 8 * PAGE, PAGE);
        poke(whole, 1, 99);
        assertEquals(99, peek(shifted, 0));
        vmo.decommit(0, PAGE);
        assertEquals(List.of(99, 99), List.of(peek(whole, 1), peek(shifted, 0)));
        vmo.decommit(PAGE, PAGE);
        assertEquals(List.of(0, 0), List.of(peek(whole, 1), peek(shifted, 0)));
        refusedLoad(ZxStatus.OUT_OF_RANGE, past);
        refused(ZxStatus.OUT_OF_RANGE, () -> vmo.commit(PAGE, -PAGE));
    }

    @Test
    @Tag("vmo.cc:ZeroPage")
    void theFirstWriteReplacesTheZeroFrameInEveryMapping() {
        VmObject vmo = paged(4);
        long[] maps = {mapWritable(vmo), mapWritable(vmo), mapWritable(vmo)};
        assertEquals(0, peek(maps[0], 0));
        poke(maps[1], 0, 99);
        for (long at : maps) {
            assertEquals(99, peek(at, 0));
        }
        assertEquals(0, peek(maps[0], 1));
        put(vmo, 1, 100);
        assertEquals(100, peek(maps[0], 1));
        assertEquals(0, peek(maps[0], 2));
        vmo.commit(2 * PAGE, PAGE);
        put(vmo, 2, 100);
        assertEquals(100, peek(maps[0], 2));
    }

    @Test
    @Tag("vmo.cc:FaultBeyondStreamSizeNoPhysOrContig")
    void onlyPagedObjectsHaveAStreamToFaultBeyond() {
        VmarFlags beyond =
                VmarFlags.PERM_READ
                        .with(VmarFlags.FAULT_BEYOND_STREAM_SIZE)
                        .with(VmarFlags.ALLOW_FAULTS);
        VmObject physical = keep(VmObject.createPhysical(machine, 0x10000, PAGE));
        VmObject contiguous = keep(VmObject.createContiguous(machine, PAGE, 0));
        refused(ZxStatus.NOT_SUPPORTED, () -> map(beyond, physical, 1));
        refused(ZxStatus.NOT_SUPPORTED, () -> map(beyond, contiguous, 1));
    }

    // ---- cache policies, pins, slices of frames

    @Test
    @Tag("vmo.cc:Cache")
    void thePolicyIsFixedWhileMappedOrCopied() {
        VmObject vmo = written(1);
        for (CachePolicy policy : CachePolicy.values()) {
            vmo.setCachePolicy(policy);
            assertEquals(policy, vmo.cachePolicy());
        }
        vmo.setCachePolicy(CachePolicy.CACHED);
        long at = mapWritable(vmo);
        refused(ZxStatus.BAD_STATE, () -> vmo.setCachePolicy(CachePolicy.UNCACHED));
        root.unmap(at, PAGE);
        VmObject copy = snapshot(vmo, 0, 1);
        refused(ZxStatus.BAD_STATE, () -> vmo.setCachePolicy(CachePolicy.UNCACHED));
        refused(ZxStatus.BAD_STATE, () -> copy.setCachePolicy(CachePolicy.UNCACHED));
        copy.close();
        vmo.setCachePolicy(CachePolicy.UNCACHED);
        refused(ZxStatus.BAD_STATE, () -> vmo.createSnapshot(0, PAGE));
        refused(ZxStatus.BAD_STATE, () -> vmo.write(0, new byte[1]));
        vmo.setCachePolicy(CachePolicy.CACHED);
        assertEquals(1, at(vmo, 0));
        VmObject huge = keep(VmObject.create(machine, 1L << 52));
        huge.write(1L << 50, new byte[1]);
        huge.setCachePolicy(CachePolicy.UNCACHED);
        assertEquals(PAGE, huge.info().committedBytes());
    }

    @Test
    @Tag("vmo.cc:CachePolicyRace")
    void thePolicyOfWhatIsBeingMappedIsOneOrTheOther() throws Exception {
        for (int round = 0; round < 10; round++) {
            VmObject vmo = written(1);
            try (var other = Executors.newSingleThreadExecutor()) {
                var flips =
                        other.submit(() -> {
                            for (int i = 0; i < 1_000_000; i++) {
                                try {
                                    vmo.setCachePolicy(CachePolicy.values()[i % 2]);
                                } catch (ZxException mapped) {
                                    return mapped.status();
                                }
                            }
                            return ZxStatus.OK;
                        });
                long first = mapWritable(vmo);
                assertEquals(ZxStatus.BAD_STATE, flips.get());
                long second = mapWritable(vmo);
                if (vmo.cachePolicy() == CachePolicy.CACHED) {
                    poke(first, 0, round);
                    assertEquals(round, peek(second, 0));
                }
                root.unmap(first, PAGE);
                root.unmap(second, PAGE);
            }
        }
    }

    @Test
    @Tag("vmo.cc:UncachedContiguous")
    void consecutiveFramesCanBeUncachedAndKeepThatWhilePinned() {
        VmObject vmo = keep(VmObject.createContiguous(machine, 4 * PAGE, 0));
        vmo.setCachePolicy(CachePolicy.UNCACHED);
        refused(ZxStatus.BAD_STATE, () -> vmo.write(0, new byte[1]));
        try (PinnedPages pinned = vmo.pin(0, PAGE)) {
            assertEquals(1, pinned.pageCount());
            refused(ZxStatus.BAD_STATE, () -> vmo.setCachePolicy(CachePolicy.CACHED));
        }
        vmo.setCachePolicy(CachePolicy.CACHED);
        put(vmo, 0, 1);
    }

    @Test
    @Tag("vmo.cc:PhysicalSlice")
    void aSliceOfFramesIsTheSameFramesElsewhere() {
        VmObject frames = keep(VmObject.createContiguous(machine, 2 * PAGE, 0));
        long base = ((CommitPolicy.Contiguous) frames.policy()).base();
        VmObject physical =
                keep(VmObject.createPhysical(machine, base, 2 * PAGE, CachePolicy.CACHED));
        VmObject window = slice(physical, 1, 1);
        assertEquals(0, physical.info().parentKoid());
        assertEquals(physical.koid(), window.info().parentKoid());
        long all = mapWritable(physical);
        long part = mapWritable(window);
        poke(all, 1, 7);
        assertEquals(7, peek(part, 0));
        poke(part, 0, 8);
        assertEquals(List.of(0, 8), List.of(peek(all, 0), peek(all, 1)));
    }

    @Test
    @Tag("vmo.cc:CacheOpLargeVmo")
    @Tag("vmo.cc:CacheOpOutOfRange")
    void cacheOperationsOfHugeObjectsLookAtTheirPagesOnly() {
        var handles = new HandleTable(machine.kernel());
        var calls = new VmoCalls(machine, handles);
        long size = -64 * PAGE;
        VmObject vmo = keep(VmObject.create(machine, size));
        int huge = handles.add(vmo, Rights.IO);
        calls.opRange(huge, VmoOp.CACHE_CLEAN.value(), 0, size, null);
        for (long i = 0; i < 64; i++) {
            vmo.write(i * (size >>> 6) & -PAGE, new byte[8]);
        }
        calls.opRange(huge, VmoOp.CACHE_CLEAN.value(), 0, size, null);
        int small = handles.add(written(2), Rights.IO);
        int op = VmoOp.CACHE_CLEAN_INVALIDATE.value();
        refused(ZxStatus.OUT_OF_RANGE, () -> calls.opRange(small, op, PAGE, -1, null));
        refused(ZxStatus.OUT_OF_RANGE, () -> calls.opRange(small, op, -PAGE, 1, null));
        handles.closeAll();
    }
}
