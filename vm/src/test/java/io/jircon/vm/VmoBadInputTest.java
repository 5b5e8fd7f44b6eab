package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NOT_FOUND;
import static io.jircon.kobject.ZxStatus.NOT_SUPPORTED;
import static io.jircon.kobject.ZxStatus.NO_MEMORY;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.kobject.ZxStatus.UNAVAILABLE;
import static io.jircon.vm.BadInput.TWO_64;
import static io.jircon.vm.BadInput.isAligned;
import static io.jircon.vm.BadInput.named;
import static io.jircon.vm.BadInput.u;
import static io.jircon.vm.BadInput.up;
import static io.jircon.vm.VmoMath.PAGE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.ZxStatus;
import io.jircon.vm.BadInput.Argument;
import io.jircon.vm.BadInput.Call;
import io.jircon.vm.BadInput.Contract;
import io.jircon.vm.BadInput.Refusal;
import io.jircon.vm.BadVmoScene.Kind;
import java.math.BigInteger;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The operations of every kind of memory object with every bad argument, and every two: the exact
/// status and clause, the argument and its value in the message, and nothing changed.
class VmoBadInputTest {
    private static final BigInteger MAX = TWO_64.subtract(BadInput.PAGE.shiftLeft(4));

    /// The smallest object that has more pages than the machine has frames for.
    private static final BigInteger MORE_THAN_MEMORY = BigInteger.valueOf(BadVmoScene.MEMORY_BYTES);

    /// As many pages as a list in Java has no numbers for.
    private static final BigInteger MORE_THAN_CAN_BE_LISTED = BadInput.PAGE.shiftLeft(31);

    private static final Argument KIND =
            new Argument("kind", 0, LongStream.range(0, Kind.values().length).toArray());

    private static Argument bytes(String name, long good) {
        return Argument.bytes(
                name,
                good,
                LongStream.of(2, 3, 4, 5, 8, 14, 15, 16, 17, 18, 1L << 30, 1L << 32, (1L << 40) - 2)
                        .map(pages -> pages * PAGE)
                        .flatMap(at -> LongStream.of(at, -at, at - 1, 1 - at))
                        .toArray());
    }

    private static void sweep(List<Argument> arguments, Call<BadVmoScene> call, Contract contract) {
        int refused = BadInput.sweep(BadVmoScene::new, arguments, call, contract);
        assertTrue(refused > 100, "refused " + refused);
    }

    private static boolean isOutside(Kind kind, long offset, BigInteger len) {
        return u(offset).add(len).compareTo(kind.bytes) > 0;
    }

    private static Refusal ofRange(ZxStatus status, String clause, long offset, long len) {
        return Refusal.of(status, clause, named("offset", offset), named("len", len));
    }

    // ---- bytes

    @Test
    @Tag("O-25")
    @Tag("O-38")
    @Tag("O-40")
    @Tag("O-49")
    @Tag("O-50")
    void readsAndWritesRefuseBadArguments() {
        sweep(
                List.of(
                        KIND,
                        new Argument("isWrite", 0, 0, 1),
                        bytes("offset", PAGE),
                        new Argument(
                                "len", 1, 0, 1, PAGE, PAGE + 1, 4 * PAGE, 16 * PAGE, 17 * PAGE)),
                (scene, a) -> {
                    if (a[1] == 0) {
                        scene.object(a[0]).read(a[2], (int) a[3]);
                    } else {
                        scene.object(a[0]).write(a[2], new byte[(int) a[3]]);
                    }
                    return ZxStatus.OK;
                },
                a -> bytes(Kind.values()[(int) a[0]], a[2], a[3]));
    }

    @Test
    @Tag("O-38")
    void aLengthThatCannotBeReadTakesNoMemory() {
        try (var scene = new BadVmoScene()) {
            String before = scene.state();
            VmObject vmo = scene.object(0);
            var e =
                    assertThrows(
                            IllegalArgumentException.class, () -> vmo.read(0, Integer.MIN_VALUE));
            assertEquals("length=-2147483648 is negative", e.getMessage());
            // More than a virtual machine can give.
            VmarFixture.refuses(OUT_OF_RANGE, "O-38", () -> vmo.read(0, Integer.MAX_VALUE));
            assertEquals(before, scene.state());
        }
    }

