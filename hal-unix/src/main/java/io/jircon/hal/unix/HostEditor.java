package io.jircon.hal.unix;

import io.jircon.hal.PagingException;

/// Tells the host what an [EditPlan] changes, in as few calls as can be: neighbouring edits that
/// the host sees as one mapping, or that get the same protection, or that all vanish, become one
/// call. When a call is refused those made before it are taken back.
///
/// Guarded by its page table's lock.
final class HostEditor {
    /// What the host has to do for an edit.
    private enum Action {
        /// The host shows the same before and after.
        NOTHING,
        /// As NOTHING, for pages that show no frame: a HIDE may run across them.
        ABSENT,
        SHOW,
        PROTECT,
        HIDE
    }

    private final HostWindow window;

    // The call being put together: edits firstEdit..lastEdit (inclusive), pages [start, end).
    private Action action = Action.NOTHING;
    private int firstEdit;
    private long start;
    private long end;
    private long shown;

    /// Whether taking back failed, so that the host no longer agrees with the shadow.
    private boolean broken;

    HostEditor(HostWindow window) {
        this.window = window;
    }

    /// Whether the host's mappings are no longer those of the shadow.
    boolean isBroken() {
        return broken;
    }

    /// Makes the calls.
    ///
    /// @param plan the edits
    /// @throws PagingException NO_RESOURCES, NO_MEMORY or SYSTEM when the host refuses one; nothing
    ///   has changed then, unless [#isBroken]
    void carryOut(EditPlan plan) {
        action = Action.NOTHING;
        long absentEnd = -1; // where a stretch that a HIDE may cross ends
        for (int edit = 0; edit < plan.size(); edit++) {
            Action next = actionOf(plan, edit);
            long page = plan.page(edit);
            if (next == Action.ABSENT) {
                if (action == Action.HIDE && (page == end || page == absentEnd)) {
                    absentEnd = plan.end(edit);
                }
                continue;
            }
            boolean joins =
                    next == action
                            && (page == end || (next == Action.HIDE && page == absentEnd))
                            && continuesCall(plan, edit);
            if (!joins) {
                flush(plan, edit);
                action = next;
                firstEdit = edit;
                start = page;
                shown = plan.hostAfter(edit);
            }
            end = plan.end(edit);
            absentEnd = -1;
        }
        flush(plan, plan.size());
    }

    private boolean continuesCall(EditPlan plan, int edit) {
        long wanted = plan.hostAfter(edit);
        return switch (action) {
            case SHOW -> wanted == ShadowEntry.advance(shown, plan.page(edit) - start);
            case PROTECT -> HostFrames.protectionOf(wanted) == HostFrames.protectionOf(shown);
            case HIDE -> true;
            case NOTHING, ABSENT -> false;
        };
    }

    private Action actionOf(EditPlan plan, int edit) {
        long old = plan.hostBefore(edit);
        long wanted = plan.hostAfter(edit);
        if (old == wanted) {
            return old == HostFrames.NO_HOST_PAGE ? Action.ABSENT : Action.NOTHING;
        }
        if (wanted == HostFrames.NO_HOST_PAGE) {
            return Action.HIDE;
        }
        boolean sameFrame =
                old != HostFrames.NO_HOST_PAGE
                        && HostFrames.offsetOf(old) == HostFrames.offsetOf(wanted)
                        && HostFrames.isHinted(old) == HostFrames.isHinted(wanted);
        return sameFrame && window.canProtect(old, wanted) ? Action.PROTECT : Action.SHOW;
    }

    private void flush(EditPlan plan, int nextEdit) {
        long count = end - start;
        long result =
                switch (action) {
                    case SHOW -> window.show(start, count, shown);
                    case PROTECT -> window.protect(start, count, shown);
                    case HIDE -> window.hide(start, count);
                    case NOTHING, ABSENT -> 0;
                };
        if (result < 0) {
            takeBack(plan, nextEdit);
            throw refusal(result);
        }
    }

    /// Undoes the calls before the one that failed. A `mprotect` may have done a part before it
    /// failed and is undone as well; a `mmap` checks before it acts.
    private void takeBack(EditPlan plan, int nextEdit) {
        if (action != Action.PROTECT && !window.hasNoHole(start, end - start)) {
            broken = true;
            return;
        }
        int undoEnd = action == Action.PROTECT ? nextEdit : firstEdit;
        for (int edit = 0; edit < undoEnd; edit++) {
            long old = plan.hostBefore(edit);
            long page = plan.page(edit);
            long count = plan.count(edit);
            long result =
                    switch (actionOf(plan, edit)) {
                        case NOTHING, ABSENT -> 0;
                        case PROTECT ->
                                window.canProtect(plan.hostAfter(edit), old)
                                        ? window.protect(page, count, old)
                                        : window.show(page, count, old);
                        case SHOW, HIDE ->
                                old == HostFrames.NO_HOST_PAGE
                                        ? window.hide(page, count)
                                        : window.show(page, count, old);
                    };
            broken |= result < 0;
        }
    }

    private PagingException refusal(long result) {
        String call =
                switch (action) {
                    case SHOW -> "mmap(page=" + start + ", pages=" + (end - start) + " of frames)";
                    case PROTECT -> "mprotect(page=" + start + ", pages=" + (end - start) + ")";
                    default -> "mmap(page=" + start + ", pages=" + (end - start) + " of reserve)";
                };
        return HostWindow.refusal(call, result);
    }
}
