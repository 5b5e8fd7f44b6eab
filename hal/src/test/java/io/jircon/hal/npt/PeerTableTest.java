package io.jircon.hal.npt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What the suites of other page tables try, on ours. Closing a table gives every frame back.
class PeerTableTest {
    private static final long K4 = PageSize.SIZE_4K.bytes();
    private static final long M2 = PageSize.SIZE_2M.bytes();
    private static final long G1 = PageSize.SIZE_1G.bytes();
    private static final long PA = 0x10_0000_0000L;

    private final Bench bench = new Bench();
    private final NestedPageTable table = bench.table(EptOptions.DEFAULT.format());

    @AfterEach
    void everyFrameComesBack() {
        table.close();
        assertEquals(bench.frames.totalFrames(), bench.free());
        bench.close();
    }

    private void range(long vaddr, long paddr, long size) {
        table.mapRange(vaddr, paddr, size, MmuFlags.RW, HugePages.ALLOWED, OnExisting.ERROR);
    }

    /// How many leaves of each size there are from 0 on.
    private static List<PageSize> sizes(NestedPageTable of, long from, long size) {
        var sizes = new ArrayList<PageSize>();
        of.forEachLeaf(from, size, (vaddr, paddr, leaf, flags) -> sizes.add(leaf));
        return sizes;
    }

    private static PagingError error(Runnable call) {
        return assertThrows(PagingException.class, call::run).error();
    }

    private static void requireNothingAt(NestedPageTable of, long vaddr) {
        assertEquals(PageTableTrait.NO_TRANSLATION, of.translate(vaddr));
        assertEquals(PagingError.NOT_MAPPED, error(() -> of.query(vaddr)));
    }

    @Test
    @Tag("page-table-generic/bugfixes:test_huge_page_offset_calculation")
    @Tag("page-table-generic/bugfixes:test_multi_level_huge_pages")
    @Tag("page-table-generic/flags:test_complex_mapping")
    @Tag("page-table-generic/translate:huge_page")
    void offsetsInHugeLeavesAreKept() {
        table.map(0, PA, PageSize.SIZE_2M, MmuFlags.RWX);
        table.map(G1, PA + G1, PageSize.SIZE_1G, MmuFlags.RWX);
        for (long offset : new long[] {0, 1, 0x1000, 0x10_0000, 0x1f_f000, M2 - 1}) {
            assertEquals(PA + offset, table.translate(offset));
            assertEquals(PA + G1 + offset, table.translate(G1 + offset));
            assertEquals(PA + 2 * G1 - M2 + offset, table.translate(2 * G1 - M2 + offset), "1 GiB");
        }
        requireNothingAt(table, M2);
        requireNothingAt(table, 2 * G1);
    }

    @Test
    @Tag("page-table-generic/bugfixes:test_walk_address_comparison")
    @Tag("page-table-generic/translate:error_cases")
    void anEmptyTableShowsNothing() {
        assertEquals(List.of(), sizes(table, 0, 1L << 48));
        assertEquals(List.of(), sizes(table, 0x1000, 0));
        requireNothingAt(table, 0);
        requireNothingAt(table, 0x1234);
    }

    @Test
    @Tag("page-table-generic/bugfixes:test_unmap_reclaim_logic")
    @Tag("page-table-generic/map:test_unmap_basic")
    void unmappingGivesTablesBack() {
        long before = bench.free();
        range(0x1000, PA, 3 * K4);
        assertTrue(bench.free() < before);
        assertEquals(
                List.of(PageSize.SIZE_4K, PageSize.SIZE_4K, PageSize.SIZE_4K), sizes(table, 0, M2));
        table.unmapRange(0x1000, 3 * K4);
        assertEquals(before, bench.free());
        requireNothingAt(table, 0x1000);
    }

