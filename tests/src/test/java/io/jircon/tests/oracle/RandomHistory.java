package io.jircon.tests.oracle;

import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.SplittableRandom;

/// Grows a page table through a random life: pages of every size entered, parts of them unmapped,
/// protected and split, other frames put in their place. What stands at the end is not what any
/// single call would have written.
final class RandomHistory {
    /// What a step may fail with because of what earlier steps did; any other failure is an error
    /// of the table.
    private static final EnumSet<PagingError> EXPECTED =
            EnumSet.of(
                    PagingError.ALREADY_MAPPED,
                    PagingError.MAPPED_TO_HUGE_PAGE,
                    PagingError.NO_MEMORY);

    private final PageTableTrait table;
    private final SplittableRandom random;
    private final long lowestFrame;
    private final long frameBytes;
    private final long[] places;
    private final List<MmuFlags> flags = new ArrayList<>();

    /// @param table an empty table
    /// @param random every choice comes from it
    /// @param lowestFrame first of the frames that may be mapped, 2 MiB aligned
    /// @param frameBytes how many bytes of them
    /// @param addressBits addresses stay below this width
    RandomHistory(
            PageTableTrait table,
            SplittableRandom random,
            long lowestFrame,
            long frameBytes,
            int addressBits) {
        this.table = table;
        this.random = random;
        this.lowestFrame = lowestFrame;
        this.frameBytes = frameBytes;
        // A few neighbourhoods far apart, among them the first and the last of the width.
        places = new long[8];
        for (int i = 1; i < places.length; i++) {
            places[i] = random.nextLong(1L << addressBits) & -(1L << 30);
        }
        places[places.length - 1] = (1L << addressBits) - (1L << 30);
        for (int bits = 0; bits < 128; bits++) {
            if (table.supports(MmuFlags.of(bits)) && !MmuFlags.of(bits).isNoAccess()) {
                flags.add(MmuFlags.of(bits));
            }
        }
    }

    /// Takes some steps.
    ///
    /// @param steps how many
    void live(int steps) {
        for (int i = 0; i < steps; i++) {
            try {
                step();
            } catch (PagingException e) {
                if (!EXPECTED.contains(e.error())) {
                    throw e;
                }
            }
        }
    }

    private void step() {
        MmuFlags someFlags = flags.get(random.nextInt(flags.size()));
        long place = places[random.nextInt(places.length)];
        // Three 2 MiB slots per neighbourhood, so that steps meet each other.
        long slot = place + random.nextLong(3) * PageSize.SIZE_2M.bytes();
        long vaddr = slot + random.nextLong(512) * PageSize.BASE_BYTES;
        long pages = 1 + random.nextLong(random.nextInt(4) == 0 ? 900 : 40);
        long bytes = Math.min(pages * PageSize.BASE_BYTES, place + (1L << 30) - vaddr);
        switch (random.nextInt(12)) {
            case 0, 1, 2 ->
                    table.mapRange(
                            vaddr, frame(bytes), bytes, someFlags, HugePages.ALLOWED, existing());
            case 3, 4 ->
                    table.mapPages(
                            vaddr,
                            scattered((int) Math.min(bytes >>> 12, 64)),
                            0,
                            (int) Math.min(bytes >>> 12, 64),
                            someFlags,
                            existing());
            case 5, 6 -> {
                long frame =
                        lowestFrame + random.nextLong(frameBytes >>> 21) * PageSize.SIZE_2M.bytes();
                table.mapRange(
                        slot,
                        frame,
                        PageSize.SIZE_2M.bytes(),
                        someFlags,
                        HugePages.ALLOWED,
                        existing());
            }
            case 7 -> {
                long gigabyte = places[random.nextInt(places.length)];
                if (table.supports(PageSize.SIZE_1G)) {
                    table.map(
                            gigabyte,
                            PageSize.SIZE_1G.alignDown(lowestFrame),
                            PageSize.SIZE_1G,
                            someFlags);
                }
            }
            case 8 -> table.unmapRange(vaddr, bytes);
            case 9, 10 -> table.protectRange(vaddr, bytes, someFlags);
            default -> table.writeProtectRange(vaddr, bytes);
        }
    }

    private OnExisting existing() {
        return OnExisting.values()[random.nextInt(OnExisting.values().length)];
    }

    private long frame(long bytes) {
        long frames = frameBytes - bytes >>> 12;
        // Half of the time with the alignment that a huge leaf needs.
        return random.nextBoolean()
                ? lowestFrame + random.nextLong(frames) * PageSize.BASE_BYTES
                : lowestFrame;
    }

    private long[] scattered(int count) {
        long[] paddrs = new long[count];
        for (int i = 0; i < count; i++) {
            paddrs[i] = lowestFrame + random.nextLong(frameBytes >>> 12) * PageSize.BASE_BYTES;
        }
        return paddrs;
    }
}
