package io.jircon.hal.unix;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingException;
import io.jircon.hal.unix.SeccompFilter.Call;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// The child of [SystemErrorsTest]: forbids itself one system call after the other, and says what
/// an open machine answers to the operation that needs it, and a machine that is to be opened.
///
/// The filters come in the reverse order of [HostProbe]'s calls: an opening machine then meets the
/// newest one first.
final class SystemErrorsMain {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final HalConfig CONFIG =
            HalConfig.DEFAULT.withMemoryBytes(1 << 20).withOption("window", "1M");

    /// What an anonymous reservation without access looks like to `mmap`.
    private static final int RESERVE =
            Posix.MAP_PRIVATE | Posix.MAP_ANONYMOUS | Posix.MAP_NORESERVE;

    private final UnixMmapHal hal = UnixMmapHal.open(CONFIG);
    private final UnixMmapPageTable table =
            (UnixMmapPageTable) hal.newPageTable(AddressSpaceKind.USER);
    private final UnixMmapMmu mmu = (UnixMmapMmu) hal.newMmu();
    private final long start = table.firstAddress();
    private final long base = hal.memory().base();
    private final MemorySegment bytes = MemorySegment.ofArray(new byte[16]);

    private SystemErrorsMain() {
        mmu.activate(table);
        table.map(start, base, PageSize.SIZE_4K, MmuFlags.RW);
        table.map(start + PAGE, base + 8 * PAGE, PageSize.SIZE_4K, MmuFlags.RW);
        hal.memory().writeLong(base, 0x5eed);
    }

    /// @param arguments none
    public static void main(String[] arguments) {
        openFile(); // what the JVM opens by itself
        long descriptors = HostMaps.descriptors();
        new SystemErrorsMain().run();
        System.out.println("left: " + HostMaps.windows());
        System.out.println("descriptors: " + (HostMaps.descriptors() - descriptors));
    }

    private void run() {
        int window = (int) (start >>> 32);

        SeccompFilter.of(Call.PROCESS_VM_WRITEV).refuse(Errno.EPERM);
        refused("store", () -> mmu.store(start, bytes, 0, 16));
        refusedToOpen();

        SeccompFilter.of(Call.PROCESS_VM_READV).refuse(Errno.ENOSYS);
        refused("load", () -> mmu.load(start, bytes, 0, 16));
        refused("fault", () -> mmu.load(start + 2 * PAGE, bytes, 0, 16));
        refusedToOpen();

        SeccompFilter.of(Call.MPROTECT).low(2, -1, Posix.PROT_READ).refuse(Errno.EACCES);
        refused("protect", () -> table.protectRange(start, 2 * PAGE, MmuFlags.R));
        refusedToOpen();

        int shared = Posix.MAP_SHARED | Posix.MAP_FIXED;
        SeccompFilter.of(Call.MMAP).low(3, shared, shared).refuse(Errno.EAGAIN);
        refused("map", () -> table.map(start + 2 * PAGE, base, PageSize.SIZE_4K, MmuFlags.R));
        refusedToOpen();

        SeccompFilter.of(Call.MMAP)
                .high(0, window)
                .low(3, -1, RESERVE | Posix.MAP_FIXED)
                .refuse(Errno.ENOMEM);
        refused("unmap", () -> table.unmapRange(start, 2 * PAGE));

        // The first fails wherever a window is tried, the second when the host is to choose.
        int wherever = RESERVE | Posix.MAP_FIXED_NOREPLACE;
        SeccompFilter.of(Call.MMAP).low(3, -1, wherever).refuse(Errno.ENOMEM);
        SeccompFilter.of(Call.MMAP).low(3, -1, RESERVE).refuse(Errno.ENOMEM);
        refused("window", () -> hal.newPageTable(AddressSpaceKind.GUEST));
        refusedToOpen();
        SeccompFilter.of(Call.MMAP).low(3, -1, wherever).refuse(Errno.EPERM);
        refused("window", () -> hal.newPageTable(AddressSpaceKind.GUEST));

        SeccompFilter.of(Call.MEMFD_CREATE).refuse(Errno.EPERM);
        refusedToOpen();

        SeccompFilter.of(Call.MMAP).low(3, 3, Posix.MAP_SHARED).refuse(Errno.ENOMEM);
        refused("file", SystemErrorsMain::openFile);

        try (MappedView view = table.pin(start, 2 * PAGE, AccessKind.WRITE)) {
            System.out.println("view: " + view.segment().get(ValueLayout.JAVA_LONG, 0));
        }
        hal.close();
    }

    private static void openFile() {
        UnixFileHal.open(HalConfig.DEFAULT.withMemoryBytes(1 << 20)).close();
    }

    /// Does what must be refused and leave nothing behind.
    private void refused(String what, Runnable operation) {
        List<Object> before = everything();
        String answer = "no exception";
        try {
            operation.run();
        } catch (PagingException thrown) {
            answer = String.valueOf(thrown.getMessage());
        }
        System.out.println(what + ": " + answer);
        requireSame(before);
    }

    private void requireSame(List<Object> before) {
        List<Object> after = everything();
        if (!before.equals(after)) {
            System.out.println("changed: " + before + " to " + after);
        }
    }

    private void refusedToOpen() {
        refused("open", () -> UnixMmapHal.open(CONFIG));
        List<Object> before = everything();
        System.out.println("reason: " + new UnixMmapProvider().unavailableReason().orElse("none"));
        requireSame(before);
    }

    private List<Object> everything() {
        List<Object> all = new ArrayList<>(HostMaps.within(start, start + (1 << 20)));
        all.add(List.of(table.hostMappings(), hal.hostMappings(), HostMaps.descriptors()));
        all.add(HostMaps.windows());
        table.forEachLeaf(
                start,
                1 << 20,
                (vaddr, paddr, size, flags) -> all.add(List.of(vaddr, paddr, flags)));
        var memory = new byte[(int) (9 * PAGE)];
        hal.memory().read(base, MemorySegment.ofArray(memory), 0, memory.length);
        all.add(Arrays.hashCode(memory));
        all.add(bytes.get(ValueLayout.JAVA_LONG_UNALIGNED, 0));
        return all;
    }
}
