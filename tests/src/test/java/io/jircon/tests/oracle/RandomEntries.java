package io.jircon.tests.oracle;

import java.util.SplittableRandom;

/// Entries of the three formats with every bit at risk: mostly pointers and leaves, now and then a
/// flipped bit anywhere but in the address, so that every rule of the walk is met and most walks
/// still get somewhere.
final class RandomEntries {
    private RandomEntries() {}

    static long riscv(SplittableRandom random, long table, long frame) {
        int choice = random.nextInt(100);
        if (choice < 45) {
            return disturbed(random, table >>> 2 | 1, 0xffc0_0000_0000_03ffL);
        }
        if (choice < 95) {
            long rights = random.nextLong(8) << 1;
            long leaf = alignedFrame(random, frame) >>> 2 | 0xd1 | rights;
            return disturbed(random, leaf, 0xffc0_0000_0000_03ffL);
        }
        return random.nextLong() & ~1L;
    }

    static long aarch64(SplittableRandom random, long table, long frame) {
        int choice = random.nextInt(100);
        if (choice < 50) {
            return table | 3;
        }
        if (choice < 95) {
            long rights = random.nextLong(4) << 6;
            long shareability = new long[] {0, 2, 3}[random.nextInt(3)] << 8;
            long memAttr = new long[] {0, 1, 5, 10, 15}[random.nextInt(5)] << 2;
            long never = random.nextLong(2) << 54;
            long leaf =
                    alignedFrame(random, frame) | 0x400 | rights | shareability | memAttr | never;
            return disturbed(random, leaf | (random.nextBoolean() ? 1 : 3), 0x0000_0000_0000_0403L);
        }
        return random.nextLong() & ~1L;
    }

    static long ept(SplittableRandom random, long table, long frame) {
        int choice = random.nextInt(100);
        if (choice < 55) {
            // not bit 7: a table's address is no legal huge leaf, and Bochs lets some of those pass
            return disturbed(random, table | 7, 0xfff0_0000_0000_0f7fL);
        }
        if (choice < 95) {
            long rights = random.nextLong(8);
            long type = new long[] {0, 1, 4, 5, 6}[random.nextInt(5)] << 3;
            long leafBit = random.nextLong(2) << 7;
            return disturbed(
                    random,
                    alignedFrame(random, frame) | rights | type | leafBit,
                    0xfff0_0000_0000_0fffL);
        }
        return random.nextLong() & ~7L;
    }

    /// Usually the frame; sometimes one that a huge leaf may name, sometimes one beyond memory.
    /// Bochs lets bit 12 of a huge leaf pass, which the manual counts as reserved: no frame here
    /// has that bit alone below a huge alignment.
    private static long alignedFrame(SplittableRandom random, long frame) {
        return switch (random.nextInt(8)) {
            case 0, 1 -> 0x8000_0000L;
            case 2 -> 0x8020_0000L;
            default -> frame & ~0x1000L | 0x2000L;
        };
    }

    /// Flips one bit of the mask in one of sixteen entries.
    private static long disturbed(SplittableRandom random, long entry, long mask) {
        if (random.nextInt(16) != 0) {
            return entry;
        }
        long bit;
        do {
            bit = 1L << random.nextInt(64);
        } while ((bit & mask) == 0);
        return entry ^ bit;
    }
}
