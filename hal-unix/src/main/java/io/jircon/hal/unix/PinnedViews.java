package io.jircon.hal.unix;

import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.TableBounds;
import java.util.ArrayList;
import java.util.List;

/// The open views of a page table. Their pages are marked as accessed when they are opened, and
/// again after each harvest while they are, since nobody notes what Java code does. Guarded by its
/// page table's lock, but for a view's own close, which needs nothing from here: views that ended
/// are dropped when the next one is looked for.
final class PinnedViews {
    /// A view with the pages it covers.
    private record Pin(MappedView view, long firstPage, long endPage, int neededBits) {
        /// Whether an edit takes away what the view needs of one of its pages.
        boolean loses(EditPlan plan, int edit) {
            if (plan.end(edit) <= firstPage || endPage <= plan.page(edit)) {
                return false;
            }
            long old = plan.before(edit);
            long wanted = plan.after(edit);
            return wanted == ShadowEntry.NONE
                    || ShadowEntry.paddr(old) != ShadowEntry.paddr(wanted)
                    || (neededBits & ~ShadowEntry.flagBits(wanted)) != 0;
        }
    }

    private final TableBounds bounds;
    private final PageRuns runs;
    private final HostFrames frames;
    private final HostWindow window;
    private final MappingBudget budget;
    private final boolean holdsMinor;
    private final AccessedMarks marks;
    private final List<Pin> pins = new ArrayList<>();

    PinnedViews(
            UnixMmapHal hal,
            TableBounds bounds,
            PageRuns runs,
            HostWindow window,
            AccessedMarks marks) {
        this.bounds = bounds;
        this.runs = runs;
        this.frames = hal.hostFrames();
        this.window = window;
        this.budget = hal.budget();
        this.holdsMinor = hal.holdsMinor();
        this.marks = marks;
    }

    /// As [UnixMmapPageTable#pin], of an open table.
    ///
    /// @throws PagingException also as [FrameAlias#open]
    MappedView open(long vaddr, long sizeBytes, AccessKind access) {
        if (sizeBytes <= 0) {
            throw PagingException.outOfRange("sizeBytes", sizeBytes, "is not more than 0");
        }
        bounds.checkRange(vaddr, sizeBytes);
        if (access == AccessKind.EXECUTE) {
            throw new PagingException(
                    PagingError.NOT_SUPPORTED, "access=EXECUTE, a view reads or writes");
        }
        long firstPage = bounds.pageOf(vaddr);
        long endPage = bounds.pageOf(vaddr + sizeBytes - 1) + 1;
        for (long page = firstPage; page < endPage; page++) {
            checkPinnable(page, access);
        }
        dropEnded();
        MappedView view = view(vaddr, sizeBytes, access, firstPage, endPage);
        int needed = access.requiredBits() & MmuFlags.ACCESS_MASK;
        pins.add(new Pin(view, firstPage, endPage, needed));
        marks.set(firstPage, endPage - firstPage);
        return view;
    }

    private MappedView view(
            long vaddr, long sizeBytes, AccessKind access, long firstPage, long endPage) {
        long offset = vaddr - bounds.vaddrOf(firstPage);
        if (!holdsMinor) {
            return new MappedView(
                    window.addressOf(firstPage) + offset, sizeBytes, access, () -> {});
        }
        FrameAlias alias = FrameAlias.open(window, budget, frames, runs, firstPage, endPage);
        return new MappedView(alias.address() + offset, sizeBytes, access, alias::close);
    }

    private void checkPinnable(long page, AccessKind access) {
        long entry = runs.get(page);
        if (frames.hostPage(entry) == HostFrames.NO_HOST_PAGE) {
            throw PagingException.notMapped(bounds.vaddrOf(page));
        }
        if ((access.requiredBits() & ~ShadowEntry.flagBits(entry)) != 0) {
            throw new PagingException(
                    PagingError.NOT_SUPPORTED,
                    "vaddr=0x"
                            + Long.toHexString(bounds.vaddrOf(page))
                            + " allows "
                            + ShadowEntry.flags(entry)
                            + ", not "
                            + access);
        }
    }

    /// Forgets the views that were closed.
    void dropEnded() {
        pins.removeIf(pin -> !pin.view.isOpen());
    }

    /// Marks the pages of all views that were open when [#dropEnded] was called.
    void mark() {
        for (Pin pin : pins) {
            marks.set(pin.firstPage, pin.endPage - pin.firstPage);
        }
    }

    /// Ends the views that a plan would pull pages from.
    ///
    /// @throws PagingException BAD_STATE when a native call uses one of them for too long
    void end(EditPlan plan) {
        if (pins.isEmpty()) {
            return;
        }
        for (Pin pin : List.copyOf(pins)) {
            for (int edit = 0; edit < plan.size(); edit++) {
                if (pin.loses(plan, edit)) {
                    end(pin);
                    break;
                }
            }
        }
    }

    /// Ends every view.
    ///
    /// @throws PagingException BAD_STATE when a native call uses one of them for too long
    void endAll() {
        for (Pin pin : List.copyOf(pins)) {
            end(pin);
        }
    }

    private void end(Pin pin) {
        if (!pin.view.end()) {
            throw new PagingException(
                    PagingError.BAD_STATE,
                    "a native call is using a pinned view of the range; wait for it to return");
        }
        pins.remove(pin);
    }
}
