package io.jircon.hal.npt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.util.BitSet;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Tables that the public constructor makes take the addresses that the format translates, and no
/// others: neither those between the halves of a sign-extended format, which would alias, nor
/// ranges that end in another half than they start in.
@Tag("A-49")
class AddressLimitsTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final long FRAME = 0x40_0000;

    private final Bench bench = new Bench();

    @AfterEach
    void closeBench() {
        bench.close();
    }

    static Stream<PagingFormat> signExtended() {
        return Formats.all().filter(PagingFormat::isSignExtended);
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    void whatIsTakenIsWhatTheFormatTranslates(PagingFormat format) {
        AddressLimits limits = AddressLimits.of(format);
        for (int bit = 0; bit < Long.SIZE; bit++) {
            for (long base : new long[] {0, 1L << bit, -1L << bit, format.lowestAddress()}) {
                for (long vaddr = base - 2; vaddr != base + 3; vaddr++) {
                    assertEquals(
                            format.isCanonical(vaddr),
                            limits.contains(vaddr),
                            () -> format + " " + Long.toHexString(base));
                    assertEquals(limits.contains(vaddr), limits.contains(vaddr, 1));
                    boolean both = limits.contains(vaddr) && limits.contains(vaddr + 1);
                    assertEquals(both && vaddr != -1, limits.contains(vaddr, 2));
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("signExtended")
    void addressesBetweenTheHalvesAreRefusedAndNeverAlias(PagingFormat format) {
        long holeStart = 1L << (format.addressBits() - 1);
        long holeEnd = -holeStart;
        try (NestedPageTable table = bench.table(format)) {
            map(table, 0);
            map(table, holeEnd);
            map(table, holeStart - PAGE);
            map(table, -PAGE);
            long free = bench.free();
            // The last two have the indices of what is mapped at 0 and at the hole's end.
            for (long vaddr :
                    List.of(holeStart, holeEnd - PAGE, 2 * holeStart, holeEnd - 2 * holeStart)) {
                requireRefused(table, vaddr, PAGE);
                assertEquals(PageTableTrait.NO_TRANSLATION, table.translate(vaddr));
                assertEquals(PagingError.NOT_MAPPED, error(() -> table.query(vaddr)));
                assertFalse(Bench.walks(table, vaddr, AccessKind.READ));
            }
            requireRefused(table, holeStart - PAGE, 2 * PAGE);
            requireRefused(table, holeStart - PAGE, holeEnd - holeStart + 2 * PAGE);
            requireRefused(table, holeEnd - PAGE, 2 * PAGE);
            requireRefused(table, -PAGE, 2 * PAGE);

            assertEquals(free, bench.free());
            for (long vaddr : List.of(0L, holeStart - PAGE, holeEnd, -PAGE)) {
                assertEquals(FRAME + 1, table.translate(vaddr + 1));
                assertTrue(Bench.walks(table, vaddr, AccessKind.WRITE));
                assertEquals(1, Bench.leaves(table, vaddr, PAGE).size());
                table.unmap(vaddr);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("signExtended")
    void eachHalfIsTakenToItsEnd(PagingFormat format) {
        long half = 1L << (format.addressBits() - 1);
        try (NestedPageTable table = bench.table(format)) {
            for (long start : new long[] {0, -half}) {
                map(table, start);
                map(table, start + half - PAGE);
                table.protectRange(start, half, MmuFlags.R);
                assertEquals(2, Bench.leaves(table, start, half).size());
                table.unmapRange(start, half);
                assertEquals(new TreeMap<>(), Bench.leaves(table, start, half));
            }
        }
    }

    private static void map(NestedPageTable table, long vaddr) {
        table.map(vaddr, FRAME, PageSize.SIZE_4K, MmuFlags.RW);
    }

    private static PagingError error(Executable call) {
        return assertThrows(PagingException.class, call).error();
    }

    private static void requireRefused(NestedPageTable table, long vaddr, long size) {
        long half = 1L << (table.format().addressBits() - 1);
        String rule = " leaves 0x0..0x%x and 0x%x..0xffffffffffffffff".formatted(half - 1, -half);
        String message = "OUT_OF_RANGE: vaddr=0x%x with size=0x%x".formatted(vaddr, size) + rule;
        long[] frames = new long[2];
        List<Executable> ranges =
                List.of(
                        () ->
                                table.mapRange(
                                        vaddr,
                                        0,
                                        size,
                                        MmuFlags.R,
                                        HugePages.ALLOWED,
                                        OnExisting.UPGRADE),
                        () -> table.unmapRange(vaddr, size),
                        () -> table.protectRange(vaddr, size, MmuFlags.R),
                        () -> table.writeProtectRange(vaddr, size),
                        () -> table.forEachLeaf(vaddr, size, (at, paddr, page, flags) -> {}),
                        () -> table.join(vaddr, size));
        for (Executable call : ranges) {
            assertEquals(message, assertThrows(PagingException.class, call).getMessage());
        }
        if (table.format().tracksDirty()) {
            Executable call = () -> table.harvestDirty(vaddr, size, new BitSet());
            assertEquals(message, assertThrows(PagingException.class, call).getMessage());
        }
        if (size == PAGE) {
            assertEquals(PagingError.OUT_OF_RANGE, error(() -> map(table, vaddr)));
            assertEquals(
                    PagingError.OUT_OF_RANGE,
                    error(() -> table.mapPages(vaddr, frames, 0, 1, MmuFlags.R, OnExisting.SKIP)));
            assertEquals(PagingError.OUT_OF_RANGE, error(() -> table.unmap(vaddr)));
            assertEquals(PagingError.OUT_OF_RANGE, error(() -> table.protect(vaddr, MmuFlags.R)));
            assertEquals(PagingError.OUT_OF_RANGE, error(() -> table.remap(vaddr, 0, MmuFlags.R)));
        }
    }
}
