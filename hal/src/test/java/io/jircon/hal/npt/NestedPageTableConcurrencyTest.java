package io.jircon.hal.npt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// One thread changes a table so that tables come and go all the time; others look at it through
/// [PageTableTrait#translate], which reads without the lock, and through processors, whose walker
/// takes none. Every page, when it is mapped, shows the frame that holds its own number.
class NestedPageTableConcurrencyTest {
    private static final long K4 = PageSize.BASE_BYTES;
    private static final int PAGES = 64;
    private static final int ROUNDS = 3000;

    /// Far apart, so that most pages have tables of their own.
    private static long vaddr(int page) {
        return (1L << 30) + page * (1L << 21) * 7;
    }

    @Tag("A-166")
    @ParameterizedTest
    @ValueSource(strings = {"x86_64", "aarch64", "riscv64"})
    void lookingWhileTablesComeAndGoNeverShowsAnotherPage(String name) throws Exception {
        lookWhileTablesComeAndGo(name, View.OWN);
    }

    @Tag("A-70")
    @ParameterizedTest
    @ValueSource(strings = {"x86_64", "aarch64", "riscv64"})
    void lookingThroughABorrowerNeverShowsAnotherPageEither(String name) throws Exception {
        lookWhileTablesComeAndGo(name, View.BORROWED);
    }

    /// Through which table the watchers look.
    private enum View {
        /// The one that is changed.
        OWN,
        /// One that borrowed its root entries.
        BORROWED
    }

    private static void lookWhileTablesComeAndGo(String name, View view) throws Exception {
        String tracking =
                name.equals("riscv64") ? "svadu" : name.equals("x86_64") ? "on" : "hardware-dirty";
        HalConfig config = HalConfig.DEFAULT.withMemoryBytes(16L << 20).withOption("ad", tracking);
        try (Hal hal = Hals.create(name, config);
                var pool = Executors.newThreadPerTaskExecutor(Thread.ofPlatform().factory())) {
            long free = hal.frames().freeFrames();
            var table = (NestedPageTable) hal.newPageTable(AddressSpaceKind.GUEST);
            var seen = view == View.OWN ? table : borrower(hal, table);
            long[] frames = new long[PAGES];
            for (int page = 0; page < PAGES; page++) {
                frames[page] = hal.frames().allocate();
                hal.memory().writeLong(frames[page], page);
            }
            var done = new AtomicBoolean();
            var looking = new CountDownLatch(2);
            List<Future<Long>> watchers = new ArrayList<>();
            watchers.add(pool.submit(() -> translate(seen, frames, looking, done)));
            watchers.add(pool.submit(() -> load(hal, seen, looking, done)));
            Callable<Void> changes =
                    () -> {
                        looking.await();
                        try {
                            change(table, frames);
                        } finally {
                            done.set(true);
                        }
                        return null;
                    };
            pool.submit(changes).get();
            for (Future<Long> watcher : watchers) {
                assertTrue(watcher.get() > 0, "something was seen mapped");
            }
            table.close();
            seen.close();
            hal.frames().free(frames, 0, PAGES);
            assertEquals(free, hal.frames().freeFrames());
        }
    }

    private static NestedPageTable borrower(Hal hal, NestedPageTable lender) {
        var table = (NestedPageTable) hal.newPageTable(AddressSpaceKind.GUEST);
        table.borrowRootEntries(lender, vaddr(0), vaddr(PAGES) - vaddr(0));
        return table;
    }

    @Tag("A-70")
    @ParameterizedTest
    @ValueSource(strings = {"x86_64", "aarch64", "riscv64"})
    void ofTwoTablesThatBorrowFromEachOtherOneDoes(String name) throws Exception {
        try (Hal hal = Hals.create(name, HalConfig.DEFAULT.withMemoryBytes(16L << 20));
                var pool = Executors.newThreadPerTaskExecutor(Thread.ofPlatform().factory())) {
            long free = hal.frames().freeFrames();
            for (int round = 0; round < ROUNDS / 10; round++) {
                var start = new CountDownLatch(2);
                var tables = new NestedPageTable[2];
                for (int i = 0; i < 2; i++) {
                    tables[i] = (NestedPageTable) hal.newPageTable(AddressSpaceKind.GUEST);
                }
                List<Future<Boolean>> wins = new ArrayList<>();
                for (int i = 0; i < 2; i++) {
                    NestedPageTable self = tables[i];
                    NestedPageTable other = tables[1 - i];
                    wins.add(pool.submit(() -> borrows(self, other, start)));
                }
                assertTrue(wins.get(0).get() ^ wins.get(1).get());
                tables[round % 2].close();
                tables[1 - round % 2].close();
            }
            assertEquals(free, hal.frames().freeFrames());
        }
    }

    private static boolean borrows(
            NestedPageTable self, NestedPageTable other, CountDownLatch start)
            throws InterruptedException {
        start.countDown();
        start.await();
        try {
            self.borrowRootEntries(other, vaddr(0), K4);
            return true;
        } catch (PagingException refused) {
            assertEquals(PagingError.BAD_STATE, refused.error());
            return false;
        }
    }

    private static void change(PageTableTrait table, long[] frames) {
        var random = new SplittableRandom(3);
        for (int round = 0; round < ROUNDS; round++) {
            int page = random.nextInt(PAGES);
            switch (random.nextInt(4)) {
                case 0 -> table.unmapRange(vaddr(page), K4);
                case 1 -> table.writeProtectRange(vaddr(page), K4);
                default ->
                        table.mapRange(
                                vaddr(page),
                                frames[page],
                                K4,
                                MmuFlags.RW,
                                HugePages.FORBIDDEN,
                                OnExisting.UPGRADE);
            }
        }
        for (int page = 0; page < PAGES; page++) {
            table.mapRange(
                    vaddr(page),
                    frames[page],
                    K4,
                    MmuFlags.RW,
                    HugePages.FORBIDDEN,
                    OnExisting.UPGRADE);
        }
    }

    private static long translate(
            PageTableTrait table, long[] frames, CountDownLatch looking, AtomicBoolean done) {
        var random = new SplittableRandom(4);
        looking.countDown();
        long seen = 0;
        boolean last = false;
        while (!last) {
            last = done.get();
            for (int i = 0; i < PAGES; i++) {
                int page = last ? i : random.nextInt(PAGES);
                long paddr = table.translate(vaddr(page));
                if (paddr != PageTableTrait.NO_TRANSLATION) {
                    assertEquals(frames[page], paddr);
                    seen++;
                }
            }
        }
        return seen;
    }

    private static long load(
            Hal hal, PageTableTrait table, CountDownLatch looking, AtomicBoolean done) {
        var random = new SplittableRandom(5);
        var word = MemorySegment.ofArray(new long[1]);
        long seen = 0;
        try (var mmu = hal.newMmu()) {
            mmu.activate(table);
            looking.countDown();
            boolean last = false;
            while (!last) {
                last = done.get();
                for (int i = 0; i < PAGES; i++) {
                    int page = last ? i : random.nextInt(PAGES);
                    boolean found =
                            random.nextBoolean()
                                    ? mmu.load(vaddr(page), word, 0, 8) == 8
                                    : mmu.load(vaddr(page), word, 0, 8) == 8
                                            && mmu.store(vaddr(page), word, 0, 8) == 8;
                    if (found) {
                        assertEquals(page, word.get(ValueLayout.JAVA_LONG_UNALIGNED, 0));
                        seen++;
                    }
                }
            }
        }
        return seen;
    }
}
