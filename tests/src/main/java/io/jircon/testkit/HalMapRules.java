package io.jircon.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.WalkResult;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// One page at a time: map, remap, protect, unmap, query, translate; refusals and their order.
abstract class HalMapRules extends HalFixture {
    private static final MmuFlags NO_ACCESS = MmuFlags.of(MmuFlags.USER_BIT);

    HalMapRules() {}

    /// If it fails: compare the suite's declaration with what the HAL's tables really support.
    @Test
    @Tag("V-289")
    void required_declaredFeaturesAreThere() {
        assertDeclared(HalFeature.HUGE_2M, table.supports(PageSize.SIZE_2M), "supports(SIZE_2M)");
        assertDeclared(HalFeature.HUGE_1G, table.supports(PageSize.SIZE_1G), "supports(SIZE_1G)");
        assertDeclared(HalFeature.EXECUTE_ONLY, hal.canMapExecuteOnly(), "canMapExecuteOnly()");
        assertDeclared(
                HalFeature.EXECUTE_ONLY,
                table.supports(MmuFlags.of(MmuFlags.EXECUTE_BIT)),
                "supports(EXECUTE alone)");
        assertDeclared(
                HalFeature.TABLES_IN_MEMORY, table.rootAddress() != 0, "rootAddress() is not 0");
        assertDeclared(
                HalFeature.TABLES_IN_MEMORY, table.tableFrames() > 0, "tableFrames() is not 0");
        assertTrue(table.supports(PageSize.SIZE_4K), "4K leaves are always supported");
        for (MmuFlags flags : new MmuFlags[] {MmuFlags.R, MmuFlags.RW, MmuFlags.RX, MmuFlags.RWX}) {
            assertTrue(table.supports(flags), () -> flags + " is always supported");
        }
        assertFalse(table.supports(MmuFlags.NONE), "flags without any access");
    }

    /// If it fails: `newPageTable` must refuse kinds the machine lacks with NOT_SUPPORTED, and a
    /// user space must not contain page 0.
    @Test
    @Tag("V-20")
    void required_declaredKindsOfSpacesAreThere() {
        assertTrue(Long.compareUnsigned(table.firstAddress(), PAGE) >= 0, "page 0 is outside");
        checkKind(AddressSpaceKind.KERNEL, HalFeature.KERNEL_SPACES);
        checkKind(AddressSpaceKind.GUEST, HalFeature.GUEST_SPACES);
    }

    private void checkKind(AddressSpaceKind kind, HalFeature feature) {
        if (!has(feature)) {
            assertDeclared(feature, makes(kind), "newPageTable(" + kind + ") makes one");
            return;
        }
        PageTableTrait made = newTable(kind);
        long paddr = frame();
        assertEquals(0, made.firstAddress() & (PAGE - 1), "firstAddress is a page's first byte");
        assertEquals(PAGE - 1, made.lastAddress() & (PAGE - 1), "lastAddress is a page's last");
        made.map(made.firstAddress(), paddr, PageSize.SIZE_4K, MmuFlags.RW);
        assertEquals(paddr + 5, made.translate(made.firstAddress() + 5));
        if (kind == AddressSpaceKind.GUEST) {
            assertEquals(0, made.firstAddress(), "guest-physical addresses start at 0");
        } else {
            assertTrue(made.firstAddress() < 0, "kernel addresses are in the upper half");
        }
    }

    private boolean makes(AddressSpaceKind kind) {
        try {
            newTable(kind);
            return true;
        } catch (PagingException refused) {
            assertEquals(PagingError.NOT_SUPPORTED, refused.error(), refused.getMessage());
            return false;
        }
    }

    /// If it fails: a new table must be empty to every way of looking.
    @Test
    void required_newTableIsEmpty() {
        assertEquals(PageTableTrait.NO_TRANSLATION, table.translate(seam));
        assertRefused(PagingError.NOT_MAPPED, () -> table.query(seam));
        assertEquals(Map.of(), entries(table, seam - 4 * PAGE, 8));
        assertFalse(canLoad(seam));
    }

    /// If it fails: query adds the offset in the leaf; neighbours must not appear.
    @Test
    @Tag("A-169")
    void required_mappedPageIsFoundByEveryAddressInIt() {
        long paddr = frame();
        map(seam, paddr, MmuFlags.RW);
        for (long offset : new long[] {0, 1, 0x123, PAGE - 1}) {
            assertEquals(
                    new PageMapping(paddr + offset, MmuFlags.RW, PageSize.SIZE_4K),
                    table.query(seam + offset));
            assertEquals(paddr + offset, table.translate(seam + offset));
        }
        assertEquals(PageTableTrait.NO_TRANSLATION, table.translate(seam - 1));
        assertEquals(PageTableTrait.NO_TRANSLATION, table.translate(seam + PAGE));
    }

