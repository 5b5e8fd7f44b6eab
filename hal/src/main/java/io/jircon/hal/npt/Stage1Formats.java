package io.jircon.hal.npt;

/// The formats of ordinary (stage-1) page tables: for a kernel's own addresses, and for the tables
/// that a guest keeps.
public final class Stage1Formats {
    private Stage1Formats() {}

    /// x86-64's page tables. The lower and upper half of the address space share a table.
    ///
    /// @param levels 4 (48-bit addresses) or 5 (57 bits)
    /// @param physicalBits MAXPHYADDR, 32 to 52
    /// @return the format
    /// @throws IllegalArgumentException when a number is out of its range
    public static PagingFormat x86(int levels, int physicalBits) {
        if (physicalBits < 32 || physicalBits > 52) {
            throw new IllegalArgumentException(
                    "physicalBits=" + physicalBits + " is not in 32..52");
        }
        return X86Format.create(levels, physicalBits);
    }

    /// AArch64's EL1 and EL0 tables of the lower addresses (TTBR0_EL1), 4 KiB granule.
    ///
    /// @param vaBits width of virtual addresses, 25 to 48
    /// @param physicalBits output size: 32, 36, 40, 42, 44 or 48
    /// @return the format
    /// @throws IllegalArgumentException when a number is out of its range
    public static PagingFormat aarch64Lower(int vaBits, int physicalBits) {
        return Aarch64Stage1Format.create(vaBits, FormatSpec.SignExtension.LOWER, physicalBits);
    }

    /// AArch64's EL1 and EL0 tables of the upper addresses (TTBR1_EL1), 4 KiB granule.
    ///
    /// @param vaBits width of virtual addresses, 25 to 48
    /// @param physicalBits output size: 32, 36, 40, 42, 44 or 48
    /// @return the format
    /// @throws IllegalArgumentException when a number is out of its range
    public static PagingFormat aarch64Upper(int vaBits, int physicalBits) {
        return Aarch64Stage1Format.create(vaBits, FormatSpec.SignExtension.UPPER, physicalBits);
    }

    /// RISC-V's Sv39, Sv48 or Sv57.
    ///
    /// @param levels 3, 4 or 5
    /// @return the format, accessed and dirty flags preset, with Svpbmt
    /// @throws IllegalArgumentException when levels is out of its range
    public static PagingFormat riscv(int levels) {
        return RiscvOptions.SUPERVISOR.withLevels(levels).format();
    }
}
