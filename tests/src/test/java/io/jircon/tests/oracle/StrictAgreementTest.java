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
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.LongFunction;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Tables that had a random life, walked by the manuals' rules, in every setting that a nested HAL
/// takes: also those that no emulator here can walk, such as EPT with 5 levels and with other
/// physical widths than 40 bits. Memory types are compared too. Needs no emulator; the rules
/// themselves are held against emulators in [JudgesAgreeTest] and [OracleAgreementTest].
class StrictAgreementTest {
    private static final long MEMORY_BYTES = 16L << 20;
    private static final int STEPS = 300;
    private static final int PROBES = 2_000;
    private static final long SEED = Long.getLong("jircon.oracle.seed", 20261125L);

    /// One setting of an architecture.
    ///
    /// @param addressBits width of guest-physical addresses
    /// @param judge the manual's rules, given the root's address
    /// @param types the manual's memory type, as [StrictWalker] says it, by the flags' memory type;
    ///   empty where it does not
    /// @param needsFlags whether leaves that were never touched refuse every access
    record Setting(
            String hal,
            Map<String, String> options,
            int addressBits,
            LongFunction<StrictWalker> judge,
            Map<Integer, String> types,
            boolean needsFlags) {
        @Override
        public String toString() {
            return hal + " " + new TreeMap<>(options);
        }
    }

    static Stream<Setting> settings() {
        var all = new ArrayList<Setting>();
        for (int levels = 4; levels <= 5; levels++) {
            for (int physicalBits : new int[] {32, 46, 52}) {
                for (String ad : List.of("off", "on")) {
                    for (String executeOnly : List.of("off", "on")) {
                        all.add(ept(levels, physicalBits, ad, executeOnly));
                    }
                }
            }
        }
        for (int startLevel = 0; startLevel <= 2; startLevel++) {
            int least = Math.max(32, 40 - 9 * startLevel);
            int most = startLevel == 0 ? 48 : 52 - 9 * startLevel;
            for (int ipaBits = least; ipaBits <= most; ipaBits++) {
                all.add(stage2(ipaBits, startLevel, "preset", "off", "off"));
            }
        }
        for (String ad : List.of("preset", "fault", "hardware", "hardware-dirty")) {
            for (String xnx : List.of("off", "on")) {
                for (String fwb : List.of("off", "on")) {
                    all.add(stage2(40, 1, ad, xnx, fwb));
                }
            }
        }
        for (int levels = 3; levels <= 5; levels++) {
            for (String ad : List.of("preset", "svade", "svadu")) {
                for (String svpbmt : List.of("off", "on")) {
                    all.add(gStage(levels, ad, svpbmt));
                }
            }
        }
        return all.stream();
    }

    private static Setting ept(int levels, int physicalBits, String ad, String executeOnly) {
        long low = 6 | levels - 1 << 3 | (ad.equals("on") ? 1 << 6 : 0);
        return new Setting(
                "x86_64",
                Map.of(
                        "levels",
                        "" + levels,
                        "physicalBits",
                        "" + physicalBits,
                        "ad",
                        ad,
                        "executeOnly",
                        executeOnly),
                12 + 9 * levels,
                root -> new StrictWalker.Ept(root | low, physicalBits, executeOnly.equals("on")),
                Map.of(
                        0,
                        "type=6",
                        MmuFlags.DEVICE_BIT,
                        "type=0",
                        MmuFlags.UNCACHED_BIT,
                        "type=0",
                        MmuFlags.WRITE_COMBINING_BIT,
                        "type=1"),
                false);
    }

    private static Setting stage2(int ipaBits, int startLevel, String ad, String xnx, String fwb) {
        int[] sizes = {32, 36, 40, 42, 44, 48};
        int ps = 0;
        while (sizes[ps] < ipaBits) {
            ps++;
        }
        long vtcr =
                1L << 31
                        | (long) ps << 16
                        | 0x3500
                        | (long) (2 - startLevel) << 6
                        | 64 - ipaBits
                        | (ad.startsWith("hardware") ? 1L << 21 : 0)
                        | (ad.equals("hardware-dirty") ? 1L << 22 : 0);
        return new Setting(
                "aarch64",
                Map.of(
                        "ipaBits",
                        "" + ipaBits,
                        "startLevel",
                        "" + startLevel,
                        "physicalBits",
                        "" + sizes[ps],
                        "ad",
                        ad,
                        "xnx",
                        xnx,
                        "fwb",
                        fwb),
                ipaBits,
                root -> new StrictWalker.Stage2(vtcr, root, 48, xnx.equals("on")),
                fwb.equals("on")
                        ? Map.of()
                        : Map.of(
                                0,
                                "attr=ff",
                                MmuFlags.DEVICE_BIT,
                                "attr=04",
                                MmuFlags.UNCACHED_BIT,
                                "attr=44",
                                MmuFlags.WRITE_COMBINING_BIT,
                                "attr=44"),
                ad.equals("fault"));
    }