    private static @Nullable Refusal bytes(Kind kind, long offset, long len) {
        if (kind.isPhysical()) {
            return Refusal.of(NOT_SUPPORTED, "O-25");
        }
        if (u(offset).add(u(len)).compareTo(TWO_64) >= 0) {
            return ofRange(OUT_OF_RANGE, "O-38", offset, len);
        }
        if (kind == Kind.UNCACHED) {
            return Refusal.of(BAD_STATE, "O-38");
        }
        if (isOutside(kind, offset, u(len))) {
            return ofRange(OUT_OF_RANGE, "O-38", offset, len);
        }
        return kind == Kind.DISCARDED ? Refusal.of(NOT_FOUND, "O-261") : null;
    }

    // ---- ranges

    @Test
    @Tag("O-73")
    @Tag("O-76")
    @Tag("O-84")
    void commitRefusesBadArguments() {
        sweep(
                List.of(KIND, bytes("offset", PAGE), bytes("len", PAGE)),
                (scene, a) -> {
                    scene.object(a[0]).commit(a[1], a[2]);
                    return ZxStatus.OK;
                },
                a -> commit(Kind.values()[(int) a[0]], a[1], a[2]));
    }

    private static @Nullable Refusal commit(Kind kind, long offset, long len) {
        if (kind.isPhysical()) {
            return Refusal.of(NOT_SUPPORTED, "O-25");
        }
        if (isOutside(kind, offset, u(len))) {
            return ofRange(OUT_OF_RANGE, "O-76", offset, len);
        }
        if (kind == Kind.DISCARDED) {
            return Refusal.of(NOT_FOUND, "O-261");
        }
        boolean tooMuch = u(len).compareTo(MORE_THAN_MEMORY) >= 0;
        return tooMuch ? ofRange(NO_MEMORY, "O-77", offset, len) : null;
    }

    @Test
    @Tag("O-85")
    @Tag("O-86")
    @Tag("O-87")
    void decommitRefusesBadArguments() {
        sweep(
                List.of(KIND, bytes("offset", 2 * PAGE), bytes("len", PAGE)),
                (scene, a) -> {
                    scene.object(a[0]).decommit(a[1], a[2]);
                    return ZxStatus.OK;
                },
                a -> decommit(Kind.values()[(int) a[0]], a[1], a[2]));
    }

    private static @Nullable Refusal decommit(Kind kind, long offset, long len) {
        if (kind.isPhysical()) {
            return Refusal.of(NOT_SUPPORTED, "O-25");
        }
        if (kind == Kind.CONTIGUOUS) {
            return Refusal.of(NOT_SUPPORTED, "O-85");
        }
        if (isOutside(kind, offset, u(len))) {
            return ofRange(OUT_OF_RANGE, "O-85", offset, len);
        }
        if (len == 0) {
            return null;
        }
        if (kind.sharesPages()) {
            return Refusal.of(NOT_SUPPORTED, "O-86");
        }
        if (!isAligned(u(offset)) || !isAligned(u(len))) {
            return ofRange(INVALID_ARGS, "O-87", offset, len);
        }
        boolean isPinned = kind == Kind.PINNED && meetsPage1(offset, len);
        return isPinned ? ofRange(BAD_STATE, "O-85", offset, len) : null;
    }

    /// Whether a range in an object of 16 pages meets page 1.
    private static boolean meetsPage1(long offset, long len) {
        return offset < 2 * PAGE && offset + len > PAGE;
    }

    @Test
    @Tag("O-91")
    @Tag("O-105")
    @Tag("O-106")
    void zeroRefusesBadArguments() {
        sweep(
                List.of(KIND, bytes("offset", PAGE + 1), bytes("len", PAGE)),
                (scene, a) -> {
                    scene.object(a[0]).zero(a[1], a[2]);
                    return ZxStatus.OK;
                },
                a -> zero(Kind.values()[(int) a[0]], a[1], a[2]));
    }

