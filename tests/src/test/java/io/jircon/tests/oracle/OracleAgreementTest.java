package io.jircon.tests.oracle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.WalkResult;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestReporter;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Tables that had a random life, shown to three judges: an emulator's MMU, the manuals' rules, and
/// our own walker. All have to give the same verdict and the same host-physical address for every
/// probe.
///
/// At least 100,000 probes for each architecture; `jircon.oracle.scale` multiplies,
/// `jircon.oracle.seed` sets where the random choices start.
@Tag("oracle")
class OracleAgreementTest {
    private static final long MEMORY_BYTES = 32L << 20;
    private static final int STEPS = 600;
    private static final long SEED = Long.getLong("jircon.oracle.seed", 20261120L);
    private static final int SCALE = Integer.getInteger("jircon.oracle.scale", 1);

    /// One setting of an architecture.
    ///
    /// @param options of the HAL
    /// @param addressBits probes and mappings stay below this width, but for some beyond it
    /// @param probesBeyond whether the emulator can be asked beyond the width
    /// @param probes how many to ask
    /// @param judges what to ask, given the root's address
    /// @param attributes whether the emulator reports memory attributes to compare
    record Setting(
            String hal,
            Map<String, String> options,
            int addressBits,
            boolean probesBeyond,
            int probes,
            java.util.function.LongFunction<Judges> judges,
            boolean attributes) {
        @Override
        public String toString() {
            return hal + " " + options;
        }
    }

    record Judges(EmulatedMmu emulator, StrictWalker strict) {}

    static Stream<Setting> settings() {
        return Stream.of(
                ept(Map.of("physicalBits", "40"), false),
                ept(Map.of("physicalBits", "40", "ad", "on"), true),
                stage2(39, 1, Map.of("ipaBits", "39"), 40),
                stage2(40, 1, Map.of("ipaBits", "40"), 40),
                stage2(36, 1, Map.of("ipaBits", "36", "startLevel", "1", "physicalBits", "36"), 36),
                stage2(32, 2, Map.of("ipaBits", "32", "startLevel", "2"), 40),
                stage2(34, 2, Map.of("ipaBits", "34", "startLevel", "2"), 40),
                stage2(42, 1, Map.of("ipaBits", "42", "physicalBits", "44"), 44),
                stage2(43, 1, Map.of("ipaBits", "43", "physicalBits", "44"), 44),
                stage2(44, 0, Map.of("ipaBits", "44", "physicalBits", "44"), 44),
                stage2(48, 0, Map.of("ipaBits", "48", "physicalBits", "48"), 48),
                stage2(40, 1, Map.of("ad", "hardware"), 40),
                stage2(40, 1, Map.of("ad", "hardware-dirty"), 40),
                stage2(40, 1, Map.of("xnx", "on"), 40),
                stage2(40, 1, Map.of("fwb", "on"), 40),
                gStage(3, Map.of("mode", "sv39x4")),
                gStage(4, Map.of("mode", "sv48x4")),
                gStage(5, Map.of("mode", "sv57x4")),
                gStage(3, Map.of("mode", "sv39x4", "ad", "svade")),
                gStage(3, Map.of("mode", "sv39x4", "ad", "svadu")),
                gStage(4, Map.of("mode", "sv48x4", "svpbmt", "off")));
    }

    /// SDM vol. 3C, EPTP: write-back tables, walk length less one, accessed and dirty flags.
    private static Setting ept(Map<String, String> options, boolean accessedDirty) {
        long low = 6 | 3 << 3 | (accessedDirty ? 1 << 6 : 0);
        return new Setting(
                "x86_64",
                options,
                40,
                false,
                50_000,
                root ->
                        new Judges(
                                new BochsEmulator(root | low),
                                new StrictWalker.Ept(root | low, 40, /* executeOnly= */ true)),
                false);
    }