    /// If it fails: look at the index computation of the top level and at inclusive ends.
    @Test
    void required_firstAndLastPageCanBeMapped() {
        long first = table.firstAddress();
        long last = table.lastAddress() - PAGE + 1;
        long[] paddrs = frames(2);
        map(first, paddrs[0], MmuFlags.RW);
        map(last, paddrs[1], MmuFlags.RW);
        mark(paddrs[0], 11);
        mark(paddrs[1], 12);
        assertEquals(11, load(first));
        assertEquals(12, load(last));
        assertEquals(paddrs[1] + PAGE - 1, table.translate(table.lastAddress()));
        assertEquals(1, entries(table, last, 1).size());
        table.unmapRange(last, PAGE);
        assertFalse(canLoad(last));
        assertEquals(11, load(first));
    }

    /// If it fails: ranges are checked by subtraction, for single pages and for whole spans; an end
    /// of 2^64 is no overflow but one byte more is.
    @Test
    @Tag("aspace_unittest.cc:arch_is_user_accessible_range")
    void required_addressesOutsideTheRangeAreRefused() {
        long paddr = frame();
        long below = table.firstAddress() - PAGE;
        long above = table.lastAddress() + 1;
        long last = table.lastAddress() - PAGE + 1;
        boolean hasBelow = table.firstAddress() != 0;
        for (long bad : new long[] {below, above, 0x8000_0000_0000_0000L}) {
            if (bad == below && !hasBelow || inRange(bad)) {
                continue;
            }
            assertRefused(PagingError.OUT_OF_RANGE, () -> map(bad, paddr, MmuFlags.R));
            assertRefused(PagingError.OUT_OF_RANGE, () -> table.unmap(bad));
            assertRefused(PagingError.OUT_OF_RANGE, () -> table.protect(bad, MmuFlags.R));
            assertRefused(PagingError.OUT_OF_RANGE, () -> table.remap(bad, paddr, MmuFlags.R));
            assertRefused(PagingError.NOT_MAPPED, () -> table.query(bad));
            assertEquals(PageTableTrait.NO_TRANSLATION, table.translate(bad));
        }
        for (long size : new long[] {2 * PAGE, -PAGE, Long.MIN_VALUE}) {
            assertRefusedUnchanged(
                    PagingError.OUT_OF_RANGE, last, 1, () -> table.unmapRange(last, size));
            assertRefusedUnchanged(
                    PagingError.OUT_OF_RANGE,
                    last,
                    1,
                    () -> table.protectRange(last, size, MmuFlags.R));
            assertRefusedUnchanged(
                    PagingError.OUT_OF_RANGE, last, 1, () -> table.writeProtectRange(last, size));
            assertRefusedUnchanged(
                    PagingError.OUT_OF_RANGE, last, 1, () -> mapRange(last, paddr, size));
            assertRefused(
                    PagingError.OUT_OF_RANGE,
                    () -> table.forEachLeaf(last, size, (v, p, s, f) -> {}));
        }
        assertRefusedUnchanged(
                PagingError.OUT_OF_RANGE,
                last,
                1,
                () ->
                        table.mapPages(
                                last,
                                new long[] {paddr, paddr},
                                0,
                                2,
                                MmuFlags.R,
                                io.jircon.hal.OnExisting.ERROR));
    }

    private boolean inRange(long vaddr) {
        return Long.compareUnsigned(vaddr, table.firstAddress()) >= 0
                && Long.compareUnsigned(vaddr, table.lastAddress()) <= 0;
    }

    final void mapRange(long vaddr, long paddr, long sizeBytes) {
        table.mapRange(
                vaddr,
                paddr,
                sizeBytes,
                MmuFlags.RW,
                io.jircon.hal.HugePages.FORBIDDEN,
                io.jircon.hal.OnExisting.ERROR);
    }

