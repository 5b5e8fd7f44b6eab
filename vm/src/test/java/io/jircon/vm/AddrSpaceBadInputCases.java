package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ALREADY_EXISTS;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NOT_FOUND;
import static io.jircon.kobject.ZxStatus.NOT_SUPPORTED;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.vm.AddrSpaceFixture.PAGE;
import static io.jircon.vm.AddrSpaceFixture.SIZE;
import static io.jircon.vm.AddrSpaceFixture.gpa;
import static io.jircon.vm.AddrSpaceFixture.hpa;
import static io.jircon.vm.BadInput.TWO_64;
import static io.jircon.vm.BadInput.isAligned;
import static io.jircon.vm.BadInput.isInside;
import static io.jircon.vm.BadInput.u;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.MmuFlags;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.AddrSpace.Populate;
import io.jircon.vm.BadInput.Argument;
import io.jircon.vm.BadInput.Call;
import io.jircon.vm.BadInput.Contract;
import io.jircon.vm.BadInput.Refusal;
import java.math.BigInteger;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The operations of [AddrSpace] with every bad argument, and every two, on one HAL: the exact
/// status and clause, the argument and its value in the message, and nothing changed.
abstract class AddrSpaceBadInputCases {
    private static final long BASE = AddrSpaceFixture.BASE.value();

    /// The bits of all sets of flags that have an access right or two.
    private static final long[] FLAGS = LongStream.range(0, 0x80).toArray();

    private final String hal;

    /// How many bits a host-physical address has in an entry.
    private final int physicalBits;

    /// What the format can express.
    private final Set<MmuFlags> supported;

    AddrSpaceBadInputCases(String hal, int physicalBits) {
        this.hal = hal;
        this.physicalBits = physicalBits;
        try (var scene = new Scene(hal)) {
            supported =
                    LongStream.of(FLAGS)
                            .mapToObj(bits -> MmuFlags.of((int) bits))
                            .filter(scene.space.pageTable()::supports)
                            .collect(Collectors.toSet());
        }
    }

    /// Sixteen pages: 2 to 3 linear, 6 to 9 allocated on a fault, 10 to 11 eagerly and read-only.
    private static final class Scene implements BadInput.Scene {
        private final Machine machine;
        private final AddrSpace space;
        private Runnable undoing = () -> {};

        Scene(String hal) {
            machine = Machine.boot(Hals.create(hal, HalConfig.DEFAULT.withMemoryBytes(4L << 20)));
            space = AddrSpace.create(machine, AddrSpaceFixture.BASE, SIZE);
            space.mapLinear(at(2), hpa(0x4000_0000), 2 * PAGE, MmuFlags.RW);
            space.mapAlloc(at(6), 4 * PAGE, MmuFlags.RW, Populate.ON_FAULT);
            space.mapAlloc(at(10), 2 * PAGE, MmuFlags.R, Populate.EAGERLY);
            space.handlePageFault(at(6), AccessKind.WRITE);
        }

        private static GuestPhysAddr at(long page) {
            return gpa(BASE + page * PAGE);
        }

        @Override
        public String state() {
            return WholeState.everything(space.root(), List.of());
        }

        @Override
        public void undo() {
            undoing.run();
            undoing = () -> {};
        }

        @Override
        public void close() {
            space.close();
            machine.close();
        }
    }

    private static boolean isArea(long page) {
        return page == 2 || page == 3 || (page >= 6 && page <= 11);
    }

    private static Argument guest(long page) {
        return Argument.bytes(
                "gpa",
                BASE + page * PAGE,
                LongStream.concat(
                                LongStream.of(-PAGE, -1, SIZE + PAGE, SIZE - 1),
                                LongStream.rangeClosed(0, 16).map(at -> at * PAGE))
                        .map(at -> BASE + at)
                        .toArray());
    }

