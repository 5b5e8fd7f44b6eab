package io.jircon.testkit.model;

import static io.jircon.testkit.model.AddressSpaceModel.PAGE;

import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import io.jircon.vm.MemoryPriority;
import io.jircon.vm.VmarFlags;
import io.jircon.vm.VmarOp;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/// Makes random steps, most of them sensible, some of them wrong in one argument.
public final class StepGenerator {
    /// How large the arena is.
    public static final int ARENA_PAGES = 48;

    private static final VmarFlags[] PERMISSIONS = {
        VmarFlags.NONE,
        VmarFlags.PERM_READ,
        VmarFlags.READ_WRITE,
        VmarFlags.READ_WRITE,
        VmarFlags.READ_EXECUTE,
        VmarFlags.READ_WRITE_EXECUTE,
        VmarFlags.PERM_WRITE
    };
    private static final MmuFlags[] MOST = {MmuFlags.RWX, MmuFlags.RWX, MmuFlags.RW, MmuFlags.R};

    private final SplittableRandom random;

    /// Starts a source of steps.
    ///
    /// @param seed the same seed gives the same steps
    public StepGenerator(long seed) {
        random = new SplittableRandom(seed);
    }

    /// Makes some steps.
    ///
    /// @param count how many
    /// @return a list to change
    public List<Step> steps(int count) {
        List<Step> steps = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            steps.add(step());
        }
        return steps;
    }

    private Step step() {
        int region = random.nextInt(1 << 16);
        int vmo = random.nextInt(1 << 16);
        long pages = random.nextInt(5) == 0 ? random.nextLong(20) : 1 + random.nextLong(5);
        long len = pages * PAGE;
        if (random.nextInt(12) == 0) {
            len += oneOf(-1, 1, -PAGE / 2, Long.MIN_VALUE, -len - 1, -len - PAGE + 1);
        }
        long at = random.nextLong(ARENA_PAGES) * PAGE;
        if (random.nextInt(30) == 0) {
            at += oneOf(1, PAGE / 2, -PAGE * 50, PAGE * 50);
        }
        return switch (random.nextInt(25)) {
            case 0, 1, 2 ->
                    new Step.Allocate(
                            region,
                            regionOptions(),
                            place(),
                            random.nextInt(6) == 0 ? len : (4 + random.nextLong(14)) * PAGE);
            case 3, 4, 5, 6, 7 ->
                    new Step.Map(
                            region,
                            mapOptions(),
                            place(),
                            vmo,
                            random.nextInt(25) == 0
                                    ? oneOf(1, -PAGE, -2 * PAGE, PAGE + 7)
                                    : random.nextLong(6) * PAGE,
                            len,
                            MOST[random.nextInt(MOST.length)]);
            case 8, 9 -> new Step.Unmap(region, at, len);
            case 10, 11 -> new Step.Protect(region, protectOptions(), at, len);
            case 12 -> new Step.Destroy(region);
            case 13 ->
                    new Step.Range(
                            region,
                            random.nextBoolean() ? VmarOp.COMMIT : VmarOp.MAP_RANGE,
                            at,
                            len);
            case 14 -> new Step.Resize(vmo, random.nextLong(9));
            case 15 -> new Step.Decommit(vmo, random.nextLong(6), random.nextLong(4));
            case 16 -> new Step.Zero(vmo, random.nextLong(6), random.nextLong(4));
            case 17 -> new Step.Snapshot(vmo);
            case 18 -> new Step.Write(vmo, random.nextLong(9), 1 + random.nextInt(100));
            case 19 -> new Step.Priority(region, priority());
            default ->
                    new Step.Access(
                            random.nextLong(ARENA_PAGES) * PAGE,
                            AccessKind.values()[random.nextInt(3)],
                            1 + random.nextInt(100));
        };
    }

    private MemoryPriority priority() {
        return random.nextBoolean() ? MemoryPriority.HIGH : MemoryPriority.DEFAULT;
    }

    private long oneOf(long... values) {
        return values[random.nextInt(values.length)];
    }

    /// An offset that suits SPECIFIC and OFFSET_IS_UPPER_LIMIT, or 0.
    private long place() {
        if (random.nextInt(40) == 0) {
            return oneOf(1, -PAGE, Long.MIN_VALUE, PAGE / 2);
        }
        return random.nextInt(3) == 0 ? 0 : random.nextLong(ARENA_PAGES) * PAGE;
    }

    private VmarFlags placement() {
        VmarFlags flags =
                switch (random.nextInt(12)) {
                    case 0, 1, 2, 3, 4, 5, 6 -> VmarFlags.SPECIFIC;
                    case 7, 8 -> VmarFlags.OFFSET_IS_UPPER_LIMIT;
                    case 9 ->
                            random.nextInt(4) == 0
                                    ? VmarFlags.SPECIFIC.with(VmarFlags.OFFSET_IS_UPPER_LIMIT)
                                    : VmarFlags.NONE;
                    default -> VmarFlags.NONE;
                };
        return random.nextInt(10) == 0
                ? flags.with(VmarFlags.align(12 + random.nextInt(4)))
                : flags;
    }

    private VmarFlags regionOptions() {
        VmarFlags flags = placement().with(VmarFlags.CAN_MAP_READ);
        if (random.nextInt(8) != 0) {
            flags = flags.with(VmarFlags.CAN_MAP_SPECIFIC);
        }
        if (random.nextInt(4) != 0) {
            flags = flags.with(VmarFlags.CAN_MAP_WRITE);
        }
        if (random.nextInt(3) != 0) {
            flags = flags.with(VmarFlags.CAN_MAP_EXECUTE);
        }
        if (random.nextInt(40) == 0) {
            flags = flags.with(random.nextBoolean() ? VmarFlags.PERM_READ : VmarFlags.MAP_RANGE);
        }
        return random.nextInt(6) == 0 ? flags.with(VmarFlags.COMPACT) : flags;
    }

    private VmarFlags mapOptions() {
        VmarFlags flags = placement().with(PERMISSIONS[random.nextInt(PERMISSIONS.length)]);
        if (random.nextInt(5) == 0) {
            flags = flags.without(VmarFlags.SPECIFIC).with(VmarFlags.SPECIFIC_OVERWRITE);
        }
        if (random.nextInt(4) == 0) {
            flags = flags.with(VmarFlags.MAP_RANGE);
        }
        if (random.nextInt(30) == 0) {
            flags =
                    flags.with(
                            random.nextBoolean()
                                    ? VmarFlags.REQUIRE_NON_RESIZABLE
                                    : VmarFlags.CAN_MAP_SPECIFIC);
        }
        return flags;
    }

    private VmarFlags protectOptions() {
        VmarFlags flags = PERMISSIONS[random.nextInt(PERMISSIONS.length)];
        return random.nextInt(40) == 0 ? flags.with(VmarFlags.SPECIFIC) : flags;
    }
}