    /// VTCR_EL2: RES1, PS, inner shareable write-back tables, SL0, T0SZ, HA, HD.
    private static Setting stage2(
            int ipaBits, int startLevel, Map<String, String> options, int physicalBits) {
        String ad = options.getOrDefault("ad", "preset");
        boolean ha = ad.startsWith("hardware");
        boolean hd = ad.equals("hardware-dirty");
        boolean xnx = options.containsKey("xnx");
        boolean fwb = options.containsKey("fwb");
        long ps = List.of(32, 36, 40, 42, 44, 48).indexOf(physicalBits);
        long vtcr =
                1L << 31
                        | ps << 16
                        | 0x3500
                        | (long) (2 - startLevel) << 6
                        | 64 - ipaBits
                        | (ha ? 1L << 21 : 0)
                        | (hd ? 1L << 22 : 0);
        // The plain model has neither hardware flags nor FEAT_XNX nor FWB, and 44 address bits.
        boolean late = ha || xnx || fwb || physicalBits > 44;
        return new Setting(
                "aarch64",
                options,
                ipaBits,
                true,
                8_000,
                root ->
                        new Judges(
                                new Aarch64Emulator(vtcr, root, fwb, late ? "max" : "cortex-a57"),
                                // QEMU's later model has FEAT_XNX whether or not the table uses it
                                new StrictWalker.Stage2(vtcr, root, late ? 48 : 44, late)),
                !fwb);
    }

    private static Setting gStage(int levels, Map<String, String> options) {
        boolean pbmte = !options.containsKey("svpbmt");
        boolean adue = "svadu".equals(options.get("ad"));
        long mode = (long) (levels + 5) << 60;
        return new Setting(
                "riscv64",
                options,
                14 + 9 * levels,
                true,
                17_000,
                root ->
                        new Judges(
                                new RiscvEmulator(mode | root >>> 12, pbmte, adue),
                                new StrictWalker.GStage(mode | root >>> 12, pbmte, adue)),
                false);
    }

