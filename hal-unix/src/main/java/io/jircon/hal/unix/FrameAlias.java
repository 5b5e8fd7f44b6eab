package io.jircon.hal.unix;

import io.jircon.hal.PageSize;
import io.jircon.hal.PagingException;

/// The frames of neighbouring pages of a window, shown once more at addresses where the host never
/// holds an access. A pinned view is one where minor faults are held: Java code that the host held
/// would not come to a safepoint, for which the thread that has to let it go on may have to wait.
///
/// Its mappings are counted in the machine's budget.
final class FrameAlias {
    private final HostWindow shown;
    private final MappingBudget budget;
    private final long mappings;

    private FrameAlias(HostWindow shown, MappingBudget budget, long mappings) {
        this.shown = shown;
        this.budget = budget;
        this.mappings = mappings;
    }

    /// Shows the frames.
    ///
    /// @param window what the pages belong to
    /// @param budget the machine's
    /// @param frames the machine's
    /// @param runs the shadow
    /// @param firstPage number in the window
    /// @param endPage after the last; every page from the first on shows a frame
    /// @throws PagingException NO_RESOURCES when the budget or the host has no room; SYSTEM when
    ///   the host refuses for another reason; nothing is shown then
    static FrameAlias open(
            HostWindow window,
            MappingBudget budget,
            HostFrames frames,
            PageRuns runs,
            long firstPage,
            long endPage) {
        long mappings = 0;
        for (long page = firstPage; page < endPage; ) {
            page = endOfRun(frames, runs, page, endPage);
            mappings++;
        }
        // One more while the first run is shown.
        budget.take(mappings + 1, mappings, /* shrinking= */ false);
        try {
            HostWindow alias = window.another((endPage - firstPage) << PageSize.BASE_SHIFT);
            try {
                for (long page = firstPage; page < endPage; ) {
                    long end = endOfRun(frames, runs, page, endPage);
                    show(alias, page - firstPage, end - page, frames.hostPage(runs.get(page)));
                    page = end;
                }
            } catch (PagingException refused) {
                alias.release();
                throw refused;
            }
            return new FrameAlias(alias, budget, mappings);
        } catch (PagingException refused) {
            budget.giveBack(mappings);
            throw refused;
        }
    }

    private static void show(HostWindow alias, long page, long count, long hostPage) {
        long result = alias.show(page, count, hostPage);
        if (result < 0) {
            throw HostWindow.refusal("mmap(pages=" + count + " of a view)", result);
        }
    }

    /// Where the mapping of the host that begins with a page ends.
    private static long endOfRun(HostFrames frames, PageRuns runs, long page, long endPage) {
        long first = frames.hostPage(runs.get(page));
        long end = page + 1;
        while (end < endPage
                && frames.hostPage(runs.get(end)) == ShadowEntry.advance(first, end - page)) {
            end++;
        }
        return end;
    }

    /// Host address of the first page.
    long address() {
        return shown.address();
    }

    /// Gives the addresses back; nothing may use them any more.
    void close() {
        budget.giveBack(mappings);
        shown.release();
    }
}