    private static Argument length(long pages) {
        return Argument.bytes(
                "length",
                pages * PAGE,
                2 * PAGE,
                3 * PAGE,
                6 * PAGE,
                SIZE - PAGE,
                SIZE,
                SIZE + PAGE,
                -BASE,
                -BASE - PAGE,
                -BASE - 4 * PAGE);
    }

    private void sweep(List<Argument> arguments, Call<Scene> call, Contract contract) {
        int refused = BadInput.sweep(() -> new Scene(hal), arguments, call, contract);
        assertTrue(refused > 100, "refused " + refused);
    }

    private static boolean isOutside(long gpa, long length) {
        return !isInside(u(gpa), u(length), u(BASE), BigInteger.valueOf(SIZE));
    }

    private static String named(long gpa) {
        return "gpa=" + gpa(gpa);
    }

    /// The first checks of every operation on a range.
    private static @Nullable Refusal range(String clause, long gpa, long length) {
        String lengthText = BadInput.named("length", length);
        if (isOutside(gpa, length)) {
            return Refusal.of(OUT_OF_RANGE, clause, named(gpa), lengthText);
        }
        return isAligned(u(gpa)) && isAligned(u(length))
                ? null
                : Refusal.of(INVALID_ARGS, clause, named(gpa), lengthText);
    }

    private static LongStream pages(long gpa, long length) {
        long first = (gpa - BASE) / PAGE;
        return LongStream.range(first, first + length / PAGE);
    }

    // ---- making

    @Test
    @Tag("A-131")
    void createRefusesBadArguments() {
        BigInteger end;
        try (var scene = new Scene(hal)) {
            end = u(scene.space.pageTable().lastAddress()).add(BigInteger.ONE);
        }
        long last = end.longValue();
        sweep(
                List.of(
                        Argument.bytes("base", 0, last - PAGE, last, last + PAGE, -3 * PAGE),
                        Argument.bytes("size", PAGE, last - PAGE, last, last + PAGE, 3 * PAGE)),
                (scene, a) -> {
                    AddrSpace.create(scene.machine, gpa(a[0]), a[1]).close();
                    return ZxStatus.OK;
                },
                a -> {
                    BigInteger sum = u(a[0]).add(u(a[1]));
                    String base = "base=" + gpa(a[0]);
                    String size = BadInput.named("size", a[1]);
                    if (sum.compareTo(TWO_64) >= 0) {
                        return Refusal.of(OUT_OF_RANGE, "A-131", base, size);
                    }
                    if (a[1] == 0 || !isAligned(u(a[0])) || !isAligned(u(a[1]))) {
                        return Refusal.of(INVALID_ARGS, "A-131", base, size);
                    }
                    return sum.compareTo(end) > 0
                            ? Refusal.of(OUT_OF_RANGE, "A-131", base, size)
                            : null;
                });
    }

    // ---- areas

    @Test
    @Tag("A-134")
    @Tag("A-119")
    void mapLinearRefusesBadArguments() {
        long limit = 1L << physicalBits;
        sweep(
                List.of(
                        guest(0),
                        Argument.bytes(
                                "hpa", 0x5000_0000, limit - PAGE, limit, -2 * PAGE, -3 * PAGE),
                        length(2),
                        new Argument("flags", MmuFlags.R.bits(), FLAGS)),
                (scene, a) -> {
                    scene.space.mapLinear(gpa(a[0]), hpa(a[1]), a[2], MmuFlags.of((int) a[3]));
                    scene.undoing = () -> scene.space.unmap(gpa(a[0]), a[2]);
                    return ZxStatus.OK;
                },
                a -> linear(a[0], a[1], a[2], MmuFlags.of((int) a[3])));
    }

