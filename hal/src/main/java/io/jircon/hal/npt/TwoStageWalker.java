package io.jircon.hal.npt;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.GuestVirtAddr;
import io.jircon.hal.HostPhysAddr;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageWalk;
import io.jircon.hal.PhysicalMemory;
import io.jircon.hal.WalkResult;
import io.jircon.hal.npt.NestedPageFaultInfo.During;
import io.jircon.hal.npt.TwoStageWalk.Fault;
import io.jircon.hal.npt.TwoStageWalk.Read;
import io.jircon.hal.npt.TwoStageWalk.Stage;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Walks a guest's stage-1 tables, in any format, over second-stage tables in any format. Each of
/// the guest's entries lies at a guest-physical address, which is translated first. Where the
/// processor would mark a guest's entry as accessed or dirty, the second stage must allow a write
/// to it; the mark itself is not made and not counted. Takes no lock; serves one thread.
public final class TwoStageWalker {
    private static final long UNREACHABLE = -1;

    private final PhysicalMemory memory;
    private final @Nullable PagingFormat guest;
    private final long guestRoot;
    private final @Nullable PagingFormat nested;
    private final HardwareWalker nestedWalker;

    // The walk being made.
    private final List<Read> reads = new ArrayList<>();
    private final List<PageWalk.Step> guestSteps = new ArrayList<>();
    private final WalkResult nestedResult = new WalkResult();
    private AccessKind guestAccess = AccessKind.READ;
    private GuestVirtAddr gva = new GuestVirtAddr(0);
    private long entryLocation;
    private int notedSteps;
    private Privilege privilege = Privilege.USER;
    private @Nullable Fault nestedFault;

    /// Makes a walker.
    ///
    /// @param memory the machine's memory
    /// @param guest format of the guest's tables; null when guest paging is off
    /// @param guestRoot guest-physical address of the guest's root table
    /// @param nested the second-stage table; null when the second stage is off
    public TwoStageWalker(
            PhysicalMemory memory,
            @Nullable PagingFormat guest,
            long guestRoot,
            @Nullable NestedPageTable nested) {
        this.memory = memory;
        this.guest = guest;
        this.guestRoot = guestRoot;
        this.nested = nested == null ? null : nested.format();
        PagingFormat shape = nested == null ? EptOptions.DEFAULT.format() : nested.format();
        long root = nested == null ? 0 : nested.rootAddress();
        nestedWalker = new HardwareWalker(shape, memory, root);
    }

    /// Translates an address.
    ///
    /// @param address the guest-virtual address
    /// @param access what for
    /// @param who who makes the access
    /// @return every entry read, and how it ended
    public TwoStageWalk walk(GuestVirtAddr address, AccessKind access, Privilege who) {
        reads.clear();
        guestSteps.clear();
        notedSteps = 0;
        nestedFault = null;
        gva = address;
        guestAccess = access;
        privilege = who;
        long gpa = address.value();
        PagingFormat format = guest;
        if (format != null) {
            var result = new WalkResult();
            boolean found = new GuestWalker(format).walk(gpa, access, who, result, guestSteps);
            noteGuestStep();
            if (!found) {
                Fault fault =
                        nestedFault != null
                                ? nestedFault
                                : new Fault.OfGuest(
                                        result.cause, format.levels() - 1 - result.depth);
                return end(null, null, fault);
            }
            gpa = result.paddr;
        }
        long hpa = translate(gpa, access, During.FINAL_ACCESS);
        return nestedFault == null
                ? end(new GuestPhysAddr(gpa), new HostPhysAddr(hpa), null)
                : end(new GuestPhysAddr(gpa), null, nestedFault);
    }

    private TwoStageWalk end(
            @Nullable GuestPhysAddr gpa, @Nullable HostPhysAddr hpa, @Nullable Fault fault) {
        return new TwoStageWalk(gva, guestAccess, reads, gpa, hpa, fault);
    }

    /// Translates a guest-physical address, and notes the entries read and the fault.
    private long translate(long gpa, AccessKind access, During during) {
        if (nested == null) {
            return gpa;
        }
        var steps = new ArrayList<PageWalk.Step>();
        boolean found = nestedWalker.walk(gpa, access, privilege, nestedResult, steps);
        int height = nested.levels() - 1;
        for (PageWalk.Step step : steps) {
            reads.add(read(Stage.NESTED, nested, height, step, step.entryAddress(), gpa));
            height--;
        }
        if (found) {
            return nestedResult.paddr;
        }
        // With accessed and dirty flags in EPT a guest's entry is both read and written.
        boolean both = during == During.GUEST_WALK && access == AccessKind.WRITE;
        refuse(
                gpa,
                both ? MmuFlags.RW : NestedPageFaultInfo.flags(access),
                nestedResult.cause,
                nested.levels() - 1 - nestedResult.depth,
                during);
        return UNREACHABLE;
    }

    private void refuse(long gpa, MmuFlags access, FaultCause cause, int height, During during) {
        nestedFault =
                new Fault.OfNested(
                        new NestedPageFaultInfo(
                                new GuestPhysAddr(gpa),
                                access,
                                cause,
                                height,
                                during,
                                guestAccess,
                                guest == null ? null : gva));
    }

    private static Read read(
            Stage stage,
            PagingFormat format,
            int height,
            PageWalk.Step step,
            long address,
            long guestAddress) {
        return new Read(
                stage,
                step.levelName(),
                step.index(),
                new HostPhysAddr(address),
                new GuestPhysAddr(guestAddress),
                step.raw(),
                step.fields(),
                format.isPresent(height, step.raw()) && !format.isLeaf(height, step.raw()));
    }

    /// Moves the guest's entry that was read last, if any, to the list of all.
    private void noteGuestStep() {
        PagingFormat format = guest;
        if (format == null || guestSteps.size() == notedSteps) {
            return;
        }
        int height = format.levels() - guestSteps.size();
        PageWalk.Step step = guestSteps.get(notedSteps++);
        reads.add(read(Stage.GUEST, format, height, step, entryLocation, step.entryAddress()));
    }

    /// The guest's tables as the walker sees them: each entry through the second stage.
    private final class GuestWalker extends HardwareWalker {
        GuestWalker(PagingFormat format) {
            super(format, memory, guestRoot);
        }

        @Override
        long locate(long entry) {
            noteGuestStep();
            AccessKind access = nested == null ? AccessKind.READ : nested.guestEntryAccess();
            long at = translate(entry, access, During.GUEST_WALK);
            entryLocation = at;
            if (nested != null && nestedFault == null && !memory.contains(at, Long.BYTES)) {
                // The second stage leads out of memory: no fault of the guest's.
                refuse(
                        entry,
                        MmuFlags.R,
                        FaultCause.EXTERNAL,
                        NestedPageFaultInfo.UNKNOWN_HEIGHT,
                        During.GUEST_WALK);
            }
            return at;
        }

        @Override
        boolean canMark(long entry) {
            if (nested == null
                    || nestedWalker.walk(
                            entry, AccessKind.WRITE, privilege, nestedResult, new ArrayList<>())) {
                return true;
            }
            refuse(
                    entry,
                    MmuFlags.of(MmuFlags.WRITE_BIT),
                    nestedResult.cause,
                    nested.levels() - 1 - nestedResult.depth,
                    During.GUEST_WALK);
            return false;
        }
    }
}