    private static @Nullable Refusal zero(Kind kind, long offset, long len) {
        if (kind.isPhysical()) {
            return Refusal.of(NOT_SUPPORTED, "O-25");
        }
        if (isOutside(kind, offset, u(len))) {
            return ofRange(OUT_OF_RANGE, "O-91", offset, len);
        }
        if (kind != Kind.UNCACHED || len == 0) {
            return null;
        }
        boolean cutsWritten =
                LongStream.of(offset, offset + len)
                        .filter(edge -> !isAligned(u(edge)))
                        .map(edge -> edge / PAGE)
                        .anyMatch(page -> page == 1 || page == 2 || page == 15);
        return cutsWritten ? Refusal.of(BAD_STATE, "O-105") : null;
    }

    @Test
    @Tag("O-107")
    @Tag("O-116")
    void prefetchRefusesBadArgumentsAndHintsTakeAny() {
        sweep(
                List.of(KIND, bytes("offset", PAGE), bytes("len", PAGE)),
                (scene, a) -> {
                    VmObject vmo = scene.object(a[0]);
                    vmo.opHint(VmoHint.ALWAYS_NEED, a[1], a[2]);
                    vmo.opHint(VmoHint.DONT_NEED, a[1], a[2]);
                    vmo.opPrefetch(a[1], a[2]);
                    return ZxStatus.OK;
                },
                a -> {
                    Kind kind = Kind.values()[(int) a[0]];
                    String clause = kind.hasPager() ? "O-117" : "O-107";
                    return isOutside(kind, a[1], u(a[2]))
                            ? ofRange(OUT_OF_RANGE, clause, a[1], a[2])
                            : null;
                });
    }

    @Test
    @Tag("O-121")
    @Tag("O-122")
    void pinRefusesBadArguments() {
        sweep(
                List.of(KIND, bytes("offset", PAGE), bytes("len", PAGE)),
                (scene, a) -> {
                    PinnedPages pages = scene.object(a[0]).pin(a[1], a[2]);
                    scene.undoing = pages::close;
                    return ZxStatus.OK;
                },
                a -> pin(Kind.values()[(int) a[0]], a[1], a[2]));
    }

    private static @Nullable Refusal pin(Kind kind, long offset, long len) {
        if (!isAligned(u(offset)) || !isAligned(u(len)) || len == 0) {
            return ofRange(INVALID_ARGS, "O-121", offset, len);
        }
        if (isOutside(kind, offset, u(len))) {
            return ofRange(OUT_OF_RANGE, "O-121", offset, len);
        }
        if (kind == Kind.DISCARDED) {
            return Refusal.of(NOT_FOUND, "O-261");
        }
        BigInteger most = kind.isPhysical() ? MORE_THAN_CAN_BE_LISTED : MORE_THAN_MEMORY;
        return u(len).compareTo(most) >= 0 ? ofRange(NO_MEMORY, "O-123", offset, len) : null;
    }

    // ---- sizes

    @Test
    @Tag("O-52")
    @Tag("O-53")
    @Tag("O-151")
    void setSizeRefusesBadArguments() {
        sweep(
                List.of(KIND, bytes("newSizeBytes", 3 * PAGE)),
                (scene, a) -> {
                    scene.object(a[0]).setSize(a[1]);
                    return ZxStatus.OK;
                },
                a -> setSize(Kind.values()[(int) a[0]], a[1]));
    }

    private static @Nullable Refusal setSize(Kind kind, long newSize) {
        String named = named("newSizeBytes", newSize);
        BigInteger rounded = up(u(newSize));
        if (kind.isPhysical() || kind == Kind.CONTIGUOUS) {
            return Refusal.of(UNAVAILABLE, "O-52");
        }
        if (rounded.compareTo(TWO_64) >= 0) {
            return Refusal.of(OUT_OF_RANGE, "O-52", named);
        }
        if (!kind.isResizable()) {
            return Refusal.of(UNAVAILABLE, "O-52");
        }
        if (rounded.compareTo(MAX) > 0) {
            return Refusal.of(OUT_OF_RANGE, "O-52", named);
        }
        if (kind == Kind.PINNED && rounded.compareTo(BigInteger.valueOf(2 * PAGE)) < 0) {
            return Refusal.of(BAD_STATE, "O-52", named);
        }
        boolean wraps = kind.rootOffset.add(rounded).compareTo(TWO_64) >= 0;
        return wraps ? Refusal.of(INVALID_ARGS, "O-151", named) : null;
    }

