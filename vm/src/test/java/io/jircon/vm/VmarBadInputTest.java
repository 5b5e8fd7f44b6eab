package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NOT_FOUND;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.vm.BadInput.TWO_64;
import static io.jircon.vm.BadInput.isAligned;
import static io.jircon.vm.BadInput.named;
import static io.jircon.vm.BadInput.u;
import static io.jircon.vm.BadInput.up;
import static io.jircon.vm.BadInputScene.SIZE;
import static io.jircon.vm.VmarFixture.PAGE;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.BadInput.Argument;
import io.jircon.vm.BadInput.Call;
import io.jircon.vm.BadInput.Contract;
import io.jircon.vm.BadInput.Refusal;
import io.jircon.vm.BadInputScene.Piece;
import io.jircon.vm.BadInputScene.Place;
import java.lang.foreign.MemorySegment;
import java.math.BigInteger;
import java.util.List;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The region operations with every bad argument, and every two: the exact status and clause, the
/// argument and its value in the message, and nothing changed. [VmarBadMapTest] does so for map.
class VmarBadInputTest {
    private static final BigInteger BYTES = BigInteger.valueOf(SIZE);

    private long base;

    /// An address, and lengths that matter there.
    private Argument address() {
        return Argument.bytes(
                "vaddr",
                base + 4 * PAGE,
                LongStream.concat(
                                LongStream.of(-PAGE, 1, SIZE + PAGE),
                                LongStream.of(0, 3, 4, 10, 12, 14, 16, 18, 20, 24, 61, 62, 63, 64)
                                        .map(page -> page * PAGE))
                        .map(offset -> base + offset)
                        .toArray());
    }

    private Argument length() {
        return Argument.bytes(
                "len",
                2 * PAGE,
                8 * PAGE,
                12 * PAGE,
                13 * PAGE,
                16 * PAGE - 1,
                20 * PAGE,
                SIZE - 4 * PAGE,
                SIZE,
                SIZE + 1,
                -base, // base + len is 2^64
                PAGE - base,
                -base - 4 * PAGE,
                -base - 5 * PAGE);
    }

    private void sweep(
            Place place, List<Argument> arguments, Call<BadInputScene> call, Contract contract) {
        int refused = BadInput.sweep(() -> new BadInputScene(place), arguments, call, contract);
        assertTrue(refused > 100, "refused " + refused);
    }

    private void locate(Place place) {
        try (var scene = new BadInputScene(place)) {
            base = scene.region.baseAddress();
        }
    }

    // ---- allocate

    @ParameterizedTest
    @EnumSource(Place.class)
    @Tag("V-60")
    @Tag("V-61")
    @Tag("V-62")
    @Tag("V-63")
    @Tag("V-64")
    @Tag("V-65")
    @Tag("V-66")
    @Tag("V-67")
    @Tag("V-68")
    @Tag("V-69")
    @Tag("V-70")
    @Tag("V-71")
    @Tag("V-72")
    @Tag("V-80")
    @Tag("V-294")
    @Tag("V-295")
    void allocateRefusesBadArguments(Place place) {
        locate(place);
        sweep(
                place,
                List.of(
                        new Argument("region", 0, 1, 2),
                        new Argument(
                                "options", VmarFlags.SPECIFIC.bits(), BadPlacement.optionWords()),
                        Argument.bytes("offset", 2 * PAGE, BadPlacement.offsets(base)),
                        Argument.bytes("sizeBytes", PAGE, BadPlacement.sizes(base))),
                (scene, a) -> {
                    VmAddressRegion made =
                            scene.regionOf(a[0]).allocate(new VmarFlags((int) a[1]), a[2], a[3]);
                    scene.undoing = made::destroy;
                    return ZxStatus.OK;
                },
                a -> allocate((int) a[0], (int) a[1], a[2], a[3]));
    }

    private @Nullable Refusal allocate(int region, int options, long offset, long size) {
        String givenOptions = "options=" + new VmarFlags(options);
        int never = 0b1001_1100_0010_0111; // all that is not for regions
        if (BadPlacement.isMalformed(options) || (options & never) != 0) {
            return Refusal.of(INVALID_ARGS, "V-60", givenOptions);
        }
        if (!isAligned(u(size))) {
            return Refusal.of(INVALID_ARGS, "V-60", named("size", size));
        }
        if (region == 2) {
            return Refusal.of(BAD_STATE, "V-61");
        }
        if (size == 0) {
            return Refusal.of(INVALID_ARGS, "V-62", "size=0");
        }
        if ((options & VmarFlags.CAN_MAP_EXECUTE.bits()) != 0) {
            return Refusal.of(ACCESS_DENIED, "V-63", givenOptions);
        }
        return BadPlacement.answer(base, region, options, offset, u(size));
    }

