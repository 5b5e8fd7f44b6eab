package io.jircon.vm;

import static io.jircon.kobject.ZxStatus.ACCESS_DENIED;
import static io.jircon.kobject.ZxStatus.ALREADY_EXISTS;
import static io.jircon.kobject.ZxStatus.INVALID_ARGS;
import static io.jircon.kobject.ZxStatus.NO_RESOURCES;
import static io.jircon.vm.BadInput.isAligned;
import static io.jircon.vm.BadInput.named;
import static io.jircon.vm.BadInput.u;
import static io.jircon.vm.BadInputScene.PAGES;
import static io.jircon.vm.BadInputScene.SIZE;
import static io.jircon.vm.VmarFixture.PAGE;

import io.jircon.vm.BadInput.Refusal;
import java.math.BigInteger;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/// What the contract says of placing something in the region of [BadInputScene]: the part that
/// allocate and map share (clauses V-64 to V-72), and arguments to try.
final class BadPlacement {
    private static final BigInteger BYTES = BigInteger.valueOf(SIZE);

    private BadPlacement() {}

    /// Every bit alone and with SPECIFIC, words that contradict themselves, and alignments.
    static long[] optionWords() {
        int specific = VmarFlags.SPECIFIC.bits();
        int upper = VmarFlags.OFFSET_IS_UPPER_LIMIT.bits();
        IntStream bits = IntStream.range(0, 24).map(bit -> 1 << bit);
        IntStream withSpecific = IntStream.range(0, 24).map(bit -> 1 << bit | specific);
        IntStream words =
                IntStream.of(
                        0,
                        -1,
                        Integer.MIN_VALUE,
                        upper | specific,
                        upper | VmarFlags.SPECIFIC_OVERWRITE.bits(),
                        3,
                        7,
                        3 | specific,
                        3 | upper);
        IntStream alignments =
                IntStream.of(1, 9, 10, 12, 13, 16, 32, 33, 64, 255)
                        .flatMap(shift -> IntStream.of(shift << 24, shift << 24 | specific));
        return IntStream.concat(
                        IntStream.concat(bits, withSpecific), IntStream.concat(words, alignments))
                .asLongStream()
                .toArray();
    }

    /// Offsets that matter in the region.
    static long[] offsets(long base) {
        return LongStream.of(3, 4, 11, 15, 16, 20, 23, 24, 61, 62, 63, PAGES, PAGES + 1)
                .map(page -> page * PAGE)
                .flatMap(at -> LongStream.of(at, -base + at))
                .toArray();
    }

    /// Sizes that matter in the region.
    static long[] sizes(long base) {
        return LongStream.of(2, 3, 4, 5, 38, 39, PAGES - 2, PAGES - 1, PAGES, PAGES + 1)
                .map(page -> page * PAGE)
                .flatMap(size -> LongStream.of(size, -base - size))
                .toArray();
    }

    /// Whether a word has a bit or an alignment that means nothing (clauses V-1 and V-2).
    static boolean isMalformed(int options) {
        int shift = options >>> 24;
        return (options >>> 16 & 0xff) != 0 || (shift != 0 && (shift < 10 || shift > 32));
    }

    /// The rows V-64 to V-72.
    ///
    /// @param region 0 the region with everything, 1 the empty one without CAN_MAP_SPECIFIC
    /// @param size whole pages, not 0
    static @Nullable Refusal answer(
            long base, int region, int options, long givenOffset, BigInteger size) {
        boolean overwrite = (options & VmarFlags.SPECIFIC_OVERWRITE.bits()) != 0;
        boolean specific = overwrite || (options & VmarFlags.SPECIFIC.bits()) != 0;
        boolean upper = (options & VmarFlags.OFFSET_IS_UPPER_LIMIT.bits()) != 0;
        String options_ = "options=" + new VmarFlags(options);
        String offset_ = named("offset", givenOffset);
        String size_ = "size=0x" + size.toString(16);
        BigInteger offset = u(givenOffset);
        if (specific && upper) {
            return Refusal.of(INVALID_ARGS, "V-64", options_);
        }
        if (!specific && !upper && offset.signum() != 0) {
            return Refusal.of(INVALID_ARGS, "V-65", offset_);
        }
        if (!isAligned(offset)) {
            return Refusal.of(INVALID_ARGS, "V-66", offset_);
        }
        if ((specific || upper) && region == 1) {
            return Refusal.of(ACCESS_DENIED, "V-67", options_);
        }
        if (!upper && offset.add(size).compareTo(BYTES) > 0) {
            return Refusal.of(INVALID_ARGS, "V-68", offset_, size_);
        }
        if (upper && (offset.compareTo(BYTES) > 0 || size.compareTo(offset) > 0)) {
            return Refusal.of(INVALID_ARGS, "V-69", offset_, size_);
        }
        long align = 1L << Math.max(options >>> 24, 12);
        long pages = size.longValueExact() / PAGE;
        if (!specific) {
            long limit = upper ? givenOffset / PAGE : PAGES;
            boolean found =
                    LongStream.rangeClosed(0, limit - pages)
                            .filter(at -> u(base + at * PAGE).mod(u(align)).signum() == 0)
                            .anyMatch(at -> region == 1 || isFree(at, pages));
            return found ? null : Refusal.of(NO_RESOURCES, "V-72", options_, size_);
        }
        long first = givenOffset / PAGE;
        if (u(base + givenOffset).mod(u(align)).signum() != 0) {
            return Refusal.of(INVALID_ARGS, "V-70", offset_, options_);
        }
        return overwrite || isFree(first, pages)
                ? null
                : Refusal.of(ALREADY_EXISTS, "V-71", offset_, size_);
    }

    private static boolean isFree(long first, long pages) {
        return BadInputScene.isFree(first, first + pages - 1);
    }
}
