package io.jircon.hal.npt;

import io.jircon.hal.AccessKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.GuestVirtAddr;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageWalk;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A fault of the second stage, independent of the architecture (clauses ). What an
/// architecture does not report is null or [#UNKNOWN_HEIGHT]; [#refinedBy(NestedPageTable)] finds
/// the rest by walking again.
///
/// @param gpa the guest-physical address that did not translate; null where the hardware leaves it
///   open
/// @param access what was wanted of that address, at least one of READ, WRITE and EXECUTE; an
///   access to a guest's page table may want two
/// @param cause why it was refused, or null
/// @param height height of the entry at which the walk ended, 0 for a leaf table's
/// @param during whose access it was
/// @param guestAccess the access that the guest was making; null where it is not known
/// @param gva the guest-virtual address of that access; null where it is not known
public record NestedPageFaultInfo(
        @Nullable GuestPhysAddr gpa,
        MmuFlags access,
        @Nullable FaultCause cause,
        int height,
        During during,
        @Nullable AccessKind guestAccess,
        @Nullable GuestVirtAddr gva) {
    /// The height where it is not known.
    public static final int UNKNOWN_HEIGHT = -1;

    /// Whose access met the fault.
    public enum During {
        /// The guest's own.
        FINAL_ACCESS,
        /// The processor's, to a page table of the guest.
        GUEST_WALK
    }

    /// Checks the access and the height.
    ///
    /// @throws IllegalArgumentException when the access is empty or holds other flags, or the
    ///   height is out of its range
    public NestedPageFaultInfo {
        Objects.requireNonNull(during, "during");
        if (access.isNoAccess() || !access.equals(access.access())) {
            throw new IllegalArgumentException(
                    "access=" + access + " is not a set of READ, WRITE, EXECUTE");
        }
        if (height < UNKNOWN_HEIGHT || height > 4) {
            throw new IllegalArgumentException("height=" + height + " is not in -1..4");
        }
    }

    /// A fault of a guest's own access.
    ///
    /// @param gpa the guest-physical address
    /// @param access what was wanted
    /// @param cause why it was refused
    /// @param height height of the entry at which the walk ended
    /// @return a fault without a guest-virtual address
    public static NestedPageFaultInfo of(
            long gpa, AccessKind access, FaultCause cause, int height) {
        return new NestedPageFaultInfo(
                new GuestPhysAddr(gpa),
                flags(access),
                cause,
                height,
                During.FINAL_ACCESS,
                access,
                null);
    }

    /// The flag that an access wants.
    ///
    /// @param access the access
    /// @return READ, WRITE or EXECUTE alone
    static MmuFlags flags(AccessKind access) {
        return MmuFlags.of(HardwareWalker.requiredRight(access));
    }

    /// The same with another guest-physical address.
    ///
    /// @param address the address, such as one found by walking the guest's tables
    /// @return a new value
    public NestedPageFaultInfo withGpa(GuestPhysAddr address) {
        return new NestedPageFaultInfo(address, access, cause, height, during, guestAccess, gva);
    }

    /// The same with cause and height as a walk of the table finds them.
    ///
    /// @param table the second-stage table
    /// @return a new value; unchanged when the address is unknown or translates by now
    public NestedPageFaultInfo refinedBy(NestedPageTable table) {
        if (gpa == null) {
            return this;
        }
        PageWalk walk = table.explain(gpa.value(), strongest());
        if (walk.fault() == null) {
            return this;
        }
        int depth = Math.max(walk.steps().size() - 1, 0);
        return new NestedPageFaultInfo(
                gpa,
                access,
                walk.fault().cause(),
                table.format().levels() - 1 - depth,
                during,
                guestAccess,
                gva);
    }

    private AccessKind strongest() {
        if (access.canWrite()) {
            return AccessKind.WRITE;
        }
        return access.canRead() ? AccessKind.READ : AccessKind.EXECUTE;
    }
}
