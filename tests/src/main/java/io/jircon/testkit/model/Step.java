package io.jircon.testkit.model;

import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import io.jircon.vm.MemoryPriority;
import io.jircon.vm.VmarFlags;
import io.jircon.vm.VmarOp;

/// One operation of a random history. Regions and memory objects are named by the order of their
/// making, counted round: so a sequence from which steps were dropped still means something.
/// Addresses are relative to the arena, the region that the whole history takes place in.
public sealed interface Step {
    /// Makes a sub-region.
    ///
    /// @param region which region
    /// @param options as of allocate
    /// @param offset as of allocate
    /// @param size bytes
    record Allocate(int region, VmarFlags options, long offset, long size) implements Step {}

    /// Maps a part of a memory object.
    ///
    /// @param region which region
    /// @param options as of map
    /// @param offset as of map
    /// @param vmo which memory object
    /// @param vmoOffset bytes
    /// @param len bytes
    /// @param most the most the mapping may be given
    record Map(
            int region,
            VmarFlags options,
            long offset,
            int vmo,
            long vmoOffset,
            long len,
            MmuFlags most)
            implements Step {}

    /// Unmaps a range.
    ///
    /// @param region which region
    /// @param at address
    /// @param len bytes
    record Unmap(int region, long at, long len) implements Step {}

    /// Changes permissions.
    ///
    /// @param region which region
    /// @param options as of protect
    /// @param at address
    /// @param len bytes
    record Protect(int region, VmarFlags options, long at, long len) implements Step {}

    /// Destroys a region; never the arena.
    ///
    /// @param region which region
    record Destroy(int region) implements Step {}

    /// Does something to the memory behind a range.
    ///
    /// @param region which region
    /// @param op COMMIT or MAP_RANGE
    /// @param at address
    /// @param len bytes
    record Range(int region, VmarOp op, long at, long len) implements Step {}

    /// Sets the memory priority of a region and everything below it.
    ///
    /// @param region which region
    /// @param priority the priority
    record Priority(int region, MemoryPriority priority) implements Step {}

    /// Touches the first byte of a page through the machine's MMU.
    ///
    /// @param at address
    /// @param access what to do
    /// @param value what a write leaves there
    record Access(long at, AccessKind access, int value) implements Step {}

    /// Writes the first byte of a memory object's page.
    ///
    /// @param vmo which memory object
    /// @param page page number
    /// @param value what is left there
    record Write(int vmo, long page, int value) implements Step {}

    /// Changes a memory object's size.
    ///
    /// @param vmo which memory object
    /// @param pages the new size
    record Resize(int vmo, long pages) implements Step {}

    /// Gives pages of a memory object back.
    ///
    /// @param vmo which memory object
    /// @param page first page
    /// @param pages how many
    record Decommit(int vmo, long page, long pages) implements Step {}

    /// Zeroes pages of a memory object.
    ///
    /// @param vmo which memory object
    /// @param page first page
    /// @param pages how many
    record Zero(int vmo, long page, long pages) implements Step {}

    /// Makes a snapshot of a memory object, which joins the others.
    ///
    /// @param vmo which memory object
    record Snapshot(int vmo) implements Step {}
}
