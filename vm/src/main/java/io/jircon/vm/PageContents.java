package io.jircon.vm;

import static io.jircon.vm.VmoMath.PAGE;
import static io.jircon.vm.VmoMath.SHIFT;

import io.jircon.hal.PagingException;
import io.jircon.hal.PhysicalMemory;
import java.lang.foreign.MemorySegment;

/// What the pages of one store hold, by the byte: reads it, writes it, and makes it zero.
///
/// A change first takes all frames that it needs and has every mapping hide what it replaces; only
/// then it writes, and cannot fail any more. Guarded by the family's lock.
final class PageContents {
    private final PageStore store;
    private final PhysicalMemory memory;

    PageContents(PageStore store, PhysicalMemory memory) {
        this.store = store;
        this.memory = memory;
    }

    /// As [PageStore#read].
    void read(long offset, MemorySegment target, long targetOffset, long len) {
        long done = 0;
        while (done < len) {
            long at = offset + done;
            long inPage = at & (PAGE - 1);
            long step = Math.min(PAGE - inPage, len - done);
            long frame = store.frame(at >>> SHIFT);
            if (frame == PageList.ABSENT) {
                target.asSlice(targetOffset + done, step).fill((byte) 0);
            } else {
                memory.read(frame + inPage, target, targetOffset + done, step);
            }
            done += step;
        }
    }

    /// As [PageStore#write].
    void write(long offset, MemorySegment source, long sourceOffset, long len) {
        long first = offset >>> SHIFT;
        long end = ((offset + len - 1) >>> SHIFT) + 1;
        long[] fresh = new long[store.isContiguous() ? 0 : (int) store.pages.wanted(first, end)];
        store.frames.allocate(fresh, 0, fresh.length);
        store.hideOrFree(first, end, fresh);
        int used = 0;
        long done = 0;
        while (done < len) {
            long at = offset + done;
            long page = at >>> SHIFT;
            long inPage = at & (PAGE - 1);
            long step = Math.min(PAGE - inPage, len - done);
            long here = store.frameHere(page);
            if (store.pages.isOwn(here)) {
                memory.write(here + inPage, source, sourceOffset + done, step);
            } else {
                long mine = fresh[used++];
                if (step != PAGE) {
                    store.pages.fill(mine, store.frame(page));
                }
                memory.write(mine + inPage, source, sourceOffset + done, step);
                store.pages.install(page, mine, here);
            }
            done += step;
        }
    }

    /// As [PageStore#zeroWritesInPlace].
    boolean zeroWritesInPlace(long offset, long len) {
        if (store.isContiguous()) {
            return true;
        }
        long last = offset + len - 1;
        boolean partialHead = !VmoMath.isAligned(offset);
        boolean partialTail = !VmoMath.isAligned(last + 1);
        return (partialHead && store.frame(offset >>> SHIFT) != PageList.ABSENT)
                || (partialTail && store.frame(last >>> SHIFT) != PageList.ABSENT)
                || store.pins.anyIn(offset >>> SHIFT, (last >>> SHIFT) + 1);
    }

    /// As [PageStore#zero].
    void zero(long offset, long len) {
        if (store.policy instanceof CommitPolicy.Contiguous run) {
            memory.zero(run.base() + offset, len);
            return;
        }
        long head = offset >>> SHIFT;
        long tail = (offset + len - 1) >>> SHIFT;
        int headStart = (int) (offset & (PAGE - 1));
        int tailEnd = (int) ((offset + len - 1) & (PAGE - 1)) + 1;
        if (head == tail && (headStart != 0 || tailEnd != PAGE)) {
            ownAndHide(head, PageList.NONE, 0, 0);
            zeroInPlace(head, headStart, tailEnd);
            return;
        }
        long firstWhole = headStart == 0 ? head : head + 1;
        long endWhole = tailEnd == PAGE ? tail + 1 : tail;
        boolean hasWhole =
                firstWhole < endWhole && store.nextExisting(firstWhole, endWhole) != PageList.NONE;
        ownAndHide(
                headStart != 0 ? head : PageList.NONE,
                tailEnd != PAGE ? tail : PageList.NONE,
                firstWhole,
                hasWhole ? endWhole : firstWhole);
        if (headStart != 0) {
            zeroInPlace(head, headStart, (int) PAGE);
        }
        if (tailEnd != PAGE) {
            zeroInPlace(tail, 0, tailEnd);
        }
        store.dropWholePages(firstWhole, endWhole);
    }

    /// Makes what a page holds from an offset in it on zero, and takes the pages of `[first, end)`
    /// out of every mapping: all of it or nothing.
    void clearTail(long page, int from, long first, long end) {
        ownAndHide(page, PageList.NONE, first, end);
        zeroInPlace(page, from, (int) PAGE);
    }

    /// Makes one or two pages the store's own if they exist and are shared, and takes those of
    /// `[first, end)` out of every mapping: all of it or nothing.
    private void ownAndHide(long page, long otherPage, long first, long end) {
        boolean one = page != PageList.NONE && showsOthersFrame(page);
        boolean two = otherPage != PageList.NONE && showsOthersFrame(otherPage);
        long[] fresh = new long[(one ? 1 : 0) + (two ? 1 : 0)];
        if (fresh.length != 0) {
            store.frames.allocate(fresh, 0, fresh.length);
        }
        try {
            store.unmap(first, end);
            if (one) {
                store.hide(page, store.frame(page));
            }
            if (two) {
                store.hide(otherPage, store.frame(otherPage));
            }
        } catch (PagingException e) {
            store.frames.free(fresh, 0, fresh.length);
            throw e;
        }
        if (one) {
            store.replace(page, fresh[0]);
        }
        if (two) {
            store.replace(otherPage, fresh[fresh.length - 1]);
        }
    }

    /// Whether a page has to be copied before it is written: it shows a frame that others have.
    private boolean showsOthersFrame(long page) {
        long frame = store.frame(page);
        return frame != PageList.ABSENT
                && !store.pages.isMarker(frame)
                && !store.pages.isOwn(store.pages.get(page));
    }

    /// Clears bytes of a page that is the store's own, if it has a frame.
    void zeroInPlace(long page, int from, int to) {
        long frame = store.pages.get(page);
        if (frame != PageList.ABSENT && !store.pages.isMarker(frame)) {
            memory.zero(frame + from, to - from);
        }
    }
}