    /// If it fails: alignment is checked for each address and size, and before the range.
    @Test
    @Tag("page-table-generic/map:test_unmap_error_cases")
    void required_unalignedArgumentsAreRefusedFirst() {
        long paddr = frame();
        long outside = table.lastAddress() + 1;
        for (long off : new long[] {1, 8, PAGE - 1}) {
            assertRefused(PagingError.NOT_ALIGNED, () -> map(seam + off, paddr, MmuFlags.R));
            assertRefused(PagingError.NOT_ALIGNED, () -> map(seam, paddr + off, MmuFlags.R));
            assertRefused(PagingError.NOT_ALIGNED, () -> map(outside + off, paddr, NO_ACCESS));
            assertRefused(PagingError.NOT_ALIGNED, () -> mapRange(seam + off, paddr, PAGE));
            assertRefused(PagingError.NOT_ALIGNED, () -> mapRange(seam, paddr + off, PAGE));
            assertRefused(PagingError.NOT_ALIGNED, () -> mapRange(seam, paddr, PAGE + off));
            assertRefused(PagingError.NOT_ALIGNED, () -> table.unmapRange(seam + off, PAGE));
            assertRefused(PagingError.NOT_ALIGNED, () -> table.unmapRange(seam, off));
            assertRefused(
                    PagingError.NOT_ALIGNED,
                    () -> table.protectRange(seam + off, PAGE, MmuFlags.R));
            assertRefused(PagingError.NOT_ALIGNED, () -> table.protectRange(seam, off, NO_ACCESS));
            assertRefused(PagingError.NOT_ALIGNED, () -> table.writeProtectRange(seam + off, PAGE));
            assertRefused(
                    PagingError.NOT_ALIGNED,
                    () -> table.forEachLeaf(seam, off, (v, p, s, f) -> {}));
        }
        if (has(HalFeature.HUGE_2M)) {
            assertRefused(
                    PagingError.NOT_ALIGNED,
                    () -> table.map(seam + PAGE, MEMORY_BASE, PageSize.SIZE_2M, MmuFlags.R));
            assertRefused(
                    PagingError.NOT_ALIGNED,
                    () -> table.map(seam, MEMORY_BASE + PAGE, PageSize.SIZE_2M, MmuFlags.R));
        }
        assertEquals(Map.of(), entries(table, seam - 2 * PAGE, 6));
    }

    /// If it fails: range comes before flags, flags before what is mapped.
    @Test
    void required_refusalsComeInOrder() {
        long paddr = frame();
        long outside = table.lastAddress() + 1;
        if (!inRange(outside)) {
            assertRefused(PagingError.OUT_OF_RANGE, () -> map(outside, paddr, NO_ACCESS));
            assertRefused(PagingError.OUT_OF_RANGE, () -> table.protect(outside, NO_ACCESS));
        }
        map(seam, paddr, MmuFlags.RW);
        assertRefused(PagingError.NOT_SUPPORTED, () -> map(seam, paddr, NO_ACCESS));
        assertRefused(PagingError.NOT_SUPPORTED, () -> table.protect(seam + PAGE, NO_ACCESS));
        assertRefused(PagingError.NOT_SUPPORTED, () -> table.remap(seam + PAGE, paddr, NO_ACCESS));
        assertRefused(
                PagingError.NOT_SUPPORTED, () -> table.protectRange(seam, 2 * PAGE, NO_ACCESS));
        faulty.failAt(1);
        assertRefused(PagingError.ALREADY_MAPPED, () -> map(seam, paddr, MmuFlags.R));
        faulty.disarm();
    }

    /// If it fails: an existing entry must survive a refused second one.
    @Test
    void required_mappedPageIsNotMappedAgain() {
        long[] paddrs = frames(2);
        map(seam, paddrs[0], MmuFlags.R);
        assertRefusedUnchanged(
                PagingError.ALREADY_MAPPED, seam, 1, () -> map(seam, paddrs[1], MmuFlags.RW));
        assertRefusedUnchanged(
                PagingError.ALREADY_MAPPED, seam, 1, () -> map(seam, paddrs[0], MmuFlags.R));
    }

    /// If it fails: an absent page must be told from one with few rights.
    @Test
    void required_absentPageIsNotMappedToEverySinglePageCall() {
        long paddr = frame();
        map(seam, paddr, MmuFlags.R);
        long absent = seam + PAGE;
        assertRefusedUnchanged(PagingError.NOT_MAPPED, seam, 2, () -> table.unmap(absent));
        assertRefusedUnchanged(
                PagingError.NOT_MAPPED, seam, 2, () -> table.protect(absent, MmuFlags.R));
        assertRefusedUnchanged(
                PagingError.NOT_MAPPED, seam, 2, () -> table.remap(absent, paddr, MmuFlags.R));
        assertRefusedUnchanged(PagingError.NOT_MAPPED, seam, 2, () -> table.query(absent));
    }

