package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What Zircon's own suite tests of zeroing ranges (`vmo-zero.cc`), where no other test here does.
class VmoZirconZeroTest extends VmoMappedFixture {
    private VmObject filled(long pages) {
        VmObject vmo = paged(pages);
        byte[] ones = new byte[(int) (pages * PAGE)];
        Arrays.fill(ones, (byte) -1);
        vmo.write(0, ones);
        return vmo;
    }

    private void requireCleared(long at, long pages, long from, long to) {
        byte[] expected = new byte[(int) (pages * PAGE)];
        Arrays.fill(expected, (byte) -1);
        Arrays.fill(expected, (int) from, (int) to, (byte) 0);
        assertArrayEquals(expected, memory.read(at, expected.length));
    }

    @Test
    @Tag("vmo-zero.cc:UnalignedSubPage")
    @Tag("vmo-zero.cc:UnalignedCommitted")
    void onlyTheBytesOfTheRangeAreCleared() {
        VmObject vmo = filled(1);
        long at = mapWritable(vmo);
        requireCleared(at, 1, 0, 0);
        vmo.zero(42, 91);
        requireCleared(at, 1, 42, 42 + 91);
        VmObject two = filled(2);
        long next = mapWritable(two);
        two.zero(PAGE / 2, PAGE);
        requireCleared(next, 2, PAGE / 2, PAGE + PAGE / 2);
    }

    @Test
    @Tag("vmo-zero.cc:DecommitMiddle")
    void wholePagesInTheMiddleAreGivenBack() {
        VmObject vmo = filled(3);
        long at = mapWritable(vmo);
        requireCleared(at, 3, 0, 0);
        vmo.zero(PAGE / 2, 2 * PAGE);
        requireCleared(at, 3, PAGE / 2, 2 * PAGE + PAGE / 2);
        assertCharged(List.of(2.0), vmo);
    }

    @Test
    @Tag("vmo-zero.cc:Contiguous")
    void consecutiveFramesAreClearedWhereTheyAre() {
        VmObject vmo = keep(VmObject.createContiguous(machine, 2 * PAGE, 0));
        long base = ((CommitPolicy.Contiguous) vmo.policy()).base();
        put(vmo, 0, 1);
        put(vmo, 1, 2);
        vmo.zero(0, PAGE);
        assertPages(vmo, 0, 2);
        assertEquals(2 * PAGE, vmo.info().committedBytes());
        try (PinnedPages pinned = vmo.pin(0, 2 * PAGE)) {
            assertEquals(base, pinned.address(0));
            assertEquals(base + PAGE, pinned.address(1));
        }
    }

    @Test
    @Tag("vmo-zero.cc:ContentInParentAndChild")
    void aClearedChildDoesNotShowItsParentAgain() {
        VmObject parent = written(1);
        VmObject child = snapshot(parent, 0, 1);
        put(child, 0, 2);
        child.zero(0, PAGE);
        assertPages(child, 0);
        assertPages(parent, 1);
    }

    @Test
    @Tag("vmo-zero.cc:EmptyCowChildren")
    void whenAllHaveClearedAPageNobodyPaysForIt() {
        VmObject parent = written(1);
        VmObject child = snapshot(parent, 0, 1);
        assertCharged(List.of(0.5, 0.5), parent, child);
        child.zero(0, PAGE);
        assertPages(child, 0);
        assertCharged(List.of(1.0, 0.0), parent, child);
        parent.zero(0, PAGE);
        assertPages(parent, 0);
        assertCharged(List.of(0.0, 0.0), parent, child);
    }

    @Test
    @Tag("vmo-zero.cc:AllocateAfterMerge")
    void aClearedPageThatIsWrittenAgainStartsFromZeros() {
        VmObject parent = written(2);
        VmObject child = snapshot(parent, 0, 2);
        assertCharged(List.of(1.0, 1.0), parent, child);
        child.zero(0, PAGE);
        assertCharged(List.of(1.5, 0.5), parent, child);
        parent.close();
        assertPages(child, 0, 2);
        assertCharged(List.of(1.0), child);
        child.write(64, new byte[] {1});
        assertPages(child, 0, 2);
        assertCharged(List.of(2.0), child);
    }

    @Test
    @Tag("vmo-zero.cc:WriteCowParent")
    @Tag("vmo-zero.cc:ChildZeroThenWrite")
    void clearingAndWritingAreChargedToWhoDoesIt() {
        VmObject parent = written(1);
        VmObject child = snapshot(parent, 0, 1);
        put(parent, 0, 2);
        assertCharged(List.of(1.0, 1.0), parent, child);
        child.zero(0, PAGE);
        assertCharged(List.of(1.0, 0.0), parent, child);
        parent.close();
        assertPages(child, 0);
        assertCharged(List.of(0.0), child);
        child.write(64, new byte[] {1});
        assertPages(child, 0);
        assertCharged(List.of(1.0), child);

        VmObject other = written(1);
        VmObject second = snapshot(other, 0, 1);
        second.zero(0, PAGE);
        assertCharged(List.of(1.0, 0.0), other, second);
        put(second, 0, 3);
        assertCharged(List.of(1.0, 1.0), other, second);
        other.close();
        assertPages(second, 3);
        assertCharged(List.of(1.0), second);
    }

    @Test
    @Tag("vmo-zero.cc:Nested")
    void thoseWhoAreLeftShareWhatOneCleared() {
        VmObject parent = written(1);
        VmObject one = snapshot(parent, 0, 1);
        VmObject two = snapshot(parent, 0, 1);
        assertCharged(List.of(0.333333, 0.333333, 0.333333), parent, one, two);
        parent.zero(0, PAGE);
        assertCharged(List.of(0.0, 0.5, 0.5), parent, one, two);
    }

    @Test
    @Tag("vmo-zero.cc:ZeroLengths")
    void nothingCanBeCleared() {
        VmObject vmo = written(1);
        for (long at : new long[] {0, 10, PAGE}) {
            vmo.zero(at, 0);
        }
        assertPages(vmo, 1);
    }

    @Test
    @Tag("vmo-zero.cc:ZeroFreesAndAllocates")
    void clearingGivesOnePageAndTakesAnother() {
        VmObject vmo = paged(3);
        put(vmo, 1, 1);
        VmObject leaf = snapshot(snapshot(vmo, 0, 3), 0, 3);
        put(leaf, 0, 2);
        leaf.zero(0, 2 * PAGE);
        assertPages(leaf, 0, 0, 0);
        assertPages(vmo, 0, 1, 0);
    }

    @Test
    @Tag("vmo-zero.cc:ResizeOverHiddenMarkers")
    void whatWasClearedAndThenCutStaysClearForTheSiblings() {
        VmObject top = paged(4, VmoOption.RESIZABLE);
        put(top, 2, 1);
        VmObject copy = snapshot(top, 0, 4);
        top.zero(2 * PAGE, PAGE);
        VmObject sibling = snapshot(top, 2, 1);
        assertPages(sibling, 0);
        top.setSize(PAGE);
        assertPages(sibling, 0);
        put(sibling, 0, 5);
        assertPages(sibling, 5);
        assertPages(copy, 0, 0, 1, 0);
    }
}
