package io.jircon.vm;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The snapshots that show pages of one store where they have none of their own (clause O-161).
/// What happens to a page of the store has to be told to their mappings too, and to those of their
/// own snapshots. A line of snapshots may be long, so nothing here is recursive (clause O-9).
/// Guarded by the family's lock.
final class StoreClones {
    /// Most stores never have one.
    private @Nullable Set<CloneStore> clones;

    /// Pages of a snapshot.
    private record Part(CloneStore store, long first, long end) {}

    boolean isEmpty() {
        return clones == null;
    }

    void add(CloneStore clone) {
        if (clones == null) {
            clones = new LinkedHashSet<>();
        }
        clones.add(clone);
    }

    void remove(CloneStore clone) {
        if (clones != null && clones.remove(clone) && clones.isEmpty()) {
            clones = null;
        }
    }

    /// Takes what shows pages of `[first, end)` of the store out of every mapping below it.
    ///
    /// @throws io.jircon.hal.PagingException when the machine refuses
    void unmap(long first, long end) {
        Deque<Part> todo = new ArrayDeque<>();
        addParts(first, end, todo);
        for (Part part = todo.poll(); part != null; part = todo.poll()) {
            part.store.unmapHere(part.first, part.end);
            part.store.clones.addParts(part.first, part.end, todo);
        }
    }

    private void addParts(long first, long end, Deque<Part> todo) {
        if (clones == null) {
            return;
        }
        for (CloneStore clone : clones) {
            long from = Math.max(0, first - clone.parentPage());
            long to = Math.min(end - clone.parentPage(), clone.limit());
            if (from < to && (to - from > 1 || clone.seesParentAt(from))) {
                todo.add(new Part(clone, from, to));
            }
        }
    }

    /// The store ends at a page now; none of them sees more of it, whatever it grows to (clauses
    /// O-168 and O-195).
    void cutAt(long end) {
        if (clones != null) {
            clones.forEach(clone -> clone.cutParentAt(end));
        }
    }

    /// How many mappings of HIGH priority show them.
    int highPriorityCount() {
        int count = 0;
        Deque<StoreClones> todo = new ArrayDeque<>();
        todo.add(this);
        for (StoreClones next = todo.poll(); next != null; next = todo.poll()) {
            if (next.clones != null) {
                for (CloneStore clone : next.clones) {
                    count += clone.mappings.highPriorityCount();
                    todo.add(clone.clones);
                }
            }
        }
        return count;
    }
}