    private @Nullable Refusal linear(long gpa, long hpa, long length, MmuFlags flags) {
        Refusal refusal = range("A-134", gpa, length);
        if (refusal != null) {
            return refusal;
        }
        if (!isAligned(u(hpa))) {
            return Refusal.of(INVALID_ARGS, "A-134", "hpa=" + hpa(hpa));
        }
        refusal = newArea("A-134", length, flags);
        if (refusal != null) {
            return refusal;
        }
        BigInteger end = u(hpa).add(u(length));
        if (end.compareTo(TWO_64) > 0) {
            return Refusal.of(OUT_OF_RANGE, "A-119", "hpa=" + hpa(hpa));
        }
        refusal = unsupportedOrTaken("A-134", gpa, length, flags);
        if (refusal != null) {
            return refusal;
        }
        boolean tooWide = end.compareTo(BigInteger.TWO.pow(physicalBits)) > 0;
        return tooWide ? Refusal.of(OUT_OF_RANGE, "V-104") : null;
    }

    private static @Nullable Refusal newArea(String clause, long length, MmuFlags flags) {
        if (length == 0) {
            return Refusal.of(INVALID_ARGS, clause, "length=0");
        }
        return flags.canRead() ? null : Refusal.of(INVALID_ARGS, clause, "flags=" + flags);
    }

    private @Nullable Refusal unsupportedOrTaken(
            String clause, long gpa, long length, MmuFlags flags) {
        MmuFlags entry = flags.access().with(CachePolicy.of(flags).memoryType());
        if (!supported.contains(entry)) {
            return Refusal.of(NOT_SUPPORTED, clause, "flags=" + flags);
        }
        return pages(gpa, length).anyMatch(AddrSpaceBadInputCases::isArea)
                ? Refusal.of(ALREADY_EXISTS, clause, named(gpa), BadInput.named("length", length))
                : null;
    }

    @Test
    @Tag("A-135")
    @Tag("address_space.rs:test_mapping_validation_errors_are_matchable")
    void mapAllocRefusesBadArguments() {
        sweep(
                List.of(
                        guest(0),
                        length(2),
                        new Argument("flags", MmuFlags.R.bits(), FLAGS),
                        new Argument("populate", 0, 0, 1)),
                (scene, a) -> {
                    scene.space.mapAlloc(
                            gpa(a[0]),
                            a[1],
                            MmuFlags.of((int) a[2]),
                            Populate.values()[(int) a[3]]);
                    scene.undoing = () -> scene.space.unmap(gpa(a[0]), a[1]);
                    return ZxStatus.OK;
                },
                a -> alloc(a[0], a[1], MmuFlags.of((int) a[2])));
    }

    private @Nullable Refusal alloc(long gpa, long length, MmuFlags flags) {
        Refusal refusal = range("A-135", gpa, length);
        if (refusal == null) {
            refusal = newArea("A-135", length, flags);
        }
        return refusal == null ? unsupportedOrTaken("A-135", gpa, length, flags) : refusal;
    }

    @Test
    @Tag("A-136")
    @Tag("A-179")
    void unmapRefusesBadArguments() {
        sweep(
                List.of(guest(2), length(1)),
                (scene, a) -> {
                    scene.space.unmap(gpa(a[0]), a[1]);
                    return ZxStatus.OK;
                },
                a -> range("A-136", a[0], a[1]));
    }

    @Test
    @Tag("A-144")
    void protectRefusesBadArguments() {
        sweep(
                List.of(guest(6), length(2), new Argument("flags", MmuFlags.R.bits(), FLAGS)),
                (scene, a) -> {
                    scene.space.protect(gpa(a[0]), a[1], MmuFlags.of((int) a[2]));
                    return ZxStatus.OK;
                },
                a -> protect(a[0], a[1], MmuFlags.of((int) a[2])));
    }

