package io.jircon.hal.unix;

import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.util.ArrayList;
import java.util.List;

/// The open views of a page table. Guarded by its page table's lock, but for a view's own close,
/// which needs nothing from here: views that ended are dropped when the next one is looked for.
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

    private final List<Pin> pins = new ArrayList<>();

    MappedView open(
            long hostAddress, long sizeBytes, long firstPage, long endPage, AccessKind access) {
        pins.removeIf(pin -> !pin.view.isOpen());
        var view = new MappedView(hostAddress, sizeBytes, access);
        int needed = access.requiredBits() & MmuFlags.ACCESS_MASK;
        pins.add(new Pin(view, firstPage, endPage, needed));
        return view;
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
