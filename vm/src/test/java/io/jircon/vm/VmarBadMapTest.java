package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.BAD_STATE;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NOT_SUPPORTED;
import static io.jircon.kobject.ZxStatus.OUT_OF_RANGE;
import static io.jircon.vm.BadInput.TWO_64;
import static io.jircon.vm.BadInput.isAligned;
import static io.jircon.vm.BadInput.named;
import static io.jircon.vm.BadInput.u;
import static io.jircon.vm.BadInput.up;
import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.SPECIFIC;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.MmuFlags;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.BadInput.Argument;
import io.jircon.vm.BadInput.Refusal;
import io.jircon.vm.BadInputScene.Place;
import java.math.BigInteger;
import java.util.List;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Map with every bad argument, and every two: the exact status and clause, the argument and its
/// value in the message, and nothing changed.
class VmarBadMapTest {
    private static final int RESIZABLE = 1;
    private static final int DISCARDABLE = 2;
    private static final int PHYSICAL = 3;
    private static final int CONTIGUOUS = 4;

    private static final List<MmuFlags> MOST = List.of(MmuFlags.RWX, MmuFlags.R, MmuFlags.NONE);

    /// The arguments of one call, and what else decides.
    private record MapCall(
            long base,
            boolean readsToo,
            int region,
            int options,
            long regionOffset,
            int vmo,
            long vmoOffset,
            long len,
            MmuFlags most) {
        private MapCall(long base, boolean readsToo, long[] a) {
            this(
                    base,
                    readsToo,
                    (int) a[0],
                    withRead(readsToo, (int) a[1]),
                    a[2],
                    (int) a[3],
                    a[4],
                    a[5],
                    MOST.get((int) a[6]));
        }

        /// Clause V-38.
        private static int withRead(boolean readsToo, int options) {
            boolean given = (options & VmarFlags.PERM_READ_IF_XOM_UNSUPPORTED.bits()) != 0;
            return readsToo && given ? options | VmarFlags.PERM_READ.bits() : options;
        }

        private boolean has(VmarFlags option) {
            return (options & option.bits()) != 0;
        }

        private Refusal refusedOptions(ZxStatus status, String clause) {
            return Refusal.of(status, clause, "options=" + new VmarFlags(options));
        }

        private @Nullable Refusal answer() {
            MmuFlags wanted = MmuFlags.of(options & 0b111);
            boolean beyondStream = has(VmarFlags.FAULT_BEYOND_STREAM_SIZE);
            if (beyondStream && (vmo == PHYSICAL || vmo == CONTIGUOUS)) {
                return Refusal.of(NOT_SUPPORTED, "V-82");
            }
            if ((options & 0b110) != 0 && (options & 1) == 0) {
                return refusedOptions(INVALID_ARGS, "V-84");
            }
            if (has(VmarFlags.MAP_RANGE) && has(VmarFlags.SPECIFIC_OVERWRITE)) {
                return refusedOptions(INVALID_ARGS, "V-85");
            }
            if (has(VmarFlags.CAN_MAP_RWX)) {
                return refusedOptions(INVALID_ARGS, "V-86");
            }
            if (!most.contains(wanted)) {
                return Refusal.of(ACCESS_DENIED, "V-87", "permissions=" + wanted);
            }
            if (beyondStream && !has(VmarFlags.ALLOW_FAULTS)) {
                return Refusal.of(INVALID_ARGS, "V-88");
            }
            if (BadPlacement.isMalformed(options)) {
                return refusedOptions(INVALID_ARGS, "V-90");
            }
            if (has(VmarFlags.REQUIRE_NON_RESIZABLE) && vmo == RESIZABLE) {
                return Refusal.of(NOT_SUPPORTED, "V-91");
            }
            if (vmo == DISCARDABLE && !has(VmarFlags.ALLOW_FAULTS)) {
                return Refusal.of(NOT_SUPPORTED, "V-92");
            }
            if (has(VmarFlags.COMPACT) || has(VmarFlags.CAN_MAP_SPECIFIC)) {
                return refusedOptions(INVALID_ARGS, "V-93");
            }
            if (wanted.canExecute()) {
                return Refusal.of(ACCESS_DENIED, "V-94", "permissions=" + wanted);
            }
            return answerForRanges();
        }

        private @Nullable Refusal answerForRanges() {
            if (!isAligned(u(vmoOffset))) {
                return Refusal.of(INVALID_ARGS, "V-95", named("vmoOffset", vmoOffset));
            }
            BigInteger size = up(u(len));
            if (size.compareTo(TWO_64) >= 0) {
                return Refusal.of(OUT_OF_RANGE, "V-96", named("len", len));
            }
            BigInteger end = u(vmoOffset).add(size);
            if (end.compareTo(TWO_64) >= 0) {
                return Refusal.of(
                        OUT_OF_RANGE, "V-97", named("vmoOffset", vmoOffset), named("len", len));
            }
            BigInteger vmoBytes = BigInteger.valueOf(BadInputScene.VMO_PAGES * PAGE);
            if (vmo == PHYSICAL && end.compareTo(vmoBytes) > 0) {
                return Refusal.of(
                        OUT_OF_RANGE, "V-98", named("vmoOffset", vmoOffset), named("len", len));
            }
            if (region == 2) {
                return Refusal.of(BAD_STATE, "V-99");
            }
            if (len == 0) {
                return Refusal.of(INVALID_ARGS, "V-100", "len=0");
            }
            Refusal refusal = BadPlacement.answer(base, region, options, regionOffset, size);
            if (refusal != null || !has(VmarFlags.SPECIFIC_OVERWRITE)) {
                return refusal;
            }
            long first = regionOffset / PAGE;
            long last = first + size.longValueExact() / PAGE - 1;
            boolean meets = first <= BadInputScene.INNER_LAST && last >= BadInputScene.INNER_FIRST;
            return meets ? Refusal.of(INVALID_ARGS, "V-102") : null;
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"TOP_OF_USER", "TOP_OF_KERNEL"})
    @Tag("V-38")
    @Tag("V-82")
    @Tag("V-84")
    @Tag("V-85")
    @Tag("V-86")
    @Tag("V-87")
    @Tag("V-88")
    @Tag("V-90")
    @Tag("V-91")
    @Tag("V-92")
    @Tag("V-93")
    @Tag("V-94")
    @Tag("V-95")
    @Tag("V-96")
    @Tag("V-97")
    @Tag("V-98")
    @Tag("V-99")
    @Tag("V-100")
    @Tag("V-101")
    @Tag("V-102")
    @Tag("V-293")
    @Tag("V-295")
    void mapRefusesBadArguments(Place place) {
        long base;
        boolean readsToo;
        try (var scene = new BadInputScene(place)) {
            base = scene.region.baseAddress();
            readsToo = !scene.vm.hal.canMapExecuteOnly();
        }
        long[] around = {16 * PAGE, 15 * PAGE, 17 * PAGE, -PAGE - 1, -3 * PAGE, -16 * PAGE};
        int refused =
                BadInput.sweep(
                        () -> new BadInputScene(place),
                        List.of(
                                new Argument("region", 0, 1, 2),
                                new Argument(
                                        "options",
                                        R.with(SPECIFIC).bits(),
                                        BadPlacement.optionWords()),
                                Argument.bytes("regionOffset", PAGE, BadPlacement.offsets(base)),
                                new Argument("vmo", 0, 1, 2, 3, 4),
                                Argument.bytes("vmoOffset", 2 * PAGE, around),
                                Argument.bytes(
                                        "len",
                                        2 * PAGE,
                                        LongStream.concat(
                                                        LongStream.of(BadPlacement.sizes(base)),
                                                        LongStream.of(around))
                                                .toArray()),
                                new Argument("maxPermissions", 0, 1, 2)),
                        VmarBadMapTest::map,
                        a -> new MapCall(base, readsToo, a).answer());
        assertTrue(refused > 5000, "refused " + refused);
    }

    private static ZxStatus map(BadInputScene scene, long[] a) {
        VmAddressRegion region = scene.regionOf(a[0]);
        VmObject vmo = scene.objects.get((int) a[3]);
        long at =
                region.map(new VmarFlags((int) a[1]), a[2], vmo, a[4], a[5], MOST.get((int) a[6]));
        scene.undoing = () -> region.unmap(at, a[5]);
        return ZxStatus.OK;
    }
}
