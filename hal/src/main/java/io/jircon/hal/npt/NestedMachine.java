package io.jircon.hal.npt;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingException;
import io.jircon.hal.SimulatedMachine;
import io.jircon.hal.TlbInvalidator;

/// A machine whose user and guest address spaces are nested tables of one format, and whose kernel
/// address spaces are stage-1 tables of the same architecture.
final class NestedMachine extends SimulatedMachine {
    /// First address of a user's space: above page 0 (clause V-20), below 2 MiB (clause V-19).
    static final long USER_FIRST = 0x1_0000;

    private static final MmuFlags USER = MmuFlags.of(MmuFlags.USER_BIT);

    private final PagingFormat nested;
    private final PagingFormat kernel;
    private final long userLast;

    /// Makes a machine.
    ///
    /// @param tagCount how many VMIDs the architecture has
    /// @param userLast the last byte of a user's space
    /// @throws PagingException OUT_OF_RANGE when the memory leaves the format's physical addresses
    NestedMachine(
            String name,
            HalConfig config,
            int tagCount,
            PagingFormat nested,
            PagingFormat kernel,
            long userLast) {
        super(name, checked(config, nested), tagCount);
        this.nested = nested;
        this.kernel = kernel;
        this.userLast = userLast;
    }

    private static HalConfig checked(HalConfig config, PagingFormat format) {
        long last = config.memoryBase() + config.memoryBytes() - 1;
        if (format.isBeyondPhysical(last) || format.isBeyondPhysical(config.memoryBase())) {
            throw PagingException.outOfRange(
                    "memoryBase",
                    config.memoryBase(),
                    "with memoryBytes=0x"
                            + Long.toHexString(config.memoryBytes())
                            + " leaves the "
                            + format.physicalBits()
                            + " bits of a physical address");
        }
        return config;
    }

    @Override
    protected PageTableTrait createPageTable(
            AddressSpaceKind kind, int tag, TlbInvalidator invalidator) {
        return switch (kind) {
            case USER -> table(nested, invalidator, tag, USER_FIRST, userLast, MmuFlags.NONE);
            case GUEST ->
                    table(
                            nested,
                            invalidator,
                            tag,
                            0,
                            (1L << nested.addressBits()) - 1,
                            MmuFlags.NONE);
            case KERNEL ->
                    table(
                            kernel,
                            invalidator,
                            tag,
                            -1L << (kernel.addressBits() - (kernel.isSignExtended() ? 1 : 0)),
                            -1L,
                            USER);
        };
    }

    private NestedPageTable table(
            PagingFormat format,
            TlbInvalidator invalidator,
            int tag,
            long first,
            long last,
            MmuFlags refused) {
        return new NestedPageTable(
                format,
                memory(),
                frames(),
                invalidator,
                tag,
                AddressLimits.between(first, last),
                refused);
    }

    @Override
    public boolean canMapExecuteOnly() {
        return nested.supports(MmuFlags.of(MmuFlags.EXECUTE_BIT));
    }
}