    @Test
    @Tag("O-64")
    void setStreamSizeRefusesBadArguments() {
        sweep(
                List.of(KIND, bytes("newStreamSizeBytes", 3 * PAGE)),
                (scene, a) -> {
                    scene.object(a[0]).setStreamSize(a[1]);
                    return ZxStatus.OK;
                },
                a -> setStreamSize(Kind.values()[(int) a[0]], a[1]));
    }

    private static @Nullable Refusal setStreamSize(Kind kind, long newSize) {
        if (kind.isPhysical()) {
            return Refusal.of(NOT_SUPPORTED, "O-25");
        }
        if (kind == Kind.CONTIGUOUS) {
            return Refusal.of(NOT_SUPPORTED, "O-64");
        }
        boolean tooLarge = u(newSize).compareTo(kind.bytes) > 0;
        return tooLarge
                ? Refusal.of(OUT_OF_RANGE, "O-64", named("newStreamSizeBytes", newSize))
                : null;
    }

    // ---- children

    @ParameterizedTest
    @EnumSource(names = {"SLICE", "REFERENCE", "SNAPSHOT", "SNAPSHOT_MODIFIED"})
    @Tag("O-15")
    @Tag("O-29")
    @Tag("O-130")
    @Tag("O-131")
    @Tag("O-134")
    @Tag("O-135")
    @Tag("O-143")
    @Tag("O-150")
    @Tag("O-151")
    @Tag("O-157")
    @Tag("O-158")
    @Tag("O-159")
    void createChildRefusesBadArguments(VmoChildOption type) {
        sweep(
                List.of(
                        KIND,
                        new Argument(
                                "options",
                                1L << type.ordinal(),
                                LongStream.range(0, 1 << VmoChildOption.values().length)
                                        .filter(set -> Long.bitCount(set) <= 3)
                                        .toArray()),
                        bytes("offset", PAGE),
                        bytes("sizeBytes", PAGE)),
                (scene, a) -> {
                    VmObject child = scene.object(a[0]).createChild(childOptions(a[1]), a[2], a[3]);
                    scene.undoing = child::close;
                    return ZxStatus.OK;
                },
                a -> child(Kind.values()[(int) a[0]], childOptions(a[1]), a[2], a[3]));
    }

    /// The set with a number: bit i is the i-th option.
    private static Set<VmoChildOption> childOptions(long number) {
        Set<VmoChildOption> options = EnumSet.noneOf(VmoChildOption.class);
        for (VmoChildOption option : VmoChildOption.values()) {
            if ((number & 1L << option.ordinal()) != 0) {
                options.add(option);
            }
        }
        return options;
    }

    private static @Nullable Refusal child(
            Kind kind, Set<VmoChildOption> options, long offset, long size) {
        BigInteger rounded = up(u(size));
        boolean resizable = options.contains(VmoChildOption.RESIZABLE);
        String given = "options=" + options;
        if (rounded.compareTo(TWO_64) >= 0) {
            return Refusal.of(OUT_OF_RANGE, "O-130", named("sizeBytes", size));
        }
        if (resizable && options.contains(VmoChildOption.NO_WRITE)) {
            return Refusal.of(INVALID_ARGS, "O-130", given);
        }
        if (kind == Kind.DISCARDED) {
            return Refusal.of(NOT_SUPPORTED, "O-130");
        }
        Set<VmoChildOption> types = EnumSet.copyOf(EnumSet.allOf(VmoChildOption.class));
        types.retainAll(options);
        types.remove(VmoChildOption.RESIZABLE);
        types.remove(VmoChildOption.NO_WRITE);
        if (types.size() != 1 || (resizable && types.contains(VmoChildOption.SLICE))) {
            return Refusal.of(INVALID_ARGS, "O-131", given);
        }
        VmoChildOption type = types.iterator().next();
        return switch (type) {
            case SLICE -> slice(kind, offset, size, rounded);
            case REFERENCE -> reference(kind, resizable, offset, size);
            default -> snapshot(kind, type, offset, size, rounded);
        };
    }