    private static @Nullable Refusal protect(long gpa, long length, MmuFlags flags) {
        Refusal refusal = range("A-144", gpa, length);
        if (refusal != null) {
            return refusal;
        }
        boolean hasType = (flags.bits() & MmuFlags.MEMORY_TYPE_MASK) != 0;
        if (!flags.canRead() || hasType) {
            return Refusal.of(INVALID_ARGS, "A-144", "flags=" + flags);
        }
        long[] holes = pages(gpa, length).filter(page -> !isArea(page)).toArray();
        if (holes.length == 0) {
            return null;
        }
        boolean areaFollows = pages(gpa, length).anyMatch(page -> page > holes[0] && isArea(page));
        return Refusal.of(
                NOT_FOUND,
                areaFollows ? "V-148" : "V-153",
                BadInput.named("vaddr", BASE + holes[0] * PAGE));
    }

    // ---- looking

    @Test
    @Tag("A-29")
    @Tag("A-30")
    @Tag("A-31")
    void findFreeAreaRefusesBadArguments() {
        sweep(
                List.of(
                        guest(0),
                        length(1),
                        Argument.bytes("alignment", PAGE, 2 * PAGE, 3 * PAGE, 4 * PAGE, 16 * PAGE)),
                (scene, a) -> {
                    Optional<GuestPhysAddr> found = scene.space.findFreeArea(gpa(a[0]), a[1], a[2]);
                    assertEquals(place(a[0], a[1], a[2]), found);
                    return ZxStatus.OK;
                },
                a -> {
                    BigInteger alignment = u(a[2]);
                    boolean isGood =
                            alignment.bitCount() == 1
                                    && isAligned(alignment)
                                    && a[1] != 0
                                    && u(a[1]).mod(alignment).signum() == 0;
                    return isGood
                            ? null
                            : Refusal.of(INVALID_ARGS, "A-29", BadInput.named("length", a[1]));
                });
    }

    /// The lowest place, looked for page by page.
    private static Optional<GuestPhysAddr> place(long hint, long length, long alignment) {
        return LongStream.range(0, 16)
                .map(page -> BASE + page * PAGE)
                .filter(at -> u(at).compareTo(u(hint)) >= 0)
                .filter(at -> u(at).mod(u(alignment)).signum() == 0)
                .filter(at -> !isOutside(at, length))
                .filter(at -> pages(at, length).noneMatch(AddrSpaceBadInputCases::isArea))
                .mapToObj(AddrSpaceFixture::gpa)
                .findFirst();
    }

    @Test
    @Tag("A-133")
    @Tag("A-139")
    @Tag("A-140")
    @Tag("A-142")
    @Tag("A-143")
    @Tag("address_space.rs:test_translate")
    void lookingAtBadAddressesFindsNothingAndChangesNothing() {
        sweep(
                List.of(guest(2), length(1), new Argument("access", 0, 0, 1, 2)),
                (scene, a) -> {
                    AccessKind access = AccessKind.values()[(int) a[2]];
                    AddrSpace space = scene.space;
                    assertEquals(!isOutside(a[0], a[1]), space.containsRange(gpa(a[0]), a[1]));
                    boolean any =
                            space.translatedByteBuffer(gpa(a[0]), a[1], access).isPresent()
                                    | space.handlePageFault(gpa(a[0]), access)
                                    | space.translate(gpa(a[0])).isPresent()
                                    | space.translateAndGetLimit(gpa(a[0])).isPresent();
                    return any ? ZxStatus.OK : NOT_FOUND;
                },
                a -> {
                    boolean nowhere = isOutside(a[0], 1) || !isArea((a[0] - BASE) / PAGE);
                    boolean isEmpty = a[1] == 0 && !isOutside(a[0], 0);
                    boolean fetches = a[2] == AccessKind.EXECUTE.ordinal();
                    boolean entered =
                            !nowhere
                                    && LongStream.of(2, 3, 6, 10, 11)
                                            .anyMatch(page -> page == (a[0] - BASE) / PAGE);
                    boolean finds = isEmpty || entered || (!nowhere && !fetches);
                    return finds ? null : Refusal.of(NOT_FOUND, "A-139");
                });
    }
}
