package io.jircon.hal.unix;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// The child of [UnixMmapCrashTest]: maps and writes in a persistent frame file until it is killed.
///
/// Round n writes n to every word of every page through a window, flushes, then says `n`.
final class CrashMain {
    static final int PAGES = 256;

    private CrashMain() {}

    static HalConfig config(String file) {
        return HalConfig.DEFAULT
                .withMemoryBytes(2L * PAGES * PageSize.BASE_BYTES)
                .withOption("window", "4M")
                .withOption("file", file);
    }

    /// @param arguments the frame file
    public static void main(String[] arguments) {
        var hal = UnixMmapHal.open(config(arguments[0]));
        var table = hal.newPageTable(AddressSpaceKind.USER);
        var mmu = hal.newMmu();
        mmu.activate(table);
        long bytes = PAGES * PageSize.BASE_BYTES;
        MemorySegment words = MemorySegment.ofArray(new long[(int) (bytes / 8)]);
        for (long round = 1; ; round++) {
            table.mapRange(
                    table.firstAddress(),
                    hal.memory().base(),
                    bytes,
                    MmuFlags.RW,
                    HugePages.ALLOWED,
                    OnExisting.ERROR);
            for (long at = 0; at < bytes; at += 8) {
                words.set(ValueLayout.JAVA_LONG, at, round);
            }
            mmu.store(table.firstAddress(), words, 0, bytes);
            hal.flush();
            System.out.println(round);
            table.unmapRange(table.firstAddress(), bytes);
        }
    }
}
