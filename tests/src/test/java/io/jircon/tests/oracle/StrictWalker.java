package io.jircon.tests.oracle;

import io.jircon.hal.AccessKind;
import io.jircon.hal.PhysicalMemory;

/// The translation rules of the three manuals, written once more and from nothing but the manuals:
/// slow, without a table format, a cursor or a flag type in common with the code under test.
/// Section numbers are those of `npt-bits`, the project's extract.
sealed interface StrictWalker {
    /// What the manual says of one access.
    ///
    /// @param memory physical memory
    /// @param probe the access
    /// @return never [Answer#UNKNOWN] for an allowed one
    Answer judge(PhysicalMemory memory, Probe probe);

    /// Intel EPT, sections 1.1 to 1.4.
    ///
    /// @param eptp the EPT pointer
    /// @param physicalBits MAXPHYADDR
    /// @param executeOnly whether execute-only leaves are legal
    record Ept(long eptp, int physicalBits, boolean executeOnly) implements StrictWalker {
        @Override
        public Answer judge(PhysicalMemory memory, Probe probe) {
            int levels = (int) (eptp >>> 3 & 7) + 1;
            if (probe.gpa() >>> 12 + 9 * levels != 0) {
                return Answer.fault("violation: beyond the width");
            }
            long reservedAddress = (1L << 52) - (1L << physicalBits);
            long table = eptp & 0x000f_ffff_ffff_f000L;
            long rights = 7;
            for (int level = levels - 1; ; level--) {
                int shift = 12 + 9 * level;
                long at = table + 8 * (probe.gpa() >>> shift & 0x1ff);
                if (!memory.contains(at, 8)) {
                    return Answer.fault("no table");
                }
                long entry = memory.readLong(at);
                if ((entry & 7) == 0) {
                    return Answer.fault("violation: not present");
                }
                boolean writeOnly = (entry & 3) == 2;
                boolean badExecuteOnly = (entry & 7) == 4 && !executeOnly;
                if (writeOnly || badExecuteOnly || (entry & reservedAddress) != 0) {
                    return Answer.fault("misconfiguration");
                }
                boolean leaf = level == 0 || (entry & 1L << 7) != 0;
                if (leaf && level > 2) {
                    return Answer.fault("misconfiguration: no leaf at this level");
                }
                rights &= entry;
                if (!leaf) {
                    if ((entry & 0x78) != 0) {
                        return Answer.fault("misconfiguration: reserved bits of a pointer");
                    }
                    table = entry & 0x000f_ffff_ffff_f000L;
                    continue;
                }
                int type = (int) (entry >>> 3 & 7);
                if (type == 2 || type == 3 || type == 7) {
                    return Answer.fault("misconfiguration: memory type");
                }
                if ((entry & (1L << shift) - 0x1000) != 0) {
                    return Answer.fault("misconfiguration: misaligned leaf");
                }
                long wanted = bit(probe.access(), 1, 2, 4);
                if ((rights & wanted) == 0) {
                    return Answer.fault("violation: rights");
                }
                return leafAnswer(
                        entry & 0x000f_ffff_ffff_f000L, shift, probe.gpa(), "type=" + type);
            }
        }
    }

    /// VMSAv8-64 stage 2 with a 4 KiB granule, sections 2.1 to 2.7.
    ///
    /// @param vtcr VTCR_EL2
    /// @param vttbr VTTBR_EL2
    /// @param physicalBits the machine's own limit
    /// @param xnx whether FEAT_XNX is there
    record Stage2(long vtcr, long vttbr, int physicalBits, boolean xnx) implements StrictWalker {
        private static final int[] PS_BITS = {32, 36, 40, 42, 44, 48, 48, 48};

        @Override
        public Answer judge(PhysicalMemory memory, Probe probe) {
            int ipaBits = 64 - (int) (vtcr & 0x3f);
            int outputBits = Math.min(PS_BITS[(int) (vtcr >>> 16 & 7)], physicalBits);
            int startCode = (int) (vtcr >>> 6 & 3);
            if (startCode == 3) {
                return Answer.fault("translation level=0");
            }
            int level = 2 - startCode;
            int shift = 39 - 9 * level;
            int indexBits = ipaBits - shift;
            boolean tooMany = level == 0 ? indexBits > 9 : indexBits > 13;
            if (probe.gpa() >>> ipaBits != 0 || indexBits < 1 || tooMany) {
                return Answer.fault("translation level=0");
            }
            long rootBytes = Math.max(64, 8L << indexBits);
            long table = vttbr & 0x0000_ffff_ffff_fffeL & -rootBytes;
            if (table >>> outputBits != 0) {
                return Answer.fault("address-size level=0");
            }
            while (true) {
                long at = table + 8 * (probe.gpa() >>> shift & (1L << indexBits) - 1);
                if (!memory.contains(at, 8)) {
                    return Answer.fault("walk-external level=" + level);
                }
                long entry = memory.readLong(at);
                int type = (int) (entry & 3);
                boolean blockLevel = level == 1 || level == 2;
                boolean valid = type == 3 || type == 1 && blockLevel;
                if (!valid) {
                    return Answer.fault("translation level=" + level);
                }
                long address = entry & 0x0000_ffff_ffff_f000L;
                if (address >>> outputBits != 0) {
                    return Answer.fault("address-size level=" + level);
                }
                if (type == 3 && level < 3) {
                    table = address;
                    level++;
                    shift -= 9;
                    indexBits = 9;
                    continue;
                }
                boolean hardwareAccessFlag = (vtcr & 1L << 21) != 0;
                if ((entry & 1L << 10) == 0 && !hardwareAccessFlag) {
                    return Answer.fault("access-flag level=" + level);
                }
                if (!allows(entry, probe.access())) {
                    return Answer.fault("permission level=" + level);
                }
                return leafAnswer(
                        address, shift, probe.gpa(), "attr=%s".formatted(attribute(entry)));
            }
        }