    @BeforeAll
    static void emulatorsAreInstalled() {
        Emulators.require();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("settings")
    void judgesAgree(Setting setting, TestReporter reporter) throws IOException {
        HalConfig config = HalConfig.DEFAULT.withMemoryBytes(MEMORY_BYTES);
        for (var option : setting.options().entrySet()) {
            config = config.withOption(option.getKey(), option.getValue());
        }
        var random = new SplittableRandom(SEED ^ setting.toString().hashCode());
        try (Hal hal = Hals.create(setting.hal(), config)) {
            long dataBytes = MEMORY_BYTES / 2;
            long data = hal.frames().allocateContiguous(dataBytes >>> 12, PageSize.SIZE_2M.shift());
            try (PageTableTrait table = hal.newPageTable(AddressSpaceKind.GUEST)) {
                new RandomHistory(table, random, data, dataBytes, setting.addressBits())
                        .live(STEPS);
                List<Probe> probes = probes(setting, table, random, data, dataBytes);
                judge(setting, hal, table, probes, reporter);
            }
        }
    }

    private static void judge(
            Setting setting,
            Hal hal,
            PageTableTrait table,
            List<Probe> probes,
            TestReporter reporter)
            throws IOException {
        Judges judges = setting.judges().apply(table.rootAddress());
        List<Answer> emulated = judges.emulator().ask(hal.memory(), probes);
        List<Answer> strict =
                probes.stream().map(probe -> judges.strict().judge(hal.memory(), probe)).toList();
        var differences = new ArrayList<String>();
        var result = new WalkResult();
        int allowed = 0;
        int located = 0;
        for (int i = 0; i < probes.size(); i++) {
            Probe probe = probes.get(i);
            // Last, because it may set accessed and dirty flags.
            boolean ok = table.hardwareWalk(probe.gpa(), probe.access(), result);
            Answer own =
                    ok
                            ? Answer.ok(result.paddr, MmuFlags.of(result.flagBits).toString())
                            : Answer.fault(result.cause.toString());
            allowed += ok ? 1 : 0;
            located += ok && emulated.get(i).hpa() != Answer.UNKNOWN ? 1 : 0;
            boolean attributesAgree =
                    !setting.attributes()
                            || !ok
                            || probe.access() == AccessKind.EXECUTE
                            || emulated.get(i)
                                    .detail()
                                    .startsWith(expectedAttribute(result.flagBits));
            if (!own.agreesWith(emulated.get(i))
                    || !own.agreesWith(strict.get(i))
                    || !attributesAgree) {
                differences.add(
                        "%s: walker %s, emulator %s, manual %s"
                                .formatted(probe, own, emulated.get(i), strict.get(i)));
            }
        }
        reporter.publishEntry(
                "oracle",
                "%s: %d probes, %d allowed, %d with the emulator's own address, %d differences"
                        .formatted(setting, probes.size(), allowed, located, differences.size()));
        assertEquals(
                List.of(), differences.stream().limit(10).toList(), differences.size() + " differ");
        // Where software sets the accessed flag, most leaves were never touched.
        assertTrue(allowed > probes.size() / 100, allowed + " allowed probes say too little");
        assertTrue(located > allowed / 4, located + " located probes say too little");
        assertTrue(allowed < probes.size() * 9 / 10, "too few probes were refused");
    }

    /// PAR_EL1.ATTR for the memory type of a mapping.
    private static String expectedAttribute(int flagBits) {
        if ((flagBits & MmuFlags.DEVICE_BIT) != 0) {
            return "attr=04";
        }
        return (flagBits & MmuFlags.MEMORY_TYPE_MASK) != 0 ? "attr=44" : "attr=ff";
    }

    /// Most probes hit a leaf or its edge, the others fall anywhere, a few beyond the width. A
    /// fetch is asked only where it runs zeros, which trap at once, or is refused.
    private static List<Probe> probes(
            Setting setting,
            PageTableTrait table,
            SplittableRandom random,
            long data,
            long dataBytes) {
        long width = 1L << setting.addressBits();
        var starts = new ArrayList<long[]>();
        table.forEachLeaf(
                0,
                width,
                (vaddr, paddr, size, flags) -> starts.add(new long[] {vaddr, size.bytes()}));
        assertTrue(starts.size() > 50, starts.size() + " leaves say too little");
        int count = setting.probes() * SCALE;
        var probes = new ArrayList<Probe>(count);
        AccessKind[] kinds = AccessKind.values();
        while (probes.size() < count) {
            long gpa;
            int choice = random.nextInt(100);
            if (choice < 85) {
                long[] leaf = starts.get(random.nextInt(starts.size()));
                gpa = leaf[0] + (random.nextLong(leaf[1] >>> 12) << 12);
            } else if (choice < 94) {
                long[] leaf = starts.get(random.nextInt(starts.size()));
                gpa = random.nextBoolean() ? leaf[0] - 4096 : leaf[0] + leaf[1];
            } else if (choice < 99 || !setting.probesBeyond()) {
                gpa = random.nextLong(width) & -4096L;
            } else {
                gpa = (width << random.nextInt(4)) + (random.nextLong(width) & -4096L);
            }
            if (gpa < 0 || !setting.probesBeyond() && gpa >= width) {
                continue;
            }
            if (random.nextInt(4) == 0) {
                gpa += random.nextLong(500) * 8;
            }
            AccessKind access = kinds[random.nextInt(kinds.length)];
            long paddr = table.translate(gpa);
            boolean runsZeros =
                    paddr == PageTableTrait.NO_TRANSLATION
                            || Long.compareUnsigned(paddr - data, dataBytes) < 0;
            probes.add(
                    new Probe(
                            gpa,
                            access == AccessKind.EXECUTE && !runsZeros ? AccessKind.READ : access));
        }
        return probes;
    }
}
