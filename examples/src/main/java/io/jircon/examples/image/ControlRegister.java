package io.jircon.examples.image;

import io.jircon.hal.npt.NestedPageTable;
import io.jircon.hal.npt.PagingFormat;

/// What a hypervisor puts into a register to let a guest run under a second-stage table.
///
/// @param name what the value is called in `meta.txt`: `eptp`, `vtcr` or `mode`
/// @param value the value
public record ControlRegister(String name, long value) {
    private static final long EPT_WRITE_BACK = 6;
    private static final int EPT_LEVELS_SHIFT = 3;
    private static final int RISCV_SV39X4 = 8;
    private static final int RISCV_SV39X4_LEVELS = 3;

    /// Inner and outer write-back, inner shareable, as the walks of ordinary memory are.
    private static final long VTCR_WALKS = 1L << 8 | 1L << 10 | 3L << 12;

    private static final long VTCR_RES1 = 1L << 31;
    private static final int VTCR_START_LEVEL_SHIFT = 6;
    private static final int VTCR_PHYSICAL_SIZE_SHIFT = 16;
    private static final int AARCH64_LEVELS = 4;

    /// The value for a table.
    ///
    /// @param hal the name of the HAL that the table is of: `x86_64`, `aarch64` or `riscv64`
    /// @param table a guest's table
    /// @return EPTP with the root's address in it; VTCR_EL2; or the MODE field of hgatp
    /// @throws IllegalArgumentException when the HAL is none of the three
    public static ControlRegister of(String hal, NestedPageTable table) {
        PagingFormat format = table.format();
        return switch (hal) {
            // SDM volume 3, "Extended-Page-Table Pointer".
            case "x86_64" ->
                    new ControlRegister(
                            "eptp",
                            table.rootAddress()
                                    | EPT_WRITE_BACK
                                    | (long) (format.levels() - 1) << EPT_LEVELS_SHIFT);
            // Arm ARM, VTCR_EL2: SL0 counts 2, 1, 0 for start levels 0, 1, 2.
            case "aarch64" ->
                    new ControlRegister(
                            "vtcr",
                            VTCR_RES1
                                    | VTCR_WALKS
                                    | (64 - format.addressBits())
                                    | (long) (2 - (AARCH64_LEVELS - format.levels()))
                                            << VTCR_START_LEVEL_SHIFT
                                    | physicalSize(format.physicalBits())
                                            << VTCR_PHYSICAL_SIZE_SHIFT);
            // Privileged specification, hgatp: MODE 8, 9, 10 for Sv39x4, Sv48x4, Sv57x4.
            case "riscv64" ->
                    new ControlRegister(
                            "mode", RISCV_SV39X4 + format.levels() - RISCV_SV39X4_LEVELS);
            default ->
                    throw new IllegalArgumentException(
                            "hal=" + hal + " is not one of x86_64, aarch64, riscv64");
        };
    }

    private static long physicalSize(int bits) {
        return switch (bits) {
            case 32 -> 0;
            case 36 -> 1;
            case 40 -> 2;
            case 42 -> 3;
            case 44 -> 4;
            case 48 -> 5;
            default -> throw new IllegalArgumentException("physicalBits=" + bits);
        };
    }
}