    // ---- unmap

    @ParameterizedTest
    @EnumSource(Place.class)
    @Tag("V-124")
    @Tag("V-125")
    @Tag("V-126")
    @Tag("V-127")
    @Tag("V-130")
    @Tag("V-133")
    @Tag("V-296")
    void unmapRefusesBadArguments(Place place) {
        locate(place);
        sweep(
                place,
                List.of(new Argument("region", 0, 2), address(), length()),
                (scene, a) -> {
                    scene.regionOf(a[0]).unmap(a[1], a[2]);
                    return ZxStatus.OK;
                },
                a -> unmap(a[0] == 2, a[1], a[2]));
    }

    private @Nullable Refusal unmap(boolean isDead, long vaddr, long len) {
        if (!isAligned(u(vaddr))) {
            return Refusal.of(INVALID_ARGS, "V-124", named("vaddr", vaddr));
        }
        if (up(u(len)).mod(TWO_64).signum() == 0) {
            return Refusal.of(INVALID_ARGS, "V-125", named("len", len));
        }
        if (isDead) {
            return Refusal.of(BAD_STATE, "V-126");
        }
        if (!isInRegion(vaddr, len)) {
            return Refusal.of(INVALID_ARGS, "V-127", named("vaddr", vaddr), named("len", len));
        }
        long first = page(vaddr);
        long last = lastPage(vaddr, len);
        boolean meets = first <= BadInputScene.INNER_LAST && last >= BadInputScene.INNER_FIRST;
        boolean covers = first <= BadInputScene.INNER_FIRST && last >= BadInputScene.INNER_LAST;
        return meets && !covers ? Refusal.of(INVALID_ARGS, "V-130") : null;
    }

    private boolean isInRegion(long vaddr, long len) {
        return BadInput.isInside(u(vaddr), up(u(len)), u(base), BYTES);
    }

    private long page(long vaddr) {
        return (vaddr - base) / PAGE;
    }

    private long lastPage(long vaddr, long len) {
        return page(vaddr) + up(u(len)).longValueExact() / PAGE - 1;
    }

    // ---- protect

    @ParameterizedTest
    @EnumSource(Place.class)
    @Tag("V-142")
    @Tag("V-143")
    @Tag("V-144")
    @Tag("V-145")
    @Tag("V-146")
    @Tag("V-147")
    @Tag("V-148")
    @Tag("V-149")
    @Tag("V-152")
    @Tag("V-153")
    @Tag("V-156")
    @Tag("V-298")
    void protectRefusesBadArguments(Place place) {
        locate(place);
        boolean readsToo = readsIfItCannotExecuteOnly(place);
        sweep(
                place,
                List.of(
                        new Argument("region", 0, 2),
                        new Argument(
                                "options", VmarFlags.PERM_READ.bits(), BadPlacement.optionWords()),
                        address(),
                        length()),
                (scene, a) -> {
                    scene.regionOf(a[0]).protect(new VmarFlags((int) a[1]), a[2], a[3]);
                    return ZxStatus.OK;
                },
                a -> protect(a[0] == 2, (int) a[1], a[2], a[3], readsToo));
    }

    /// Whether PERM_READ_IF_XOM_UNSUPPORTED means PERM_READ (clause V-38).
    static boolean readsIfItCannotExecuteOnly(Place place) {
        try (var scene = new BadInputScene(place)) {
            return !scene.vm.hal.canMapExecuteOnly();
        }
    }

