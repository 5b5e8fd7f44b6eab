package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RegionTreeTest {
    private static final long PAGE = 0x1000;
    private static final long BASE = 0xFFFF_0000_0000_0000L;
    private static final long SIZE = 1L << 48;
    private static final long NO_LIMIT = -1L;

    private static RegionTree top() {
        return new RegionTree(BASE, BASE + SIZE - 1);
    }

    private static RegionNode node(long base, long size) {
        return new RegionNode(base, base + size - 1);
    }

    private static RegionNode insert(RegionTree tree, long base, long size) {
        RegionNode node = node(base, size);
        tree.insert(node);
        tree.checkInvariants();
        return node;
    }

    private static long firstFit(RegionTree tree, long size) {
        return tree.place(size, 12, NO_LIMIT, 0, null);
    }

    @Test
    @Tag("V-318")
    @Tag("V-242")
    @Tag("aspace_unittest.cc:region_list_get_alloc_spot_test")
    void firstFitFollowsTheWorkedVector() {
        RegionTree tree = top();
        assertEquals(BASE, firstFit(tree, PAGE));
        insert(tree, BASE, PAGE);
        RegionNode second = insert(tree, BASE + 0x2000, PAGE);
        assertEquals(BASE + 0x3000, firstFit(tree, 2 * PAGE));
        insert(tree, BASE + 0x3000, 2 * PAGE);
        tree.remove(second);
        tree.checkInvariants();
        assertEquals(BASE + 0x1000, firstFit(tree, 2 * PAGE));
        insert(tree, BASE + 0x1000, 2 * PAGE);
        assertEquals(BASE + 0x5000, firstFit(tree, PAGE));
        insert(tree, BASE + 0x5000, PAGE);
        assertEquals(BASE + 0x6000, firstFit(tree, SIZE - 0x6000));
    }

    @Test
    @Tag("V-318")
    void theLastPlaceMayEndAtTheLastByteOfTheSpace() {
        RegionTree tree = top();
        insert(tree, BASE, 6 * PAGE);
        assertEquals(BASE + 0x6000, firstFit(tree, SIZE - 0x6000));
        insert(tree, BASE + 0x6000, SIZE - 0x6000);
        assertEquals(RegionTree.NO_PLACE, firstFit(tree, PAGE));
    }

    @Test
    @Tag("V-319")
    @Tag("aspace_unittest.cc:region_list_get_alloc_spot_no_memory_test")
    void aGapThatIsTooSmallOffersNothing() {
        RegionTree tree = top();
        insert(tree, BASE, SIZE - PAGE);
        assertEquals(RegionTree.NO_PLACE, firstFit(tree, 2 * PAGE));
        assertEquals(BASE + SIZE - PAGE, firstFit(tree, PAGE));
    }

    @Test
    @Tag("V-320")
    @Tag("V-250")
    @Tag("V-251")
    @Tag("V-252")
    @Tag("aspace_unittest.cc:region_list_find_region_test")
    @Tag("aspace_unittest.cc:region_list_include_or_higher_test")
    @Tag("aspace_unittest.cc:region_list_upper_bound_test")
    void lookupsFollowTheWorkedVector() {
        RegionTree tree = top();
        RegionNode only = insert(tree, BASE + 0x1000, PAGE);
        assertNull(tree.find(BASE));
        assertNull(tree.find(BASE + 1));
        assertSame(only, tree.find(BASE + 0x1001));
        assertSame(only, tree.includeOrHigher(BASE + 1));
        assertSame(only, tree.includeOrHigher(BASE + 0x1001));
        assertNull(tree.includeOrHigher(BASE + 0x2000));
        assertSame(only, tree.upperBound(BASE + 0xFFF));
        assertNull(tree.upperBound(BASE + 0x1000));
    }

    @Test
    @Tag("V-321")
    @Tag("V-253")
    @Tag("aspace_unittest.cc:region_list_is_range_available_test")
    void availabilityFollowsTheWorkedVector() {
        RegionTree tree = top();
        insert(tree, BASE + 0x1000, PAGE);
        insert(tree, BASE + 0x3000, PAGE);
        assertTrue(isAvailable(tree, BASE, 0x1000));
        assertFalse(isAvailable(tree, BASE, 0x1001));
        assertFalse(isAvailable(tree, BASE + 1, 0x1000));
        assertTrue(isAvailable(tree, BASE + 0x2000, 1));
        assertFalse(isAvailable(tree, BASE + 0x1FFF, 0x2000));
        assertTrue(isAvailable(tree, -1L, 1));
        assertFalse(isAvailable(tree, BASE, SIZE));
    }

    private static boolean isAvailable(RegionTree tree, long base, long size) {
        return tree.isRangeAvailable(base, base + size - 1);
    }

    @ParameterizedTest
    @ValueSource(longs = {0x10000, 0xFFFF_FFFF_FFFF_4000L})
    @Tag("V-322")
    @Tag("V-238")
    void candidatesFollowTheWorkedVector(long region) {
        RegionTree tree = new RegionTree(region, region + 10 * PAGE - 1);
        insert(tree, region + 3 * PAGE, PAGE);
        long below8 = region + 8 * PAGE - 1;
        assertEquals(List.of(0, 1, 4, 5, 6, 7, 8), pages(tree, region, 12, NO_LIMIT, 30));
        assertEquals(List.of(0, 1, 4, 5, 6), pages(tree, region, 12, below8, 30));
        assertEquals(List.of(0, 4, 8), pages(tree, region, 14, NO_LIMIT, 30));
        assertEquals(List.of(0, 4), pages(tree, region, 14, below8, 30));
        assertEquals(List.of(0, 1, 4, 5), pages(tree, region, 12, NO_LIMIT, 2));
    }

    /// Page numbers of the places that a request for two pages can get, in order.
    private static List<Integer> pages(
            RegionTree tree, long region, int alignShift, long limitLast, int entropy) {
        return allPlaces(tree, 2 * PAGE, alignShift, limitLast, entropy).stream()
                .map(place -> (int) ((place - region) >>> 12))
                .toList();
    }

    /// Every place that the choice can end in, found by forcing each outcome of the draw.
    private static List<Long> allPlaces(
            RegionTree tree, long size, int alignShift, long limitLast, int entropy) {
        long count = Math.min(tree.countPlaces(size, alignShift, limitLast), 1L << entropy);
        List<Long> places = new ArrayList<>();
        for (long i = 0; i < count; i++) {
            places.add(tree.place(size, alignShift, limitLast, entropy, new Forced(i)));
        }
        return places;
    }

    /// A draw with a chosen outcome; drawing from a smaller bound is the second draw of a search
    /// that ran out of candidates.
    private record Forced(long value) implements RandomGenerator {
        @Override
        public long nextLong() {
            throw new AssertionError("unbounded draw");
        }

        @Override
        public long nextLong(long bound) {
            assertTrue(value < bound, "draw " + value + " of " + bound);
            return value;
        }
    }

    @Test
    @Tag("V-239")
    @Tag("V-240")
    void theDrawIsRepeatedOverAllCandidatesWhenItOvershoots() {
        RegionTree tree = new RegionTree(0x10000, 0x10000 + 10 * PAGE - 1);
        var bounds = new ArrayList<Long>();
        long place =
                tree.place(
                        PAGE,
                        12,
                        NO_LIMIT,
                        30,
                        new RandomGenerator() {
                            @Override
                            public long nextLong() {
                                throw new AssertionError("unbounded draw");
                            }

                            @Override
                            public long nextLong(long bound) {
                                bounds.add(bound);
                                return bound - 1;
                            }
                        });
        assertEquals(List.of(1L << 30, 10L), bounds);
        assertEquals(0x10000 + 9 * PAGE, place);
    }

    @Test
    @Tag("V-239")
    void everyCandidateIsDrawnEquallyOften() {
        RegionTree tree = new RegionTree(0x10000, 0x10000 + 16 * PAGE - 1);
        insert(tree, 0x10000 + 3 * PAGE, PAGE);
        insert(tree, 0x10000 + 9 * PAGE, PAGE);
        var random = RandomGeneratorFactory.of("L64X128MixRandom").create(1);
        int draws = 14_000;
        Map<Long, Integer> seen = new TreeMap<>();
        for (int i = 0; i < draws; i++) {
            seen.merge(tree.place(PAGE, 12, NO_LIMIT, 30, random), 1, Integer::sum);
        }
        assertEquals(14, seen.size());
        double expected = draws / 14.0;
        double chiSquare =
                seen.values().stream()
                        .mapToDouble(n -> (n - expected) * (n - expected) / expected)
                        .sum();
        assertTrue(chiSquare < 34.5, "chi-square with 13 degrees of freedom is " + chiSquare);
    }

    @Test
    @Tag("V-254")
    void replaceKeepsThePlaceAndRefreshesTheSummaries() {
        RegionTree tree = top();
        insert(tree, BASE, PAGE);
        RegionNode old = insert(tree, BASE + 4 * PAGE, 4 * PAGE);
        insert(tree, BASE + 9 * PAGE, PAGE);
        RegionNode shorter = node(BASE + 4 * PAGE, PAGE);
        tree.replace(old, shorter);
        tree.checkInvariants();
        assertSame(shorter, tree.find(BASE + 4 * PAGE));
        assertEquals(BASE + 5 * PAGE, firstFit(tree, 4 * PAGE));
        assertNull(old.up);
        assertEquals(0, old.height);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    @Tag("V-260")
    @Tag("V-255")
    @Tag("V-238")
    @Tag("V-256")
    void randomChangesAgreeWithAMap(long seed) {
        var random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        int pages = 512;
        long region = -(long) pages * PAGE; // the last byte is 2^64 - 1
        RegionTree tree = new RegionTree(region, -1L);
        var oracle = new TreeMap<Integer, RegionNode>();
        boolean[] used = new boolean[pages];
        for (int step = 0; step < 4_000; step++) {
            int page = random.nextInt(pages);
            int count = 1 + random.nextInt(4);
            RegionNode present = tree.find(region + page * PAGE);
            assertSame(floorContaining(oracle, region, page), present);
            if (present != null) {
                tree.remove(present);
                mark(used, region, present, false);
                oracle.remove((int) ((present.first - region) >>> 12));
            } else if (page + count <= pages && allFree(used, page, count)) {
                RegionNode fresh = node(region + page * PAGE, count * PAGE);
                tree.insert(fresh);
                mark(used, region, fresh, true);
                oracle.put(page, fresh);
            }
            tree.checkInvariants();
            assertEquals(oracle.size(), tree.size());
            checkNeighbours(tree, oracle, region, random.nextInt(pages));
            if (step % 20 == 0) {
                checkPlaces(tree, used, region, random);
            }
        }
        assertEquals(List.copyOf(oracle.values()), inOrder(tree));
    }

    private static @Nullable RegionNode floorContaining(
            TreeMap<Integer, RegionNode> oracle, long region, int page) {
        var entry = oracle.floorEntry(page);
        return entry != null && entry.getValue().containsAddress(region + page * PAGE)
                ? entry.getValue()
                : null;
    }

    private static void checkNeighbours(
            RegionTree tree, TreeMap<Integer, RegionNode> oracle, long region, int page) {
        long address = region + page * PAGE + 7;
        var higher = oracle.higherEntry(page);
        assertSame(higher == null ? null : higher.getValue(), tree.upperBound(address));
        RegionNode containing = floorContaining(oracle, region, page);
        assertSame(
                containing != null ? containing : higher == null ? null : higher.getValue(),
                tree.includeOrHigher(address));
    }

    private static List<RegionNode> inOrder(RegionTree tree) {
        List<RegionNode> nodes = new ArrayList<>();
        RegionNode previous = null;
        for (RegionNode node = tree.first(); node != null; node = RegionTree.next(node)) {
            assertSame(previous, RegionTree.previous(node));
            nodes.add(node);
            previous = node;
        }
        return nodes;
    }

    private static void checkPlaces(
            RegionTree tree, boolean[] used, long region, RandomGenerator random) {
        int size = 1 + random.nextInt(5);
        int alignShift = 12 + random.nextInt(4);
        int limit = random.nextInt(3) == 0 ? 1 + random.nextInt(used.length) : used.length;
        int entropy = random.nextInt(11);
        List<Long> expected = new ArrayList<>();
        for (int page = 0; page + size <= limit; page++) {
            long address = region + page * PAGE;
            if ((address & ((1L << alignShift) - 1)) == 0 && allFree(used, page, size)) {
                expected.add(address);
            }
        }
        long limitLast = region + limit * PAGE - 1;
        assertEquals(expected.size(), tree.countPlaces(size * PAGE, alignShift, limitLast));
        List<Long> lowest = expected.subList(0, Math.min(expected.size(), 1 << entropy));
        assertEquals(lowest, allPlaces(tree, size * PAGE, alignShift, limitLast, entropy));
        long first = tree.place(size * PAGE, alignShift, limitLast, 0, null);
        assertEquals(expected.isEmpty() ? RegionTree.NO_PLACE : expected.getFirst(), first);
    }

    private static boolean allFree(boolean[] used, int page, int count) {
        for (int i = page; i < page + count; i++) {
            if (used[i]) {
                return false;
            }
        }
        return true;
    }

    private static void mark(boolean[] used, long region, RegionNode node, boolean value) {
        int from = (int) ((node.first - region) >>> 12);
        int to = (int) ((node.last - region) >>> 12);
        for (int i = from; i <= to; i++) {
            used[i] = value;
        }
    }

    /// Without the summaries, or on a tree that is out of balance, this would take hours.
    @Test
    @Tag("V-77")
    @Tag("V-258")
    @Tag("V-256")
    @Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void aMillionOnePageMembersFillARegion() {
        int count = 1_000_000;
        RegionTree tree = new RegionTree(0x200000, 0x200000 + count * PAGE - 1);
        for (int i = 0; i < count; i++) {
            long place = firstFit(tree, PAGE);
            assertEquals(0x200000 + i * PAGE, place);
            tree.insert(node(place, PAGE));
        }
        assertEquals(RegionTree.NO_PLACE, firstFit(tree, PAGE));
        tree.checkInvariants();
        RegionNode middle = tree.find(0x200000 + 500_000 * PAGE);
        assertNotNull(middle);
        tree.remove(middle);
        assertEquals(middle.first, firstFit(tree, PAGE));
        RegionNode root = middle;
        for (RegionNode at = tree.first(); at != null; at = at.up) {
            root = at;
        }
        assertTrue(root.height <= 29, "height " + root.height + " for a million members");
    }

    /// If every gap were looked at, this would take many minutes.
    @Test
    @Tag("V-257")
    @Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void gapsThatAreTooSmallAreNotVisited() {
        int count = 200_000;
        RegionTree tree = new RegionTree(0, 2 * count * PAGE + 4 * PAGE - 1);
        for (int i = 0; i < count; i++) {
            tree.insert(node(2L * i * PAGE, PAGE));
        }
        long end = (2L * count - 1) * PAGE;
        for (int i = 0; i < count; i++) {
            assertEquals(end, firstFit(tree, 2 * PAGE));
            assertEquals(PAGE, firstFit(tree, PAGE));
        }
        long limitLast = end + 4 * PAGE - 1;
        assertEquals(3, tree.countPlaces(2 * PAGE, 12, limitLast));
        assertEquals(RegionTree.NO_PLACE, tree.place(2 * PAGE, 12, end - 1, 0, null));
    }
}