    /// If it fails: unmap answers what the leaf held, and a second unmap finds nothing.
    @Test
    @Tag("A-169")
    void required_unmapAnswersWhatWasThere() {
        long paddr = frame();
        map(seam, paddr, MmuFlags.RX);
        assertEquals(
                new PageMapping(paddr, MmuFlags.RX, PageSize.SIZE_4K), table.unmap(seam + 0x321));
        assertRefused(PagingError.NOT_MAPPED, () -> table.unmap(seam));
        assertEquals(PageTableTrait.NO_TRANSLATION, table.translate(seam));
    }

    /// If it fails: remap changes frame and flags together; the frame must be aligned.
    @Test
    void required_remapReplacesFrameAndFlags() {
        long[] paddrs = frames(2);
        map(seam, paddrs[0], MmuFlags.R);
        assertEquals(PageSize.SIZE_4K, table.remap(seam + 9, paddrs[1], MmuFlags.RW));
        assertEquals(new PageMapping(paddrs[1], MmuFlags.RW, PageSize.SIZE_4K), table.query(seam));
        assertRefusedUnchanged(
                PagingError.NOT_ALIGNED,
                seam,
                1,
                () -> table.remap(seam, paddrs[0] + 1, MmuFlags.R));
    }

    /// If it fails: every set of flags that `supports` accepts must come back unchanged from query,
    /// forEachLeaf and unmap; every other set must be refused by map and protect.
    @Test
    void required_supportedFlagsComeBackAndOthersAreRefused() {
        long paddr = frame();
        for (int bits = 0; bits < 1 << 7; bits++) {
            MmuFlags flags = MmuFlags.of(bits);
            if (table.supports(flags)) {
                assertFalse(flags.isNoAccess(), () -> flags + " allows nothing");
                map(seam, paddr, flags);
                assertEquals(flags, table.query(seam).flags());
                assertEquals(Map.of(seam, new Entry(paddr, flags)), entries(table, seam, 1));
                assertEquals(flags, table.unmap(seam).flags());
                map(seam, paddr, MmuFlags.RW);
                table.protect(seam, flags);
                assertEquals(flags, table.query(seam).flags(), "after protect");
                table.protectRange(seam, PAGE, MmuFlags.R);
                table.protectRange(seam, PAGE, flags);
                assertEquals(flags, table.unmap(seam).flags(), "after protectRange");
            } else {
                assertRefusedUnchanged(
                        PagingError.NOT_SUPPORTED, seam, 2, () -> map(seam, paddr, flags));
                map(seam, paddr, MmuFlags.RW);
                assertRefusedUnchanged(
                        PagingError.NOT_SUPPORTED, seam, 2, () -> table.protect(seam, flags));
                assertRefusedUnchanged(
                        PagingError.NOT_SUPPORTED,
                        seam,
                        2,
                        () -> table.protectRange(seam, PAGE, flags));
                table.unmap(seam);
            }
        }
    }

    /// If it fails: huge leaves need their own size everywhere; what is under one is
    /// MAPPED_TO_HUGE_PAGE, what has entries is ALREADY_MAPPED, and freed tables leave room.
    @Test
    void optional_hugeLeafBehavesAsOne() {
        if (!has(HalFeature.HUGE_2M)) {
            assertRefused(
                    PagingError.NOT_SUPPORTED,
                    () -> table.map(seam, MEMORY_BASE, PageSize.SIZE_2M, MmuFlags.R));
            return;
        }
        long paddr = run(512, 21);
        long small = frame();
        table.map(seam, paddr, PageSize.SIZE_2M, MmuFlags.RW);
        assertEquals(
                new PageMapping(paddr + 0x12345, MmuFlags.RW, PageSize.SIZE_2M),
                table.query(seam + 0x12345));
        assertRefusedUnchanged(
                PagingError.MAPPED_TO_HUGE_PAGE,
                seam,
                512,
                () -> map(seam + 7 * PAGE, small, MmuFlags.R));
        assertRefusedUnchanged(
                PagingError.ALREADY_MAPPED,
                seam,
                512,
                () -> table.map(seam, paddr, PageSize.SIZE_2M, MmuFlags.RW));
        assertRefusedUnchanged(
                PagingError.NOT_ALIGNED,
                seam,
                512,
                () -> table.remap(seam, small | PAGE, MmuFlags.R));
        mark(paddr + 9 * PAGE, 99);
        assertEquals(99, load(seam + 9 * PAGE));
        assertEquals(PageSize.SIZE_2M, table.protect(seam + 5, MmuFlags.R));
        assertFalse(canStore(seam + HUGE - 8, 1));
        assertEquals(
                new PageMapping(paddr, MmuFlags.R, PageSize.SIZE_2M), table.unmap(seam + PAGE));
        assertFalse(canLoad(seam));

        map(seam + 3 * PAGE, small, MmuFlags.R);
        assertRefusedUnchanged(
                PagingError.ALREADY_MAPPED,
                seam,
                512,
                () -> table.map(seam, paddr, PageSize.SIZE_2M, MmuFlags.RW));
        table.unmap(seam + 3 * PAGE);
        table.map(seam, paddr, PageSize.SIZE_2M, MmuFlags.RX);
        assertTrue(canFetch(seam));
    }

