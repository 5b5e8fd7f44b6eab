package io.jircon.vm;

import io.jircon.hal.MmuFlags;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// The current permissions of a mapping: a partition of its range into runs of equal permissions
/// (clause V-159). Costs memory by run, not by page; most mappings have one run and no tree.
///
/// Neighbouring runs always differ. Guarded like the mapping it belongs to.
final class PermissionRanges {
    /// A run of equal permissions.
    static final class Run extends RegionNode {
        private final MmuFlags permissions;

        private Run(long first, long last, MmuFlags permissions) {
            super(first, last);
            this.permissions = permissions;
        }
    }

    private long first;
    private long last;

    /// What every page has; meaningful while there is no tree.
    private MmuFlags uniform;

    /// The runs in order, when there is more than one.
    private @Nullable RegionTree runs;

    PermissionRanges(long first, long last, MmuFlags permissions) {
        this.first = first;
        this.last = last;
        this.uniform = permissions;
    }

    /// How many runs there are.
    int count() {
        RegionTree tree = runs;
        return tree == null ? 1 : tree.size();
    }

    /// The permissions of a page.
    MmuFlags at(long address) {
        RegionTree tree = runs;
        return tree == null ? uniform : runAt(tree, address).permissions;
    }

    /// The last byte of the run that an address is in.
    long lastOfRun(long address) {
        RegionTree tree = runs;
        return tree == null ? last : runAt(tree, address).last;
    }

    /// Whether every page of a range has all of some permissions.
    boolean allContain(long from, long to, MmuFlags wanted) {
        for (long at = from; ; at = lastOfRun(at) + 1) {
            if (!at(at).contains(wanted)) {
                return false;
            }
            if (Long.compareUnsigned(lastOfRun(at), to) >= 0) {
                return true;
            }
        }
    }

    /// Gives a range new permissions.
    void set(long from, long to, MmuFlags permissions) {
        if (from == first && to == last) {
            runs = null;
            uniform = permissions;
            return;
        }
        RegionTree tree = runs;
        if (tree == null) {
            if (uniform.equals(permissions)) {
                return;
            }
            tree = treeOf(new Run(first, last, uniform));
            runs = tree;
        }
        cutBefore(tree, from);
        if (to != last) {
            cutBefore(tree, to + 1);
        }
        removeBetween(tree, from, to);
        insertJoined(tree, from, to, permissions);
        dropTreeIfUniform(tree);
    }

    /// Forgets what lies outside a range.
    void shrinkTo(long newFirst, long newLast) {
        RegionTree tree = runs;
        if (tree != null) {
            cutBefore(tree, newFirst);
            if (newLast != last) {
                cutBefore(tree, newLast + 1);
                removeBetween(tree, newLast + 1, last);
            }
            if (newFirst != first) {
                removeBetween(tree, first, newFirst - 1);
            }
            dropTreeIfUniform(tree);
        }
        first = newFirst;
        last = newLast;
    }

    /// The permissions of a part of the range, as an object of its own.
    PermissionRanges copyOf(long from, long to) {
        var copy = new PermissionRanges(from, to, at(from));
        for (long at = from; ; at = lastOfRun(at) + 1) {
            long end = VmoMath.min(lastOfRun(at), to);
            copy.set(at, end, at(at));
            if (end == to) {
                return copy;
            }
        }
    }

    /// The permissions of two neighbouring ranges as one (clause V-264); the arguments must not be
    /// used any more.
    static PermissionRanges join(PermissionRanges low, PermissionRanges high) {
        boolean keepLow = low.count() >= high.count();
        PermissionRanges kept = keepLow ? low : high;
        PermissionRanges added = keepLow ? high : low;
        RegionTree tree = kept.runs;
        if (tree == null) {
            if (low.uniform.equals(high.uniform)) {
                return new PermissionRanges(low.first, high.last, low.uniform);
            }
            tree = treeOf(new Run(kept.first, kept.last, kept.uniform));
            kept.runs = tree;
        }
        for (long at = added.first; ; at = added.lastOfRun(at) + 1) {
            long end = added.lastOfRun(at);
            insertJoined(tree, at, end, added.at(at));
            if (end == added.last) {
                break;
            }
        }
        kept.first = low.first;
        kept.last = high.last;
        return kept;
    }

    private static RegionTree treeOf(Run run) {
        var tree = new RegionTree(0, -1L);
        tree.insert(run);
        return tree;
    }

    private static Run runAt(RegionTree tree, long address) {
        return (Run) Objects.requireNonNull(tree.find(address));
    }

    /// Makes a run start at an address.
    private static void cutBefore(RegionTree tree, long address) {
        Run run = runAt(tree, address);
        if (run.first == address) {
            return;
        }
        var tail = new Run(address, run.last, run.permissions);
        run.last = address - 1;
        tree.resized(run);
        tree.insert(tail);
    }

    /// Takes out the runs of a range that starts and ends with a run.
    private static void removeBetween(RegionTree tree, long from, long to) {
        for (RegionNode run = tree.firstIntersecting(from, to); run != null; ) {
            tree.remove(run);
            run = tree.firstIntersecting(from, to);
        }
    }

    /// Enters a run where there is none, making it one with equal neighbours.
    private static void insertJoined(RegionTree tree, long from, long to, MmuFlags permissions) {
        long joinedFrom = from;
        long joinedTo = to;
        if (from != 0
                && tree.find(from - 1) instanceof Run low
                && low.permissions.equals(permissions)) {
            joinedFrom = low.first;
            tree.remove(low);
        }
        if (to != -1L
                && tree.find(to + 1) instanceof Run high
                && high.permissions.equals(permissions)) {
            joinedTo = high.last;
            tree.remove(high);
        }
        tree.insert(new Run(joinedFrom, joinedTo, permissions));
    }

    private void dropTreeIfUniform(RegionTree tree) {
        if (tree.size() == 1) {
            uniform = ((Run) Objects.requireNonNull(tree.first())).permissions;
            runs = null;
        }
    }

    /// Checks that the runs cover exactly a range and that neighbours differ.
    void checkInvariants(long expectedFirst, long expectedLast) {
        if (first != expectedFirst || last != expectedLast) {
            throw new AssertionError(
                    "permissions cover "
                            + Ranges.text(first, last)
                            + ", the mapping "
                            + Ranges.text(expectedFirst, expectedLast));
        }
        RegionTree tree = runs;
        if (tree == null) {
            return;
        }
        tree.checkInvariants();
        long expected = first;
        MmuFlags before = null;
        for (RegionNode node = tree.first(); node != null; node = RegionTree.next(node)) {
            Run run = (Run) node;
            if (run.first != expected || run.permissions.equals(before)) {
                throw new AssertionError(
                        "run " + Ranges.text(run.first, run.last) + " is misplaced or not joined");
            }
            expected = run.last + 1;
            before = run.permissions;
        }
        if (expected != last + 1 || tree.size() < 2) {
            throw new AssertionError("runs do not cover " + Ranges.text(first, last));
        }
    }
}
