package io.jircon.vm;

import io.jircon.hal.MmuFlags;
import io.jircon.kobject.KObjectBase;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.Rights;
import io.jircon.kobject.Signals;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// One endpoint of an IO buffer, IOB: memory that two sides share, in regions of which each side
/// may read or write what the maker says. A side maps a region with [VmarCalls#mapIob] (clause
/// V-122).
///
/// Closing an endpoint, or its last handle, ends it, and the other one gets PEER_CLOSED; a region's
/// memory lives as long as an endpoint or a mapping. Safe for use by many threads.
public final class IoBuffer extends KObjectBase implements AutoCloseable {
    /// How many regions a buffer has at most.
    public static final int MAX_REGIONS = 64;

    /// A region to make.
    ///
    /// @param sizeBytes its size, rounded up to whole pages
    /// @param firstAccess what the first endpoint may map it for: READ, WRITE, both or none
    /// @param secondAccess what the second endpoint may map it for
    public record Region(long sizeBytes, MmuFlags firstAccess, MmuFlags secondAccess) {}

    /// A region as one endpoint has it: a reference of its own to the memory that both share.
    private record Window(VmObject vmo, MmuFlags access) {}

    private final List<Window> windows = new ArrayList<>();

    /// The other endpoint; set once, before either is handed out.
    private @Nullable IoBuffer peer;

    private IoBuffer(Machine machine) {
        super(machine.kernel(), ObjectType.IOB);
    }

    /// Makes two endpoints.
    ///
    /// @param machine where
    /// @param regions what they share, at most [#MAX_REGIONS]
    /// @return the first, to close; the other is its [#peer()], to close too
    /// @throws io.jircon.kobject.ZxException INVALID_ARGS for too many regions, or for access other
    ///   than reading and writing; as [VmObject#create(Machine, long, VmoOption...)] for a size
    public static IoBuffer create(Machine machine, List<Region> regions) {
        requireRegions(regions);
        var first = new IoBuffer(machine);
        var second = new IoBuffer(machine);
        first.peer = second;
        second.peer = first;
        try {
            for (Region region : regions) {
                try (VmObject memory = VmObject.create(machine, region.sizeBytes())) {
                    first.addWindow(memory, region.firstAccess());
                    second.addWindow(memory, region.secondAccess());
                }
            }
        } catch (RuntimeException e) {
            first.close();
            second.close();
            throw e;
        }
        return first;
    }

    private static void requireRegions(List<Region> regions) {
        if (regions.size() > MAX_REGIONS) {
            throw VmErrors.invalidArgs(
                    "V-122", "regions=" + regions.size() + " are more than " + MAX_REGIONS);
        }
        for (Region region : regions) {
            if (!MmuFlags.RW.contains(region.firstAccess())
                    || !MmuFlags.RW.contains(region.secondAccess())) {
                throw VmErrors.invalidArgs(
                        "V-122", "region=" + region + " allows more than reading and writing");
            }
        }
    }

    private void addWindow(VmObject memory, MmuFlags access) {
        VmObject reference = memory.createReference();
        reference.belongTo(this);
        windows.add(new Window(reference, access));
    }

    /// The other endpoint, dead or alive.
    ///
    /// @return never null
    public IoBuffer peer() {
        return Objects.requireNonNull(peer, "peer");
    }

    @Override
    public long relatedKoid() {
        return peer().koid();
    }

    /// How many regions there are.
    ///
    /// @return 0 to [#MAX_REGIONS]
    public int regionCount() {
        return windows.size();
    }

    /// The memory of a region.
    VmObject region(int index) {
        return windows.get(index).vmo();
    }

    /// What a handle may do with the memory of a region: READ and WRITE as both the handle and this
    /// endpoint may, and MAP as the handle.
    int mapRights(int handleRights, int index) {
        MmuFlags access = windows.get(index).access();
        int granted =
                Rights.MAP
                        | (access.canRead() ? Rights.READ : 0)
                        | (access.canWrite() ? Rights.WRITE : 0);
        return handleRights & granted;
    }

    /// Ends this endpoint. Closing twice is harmless.
    @Override
    public void close() {
        windows.forEach(window -> window.vmo().close());
        noteDestroyed();
        peer().changeSignals(0, Signals.PEER_CLOSED);
    }

    @Override
    protected void onZeroHandles() {
        close();
    }
}
