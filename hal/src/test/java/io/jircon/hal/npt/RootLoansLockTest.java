package io.jircon.hal.npt;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// What a table borrowed is looked up under its lender's lock. Tables below a lent entry may be
/// freed in the middle of the lender's change, and their frames used for something else: whoever
/// looked there meanwhile would see that.
@Tag("A-70")
class RootLoansLockTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final long FRAME = 0x40_0000;

    private final Bench bench = new Bench();

    @AfterEach
    void closeBench() {
        bench.close();
    }

    /// A look-up of what an address translates to.
    private enum LookUp {
        TRANSLATE {
            @Override
            long at(NestedPageTable table, long vaddr) {
                return table.translate(vaddr);
            }
        },
        QUERY {
            @Override
            long at(NestedPageTable table, long vaddr) {
                return table.query(vaddr).paddr();
            }
        },
        EXPLAIN {
            @Override
            long at(NestedPageTable table, long vaddr) {
                return Objects.requireNonNull(table.explain(vaddr, AccessKind.READ).mapping())
                        .paddr();
            }
        },
        LEAVES {
            @Override
            long at(NestedPageTable table, long vaddr) {
                var found = new AtomicLong();
                table.forEachLeaf(vaddr, PAGE, (at, paddr, size, flags) -> found.set(paddr));
                return found.get();
            }
        };

        abstract long at(NestedPageTable table, long vaddr);
    }

    static Stream<Arguments> kindsAndLookUps() {
        return Formats.kinds()
                .flatMap(format ->
                        Stream.of(LookUp.values()).map(lookUp -> Arguments.of(format, lookUp)));
    }

    @ParameterizedTest
    @MethodSource("kindsAndLookUps")
    void lookingUpWhatIsBorrowedWaitsForTheLendersChange(PagingFormat format, LookUp lookUp)
            throws InterruptedException {
        long slot = format.lowestAddress() + (1L << format.shifts[format.rootHeight]);
        try (NestedPageTable lender = bench.table(format);
                NestedPageTable borrower = bench.table(format)) {
            lender.map(slot, FRAME, PageSize.SIZE_4K, MmuFlags.RW);
            borrower.borrowRootEntries(lender, slot, PAGE);
            // Once before, so that the thread below waits for no class to be loaded.
            assertEquals(FRAME, lookUp.at(borrower, slot));
            var found = new AtomicLong();
            var looker = new Thread(() -> found.set(lookUp.at(borrower, slot)));
            try (PageTableCursor change = lender.openCursor()) {
                looker.start();
                while (looker.getState() != Thread.State.WAITING && looker.isAlive()) {
                    Thread.onSpinWait();
                }
                assertEquals(0, found.get(), "what was found in the middle of the change");
                change.remap(slot, FRAME + PAGE, MmuFlags.R);
            } finally {
                looker.join();
            }
            assertEquals(FRAME + PAGE, found.get());
        }
    }
}
