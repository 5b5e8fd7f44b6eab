package io.jircon.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.HugePages;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.OnExisting;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/// What a HAL must do, as tests. Extend it, say how to make the machine and what it has:
///
/// ```java
/// final class MyHalConformanceTest extends HalConformance {
///     @Override protected Hal create(HalConfig config) { return Hals.create("mine", config); }
///     @Override protected Set<HalFeature> features() { return Set.of(HalFeature.HUGE_2M); }
/// }
/// ```
///
/// Methods that begin with `required_` hold for every HAL; those that begin with `optional_` hold
/// where the feature is declared. The comment of each says where to look when it fails. After each
/// test every frame must be free again.
///
/// The random history runs 20,000 operations from the seed in the system property `jircon.hal.seed`
/// (default 1); `jircon.hal.operations` sets another number.
public abstract class HalConformance extends HalFrameRules {
    private static final int SPAN = 24;

    /// Makes the suite; JUnit does.
    protected HalConformance() {}

    /// If it fails: the message holds the shortest sequence of operations found that goes wrong.
    /// Run it by hand; the last operation is the one that differs from a plain map.
    @Test
    void required_randomHistoryAgreesWithAPlainMap() throws Exception {
        long seed = Long.getLong("jircon.hal.seed", 1);
        int total = Integer.getInteger("jircon.hal.operations", 20_000);
        long base = seam - SPAN / 2 * PAGE;
        long[] paddrs = frames(8);
        SplittableRandom random = new SplittableRandom(seed);
        for (int done = 0; done < total; done += 200) {
            List<Step> steps = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                steps.add(Step.random(random));
            }
            String wrong = play(steps, base, paddrs);
            if (wrong != null) {
                List<Step> shortest =
                        Shrinker.shrink(steps, some -> play(some, base, paddrs) != null);
                throw new AssertionError(
                        "jircon.hal.seed=%d, after %d operations: %s%nshortest: %s%n%s"
                                .formatted(
                                        seed, done, wrong, shortest, play(shortest, base, paddrs)));
            }
        }
    }

    /// Plays steps on an emptied range; null when all agree, else what differs.
    private @org.jspecify.annotations.Nullable String play(
            List<Step> steps, long base, long[] paddrs) {
        table.unmapRange(base, SPAN * PAGE);
        var model = new TreeMap<Long, Entry>(Long::compareUnsigned);
        for (int i = 0; i < steps.size(); i++) {
            Step step = steps.get(i);
            var before = new TreeMap<>(model);
            String expected = step.model(model, base, paddrs);
            String actual = step.real(table, base, paddrs);
            var held = entries(table, base, SPAN);
            if (!expected.equals(actual) || !model.equals(held)) {
                return "step %d, %s: expected %s, was %s%nbefore   %s%nexpected %s%nis       %s"
                        .formatted(i, step, expected, actual, before, model, held);
            }
            long at = base + step.page() * PAGE;
            Entry entry = model.get(at);
            boolean readable = entry != null && entry.flags().canRead();
            boolean writable = readable && entry.flags().canWrite();
            if (canLoad(at) != readable || canStore(at, i) != writable) {
                return "step %d, %s: access to %x differs from %s".formatted(i, step, at, entry);
            }
            if (writable && hal.memory().readLong(entry.paddr()) != i) {
                return "step %d, %s: a store to %x missed %s".formatted(i, step, at, entry);
            }
        }
        return null;
    }

    private enum Kind {
        MAP,
        MAP_RANGE,
        UNMAP,
        UNMAP_RANGE,
        PROTECT,
        PROTECT_RANGE,
        WRITE_PROTECT,
        REMAP
    }

    private record Step(
            Kind kind, int page, int count, int frame, MmuFlags flags, OnExisting existing) {
        private static final MmuFlags[] FLAGS = {
            MmuFlags.R, MmuFlags.RW, MmuFlags.RX, MmuFlags.RWX
        };

        static Step random(SplittableRandom random) {
            int page = random.nextInt(SPAN);
            int count = random.nextInt(Math.min(8, SPAN - page)) + 1;
            return new Step(
                    Kind.values()[random.nextInt(Kind.values().length)],
                    page,
                    count,
                    random.nextInt(8),
                    FLAGS[random.nextInt(FLAGS.length)],
                    OnExisting.values()[random.nextInt(3)]);
        }

        private long[] chosen(long[] paddrs) {
            long[] chosen = new long[count];
            for (int i = 0; i < count; i++) {
                chosen[i] = paddrs[(frame + i) % paddrs.length];
            }
            return chosen;
        }

        String real(PageTableTrait table, long base, long[] paddrs) {
            long at = base + page * PAGE;
            long size = count * PAGE;
            try {
                switch (kind) {
                    case MAP -> table.mapPages(at, chosen(paddrs), 0, count, flags, existing);
                    case MAP_RANGE ->
                            table.mapRange(
                                    at, paddrs[frame], PAGE, flags, HugePages.ALLOWED, existing);
                    case UNMAP -> table.unmap(at);
                    case UNMAP_RANGE -> table.unmapRange(at, size);
                    case PROTECT -> table.protect(at, flags);
                    case PROTECT_RANGE -> table.protectRange(at, size, flags);
                    case WRITE_PROTECT -> table.writeProtectRange(at, size);
                    case REMAP -> table.remap(at, paddrs[frame], flags);
                }
                return "OK";
            } catch (PagingException refused) {
                return refused.error().name();
            }
        }

        String model(NavigableMap<Long, Entry> model, long base, long[] paddrs) {
            long at = base + page * PAGE;
            boolean absent = !model.containsKey(at);
            return switch (kind) {
                case MAP -> enter(model, at, chosen(paddrs));
                case MAP_RANGE -> enter(model, at, new long[] {paddrs[frame]});
                case UNMAP -> {
                    model.remove(at);
                    yield presence(absent);
                }
                case PROTECT -> {
                    model.computeIfPresent(at, (key, e) -> new Entry(e.paddr(), flags));
                    yield presence(absent);
                }
                case REMAP -> {
                    model.computeIfPresent(at, (key, e) -> new Entry(paddrs[frame], flags));
                    yield presence(absent);
                }
                case UNMAP_RANGE -> {
                    for (int i = 0; i < count; i++) {
                        model.remove(at + i * PAGE);
                    }
                    yield "OK";
                }
                case PROTECT_RANGE -> {
                    for (int i = 0; i < count; i++) {
                        model.computeIfPresent(
                                at + i * PAGE, (key, e) -> new Entry(e.paddr(), flags));
                    }
                    yield "OK";
                }
                case WRITE_PROTECT -> {
                    MmuFlags write = MmuFlags.of(MmuFlags.WRITE_BIT);
                    for (int i = 0; i < count; i++) {
                        model.computeIfPresent(
                                at + i * PAGE,
                                (key, e) -> new Entry(e.paddr(), e.flags().without(write)));
                    }
                    yield "OK";
                }
            };
        }

        private static String presence(boolean absent) {
            return absent ? PagingError.NOT_MAPPED.name() : "OK";
        }

        private String enter(NavigableMap<Long, Entry> model, long at, long[] chosen) {
            if (existing == OnExisting.ERROR) {
                for (int i = 0; i < chosen.length; i++) {
                    if (model.containsKey(at + i * PAGE)) {
                        return PagingError.ALREADY_MAPPED.name();
                    }
                }
            }
            for (int i = 0; i < chosen.length; i++) {
                Entry old = model.get(at + i * PAGE);
                if (old == null || existing == OnExisting.UPGRADE && old.paddr() != chosen[i]) {
                    model.put(at + i * PAGE, new Entry(chosen[i], flags));
                } else if (existing == OnExisting.UPGRADE) {
                    model.put(at + i * PAGE, new Entry(chosen[i], old.flags().with(flags)));
                }
            }
            return "OK";
        }
    }

    /// If it fails: closing the machine must be harmless twice, and what is left open answers
    /// BAD_STATE.
    @Test
    void required_closedMachineIsBadState() {
        Hal other = create(HalConfig.DEFAULT.withMemoryBytes(MEMORY_BYTES));
        PageTableTrait left = other.newPageTable(AddressSpaceKind.USER);
        long at = seamOf(left);
        assertRefused(PagingError.BAD_STATE, () -> mmu.activate(left));
        other.close();
        other.close();
        assertRefused(PagingError.BAD_STATE, other::newMmu);
        assertRefused(PagingError.BAD_STATE, () -> other.newPageTable(AddressSpaceKind.USER));
        assertRefused(PagingError.BAD_STATE, () -> left.unmap(at));
        assertEquals(0, entries(table, seam, 1).size(), "machines share nothing");
    }
}