    @Test
    @Tag("page-table-generic/bugfixes:test_unmap_mixed_entries")
    @Tag("page-table-generic/map:test_unmap_partial_mapping")
    @Tag("page-table-generic/translate:is_mapped")
    void unmappingSomePagesKeepsTheOthers() {
        for (long page : new long[] {0, 2, 4}) {
            table.map(page * K4, PA + page * K4, PageSize.SIZE_4K, MmuFlags.RW);
        }
        table.unmapRange(2 * K4, K4);
        assertEquals(PA, table.translate(0));
        assertEquals(PA + 4 * K4, table.translate(4 * K4));
        requireNothingAt(table, 2 * K4);
        range(G1, PA, 5 * K4);
        table.unmapRange(G1 + K4, 2 * K4);
        assertEquals(
                List.of(G1, G1 + 3 * K4, G1 + 4 * K4),
                List.copyOf(Bench.leaves(table, G1, M2).keySet()));
    }

    @Test
    @Tag("page-table-generic/bugfixes:test_deep_hierarchy")
    @Tag("page-table-generic/map:test_unmap_multi_level")
    void addressesThatNeedEveryLevelCanBeMapped() {
        long high = 0xf000_0000_0000L;
        range(high, PA, 2 * K4);
        range(0, PA, K4);
        assertEquals(PA + K4 + 5, table.translate(high + K4 + 5));
        table.unmapRange(high, 2 * K4);
        requireNothingAt(table, high);
        requireNothingAt(table, high + K4);
        assertEquals(PA, table.translate(0));
        table.unmapRange(0, K4);
        assertEquals(1, table.tableFrames());
    }

    @Test
    @Tag("page-table-generic/bugfixes:test_mixed_huge_and_normal_pages")
    @Tag("page-table-generic/drop:test_deallocate")
    @Tag("page-table-generic/map:test_huge_l3")
    @Tag("page-table-generic/map:test_huge_big_l3")
    @Tag("page-table-generic/map:test_unmap_huge_pages")
    @Tag("page-table-generic/translate:complex_layout")
    void leavesOfAllSizesLieNextToEachOther() {
        long small = 3 * K4;
        range(0, PA, M2 + small);
        range(G1, PA + G1, G1 + M2 + small);
        PageSize page = PageSize.SIZE_4K;
        assertEquals(List.of(PageSize.SIZE_2M, page, page, page), sizes(table, 0, G1));
        assertEquals(
                List.of(PageSize.SIZE_1G, PageSize.SIZE_2M, page, page, page),
                sizes(table, G1, 4 * G1));
        for (long at = 0; at < M2 + small; at += K4) {
            assertEquals(PA + at, table.translate(at));
        }
        requireNothingAt(table, M2 + small);
        assertEquals(new PageMapping(PA, MmuFlags.RW, PageSize.SIZE_2M), table.unmap(0x5000));
        requireNothingAt(table, 0x5000);
        assertEquals(PA + M2, table.translate(M2));
    }

