package io.jircon.hal.npt;

import java.util.List;
import java.util.stream.Stream;

/// The formats that the tests of this package run over.
final class Formats {
    private Formats() {}

    static Stream<PagingFormat> all() {
        return Stream.concat(nested(), stage1());
    }

    static Stream<PagingFormat> nested() {
        var made = new java.util.ArrayList<PagingFormat>();
        for (int levels = 4; levels <= 5; levels++) {
            for (boolean on : List.of(false, true)) {
                made.add(new EptOptions(levels, on, !on, levels == 4 ? 46 : 52).format());
            }
        }
        for (int bits : List.of(32, 34, 36, 39, 40, 43, 44, 48)) {
            made.add(Aarch64Stage2Options.DEFAULT.withIpaBits(bits).withPhysicalBits(48).format());
        }
        made.add(Aarch64Stage2Options.DEFAULT.withIpaBits(34).withStartLevel(2).format());
        for (var flags : Aarch64Stage2Options.AccessFlag.values()) {
            made.add(
                    Aarch64Stage2Options.DEFAULT
                            .withFlags(flags)
                            .withXnx(true)
                            .withForceWriteBack(true)
                            .format());
        }
        for (int levels = 3; levels <= 5; levels++) {
            for (var flags : RiscvOptions.AccessedDirty.values()) {
                made.add(RiscvOptions.GUEST.withLevels(levels).withFlags(flags).format());
            }
        }
        made.add(RiscvOptions.GUEST.withSvpbmt(false).format());
        return made.stream();
    }

    static Stream<PagingFormat> stage1() {
        return Stream.of(
                Stage1Formats.x86(4, 46),
                Stage1Formats.x86(5, 52),
                Stage1Formats.aarch64Lower(39, 40),
                Stage1Formats.aarch64Upper(48, 48),
                Stage1Formats.riscv(3),
                Stage1Formats.riscv(4),
                Stage1Formats.riscv(5));
    }

    /// One format of each kind of entry.
    static Stream<PagingFormat> kinds() {
        return Stream.of(
                EptOptions.DEFAULT.format(),
                EptOptions.DEFAULT.withAccessedDirty(true).format(),
                Aarch64Stage2Options.DEFAULT.format(),
                Aarch64Stage2Options.DEFAULT
                        .withFlags(Aarch64Stage2Options.AccessFlag.HARDWARE_DIRTY)
                        .format(),
                RiscvOptions.GUEST.format(),
                RiscvOptions.GUEST.withFlags(RiscvOptions.AccessedDirty.SVADU).format(),
                Stage1Formats.x86(4, 46),
                Stage1Formats.aarch64Lower(39, 40),
                Stage1Formats.riscv(3));
    }
}