        private boolean allows(long entry, AccessKind access) {
            boolean dirtyManaged = (vtcr & 1L << 22) != 0 && (entry & 1L << 51) != 0;
            int xn = (int) (entry >>> 53 & 3);
            return switch (access) {
                case READ -> (entry & 1 << 6) != 0;
                case WRITE -> (entry & 1 << 7) != 0 || dirtyManaged;
                // 00 both levels, 11 EL1 only; without FEAT_XNX bit 54 alone
                case EXECUTE -> xnx ? xn == 0 || xn == 3 : (xn & 2) == 0;
            };
        }

        /// The attribute byte that PAR_EL1 shows without FWB, two hexadecimal digits.
        private static String attribute(long entry) {
            int memAttr = (int) (entry >>> 2 & 0xf);
            int outer = memAttr >> 2;
            int inner = memAttr & 3;
            if (outer == 0) {
                return "%02x".formatted(inner << 2);
            }
            int[] cacheability = {0, 4, 0xb, 0xf};
            return "%x%x".formatted(cacheability[outer], cacheability[inner]);
        }
    }

    /// RISC-V G-stage, sections 3.1 and 3.2.
    ///
    /// @param hgatp the root register
    /// @param pbmte whether page-based memory types are enabled
    /// @param adue whether the hardware sets accessed and dirty flags
    record GStage(long hgatp, boolean pbmte, boolean adue) implements StrictWalker {
        @Override
        public Answer judge(PhysicalMemory memory, Probe probe) {
            int levels = (int) (hgatp >>> 60) - 5; // 8, 9, 10 are Sv39x4, Sv48x4, Sv57x4
            if (probe.gpa() >>> 14 + 9 * levels != 0) {
                return Answer.fault("beyond the width");
            }
            long table = (hgatp & (1L << 44) - 1) << 12 & -0x4000L;
            for (int level = levels - 1; level >= 0; level--) {
                int shift = 12 + 9 * level;
                long indexMask = level == levels - 1 ? 0x7ff : 0x1ff;
                long at = table + 8 * (probe.gpa() >>> shift & indexMask);
                if (!memory.contains(at, 8)) {
                    return Answer.fault("no table");
                }
                long pte = memory.readLong(at);
                boolean readable = (pte & 2) != 0;
                boolean writable = (pte & 4) != 0;
                boolean executable = (pte & 8) != 0;
                if ((pte & 1) == 0 || writable && !readable) {
                    return Answer.fault("not valid");
                }
                int memoryType = (int) (pte >>> 61 & 3);
                boolean reserved = (pte >>> 54 & 0x7f) != 0 || pte < 0;
                boolean badType = pbmte ? memoryType == 3 : memoryType != 0;
                if (reserved || badType) {
                    return Answer.fault("reserved bits");
                }
                long address = (pte >>> 10 & (1L << 44) - 1) << 12;
                if (!readable && !executable) {
                    if ((pte & 0xd0) != 0 || memoryType != 0) {
                        return Answer.fault("reserved bits of a pointer");
                    }
                    table = address;
                    continue;
                }
                if ((address & (1L << shift) - 1) != 0) {
                    return Answer.fault("misaligned leaf");
                }
                long wanted = bit(probe.access(), 2, 4, 8);
                if ((pte & 16) == 0 || (pte & wanted) == 0) {
                    return Answer.fault("rights");
                }
                boolean accessed = (pte & 64) != 0;
                boolean dirty = (pte & 128) != 0;
                if (!adue && (!accessed || probe.access() == AccessKind.WRITE && !dirty)) {
                    return Answer.fault("accessed or dirty");
                }
                return leafAnswer(address, shift, probe.gpa(), "pbmt=" + memoryType);
            }
            return Answer.fault("a pointer at the last level");
        }
    }

    private static long bit(AccessKind access, long read, long write, long execute) {
        return switch (access) {
            case READ -> read;
            case WRITE -> write;
            case EXECUTE -> execute;
        };
    }

    /// Address bits below the leaf's size come from the probe, whatever the entry holds there.
    private static Answer leafAnswer(long address, int shift, long gpa, String detail) {
        long offset = (1L << shift) - 1;
        return Answer.ok(address & ~offset | gpa & offset, detail);
    }
}