    private @Nullable Refusal protect(
            boolean isDead, int givenOptions, long vaddr, long len, boolean readsToo) {
        int ifXom = VmarFlags.PERM_READ_IF_XOM_UNSUPPORTED.bits();
        boolean adds = readsToo && (givenOptions & ifXom) != 0;
        int options = adds ? givenOptions | VmarFlags.PERM_READ.bits() : givenOptions;
        if ((options & 0b110) != 0 && (options & 1) == 0) {
            return Refusal.of(INVALID_ARGS, "V-142", "options=" + new VmarFlags(options));
        }
        if (!isAligned(u(vaddr))) {
            return Refusal.of(INVALID_ARGS, "V-143", named("vaddr", vaddr));
        }
        if ((options & ~(0b111 | ifXom)) != 0) {
            return Refusal.of(INVALID_ARGS, "V-144", "options=" + new VmarFlags(options));
        }
        if (up(u(len)).mod(TWO_64).signum() == 0) {
            return Refusal.of(INVALID_ARGS, "V-145", named("len", len));
        }
        if (isDead) {
            return Refusal.of(BAD_STATE, "V-146");
        }
        if (!isInRegion(vaddr, len)) {
            return Refusal.of(INVALID_ARGS, "V-147", named("vaddr", vaddr), named("len", len));
        }
        MmuFlags wanted = MmuFlags.of(options & 0b111);
        long expected = page(vaddr);
        long last = lastPage(vaddr, len);
        for (Piece piece : BadInputScene.PIECES) {
            if (piece.last() < expected || piece.first() > last) {
                continue;
            }
            if (piece.first() > expected) {
                return Refusal.of(NOT_FOUND, "V-148", named("vaddr", base + expected * PAGE));
            }
            if (!piece.most().contains(wanted)) {
                return Refusal.of(ACCESS_DENIED, "V-149", "permissions=" + wanted);
            }
            if (!piece.isDirect() && !piece.now().contains(wanted)) {
                return Refusal.of(ACCESS_DENIED, "V-152", "permissions=" + wanted);
            }
            expected = piece.last() + 1;
        }
        return expected <= last
                ? Refusal.of(NOT_FOUND, "V-153", named("vaddr", base + expected * PAGE))
                : null;
    }

    // ---- op_range

    @ParameterizedTest
    @EnumSource(Place.class)
    @Tag("V-173")
    @Tag("V-174")
    @Tag("V-175")
    @Tag("V-177")
    @Tag("V-178")
    @Tag("V-180")
    @Tag("V-181")
    @Tag("V-183")
    @Tag("V-296")
    @Tag("V-297")
    void opRangeRefusesBadArguments(Place place) {
        locate(place);
        sweep(
                place,
                List.of(
                        new Argument("region", 0, 2),
                        new Argument(
                                "op",
                                VmarOp.MAP_RANGE.ordinal(),
                                LongStream.range(0, VmarOp.values().length).toArray()),
                        address(),
                        length()),
                (scene, a) -> {
                    scene.regionOf(a[0]).opRange(VmarOp.values()[(int) a[1]], a[2], a[3]);
                    return ZxStatus.OK;
                },
                a -> opRange(a[0] == 2, VmarOp.values()[(int) a[1]], a[2], a[3]));
    }

    private @Nullable Refusal opRange(boolean isDead, VmarOp op, long vaddr, long len) {
        if (up(u(len)).mod(TWO_64).signum() == 0) {
            return Refusal.of(INVALID_ARGS, "V-173", named("len", len));
        }
        if (!isAligned(u(vaddr))) {
            return Refusal.of(INVALID_ARGS, "V-173", named("vaddr", vaddr));
        }
        // A dead region still has its range; the dead one here lies elsewhere.
        if (isDead || !isInRegion(vaddr, len)) {
            return Refusal.of(OUT_OF_RANGE, "V-174", named("vaddr", vaddr), named("len", len));
        }
        long expected = page(vaddr);
        long last = lastPage(vaddr, len);
        for (Piece piece : BadInputScene.PIECES) {
            if (piece.last() < expected || piece.first() > last) {
                continue;
            }
            Refusal refusal = ofPiece(op, piece, expected);
            if (refusal != null) {
                return expected == page(vaddr) ? refusal : refusal.leavingPart();
            }
            expected = piece.last() + 1;
        }
        if (expected <= last) {
            String at = named("vaddr", base + expected * PAGE);
            Refusal gap = Refusal.of(BAD_STATE, "V-183", at);
            return expected == page(vaddr) ? gap : gap.leavingPart();
        }
        return null;
    }

