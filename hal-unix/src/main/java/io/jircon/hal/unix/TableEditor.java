package io.jircon.hal.unix;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingException;
import io.jircon.hal.TableBounds;
import io.jircon.hal.UnusedTables;
import java.util.BitSet;

/// Changes the entries of a page table, each operation all or nothing: plans it, then makes it
/// happen in the order that [UnixMmapPageTable] promises.
///
/// Guarded by its page table's lock; the arguments have passed its checks.
final class TableEditor {
    private final UnixMmapHal hal;
    private final UnixMmapPageTable table;
    private final TableBounds bounds;
    private final PageRuns runs;
    private final HostFrames frames;
    private final HostWindow window;
    private final EditPlanner planner;
    private final PinnedViews views;
    private final UnixMmapHarvester harvester;
    private final MappingBudget budget;
    private final HostEditor host;
    private final EditPlan plan;
    private final CallScratch enterScratch = new CallScratch();
    private final EditPlan.MappingCount mappings = new EditPlan.MappingCount();

    /// Host mappings of the window, as the budget counts them.
    private long mappingCount = 1;

    /// Read without the lock as well.
    private volatile boolean broken;

    @GuardedBy("this")
    private boolean closed;

    /// Makes the editor of a table without entries.
    ///
    /// @param window counted in the machine's budget
    TableEditor(
            UnixMmapHal hal,
            UnixMmapPageTable table,
            HostWindow window,
            TableBounds bounds,
            PageRuns runs,
            EditPlanner planner,
            PinnedViews views,
            UnixMmapHarvester harvester) {
        this.hal = hal;
        this.table = table;
        this.bounds = bounds;
        this.runs = runs;
        this.frames = hal.hostFrames();
        this.window = window;
        this.planner = planner;
        this.views = views;
        this.harvester = harvester;
        this.budget = hal.budget();
        this.host = new HostEditor(window);
        this.plan = new EditPlan(frames);
    }

    /// Enters a run of frames.
    ///
    /// @param vaddr of the first page
    /// @param count how many pages
    /// @param wanted the first page's entry
    /// @param existing what becomes of pages that have an entry
    /// @throws PagingException ALREADY_MAPPED as `existing` says; what the host or the budget says
    void enter(long vaddr, long count, long wanted, OnExisting existing) {
        plan.clear();
        planner.enter(plan, vaddr, count, wanted, existing);
        commit(/* shrinking= */ false);
    }

    /// Enters scattered frames, as [EditPlanner] takes them.
    void enter(
            long vaddr, long[] paddrs, int from, int count, MmuFlags flags, OnExisting existing) {
        plan.clear();
        planner.enter(plan, vaddr, paddrs, from, count, flags, existing);
        commit(/* shrinking= */ false);
    }

    /// Replaces the entry of one page.
    ///
    /// @param vaddr any address in it
    /// @param old the entry it has
    /// @param wanted the entry it gets, or NONE
    void replace(long vaddr, long old, long wanted) {
        plan.clear();
        plan.add(bounds.pageOf(vaddr), 1, old, wanted);
        commit(/* shrinking= */ wanted == ShadowEntry.NONE);
    }

    /// Takes the entries of a range away.
    void remove(long vaddr, long sizeBytes) {
        plan.clear();
        planner.remove(plan, vaddr, sizeBytes);
        commit(/* shrinking= */ true);
    }

    /// Gives the entries of a range flags.
    void protect(long vaddr, long sizeBytes, MmuFlags flags) {
        plan.clear();
        planner.reflag(plan, vaddr, sizeBytes, /* keep= */ 0, flags.bits());
        commit(/* shrinking= */ false);
    }

    /// Takes WRITE from the entries of a range.
    void writeProtect(long vaddr, long sizeBytes) {
        plan.clear();
        planner.reflag(plan, vaddr, sizeBytes, /* keep= */ ~MmuFlags.WRITE_BIT, /* add= */ 0);
        commit(/* shrinking= */ true);
    }

    /// Tells and forgets which pages of a range were accessed, and removes what nobody uses.
    ///
    /// @param told receives the bits of the accessed pages, counted from the first byte
    void harvest(long vaddr, long sizeBytes, UnusedTables unused, BitSet told) {
        plan.clear();
        harvester.harvest(vaddr, sizeBytes, unused, told, plan);
        try {
            commit(/* shrinking= */ true);
        } catch (PagingException refused) {
            // What was told is forgotten by now: a refusal must not hide it from the caller.
            if (broken) {
                throw refused;
            } // else nothing changed, and the next harvest that frees tries again
        }
    }

    private void commit(boolean shrinking) {
        if (plan.size() == 0) {
            return;
        }
        plan.countMappings(runs, bounds.pageOf(bounds.last()) + 1, mappings);
        if (plan.weakens()) {
            views.end(plan);
        }
        budget.take(mappings.peak, mappings.change, shrinking);
        harvester.forgetAbsent(plan);
        try {
            carryOut();
        } catch (PagingException refused) {
            budget.giveBack(mappings.change);
            broken = host.isBroken();
            throw refused;
        }
        mappingCount += mappings.change;
        if (plan.weakens()) {
            hal.awaitAccesses(table);
        }
        harvester.changed(plan);
    }

    private void carryOut() {
        if (!hal.holdsMinor()) {
            changeHostAndShadow();
            return;
        }
        synchronized (this) { // with enterHeld
            changeHostAndShadow();
        }
    }

    private void changeHostAndShadow() {
        host.carryOut(plan);
        for (int edit = 0; edit < plan.size(); edit++) {
            if (plan.before(edit) != plan.after(edit)) {
                runs.set(plan.page(edit), plan.count(edit), plan.after(edit));
            }
        }
    }

    /// Has the host enter a page in its own table that it holds accesses at though the page has an
    /// entry, and let them go on: to be held once more where the host has no memory to enter it, or
    /// where there is no entry any more. Does not take the table's lock, whose holder may be
    /// waiting for one of them.
    ///
    /// The wake begins when no change of the table is under way: until it ends, other accesses at
    /// the page are woken as soon as they are held.
    ///
    /// @param page number in the window
    /// @param held what holds them
    synchronized void enterHeld(long page, HeldFaults held) {
        // The addresses of a closed table may be the next one's, with other rights. Of a broken one
        // the host shows what it shows, entered without a right that it does not give.
        boolean known = !closed && !broken;
        long hostPage = known ? frames.hostPage(runs.get(page)) : HostFrames.NO_HOST_PAGE;
        boolean enters = broken || hostPage != HostFrames.NO_HOST_PAGE;
        held.marks()
                .goOn(
                        window.addressOf(page),
                        PageSize.BASE_BYTES,
                        () ->
                                enters
                                        && window.enterHeld(
                                                        enterScratch,
                                                        page,
                                                        hostPage,
                                                        held.descriptor())
                                                >= 0);
    }

    /// Whether the host no longer shows what the shadow says: only closing is left. Takes no lock.
    boolean isBroken() {
        return broken;
    }

    /// How many host mappings the window consists of, neighbours merged as the host merges them.
    ///
    /// @return at least 1; 0 after close
    long mappingCount() {
        return mappingCount;
    }

    /// Gives back to the budget what the window takes of it. No page is entered any more.
    synchronized void close() {
        closed = true;
        budget.giveBack(mappingCount);
        mappingCount = 0;
    }
}
