package io.jircon.hal.npt;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.GuestVirtAddr;
import io.jircon.hal.HostPhysAddr;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// How a guest-virtual address becomes a host-physical one through both stages: every table entry
/// that the processor reads, in order. Made by [TwoStageWalker].
///
/// With n entries of the guest's and m of the second stage for each guest-physical address, (n +
/// 1)(m + 1) - 1 entries are read; without large pages on either side that is 15 for 3 x 3 levels,
/// 24 for 4 x 4, 35 for 5 x 5.
///
/// @param gva the guest-virtual address
/// @param access what for
/// @param reads the entries read, in order
/// @param gpa where the guest's tables put it; null when they do not
/// @param hpa where it lies in the machine; null when the walk ended in a fault
/// @param fault why the walk failed, or null
public record TwoStageWalk(
        GuestVirtAddr gva,
        AccessKind access,
        List<Read> reads,
        @Nullable GuestPhysAddr gpa,
        @Nullable HostPhysAddr hpa,
        @Nullable Fault fault) {
    /// Copies the list.
    public TwoStageWalk {
        reads = List.copyOf(reads);
    }

    /// Whose table an entry is in.
    public enum Stage {
        /// The guest's.
        GUEST,
        /// The hypervisor's.
        NESTED
    }

    /// One entry that was read.
    ///
    /// @param stage whose table
    /// @param levelName the level in the architecture's own words
    /// @param index index of the entry in its table
    /// @param address where the processor read it
    /// @param guestAddress where the guest has it, for a guest's entry; for an entry of the second
    ///   stage the guest-physical address being translated
    /// @param raw the entry
    /// @param fields the entry decoded
    /// @param isPointer whether it points to a table, as what a page-walk cache keeps does
    public record Read(
            Stage stage,
            String levelName,
            int index,
            HostPhysAddr address,
            GuestPhysAddr guestAddress,
            long raw,
            String fields,
            boolean isPointer) {}

    /// Why a walk failed.
    public sealed interface Fault {
        /// The guest's tables refuse: the guest gets a page fault.
        ///
        /// @param cause why
        /// @param height height of the guest's entry at which the walk ended
        record OfGuest(FaultCause cause, int height) implements Fault {}

        /// The second stage refuses: the hypervisor gets the fault.
        ///
        /// @param info what the hypervisor learns
        record OfNested(NestedPageFaultInfo info) implements Fault {}
    }

    /// How many entries of one stage were read.
    ///
    /// @param stage whose tables
    /// @return a count
    public int count(Stage stage) {
        return (int) reads.stream().filter(read -> read.stage() == stage).count();
    }

    /// What the formula says for a walk without large pages.
    ///
    /// @param guestLevels n, 0 when guest paging is off
    /// @param nestedLevels m, 0 when the second stage is off
    /// @return (n + 1)(m + 1) - 1
    public static int expectedReads(int guestLevels, int nestedLevels) {
        return (guestLevels + 1) * (nestedLevels + 1) - 1;
    }
}