    private static @Nullable Refusal slice(Kind kind, long offset, long size, BigInteger rounded) {
        if (!isAligned(u(offset))) {
            return Refusal.of(INVALID_ARGS, "O-134", named("offset", offset));
        }
        if (rounded.compareTo(MAX) > 0) {
            return Refusal.of(OUT_OF_RANGE, "O-134", named("sizeBytes", size));
        }
        if (isOutside(kind, offset, rounded)) {
            return Refusal.of(
                    INVALID_ARGS, "O-134", named("offset", offset), named("sizeBytes", size));
        }
        if (kind.isResizable()) {
            return Refusal.of(NOT_SUPPORTED, "O-134");
        }
        return kind == Kind.UNCACHED ? Refusal.of(BAD_STATE, "O-134") : null;
    }

    private static @Nullable Refusal reference(
            Kind kind, boolean resizable, long offset, long size) {
        if (offset != 0 || size != 0) {
            return Refusal.of(
                    INVALID_ARGS, "O-143", named("offset", offset), named("sizeBytes", size));
        }
        if (kind.isSlice() || kind == Kind.CONTIGUOUS || kind.isPhysical()) {
            return Refusal.of(NOT_SUPPORTED, "O-143");
        }
        if (resizable && !kind.isResizable()) {
            return Refusal.of(ACCESS_DENIED, "O-143");
        }
        return kind == Kind.UNCACHED ? Refusal.of(BAD_STATE, "O-143") : null;
    }

    private static @Nullable Refusal snapshot(
            Kind kind, VmoChildOption type, long offset, long size, BigInteger rounded) {
        if (kind == Kind.CONTIGUOUS) {
            return Refusal.of(INVALID_ARGS, "O-29");
        }
        if (kind.isPhysical()) {
            return Refusal.of(NOT_SUPPORTED, "O-25");
        }
        if (!isAligned(u(offset))) {
            return Refusal.of(INVALID_ARGS, "O-150", named("offset", offset));
        }
        if (rounded.compareTo(MAX) > 0) {
            return Refusal.of(OUT_OF_RANGE, "O-150", named("sizeBytes", size));
        }
        BigInteger end = kind.window().add(u(offset)).add(rounded);
        if (end.compareTo(TWO_64) >= 0) {
            return Refusal.of(
                    OUT_OF_RANGE, "O-150", named("offset", offset), named("sizeBytes", size));
        }
        if (kind == Kind.UNCACHED) {
            return Refusal.of(BAD_STATE, "O-150");
        }
        if (kind.hasPager() && type == VmoChildOption.SNAPSHOT) {
            return Refusal.of(NOT_SUPPORTED, "O-157");
        }
        if (kind.rootOffset.add(end).compareTo(TWO_64) >= 0) {
            return Refusal.of(INVALID_ARGS, "O-151", named("offset", offset));
        }
        boolean isModified = type == VmoChildOption.SNAPSHOT_MODIFIED;
        if (kind == Kind.SLICE || (kind == Kind.CLONE_SLICE && isModified)) {
            return Refusal.of(NOT_SUPPORTED, "O-158");
        }
        if (kind == Kind.CLONE && isModified) {
            return Refusal.of(NOT_SUPPORTED, "O-159");
        }
        return kind == Kind.PINNED ? Refusal.of(BAD_STATE, "O-193") : null;
    }

    @Test
    @Tag("O-239")
    void setCachePolicyRefusesWhatIsInUse() {
        int refused =
                BadInput.sweep(
                        BadVmoScene::new,
                        List.of(KIND, new Argument("policy", 1, 0, 1, 2, 3)),
                        (scene, a) -> {
                            scene.object(a[0]).setCachePolicy(CachePolicy.values()[(int) a[1]]);
                            return ZxStatus.OK;
                        },
                        a -> {
                            CachePolicy policy = CachePolicy.values()[(int) a[1]];
                            boolean isFree =
                                    switch (Kind.values()[(int) a[0]]) {
                                        case RESIZABLE, PHYSICAL, HUGE_PHYSICAL -> true;
                                        case CONTIGUOUS, UNCACHED, UNBOUNDED -> true;
                                        case DISCARDED -> policy == CachePolicy.CACHED;
                                        case PLAIN, SLICE, SNAPSHOT, PARENT, PINNED, FAR -> false;
                                        case FILE, CLONE, CLONE_SLICE, COPY -> false;
                                    };
                            return isFree
                                    ? null
                                    : Refusal.of(BAD_STATE, "O-239", "policy=" + policy);
                        });
        assertTrue(refused > 20, "refused " + refused);
    }
}