    /// If it fails: two tables of one machine must share nothing but memory, tags included.
    @Test
    void required_severalSpacesAreIndependent() {
        PageTableTrait other = newTable(AddressSpaceKind.USER);
        long[] paddrs = frames(2);
        map(seam, paddrs[0], MmuFlags.R);
        long there = seamOf(other);
        assertNotEquals(table.tag(), other.tag());
        assertTrue(table.tag() >= 0 && other.tag() >= 0, "tags are not negative");
        assertEquals(PageTableTrait.NO_TRANSLATION, other.translate(there));
        other.map(there, paddrs[1], PageSize.SIZE_4K, MmuFlags.RW);
        mark(paddrs[0], 1);
        mark(paddrs[1], 2);
        assertEquals(1, load(seam));
        mmu.activate(other);
        assertEquals(2, load(there));
        other.unmap(there);
        assertFalse(canLoad(there));
        mmu.activate(table);
        assertEquals(1, load(seam));
    }

    /// If it fails: every method but close and the constant getters answers BAD_STATE once closed,
    /// before it looks at its arguments; only the machine's walk finds nothing, for a processor may
    /// be on its way.
    @Test
    void required_closedTableIsBadState() {
        PageTableTrait closed = newTable(AddressSpaceKind.USER);
        long at = seamOf(closed);
        long paddr = frame();
        closed.map(at, paddr, PageSize.SIZE_4K, MmuFlags.R);
        closed.close();
        closed.close();
        PagingError bad = PagingError.BAD_STATE;
        assertRefused(bad, () -> closed.map(at + 1, paddr, PageSize.SIZE_4K, MmuFlags.NONE));
        assertRefused(bad, () -> closed.remap(at, paddr, MmuFlags.R));
        assertRefused(bad, () -> closed.protect(at, MmuFlags.NONE));
        assertRefused(bad, () -> closed.unmap(at));
        assertRefused(bad, () -> closed.query(at));
        assertRefused(bad, () -> closed.unmapRange(at + 1, PAGE));
        assertRefused(bad, () -> closed.protectRange(at + 1, PAGE, MmuFlags.R));
        assertRefused(bad, () -> closed.writeProtectRange(at + 1, PAGE));
        assertRefused(bad, () -> closed.forEachLeaf(at, PAGE, (v, p, s, f) -> {}));
        assertRefused(bad, () -> mmu.activate(closed));
        var walk = new WalkResult();
        assertFalse(closed.hardwareWalk(at, AccessKind.READ, walk), "a walk of a closed table");
        assertEquals(FaultCause.NOT_PRESENT, walk.cause);
    }

    /// If it fails: a table's frames are the root and what hangs below it, taken from the machine's
    /// allocator, and all come back with close.
    @Test
    void required_tableFramesAreAccountedFor() {
        long free = hal.frames().freeFrames();
        PageTableTrait extra = newTable(AddressSpaceKind.USER);
        assertEquals(free - hal.frames().freeFrames(), extra.tableFrames(), "an empty table");
        long paddr = hal.memory().base() + PAGE * 40;
        for (int i = 0; i < 5; i++) {
            extra.map(seamOf(extra) + i * HUGE, paddr, PageSize.SIZE_4K, MmuFlags.R);
            assertEquals(free - hal.frames().freeFrames(), extra.tableFrames());
        }
        extra.close();
        assertEquals(free, hal.frames().freeFrames(), "after close");
    }
}
