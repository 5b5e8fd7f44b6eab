package io.jircon.vm;

import static io.jircon.vm.VmoMath.SHIFT;

import io.jircon.kobject.ZxStatus;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// Asks a pager for pages of one memory object, and wakes who waits for them (clauses O-272 to
/// O-278). Guarded by the family's lock; the queue's is taken inside.
///
/// A request stays open until every page of it is answered, or nobody relies on it any more; a page
/// that an open request covers is not asked for again. Who waits, waits for one page, and tries its
/// operation again when that is answered.
final class PageSource {
    /// Whether the pager can still be asked.
    private enum State {
        ATTACHED,
        /// Detached, or the pager is gone.
        ENDED
    }

    /// One request and the operations that rely on it.
    static final class Request {
        private final PageRequest packet;
        private final Set<PageWait> holders = new HashSet<>();

        private Request(PageRequest packet) {
            this.packet = packet;
        }
    }

    /// A part of a request that is not answered yet.
    private record Open(long first, long end, Request request) {}

    private final VmoFamily family;
    private final PageRequestQueue queue;
    private final long key;
    private final NavigableMap<Long, Open> openReads = new TreeMap<>();
    private final NavigableMap<Long, Open> openDirties = new TreeMap<>();
    private final List<PageWait> waiting = new ArrayList<>();
    private State state = State.ATTACHED;

    PageSource(VmoFamily family, PageRequestQueue queue, long key) {
        this.family = family;
        this.queue = queue;
        this.key = key;
    }

    VmoFamily family() {
        return family;
    }

    /// Whether the pager can still be asked.
    boolean isAttached() {
        return state == State.ATTACHED;
    }

    /// How many operations wait for an answer.
    int waitingCount() {
        return waiting.size();
    }

    private NavigableMap<Long, Open> open(PageRequest.Command command) {
        return command == PageRequest.Command.READ ? openReads : openDirties;
    }

    // ---- asking

    /// Has an operation wait for the first page of what it needs; sends a request unless one that
    /// covers the page is open (clause O-274).
    void ask(PageWait wait, PageNeed need) {
        NavigableMap<Long, Open> open = open(need.command());
        Open covering = at(open, need.first());
        if (covering == null) {
            Long next = open.ceilingKey(need.first());
            long end = next == null ? need.end() : Math.min(next, need.end());
            covering = send(need.command(), need.first(), end);
        }
        wait.start(this, covering.request, need);
        covering.request.holders.add(wait);
        waiting.add(wait);
    }

    private Open send(PageRequest.Command command, long first, long end) {
        var packet = new PageRequest(key, command, first << SHIFT, (end - first) << SHIFT);
        var opened = new Open(first, end, new Request(packet));
        open(command).put(first, opened);
        queue.add(packet);
        return opened;
    }

    private static @Nullable Open at(NavigableMap<Long, Open> open, long page) {
        Map.Entry<Long, Open> found = open.floorEntry(page);
        return found != null && page < found.getValue().end ? found.getValue() : null;
    }

    /// An operation relies on a request no longer; who was the last takes it back.
    void leave(PageWait wait, Request request) {
        request.holders.remove(wait);
        waiting.remove(wait);
        if (request.holders.isEmpty()) {
            open(request.packet.command()).values().removeIf(open -> open.request == request);
            queue.withdraw(request.packet);
        }
    }

    // ---- answers

    /// Answers what is asked of a kind in `[first, end)`.
    ///
    /// @param status OK, or why the pages will not come
    void answer(PageRequest.Command command, long first, long end, ZxStatus status) {
        NavigableMap<Long, Open> open = open(command);
        splitAt(open, first);
        splitAt(open, end);
        Map<Long, Open> answered = open.subMap(first, true, end, false);
        List<Request> touched = answered.values().stream().map(Open::request).distinct().toList();
        answered.clear();
        for (Request request : touched) {
            if (open.values().stream().noneMatch(left -> left.request == request)) {
                queue.withdraw(request.packet);
            }
        }
        wake(wait -> wait.isFor(command, first, end), status);
    }

    private static void splitAt(NavigableMap<Long, Open> open, long page) {
        Open whole = at(open, page);
        if (whole != null && whole.first < page) {
            open.put(whole.first, new Open(whole.first, page, whole.request));
            open.put(page, new Open(page, whole.end, whole.request));
        }
    }

    /// Has everybody who waits look again, because something else changed.
    void wakeAll() {
        wake(wait -> true, ZxStatus.OK);
    }

    private void wake(Predicate<PageWait> which, ZxStatus status) {
        waiting.removeIf(wait -> {
            boolean woken = which.test(wait);
            if (woken) {
                wait.wake(status);
            }
            return woken;
        });
    }

    // ---- the end

    /// Asks nothing any more: everybody who waits gets BAD_STATE (clauses O-304 and O-306).
    ///
    /// @return false when that was so already
    boolean end() {
        if (state == State.ENDED) {
            return false;
        }
        state = State.ENDED;
        answer(PageRequest.Command.READ, 0, Long.MAX_VALUE, ZxStatus.BAD_STATE);
        answer(PageRequest.Command.DIRTY, 0, Long.MAX_VALUE, ZxStatus.BAD_STATE);
        return true;
    }

    /// Tells the pager that it will hear no more (clauses O-304 and O-305).
    void complete() {
        queue.add(new PageRequest(key, PageRequest.Command.COMPLETE, 0, 0));
    }
}