    private @Nullable Refusal ofPiece(VmarOp op, Piece piece, long expected) {
        if (piece.first() > expected) {
            return Refusal.of(BAD_STATE, "V-177", named("vaddr", base + expected * PAGE));
        }
        boolean staysDirect = op == VmarOp.COMMIT || op == VmarOp.DECOMMIT || op == VmarOp.PREFETCH;
        if (!piece.isDirect() && staysDirect) {
            return Refusal.of(INVALID_ARGS, "V-178");
        }
        boolean writes = op == VmarOp.COMMIT || op == VmarOp.DECOMMIT || op == VmarOp.ZERO;
        if (writes && !piece.most().canWrite()) {
            return Refusal.of(ACCESS_DENIED, "V-180");
        }
        if (!piece.isPastEnd()) {
            return null;
        }
        return switch (op) {
            case COMMIT -> Refusal.of(OUT_OF_RANGE, "O-76");
            case DECOMMIT -> Refusal.of(OUT_OF_RANGE, "O-85");
            case ZERO -> Refusal.of(OUT_OF_RANGE, "O-91");
            case PREFETCH -> Refusal.of(OUT_OF_RANGE, "O-107");
            case MAP_RANGE, DONT_NEED, ALWAYS_NEED -> null;
        };
    }

    // ---- faults and readers

    @ParameterizedTest
    @EnumSource(Place.class)
    @Tag("V-195")
    @Tag("V-196")
    @Tag("V-197")
    @Tag("V-198")
    @Tag("V-212")
    void faultsAtBadAddressesChangeNothing(Place place) {
        locate(place);
        sweep(
                place,
                List.of(
                        new Argument("region", 0, 1, 2),
                        address(),
                        new Argument("access", 0, 0, 1, 2),
                        new Argument("pageCount", 1, 1, 2, 7, 1L << 43, Long.MAX_VALUE)),
                (scene, a) ->
                        scene.regionOf(a[0])
                                .handlePageFault(a[1], AccessKind.values()[(int) a[2]], a[3]),
                a -> fault(a[0] != 0, a[1], AccessKind.values()[(int) a[2]]));
    }

    private @Nullable Refusal fault(boolean isElsewhere, long vaddr, AccessKind access) {
        Piece piece = isElsewhere ? null : pieceAt(vaddr);
        if (piece == null) {
            return Refusal.of(NOT_FOUND, "V-195");
        }
        boolean allows =
                switch (access) {
                    case READ -> piece.now().canRead();
                    case WRITE -> piece.now().canWrite();
                    case EXECUTE -> piece.now().canExecute();
                };
        if (!allows) {
            return Refusal.of(ACCESS_DENIED, "V-196");
        }
        return piece.isPastEnd() ? Refusal.of(OUT_OF_RANGE, "V-198") : null;
    }

    private @Nullable Piece pieceAt(long vaddr) {
        if (!BadInput.isInside(u(vaddr), BigInteger.ONE, u(base), BYTES)) {
            return null;
        }
        long page = page(vaddr);
        return BadInputScene.PIECES.stream()
                .filter(piece -> piece.first() <= page && page <= piece.last())
                .findAny()
                .orElse(null);
    }

    @ParameterizedTest
    @EnumSource(Place.class)
    @Tag("V-234")
    void debuggersAreRefusedBadArguments(Place place) {
        locate(place);
        byte[] tooMany = new byte[(64 << 20) + 1];
        sweep(
                place,
                List.of(
                        new Argument("isWrite", 0, 0, 1),
                        address(),
                        new Argument("size", 1, 0, 1, PAGE + 1, tooMany.length)),
                (scene, a) -> {
                    MemorySegment bytes = MemorySegment.ofArray(tooMany).asSlice(0, a[2]);
                    if (a[0] == 0) {
                        scene.region.readMemory(a[1], bytes);
                    } else {
                        scene.region.writeMemory(a[1], bytes);
                    }
                    return ZxStatus.OK;
                },
                a -> debug(a[1], a[2]));
    }

    private @Nullable Refusal debug(long vaddr, long size) {
        if (size == 0 || size > 64 << 20) {
            return Refusal.of(INVALID_ARGS, "V-234", "size=" + size);
        }
        Piece piece = pieceAt(vaddr);
        if (piece == null) {
            return Refusal.of(NOT_FOUND, "V-234", named("vaddr", vaddr));
        }
        return piece.isPastEnd() ? Refusal.of(OUT_OF_RANGE, "V-234", named("vaddr", vaddr)) : null;
    }
}
