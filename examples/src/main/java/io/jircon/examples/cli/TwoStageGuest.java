package io.jircon.examples.cli;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.BuddyFrameAllocator;
import io.jircon.hal.FrameAllocator;
import io.jircon.hal.GuestVirtAddr;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HalProvider;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PhysicalMemory;
import io.jircon.hal.TlbInvalidator;
import io.jircon.hal.npt.NestedPageTable;
import io.jircon.hal.npt.PagingFormat;
import io.jircon.hal.npt.Privilege;
import io.jircon.hal.npt.Stage1Formats;
import io.jircon.hal.npt.TwoStageWalk;
import io.jircon.hal.npt.TwoStageWalker;
import org.jspecify.annotations.Nullable;

/// A machine with one guest: 2 MiB that the guest takes for its physical memory, tables that the
/// guest keeps there for one page of its own, and the second stage below. Base pages everywhere, so
/// that a walk is as long as it can be.
final class TwoStageGuest implements AutoCloseable {
    /// Where the guest's memory begins in its own view.
    private static final long GUEST_BASE = 1L << 30;

    private static final PageSize GUEST_SIZE = PageSize.SIZE_2M;
    private static final int PHYSICAL_BITS = 40;

    private final Hal hal;
    private final NestedPageTable nested;
    private final NestedPageTable own;

    private TwoStageGuest(Hal hal, NestedPageTable nested, NestedPageTable own) {
        this.hal = hal;
        this.nested = nested;
        this.own = own;
    }

    /// Makes a guest with one page.
    ///
    /// @param provider a HAL with nested page tables
    /// @param vaddr any address in the page, guest-virtual
    /// @param options how many levels each stage has, and what is left out
    /// @return a guest to close
    /// @throws UsageException for a depth or an address that the guest's format does not have
    /// @throws io.jircon.hal.PagingException for a second stage that the HAL refuses
    static TwoStageGuest create(HalProvider provider, long vaddr, TwoStageOptions options) {
        HalConfig config = HalConfig.DEFAULT;
        if (options.levels != null) {
            config = config.withOption("levels", options.levels.toString());
        }
        Hal hal = provider.create(config);
        try {
            long host =
                    hal.frames()
                            .allocateContiguous(
                                    GUEST_SIZE.bytes() / PageSize.BASE_BYTES, GUEST_SIZE.shift());
            var memory =
                    new PhysicalMemory(hal.memory().slice(host, GUEST_SIZE.bytes()), GUEST_BASE);
            var nested = (NestedPageTable) hal.newPageTable(AddressSpaceKind.GUEST);
            nested.mapRange(
                    GUEST_BASE,
                    host,
                    GUEST_SIZE.bytes(),
                    MmuFlags.RWX,
                    HugePages.FORBIDDEN,
                    OnExisting.ERROR);
            int levels =
                    options.guestLevels != null ? options.guestLevels : nested.format().levels();
            var frames = new BuddyFrameAllocator(memory);
            PagingFormat format = format(provider.name(), levels);
            if (!format.isCanonical(vaddr)) {
                throw new UsageException(
                        "address=0x" + Long.toHexString(vaddr) + " is none of " + format);
            }
            var own = new NestedPageTable(format, memory, frames, new NoTlb(), 1);
            var guest = new TwoStageGuest(hal, nested, own);
            guest.mapPage(PageSize.SIZE_4K.alignDown(vaddr), frames, options.fault);
            return guest;
        } catch (RuntimeException e) {
            hal.close();
            throw e;
        }
    }

    private static PagingFormat format(String hal, int levels) {
        try {
            return switch (hal) {
                case "x86_64" -> Stage1Formats.x86(levels, PHYSICAL_BITS);
                case "riscv64" -> Stage1Formats.riscv(levels);
                default -> {
                    if (levels != 3 && levels != 4) {
                        throw new IllegalArgumentException(
                                "levels=" + levels + " is neither 3 nor 4");
                    }
                    yield Stage1Formats.aarch64Lower(levels * 9 + 12, PHYSICAL_BITS);
                }
            };
        } catch (IllegalArgumentException e) {
            throw new UsageException("guest-" + e.getMessage(), e);
        }
    }

    private void mapPage(long page, FrameAllocator frames, @Nullable TwoStageFault fault) {
        MmuFlags flags = MmuFlags.RW.with(MmuFlags.of(MmuFlags.USER_BIT));
        long frame = frames.allocate();
        own.map(page, frame, PageSize.SIZE_4K, flags);
        switch (fault) {
            case null -> {}
            case GUEST -> {
                // A neighbour keeps the last table, and with it the walk to its end.
                own.map(page ^ PageSize.BASE_BYTES, frame, PageSize.SIZE_4K, flags);
                own.unmap(page);
            }
            case NESTED -> nested.unmap(frame);
            case WALK ->
                    nested.unmap(
                            own.explain(page, AccessKind.READ).steps().getLast().tableAddress());
        }
    }

    /// The format of the guest's own tables.
    PagingFormat guestFormat() {
        return own.format();
    }

    /// The format of the second stage.
    PagingFormat nestedFormat() {
        return nested.format();
    }

    /// Reads an address as the guest's user would.
    TwoStageWalk read(long vaddr) {
        var walker = new TwoStageWalker(hal.memory(), own.format(), own.rootAddress(), nested);
        return walker.walk(new GuestVirtAddr(vaddr), AccessKind.READ, Privilege.USER);
    }

    @Override
    public void close() {
        own.close();
        nested.close();
        hal.close();
    }

    /// No processor runs the guest.
    private static final class NoTlb implements TlbInvalidator {
        @Override
        public void flushPages(int tag, long[] vaddrs, byte[] shifts, int count) {}

        @Override
        public void flushAll(int tag) {}
    }
}