    private static Setting gStage(int levels, String ad, String svpbmt) {
        boolean pbmte = svpbmt.equals("on");
        long mode = (long) (levels + 5) << 60;
        return new Setting(
                "riscv64",
                Map.of("levels", "" + levels, "ad", ad, "svpbmt", svpbmt),
                14 + 9 * levels,
                root -> new StrictWalker.GStage(mode | root >>> 12, pbmte, ad.equals("svadu")),
                Map.of(
                        0,
                        "pbmt=0",
                        MmuFlags.DEVICE_BIT,
                        "pbmt=2",
                        MmuFlags.UNCACHED_BIT,
                        "pbmt=1",
                        MmuFlags.WRITE_COMBINING_BIT,
                        "pbmt=1"),
                ad.equals("svade"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("settings")
    void manualAndWalkerAgree(Setting setting) {
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
                judge(setting, hal, table, random);
            }
        }
    }

    private static void judge(
            Setting setting, Hal hal, PageTableTrait table, SplittableRandom random) {
        StrictWalker judge = setting.judge().apply(table.rootAddress());
        var differences = new ArrayList<String>();
        var result = new WalkResult();
        int allowed = 0;
        List<Probe> probes = probes(setting, table, random);
        for (Probe probe : probes) {
            Answer manual = judge.judge(hal.memory(), probe);
            // Last, because it may set accessed and dirty flags.
            boolean ok = table.hardwareWalk(probe.gpa(), probe.access(), result);
            Answer own =
                    ok
                            ? Answer.ok(result.paddr, MmuFlags.of(result.flagBits).toString())
                            : Answer.fault(result.cause.toString());
            allowed += ok ? 1 : 0;
            String type = setting.types().get(result.flagBits & MmuFlags.MEMORY_TYPE_MASK);
            boolean typeAgrees = !ok || type == null || type.equals(manual.detail());
            if (!own.agreesWith(manual) || !typeAgrees) {
                differences.add("%s: walker %s, manual %s".formatted(probe, own, manual));
            }
        }
        assertEquals(
                List.of(), differences.stream().limit(10).toList(), differences.size() + " differ");
        assertTrue(setting.needsFlags() || allowed > probes.size() / 10, allowed + " allowed");
        assertTrue(allowed < probes.size() * 9 / 10, "too few probes were refused");
    }

    /// Every kind of access, at leaves and their edges, anywhere, and beyond the width.
    private static List<Probe> probes(
            Setting setting, PageTableTrait table, SplittableRandom random) {
        long width = 1L << setting.addressBits();
        var leaves = new ArrayList<long[]>();
        table.forEachLeaf(
                0,
                width,
                (vaddr, paddr, size, flags) -> leaves.add(new long[] {vaddr, size.bytes()}));
        assertTrue(leaves.size() > 50, leaves.size() + " leaves say too little");
        AccessKind[] kinds = AccessKind.values();
        var probes = new ArrayList<Probe>(PROBES);
        for (int i = 0; i < PROBES; i++) {
            long[] leaf = leaves.get(random.nextInt(leaves.size()));
            long gpa =
                    switch (random.nextInt(20)) {
                        case 0 -> leaf[0] - 1;
                        case 1 -> leaf[0] + leaf[1];
                        case 2 -> random.nextLong(width);
                        case 3 -> width << random.nextInt(4) | leaf[0];
                        default -> leaf[0] + random.nextLong(leaf[1]);
                    };
            probes.add(new Probe(gpa, kinds[random.nextInt(kinds.length)]));
        }
        return probes;
    }
}
