package io.jircon.hal.npt;

/// Who makes an access, where a stage-1 format tells them apart. Second-stage formats do not.
public enum Privilege {
    /// User mode: x86 CPL 3, AArch64 EL0, RISC-V U-mode.
    USER(0),
    /// The kernel: x86 CPL 0 with CR0.WP set and without SMEP and SMAP, AArch64 EL1, RISC-V S-mode
    /// with SUM set.
    SUPERVISOR(1);

    /// Row in a table with one row per privilege.
    final int row;

    Privilege(int row) {
        this.row = row;
    }
}