    @Test
    @Tag("page-table-generic/bugfixes:test_stress_mapping_unmapping")
    @Tag("page-table-generic/translate:basic")
    @Tag("page-table-generic/translate:multiple_mappings")
    void everySecondOfAHundredPagesGoesThenTheRest() {
        for (int page = 0; page < 100; page++) {
            table.map(page * K4, PA + 3 * page * K4, PageSize.SIZE_4K, MmuFlags.RW);
        }
        for (int page = 0; page < 100; page += 2) {
            table.unmap(page * K4);
        }
        assertEquals(50, Bench.leaves(table, 0, M2).size());
        for (int page = 1; page < 100; page += 2) {
            assertEquals(PA + 3 * page * K4 + 7, table.translate(page * K4 + 7));
            table.unmap(page * K4);
        }
        assertEquals(Map.of(), Bench.leaves(table, 0, M2));
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 4, 5})
    @Tag("page-table-generic/map:test_new_l3")
    @Tag("page-table-generic/map:test_new_l4")
    @Tag("page-table-generic/map:test_new_l5")
    void twoPagesAreTwoLeavesAtEveryDepth(int levels) {
        try (NestedPageTable deep = bench.table(Stage1Formats.riscv(levels))) {
            for (long at : new long[] {0x1000, (1L << deep.format().addressBits() - 2) + K4}) {
                deep.mapRange(at, PA, 2 * K4, MmuFlags.RW, HugePages.ALLOWED, OnExisting.ERROR);
                assertEquals(
                        List.of(at, at + K4), List.copyOf(Bench.leaves(deep, at, 4 * K4).keySet()));
                assertEquals(PageSize.SIZE_4K, deep.query(at).size());
            }
        }
    }

    @Test
    @Tag("page-table-generic/map:test_new_l4_ffff")
    void aRangeWhoseFramesAreNotAlignedHasSmallLeaves() {
        long kernel = 0xffff_ffff_8000_0000L;
        try (NestedPageTable high = bench.table(Stage1Formats.x86(4, 46))) {
            high.mapRange(kernel, PA + K4, M2, MmuFlags.RX, HugePages.ALLOWED, OnExisting.ERROR);
            assertEquals(512, Bench.leaves(high, kernel, G1).size());
            for (long at : new long[] {0, M2 / 2 + 5, M2 - 1}) {
                assertEquals(PA + K4 + at, high.translate(kernel + at));
            }
            requireNothingAt(high, kernel + M2);
        }
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#kinds")
    @Tag("page-table-generic/map:test_huge_not_align_l3")
    @Tag("page-table-generic/map:test_huge_not_align_l4")
    @Tag("page-table-generic/map:test_v_p_not_align_l3")
    void whatStartsBetweenHugePagesIsCoveredAllTheSame(PagingFormat format) {
        try (NestedPageTable other = bench.table(format)) {
            long[][] ranges = {{M2 - K4, M2 - K4, 2 * M2}, {G1, G1 + K4, M2}};
            for (long[] range : ranges) {
                other.mapRange(
                        range[0],
                        range[1],
                        range[2],
                        MmuFlags.RW,
                        HugePages.ALLOWED,
                        OnExisting.ERROR);
                var pages = Bench.pages(other, range[0], range[2]);
                assertEquals(range[2] / K4, pages.size());
                pages.forEach((at, page) ->
                        assertEquals(Bench.page(range[1] + at - range[0], MmuFlags.RW), page));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 4})
    @Tag("page-table-generic/riscv_x4:sv39x4_maps_all_four_root_pages_without_aliasing")
    @Tag("page-table-generic/riscv_x4:sv48x4_maps_all_four_root_pages_without_aliasing")
    @Tag("page-table-generic/riscv_x4:sv39x4_rejects_gpa_outside_41_bits")
    @Tag("page-table-generic/riscv_x4:sv48x4_rejects_gpa_outside_50_bits")
    @Tag("page-table-generic/riscv_x4:sv48x4_drop_releases_tables_from_high_root_quadrant")
    void allFourPagesOfARiscvGuestRootAreUsed(int levels) {
        int bits = levels == 3 ? 41 : 50;
        try (NestedPageTable wide = bench.table(RiscvOptions.GUEST.withLevels(levels).format())) {
            long quarter = 1L << bits - 2;
            for (int k = 0; k < 4; k++) {
                wide.map(k * quarter, PA + k * K4, PageSize.SIZE_4K, MmuFlags.RW);
            }
            for (int k = 0; k < 4; k++) {
                assertEquals(PA + k * K4, wide.translate(k * quarter));
            }
            assertEquals(
                    PagingError.OUT_OF_RANGE,
                    error(() -> wide.map(1L << bits, PA, PageSize.SIZE_4K, MmuFlags.RW)));
        }
    }

    @Test
    @Tag("page_table_multiarch:README")
    @Tag("page_table_entry:README")
    void anX86StageOnePageIsFoundAndIsThatOfTheManual() {
        PagingFormat format = Stage1Formats.x86(4, 46);
        long noExecute = 1L << 63;
        assertEquals(
                0x23_3000 | 3 | noExecute,
                format.encodeLeaf(0x23_3000, MmuFlags.RW, PageSize.SIZE_4K));
        try (NestedPageTable program = bench.table(format)) {
            assertEquals(0, program.rootAddress() & (K4 - 1));
            long at = 0xdead_beef_000L;
            program.map(at, 0x2000, PageSize.SIZE_4K, MmuFlags.RW);
            assertEquals(new PageMapping(0x2000, MmuFlags.RW, PageSize.SIZE_4K), program.query(at));
        }
    }
}
