package io.jircon.hal.npt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class RootRegisterTest {
    private static final long ROOT = 0x8000_4000L;

    @Test
    @Tag("x86_vcpu:eptp")
    void eptpIsThatOfTheManual() {
        assertEquals(ROOT | 0x1e, new Eptp(ROOT, 4, false, true).encode());
        assertEquals(ROOT | 0x5e, new Eptp(ROOT, 4, true, true).encode());
        assertEquals(ROOT | 0x26, new Eptp(ROOT, 5, false, true).encode());
        assertEquals(new Eptp(ROOT, 5, true, false), Eptp.decode(ROOT | 0x60));
        assertEquals(
                "EPTP=0x8000405e root=0x80004000 levels=4 a/d=on type=WB",
                Eptp.decode(ROOT | 0x5e).toString());
    }

    @Test
    void eptpRefusesWhatVmEntryRefuses() {
        for (long bad : new long[] {0x1d, 0x16, 0x2e, 0x9e, 0x11e, 1L << 52 | 0x1e}) {
            assertThrows(IllegalArgumentException.class, () -> Eptp.decode(ROOT | bad));
        }
    }

    @Test
    void vtcrIsThatOfTheManual() {
        assertEquals(0x8002_3559L, new VtcrEl2(39, 1, 40, false, false).encode());
        assertEquals(0x8002_3558L, new VtcrEl2(40, 1, 40, false, false).encode());
        assertEquals(0x8005_3590L, new VtcrEl2(48, 0, 48, false, false).encode());
        assertEquals(0x8065_3590L, new VtcrEl2(48, 0, 48, true, true).encode());
        assertThrows(IllegalArgumentException.class, () -> VtcrEl2.decode(0x8002_7559L));
        assertThrows(IllegalArgumentException.class, () -> VtcrEl2.decode(0x8002_35d9L));
        assertThrows(IllegalArgumentException.class, () -> VtcrEl2.decode(0x8006_3559L));
    }

    @Test
    @Tag("riscv-h:hgatp")
    void hgatpIsThatOfTheManual() {
        assertEquals(8L << 60 | 5L << 44 | ROOT >> 12, new Hgatp(3, 5, ROOT).encode());
        assertEquals(9L << 60 | 0x2a3fL << 44 | ROOT >> 12, new Hgatp(4, 0x2a3f, ROOT).encode());
        assertThrows(IllegalArgumentException.class, () -> new Hgatp(3, 1 << 14, ROOT));
        assertThrows(IllegalArgumentException.class, () -> new Hgatp(3, 0, ROOT + 0x1000));
        assertThrows(IllegalArgumentException.class, () -> Hgatp.decode(0));
        assertThrows(IllegalArgumentException.class, () -> Hgatp.decode(7L << 60));
        assertThrows(IllegalArgumentException.class, () -> Hgatp.decode(8L << 60 | 1L << 58));
    }

    @Test
    void stage1RegistersEncodeTheirFields() {
        assertEquals(ROOT | 3, new Cr3(ROOT, 3).encode());
        assertEquals(10L << 60 | 0xffffL << 44 | ROOT >> 12, new Satp(5, 0xffff, ROOT).encode());
        assertEquals(ROOT | 7L << 48, new TtbrEl1(ROOT, 7).encode());
        assertEquals(0x5_b510_3510L, new TcrEl1(48, 48, 48).encode());
    }

    @ParameterizedTest
    @MethodSource("io.jircon.hal.npt.Formats#all")
    @Tag("A-113")
    @Tag("riscv-h:hgatp")
    @Tag("x86_vcpu:eptp")
    void decodingGivesBackEveryRegisterOfAFormat(PagingFormat format) {
        long root = 0x8001_0000L;
        for (RootRegister register : format.rootRegisters(root, 5)) {
            long raw = register.encode();
            RootRegister again =
                    switch (register) {
                        case Cr3 cr3 -> Cr3.decode(raw);
                        case Eptp eptp -> Eptp.decode(raw);
                        case Hgatp hgatp -> Hgatp.decode(raw);
                        case Satp satp -> Satp.decode(raw);
                        case TcrEl1 tcr -> TcrEl1.decode(raw);
                        case TtbrEl1 ttbr -> TtbrEl1.decode(raw);
                        case VtcrEl2 vtcr -> VtcrEl2.decode(raw);
                        case VttbrEl2 vttbr -> VttbrEl2.decode(raw);
                    };
            assertEquals(register, again);
            assertEquals(
                    register.register() + "=0x" + Long.toHexString(raw),
                    register.toString().split(" ")[0]);
        }
        assertEquals(
                format.name().startsWith("VMSA") ? 2 : 1, format.rootRegisters(root, 5).size());
    }
}
