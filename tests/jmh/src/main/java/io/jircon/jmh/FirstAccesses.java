package io.jircon.jmh;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.HugePages;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import java.lang.foreign.MemorySegment;

/// A machine `unix-mmap` of which each page is entered at its first access; with minor faults, of
/// which all pages have an entry and the first access to each is held.
final class FirstAccesses implements AutoCloseable {
    private static final long PAGE = PageSize.BASE_BYTES;

    private final int pages;
    private final boolean minor;
    private final Hal hal;
    private final PageTableTrait table;
    private final Mmu mmu;
    private final MemorySegment word = MemorySegment.ofArray(new byte[8]);

    /// Makes it.
    ///
    /// @param faults the option: `efault`, `userfaultfd` or `minor`
    /// @param pages how many
    FirstAccesses(String faults, int pages) {
        this.pages = pages;
        minor = faults.equals("minor");
        hal =
                Hals.create(
                        "unix-mmap",
                        HalConfig.DEFAULT
                                .withMemoryBytes(pages * PAGE)
                                .withOption("faults", faults));
        table = hal.newPageTable(AddressSpaceKind.USER);
        mmu = hal.newMmu();
        mmu.activate(table);
        hal.memory().zero(hal.memory().base(), pages * PAGE); // makes pages of the host
        if (!faults.equals("efault")) {
            table.setFaultHandler((vaddr, access) -> {
                enter(vaddr);
                return true;
            });
        }
    }

    /// Takes every page away; with minor faults, enters each anew.
    void forget() {
        table.unmapRange(table.firstAddress(), pages * PAGE);
        if (minor) {
            table.mapRange(
                    table.firstAddress(),
                    hal.memory().base(),
                    pages * PAGE,
                    MmuFlags.RW,
                    HugePages.ALLOWED,
                    OnExisting.ERROR);
        }
    }

    /// Loads a word of each page, which has never been accessed since [#forget].
    void access() {
        for (int page = 0; page < pages; page++) {
            long vaddr = table.firstAddress() + page * PAGE;
            while (mmu.load(vaddr, word, 0, 8) == 0) {
                enter(vaddr);
            }
        }
    }

    private void enter(long vaddr) {
        long paddr = hal.memory().base() + (vaddr - table.firstAddress());
        table.map(vaddr, paddr, PageSize.SIZE_4K, MmuFlags.RW);
    }

    @Override
    public void close() {
        mmu.close();
        table.close();
        hal.close();
    }
}
