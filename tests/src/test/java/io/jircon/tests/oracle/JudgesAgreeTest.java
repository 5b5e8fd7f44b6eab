package io.jircon.tests.oracle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.PhysicalMemory;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The two judges against each other, over tables of random entries that no code of this project
/// wrote: what the emulator says and what the manuals' rules say must be one. So neither can hide a
/// mistake of the other when both judge the real page tables.
class JudgesAgreeTest {
    private static final long BASE = 0x8000_0000L;
    private static final long BYTES = 4L << 20;

    /// Tables lie in the lower half, zero frames in the upper one: a fetched frame must hold no
    /// code.
    private static final int TABLE_PAGES = 48;

    private static final int PROBES = 4000;

    @BeforeAll
    static void emulatorsAreInstalled() {
        Emulators.require();
    }

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3})
    void riscv(long seed) throws IOException {
        var random = new SplittableRandom(seed);
        int mode = 8 + (int) (seed % 2);
        long hgatp = (long) mode << 60 | BASE >>> 12;
        compare(
                new RiscvEmulator(hgatp, /* pbmte= */ false, /* adue= */ false),
                new StrictWalker.GStage(hgatp, false, false),
                fill(random, RandomEntries::riscv),
                probes(random, 14 + 9 * (mode - 5), new int[] {12, 21, 30, 39, 48}));
    }

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3})
    void aarch64(long seed) throws IOException {
        var random = new SplittableRandom(seed);
        // 39 bits from level 1, 40 bits from two tables, 34 bits from sixteen tables at level 2
        long vtcr = new long[] {0x80023559L, 0x80023558L, 0x8002351eL}[(int) (seed % 3)];
        compare(
                new Aarch64Emulator(vtcr, BASE, /* forcedWriteBack= */ false, "cortex-a57"),
                new StrictWalker.Stage2(vtcr, BASE, 44, /* xnx= */ false),
                fill(random, RandomEntries::aarch64),
                probes(random, 64 - (int) (vtcr & 63), new int[] {12, 21, 30, 39}));
    }

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3})
    void ept(long seed) throws IOException {
        var random = new SplittableRandom(seed);
        long eptp = BASE | 0x1e;
        compare(
                new BochsEmulator(eptp),
                new StrictWalker.Ept(eptp, 40, /* executeOnly= */ true),
                fill(random, RandomEntries::ept),
                probes(random, 40, new int[] {12, 21, 30, 39}));
    }

    private static void compare(
            EmulatedMmu emulator, StrictWalker strict, PhysicalMemory memory, List<Probe> asked)
            throws IOException {
        List<Probe> probes = asked.stream().map(probe -> harmless(strict, memory, probe)).toList();
        List<Answer> answers = emulator.ask(memory, probes);
        var differences = new ArrayList<String>();
        int allowed = 0;
        for (int i = 0; i < probes.size(); i++) {
            Answer expected = strict.judge(memory, probes.get(i));
            allowed += expected.allowed() ? 1 : 0;
            if (!expected.agreesWith(answers.get(i))) {
                differences.add(
                        probes.get(i) + ": manual " + expected + ", emulator " + answers.get(i));
            }
        }
        assertEquals(
                List.of(), differences.stream().limit(10).toList(), differences.size() + " differ");
        assertTrue(allowed > PROBES / 50, allowed + " allowed probes say too little");
        assertTrue(allowed < PROBES, "no probe was refused");
    }

    /// A fetch from a table would run whatever the entries mean as code: such a probe becomes a
    /// read.
    private static Probe harmless(StrictWalker strict, PhysicalMemory memory, Probe probe) {
        Answer answer = strict.judge(memory, probe);
        boolean leadsIntoTables = answer.allowed() && answer.hpa() - BASE < TABLE_PAGES * 4096L;
        return leadsIntoTables ? new Probe(probe.gpa(), AccessKind.READ) : probe;
    }

    @FunctionalInterface
    private interface EntrySource {
        long entry(SplittableRandom random, long table, long frame);
    }

    private static PhysicalMemory fill(SplittableRandom random, EntrySource source) {
        var memory = new PhysicalMemory(Arena.ofAuto().allocate(BYTES, 4096), BASE);
        for (long page = 0; page < TABLE_PAGES; page++) {
            // The first word stays zero and becomes a stamp, so that a load from a table tells its
            // frame too.
            for (long word = 1; word < 512; word++) {
                long table = BASE + random.nextLong(TABLE_PAGES) * 4096;
                long frame = BASE + BYTES / 2 + random.nextLong(BYTES / 2 / 4096) * 4096;
                memory.writeLong(BASE + page * 4096 + word * 8, source.entry(random, table, frame));
            }
        }
        // Bochs reaches the first two entries of the root only: they have to lead somewhere.
        memory.writeLong(BASE, source.entry(new SplittableRandom(8), BASE + 4096, BASE));
        memory.writeLong(BASE + 8, source.entry(new SplittableRandom(8), BASE + 8192, BASE));
        return memory;
    }

    /// Random addresses, half of them within the width and many of them with few bits set in each
    /// index.
    private static List<Probe> probes(SplittableRandom random, int width, int[] shifts) {
        var probes = new ArrayList<Probe>(PROBES);
        AccessKind[] kinds = AccessKind.values();
        for (int i = 0; i < PROBES; i++) {
            long gpa = 0;
            for (int shift : shifts) {
                gpa |= random.nextLong(512) << shift;
            }
            gpa &= (1L << width) - 1;
            if (random.nextInt(4) == 0) {
                gpa |= random.nextLong(512) * 8;
            }
            probes.add(new Probe(gpa, kinds[random.nextInt(kinds.length)]));
        }
        return probes;
    }
}
